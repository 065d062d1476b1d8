"""Conversion of the attributes of a grid-mapping variable to a CRS."""

from __future__ import annotations

import functools
import json
from typing import Any

import pyproj
import numpy as np

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.names import Attrs


def read(name: str, attrs: Attrs) -> pyproj.CRS:
    """Read the CRS of a grid mapping; results are cached.

    Parameters
    ----------
    name : str
        Name of the variable, for messages.
    attrs : mapping
        Attributes of the variable: CF parameters or WKT.

    Raises
    ------
    GridError
        If the attributes state no CRS.
    """
    try:
        # cached, because PROJ takes 0.2 s for an ellipsoid without a name
        return _parsed(json.dumps(dict(attrs), default=_plain))
    except (pyproj.exceptions.ProjError, LookupError, TypeError, ValueError) as error:
        about = ", ".join(f"{k}={str(v)[:40]!r}" for k, v in list(attrs.items())[:3])
        said = str(error)[:80]
        raise GridError(
            f"Expected the grid mapping {name!r} to state a CRS by the attributes of CF or by"
            f" crs_wkt, got {about} ({type(error).__name__}: {said}). Leave it out, or replace it:"
            f" import rioxarray, .drop_vars({name!r}, errors='ignore').rio.write_crs('EPSG:3035')."
        ) from error


@functools.lru_cache(maxsize=64)
def _parsed(attrs: str) -> pyproj.CRS:
    crs = pyproj.CRS.from_cf(json.loads(attrs))
    crs.to_cf()  # raise if the CRS cannot be written as CF attributes
    return crs


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return str(value)

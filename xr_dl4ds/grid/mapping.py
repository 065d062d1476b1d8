"""The CRS that the attributes of a grid-mapping variable state."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

import pyproj
import numpy as np

from xr_dl4ds.exceptions import GridError


def read(name: str, attrs: Mapping[str, Any]) -> pyproj.CRS:
    """Read a grid mapping; the same one is read once.

    Parameters
    ----------
    name : str
        What the variable is called, for messages.
    attrs : mapping
        Its attributes, of CF or with WKT.

    Raises
    ------
    GridError
        When they state no CRS.
    """
    try:
        # PROJ takes a fifth of a second for an ellipsoid without a name
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
    crs.to_cf()  # what cannot be written cannot be used
    return crs


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return str(value)

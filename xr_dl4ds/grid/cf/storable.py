"""Requirements that data must meet because files must hold them: names, sizes, dates and values.

They are checked before training, not when a prediction is written.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Hashable, Iterable
from typing import Any

import cftime
import numpy as np
import pandas as pd
import xarray as xr

from xr_dl4ds.exceptions import TimeError, VariableError
from xr_dl4ds.grid.names import Attrs

logger = logging.getLogger(__name__)

#: Names that NetCDF accepts (The NetCDF User's Guide, "NetCDF Names").
_NAME = re.compile(r"[A-Za-z0-9_\x80-\U0010ffff][^\x00-\x1f/\x7f]*(?<! )")

#: Text that looks like a date.
_DATE = re.compile(r"\d{4}-\d{2}(-\d{2}.*)?")


def require_storable(ds: xr.Dataset, role: str) -> None:
    """Raise a `VariableError` for data that no NetCDF file can hold.

    Names of variables, dimensions and coordinates must be names of NetCDF, sizes of dimensions
    must be known, and coordinates must hold numbers, text or dates.
    """
    for dim, size in ds.sizes.items():
        if math.isnan(size):
            name = next(n for n, v in ds.variables.items() if dim in v.dims)
            raise VariableError(
                f"Expected a known number of steps along {dim!r} of {name!r} of {role}, got dask"
                f" chunks of unknown sizes. Call ds[{name!r}].data.compute_chunk_sizes() first, or"
                " .compute()."
            )
    named: dict[str, Iterable[Hashable]] = {"variables": ds.variables, "dimensions": ds.dims}
    for kind, names in named.items():
        for name in names:
            if not is_name(name):
                raise VariableError(
                    f"Expected the {kind} of {role} to have names that NetCDF can hold, got"
                    f" {name!r}. Rename it with .rename({{{name!r}: 'new_name'}})."
                )
    for name, coordinate in ds.coords.items():
        odd = _odd(coordinate)
        if odd is not None and name not in ds.dims:
            raise VariableError(
                f"Expected the coordinate {name!r} of {role} to hold numbers, text or dates, which"
                f" NetCDF can hold, got {odd}. Leave it out with .drop_vars({name!r})."
            )


def is_name(name: Hashable) -> bool:
    """Return True if NetCDF accepts the name."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def storable_attrs(attrs: Attrs) -> dict[str, Any]:
    """Return the attributes that NetCDF can hold, with booleans as integers; log the others."""
    found: dict[str, Any] = {}
    for name, value in attrs.items():
        value = int(value) if isinstance(value, (bool, np.bool_)) else value
        kind = np.asarray(value).dtype.kind if isinstance(value, (list, tuple, np.ndarray)) else ""
        plain = isinstance(value, (str, bytes, int, float, np.number)) or kind in tuple("iufSU")
        if plain and is_name(name):
            found[str(name)] = value
        else:
            logger.warning("the attribute %r, %s, is left out: NetCDF cannot hold it", name, value)
    return found


def _odd(coordinate: xr.DataArray) -> str | None:
    """Return the type of values that NetCDF cannot hold; None for other values."""
    dtype: object = coordinate.dtype
    if not isinstance(dtype, np.dtype):  # of pandas, such as dates with a time zone
        return str(dtype)
    if coordinate.dtype.kind in "cV":
        return str(dtype)
    if coordinate.dtype != object or coordinate.size == 0 or coordinate.chunks is not None:
        return None
    first = coordinate.to_numpy().flat[0]
    known = (str, bytes, bool, int, float, np.generic, cftime.datetime)
    return None if first is None or isinstance(first, known) else type(first).__name__


def _undated(index: pd.Index) -> list[object]:
    """Return the text and the Python objects in an index; empty if files can hold its values."""
    if not isinstance(index.dtype, np.dtype) or index.dtype.kind not in "OUS":
        return list(index) if index.inferred_type == "string" else []
    known = (cftime.datetime, type(None))
    odd = [one for one in index if not isinstance(one, known)]
    return [] if all(isinstance(one, (int, float, np.number)) for one in odd) else odd


def require_dates_of_files(index: pd.Index, dim: str, dates: str, role: str) -> None:
    """Raise a `TimeError` for dates that no NetCDF file can hold.

    These are dates with a time zone, periods, Python dates, and text that looks like a date.
    """
    ready = f".assign_coords({dates}=({dim!r}, "
    if isinstance(index, pd.PeriodIndex):
        held, cure = f"periods ({index.dtype})", f"{ready}ds.indexes[{dates!r}].to_timestamp()))"
    elif isinstance(index, pd.DatetimeIndex) and index.tz is not None:
        held = f"dates with the time zone {index.tz}"
        cure = f"{ready}ds.indexes[{dates!r}].tz_convert('UTC').tz_localize(None)))"
    else:
        kinds = sorted({type(one).__name__ for one in _undated(index)})
        text = kinds == ["str"]
        if not kinds or (text and not _DATE.fullmatch(index[0])):
            return
        held = "text" if text else f"Python objects of type {' and '.join(kinds)}"
        cure = f"{ready}pd.to_datetime(ds[{dates!r}].values)))"
    if dim != dates:
        cure = cure.replace(f"ds.indexes[{dates!r}]", f"ds[{dates!r}].to_index()")
    raise TimeError(
        f"Expected the times {dates!r} of {role} as dates that files can hold (numpy.datetime64 or"
        f" cftime), got {held}, such as {index[0]}. Convert them with {cure}."
    )

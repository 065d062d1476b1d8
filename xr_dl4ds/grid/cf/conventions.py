"""Attributes, bounds and encodings of coordinates according to CF-1.8."""

from __future__ import annotations

import logging
import re
from collections.abc import Container, Hashable

import numpy as np
import xarray as xr

from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.cells import cell_bounds
from xr_dl4ds.grid.cf.coordinates import in_memory
from xr_dl4ds.grid.cf.dimensions import holds_times
from xr_dl4ds.grid.cf.valid_times import is_reference, is_valid_time
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import Attrs

logger = logging.getLogger(__name__)

_AXIS_ATTRS: dict[str, dict[str, str]] = {
    "latitude": {"standard_name": "latitude", "units": "degrees_north"},
    "longitude": {"standard_name": "longitude", "units": "degrees_east"},
}

#: Types of coordinates that CF or NetCDF does not have, with those that files hold.
_STORED: dict[np.dtype, str] = {np.dtype(one): "i4" for one in ("i8", "u8", "u4")}
_STORED |= {np.dtype("f2"): "f4", np.dtype(np.longdouble): "f8"}

#: Attributes of a coordinate that are no longer correct after its cells change.
_STALE = ("actual_range", "valid_range", "valid_min", "valid_max", "climatology", "bounds")

#: Attributes that xarray writes for decoded dates, and refuses where they are there.
_ENCODED = ("units", "calendar")

#: Names and standard names of amounts and rates of precipitation.
_PRECIPITATION = re.compile(r"precip|(?<!ter)rain|snowfall|^pr$|^prsn$|^tp$|^ppt$", re.IGNORECASE)


def is_precipitation(name: Hashable, attrs: Attrs) -> bool:
    """Return True for amounts and rates of precipitation, by standard name or name."""
    return bool(_PRECIPITATION.search(str(attrs.get("standard_name") or name)))


def note_without_mean(ds: xr.Dataset, role: str) -> None:
    """Warn of variables whose attributes say that they have no mean over cells."""
    for name, variable in ds.items():
        attrs = variable.attrs
        standard_name = str(attrs.get("standard_name", ""))
        if standard_name.endswith(("_from_direction", "_to_direction")):
            what = "a direction: average its components, and not its angle"
        elif {"flag_values", "flag_masks", "flag_meanings"} & set(attrs):
            what = "classes: average the share of each class, and not their numbers"
        elif "area: sum" in str(attrs.get("cell_methods", "")):
            what = "a sum over each cell: divide it by the area of the cells first"
        else:
            continue
        logger.warning("%r of %s is averaged over cells, but holds %s", name, role, what)


def with_axes(out: xr.Dataset, grid: Grid) -> xr.Dataset:
    """Assign both axes of `grid` with bounds, in the layout of the grid."""
    for axis, letter in ((grid.y, "Y"), (grid.x, "X")):
        out = _with_axis(out, axis, letter)
    return out


def _with_axis(out: xr.Dataset, axis: Axis, letter: str) -> xr.Dataset:
    others = {n for n, v in out.variables.items() if axis.name not in v.dims}
    bounds = _free(f"{axis.name}_bnds", others | set(out.data_vars))
    attrs = {k: v for k, v in axis.attrs.items() if k not in _STALE}
    attrs |= _AXIS_ATTRS.get(axis.kind, {})
    if "standard_name" not in attrs:
        attrs.setdefault("long_name", axis.name)
    attrs |= {"axis": letter, "bounds": bounds}
    out = out.assign_coords(
        {
            axis.name: xr.Variable(axis.name, axis.values, attrs),
            bounds: xr.Variable((axis.name, _edges_dim(out)), cell_bounds(axis)),
        }
    )
    # CF-1.8 has no 64-bit integers
    held = axis.values.dtype
    dtype = "f8" if held.kind in "iu" else _STORED.get(held, held)
    out[axis.name].encoding = {"dtype": dtype, "_FillValue": None}
    out[bounds].encoding = {"_FillValue": None, "coordinates": None}
    return out


def _edges_dim(out: xr.Dataset) -> str:
    """Return a name for the dimension of the two edges of a cell."""
    other = [d for d, size in out.sizes.items() if size != 2]
    return _free("bnds", {*other, *out.variables})


def _free(name: str, taken: Container[Hashable]) -> str:
    """Return the name, with underscores if it is taken."""
    while name in taken:
        name += "_"
    return name


def with_times(out: xr.Dataset, source: xr.Dataset) -> xr.Dataset:
    """Set CF attributes and the input's units and calendar on every time coordinate.

    Bounds of the time axis are copied from `source`, the data from which `out` was made.
    """
    for name in list(out.coords):
        if not holds_times(out[name]):
            continue
        coordinate = _loaded(out[name])
        attrs = {k: v for k, v in coordinate.attrs.items() if k not in (*_STALE, *_ENCODED)}
        kept = {k: v for k, v in coordinate.encoding.items() if k in _ENCODED and v is not None}
        kept = {k: v for k, v in kept.items() if k != "units" or " since " in str(v)}
        if kept.get("calendar") == "gregorian":  # former name of "standard"
            kept["calendar"] = "standard"
        if name in out.dims:
            attrs["axis"] = "T"
            if is_reference(out[name]):
                attrs["standard_name"] = "forecast_reference_time"
            elif not _has_other_dates(out, name):
                attrs["standard_name"] = "time"
            out, attrs = _with_time_bounds(out, name, attrs, source, kept)
        elif not {"standard_name", "long_name"} & set(attrs):
            valid = name == "time" or is_valid_time(out[name])
            attrs |= {"standard_name": "time"} if valid else {"long_name": str(name)}
        out = out.assign_coords({name: coordinate})
        out[name].attrs = attrs
        out[name].encoding = {**kept, "dtype": "f8", "_FillValue": None}
    return out


def _has_other_dates(out: xr.Dataset, name: Hashable) -> bool:
    """Return True if another coordinate holds the valid times of the steps along a dimension."""
    return any(
        name in c.dims and c.name != name and holds_times(c) and is_valid_time(c)
        for c in out.coords.values()
    )


def _with_time_bounds(
    out: xr.Dataset, name: Hashable, attrs: dict, source: xr.Dataset, kept: Attrs
) -> tuple[xr.Dataset, dict]:
    if name not in source.variables:
        return out, attrs
    of = source[name]
    bounds = of.attrs.get("bounds") or of.encoding.get("bounds")
    if bounds not in source.variables or source[bounds].dims[:-1] != (name,):
        return out, attrs
    if not holds_times(source[bounds]):
        return out, attrs
    out = out.assign_coords({bounds: _loaded(source[bounds])})
    out[bounds].attrs = {}
    out[bounds].encoding = {**kept, "dtype": "f8", "_FillValue": None, "coordinates": None}
    return out, {**attrs, "bounds": bounds}


def _loaded(times: xr.DataArray) -> xr.Variable:
    """Return a copy of dates in memory: xarray chooses units only for these when it writes them."""
    variable = times.variable.copy()
    return variable if variable.chunks is None else variable.copy(data=in_memory(times))


def with_names(out: xr.Dataset, beside: set[Hashable]) -> xr.Dataset:
    """Add a `long_name`, as CF asks for, to input coordinates without a descriptive name."""
    for name in out.coords:
        if name in beside or {"standard_name", "long_name"} & set(out[name].attrs):
            continue
        variable, encoding = out[name].variable.copy(deep=False), out[name].encoding
        variable.attrs = {**variable.attrs, "long_name": str(name)}
        out = out.assign_coords({name: variable})
        out[name].encoding = encoding
    return out


def with_encodings(out: xr.Dataset, beside: set[Hashable]) -> xr.Dataset:
    """Set encodings that CF allows on all variables and coordinates.

    Parameters
    ----------
    out : xarray.Dataset
        A dataset that is complete except for encodings; changed in place.
    beside : set of str
        Names of grid mappings and bounds, which are not auxiliary coordinates.
    """
    for name in out.coords:
        encoding = out[name].encoding
        if not holds_times(out[name]):
            encoding["_FillValue"] = None
            if out[name].dtype.kind == "m":
                encoding["dtype"] = "f8"
            elif out[name].dtype in _STORED:
                encoding["dtype"] = _STORED[out[name].dtype]
    for name in out.data_vars:
        dims = set(out[name].dims)
        listed = [
            str(c)
            for c in out.coords
            if c not in out.dims and c not in beside and set(out[c].dims) <= dims
        ]
        # None keeps xarray from listing the grid mapping as an auxiliary coordinate
        out[name].encoding["coordinates"] = " ".join(sorted(listed)) or None
    return out


def one_variable(ds: xr.Dataset, name: Hashable) -> xr.DataArray:
    """Return a variable without references to bounds, which a DataArray cannot contain."""
    array = ds[name].copy(deep=False)
    for coordinate in array.coords:
        if "bounds" in array[coordinate].attrs:
            variable = array[coordinate].variable.copy(deep=False)
            encoding = variable.encoding
            variable.attrs = {k: v for k, v in variable.attrs.items() if k != "bounds"}
            array = array.assign_coords({coordinate: variable})
            array[coordinate].encoding = encoding
    return array

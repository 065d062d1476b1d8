"""Conversion of coordinates, as found in files, to axes."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import xarray as xr

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.cells import require_no_gap, with_bounds

_DEGREES_NORTH = {"degrees_north", "degree_north", "degree_n", "degrees_n", "degreen", "degreesn"}
_DEGREES_EAST = {"degrees_east", "degree_east", "degree_e", "degrees_e", "degreee", "degreese"}

#: Names, in lower case, of coordinates that hold the places of cells.
PLACE_NAMES = {
    "latitude": {"lat", "latitude", "nav_lat", "xlat", "lats", "tlat", "gphit", "geolat"},
    "longitude": {"lon", "longitude", "nav_lon", "xlong", "lons", "tlon", "tlong", "glamt"},
}


def axis_of(ds: xr.Dataset, variable: Hashable, name: str, *, gaps: bool = False) -> Axis:
    """Return the axis along dimension `name` of a variable, with the cell edges of the file.

    If `gaps` is True, rows or columns may be missing.

    Raises
    ------
    GridError
        If there is no coordinate, or if it is not a valid axis.
    """
    axis = _axis(ds[variable], name)
    if not gaps:
        require_no_gap(axis)
    return _with_bounds(axis, ds)


def _axis(variable: xr.DataArray, name: str) -> Axis:
    if name not in variable.coords:
        raise GridError(
            f"Expected {variable.name!r} to have a coordinate along {name!r}, got none."
            f" {_cure(variable, name)}"
        )
    coordinate = variable[name]
    return Axis(
        name=name,
        values=coordinate.to_numpy(),
        attrs={k: v for k, v in coordinate.attrs.items() if k != "bounds"},
        kind=kind_of(coordinate),
    )


def _with_bounds(axis: Axis, ds: xr.Dataset) -> Axis:
    """Add the cell edges of the file to an axis, if the file has them."""
    coordinate = ds[axis.name]
    name = coordinate.attrs.get("bounds") or coordinate.encoding.get("bounds")
    if name not in ds.variables or ds[name].dims[:-1] != (axis.name,) or ds[name].shape[-1] != 2:
        return axis
    return with_bounds(axis, in_memory(ds[name]))


def in_memory(coordinate: xr.DataArray) -> np.ndarray:
    """Return the values of a coordinate that locates cells; compute them if they are chunked."""
    if coordinate.chunks is None:
        return coordinate.to_numpy()
    try:
        return np.asarray(coordinate.data.compute(scheduler="synchronous"))
    except ValueError:  # persisted on a cluster: only its scheduler has the values
        return np.asarray(coordinate.data.compute())


def _cure(variable: xr.DataArray, name: str) -> str:
    """Explain how to fix a dimension without a coordinate."""
    along = [str(c) for c in variable.coords if variable[c].dims == (name,)]
    if along:
        return f"Make {along[0]!r} the dimension with .swap_dims({name}={along[0]!r})."
    wide = next((v for v in variable.coords.values() if v.ndim == 2 and name in v.dims), None)
    if wide is None:
        return f"Assign the cell centres with .assign_coords({name}=...)."
    numbers = ", ".join(f"{d}=np.arange({variable.sizes[d]})" for d in wide.dims)
    return (
        "Assign the cell centres, or, where latitude and longitude are two-dimensional, number the"
        f" cells with .assign_coords({numbers})."
    )


def kind_of(coordinate: xr.DataArray) -> str:
    """Return the kind of a coordinate: latitude, longitude or planar."""
    standard_name = coordinate.attrs.get("standard_name")
    units = str(coordinate.attrs.get("units", "")).lower()
    name = str(coordinate.name).lower()
    bare = not standard_name and units in ("", "degrees", "degree")
    if str(standard_name).startswith(("grid_", "projection_")):
        return "planar"  # also on rotated grids, whose units are degrees
    if standard_name == "latitude" or units in _DEGREES_NORTH:
        return "latitude"
    if standard_name == "longitude" or units in _DEGREES_EAST:
        return "longitude"
    if bare and name in ("lat", "latitude", "nav_lat"):
        return "latitude"
    if bare and name in ("lon", "longitude", "nav_lon"):
        return "longitude"
    return "planar"

"""Conversion of coordinates, as found in files, to axes."""

from __future__ import annotations

import logging
from collections.abc import Hashable

import numpy as np
import xarray as xr

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.cells import require_no_gap, with_bounds
from xr_dl4ds.grid.units import direction_of_degrees

logger = logging.getLogger(__name__)

#: Names, in lower case, of coordinates that hold the places of cells.
PLACE_NAMES = {
    "latitude": {"lat", "latitude", "nav_lat", "xlat", "lats", "tlat", "gphit", "geolat"},
    "longitude": {"lon", "longitude", "nav_lon", "xlong", "lons", "tlon", "tlong", "glamt"},
}


#: Kind of a coordinate in degrees, or without units, by its name in lower case.
_KIND_BY_NAME = {
    **dict.fromkeys(("lat", "latitude", "nav_lat"), "latitude"),
    **dict.fromkeys(("lon", "longitude", "nav_lon"), "longitude"),
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
            f"{variable.name!r} has no coordinate along {name!r}. {_cure(variable, name)}"
        )
    coordinate = variable[name]
    _require_centres(variable, name)
    return Axis(
        name=name,
        values=coordinate.to_numpy(),
        attrs={k: v for k, v in coordinate.attrs.items() if k != "bounds"},
        kind=kind_of(coordinate),
    )


def _with_bounds(axis: Axis, ds: xr.Dataset) -> Axis:
    """Add the cell edges of the file to an axis, if the file has them."""
    bounds = bounds_of(ds, ds[axis.name])
    return axis if bounds is None else with_bounds(axis, in_memory(bounds))


def bounds_of(ds: xr.Dataset, coordinate: xr.DataArray) -> xr.DataArray | None:
    """Return the bounds of a coordinate, ``(name, 2)``; None if they are missing or not usable."""
    name = coordinate.attrs.get("bounds") or coordinate.encoding.get("bounds")
    if name not in ds.variables or coordinate.ndim != 1:
        return None
    bounds = ds[name]
    if bounds.ndim != 2 or coordinate.dims[0] not in bounds.dims:
        return None
    bounds = bounds.transpose(coordinate.dims[0], ...)  # some programs write them the other way
    return bounds if bounds.shape[-1] == 2 else None


def _require_centres(variable: xr.DataArray, name: str) -> None:
    """Raise a `GridError` for a coordinate that some program left empty: all zeros, or all NaN."""
    values = variable[name].to_numpy()
    if values.ndim != 1 or values.size < 2 or values.dtype.kind not in "iuf":
        return
    found = np.unique(values)  # one entry for all NaN
    if found.size == 1:
        raise GridError(
            f"Expected the coordinate {name!r} to hold the centres of its cells, got"
            f" {found[0]:g} in all {values.size} of them. {_cure(variable, name)}"
        )


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
    along = [str(c) for c in variable.coords if variable[c].dims == (name,) and c != name]
    if along:
        return f"Make {along[0]!r} the dimension with .swap_dims({name}={along[0]!r})."
    places = [
        v
        for v in variable.coords.values()
        if v.ndim >= 2 and name in v.dims and v.dtype.kind in "fiu"
    ]
    if not places:
        return f"Assign the cell centres with .assign_coords({name}=...)."
    spatial = places[0].dims[-2:]
    numbers = ", ".join(f"{d}=np.arange({variable.sizes[d]})" for d in spatial)
    steps = {str(d): 0 for v in places for d in v.dims if d not in spatial}
    names = [str(v.name) for v in places]
    if not steps:
        return f"Number the cells, whose places are {names}: .assign_coords({numbers})."
    step = ", ".join(f"{d}={i}" for d, i in steps.items())
    fixed = ", ".join(f"{n}=ds[{n!r}].isel({step})" for n in names)
    return (
        f"Number the cells, and take their places {names} from one step, if they do not move:"
        f" .assign_coords({numbers}, {fixed})."
    )


def kind_of(coordinate: xr.DataArray) -> str:
    """Return the kind of a coordinate: latitude, longitude or planar.

    Any spelling of degrees counts, see `xr_dl4ds.grid.units.direction_of_degrees`.

    Raises
    ------
    GridError
        If the degrees count towards south or west.
    """
    standard_name = coordinate.attrs.get("standard_name")
    units = str(coordinate.attrs.get("units", ""))
    direction = direction_of_degrees(units)
    if str(standard_name).startswith(("grid_", "projection_")):
        return "planar"  # also on rotated grids, whose units are degrees
    if direction in ("south", "west"):
        name = coordinate.name
        raise GridError(
            f"Expected {name!r} to count degrees towards north or east, got {units!r}. Change the"
            f" sign with .assign_coords({name}=-ds[{name!r}]) and set its units to 'degrees'."
        )
    if standard_name == "latitude" or direction == "north":
        return "latitude"
    if standard_name == "longitude" or direction == "east":
        return "longitude"
    if not standard_name and (direction == "" or not units.strip()):
        return _KIND_BY_NAME.get(str(coordinate.name).lower(), "planar")
    return "planar"


def warn_unless_degrees(axis: Axis, role: str) -> None:
    """Warn if an axis has the name of a latitude or longitude, but units that are no degrees."""
    named = _KIND_BY_NAME.get(axis.name.lower())
    if named is not None and axis.kind == "planar" and "standard_name" not in axis.attrs:
        logger.warning(
            "%r of %s has units of %r, which are not degrees: it is taken as a coordinate of a"
            " plane, and not as a %s. Set .attrs['units'] = 'degrees_%s' if it is one",
            *(axis.name, role, axis.attrs.get("units"), named),
            "north" if named == "latitude" else "east",
        )

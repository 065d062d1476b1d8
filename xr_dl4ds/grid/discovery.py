"""Which dimension is y, x and time, and which variable holds the grid mapping.

The order is: the caller's `x_dim`, `y_dim`, `time_dim`; then CF axis attributes; then CF latitude
and longitude; then usual names. Everything is asked of single DataArrays and nothing is guessed
from prefixes: cf_xarray's own guessing calls `init_time` an X axis.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from typing import Any

import cf_xarray  # noqa: F401  registers the .cf accessor
import cftime
import xarray as xr

from xr_dl4ds.exceptions import GridError, TimeError

Y_NAMES = frozenset(
    [
        "y",
        "lat",
        "latitude",
        "nav_lat",
        "rlat",
        "nlat",
        "j",
        "south_north",
        "northing",
        "grid_latitude",
        "projection_y_coordinate",
        "yc",
    ]
)
X_NAMES = frozenset(
    [
        "x",
        "lon",
        "longitude",
        "nav_lon",
        "rlon",
        "nlon",
        "i",
        "west_east",
        "easting",
        "grid_longitude",
        "projection_x_coordinate",
        "xc",
    ]
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dims:
    """Names of the dimensions in the user's data; None is what is to be found out.

    `extra` says what further dimensions are, and `unknown` what one is of which nothing is said,
    see `xr_dl4ds.grid.extra`.
    """

    y: str | None = None
    x: str | None = None
    time: str | None = None
    extra: Mapping[str, str] = dataclasses.field(default_factory=dict)
    unknown: str | None = None

    def within(self, obj: xr.Dataset | xr.DataArray) -> Dims:
        """Those that this object has; the other side of a pair may name them differently."""
        named = {k: v for k in ("y", "x", "time") if (v := getattr(self, k)) in obj.dims}
        extra = {d: role for d, role in self.extra.items() if d in obj.dims}
        return dataclasses.replace(Dims(**named), extra=extra, unknown=self.unknown)


def find_dims(obj: xr.DataArray, given: Dims) -> Dims:
    """Find the y, x and time dimensions of one variable.

    Parameters
    ----------
    obj : xarray.DataArray
        A variable with at least the two spatial dimensions.
    given : Dims
        The caller's own choice, which wins.

    Returns
    -------
    Dims
        With `time` None where the variable has no time dimension.

    Raises
    ------
    GridError
        When a spatial dimension cannot be told, with the candidates and the argument to pass.
    TimeError
        When several dimensions hold times.
    """
    y, x = find_dim(obj, "y", given.y), find_dim(obj, "x", given.x)
    if x == y:
        raise GridError(
            f"Expected two spatial dimensions of {obj.name!r}, got {x!r} for both. Pass x_dim= and"
            f" y_dim=; the dimensions are {obj.dims}."
        )
    return Dims(y=y, x=x, time=find_time(obj, given.time, {x, y}))


def find_dim(obj: xr.DataArray, axis: str, given: str | None = None) -> str:
    """The dimension along `axis`, "y" or "x", alone; see `find_dims`."""
    if given is not None:
        if given not in obj.dims:
            raise GridError(
                f"Expected {axis}_dim={given!r} to be a dimension of {obj.name!r},"
                f" got the dimensions {obj.dims}. Pass one of these, or leave it out."
            )
        return given
    coordinate, names = {"y": ("latitude", Y_NAMES), "x": ("longitude", X_NAMES)}[axis]
    found = [d for d in obj.cf.axes.get(axis.upper(), []) if d in obj.dims]
    found = found or [d for d in obj.cf.coordinates.get(coordinate, []) if d in obj.dims]
    found = found or [d for d in obj.dims if str(d).lower() in names]
    if len(found) != 1:
        seen = f"the candidates {found}" if found else "no candidate"
        raise GridError(
            f"Expected one {axis} dimension of {obj.name!r} among {obj.dims}, got {seen}."
            f" Pass {axis}_dim=, or leave {obj.name!r} out by selecting the other variables."
        )
    return str(found[0])


def find_time(obj: xr.DataArray, given: str | None, spatial: set[str]) -> str | None:
    """The time dimension, which is none of the spatial ones; see `find_dims`."""
    if given is not None:
        return given if given in obj.dims else None
    rest = [str(d) for d in obj.dims if d not in spatial]
    found = [d for d in rest if d in obj.coords and holds_times(obj[d])]
    found = found or [d for d in rest if d.lower() == "time"]
    if len(found) > 1:
        raise TimeError(
            f"Expected one time dimension of {obj.name!r}, got {found}. Pass time_dim= and say what"
            f" the other is with extra_dims=, or select one of its entries: .isel({found[0]}=0)."
        )
    return found[0] if found else None


def holds_times(coordinate: xr.DataArray) -> bool:
    """Whether the values are numpy or cftime dates."""
    if coordinate.dtype != object or coordinate.size == 0:
        return coordinate.dtype.kind == "M"
    return isinstance(coordinate.to_numpy().flat[0], cftime.datetime)


def auxiliary_names(ds: xr.Dataset) -> set[Hashable]:
    """Variables that describe others: bounds and grid mappings, by CF attribute or encoding."""
    names: set[Hashable] = set()
    for variable in ds.variables.values():
        for key in ("bounds", "grid_mapping", "climatology"):
            text = variable.attrs.get(key) or variable.encoding.get(key)
            if isinstance(text, str):
                names.update(part.rstrip(":") for part in text.split())
    grid_mappings = {n for n, v in ds.variables.items() if "grid_mapping_name" in v.attrs}
    return {n for n in names | grid_mappings if n in ds.variables}


def grid_mapping(ds: xr.Dataset, name: Hashable) -> tuple[str | None, Mapping[str, Any]]:
    """Name and attributes of the grid mapping of variable `name`, or ``(None, {})``.

    It may stand in attributes or encoding, in CF's short or extended form (``"crs: x y"``), and
    the variable it names may be a coordinate or a data variable.
    """
    variable = ds[name]
    text = variable.attrs.get("grid_mapping") or variable.encoding.get("grid_mapping")
    if isinstance(text, str) and text.strip():
        mapping = text.split()[0].rstrip(":")
        if mapping in ds.variables:
            return mapping, dict(ds[mapping].attrs)
    for candidate in ("spatial_ref", "crs"):  # what rioxarray writes without linking it
        if candidate in ds.coords and "crs_wkt" in ds[candidate].attrs:
            return candidate, dict(ds[candidate].attrs)
    return None, {}

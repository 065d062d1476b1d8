"""Detection of the y, x and time dimensions and of the grid mapping.

The sources are, in this order: the caller's `x_dim`, `y_dim` and `time_dim`; CF axis attributes;
CF latitude and longitude; usual names. Each DataArray is examined separately. Nothing is guessed
from prefixes: cf_xarray's guessing takes `init_time` for an X axis.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping

import cf_xarray  # noqa: F401  registers the .cf accessor
import cftime
import xarray as xr

from xr_dl4ds.exceptions import GridError, TimeError
from xr_dl4ds.grid.names import Attrs
from xr_dl4ds.grid.units import direction_of_degrees

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


#: Names, in lower case, of latitudes and longitudes along one dimension.
_PLACES = {
    "latitude": {"lat", "latitude", "clat", "latcell", "lats", "nav_lat"},
    "longitude": {"lon", "longitude", "clon", "loncell", "lons", "nav_lon"},
}
#: Names, in lower case, of the one horizontal dimension of stations and unstructured grids.
_UNSTRUCTURED = {"station", "stations", "station_id", "ncells", "ncell", "cell", "cells", "ncol"}
_UNSTRUCTURED |= {"nod2", "values", "healpix", "pix", "pixel", "rgrid", "location", "site", "obs"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dims:
    """Names of the dimensions in the user's data; None for a dimension that must be detected.

    `extra` gives the roles of further dimensions, and `unknown` the role of a dimension that is
    neither in `extra` nor recognized, see `xr_dl4ds.grid.cf.extra_dims`.
    """

    y: str | None = None
    x: str | None = None
    time: str | None = None
    extra: Mapping[str, str] = dataclasses.field(default_factory=dict)
    unknown: str | None = None

    def within(self, obj: xr.Dataset | xr.DataArray) -> Dims:
        """Keep the dimensions that this object has.

        The other object of a pair may use different names.
        """
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
        Dimensions named by the caller, which take precedence.

    Returns
    -------
    Dims
        The dimensions; `time` is None if the variable has no time dimension.

    Raises
    ------
    GridError
        If a spatial dimension cannot be determined. The message names the candidates and the
        argument to pass.
    TimeError
        If several dimensions hold times.
    """
    for name in obj.dims:
        if name in obj.coords:
            _require_agreement(obj[name])
    y, x = find_dim(obj, "y", given.y), find_dim(obj, "x", given.x)
    if x == y:
        raise GridError(
            f"Expected two spatial dimensions of {obj.name!r}, got {x!r} for both. Pass x_dim= and"
            f" y_dim=; the dimensions are {obj.dims}."
        )
    return Dims(y=y, x=x, time=find_time(obj, given.time, {x, y}))


def _require_agreement(coordinate: xr.DataArray) -> None:
    """Raise a `GridError` if standard name and units are not both of latitude or of longitude."""
    stated, units = coordinate.attrs.get("standard_name"), str(coordinate.attrs.get("units", ""))
    if (stated, direction_of_degrees(units)) in (("latitude", "east"), ("longitude", "north")):
        name = coordinate.name
        raise GridError(
            f"Expected standard_name and units of {name!r} to agree, got {stated!r} and {units!r}."
            f" Set both in ds[{name!r}].attrs: 'latitude' with 'degrees_north', or 'longitude' with"
            " 'degrees_east'."
        )


def find_dim(obj: xr.DataArray, axis: str, given: str | None = None) -> str:
    """Find the dimension along `axis`, "y" or "x"; see `find_dims`."""
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
    if not found:
        require_two_horizontal(obj)
    if len(found) != 1:
        seen = f"the candidates {found}" if found else "no candidate"
        raise GridError(
            f"Expected one {axis} dimension of {obj.name!r} among {obj.dims}, got {seen}."
            f" Pass {axis}_dim=, or leave {obj.name!r} out by selecting the other variables."
        )
    return str(found[0])


def require_two_horizontal(obj: xr.DataArray) -> None:
    """Raise a `GridError` if the places of the cells lie along one dimension.

    These are stations, and cells of unstructured grids such as ICON, MPAS and HEALPix.
    """
    grid_mapping_names = {str(c.attrs.get("grid_mapping_name")) for c in obj.coords.values()}
    placed = [
        {str(c.dims[0]): str(c.name) for c in obj.coords.values() if c.ndim == 1 and _is(c, kind)}
        for kind in ("latitude", "longitude")
    ]
    dims = [d for d in placed[0] if d in placed[1]]
    names = [found[dims[0]] for found in placed] if dims else []
    unstructured = (
        obj.attrs.get("CDI_grid_type") == "unstructured" or "healpix" in grid_mapping_names
    )
    dims = dims or [d for d in map(str, obj.dims) if d.lower() in _UNSTRUCTURED]
    if not dims and unstructured:
        dims = [str(obj.dims[-1])]
    if dims:
        raise GridError(
            f"Expected two horizontal dimensions of {obj.name!r}, got {dims[0]!r} alone, of"
            f" {obj.sizes[dims[0]]} stations or cells of an unstructured grid. Interpolate them to"
            " a rectilinear grid first, for instance with scipy.interpolate.griddata, xESMF or"
            f" 'cdo remapcon'{_cure_of_stacked(dims[0], names)}. Stations cannot be targets."
        )


def _cure_of_stacked(dim: str, names: list[str]) -> str:
    if not names:
        return ""
    return (
        "; where they are all cells of a grid of latitudes and longitudes, use"
        f" .set_index({dim}={names}).unstack({dim!r})"
    )


def _is(coordinate: xr.DataArray, kind: str) -> bool:
    name = str(coordinate.name).lower()
    return coordinate.attrs.get("standard_name") == kind or name in _PLACES[kind]


def find_time(obj: xr.DataArray, given: str | None, spatial: set[str]) -> str | None:
    """Find the time dimension among the dimensions that are not spatial; see `find_dims`."""
    if given is not None:
        return given if given in obj.dims else None
    rest = [str(d) for d in obj.dims if d not in spatial]
    found = [d for d in rest if d in obj.coords and holds_times(obj[d])]
    found = found or [d for d in rest if d.lower() == "time"]
    found = found or [d for d in rest if _is_dated(obj, d)]
    found = found or [d for d in rest if d in obj.coords and is_undecoded(obj[d])]
    if len(found) > 1:
        raise TimeError(
            f"Expected one time dimension of {obj.name!r}, got {found}. Pass time_dim= and say what"
            f" the other is with extra_dims=, or select one of its entries: .isel({found[0]}=0)."
        )
    return found[0] if found else None


def _is_dated(obj: xr.DataArray, dim: str) -> bool:
    """Return True if another coordinate holds a separate date for each step.

    Samples, of which several have one date, are no time axis.
    """
    dates = [c for c in obj.coords.values() if c.dims == (dim,) and holds_times(c)]
    return any(c.to_index().is_unique for c in dates)


def holds_times(coordinate: xr.DataArray) -> bool:
    """Return True if the values are numpy or cftime dates."""
    if coordinate.dtype != object or coordinate.size == 0:
        return coordinate.dtype.kind == "M"
    return isinstance(coordinate.to_numpy().flat[0], cftime.datetime)


def is_undecoded(coordinate: xr.DataArray) -> bool:
    """Return True for numbers that count time since a date, by their unit."""
    counted = " since " in str(coordinate.attrs.get("units", ""))
    return counted and coordinate.dtype.kind in "iuf"


def auxiliary_names(ds: xr.Dataset) -> set[Hashable]:
    """Return the names of bounds and grid mappings, found by CF attribute or encoding."""
    names: set[Hashable] = set()
    for variable in ds.variables.values():
        for key in ("bounds", "grid_mapping", "climatology"):
            text = variable.attrs.get(key) or variable.encoding.get(key)
            if isinstance(text, str):
                names.update(part.rstrip(":") for part in text.split())
    grid_mappings = {n for n, v in ds.variables.items() if "grid_mapping_name" in v.attrs}
    return {n for n in names | grid_mappings if n in ds.variables}


def grid_mapping(ds: xr.Dataset, name: Hashable) -> tuple[str | None, Attrs]:
    """Return name and attributes of the grid mapping of variable `name`, or ``(None, {})``.

    The name may be an attribute or an encoding, in the short or extended form of CF
    (``"crs: x y"``). The grid mapping may be a coordinate or a data variable.
    """
    variable = ds[name]
    text = variable.attrs.get("grid_mapping") or variable.encoding.get("grid_mapping")
    if isinstance(text, str) and text.strip():
        mapping = text.split()[0].rstrip(":")
        if mapping in ds.variables:
            return mapping, dict(ds[mapping].attrs)
    for candidate in ("spatial_ref", "crs"):  # rioxarray writes these without a reference
        if candidate in ds.coords and "crs_wkt" in ds[candidate].attrs:
            return candidate, dict(ds[candidate].attrs)
    return None, {}

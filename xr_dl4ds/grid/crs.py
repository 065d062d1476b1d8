"""Coordinate reference systems (CRS) of grids, and latitude and longitude of their cells.

CF-1.8 allows any unit of length for the coordinates of a projection, and gives false easting and
northing in the same unit (appendix F). pyproj and GDAL read both as metres unless the WKT states
another unit.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import pyproj
import numpy as np

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.grid_mapping import read
from xr_dl4ds.grid.names import Attrs
from xr_dl4ds.grid.units import direction_of_degrees

if TYPE_CHECKING:
    from xr_dl4ds.grid.axis import Axis
    from xr_dl4ds.grid.grid import Grid

#: For each unit of length, its size in metres and its spellings in files.
_LENGTHS: dict[str, tuple[float, tuple[str, ...]]] = {
    "metre": (1.0, ("m", "metre", "metres", "meter", "meters")),
    "kilometre": (1000.0, ("km", "kilometre", "kilometres", "kilometer", "kilometers")),
    "foot": (0.3048, ("ft", "foot", "feet", "international_foot")),
    "US survey foot": (1200 / 3937, ("us-ft", "us_survey_foot", "us_survey_feet", "ftus")),
}
_METRES = {spelling: metres for metres, known in _LENGTHS.values() for spelling in known}
#: CF attributes that are lengths in the unit of the coordinates.
_OFFSETS = ("false_easting", "false_northing")


def crs_of(grid: Grid) -> tuple[str, Attrs] | None:
    """Return name and attributes of the grid mapping; None for planar axes without a CRS.

    Latitude and longitude without a grid mapping are assumed to be WGS 84 (EPSG:4326).

    Raises
    ------
    GridError
        If the grid mapping cannot be read, or does not match the units of the axes.
    """
    crs = projection(grid)
    if crs is None:
        return None
    attrs = {**crs.to_cf(), **_kept(grid.mapping)}
    if crs.is_projected and _metres_of(crs) != 1:  # pyproj gives its parameters in metres
        conversion = _projected(crs).coordinate_operation
        for parameter in conversion.params if conversion else ():
            name = parameter.name.lower().replace(" ", "_")
            if name in _OFFSETS:
                value = float(parameter.value) * parameter.unit_conversion_factor
                attrs[name] = value / _metres_of(crs)
    name = grid.mapping_name if grid.mapping_name and grid.mapping else "crs"
    return name, {**attrs, "spatial_ref": attrs.get("crs_wkt", crs.to_wkt())}


def projection(grid: Grid) -> pyproj.CRS | None:
    """Return the CRS in the unit of the axes; None for planar axes without a CRS.

    Raises
    ------
    GridError
        See `crs_of`.
    """
    if not (grid.mapping_name and grid.mapping):
        return None if is_planar(grid) else pyproj.CRS.from_epsg(4326)
    stated = _kept(grid.mapping)
    by_wkt = bool({"crs_wkt", "spatial_ref"} & set(stated))
    crs = read(grid.mapping_name, stated)
    if not is_planar(grid):
        return crs
    if not crs.is_projected:
        if not by_wkt:
            _require_degrees(grid)
        return crs
    metres = _metres_of_axes(grid, by_wkt)
    if by_wkt:
        own = _metres_of(crs)
        if metres is not None and not np.isclose(metres, own, rtol=1e-5):
            raise GridError(
                f"Expected {grid.y.name} and {grid.x.name} in the unit of the CRS in"
                f" {grid.mapping_name!r}, {_unit_name(own)!r}, got {_stated(grid.y)!r}. Bring them"
                " to that unit with .assign_coords, or import rioxarray and write a CRS in theirs:"
                " .rio.write_crs('+proj=laea +lat_0=52 +lon_0=10 +units=km')."
            )
        return crs
    if metres is None or metres == 1:
        return crs
    scaled = {k: np.multiply(stated[k], metres) for k in _OFFSETS if k in stated}
    return _in_unit(read(grid.mapping_name, {**stated, **scaled}), metres)


def is_planar(grid: Grid) -> bool:
    """Return True unless the axes are latitude and longitude."""
    return (grid.y.kind, grid.x.kind) != ("latitude", "longitude")


def label(grid: Grid) -> str:
    """Return a name for the CRS in messages."""
    crs = projection(grid)
    if crs is None:
        return "planar axes without a CRS"
    if not is_planar(grid):
        return "latitude and longitude"
    names = (crs.name, crs.to_cf().get("grid_mapping_name"), crs.type_name)
    return str(next(n for n in names if n and n not in ("undefined", "unknown")))


def named_axes(grid: Grid, crs: tuple[str, Attrs] | None) -> Grid:
    """Return the grid with CF standard names and units on projected or rotated axes.

    CF and GDAL require both attributes. Usable attributes of the axes are kept.
    """
    found = None if crs is None or not is_planar(grid) else projection(grid)
    rotated = crs is not None and crs[1].get("grid_mapping_name") == "rotated_latitude_longitude"
    if found is None or not (rotated or found.is_projected):
        return grid
    name = "grid_{}itude" if rotated else "projection_{}_coordinate"
    letters = ("lat", "long") if rotated else ("y", "x")
    units = "degrees" if rotated else _udunits(_metres_of(found))
    axes = []
    for axis, letter in zip((grid.y, grid.x), letters, strict=True):
        said = _stated(axis)
        degrees = direction_of_degrees(said) is not None
        usable = degrees if rotated else metres_in(said) is not None
        attrs = {"standard_name": name.format(letter), **axis.attrs}
        attrs |= {} if usable else {"units": units}
        axes.append(dataclasses.replace(axis, attrs=attrs))
    return dataclasses.replace(grid, y=axes[0], x=axes[1])


def placed(grid: Grid) -> bool:
    """Return True if the latitudes and longitudes of the cells are known."""
    return not is_planar(grid) or grid.geolocation is not None or projection(grid) is not None


def geographic(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return latitude and longitude of the cell centres, in the layout of `grid`.

    Parameters
    ----------
    grid : Grid
        A grid with latitudes and longitudes (one- or two-dimensional), or with a CRS.

    Returns
    -------
    lat, lon : numpy.ndarray
        Degrees, ``(y, x)``, float64: the coordinates of the grid if it has them, otherwise WGS 84.
        Values are infinite where a planar cell lies off the Earth.

    Raises
    ------
    GridError
        If the axes are planar, with neither a CRS nor latitudes and longitudes.
    """
    return to_degrees(grid, grid.y.values, grid.x.values)


def to_degrees(grid: Grid, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return latitude and longitude ``(y, x)`` of all pairs of positions along the axes."""
    if not is_planar(grid):
        x, y = np.meshgrid(np.asarray(x, "f8"), np.asarray(y, "f8"))
        return y, x
    if grid.geolocation is not None:
        return grid.geolocation.at(y, x)
    crs = projection(grid)
    if crs is None:
        raise GridError(
            f"Expected a grid with latitudes and longitudes or with a CRS, got planar axes without"
            f" one: {grid.extent}. Set it with .rio.write_crs('EPSG:3035') after import rioxarray."
        )
    x, y = np.meshgrid(np.asarray(x, "f8"), np.asarray(y, "f8"))
    # not crs.geodetic_crs: for a rotated pole, that is the rotated CRS itself
    lon, lat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    return lat, lon


def from_degrees(grid: Grid, lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Convert latitude and longitude to coordinates along y and x: the inverse of `to_degrees`.

    Coordinates are infinite for locations that the CRS of `grid` cannot represent. Angles are
    shifted by multiples of 360 degrees towards the middle of the x axis.
    """
    y, x = lat, lon
    if grid.geolocation is not None:
        return grid.geolocation.locate(lat, lon)
    crs = projection(grid) if is_planar(grid) else None
    if crs is not None:
        x, y = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    elif is_planar(grid):
        raise GridError(
            f"Expected a grid with a CRS, got planar axes without one: {grid.extent}. Set it with"
            " .rio.write_crs, such as .rio.write_crs('EPSG:3035') after import rioxarray."
        )
    if crs is None or not crs.is_projected:
        middle = (grid.x.canonical[0] + grid.x.canonical[-1]) / 2
        with np.errstate(invalid="ignore"):
            x = middle + (x - middle + 180) % 360 - 180
    return y, x


def metres_in(units: str) -> float | None:
    """Return the size of a unit of length in metres; None for an unknown unit.

    Examples
    --------
    >>> metres_in("km"), metres_in("100 km"), metres_in("parsec")
    (1000.0, 100000.0, None)
    """
    parts = re.fullmatch(r"([0-9][0-9.]*(?:e[+-]?[0-9]+)?)?[ *]*([a-z_-]+)", units.strip().lower())
    if parts is None or parts[2] not in _METRES:
        return None
    return float(parts[1] or 1) * _METRES[parts[2]]


def _kept(mapping: Attrs) -> Attrs:
    """Return the attributes that describe the CRS.

    Empty attributes are dropped, and `GeoTransform` too, because it may belong to other cells.
    """
    return {k: v for k, v in mapping.items() if k != "GeoTransform" and str(v).strip()}


def _stated(axis: Axis) -> str:
    return str(axis.attrs.get("units", "")).strip().lower()


def _metres_of_axes(grid: Grid, by_wkt: bool) -> float | None:
    """Return metres per unit of the axes.

    The result is None if the axes state no unit, or if a unit is unknown but the CRS has a WKT.
    """
    said = [_stated(grid.y), _stated(grid.x)]
    known = [metres_in(text) for text in said]
    if known[0] == known[1] and (known[0] is not None or by_wkt or said == ["", ""]):
        return known[0]
    if by_wkt and None in known:
        return None
    missing = [m for m, text in zip(known, said, strict=True) if text]
    if len(missing) == 1 and missing[0] is not None:  # the other axis states no unit
        return missing[0]
    raise GridError(
        f"Expected {grid.y.name} and {grid.x.name} in one unit of length such as 'm' or 'km', as"
        f" {grid.mapping_name!r} is the CRS of a map, got {said[0]!r} and {said[1]!r}. Bring them"
        " to such a unit, and set their attribute units."
    )


def _require_degrees(grid: Grid) -> None:
    said = [_stated(axis) for axis in (grid.y, grid.x)]
    if any(text and direction_of_degrees(text) is None for text in said):
        raise GridError(
            f"Expected {grid.y.name} and {grid.x.name} in 'degrees', because {grid.mapping_name!r}"
            f" is a CRS of angles, got {said[0]!r} and {said[1]!r}. Bring them to degrees, and set"
            " their attribute units."
        )


def _projected(crs: pyproj.CRS) -> pyproj.CRS:
    """Return the projected CRS, without the datum shift of a bound CRS."""
    return crs.source_crs if crs.is_bound and crs.source_crs is not None else crs


def _metres_of(crs: pyproj.CRS) -> float:
    """Return metres per unit of a projected CRS."""
    return float(_projected(crs).axis_info[0].unit_conversion_factor)


def _unit_name(metres: float) -> str:
    names = [name for name, (value, _) in _LENGTHS.items() if np.isclose(value, metres, rtol=1e-9)]
    return names[0] if names else f"{metres:.15g} m"


def _udunits(metres: float) -> str:
    """Return the unit in the spelling of UDUNITS, which CF requires."""
    name = _unit_name(metres)
    return _LENGTHS[name][1][0].replace("us-ft", "US_survey_foot") if name in _LENGTHS else name


def _in_unit(crs: pyproj.CRS, metres: float) -> pyproj.CRS:
    """Return the same projection with coordinates in another unit of length."""
    described = crs.to_json_dict()
    inner = described
    while "coordinate_system" not in inner:  # a bound (datum shift) or compound CRS (heights)
        inner = inner["source_crs"] if "source_crs" in inner else inner["components"][0]
    unit = {"type": "LinearUnit", "name": _unit_name(metres), "conversion_factor": metres}
    for axis in inner["coordinate_system"]["axis"]:
        axis["unit"] = unit
    for part in (described, inner):  # the EPSG code no longer applies
        part.pop("id", None)
    return pyproj.CRS.from_json_dict(described)

"""Where on the Earth the cells of a grid lie: its coordinate reference system, as CF states it.

CF-1.8 gives the coordinates of a projection in any unit of length, and false easting and northing
in that same unit (appendix F); pyproj and GDAL take both as metres unless the WKT says otherwise.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyproj
import numpy as np

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.mapping import read

if TYPE_CHECKING:
    from xr_dl4ds.grid.axis import Axis
    from xr_dl4ds.grid.fields import Grid

#: Name of a unit of length, its metres, and how files spell it.
_LENGTHS: dict[str, tuple[float, tuple[str, ...]]] = {
    "metre": (1.0, ("m", "metre", "metres", "meter", "meters")),
    "kilometre": (1000.0, ("km", "kilometre", "kilometres", "kilometer", "kilometers")),
    "foot": (0.3048, ("ft", "foot", "feet", "international_foot")),
    "US survey foot": (1200 / 3937, ("us-ft", "us_survey_foot", "us_survey_feet", "ftus")),
}
_METRES = {spelling: metres for metres, known in _LENGTHS.values() for spelling in known}
_DEGREES = {"", "degree", "degrees", "deg", "degrees_north", "degrees_east"}
_DEGREES |= {"degree_north", "degree_east"}
#: CF's lengths beside the coordinates, in their unit.
_OFFSETS = ("false_easting", "false_northing")


def crs_of(grid: Grid) -> tuple[str, dict[str, Any]] | None:
    """Name and attributes of the grid-mapping variable; None for planar axes without a CRS.

    Latitude and longitude without a grid mapping are taken as WGS 84, EPSG:4326.

    Raises
    ------
    GridError
        When the grid mapping cannot be read, or does not go with the units of the axes.
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
    """The CRS in the unit of the axes; None for planar axes without one.

    Raises
    ------
    GridError
        As `crs_of`.
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
    """Whether the axes are anything but latitude and longitude."""
    return (grid.y.kind, grid.x.kind) != ("latitude", "longitude")


def label(grid: Grid) -> str:
    """What to call the CRS in messages."""
    crs = projection(grid)
    if crs is None:
        return "planar axes without a CRS"
    if not is_planar(grid):
        return "latitude and longitude"
    names = (crs.name, crs.to_cf().get("grid_mapping_name"), crs.type_name)
    return str(next(n for n in names if n and n not in ("undefined", "unknown")))


def named_axes(grid: Grid, crs: tuple[str, dict[str, Any]] | None) -> Grid:
    """Axes with the names and units that CF and GDAL ask for, where the mapping knows them."""
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
        usable = said in _DEGREES - {""} if rotated else metres_in(said) is not None
        attrs = {"standard_name": name.format(letter), **axis.attrs}
        attrs |= {} if usable else {"units": units}
        axes.append(dataclasses.replace(axis, attrs=attrs))
    return dataclasses.replace(grid, y=axes[0], x=axes[1])


def placed(grid: Grid) -> bool:
    """Whether the cells of the grid have latitudes and longitudes."""
    return not is_planar(grid) or grid.graticule is not None or projection(grid) is not None


def geographic(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude of the cell centres, in the layout of `grid`.

    Parameters
    ----------
    grid : Grid
        With latitudes and longitudes, one-dimensional or not, or with a CRS.

    Returns
    -------
    lat, lon : numpy.ndarray
        Degrees, ``(y, x)``, float64: those of the grid itself where it has them, else WGS 84;
        infinite where a planar cell lies off the Earth.

    Raises
    ------
    GridError
        When the axes are planar and there is neither.
    """
    return to_degrees(grid, grid.y.values, grid.x.values)


def to_degrees(grid: Grid, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude ``(y, x)`` of every pair of positions along the axes of `grid`."""
    if not is_planar(grid):
        x, y = np.meshgrid(np.asarray(x, "f8"), np.asarray(y, "f8"))
        return y, x
    if grid.graticule is not None:
        return grid.graticule.at(y, x)
    crs = projection(grid)
    if crs is None:
        raise GridError(
            f"Expected a grid with latitudes and longitudes or with a CRS, got planar axes without"
            f" one: {grid.extent}. Set it with .rio.write_crs('EPSG:3035') after import rioxarray."
        )
    x, y = np.meshgrid(np.asarray(x, "f8"), np.asarray(y, "f8"))
    # not crs.geodetic_crs: of a rotated pole that is the rotated CRS itself
    lon, lat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    return lat, lon


def from_degrees(grid: Grid, lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The way back: coordinates along y and x of places; infinite where `grid` has none for them.

    Angles are turned by 360 degrees towards the middle of the x axis.
    """
    y, x = lat, lon
    if grid.graticule is not None:
        return grid.graticule.locate(lat, lon)
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
    """Metres in a unit of length; None where it is none that is known.

    Examples
    --------
    >>> metres_in("km"), metres_in("100 km"), metres_in("parsec")
    (1000.0, 100000.0, None)
    """
    parts = re.fullmatch(r"([0-9][0-9.]*(?:e[+-]?[0-9]+)?)?[ *]*([a-z_-]+)", units.strip().lower())
    if parts is None or parts[2] not in _METRES:
        return None
    return float(parts[1] or 1) * _METRES[parts[2]]


def _kept(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """What a grid mapping says of the CRS: no transform of other cells, no empty WKT."""
    return {k: v for k, v in mapping.items() if k != "GeoTransform" and str(v).strip()}


def _stated(axis: Axis) -> str:
    return str(axis.attrs.get("units", "")).strip().lower()


def _metres_of_axes(grid: Grid, by_wkt: bool) -> float | None:
    """Metres in the units of the axes; None where they state none, or where the WKT can tell."""
    said = [_stated(grid.y), _stated(grid.x)]
    known = [metres_in(text) for text in said]
    if known[0] == known[1] and (known[0] is not None or by_wkt or said == ["", ""]):
        return known[0]
    if by_wkt and None in known:
        return None
    missing = [m for m, text in zip(known, said, strict=True) if text]
    if len(missing) == 1 and missing[0] is not None:  # one axis says nothing
        return missing[0]
    raise GridError(
        f"Expected {grid.y.name} and {grid.x.name} in one unit of length such as 'm' or 'km', as"
        f" {grid.mapping_name!r} is the CRS of a map, got {said[0]!r} and {said[1]!r}. Bring them"
        " to such a unit, and set their attribute units."
    )


def _require_degrees(grid: Grid) -> None:
    said = [_stated(axis) for axis in (grid.y, grid.x)]
    if not set(said) <= _DEGREES:
        raise GridError(
            f"Expected {grid.y.name} and {grid.x.name} in 'degrees', because {grid.mapping_name!r}"
            f" is a CRS of angles, got {said[0]!r} and {said[1]!r}. Bring them to degrees, and set"
            " their attribute units."
        )


def _projected(crs: pyproj.CRS) -> pyproj.CRS:
    """The CRS itself, where it comes with a shift of its datum."""
    return crs.source_crs if crs.is_bound and crs.source_crs is not None else crs


def _metres_of(crs: pyproj.CRS) -> float:
    """Metres in the unit of a projected CRS."""
    return float(_projected(crs).axis_info[0].unit_conversion_factor)


def _unit_name(metres: float) -> str:
    names = [name for name, (value, _) in _LENGTHS.items() if np.isclose(value, metres, rtol=1e-9)]
    return names[0] if names else f"{metres:.15g} m"


def _udunits(metres: float) -> str:
    """The unit as the UDUNITS library spells it, which CF asks for."""
    name = _unit_name(metres)
    return _LENGTHS[name][1][0].replace("us-ft", "US_survey_foot") if name in _LENGTHS else name


def _in_unit(crs: pyproj.CRS, metres: float) -> pyproj.CRS:
    """The same projection with coordinates in another unit of length."""
    described = crs.to_json_dict()
    inner = described
    while "coordinate_system" not in inner:  # with a datum shift, or heights beside
        inner = inner["source_crs"] if "source_crs" in inner else inner["components"][0]
    unit = {"type": "LinearUnit", "name": _unit_name(metres), "conversion_factor": metres}
    for axis in inner["coordinate_system"]["axis"]:
        axis["unit"] = unit
    for part in (described, inner):  # no code stands for this any more
        part.pop("id", None)
    return pyproj.CRS.from_json_dict(described)

"""Notes on a grid and its variables: remarks on data that are valid."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import pyproj
import numpy as np
import xarray as xr

from xr_dl4ds.grid.axis import TOLERANCE, Axis
from xr_dl4ds.grid.cf.coordinates import bounds_of
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.crs import is_planar
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.overview.findings import Findings

#: Distance from a pole, in degrees, that still counts as on the pole.
_AT_POLE = 1e-6


def is_even(axis: Axis) -> bool:
    """Return True if neighbouring cell centres are equally far apart.

    Both neighbours may be off by `TOLERANCE` of a cell. Gaussian latitudes differ by a hundredth.
    """
    return bool(np.abs(np.diff(axis.canonical) / axis.spacing - 1).max() < 2 * TOLERANCE)


def note_grid(grid: Grid | None, crs: pyproj.CRS | None, told: Findings) -> None:
    """Add notes on the position of the cells, by their CRS if it can be read."""
    if grid is None:
        return
    for axis in (grid.y, grid.x):
        if not is_even(axis):
            steps = np.diff(axis.canonical)
            told.notes.append(
                f"{axis.name!r} is not evenly spaced, from {steps.min():.6g} to {steps.max():.6g}"
            )
    if is_planar(grid):
        _note_plane(grid, crs, told)
        return
    if grid.mapping_name is None:
        told.notes.append("latitude and longitude without a grid mapping are taken as WGS 84")
    poles = [f"{v:g}" for v in grid.y.values if abs(abs(v) - 90) <= _AT_POLE]
    if poles:
        told.notes.append(
            f"cells are centred on a pole ({grid.y.name} {', '.join(poles)}): they end there, at"
            " half their height"
        )
    _note_longitudes(grid.x, told)


def _note_plane(grid: Grid, crs: pyproj.CRS | None, told: Findings) -> None:
    """Note if cells have no place on the Earth, or an unusual one, by CRS and 2D coordinates."""
    readable = bool(grid.mapping) or grid.mapping_name is None
    if crs is None and grid.geolocation is None:
        if readable:
            told.notes.append(
                f"{grid.y.name!r} and {grid.x.name!r} come without a CRS and without latitude and"
                " longitude: the cells have no places on the Earth. Set one with .rio.write_crs,"
                " or set units of degrees_north and degrees_east"
            )
    elif crs is None:
        told.notes.append("without a CRS, the cells lie at the two-dimensional coordinates")
    elif crs.is_geographic and not crs.is_derived:
        told.notes.append(
            f"{grid.y.name!r} and {grid.x.name!r} are degrees by their CRS alone, and taken as a"
            " plane that does not close around the globe. Set units of degrees_north and"
            " degrees_east"
        )


def _note_longitudes(axis: Axis, told: Findings) -> None:
    if axis.falls:
        told.notes.append(f"{axis.name!r} falls, from east to west")
    jumps = np.abs(np.diff(axis.values.astype("f8"))) > 180
    if jumps.any():
        at = int(jumps.argmax())
        told.notes.append(
            f"{axis.name!r} jumps from {axis.values[at]:g} to {axis.values[at + 1]:g}, and is"
            f" taken as one run {axis.extent}"
        )


def note_data(
    ds: xr.Dataset,
    found: Mapping[Hashable, Dims],
    grid: Grid | None,
    time: str | None,
    told: Findings,
) -> None:
    """Add notes on the variables and on the variables to which they refer."""
    if found and not any(time in ds[n].dims for n in found):
        told.notes.append("no variable varies in time: these are static fields")
    _note_references(ds, found, grid, told)
    cut: dict[str, None] = {}
    for name, dims in found.items():
        chunks = ds[name].chunksizes
        cut |= {d: None for d in (dims.y, dims.x) if d is not None and len(chunks.get(d, ())) > 1}
    if cut:
        told.notes.append(
            f"chunks part the fields along {', '.join(map(repr, cut))}: fit joins them. Chunks"
            " along time alone are quicker"
        )


def _note_references(
    ds: xr.Dataset, found: Mapping[Hashable, Dims], grid: Grid | None, told: Findings
) -> None:
    """Note attributes that name a missing variable, as after a selection, or an unusable one."""
    for name in found:
        text = ds[name].attrs.get("grid_mapping") or ds[name].encoding.get("grid_mapping")
        mapping = str(text or "").split()[:1]
        if mapping and mapping[0].rstrip(":") not in ds.variables:
            told.notes.append(
                f"the grid mapping {mapping[0].rstrip(':')!r} that {str(name)!r} names is not in"
                " the data"
            )
    for axis in () if grid is None else (grid.y, grid.x):
        coordinate = ds[axis.name]
        bounds = coordinate.attrs.get("bounds") or coordinate.encoding.get("bounds")
        if not bounds:
            continue
        if bounds not in ds.variables:
            told.notes.append(f"the bounds {bounds!r} of {axis.name!r} are not in the data")
        elif bounds_of(ds, coordinate) is None:
            told.notes.append(
                f"the bounds {bounds!r} of {axis.name!r} are not used: their dimensions are"
                f" {ds[bounds].dims}"
            )

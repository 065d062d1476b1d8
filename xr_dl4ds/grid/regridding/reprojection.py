"""Lazy regridding of fields to a grid in another CRS.

The centre of each target cell is located on the Earth and then on the source grid. The neighbours
on the source grid are weighted as in `xr_dl4ds.grid.regridding.weights`. GDAL's warper is not
suitable: it needs evenly spaced axes and a CRS, which excludes Gaussian latitudes, and it does not
support periodic longitudes.
"""

from __future__ import annotations

import logging

import numpy as np
import xarray as xr

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.crs import from_degrees, is_planar, label, placed, projection, to_degrees
from xr_dl4ds.grid.geolocation import degrees_between, directions
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import Part, X, Y
from xr_dl4ds.grid.regridding.neighbours import Shares, Taps, locate
from xr_dl4ds.grid.regridding.weights import over_fields

logger = logging.getLogger(__name__)

#: Largest accepted distance, in cells of the finer grid, between locations of grids in one CRS.
AGREEMENT = 0.1


def same_place(a: Grid, b: Grid) -> bool:
    """Return True if equal coordinates on both grids mean equal locations.

    This holds for latitudes and longitudes with any datum, because climate data rarely distinguish
    a sphere from an ellipsoid. Planar axes without a CRS are assumed to have the CRS of the other
    planar grid.
    """
    if (a.y.kind, a.x.kind) != (b.y.kind, b.x.kind):
        return False
    if not is_planar(a) or _same_mapping(a, b):
        return True
    known = [projection(g) is not None for g in (a, b)]
    if not any(known) and a.geolocation is not None and b.geolocation is not None:
        return _same_cells(a, b)
    if not all(known):
        if any(known):
            has, has_not = (a, b) if known[0] else (b, a)
            logger.info("%s have no CRS: taken as in %s", has_not.extent, label(has))
        if a.geolocation is None or b.geolocation is None:
            return True
    y, x = (np.linspace(c[0], c[-1], 5) for c in (b.y.canonical, b.x.canonical))
    found = from_degrees(a, *to_degrees(b, y, x))
    apart = np.hypot(found[0] - y[:, None], found[1] - x)
    finer = min(axis.spacing for grid in (a, b) for axis in (grid.y, grid.x))
    return bool(np.isfinite(apart).all() and apart.max() < AGREEMENT * finer)


def _same_cells(a: Grid, b: Grid) -> bool:
    """Return True if cells at equal coordinates have the same latitudes and longitudes.

    The places of the coarser grid may be means of those of the finer grid, which are inexact where
    a grid folds or at a pole. Therefore the median distance counts.
    """
    fine, coarse = sorted((a, b), key=lambda grid: grid.y.spacing * grid.x.spacing)
    centres = []
    for mine, other in ((coarse.y, fine.y), (coarse.x, fine.x)):
        inside = (mine.canonical >= other.edges[0]) & (mine.canonical <= other.edges[-1])
        found = np.flatnonzero(inside)
        if found.size == 0:
            return False
        centres.append(mine.canonical[found[:: max(1, found.size // 20)]])
    places = [directions(*to_degrees(grid, *centres)) for grid in (fine, coarse)]
    assert coarse.geolocation is not None
    apart = float(np.median(degrees_between(*places)))
    return apart <= AGREEMENT * coarse.geolocation.cell


def _same_mapping(a: Grid, b: Grid) -> bool:
    units = [[axis.attrs.get("units", "") for axis in (g.y, g.x)] for g in (a, b)]
    return (
        units[0] == units[1]
        and bool(a.mapping)
        and a.mapping.keys() == b.mapping.keys()
        and all(np.array_equal(v, b.mapping[k]) for k, v in a.mapping.items())
    )


def require_placed(grid: Grid, role: str, other: Grid, other_role: str) -> None:
    """Raise a `GridError` if the locations of the cells of `grid` are not known."""
    if placed(grid):
        return
    pairs = [(grid.y, other.y), (grid.x, other.x)]
    mine, theirs = next((p for p in pairs if p[0].kind != p[1].kind), pairs[0])
    raise GridError(
        f"Expected {role} and {other_role} to use the same kind of coordinates, got {mine.name!r}"
        f" ({mine.kind}) and {theirs.name!r} ({theirs.kind}), and no CRS of {role}. Set it with"
        " .rio.write_crs, such as .rio.write_crs('EPSG:3035') after import rioxarray; where these"
        " are latitudes and longitudes, set standard_name and units instead."
    )


def spacing_in(source: Grid, target: Grid) -> tuple[float, float]:
    """Return the size of a source cell along y and x of `target`, in units of `target`.

    The size is computed at the middle of `target`. The axes may be rotated relative to each other.
    Both sides of the cell are combined as a sum of squares, so that a square keeps its size.
    """
    y, x = ((axis.canonical[[0]] + axis.canonical[[-1]]) / 2 for axis in (target.y, target.x))
    middle = [float(c[0, 0]) for c in from_degrees(source, *to_degrees(target, y, x))]
    steps = []
    for moved in (0, 1):
        ends = []
        for side in (-0.5, 0.5):
            at = [np.array([c]) for c in middle]
            at[moved] = at[moved] + side * (source.y, source.x)[moved].spacing
            ends.append([c[0, 0] for c in from_degrees(target, *to_degrees(source, *at))])
        steps.append(np.subtract(ends[1], ends[0]))
    dy, dx = np.hypot(*steps)
    return float(dy), float(dx)


def covered_part(source: Grid, target: Grid) -> Part:
    """Find a rectangle of target cells, in canonical order, that all lie within the source cells.

    The outer row or column with the largest share of uncovered cells is removed repeatedly, until
    all cells are covered.
    """
    missing = ~locate(source, target)[2]
    total = np.zeros((missing.shape[0] + 1, missing.shape[1] + 1))
    total[1:, 1:] = missing.cumsum(axis=0).cumsum(axis=1)
    part = [0, missing.shape[0], 0, missing.shape[1]]

    def uncovered(y0: int, y1: int, x0: int, x1: int) -> float:
        return float(total[y1, x1] - total[y0, x1] - total[y1, x0] + total[y0, x0])

    while part[1] > part[0] and part[3] > part[2] and uncovered(*part):
        y0, y1, x0, x1 = part
        rims = [(y0, y0 + 1, x0, x1), (y1 - 1, y1, x0, x1), (y0, y1, x0, x0 + 1)]
        rims.append((y0, y1, x1 - 1, x1))
        shares = [uncovered(*rim) / ((rim[1] - rim[0]) * (rim[3] - rim[2])) for rim in rims]
        # if only inner cells are uncovered, remove the shorter of row and column
        worst = int(np.argmax(shares)) if max(shares) else (0 if x1 - x0 < y1 - y0 else 2)
        part[worst] += 1 if worst in (0, 2) else -1
    if part[1] - part[0] < 2 or part[3] - part[2] < 2:
        raise GridError(
            f"Expected LR cells to cover a rectangle of HR cells of {target.extent}"
            f" ({label(target)}), got {source.extent} ({label(source)}). Select the same region of"
            " both: they hardly overlap."
        )
    return {Y: slice(part[0], part[1]), X: slice(part[2], part[3])}


def reproject(
    data: xr.Dataset, source: Grid, target: Grid, method: str, reach: float = 0.5
) -> xr.Dataset:
    """Regrid canonical fields between two grids in any CRS.

    Parameters
    ----------
    data : xarray.Dataset
        Variables whose last dimensions are ``(y, x)``, on `source`.
    source, target : Grid
        The two grids, with known cell locations.
    method : {"bicubic", "bilinear", "nearest", "conservative"}
        The first three weight the neighbours of the target centre and are constant beyond the
        outer centres; "conservative" averages the source cells in the target cell, see `Shares`.
    reach : float
        Distance, in cells, that the outer source cells extend from their centres.

    Returns
    -------
    xarray.Dataset
        Fields on the canonical cells of `target`; lazy where `data` is, with the same dtype and
        attributes. Values are NaN where the source has no cell or its nearest cell is masked;
        masks do not spread.
    """
    if method == "conservative":
        ratio = np.divide((target.y.spacing, target.x.spacing), spacing_in(source, target))
        weights: Shares | Taps = Shares.between(source, target, ratio)
    else:
        weights = Taps(*locate(source, target, reach), source, method)
    out = xr.Dataset(attrs=data.attrs)
    for name, variable in data.items():
        out[name] = over_fields(weights, variable, target.shape)
    return out.assign_coords(target.coords)

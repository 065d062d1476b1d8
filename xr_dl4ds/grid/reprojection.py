"""Fields of one CRS on a grid of another, lazily.

The centre of each target cell is placed on the Earth, and from there on the source grid, whose
neighbours are weighed as in `xr_dl4ds.grid.weights`. GDAL's warper would ask for evenly spaced axes
and a CRS, know no full circle, and leave out neither the poles nor Gaussian latitudes.
"""

from __future__ import annotations

import logging

import numpy as np
import xarray as xr

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.crs import from_degrees, is_planar, label, placed, projection, to_degrees
from xr_dl4ds.grid.fields import Grid, Part, X, Y
from xr_dl4ds.grid.sampling import Shares, Taps, locate

logger = logging.getLogger(__name__)

#: How far a place may be off, in cells of the finer grid, when two grids count as of one CRS.
AGREEMENT = 0.1


def same_place(a: Grid, b: Grid) -> bool:
    """Whether the same numbers on the axes of both grids mean the same places.

    Latitudes and longitudes do, whatever their datum: climate data rarely tell a sphere from an
    ellipsoid. Planar axes without a CRS are taken to be those of the other planar grid.
    """
    if (a.y.kind, a.x.kind) != (b.y.kind, b.x.kind):
        return False
    if not is_planar(a) or _same_mapping(a, b):
        return True
    known = [projection(g) is not None for g in (a, b)]
    if not all(known):
        if any(known):
            has, has_not = (a, b) if known[0] else (b, a)
            logger.info("%s have no CRS: taken as in %s", has_not.extent, label(has))
        if a.graticule is None or b.graticule is None:
            return True
    y, x = (np.linspace(c[0], c[-1], 5) for c in (b.y.canonical, b.x.canonical))
    found = from_degrees(a, *to_degrees(b, y, x))
    apart = np.hypot(found[0] - y[:, None], found[1] - x)
    finer = min(axis.spacing for grid in (a, b) for axis in (grid.y, grid.x))
    return bool(np.isfinite(apart).all() and apart.max() < AGREEMENT * finer)


def _same_mapping(a: Grid, b: Grid) -> bool:
    units = [[axis.attrs.get("units", "") for axis in (g.y, g.x)] for g in (a, b)]
    return (
        units[0] == units[1]
        and bool(a.mapping)
        and a.mapping.keys() == b.mapping.keys()
        and all(np.array_equal(v, b.mapping[k]) for k, v in a.mapping.items())
    )


def require_placed(grid: Grid, role: str, other: Grid, other_role: str) -> None:
    """Raise a `GridError` where `grid` has nothing that says where on the Earth its cells lie."""
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
    """Size of a source cell along y and x of `target`, at the middle of `target`, in its units.

    The axes may be turned to one another: both sides of the cell count by their squares, so that a
    square remains one of the same size.
    """
    if same_place(source, target):
        return source.y.spacing, source.x.spacing
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


def require_overlap(source: Grid, target: Grid, source_role: str, target_role: str) -> None:
    """Raise a `GridError` unless both can be placed and share some area."""
    require_placed(source, source_role, target, target_role)
    require_placed(target, target_role, source, source_role)
    if not (locate(source, target)[2].any() or locate(target, source)[2].any()):
        raise GridError(
            f"Expected grids that overlap, got {source_role} on {source.extent} ({label(source)})"
            f" and {target_role} on {target.extent} ({label(target)}). Select the same region of"
            " both, and check their CRS."
        )


def require_cover(source: Grid, target: Grid, role: str, reach: float = 0.5) -> None:
    """Every target centre must lie within the source's cells."""
    inside = locate(source, target, reach)[2]
    if not inside.all():
        raise GridError(
            f"Expected {role} to cover {target.extent} ({label(target)}), got {source.extent}"
            f" ({label(source)}), which leaves {int((~inside).sum())} of {inside.size} cells"
            " uncovered. Provide fields for the whole domain, or select a smaller one."
        )


def covered_part(source: Grid, target: Grid) -> Part:
    """A rectangle of target cells, in canonical order, that all lie within the source's cells.

    The outer row or column with the largest share of uncovered cells is given up, until none is.
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
        # when only the inside has holes, the shorter side is given up
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
    """Bring canonical fields from one grid to another, whatever the CRS of both.

    Parameters
    ----------
    data : xarray.Dataset
        Variables whose last dimensions are ``(y, x)``, on `source`.
    source, target : Grid
        The two grids, both with places.
    method : {"bicubic", "bilinear", "nearest", "conservative"}
        The first three weigh the neighbours of the centre, constant beyond the outer ones;
        conservative averages what lies in the target cell, see `Shares`.
    reach : float
        How far the outer source cells extend from their centres, in cells.

    Returns
    -------
    xarray.Dataset
        On the canonical cells of `target`; lazy where `data` is, dtype and attributes kept. NaN
        where the source has no cell, or the nearest one is masked; masks do not spread.
    """
    if method == "conservative":
        ratio = np.divide((target.y.spacing, target.x.spacing), spacing_in(source, target))
        weights: Shares | Taps = Shares.between(source, target, ratio)
    else:
        weights = Taps(*locate(source, target, reach), source, method)
    out = xr.Dataset(attrs=data.attrs)
    for name, variable in data.items():
        out[name] = _apply(variable, weights, target)
    return out.assign_coords(target.coords)


def _apply(variable: xr.DataArray, weights: Shares | Taps, target: Grid) -> xr.DataArray:
    if variable.dtype.kind != "f":
        variable = variable.astype("f4")
    if variable.chunks is not None:
        variable = variable.chunk({Y: -1, X: -1})
    result = xr.apply_ufunc(
        weights,
        variable,
        input_core_dims=[[Y, X]],
        output_core_dims=[[Y, X]],
        exclude_dims={Y, X},
        dask="parallelized",
        output_dtypes=[variable.dtype],
        dask_gufunc_kwargs={"output_sizes": dict(zip((Y, X), target.shape, strict=True))},
    )
    return result.assign_attrs(variable.attrs)

"""Bring fields onto another grid, lazily."""

from __future__ import annotations

import logging

import numpy as np
import xarray as xr

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid import reprojection, weights
from xr_dl4ds.grid.axis import TOLERANCE, Axis
from xr_dl4ds.grid.crs import label
from xr_dl4ds.grid.fields import Fields, Grid, Part, X, Y
from xr_dl4ds.grid.nesting import ratio, require_overlap, turns_between
from xr_dl4ds.grid.periodic import facing
from xr_dl4ds.grid.taking import take

logger = logging.getLogger(__name__)


def interpolate(data: xr.Dataset, source: Grid, target: Grid, method: str) -> xr.Dataset:
    """Interpolate canonical fields from one grid to another.

    Parameters
    ----------
    data : xarray.Dataset
        Variables whose last dimensions are ``(y, x)``, on `source`.
    source, target : Grid
        The two grids.
    method : {"bicubic", "bilinear", "nearest", "conservative"}
        See `xr_dl4ds.grid.weights`.

    Returns
    -------
    xarray.Dataset
        On the canonical cells of `target`; lazy where `data` is, dtype and attributes kept. No
        NaN at the borders; masked cells stay masked and do not spread.
    """
    matrices = {
        name: (weights.METHODS[name](source.y, target.y), weights.METHODS[name](source.x, target.x))
        for name in (method, "conservative" if method == "conservative" else "nearest")
    }
    wy, wx = matrices[method]
    cell = matrices["conservative" if method == "conservative" else "nearest"]
    out = xr.Dataset(attrs=data.attrs)
    for name, variable in data.items():
        out[name] = _apply(variable, wy, wx, cell)
    return out.assign_coords(target.coords)


def _apply(
    variable: xr.DataArray, wy: np.ndarray, wx: np.ndarray, cell: tuple[np.ndarray, np.ndarray]
) -> xr.DataArray:
    if variable.dtype.kind != "f":
        variable = variable.astype("f4")
    if variable.chunks is not None:
        variable = variable.chunk({Y: -1, X: -1})
    result = xr.apply_ufunc(
        weights.apply,
        variable,
        input_core_dims=[[Y, X]],
        output_core_dims=[[Y, X]],
        exclude_dims={Y, X},
        kwargs={"wy": wy, "wx": wx, "cell": cell},
        dask="parallelized",
        output_dtypes=[variable.dtype],
        dask_gufunc_kwargs={"output_sizes": {Y: wy.shape[0], X: wx.shape[0]}},
    )
    return result.assign_attrs(variable.attrs)


def onto(fields: Fields, target: Grid, role: str) -> xr.Dataset:
    """Bring fields of any overlapping grid onto `target`: the one way for auxiliary data.

    The same cells are taken as they are; finer fields are averaged (conservative), coarser ones
    interpolated (bilinear), in another CRS too.

    Raises
    ------
    GridError
        When the fields do not cover the target.
    """
    if not reprojection.same_place(fields.grid, target):
        return _across(fields, target, role)
    if fields.grid.same_cells(target):
        return fields.data.assign_coords(target.coords)
    require_overlap(fields.grid, target, role, "the target grid")
    fields = facing(fields, target)
    source = fields.grid
    require_cover(source, target, role)
    inner = window(source, target)
    if inner is not None:
        return take(fields.data, inner).assign_coords(target.coords)
    finer = max(ratio(source, target)) < 1.0
    method = "conservative" if finer else "bilinear"
    logger.info("%s are brought onto the grid %s by %s", role, target.extent, method)
    return interpolate(fields.data, source, target, method)


def _across(fields: Fields, target: Grid, role: str) -> xr.Dataset:
    """The same for fields in another CRS."""
    source = fields.grid
    reprojection.require_overlap(source, target, role, "the target grid")
    apart = reprojection.spacing_in(source, target)
    finer = apart[0] * apart[1] < target.y.spacing * target.x.spacing
    method, reach = ("conservative", 0.5) if finer else ("bilinear", 1.01)
    reprojection.require_cover(source, target, role, reach)
    logger.info(
        "%s are reprojected (%s) from %s to %s",
        role,
        method,
        *(label(grid) for grid in (source, target)),
    )
    return reprojection.reproject(fields.data, source, target, method, reach)


def require_cover(source: Grid, target: Grid, role: str) -> None:
    """Every target centre must lie within the source's cells."""
    for s, t in ((source.y, target.y), (source.x, target.x)):
        shift = turns_between(s, t)
        slack = max(0.01 * t.spacing, 0.51 * s.spacing if s.spacing > t.spacing else 0.0)
        if s.periodic:
            continue
        low, high = s.edges[0] + shift - slack, s.edges[-1] + shift + slack
        if t.canonical[0] < low or t.canonical[-1] > high:
            raise GridError(
                f"Expected {role} to cover {t.name} {t.extent}, got {s.name} {s.extent}."
                " Provide fields for the whole domain, or select a smaller one."
            )


def window(source: Grid, target: Grid) -> Part | None:
    """The part of canonical `source` that has exactly the cells of `target`, if there is one."""
    out: Part = {}
    for dim, s, t in ((Y, source.y, target.y), (X, source.x, target.x)):
        if t.size > s.size:
            return None
        centres = s.canonical + turns_between(s, t)
        start = int(np.argmin(_apart(s, centres, t.canonical[0])))
        run = slice(start, start + t.size)
        part = run if run.stop <= s.size else np.arange(run.start, run.stop) % s.size
        if isinstance(part, np.ndarray) and not s.periodic:
            return None
        if _apart(s, centres[part], t.canonical).max() > TOLERANCE * t.spacing:
            return None
        out[dim] = part
    return out


def positions(part: Part, scale: int = 1) -> dict[str, np.ndarray]:
    """Each position of a part, on cells `scale` times as fine."""
    inside = np.arange(scale)
    every = {d: np.arange(p.start, p.stop) if isinstance(p, slice) else p for d, p in part.items()}
    return {d: (p[:, None] * scale + inside).ravel() for d, p in every.items()}


def _apart(axis: Axis, a: np.ndarray, b: np.ndarray | float) -> np.ndarray:
    """Distance of centres; around a full circle the shorter way."""
    apart = np.abs(a - b)
    return np.minimum(apart % 360, -apart % 360) if axis.periodic else apart

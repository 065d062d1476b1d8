"""Lazy interpolation between rectilinear grids on the same axes."""

from __future__ import annotations

import functools

import numpy as np
import xarray as xr

from xr_dl4ds.config import SAME, Scale
from xr_dl4ds.grid.axis import TOLERANCE, Axis
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import Part, X, Y
from xr_dl4ds.grid.regridding import weights
from xr_dl4ds.grid.regridding.nesting import turns_between


def interpolate(data: xr.Dataset, source: Grid, target: Grid, method: str) -> xr.Dataset:
    """Interpolate canonical fields from one grid to another.

    Parameters
    ----------
    data : xarray.Dataset
        Variables whose last dimensions are ``(y, x)``, on `source`.
    source, target : Grid
        The two grids.
    method : {"bicubic", "bilinear", "nearest", "conservative"}
        See `xr_dl4ds.grid.regridding.weights`.

    Returns
    -------
    xarray.Dataset
        Fields on the canonical cells of `target`; lazy where `data` is, with the same dtype and
        attributes. There is no NaN at the borders; masked cells stay masked and do not spread.
    """
    matrices = {
        name: (weights.METHODS[name](source.y, target.y), weights.METHODS[name](source.x, target.x))
        for name in (method, "conservative" if method == "conservative" else "nearest")
    }
    wy, wx = matrices[method]
    cell = matrices["conservative" if method == "conservative" else "nearest"]
    out = xr.Dataset(attrs=data.attrs)
    for name, variable in data.items():
        regrid = functools.partial(weights.apply, wy=wy, wx=wx, cell=cell)
        out[name] = weights.over_fields(regrid, variable, target.shape)
    return out.assign_coords(target.coords)


def window(source: Grid, target: Grid) -> Part | None:
    """Return the part of canonical `source` with exactly the cells of `target`, or None."""
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


def positions(part: Part, scale: Scale = SAME) -> dict[str, np.ndarray]:
    """Return each position of a part, on cells `scale` times as fine."""
    every = {d: np.arange(p.start, p.stop) if isinstance(p, slice) else p for d, p in part.items()}
    fine = scale.by_dim
    return {d: (p[:, None] * fine[d] + np.arange(fine[d])).ravel() for d, p in every.items()}


def _apart(axis: Axis, a: np.ndarray, b: np.ndarray | float) -> np.ndarray:
    """Return the distance of centres; on a global domain, the shorter way around."""
    apart = np.abs(a - b)
    return np.minimum(apart % 360, -apart % 360) if axis.periodic else apart

"""Nesting of the cells of two grids by an integer factor.

Grids are *nested* if as many HR cells tile each LR cell along y, and as many along x: every LR
centre is then the mean of its HR centres. A grid of every n-th HR point is not nested (half-cell
offset).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from dask.array import blockwise

from xr_dl4ds.config import Scale
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import TIME, Part, X, Y
from xr_dl4ds.grid.regridding.completion import Rim, extended_centres

#: Largest accepted distance, in LR cells, of an LR centre from the mean of its HR centres. It is
#: wide enough for float32 coordinates and far below the half cell of an offset grid.
NESTING_TOLERANCE = 0.01


@dataclasses.dataclass(frozen=True, kw_only=True)
class Nesting:
    """Common cells of a nested pair, as slices of the canonical arrays.

    Parameters
    ----------
    scale : Scale
        HR cells along the edges of an LR cell.
    lr, hr : dict of slice
        Common part of each grid by canonical dimension; ``hr`` is `scale` times as long.
    rim : dict of tuple
        For each dimension, the HR cells before the first and after the last one that LR cells at
        the rim have and the HR grid has not. The slices `hr` do not count them.
    """

    scale: Scale
    lr: Part
    hr: Part
    rim: Rim


def ratio(lr: Grid, hr: Grid) -> tuple[float, float]:
    """Return the LR spacing divided by the HR spacing, along y and x."""
    return lr.y.spacing / hr.y.spacing, lr.x.spacing / hr.x.spacing


def turns_between(a: Axis, b: Axis) -> float:
    """Return the multiple of 360 that brings longitudes `a` closest to `b`; 0 for other axes."""
    if a.kind != "longitude":
        return 0.0
    middle = (b.canonical[0] + b.canonical[-1] - a.canonical[0] - a.canonical[-1]) / 2
    return float(360 * np.round(middle / 360))


def nest(lr: Grid, hr: Grid, *, whole: bool = False) -> Nesting | None:
    """Find the common cells of a nested pair; return None if the cells do not nest.

    With `whole`, LR cells that stick out of the HR domain are left out.

    Raises
    ------
    GridError
        If the HR grid is not finer than the LR grid.
    """
    ratios = ratio(lr, hr)
    if max(ratios) < 0.99:
        raise GridError(
            f"Expected the HR grid to be finer than the LR grid, got LR {lr.extent} and HR"
            f" {hr.extent}. Call lr.downscale.fit(hr): the two look swapped."
        )
    edges = [round(r) for r in ratios]
    if min(edges) < 1 or any(abs(r - n) > 0.01 * n for r, n in zip(ratios, edges, strict=True)):
        return None
    scale = Scale(*edges)
    # the locations of curvilinear cells are known only where the file has them
    completes = not whole and hr.geolocation is None
    parts = {
        "y": _common(lr.y, hr.y, scale.y, completes),
        "x": _common(lr.x, hr.x, scale.x, completes),
    }
    if None in parts.values():
        return None
    found = {d: p for d, p in parts.items() if p is not None}
    return Nesting(
        scale=scale,
        lr={d: p[0] for d, p in found.items()},
        hr={d: p[1] for d, p in found.items()},
        rim={d: p[2] for d, p in found.items()},
    )


def _common(
    lr: Axis, hr: Axis, scale: int, completes: bool
) -> tuple[slice, slice, tuple[int, int]] | None:
    """Return slices of LR cells and of their HR cells, and the number of HR cells that lack.

    HR cells may lack at either end if `completes`, but fewer than an LR cell has.
    """
    extended, before = extended_centres(hr, scale - 1 if completes else 0)
    if extended.size < scale:
        return None
    centres = lr.canonical + turns_between(lr, hr)
    blocks = np.convolve(extended, np.full(scale, 1 / scale), mode="valid")
    cell = lr.spacing
    inside = (centres > blocks[0] - 0.5 * cell) & (centres < blocks[-1] + 0.5 * cell)
    start = np.clip(np.searchsorted(blocks, centres - 0.5 * hr.spacing), 0, blocks.size - 1)
    close = np.abs(blocks[start] - centres) < NESTING_TOLERANCE * cell
    # an LR cell at the edge may extend beyond the HR domain: only whole cells are common
    whole = inside & close
    index = np.flatnonzero(whole)
    if index.size < 2 or (np.diff(index) != 1).any() or (np.diff(start[index]) != scale).any():
        return None
    rim = [i for i in (index[0] - 1, index[-1] + 1) if 0 <= i < centres.size]
    covered = [i for i in np.flatnonzero(inside) if i not in index and i not in rim]
    if covered:
        return None
    first, last = int(index[0]), int(index[-1])
    begin = int(start[first]) - before
    end = begin + scale * (last + 1 - first)
    inside_hr = slice(max(begin, 0), min(end, hr.size))
    return slice(first, last + 1), inside_hr, (max(-begin, 0), max(end - hr.size, 0))


def to_hr_cells(lr: xr.DataArray, scale: Scale) -> xr.DataArray:
    """Repeat each LR cell for its HR cells; drop all coordinates except time."""
    bare = lr.drop_vars([c for c in lr.coords if c != TIME])
    if bare.chunks is None:
        every = {d: np.repeat(np.arange(lr.sizes[d]), n) for d, n in scale.by_dim.items()}
        return bare.isel(every)
    # with repeated positions, dask would create one chunk for each LR cell
    times = [scale.by_dim.get(str(d), 1) for d in bare.dims]
    data = bare.data.map_blocks(
        _repeat,
        times=times,
        chunks=[
            tuple(n * factor for n in sizes)
            for sizes, factor in zip(bare.data.chunks, times, strict=True)
        ],
        dtype=bare.dtype,
        meta=bare.data._meta,
    )
    return xr.DataArray(data, dims=bare.dims, coords=bare.coords, name=bare.name, attrs=bare.attrs)


def _repeat(block: np.ndarray, times: Sequence[int]) -> np.ndarray:
    for axis, factor in enumerate(times):
        block = block.repeat(factor, axis) if factor > 1 else block
    return block


def over_cells(
    function: Callable[..., np.ndarray],
    hr: xr.DataArray,
    beside: Sequence[xr.DataArray],
    scale: Scale,
) -> xr.DataArray:
    """Apply a function to HR cells and the LR cells that contain them, chunk by chunk.

    Parameters
    ----------
    function : callable
        Function of the arrays of `hr` and `beside`, in this order. It returns an array with the
        shape of the first, float32.
    hr : xarray.DataArray
        ``(..., y, x)``; dask chunks contain whole LR cells.
    beside : sequence of xarray.DataArray
        Arrays with some of the dimensions of `hr`, on HR or LR cells.
    scale : Scale
        HR cells along the edges of an LR cell.

    Returns
    -------
    xarray.DataArray
        The results, with the coordinates and chunks of `hr`.
    """
    if all(x.chunks is None for x in (hr, *beside)):
        return hr.copy(data=function(hr.data, *(x.data for x in beside)))
    if hr.chunks is None:
        hr = hr.chunk()
    arguments = [hr.data, hr.dims]
    for x in beside:
        fine = all(x.sizes[d] == hr.sizes[d] for d in (Y, X))
        chunks = {
            d: tuple(n // (1 if fine else scale.by_dim.get(str(d), 1)) for n in hr.chunksizes[d])
            for d in x.dims
        }
        # chunk masks in memory here: otherwise every task would receive the whole mask
        arguments += [x.chunk(chunks).data, x.dims]
    data = blockwise(
        function,
        hr.dims,
        *arguments,
        align_arrays=False,
        dtype=np.dtype("f4"),
        meta=np.empty((0,) * hr.ndim, "f4"),
    )
    return hr.copy(data=data)

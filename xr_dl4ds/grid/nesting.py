"""How the cells of two grids lie to one another: nested by an integer, or not.

*Nested* means that `scale` x `scale` HR cells tile each LR cell: every LR centre is the mean of
its HR centres. LR points that are every n-th HR point are not nested (half-cell offset).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from dask.array import blockwise

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid import reprojection
from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.fields import TIME, Grid, Part, X, Y

#: Largest departure, in LR cells, of an LR centre from the mean of its HR centres: wide enough for
#: float32 coordinates, far from the half cell of an offset grid.
NESTING_TOLERANCE = 0.01


@dataclasses.dataclass(frozen=True, kw_only=True)
class Nesting:
    """The common cells of a nested pair, as slices of the canonical arrays.

    Parameters
    ----------
    scale : int
        HR cells along one edge of an LR cell.
    lr, hr : dict of slice
        Common part of either grid by canonical dimension; ``hr`` is `scale` times as long.
    """

    scale: int
    lr: Part
    hr: Part


def ratio(lr: Grid, hr: Grid) -> tuple[float, float]:
    """Spacing of LR over spacing of HR along y and x."""
    return lr.y.spacing / hr.y.spacing, lr.x.spacing / hr.x.spacing


def require_overlap(lr: Grid, hr: Grid, lr_role: str, hr_role: str) -> None:
    """Raise a `GridError` unless both grids share some area, of the plane or of the Earth."""
    if not reprojection.same_place(lr, hr):
        reprojection.require_overlap(lr, hr, lr_role, hr_role)
        return
    for a, b in ((lr.y, hr.y), (lr.x, hr.x)):
        if a.periodic or b.periodic:
            continue
        low, high = a.edges[[0, -1]] + turns_between(a, b)
        if high <= b.edges[0] or low >= b.edges[-1]:
            raise GridError(
                f"Expected grids that overlap, got {lr_role} on {lr.extent} and {hr_role} on"
                f" {hr.extent}. Select the same region of both, and check units and longitudes."
            )


def turns_between(a: Axis, b: Axis) -> float:
    """Degrees to add to canonical longitudes `a` to lie nearest to `b`; 0 for other axes."""
    if a.kind != "longitude":
        return 0.0
    middle = (b.canonical[0] + b.canonical[-1] - a.canonical[0] - a.canonical[-1]) / 2
    return float(360 * np.round(middle / 360))


def nest(lr: Grid, hr: Grid) -> Nesting | None:
    """Find the common cells of a nested pair; None when the cells do not nest.

    Raises
    ------
    GridError
        When the HR grid is not finer than the LR grid.
    """
    ratios = ratio(lr, hr)
    if max(ratios) < 0.99:
        raise GridError(
            f"Expected the HR grid to be finer than the LR grid, got LR {lr.extent} and HR"
            f" {hr.extent}. Call lr.downscale.fit(hr): the two look swapped."
        )
    scale = round(ratios[0])
    if scale < 1 or any(abs(r - scale) > 0.01 * scale for r in ratios):
        return None
    parts = {"y": _common(lr.y, hr.y, scale), "x": _common(lr.x, hr.x, scale)}
    if None in parts.values():
        return None
    found = {d: p for d, p in parts.items() if p is not None}
    return Nesting(
        scale=scale,
        lr={d: p[0] for d, p in found.items()},
        hr={d: p[1] for d, p in found.items()},
    )


def _common(lr: Axis, hr: Axis, scale: int) -> tuple[slice, slice] | None:
    """Slices of the LR cells that are whole inside the HR domain, and of their HR cells."""
    if hr.size < scale:
        return None
    centres = lr.canonical + turns_between(lr, hr)
    blocks = np.convolve(hr.canonical, np.full(scale, 1 / scale), mode="valid")
    cell = lr.spacing
    inside = (centres > blocks[0] - 0.5 * cell) & (centres < blocks[-1] + 0.5 * cell)
    start = np.clip(np.searchsorted(blocks, centres - 0.5 * hr.spacing), 0, blocks.size - 1)
    close = np.abs(blocks[start] - centres) < NESTING_TOLERANCE * cell
    # an LR cell at the rim may stick out of the HR domain: only whole ones are common
    whole = inside & close
    index = np.flatnonzero(whole)
    if index.size < 2 or (np.diff(index) != 1).any() or (np.diff(start[index]) != scale).any():
        return None
    rim = [i for i in (index[0] - 1, index[-1] + 1) if 0 <= i < centres.size]
    covered = [i for i in np.flatnonzero(inside) if i not in index and i not in rim]
    if covered:
        return None
    first, last = int(index[0]), int(index[-1])
    hr_first = int(start[first])
    return slice(first, last + 1), slice(hr_first, hr_first + scale * (last + 1 - first))


def to_hr_cells(lr: xr.DataArray, scale: int) -> xr.DataArray:
    """Repeat each LR cell for its HR cells, without coordinates along y and x."""
    bare = lr.drop_vars([c for c in lr.coords if c != TIME])
    if bare.chunks is None:
        return bare.isel({d: np.repeat(np.arange(lr.sizes[d]), scale) for d in (Y, X)})
    # dask would cut an index with repetitions into as many chunks as there are LR cells
    axes = tuple(bare.get_axis_num(d) for d in (Y, X))
    data = bare.data.map_blocks(
        _repeat,
        axes=axes,
        scale=scale,
        chunks=[
            tuple(n * scale for n in sizes) if i in axes else sizes
            for i, sizes in enumerate(bare.data.chunks)
        ],
        dtype=bare.dtype,
        meta=bare.data._meta,
    )
    return xr.DataArray(data, dims=bare.dims, coords=bare.coords, name=bare.name, attrs=bare.attrs)


def _repeat(block: np.ndarray, axes: tuple[int, int], scale: int) -> np.ndarray:
    return block.repeat(scale, axes[0]).repeat(scale, axes[1])


def over_cells(
    function: Callable[..., np.ndarray],
    hr: xr.DataArray,
    beside: Sequence[xr.DataArray],
    scale: int,
) -> xr.DataArray:
    """Apply a function to HR cells and the LR cells that hold them, chunk by chunk.

    Parameters
    ----------
    function : callable
        Of arrays: the following, in this order; gives what has the shape of the first, float32.
    hr : xarray.DataArray
        ``(..., y, x)``; dask chunks are whole LR cells.
    beside : sequence of xarray.DataArray
        With some of the dimensions of `hr`, on its cells or on those of LR.
    scale : int
        HR cells along one edge of an LR cell.

    Returns
    -------
    xarray.DataArray
        As `hr`, with its coordinates and chunks.
    """
    if all(x.chunks is None for x in (hr, *beside)):
        return hr.copy(data=function(hr.data, *(x.data for x in beside)))
    if hr.chunks is None:
        hr = hr.chunk()
    arguments = [hr.data, hr.dims]
    for x in beside:
        fine = all(x.sizes[d] == hr.sizes[d] for d in (Y, X))
        chunks = {
            d: tuple(n // (1 if fine or d == TIME else scale) for n in hr.chunksizes[d])
            for d in x.dims
        }
        # a mask in memory is cut for each chunk; joined to their tasks it would go with all
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

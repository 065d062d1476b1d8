"""Statistics of a variable in one pass over its chunks, in double precision.

Each chunk gives a row of numbers, and the rows are combined exactly. The pass is lazy, can be
combined with other passes over the same data, and keeps only the current chunks in memory.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import dask
import numpy as np
import xarray as xr

#: Number of cells converted to double precision at once: 2 MiB, which fit into the cache.
SLAB = 2**18

#: Values of this size are marks of missing values, such as 1e20 and 9.97e36.
HUGE = 1e19

#: Number of values per chunk.
_ROW = 6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Moments:
    """Statistics of all cells of a variable, without NaN.

    Parameters
    ----------
    cells, valid : float
        Number of cells, and number of cells that are not NaN.
    mean : float
        Mean of the valid cells; NaN without valid cells.
    squares : float
        Sum of squared deviations from the mean.
    low, high : float
        Smallest and largest value.
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
        """Share of valid cells."""
        return self.valid / self.cells if self.cells else 0.0

    @classmethod
    def of(cls, rows: np.ndarray) -> Moments:
        """Combine the rows of all chunks, ``(..., row)``."""
        return cls(**dict(zip(_NAMES, _joined(rows.reshape(-1, _ROW)).tolist(), strict=True)))


_NAMES = tuple(field.name for field in dataclasses.fields(Moments))


def moments_of(data: xr.Dataset) -> dict[str, Moments]:
    """Return the statistics of each variable, in one pass over all of them."""
    (rows,) = dask.compute({str(n): rows_of(v) for n, v in data.items()})
    return {name: Moments.of(one) for name, one in rows.items()}


def rows_of(variable: xr.DataArray) -> Any:
    """Return a row of numbers for each chunk, for `Moments.of`; lazy where the variable is.

    Returns
    -------
    numpy.ndarray or dask.array.Array
        Rows, ``(..., row)``.
    """
    data = variable.data
    if not dask.is_dask_collection(data):
        return _row(variable.to_numpy())
    ones = tuple((1,) * len(sizes) for sizes in data.chunks)
    return data.map_blocks(
        _row, chunks=(*ones, (_ROW,)), new_axis=data.ndim, dtype="f8", meta=np.empty((0,), "f8")
    )


def _row(block: np.ndarray) -> np.ndarray:
    """Return the row of one chunk, ``(1, ..., 1, row)``."""
    flat = block.reshape(-1)
    slabs = [_slab(flat[i : i + SLAB]) for i in range(0, flat.size, SLAB)] or [_slab(flat)]
    return _joined(np.array(slabs)).reshape(*(1,) * block.ndim, _ROW)


def _slab(cells: np.ndarray) -> tuple[float, ...]:
    total, wide = cells.size, cells.astype("f8")
    with np.errstate(invalid="ignore", over="ignore"):  # the moments reveal infinite values later
        mean = wide.mean() if total else math.nan
        if math.isnan(mean):
            wide = wide[~np.isnan(wide)]
            if not wide.size:
                return total, 0.0, math.nan, 0.0, math.nan, math.nan
            mean = wide.mean()
        low, high = wide.min(), wide.max()
        wide -= mean
        # no BLAS: its threads would compete with dask's threads
        squares = np.square(wide, out=wide).sum()
        return total, float(wide.size), mean, float(squares), low, high


def _joined(rows: np.ndarray) -> np.ndarray:
    """Combine rows into one (Chan, Golub and LeVeque 1983, doi:10.1080/00031305.1983.10483115)."""
    cells, valid, mean, squares, low, high = rows.T
    n = valid.sum()
    if not n:
        return np.array([cells.sum(), 0.0, math.nan, 0.0, math.nan, math.nan])
    some = valid > 0
    with np.errstate(invalid="ignore", over="ignore"):
        share, mean = valid[some] / n, mean[some]
        # relative to one of the means, so that no large numbers are subtracted
        middle = mean[0] + float(share @ (mean - mean[0]))
        apart = squares.sum() + float(valid[some] @ (mean - middle) ** 2)
    return np.array([cells.sum(), n, middle, apart, low[some].min(), high[some].max()])

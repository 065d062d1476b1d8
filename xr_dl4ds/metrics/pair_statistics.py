"""Means, variances and errors of prediction and truth, in one pass over both fields.

Every block of the fields is read once. It gives the weight, the means, the variances and the
covariance of its valid pairs; blocks are then merged without a loss of digits (Chan, Golub and
LeVeque 1983, doi:10.1080/00031305.1983.10483115).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial

import dask.array as da
import numpy as np
import xarray as xr

from xr_dl4ds.metrics.pairs import Dimensions, require_same_coordinates

#: Number of values that are computed at once: they fit into the cache of a processor.
PIECE = 2**17
#: Standard deviation over mean below which values are constant: a mean has an error of rounding.
CONSTANT = 1e-14

#: Rows of the arrays below: weight; means of error, absolute error, squared error, prediction and
#: truth; variances of both; covariance.
_ROWS = 9
_MEANS, _SPREADS = slice(1, 6), slice(6, 9)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairStatistics:
    """Weighted statistics of the cells where prediction and truth are both valid.

    Parameters
    ----------
    bias, mae, mse : xarray.DataArray
        Means of the error, the absolute error and the squared error.
    means : tuple of xarray.DataArray
        Means of prediction and truth.
    variances : tuple of xarray.DataArray
        Variances of prediction and truth, over the sum of weights; exactly 0 for constant values.
    covariance : xarray.DataArray
        Covariance of prediction and truth.
    """

    bias: xr.DataArray
    mae: xr.DataArray
    mse: xr.DataArray
    means: tuple[xr.DataArray, xr.DataArray]
    variances: tuple[xr.DataArray, xr.DataArray]
    covariance: xr.DataArray

    @classmethod
    def of(
        cls,
        prediction: xr.DataArray,
        truth: xr.DataArray,
        dims: Dimensions,
        weights: xr.DataArray | None = None,
    ) -> PairStatistics:
        """Compute the statistics over some dimensions.

        Parameters
        ----------
        prediction, truth : xarray.DataArray
            Prediction and truth, at the same coordinates and in the same units.
        dims : sequence of hashable
            Dimensions to average over.
        weights : xarray.DataArray, optional
            Weights of cells along dimensions of the data, without NaN, such as areas. They count
            only if the statistics are taken over one of their dimensions.

        Returns
        -------
        PairStatistics
            Statistics along the other dimensions, float64; NaN without valid pairs. Lazy if the
            data are; their chunks stay as they are.
        """
        require_same_coordinates(prediction, truth)
        pair = xr.broadcast(prediction.drop_attrs(), truth.drop_attrs())
        if weights is None or not any(d in dims for d in weights.dims):
            weights = xr.DataArray(1.0)
        weights = weights.astype("f8").expand_dims(
            [d for d in pair[0].dims if d not in weights.dims]
        )
        weights = weights.drop_vars(list(weights.coords)).transpose(*pair[0].dims)
        axes = tuple(i for i, d in enumerate(pair[0].dims) if d in dims)
        kept = [d for d in pair[0].dims if d not in dims]
        coords = {c: v for c, v in pair[0].coords.items() if set(v.dims) <= set(kept)}
        rows = _rows(pair[0].data, pair[1].data, weights.data, axes)
        bias, mae, mse, *more = (xr.DataArray(rows[i], coords, kept) for i in range(1, _ROWS))
        return cls(
            bias=bias,
            mae=mae,
            mse=mse,
            means=(more[0], more[1]),
            variances=(more[2], more[3]),
            covariance=more[4],
        )

    @property
    def rmse(self) -> xr.DataArray:
        """Root mean square error."""
        return self.mse**0.5

    @property
    def correlation(self) -> xr.DataArray:
        """Pearson correlation; NaN where prediction or truth is constant."""
        scatter = (self.variances[0] * self.variances[1]) ** 0.5
        return self.covariance / scatter.where(scatter > 0)

    @property
    def relative_bias(self) -> xr.DataArray:
        """Bias over the mean of the truth; NaN where that mean is 0."""
        return self.bias / self.means[1].where(self.means[1] != 0)

    @property
    def nrmse(self) -> xr.DataArray:
        """RMSE over the standard deviation of the truth; NaN where the truth is constant."""
        variance = self.variances[1]
        return (self.mse / variance.where(variance > 0)) ** 0.5

    @property
    def std_ratio(self) -> xr.DataArray:
        """Standard deviation over that of the truth; NaN where the truth is constant."""
        variance = self.variances[1]
        return (self.variances[0] / variance.where(variance > 0)) ** 0.5

    @property
    def kge(self) -> xr.DataArray:
        """Kling-Gupta efficiency, see `xr_dl4ds.metrics.kge`."""
        ratio = self.means[0] / self.means[1].where(self.means[1] != 0)
        terms = (self.correlation - 1, self.std_ratio - 1, ratio - 1)
        return 1 - sum(term**2 for term in terms) ** 0.5


def _rows(
    prediction: da.Array | np.ndarray,
    truth: da.Array | np.ndarray,
    weights: da.Array | np.ndarray,
    axes: tuple[int, ...],
) -> da.Array | np.ndarray:
    """Return the statistics over some axes, ``(row, *other axes)``."""
    given = prediction, truth, weights
    if not any(isinstance(one, da.Array) for one in given):
        return _finished(_of_pieces(*map(np.asarray, given), axes=axes), axes)
    prediction, truth = map(da.asarray, (prediction, truth))
    labels = tuple(range(prediction.ndim))
    chunks, (prediction, truth) = da.core.unify_chunks(prediction, labels, truth, labels)
    sizes = tuple((1,) if n == 1 else chunks[i] for i, n in enumerate(weights.shape))
    blocks = da.map_blocks(
        partial(_of_pieces, axes=axes),
        *(prediction, truth, da.asarray(weights).rechunk(sizes)),
        dtype="f8",
        new_axis=0,
        chunks=(
            (_ROWS,),
            *((1,) * len(chunks[i]) if i in axes else chunks[i] for i in labels),
        ),
    )
    return da.reduction(
        blocks,
        chunk=_unchanged,
        combine=_combined,
        aggregate=_aggregated,
        axis=tuple(i + 1 for i in axes),
        dtype="f8",
        meta=np.empty((0,) * (blocks.ndim - len(axes))),
    )


def _unchanged(rows: np.ndarray, axis: tuple[int, ...], keepdims: bool) -> np.ndarray:
    return rows


def _combined(rows: np.ndarray, axis: tuple[int, ...], keepdims: bool) -> np.ndarray:
    return _merged(rows, tuple(i - 1 for i in axis))


def _aggregated(rows: np.ndarray, axis: tuple[int, ...], keepdims: bool) -> np.ndarray:
    axes = tuple(i - 1 for i in axis)
    return _finished(_merged(rows, axes), axes)


def _finished(rows: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Drop the axes, of size 1; without weight all is missing, and constants do not vary."""
    rows = rows.squeeze(tuple(i + 1 for i in axes))
    out = np.where(rows[0] > 0, rows, np.nan)
    means, variances = out[4:6], out[6:8]
    out[6:8] = np.where(variances <= (CONSTANT * means) ** 2, 0.0, variances)
    return out


def _of_pieces(
    prediction: np.ndarray, truth: np.ndarray, weights: np.ndarray, *, axes: tuple[int, ...]
) -> np.ndarray:
    """Return the statistics of arrays, with axes of size 1, computed in pieces of the arrays."""
    if prediction.size <= PIECE:
        return _of_piece(prediction, truth, weights, axes)
    axis = int(np.argmax(prediction.shape))
    n = prediction.shape[axis]
    step = max(1, n * PIECE // prediction.size)

    def cut(array: np.ndarray, start: int) -> np.ndarray:
        at = [slice(None)] * array.ndim
        if array.shape[axis] > 1:
            at[axis] = slice(start, start + step)
        return array[tuple(at)]

    pieces = [
        _of_pieces(*(cut(one, start) for one in (prediction, truth, weights)), axes=axes)
        for start in range(0, n, step)
    ]
    joined = np.concatenate(pieces, axis=axis + 1)
    return _merged(joined, (axis,)) if axis in axes else joined


@np.errstate(invalid="ignore")  # of infinite values the statistics are not defined
def _of_piece(
    prediction: np.ndarray, truth: np.ndarray, weights: np.ndarray, axes: tuple[int, ...]
) -> np.ndarray:
    prediction, truth = prediction.astype("f8"), truth.astype("f8")
    missing = np.isnan(prediction) | np.isnan(truth)
    some = bool(missing.any())
    if some:
        prediction[missing] = truth[missing] = 0.0
        weights = np.where(missing, 0.0, weights)
    average, total = _averaging(weights, prediction.shape, axes)
    error = np.asarray(prediction - truth)
    squared = average(error**2)
    means = [average(prediction), average(truth)]
    biased = average(error)
    absolute = average(np.abs(error, out=error))
    first, second = (
        np.subtract(one, mean, out=one)
        for one, mean in zip((prediction, truth), means, strict=True)
    )
    if some:
        first[missing] = second[missing] = 0.0
    covariance = average(first * second)
    spreads = [average(np.square(one, out=one)) for one in (first, second)]
    return np.stack([total, biased, absolute, squared, *means, *spreads, covariance])


def _averaging(
    weights: np.ndarray, shape: tuple[int, ...], axes: tuple[int, ...]
) -> tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]:
    """Return the function that averages an array, and the sum of weights; axes keep size 1."""
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
    if weights.size == 1:
        count = np.prod([shape[i] for i in axes], dtype="f8")
        total = np.full(kept, weights.item() * count)
        return lambda values: np.asarray(values.sum(axes, keepdims=True) / max(count, 1)), total
    total = np.broadcast_to(weights, shape).sum(axes, keepdims=True)
    divisor = np.where(total > 0, total, 1.0)

    def average(values: np.ndarray) -> np.ndarray:
        return np.asarray((values * weights).sum(axes, keepdims=True) / divisor)

    return average, total


def _merged(rows: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Return the statistics of all blocks together, which lie along some axes."""
    over = tuple(i + 1 for i in axes)
    weight = rows[:1]
    total = weight.sum(over, keepdims=True)
    share = weight / np.where(total > 0, total, 1.0)
    means = (share * rows[_MEANS]).sum(over, keepdims=True)
    first, second = rows[4:6] - means[3:5]
    between = np.stack([first**2, second**2, first * second])
    spreads = (share * (rows[_SPREADS] + between)).sum(over, keepdims=True)
    return np.concatenate([total, means, spreads])

"""Scores of pairs of values over any dimensions, computed lazily.

A cell counts if prediction and truth are both valid. The tests compare with xskillscore and scipy.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.metrics.pair_statistics import PairStatistics
from xr_dl4ds.metrics.pairs import Dimensions, in_one_chunk, require_same_coordinates
from xr_dl4ds.metrics.sorting import ranks, ranks_of_rows


@with_expected_options
def bias(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the mean of prediction minus truth, in their units."""
    return PairStatistics.of(prediction, truth, dims, weights).bias


@with_expected_options
def mae(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the mean absolute error, in the units of the data."""
    return PairStatistics.of(prediction, truth, dims, weights).mae


@with_expected_options
def rmse(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the root mean square error, in the units of the data."""
    return PairStatistics.of(prediction, truth, dims, weights).rmse


@with_expected_options
def correlation(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the Pearson correlation (1); NaN where prediction or truth is constant."""
    return PairStatistics.of(prediction, truth, dims, weights).correlation


@with_expected_options
def relative_bias(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the bias over the mean of the truth (1); NaN where that mean is 0.

    For quantities with a natural zero, such as precipitation; it has no meaning for temperatures.
    """
    return PairStatistics.of(prediction, truth, dims, weights).relative_bias


@with_expected_options
def nrmse(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the RMSE over the standard deviation of the truth (1); NaN for a constant truth.

    The mean of the truth has the value 1. Other libraries divide by the mean or by the range of the
    truth: never compare values of two libraries.
    """
    return PairStatistics.of(prediction, truth, dims, weights).nrmse


@with_expected_options
def kge(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the Kling-Gupta efficiency (1), for quantities with a natural zero.

    It is ``1 - sqrt((r - 1)**2 + (a - 1)**2 + (b - 1)**2)`` with the correlation r, the ratio a of
    standard deviations and the ratio b of means (Gupta et al. 2009,
    doi:10.1016/j.jhydrol.2009.08.003); 1 is perfect. NaN where one of these is not defined. In
    degrees Celsius b depends on the zero of the scale.
    """
    return PairStatistics.of(prediction, truth, dims, weights).kge


@with_expected_options
def spearman(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the Spearman rank correlation (1), the Pearson correlation of ranks.

    Equal values have their mean rank. NaN where prediction or truth is constant. If `dims` are not
    all dimensions, lazy data are brought into one chunk along `dims`; otherwise lazy values are
    ranked in the bins of `xr_dl4ds.metrics.quantiles`, and all values stay in memory.
    """
    require_same_coordinates(prediction, truth)
    valid = prediction.notnull() & truth.notnull()
    pair = [one.where(valid) for one in (prediction, truth)]
    if all(set(one.dims) <= set(dims) for one in pair):
        own = [ranks(one) for one in pair]
    else:
        own = [
            xr.apply_ufunc(
                _ranks_over,
                in_one_chunk(one, dims),
                input_core_dims=[list(dims)],
                output_core_dims=[list(dims)],
                kwargs={"axes": len(dims)},
                dask="parallelized",
                output_dtypes=["f8"],
            )
            for one in pair
        ]
    return correlation(own[0], own[1], dims, weights)


def _ranks_over(values: np.ndarray, *, axes: int) -> np.ndarray:
    """Return the ranks over the last axes together."""
    shape = values.shape[: values.ndim - axes]
    return ranks_of_rows(values.reshape(*shape, -1)).reshape(values.shape)

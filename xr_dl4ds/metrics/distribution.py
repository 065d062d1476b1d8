"""Scores of distributions: extremes, wet cells and variability, regardless of place and time.

A cell counts if prediction and truth are both valid.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Sequence

import numpy as np
import scipy.stats
import xarray as xr

from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.grid.names import REALIZATION
from xr_dl4ds.metrics.pair_statistics import PairStatistics
from xr_dl4ds.metrics.pairs import Dimensions, in_one_chunk, require_same_coordinates
from xr_dl4ds.metrics.sorting import Sorted, of_sorted


@with_expected_options
def quantile_bias(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    q: float,
    dims: Dimensions,
    *,
    relative: bool = True,
) -> xr.DataArray:
    """Return the bias of a quantile, such as the 98th percentile.

    It is ``Q(prediction) / Q(truth) - 1``, as VALUE compares the indices P02 and P98 (Maraun et al.
    2015, doi:10.1002/2014EF000259).

    Parameters
    ----------
    prediction, truth : xarray.DataArray
        Prediction and truth, at the same coordinates and in the same units.
    q : float
        The quantile, 0 to 1, by linear interpolation between two values.
    dims : sequence of hashable
        Dimensions over which the quantile is taken.
    relative : bool
        Divide by the quantile of the truth. If False, return the difference in units of the data,
        for quantities without a natural zero such as temperatures in degrees Celsius.

    Returns
    -------
    xarray.DataArray
        Bias; 0 is perfect. The relative bias is NaN where the quantile of the truth is 0. The
        result is lazy if the data are; these are rechunked into one chunk along `dims`, so all
        values along these dimensions must fit in memory.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> truth = xr.DataArray(np.arange(101.0), dims="time")
    >>> float(quantile_bias(1.5 * truth, truth, 0.98, ["time"]))
    0.5
    """
    prediction, truth = _pooled(prediction, truth)
    high, base = (
        in_one_chunk(one, dims)
        .quantile(q, [d for d in dims if d in one.dims])
        .drop_vars("quantile")
        for one in (prediction, truth)
    )
    return (high - base) / base.where(base != 0) if relative else high - base


@with_expected_options
def wet_frequency(field: xr.DataArray, threshold: float, dims: Dimensions) -> xr.DataArray:
    """Return the share of valid cells at or above a threshold, such as 1 mm per day for wet days.

    Parameters
    ----------
    field : xarray.DataArray
        Field with any dimensions.
    threshold : float
        Threshold in units of the field.
    dims : sequence of hashable
        Dimensions over which cells are counted.

    Returns
    -------
    xarray.DataArray
        Share, 0 to 1; NaN without valid cells. Lazy if the data are.

    Examples
    --------
    >>> import xarray as xr
    >>> float(wet_frequency(xr.DataArray([0.0, 0.5, 1.0, 3.0], dims="time"), 1.0, ["time"]))
    0.5
    """
    return (field >= threshold).where(field.notnull()).mean(dims)


@with_expected_options
def std_ratio(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the standard deviation of the prediction divided by that of the truth.

    Parameters
    ----------
    prediction, truth : xarray.DataArray
        Prediction and truth, at the same coordinates and in the same units.
    dims : sequence of hashable
        Dimensions over which the standard deviations are taken.
    weights : xarray.DataArray, optional
        Weights of cells, such as their areas.

    Returns
    -------
    xarray.DataArray
        Ratio; 1 is perfect, below 1 the prediction is too smooth; NaN where the truth is constant.
        Lazy if the data are.

    Examples
    --------
    >>> import xarray as xr
    >>> truth = xr.DataArray([1.0, 2.0, 3.0], dims="time")
    >>> float(std_ratio(0.5 * truth, truth, ["time"]))
    0.5
    """
    return PairStatistics.of(prediction, truth, dims, weights).std_ratio


def std_ratio_of_members(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the ratio of standard deviations; for an ensemble that of members, not of the mean."""
    ratio = std_ratio(prediction, truth, dims, weights)
    if REALIZATION not in ratio.dims:
        return ratio
    return (ratio**2).mean(REALIZATION) ** 0.5


#: Probabilities of the quantiles that `evaluate` compares.
PROBABILITIES = (0.01, 0.02, 0.05, *(i / 10 for i in range(1, 10)), 0.95, 0.98, 0.99, 0.999)


@with_expected_options
def quantiles(
    field: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
    *,
    q: Sequence[float] = PROBABILITIES,
) -> xr.DataArray:
    """Return quantiles of all values over some dimensions.

    Quantiles of prediction and truth against each other are a Q-Q plot.

    Parameters
    ----------
    field : xarray.DataArray
        Field with any dimensions.
    dims : sequence of hashable
        Dimensions over which values are sorted.
    weights : xarray.DataArray, optional
        Not used: every value has the same weight.
    q : sequence of float
        Probabilities, 0 to 1.

    Returns
    -------
    xarray.DataArray
        Quantiles along ``quantile``, in units of the field, by linear interpolation between two
        values; NaN without values. Lazy if the field is. For lazy fields and `dims` that are all
        dimensions, values are counted in bins: the error is below 0.05 % of the distance between
        the quantile and the mean of the first chunk.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> quantiles(xr.DataArray(np.arange(101.0), dims="time"), ["time"], q=[0.1, 0.98]).to_numpy()
    array([10., 98.])
    """
    at = np.asarray(q, "f8")
    found = of_sorted(lambda own: own.quantile(at), [field], dims, {"quantile": at.size})
    return found.assign_coords(quantile=at)


@with_expected_options
def wasserstein(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the Wasserstein distance of order 1 between the distributions of values.

    It is the area between both distribution functions, and for equally many values the mean
    difference of the sorted values (Villani 2009, doi:10.1007/978-3-540-71050-9, section 6).

    Parameters
    ----------
    prediction : xarray.DataArray
        Prediction; members along further dimensions are pooled if `dims` name these.
    truth : xarray.DataArray
        Truth at the same coordinates and in the same units.
    dims : sequence of hashable
        Dimensions over which values are sorted.
    weights : xarray.DataArray, optional
        Not used: every value has the same weight.

    Returns
    -------
    xarray.DataArray
        Distance in units of the data; 0 for equal distributions, wherever and whenever the values
        occur. Lazy if the data are; see `quantiles` for the bins of lazy data.

    Examples
    --------
    >>> import xarray as xr
    >>> truth = xr.DataArray([1.0, 2.0, 3.0], dims="time")
    >>> float(wasserstein(truth[::-1] + 0.5, truth, ["time"]))
    0.5
    """
    return of_sorted(_area_between, _pooled(prediction, truth), dims, {})


def _area_between(prediction: Sorted, truth: Sorted) -> np.ndarray:
    if not (prediction.numbers.size and truth.numbers.size):
        return np.array(np.nan)
    own, other = (one.numbers for one in (prediction, truth))
    weights = (one.counts for one in (prediction, truth))
    return np.array(scipy.stats.wasserstein_distance(own, other, *weights))


@with_expected_options
def perkins(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
    *,
    bins: int = 100,
) -> xr.DataArray:
    """Return the Perkins skill score, the common area of both histograms.

    It is ``sum(min(f_prediction, f_truth))`` over bins of relative frequencies f (Perkins et al.
    2007, doi:10.1175/JCLI4253.1). The bins are equally wide, from the least to the largest of all
    values. The score depends on their number: compare scores of the same bins only.

    Parameters
    ----------
    prediction, truth : xarray.DataArray
        Prediction and truth, at the same coordinates and in the same units.
    dims : sequence of hashable
        Dimensions over which values are counted.
    weights : xarray.DataArray, optional
        Not used: every value has the same weight.
    bins : int
        Number of bins.

    Returns
    -------
    xarray.DataArray
        Share, 1 for equal histograms, 0 for histograms without a common bin; NaN without values.
        Lazy if the data are; see `quantiles` for the bins of lazy data.

    Examples
    --------
    >>> import xarray as xr
    >>> truth = xr.DataArray([0.0, 1.0, 2.0, 3.0], dims="time")
    >>> float(perkins(truth + 1, truth, ["time"], bins=5))  # 1, 2, 3 of 0, 1, 2, 3, 4 in common
    0.75
    """
    common = functools.partial(_common_area, bins)
    return of_sorted(common, _pooled(prediction, truth), dims, {})


def _common_area(bins: int, prediction: Sorted, truth: Sorted) -> np.ndarray:
    if not (prediction.numbers.size and truth.numbers.size):
        return np.array(np.nan)
    ends = [one.numbers[[0, -1]] for one in (prediction, truth)]
    low, high = min(e[0] for e in ends), max(e[1] for e in ends)
    shares = [
        np.histogram(one.numbers, bins, (low, high), weights=one.counts)[0] / one.counts.sum()
        for one in (prediction, truth)
    ]
    return np.minimum(*shares).sum()


def wasserstein_of_members(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the Wasserstein distance; the values of all members are pooled."""
    return wasserstein(prediction, truth, _all(dims, prediction))


def perkins_of_members(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the Perkins skill score; the values of all members are pooled."""
    return perkins(prediction, truth, _all(dims, prediction))


def quantile_biases(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return quantiles of the prediction minus those of the truth, along ``quantile``."""
    mine, theirs = _pooled(prediction, truth)
    return quantiles(mine, _all(dims, mine)) - quantiles(theirs, _all(dims, theirs))


def _pooled(prediction: xr.DataArray, truth: xr.DataArray) -> list[xr.DataArray]:
    """Return both fields with values in the cells that both have."""
    require_same_coordinates(prediction, truth)
    more = [d for d in prediction.dims if d not in truth.dims]
    complete = prediction.notnull().all(more)
    return [prediction.where(truth.notnull() & complete), truth.where(complete)]


def _all(dims: Dimensions, field: xr.DataArray) -> list[Hashable]:
    """Return dimensions with that of members."""
    return [*dims, *(d for d in field.dims if d == REALIZATION)]

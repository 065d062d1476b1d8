"""Scores of distributions: extremes, wet cells and variability, regardless of place and time.

A cell counts if prediction and truth are both valid.
"""

from __future__ import annotations

import xarray as xr

from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.metrics.pairs import Dimensions, in_one_chunk, require_same_coordinates


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
    prediction, truth = _masked_alike(prediction, truth)
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
def std_ratio(prediction: xr.DataArray, truth: xr.DataArray, dims: Dimensions) -> xr.DataArray:
    """Return the standard deviation of the prediction divided by that of the truth.

    Parameters
    ----------
    prediction, truth : xarray.DataArray
        Prediction and truth, at the same coordinates and in the same units.
    dims : sequence of hashable
        Dimensions over which the standard deviations are taken.

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
    prediction, truth = (one.astype("f8") for one in _masked_alike(prediction, truth))
    varies = truth.max(dims) > truth.min(dims)
    return prediction.std(dims) / truth.std(dims).where(varies)


def _masked_alike(
    prediction: xr.DataArray, truth: xr.DataArray
) -> tuple[xr.DataArray, xr.DataArray]:
    require_same_coordinates(prediction, truth)
    return prediction.where(truth.notnull()), truth.where(prediction.notnull())

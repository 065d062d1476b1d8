"""Scores of pairs of values, over any dimensions, lazily.

A cell counts where prediction and truth are both valid, with equal weight. Oracle in the tests:
xskillscore and scipy.
"""

from __future__ import annotations

from collections.abc import Callable

import xarray as xr

from xr_dl4ds.metrics.pairs import Dimensions, require_same_coordinates

Score = Callable[[xr.DataArray, xr.DataArray, Dimensions], xr.DataArray]


def bias(prediction: xr.DataArray, truth: xr.DataArray, dims: Dimensions) -> xr.DataArray:
    """Mean of prediction minus truth, in their units."""
    require_same_coordinates(prediction, truth)
    return (prediction.astype("f8") - truth.astype("f8")).mean(dims)


def mae(prediction: xr.DataArray, truth: xr.DataArray, dims: Dimensions) -> xr.DataArray:
    """Mean absolute error, in their units."""
    require_same_coordinates(prediction, truth)
    return abs(prediction.astype("f8") - truth.astype("f8")).mean(dims)


def rmse(prediction: xr.DataArray, truth: xr.DataArray, dims: Dimensions) -> xr.DataArray:
    """Root mean square error, in their units."""
    require_same_coordinates(prediction, truth)
    return ((prediction.astype("f8") - truth.astype("f8")) ** 2).mean(dims) ** 0.5


def correlation(prediction: xr.DataArray, truth: xr.DataArray, dims: Dimensions) -> xr.DataArray:
    """Pearson correlation, 1; NaN where either is constant."""
    require_same_coordinates(prediction, truth)
    valid = prediction.notnull() & truth.notnull()
    a = prediction.astype("f8").where(valid)
    b = truth.astype("f8").where(valid)
    varies = (a.max(dims) > a.min(dims)) & (b.max(dims) > b.min(dims))
    a, b = a - a.mean(dims), b - b.mean(dims)
    spread = ((a**2).mean(dims) * (b**2).mean(dims)) ** 0.5
    return (a * b).mean(dims) / spread.where(varies)


SCORES: dict[str, Score] = {"bias": bias, "mae": mae, "rmse": rmse, "correlation": correlation}

#: Scores that are 0 for a perfect prediction, for which skill is defined.
ERRORS = ("mae", "rmse")

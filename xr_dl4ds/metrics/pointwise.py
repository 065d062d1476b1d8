"""Scores of pairs of values over any dimensions, computed lazily.

A cell counts, with equal weight, if prediction and truth are both valid. The tests compare with
xskillscore and scipy.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import xarray as xr

from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.metrics.pairs import Dimensions, require_same_coordinates
from xr_dl4ds.metrics.weighting import mean


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """A score of pairs of values, and how it is named and shown.

    Parameters
    ----------
    function : callable
        ``(prediction, truth, dims) -> score``.
    long_name : str
        CF's ``long_name``.
    heading : str
        The head of its column in tables.
    in_units : bool
        True for scores in the units of the variable; the others have the unit 1.
    is_error : bool
        True for scores that are 0 for a perfect prediction alone, for which a skill is defined.
    digits : int
        Decimals in tables.
    """

    function: Callable[[xr.DataArray, xr.DataArray, Dimensions], xr.DataArray]
    long_name: str
    heading: str
    in_units: bool = True
    is_error: bool = False
    digits: int = 3

    def __call__(
        self, prediction: xr.DataArray, truth: xr.DataArray, dims: Dimensions
    ) -> xr.DataArray:
        """Compute the score over some dimensions."""
        return self.function(prediction, truth, dims)


@with_expected_options
def bias(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the mean of prediction minus truth, in their units."""
    require_same_coordinates(prediction, truth)
    return mean(prediction.astype("f8") - truth.astype("f8"), dims, weights)


@with_expected_options
def mae(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the mean absolute error, in the units of the data."""
    require_same_coordinates(prediction, truth)
    return mean(abs(prediction.astype("f8") - truth.astype("f8")), dims, weights)


@with_expected_options
def rmse(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the root mean square error, in the units of the data."""
    require_same_coordinates(prediction, truth)
    return mean((prediction.astype("f8") - truth.astype("f8")) ** 2, dims, weights) ** 0.5


@with_expected_options
def correlation(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the Pearson correlation (1); NaN where prediction or truth is constant."""
    require_same_coordinates(prediction, truth)
    valid = prediction.notnull() & truth.notnull()
    a = prediction.astype("f8").where(valid)
    b = truth.astype("f8").where(valid)
    varies = (a.max(dims) > a.min(dims)) & (b.max(dims) > b.min(dims))
    a, b = a - mean(a, dims, weights), b - mean(b, dims, weights)
    spread = (mean(a**2, dims, weights) * mean(b**2, dims, weights)) ** 0.5
    return mean(a * b, dims, weights) / spread.where(varies)


#: The scores of `evaluate` for every prediction. A score is added here and nowhere else.
SCORES: dict[str, Score] = {
    "bias": Score(function=bias, long_name="mean of prediction minus truth", heading="bias"),
    "mae": Score(function=mae, long_name="mean absolute error", heading="MAE", is_error=True),
    "rmse": Score(function=rmse, long_name="root mean square error", heading="RMSE", is_error=True),
    "correlation": Score(
        function=correlation,
        long_name="Pearson correlation",
        heading="correlation",
        in_units=False,
        digits=4,
    ),
}

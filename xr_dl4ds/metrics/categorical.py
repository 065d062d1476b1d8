"""Scores of events, which are values at or above a threshold.

An example is 20 mm of rain in a day. All scores are functions of the contingency table, in which
each valid pair of values is a hit (prediction and truth are events), a miss (only the truth is an
event), a false alarm (only the prediction is an event) or a correct negative (no event). The tests
compare with counts in plain NumPy and with the library ``scores``.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import xarray as xr

from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.metrics.pairs import Dimensions, require_same_coordinates
from xr_dl4ds.metrics.weighting import mean


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContingencyTable:
    """Shares of the four outcomes among the valid cells; their sum is 1.

    Parameters
    ----------
    hits : xarray.DataArray
        Share of cells where prediction and truth are events.
    misses : xarray.DataArray
        Share of cells where only the truth is an event.
    false_alarms : xarray.DataArray
        Share of cells where only the prediction is an event.
    correct_negatives : xarray.DataArray
        Share of cells where neither is an event.
    """

    hits: xr.DataArray
    misses: xr.DataArray
    false_alarms: xr.DataArray
    correct_negatives: xr.DataArray

    @property
    def csi(self) -> xr.DataArray:
        """Critical success index."""
        return _ratio(self.hits, self.hits + self.misses + self.false_alarms)

    @property
    def ets(self) -> xr.DataArray:
        """Equitable threat score."""
        # for shares whose sum is 1, in a form that is exactly 0 / 0 where it is not defined
        gain = self.hits * self.correct_negatives - self.misses * self.false_alarms
        return _ratio(gain, self.misses + self.false_alarms + gain)

    @property
    def pod(self) -> xr.DataArray:
        """Probability of detection."""
        return _ratio(self.hits, self.hits + self.misses)

    @property
    def far(self) -> xr.DataArray:
        """False alarm ratio."""
        return _ratio(self.false_alarms, self.hits + self.false_alarms)

    @property
    def frequency_bias(self) -> xr.DataArray:
        """Predicted events over true events."""
        return _ratio(self.hits + self.false_alarms, self.hits + self.misses)

    @property
    def sedi(self) -> xr.DataArray:
        """Symmetric extremal dependence index."""
        events = self.hits + self.misses
        others = self.false_alarms + self.correct_negatives
        hit, missed = _log(_ratio(self.hits, events)), _log(_ratio(self.misses, events))
        false = _log(_ratio(self.false_alarms, others))
        correct = _log(_ratio(self.correct_negatives, others))
        index = (false - hit - correct + missed) / (false + hit + correct + missed)
        both = (self.hits > 0) & (self.correct_negatives > 0)
        perfect = both & (self.misses == 0) & (self.false_alarms == 0)
        return index.where(~perfect, 1.0)


@with_expected_options
def contingency_table(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    threshold: float,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> ContingencyTable:
    """Return the shares of hits, misses, false alarms and correct negatives.

    Parameters
    ----------
    prediction, truth : xarray.DataArray
        Prediction and truth, at the same coordinates and in the same units. A cell counts if both
        are valid.
    threshold : float
        Values at or above it are events, in units of the data. It is rounded to the precision of
        the data: a float32 value of 0.7 reaches a threshold of 0.7.
    dims : sequence of hashable
        Dimensions over which cells are counted.
    weights : xarray.DataArray, optional
        Weights of cells along some dimensions, such as their areas.

    Returns
    -------
    ContingencyTable
        Shares (1), 0 to 1; NaN without valid cells. Lazy if the data are.

    Examples
    --------
    >>> truth = xr.DataArray([5.0, 1.0, 7.0, 0.0], dims="time")
    >>> prediction = xr.DataArray([6.0, 5.0, 2.0, 0.0], dims="time")
    >>> table = contingency_table(prediction, truth, 5.0, ["time"])
    >>> float(table.hits), float(table.false_alarms)  # the first day, the second day
    (0.25, 0.25)
    """
    require_same_coordinates(prediction, truth)
    # a Python number takes the precision of the data, a NumPy number would not
    predicted, observed = (one >= float(threshold) for one in (prediction, truth))
    valid = prediction.notnull() & truth.notnull()

    def share(cells: xr.DataArray) -> xr.DataArray:
        return mean(cells.astype("f8").where(valid), dims, weights)

    return ContingencyTable(
        hits=share(predicted & observed),
        misses=share(~predicted & observed),
        false_alarms=share(predicted & ~observed),
        correct_negatives=share(~predicted & ~observed),
    )


@with_expected_options
def csi(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    threshold: float,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the critical success index, also known as threat score.

    It is ``hits / (hits + misses + false alarms)`` (Schaefer 1990,
    doi:10.1175/1520-0434(1990)005<0570:TCSIAA>2.0.CO;2). Correct negatives do not count, so the
    index also depends on how frequent events are: compare it only for the same truth and threshold.

    Parameters
    ----------
    prediction, truth : xarray.DataArray
        Prediction and truth, at the same coordinates and in the same units.
    threshold : float
        Values at or above it are events, in units of the data.
    dims : sequence of hashable
        Dimensions over which cells are pooled.
    weights : xarray.DataArray, optional
        Weights of cells along some dimensions, such as their areas.

    Returns
    -------
    xarray.DataArray
        Index (1), from 0 to 1, which is perfect; NaN without any event in prediction or truth. Lazy
        if the data are.

    Examples
    --------
    >>> truth = xr.DataArray([5.0, 1.0, 7.0, 9.0], dims="time")
    >>> prediction = xr.DataArray([6.0, 5.0, 2.0, 8.0], dims="time")
    >>> float(csi(prediction, truth, 5.0, ["time"]))  # 2 hits, 1 miss, 1 false alarm
    0.5
    """
    return contingency_table(prediction, truth, threshold, dims, weights).csi


@with_expected_options
def ets(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    threshold: float,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the equitable threat score, also known as Gilbert skill score.

    It is the critical success index without the hits expected by chance,
    ``(hits - r) / (hits + misses + false alarms - r)`` with
    ``r = (hits + misses) * (hits + false alarms)`` for shares of the cells (Hogan et al. 2010,
    doi:10.1175/2009WAF2222350.1).

    Parameters
    ----------
    prediction, truth : xarray.DataArray
        Prediction and truth, at the same coordinates and in the same units.
    threshold : float
        Values at or above it are events, in units of the data.
    dims : sequence of hashable
        Dimensions over which cells are pooled.
    weights : xarray.DataArray, optional
        Weights of cells along some dimensions, such as their areas.

    Returns
    -------
    xarray.DataArray
        Score (1), from -1/3 to 1: 1 is perfect, 0 is no better than chance. NaN if prediction and
        truth are both always or both never events. Lazy if the data are.

    Examples
    --------
    >>> truth = xr.DataArray([5.0, 1.0, 7.0, 0.0], dims="time")
    >>> prediction = xr.DataArray([6.0, 0.0, 2.0, 0.0], dims="time")
    >>> float(ets(prediction, truth, 5.0, ["time"]).round(4))  # (1/4 - 1/8) / (2/4 - 1/8)
    0.3333
    """
    return contingency_table(prediction, truth, threshold, dims, weights).ets


@with_expected_options
def pod(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    threshold: float,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the probability of detection, also known as hit rate.

    It is ``hits / (hits + misses)``, the share of the true events that are predicted (Hogan and
    Mason 2011, doi:10.1002/9781119960003.ch3). A prediction that is always an event gets a perfect
    score, so read it together with `far`.

    Parameters
    ----------
    prediction, truth : xarray.DataArray
        Prediction and truth, at the same coordinates and in the same units.
    threshold : float
        Values at or above it are events, in units of the data.
    dims : sequence of hashable
        Dimensions over which cells are pooled.
    weights : xarray.DataArray, optional
        Weights of cells along some dimensions, such as their areas.

    Returns
    -------
    xarray.DataArray
        Probability (1), from 0 to 1, which is perfect; NaN without events in the truth. Lazy if the
        data are.

    Examples
    --------
    >>> truth = xr.DataArray([5.0, 1.0, 7.0, 0.0], dims="time")
    >>> prediction = xr.DataArray([6.0, 0.0, 2.0, 0.0], dims="time")
    >>> float(pod(prediction, truth, 5.0, ["time"]))  # the first of two events
    0.5
    """
    return contingency_table(prediction, truth, threshold, dims, weights).pod


@with_expected_options
def far(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    threshold: float,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the false alarm ratio, the share of the predicted events that are false.

    It is ``false alarms / (hits + false alarms)``. It is not the false alarm *rate*,
    ``false alarms / (false alarms + correct negatives)``, also called probability of false
    detection; both are confused in the literature (Barnes et al. 2009,
    doi:10.1175/2009WAF2222300.1).

    Parameters
    ----------
    prediction, truth : xarray.DataArray
        Prediction and truth, at the same coordinates and in the same units.
    threshold : float
        Values at or above it are events, in units of the data.
    dims : sequence of hashable
        Dimensions over which cells are pooled.
    weights : xarray.DataArray, optional
        Weights of cells along some dimensions, such as their areas.

    Returns
    -------
    xarray.DataArray
        Ratio (1), from 0, which is perfect, to 1; NaN without events in the prediction. Lazy if the
        data are.

    Examples
    --------
    >>> truth = xr.DataArray([5.0, 1.0, 0.0, 0.0], dims="time")
    >>> prediction = xr.DataArray([6.0, 5.0, 0.0, 0.0], dims="time")
    >>> float(far(prediction, truth, 5.0, ["time"]))  # the false alarm rate is 1 / 3
    0.5
    """
    return contingency_table(prediction, truth, threshold, dims, weights).far


@with_expected_options
def frequency_bias(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    threshold: float,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the number of predicted events divided by the number of true events.

    It is ``(hits + false alarms) / (hits + misses)`` (Hogan and Mason 2011,
    doi:10.1002/9781119960003.ch3). It does not depend on where and when events are
    predicted.

    Parameters
    ----------
    prediction, truth : xarray.DataArray
        Prediction and truth, at the same coordinates and in the same units.
    threshold : float
        Values at or above it are events, in units of the data.
    dims : sequence of hashable
        Dimensions over which cells are pooled.
    weights : xarray.DataArray, optional
        Weights of cells along some dimensions, such as their areas.

    Returns
    -------
    xarray.DataArray
        Ratio (1), 0 or larger: 1 is perfect, below 1 there are too few events. NaN without events
        in the truth. Lazy if the data are.

    Examples
    --------
    >>> truth = xr.DataArray([5.0, 1.0, 7.0, 0.0], dims="time")
    >>> prediction = xr.DataArray([0.0, 6.0, 2.0, 0.0], dims="time")
    >>> float(frequency_bias(prediction, truth, 5.0, ["time"]))  # one event instead of two
    0.5
    """
    return contingency_table(prediction, truth, threshold, dims, weights).frequency_bias


@with_expected_options
def sedi(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    threshold: float,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the symmetric extremal dependence index, a score for rare events.

    It is ``(ln F - ln H - ln(1 - F) + ln(1 - H)) / (ln F + ln H + ln(1 - F) + ln(1 - H))``, where H
    is the hit rate ``hits / (hits + misses)`` and F is the false alarm rate
    ``false alarms / (false alarms + correct negatives)`` (Ferro and Stephenson 2011,
    doi:10.1175/WAF-D-10-05030.1). Unlike the other scores here, it does not tend to a fixed value
    when events become rarer. Compare predictions with a frequency bias near 1.

    Parameters
    ----------
    prediction, truth : xarray.DataArray
        Prediction and truth, at the same coordinates and in the same units.
    threshold : float
        Values at or above it are events, in units of the data.
    dims : sequence of hashable
        Dimensions over which cells are pooled.
    weights : xarray.DataArray, optional
        Weights of cells along some dimensions, such as their areas.

    Returns
    -------
    xarray.DataArray
        Index (1), from -1 to 1: 1 is perfect, 0 is no better than chance. NaN if one of the four
        outcomes does not occur, because the logarithm of 0 is not defined; only a prediction
        without misses and false alarms is 1, which is its limit. Pool many cells, because a cell
        alone often lacks an outcome. Lazy if the data are.

    Examples
    --------
    >>> truth = xr.DataArray([5.0, 5.0, 0.0, 0.0, 0.0, 0.0], dims="time")
    >>> prediction = xr.DataArray([5.0, 0.0, 5.0, 0.0, 0.0, 0.0], dims="time")
    >>> float(sedi(prediction, truth, 5.0, ["time"]).round(4))  # H = 1/2, F = 1/4
    0.359
    """
    return contingency_table(prediction, truth, threshold, dims, weights).sedi


def _ratio(part: xr.DataArray, whole: xr.DataArray) -> xr.DataArray:
    """Return the quotient, NaN where the divisor is 0."""
    return part / whole.where(whole != 0)


def _log(share: xr.DataArray) -> xr.DataArray:
    """Return the natural logarithm, NaN for 0."""
    return xr.apply_ufunc(np.log, share.where(share > 0), dask="allowed")

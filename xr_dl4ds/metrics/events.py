"""Scores of ensemble probabilities of an event: values at or above a threshold.

The probability of the event is the share of members in which it happens. A cell counts if the truth
and every member are valid. The tests compare with xskillscore and properscoring, and with plain
loops.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.metrics.pairs import MEMBER, Dimensions, require_members
from xr_dl4ds.metrics.weighting import mean

#: The dimension of a reliability diagram.
PROBABILITY = "probability"

_LONG_NAMES = {
    PROBABILITY: "centre of the bin of forecast probabilities",
    "observed": "observed relative frequency of the event",
    "forecast": "mean forecast probability of the event",
    "share": "share of cases in the bin",
}


@with_expected_options
def brier(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    threshold: float,
    dims: Dimensions,
    member: str = MEMBER,
    *,
    weights: xr.DataArray | None = None,
    fair: bool = True,
) -> xr.DataArray:
    """Return the Brier score of the event ``value >= threshold``.

    The score is the mean of ``(i / M - o)**2``, where the event happens in i of M members, and o is
    1 if it happens in the truth and 0 otherwise (Brier 1950,
    doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2). The fair score subtracts
    ``i (M - i) / (M**2 (M - 1))``, so that its expectation does not depend on M (Ferro 2014,
    doi:10.1002/qj.2270). Its integral over all thresholds is the `crps`.

    Parameters
    ----------
    prediction : xarray.DataArray
        Ensemble, with the dimension of members in any position.
    truth : xarray.DataArray
        Truth without this dimension, at the same coordinates and in the same units.
    threshold : float
        Threshold in units of the data, such as 1 mm per day for wet days.
    dims : sequence of hashable
        Dimensions to average over; an empty sequence gives the score of each cell.
    member : str
        Name of the dimension of members.
    weights : xarray.DataArray, optional
        Weights of the cells, such as their areas.
    fair : bool
        Subtract the expected share of a limited number of members. A single member has no fair
        score; the other score is returned for it.

    Returns
    -------
    xarray.DataArray
        Brier score (1), from 0 to 1; 0 is perfect; NaN without valid cells. Lazy if the data are.

        The score of a rare event is small for any prediction: an event with the frequency f has the
        score f if it is never predicted, and f (1 - f) if f is always predicted. Compare with these
        values. In a single cell the fair score is also 0 if one member alone is wrong.

    Examples
    --------
    >>> members = [[0.0, 0.0, 2.0, 3.0], [0.0, 0.0, 0.0, 5.0]]  # 1 in 2 of 4, and in 1 of 4
    >>> members = xr.DataArray(members, dims=("time", "realization"))
    >>> truth = xr.DataArray([2.0, 0.0], dims="time")
    >>> float(brier(members, truth, 1.0, ["time"], fair=False))  # (1 / 4 + 1 / 16) / 2
    0.15625
    >>> float(brier(members, truth, 1.0, ["time"]).round(6))  # (1 / 4 - 1 / 12 + 0) / 2
    0.083333
    """
    require_members(prediction, member, truth)
    m = prediction.sizes[member]
    event = truth >= float(threshold)
    # of w members that differ from the truth, the scores are (w / M)**2 and w (w - 1) / (M (M - 1))
    wrong = ((prediction >= float(threshold)) != event).sum(member)
    score = wrong * (wrong - 1) / (m * (m - 1)) if fair and m > 1 else (wrong / m) ** 2
    out = mean(score.where(_valid(prediction, truth, member)), dims, weights)
    return out.drop_attrs(deep=False)  # the units of the data are not those of the score


@with_expected_options
def reliability(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    threshold: float,
    dims: Dimensions,
    member: str = MEMBER,
    *,
    weights: xr.DataArray | None = None,
    bins: int = 10,
) -> xr.Dataset:
    """Return the reliability diagram of the event ``value >= threshold``.

    The diagram compares the probability of an event, the share of members in which it happens, with
    the frequency of the event in the truth in all cases of about this probability. Draw `observed`
    against `forecast` and not against the centres of the bins, because the probabilities in a bin
    are rarely about its centre (Bröcker and Smith 2007, doi:10.1175/WAF993.1).

    Parameters
    ----------
    prediction : xarray.DataArray
        Ensemble, with the dimension of members in any position.
    truth : xarray.DataArray
        Truth without this dimension, at the same coordinates and in the same units.
    threshold : float
        Threshold in units of the data, such as 1 mm per day for wet days.
    dims : sequence of hashable
        Dimensions over which cells are pooled.
    member : str
        Name of the dimension of members.
    weights : xarray.DataArray, optional
        Weights of the cells, such as their areas.
    bins : int
        Number of bins of equal width. Bin k, from 0, holds the probabilities p with
        ``k / bins <= p < (k + 1) / bins``; the last bin also holds 1. M members have M + 1
        probabilities: with ``bins=M + 1`` each of them has a bin of its own, and with more bins
        some stay empty.

    Returns
    -------
    xarray.Dataset
        Along ``probability``, the centres of the bins: ``observed``, the relative frequency of the
        event in the truth; ``forecast``, the mean forecast probability; and ``share``, the share of
        the cases in the bin. All are from 0 to 1, and the shares sum to 1. `observed` and
        `forecast` are NaN in empty bins; all are NaN without valid cells. Lazy if the data are.

        The probabilities are reliable if `observed` equals `forecast` but for chance, which is
        large in bins with a small share. If few members are drawn from the right distribution,
        `observed` is nevertheless nearer to the mean frequency of the event than `forecast`, as
        for an overconfident ensemble. The bias decreases with M.

    Raises
    ------
    ValueError
        If `bins` is below 1.

    Examples
    --------
    >>> members = [[0.0, 0.0], [0.0, 3.0], [2.0, 0.0], [4.0, 2.0]]  # probabilities 0, 1/2, 1/2, 1
    >>> members = xr.DataArray(members, dims=("time", "realization"))
    >>> truth = xr.DataArray([0.0, 0.0, 1.0, 5.0], dims="time")
    >>> diagram = reliability(members, truth, 1.0, ["time"], bins=3)
    >>> for name in diagram.data_vars:
    ...     name, diagram[name].to_numpy()
    ('observed', array([0. , 0.5, 1. ]))
    ('forecast', array([0. , 0.5, 1. ]))
    ('share', array([0.25, 0.5 , 0.25]))
    """
    if bins < 1:
        raise ValueError(f"Expected bins to be 1 or more, got {bins}. Use 10.")
    require_members(prediction, member, truth)
    m = prediction.sizes[member]
    valid = _valid(prediction, truth, member)
    event = truth >= float(threshold)
    count = (prediction >= float(threshold)).sum(member)
    place = (count * bins // m).clip(max=bins - 1)  # in whole numbers, where edges are exact
    found: dict[str, list[xr.DataArray]] = {"observed": [], "forecast": [], "share": []}
    for k in range(bins):
        inside = place == k
        share = mean(inside.where(valid), dims, weights)
        cases = share.where(share > 0)
        found["observed"].append(mean((inside & event).where(valid), dims, weights) / cases)
        forecast = mean((count * inside).where(valid), dims, weights) / m
        found["forecast"].append(forecast / cases)
        found["share"].append(share)
    centres = xr.Variable(PROBABILITY, (np.arange(bins) + 0.5) / bins)
    out = xr.Dataset(
        {
            name: xr.concat(values, centres).transpose(..., PROBABILITY)
            for name, values in found.items()
        }
    )
    for name, text in _LONG_NAMES.items():
        out[name].attrs = {"units": "1", "long_name": text}
    return out


def _valid(prediction: xr.DataArray, truth: xr.DataArray, member: str) -> xr.DataArray:
    """Return True for cells where the truth and every member are valid."""
    return truth.notnull() & prediction.notnull().all(member)

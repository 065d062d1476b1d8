"""Reductions of NumPy arrays along time, their last axis, for the climate indices.

All take arrays ``(..., time)`` and skip NaN. Where no value is valid they return NaN, without a
warning. Values are compared with thresholds in their own precision; sums are float64.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: Function of arrays ``(..., time)`` that returns arrays ``(...)``.
Reduction = Callable[[np.ndarray], np.ndarray]


def mean(values: np.ndarray) -> np.ndarray:
    """Return the mean of the valid values."""
    valid = ~np.isnan(values)
    n = valid.sum(axis=-1)
    total = np.sum(values, axis=-1, dtype="f8", where=valid)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def std(values: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the valid values, with their number minus 1."""
    n = (~np.isnan(values)).sum(axis=-1)
    squares = np.nansum((values - mean(values)[..., None]) ** 2, axis=-1)
    return np.where(n > 1, np.sqrt(squares / np.maximum(n - 1, 1)), np.nan)


def maximum(values: np.ndarray) -> np.ndarray:
    """Return the largest valid value."""
    return -minimum(-values.astype("f8"))


def minimum(values: np.ndarray) -> np.ndarray:
    """Return the smallest valid value."""
    valid = ~np.isnan(values)
    least = np.min(values.astype("f8"), axis=-1, where=valid, initial=np.inf)
    return np.where(valid.any(axis=-1), least, np.nan)


def quantile(values: np.ndarray, q: float) -> np.ndarray:
    """Return a quantile of the valid values, by linear interpolation between two values.

    NumPy's ``nanquantile`` loops over cells.
    """
    ordered = np.sort(values.astype("f8"), axis=-1)  # NaN last
    last = np.maximum((~np.isnan(ordered)).sum(axis=-1, keepdims=True) - 1, 0)
    below = np.floor(q * last).astype(int)
    low = np.take_along_axis(ordered, below, axis=-1)
    high = np.take_along_axis(ordered, np.minimum(below + 1, last), axis=-1)
    out: np.ndarray = (low + (q * last - below) * (high - low))[..., 0]
    return out


def wet_only(values: np.ndarray, wet: float, of_wet: Reduction) -> np.ndarray:
    """Return a reduction of the values at or above the smallest wet amount."""
    return of_wet(np.where(values >= wet, values, np.nan))


def wet_spell(values: np.ndarray, wet: float) -> np.ndarray:
    """Return the largest number of consecutive values at or above the smallest wet amount."""
    return _longest_run(values >= wet)


def dry_spell(values: np.ndarray, wet: float) -> np.ndarray:
    """Return the largest number of consecutive values below the smallest wet amount."""
    return _longest_run(values < wet)


def _longest_run(counted: np.ndarray) -> np.ndarray:
    """Return the largest number of consecutive True."""
    step = np.arange(1, counted.shape[-1] + 1)
    # the last step that does not count, up to each step
    last = np.maximum.accumulate(np.where(counted, 0, step), axis=-1)
    return np.asarray(np.max(step - last, axis=-1, initial=0))


def steps_above(values: np.ndarray, threshold: float) -> np.ndarray:
    """Return the number of values above a threshold."""
    return np.asarray((values > threshold).sum(axis=-1))


def steps_below(values: np.ndarray, threshold: float) -> np.ndarray:
    """Return the number of values below a threshold."""
    return np.asarray((values < threshold).sum(axis=-1))


def lag1_correlation(values: np.ndarray) -> np.ndarray:
    """Return the Pearson correlation of consecutive values that are both valid."""
    first, second = values[..., :-1].astype("f8"), values[..., 1:].astype("f8")
    valid = ~(np.isnan(first) | np.isnan(second))
    first, second = np.where(valid, first, np.nan), np.where(valid, second, np.nan)
    # not by their squares: the mean of equal numbers may be off by a rounding
    varies = (maximum(first) > minimum(first)) & (maximum(second) > minimum(second))
    first, second = first - mean(first)[..., None], second - mean(second)[..., None]
    spread = np.sqrt(mean(first**2)) * np.sqrt(mean(second**2))
    return np.where(varies, mean(first * second), np.nan) / np.where(varies, spread, 1.0)


def by_group(values: np.ndarray, labels: np.ndarray, of_group: Reduction) -> np.ndarray:
    """Return a reduction of the steps of each label, in the order of the labels.

    Parameters
    ----------
    values : numpy.ndarray
        Array ``(..., time)``.
    labels : numpy.ndarray
        Label of each step, such as its year.
    of_group : callable
        Reduction of the steps with the same label.

    Returns
    -------
    numpy.ndarray
        Array ``(..., label)``, NaN for labels without valid values.

    Examples
    --------
    >>> by_group(np.array([1.0, 3.0, 4.0]), np.array([2001, 2001, 2002]), mean)
    array([2., 4.])
    """
    found = np.unique(labels)
    out = np.full((*values.shape[:-1], found.size), np.nan)
    for i, label in enumerate(found):
        group = values[..., labels == label]
        valid = ~np.isnan(group).all(axis=-1)
        out[..., i] = np.where(valid, of_group(group), np.nan)
    return out


def of_years(
    values: np.ndarray, years: np.ndarray, of_year: Reduction, over_years: Reduction
) -> np.ndarray:
    """Return a reduction over years of a reduction of each year."""
    return over_years(by_group(values, years, of_year))


def monthly_means(values: np.ndarray, months: np.ndarray) -> np.ndarray:
    """Return the mean of each month from 1 to 12, as the last axis."""
    out = np.full((*values.shape[:-1], 12), np.nan)
    out[..., np.unique(months) - 1] = by_group(values, months, mean)
    return out

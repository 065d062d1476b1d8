"""Factors of noise with which the spread of members equals the error of their mean."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from xr_dl4ds.config.distribution_channels import TRACE

logger = logging.getLogger(__name__)

#: Members from which spread and error are taken.
MEMBERS = 10
#: Limits of a temperature, and attempts to find it.
LIMITS, ATTEMPTS = (0.3, 5.0), 4
#: Parts of the validation data whose temperatures tell how certain it is.
PARTS = 8
#: Fewest steps from which a temperature is taken. Those of a few days in a row are alike, and tell
#: less than they seem to: in a simulation with a correlation of 0.8, 8 steps gave a wrong factor in
#: 58 % of cases, 40 steps in 12 %.
LEAST_STEPS = 24
#: Standard errors by which the logarithm of a temperature must differ from 0.
SIGNIFICANT = 3.0


def temperature_of(
    errors_and_spreads: Callable[[float], tuple[np.ndarray, np.ndarray]],
    name: str,
    *,
    where: str = "",
    cells: int,
) -> float:
    """Return the factor of the noise of a target; 1 where the data cannot tell it from 1.

    Parameters
    ----------
    errors_and_spreads : callable
        From a factor to the mean squared error of the mean, and the variance, of `MEMBERS` members
        at each step, scaled.
    name : str
        The target.
    where : str
        The season, for messages, such as " in DJF".
    cells : int
        Most HR cells that were used, for messages.
    """
    errors, spreads = errors_and_spreads(1.0)
    before, *_ = spread_skill_of(errors, spreads)
    if not (np.isfinite(before) and before > 0 and typical(errors) > TRACE):
        return 1.0  # such as rain in a dry season, where nothing but rounding is left
    factor, ratio = 1.0, before
    for _ in range(ATTEMPTS):
        factor = float(np.clip(factor / ratio, *LIMITS))
        errors, spreads = errors_and_spreads(factor)
        ratio = spread_skill_of(errors, spreads)[0]
        if abs(ratio - 1) < 0.01:
            break
    uncertain = spread_skill_of(errors, spreads)[1]
    if abs(np.log(factor)) <= SIGNIFICANT * uncertain:
        steps = int(np.isfinite(errors).sum())
        _note_uncertain(name, where, before, steps, uncertain, cells)
        return 1.0
    # towards 1 by the share of the change that chance may explain (James & Stein 1961)
    factor **= 1 - (SIGNIFICANT * uncertain / np.log(factor)) ** 2
    ratio = spread_skill_of(*errors_and_spreads(factor))[0]
    if not abs(np.log(ratio)) < abs(np.log(before)):
        return 1.0
    logger.info(
        "members of %r%s: noise multiplied by %.2f, spread-skill %.2f before and %.2f after",
        *(name, where, factor, before, ratio),
    )
    return float(factor)


def _note_uncertain(
    name: str, where: str, ratio: float, steps: int, uncertain: float, cells: int
) -> None:
    """Say that the validation data cannot tell a temperature from 1, and warn if they are few."""
    known = f"only to {100 * uncertain:.0f} %" if np.isfinite(uncertain) else "not at all"
    logger.info(
        "members of %r%s: spread-skill %.2f; their noise is not scaled, because %d validation"
        " step%s determine%s the factor %s",
        *(name, where, ratio, steps, *(("", "s") if steps == 1 else ("s", "")), known),
    )
    if not where and uncertain > 0.1:
        logger.warning(
            "%d validation %s too few to calibrate the spread of %r (at most %d HR cells of"
            " all steps are used): pass more validation data, or calibrate=False",
            *(steps, "step is" if steps == 1 else "steps are", name, cells),
        )


def spread_skill_of(errors: np.ndarray, spreads: np.ndarray) -> tuple[float, float]:
    """Return the spread-skill ratio and its relative standard error, from mean squares by step.

    The ratio has the factor of Fortin et al. (2014, doi:10.1175/JHM-D-14-0008.1), eq. 15. Its error
    is that of the jackknife over `PARTS` runs of steps. Steps without valid cells do not count.
    """
    some = np.isfinite(errors)
    errors, spreads = errors[some], spreads[some]
    if not (errors > 0).any():
        return np.nan, np.inf
    correction = np.sqrt((MEMBERS + 1) / MEMBERS)

    def of(kept: np.ndarray) -> float:
        return float(correction * np.sqrt(spreads[kept].mean() / errors[kept].mean()))

    every = np.arange(len(errors))
    parts = [p for p in np.array_split(every, PARTS) if p.size]
    if len(errors) < LEAST_STEPS:
        return of(every), np.inf
    n = len(parts)
    with np.errstate(divide="ignore", invalid="ignore"):  # one part may have all errors or spreads
        without = np.log([of(np.setdiff1d(every, part)) for part in parts])
        error = np.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2))
    return of(every), float(error) if np.isfinite(error) else np.inf


def typical(errors: np.ndarray) -> float:
    """Return the root of the mean of squared errors by step; NaN without any finite one."""
    finite = errors[np.isfinite(errors)]
    return float(np.sqrt(finite.mean())) if finite.size else np.nan


def mean_of_steps(cells: np.ndarray) -> np.ndarray:
    """Return the mean over valid cells of each step ``(time, y, x)``; NaN without any."""
    valid = np.isfinite(cells)
    count = valid.sum(axis=(1, 2))
    total = np.where(valid, cells, 0.0).sum(axis=(1, 2))
    found = np.full(len(cells), np.nan)
    np.divide(total, count, out=found, where=count > 0)
    return found

"""Sentences on the main results: which baselines the prediction beats, and which beat it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import xarray as xr

from xr_dl4ds.metrics.sample import PREDICTION
from xr_dl4ds.plotting import panels

#: The scores that decide, and their names in sentences.
DECISIVE = {"crps": "CRPS", "rmse": "RMSE", "mae": "MAE"}
#: Number of lost parts that are listed.
SHOWN = 5
#: Range of the spread-skill ratio of members whose spread is about right.
RELIABLE = (0.9, 1.1)
#: RALSD in dB above which the texture of members is wrong: half or twice the power of the truth.
TEXTURED = 3.0


def beats(value: float, other: float) -> bool:
    """Return True if an error is smaller than another by more than rounding."""
    return other - value > 1e-5 * abs(other)


def number(value: float) -> str:
    """Return a number with three significant digits, without an exponent where it is readable."""
    if not np.isfinite(value):
        return "-" if np.isnan(value) else ("∞" if value > 0 else "-∞")
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return np.format_float_positional(
            float(f"{value:.3g}"), trim="-", fractional=False, precision=6
        )
    return f"{value:.2e}"


def units_of(scores: xr.Dataset, name: str) -> str:
    """Return the units of a score of one variable, empty for dimensionless scores."""
    of_variable = str(scores["units"].item()) if "units" in scores.coords else ""
    found = panels.units_of(name, scores[name].attrs, of_variable)
    return "" if found == "1" else found


def verdicts(scores: xr.Dataset) -> dict[str, list[str]]:
    """Return sentences on the skill against each baseline.

    Parameters
    ----------
    scores : xarray.Dataset
        Scores of one variable, without parts.

    Returns
    -------
    dict
        Sentences by verdict: "better" and "worse", and "undecided" if the confidence interval of
        the skill includes 0.
    """
    out: dict[str, list[str]] = {"better": [], "undecided": [], "worse": []}
    for name, word in DECISIVE.items():
        if f"{name}_skill" not in scores:
            continue
        unit = units_of(scores, name)
        mine = float(scores[name].sel(product=PREDICTION))
        for reference in map(str, scores["reference"].to_numpy()):
            other = float(scores[name].sel(product=reference))
            skill = float(scores[f"{name}_skill"].sel(reference=reference))
            if not np.isfinite(skill):
                continue
            low, high = _interval(scores, name, reference)
            verdict = "undecided"
            if not low <= 0 <= high:
                verdict = "better" if beats(mine, other) else verdict
                verdict = "worse" if beats(other, mine) else verdict
            values = f"{_with(unit, mine)} (prediction), {_with(unit, other)} ({reference})"
            change = _percent(skill) if beats(mine, other) or beats(other, mine) else "equal"
            out[verdict].append(f"{word}: {values}, {change}{_range(low, high)}.")
    return out


def _with(unit: str, value: float) -> str:
    """Return a number with its unit, on one line."""
    return f"{number(value)}\u00a0{unit}" if unit else number(value)


def _interval(scores: xr.Dataset, name: str, reference: str) -> tuple[float, float]:
    if f"{name}_skill_interval" not in scores:
        return np.nan, np.nan
    ends = scores[f"{name}_skill_interval"].sel(reference=reference)
    return float(ends.sel(bound="lower")), float(ends.sel(bound="upper"))


def _percent(skill: float) -> str:
    return f"{100 * abs(skill):.0f}\u00a0% {'smaller' if skill > 0 else 'larger'}"


def _range(low: float, high: float) -> str:
    if not np.isfinite([low, high]).all():
        return " (too few steps for a confidence interval)"
    ends = sorted((-100 * low, -100 * high))
    return f" (95\u00a0% interval: {ends[0]:+.0f} to {ends[1]:+.0f}\u00a0%)"


def on_members(scores: xr.Dataset) -> list[str]:
    """Return sentences on the spread and the texture of an ensemble."""
    if "spread_skill_ratio" not in scores:
        return []
    ratio = float(scores["spread_skill_ratio"])
    if RELIABLE[0] <= ratio <= RELIABLE[1]:
        verdict = "the spread of the members fits the error of their mean"
    elif ratio < RELIABLE[0]:
        verdict = "the members are too much alike: the ensemble is overconfident"
    else:
        verdict = "the members differ more than the error of their mean: the ensemble is too wide"
    found = [f"Spread-skill ratio {number(ratio)}: {verdict}."]
    distance = float(scores["ralsd"].sel(product=PREDICTION)) if "ralsd" in scores else np.nan
    if distance > TEXTURED:
        found.append(
            f"RALSD {number(distance)}\u00a0dB: the texture of the members differs from that of the"
            " truth, which CRPS and spread-skill ratio of single cells cannot see."
        )
    return found


def losing_parts(parts: xr.Dataset, dims: Sequence[str]) -> list[str]:
    """Return sentences on the parts of the data where a baseline is better than the prediction.

    Parameters
    ----------
    parts : xarray.Dataset
        Scores of one variable by parts.
    dims : sequence of str
        Dimensions of the parts.
    """
    name = next(one for one in DECISIVE if one in parts)
    unit, out = units_of(parts, name), []
    for reference in map(str, parts["product"].to_numpy()[1:]):
        worse: list[tuple[float, str]] = []
        labels = all_labels(parts, dims)
        for label in labels:
            one = parts[name].sel(label)
            mine, other = (float(one.sel(product=p)) for p in (PREDICTION, reference))
            if beats(other, mine):
                values = f"{number(mine)} against {_with(unit, other)}"
                worse.append(
                    (mine / other if other > 0 else np.inf, f"{described(label)} ({values})")
                )
        if worse:
            largest = sorted(worse, key=lambda one: -one[0])[:SHOWN]
            more = f", and {len(worse) - SHOWN} more" if len(worse) > SHOWN else ""
            out.append(
                f"{DECISIVE[name]} is larger than that of {reference} in {len(worse)} of"
                f" {len(labels)} parts: {', '.join(text for _, text in largest)}{more}."
            )
    return out


def all_labels(parts: xr.Dataset, dims: Sequence[str]) -> list[dict[str, object]]:
    """Return the labels of all combinations of parts that have scores."""
    values = [[(d, v) for v in parts[d].to_numpy().tolist()] for d in dims]
    found = [dict(one) for one in itertools.product(*values)]
    return [one for one in found if bool(parts["rmse"].sel(one).notnull().any())]


def described(label: dict[str, object]) -> str:
    """Return a label of a part as text, such as "DJF" or "month 3"."""
    return ", ".join(panels.title_of(dim, value, "") for dim, value in label.items())

"""The scores that `evaluate` computes, by name and by group."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import xarray as xr

from xr_dl4ds.config import nearest
from xr_dl4ds.grid.names import TIME, X, Y
from xr_dl4ds.metrics.asked_names import names_in
from xr_dl4ds.metrics.catalogue import CATALOGUE
from xr_dl4ds.metrics.sample import Sample
from xr_dl4ds.metrics.score import Kind, Score

#: All scores by name; users add theirs by `register`.
SCORES: dict[str, Score] = dict(CATALOGUE)

#: The scores of `evaluate` if none are asked for.
DEFAULT = (
    *("bias", "mae", "rmse", "correlation", "ralsd", "std_ratio"),
    *("crps", "maxima_crps", "spread", "spread_skill_ratio", "rank_histogram"),
)
#: Kinds of scores that users add.
_PUBLIC = ("pair", "members", "ensemble", "field")
#: What is missing if a sample lacks an attribute that a score takes.
_WITHOUT = {
    "coarse": "LR fields in the CRS of the prediction. Pass lr= or scale=",
    "periods": "two periods. Pass periods=, such as (('1981', '2000'), ('2081', '2100'))",
}
#: Stands for all scores.
ALL = "all"


def register(
    name: str,
    function: Callable[..., xr.DataArray],
    *,
    long_name: str,
    kind: Kind = "pair",
    group: str = "own",
    heading: str = "",
    units: str | None = None,
    is_error: bool = False,
    mapped: bool = False,
    per_threshold: bool = False,
) -> None:
    """Add a score of your own to those that `evaluate` computes.

    Parameters
    ----------
    name : str
        Its name in ``evaluate(scores=[name])`` and in the result.
    function : callable
        ``(prediction, truth, dims, weights) -> score``, where `dims` are the dimensions to score
        over, among ``time``, ``y`` and ``x``, and `weights` the areas of cells or None. The fields
        are NaN in the same cells. See `kind` for other arguments; with `per_threshold` the
        threshold stands before `dims`.
    long_name : str
        CF's ``long_name``.
    kind : {"pair", "members", "ensemble", "field"}
        "pair": prediction (for ensembles their mean) and truth. "members": the prediction has its
        members along ``realization``. "ensemble": the same, for ensembles only. "field": a
        statistic ``(field, dims, weights) -> value``, also computed for the truth.
    group : str
        Name that stands for all scores of the group.
    heading : str
        The head of its column in tables; without one it is not in tables.
    units : str, optional
        CF units; by default those of the variable.
    is_error : bool
        True for scores that are 0 for a perfect prediction alone: skill is then computed.
    mapped : bool
        For "pair": also compute maps over time and series over space.
    per_threshold : bool
        Compute the score for each of ``evaluate(thresholds=)``.

    Raises
    ------
    ValueError
        If the name is taken or no identifier, or the kind is unknown.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> def largest_error(prediction, truth, dims, weights):
    ...     return abs(prediction - truth).max(dims)
    >>> xd.metrics.register("largest_error", largest_error, long_name="largest absolute error")
    >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=1)[["t2m"]]
    >>> scores = (hr + 1).downscale.evaluate(hr, scale=4, scores=["largest_error"])
    >>> float(scores.largest_error.sel(product="prediction").round(3))
    1.0
    """
    if not callable(function) or kind not in _PUBLIC:
        raise ValueError(
            f"Expected a function and a kind among {', '.join(_PUBLIC)}, got"
            f" {type(function).__name__} and {kind!r}. Use one of these kinds."
        )
    if not str(name).isidentifier() or name in _taken():
        raise ValueError(
            "Expected a name for the score that is an identifier and is not taken, got"
            f" {name!r}. Use another name."
        )
    SCORES[name] = Score(
        function=function,
        kind=kind,
        group=group,
        long_name=long_name,
        heading=heading,
        units=units,
        is_error=is_error,
        mapped=mapped,
        per_threshold=per_threshold,
    )


def _taken() -> set[str]:
    """Return the names that results of `evaluate` have already, and those of groups."""
    ends = ("", "_map", "_series", "_skill", "_skill_interval", "_truth", "_map_truth", "_lr")
    dims = {"product", "reference", "bound", "threshold", "units", TIME, Y, X}
    dims |= {"variable", "other_variable"}
    return {ALL, *groups(), *dims, *(name + end for name in SCORES for end in ends)}


def groups() -> list[str]:
    """Return the names of all groups of scores, in order."""
    return list(dict.fromkeys(score.group for score in SCORES.values()))


def chosen(asked: str | Sequence[str] | None, sample: Sample) -> dict[str, Score]:
    """Return the scores that are asked for by name or group, as far as they can be computed.

    Parameters
    ----------
    asked : str or sequence of str, optional
        Names of scores or groups, or "all"; by default `DEFAULT`.
    sample : Sample
        The fields to score.

    Raises
    ------
    TypeError
        If these are no names.
    ValueError
        If a name is unknown, or a score that is asked for by name needs something that the fields
        do not have.
    """
    if asked is None:
        return {n: SCORES[n] for n in DEFAULT if not _lack(SCORES[n], sample)}
    names = names_in(asked, "scores", "rmse")
    lacks = lacking(asked, sample)
    for name in names:
        if name in lacks:
            raise ValueError(f"The score {name!r} needs {lacks[name]}.")
    return {one: SCORES[one] for n in names for one in _members_of(n) if one not in lacks}


def lacking(asked: str | Sequence[str] | None, sample: Sample) -> dict[str, str]:
    """Return the scores among those asked for that cannot be computed, and what they need."""
    names = () if asked is None else names_in(asked, "scores", "rmse")
    lacks = {one: _lack(SCORES[one], sample) for name in names for one in _members_of(name)}
    return {name: lack for name, lack in lacks.items() if lack}


def _members_of(name: str) -> list[str]:
    """Return the scores for which a name stands."""
    if name in SCORES:
        return [name]
    found = [n for n, score in SCORES.items() if name in (score.group, ALL)]
    if not found:
        known = [ALL, *groups(), *SCORES]
        raise ValueError(
            f"Expected `scores` to name scores or groups of scores, got {name!r}."
            f"{nearest(name, known)} Groups: {', '.join([ALL, *groups()])}; scores:"
            f" {', '.join(SCORES)}. Use one of these."
        )
    return found


def _lack(score: Score, sample: Sample) -> str:
    """Return what a score needs and does not have; an empty text if there is nothing."""
    if score.per_threshold and not sample.thresholds:
        return "thresholds in units of the variable. Pass thresholds=, such as [1, 10]"
    if score.of_ensembles and sample.members is None:
        return "an ensemble. Predict with realizations=20"
    if score.kind == "variables" and sample.variables < 2:
        return "two variables or more. Pass Datasets that have them"
    for name in score.takes:
        if getattr(sample, name) is None:
            return _WITHOUT[name]
    if score.needs is None:
        return ""
    return score.needs(sample.truth.assign_attrs(units=sample.units))

"""All scores of one variable, with units and long names."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import xarray as xr

from xr_dl4ds.grid.names import TIME, X, Y
from xr_dl4ds.metrics.resampling import skill_interval
from xr_dl4ds.metrics.sample import PARTS, PREDICTION, Sample, over_members, stacked
from xr_dl4ds.metrics.score import Kind, Score
from xr_dl4ds.metrics.weighting import mean

_EVERYWHERE = PARTS[""]

Found = dict[str, xr.DataArray]


def scores_of(sample: Sample, chosen: Mapping[str, Score]) -> xr.Dataset:
    """Compute scores of one variable.

    Parameters
    ----------
    sample : Sample
        The fields.
    chosen : mapping
        The scores by name.

    Returns
    -------
    xarray.Dataset
        See `xr_dl4ds.metrics.evaluate`, on canonical dimensions. Lazy if the fields are.
    """
    out: Found = {}
    for name, score in chosen.items():
        for part, value in _computed(score, sample).items():
            out[name + part] = _about(value, name, part, score, sample.units)
    return xr.Dataset(out)


def _computed(score: Score, sample: Sample) -> Found:
    """Return a score and its parts, by the ends of their names."""
    along = xr.Variable("threshold", list(sample.thresholds), {"units": sample.units})
    if score.kind == "table":
        return {"": xr.concat([score.function(one) for one in sample.tables.values()], along)}
    compute = _BY_KIND[score.kind]
    taken = {name: getattr(sample, name) for name in score.takes}
    function = functools.partial(score.function, **taken) if taken else score.function
    if not score.per_threshold:
        return compute(score, sample, function)
    parts = [compute(score, sample, _at(function, one)) for one in sample.thresholds]
    return {part: xr.concat([one[part] for one in parts], along) for part in parts[0]}


def _at(function: Callable[..., xr.DataArray], threshold: float) -> Callable[..., xr.DataArray]:
    """Return the function of a score at a threshold."""

    def at(*arguments: object, **weights: object) -> xr.DataArray:
        *fields, dims = arguments
        return function(*fields, threshold, dims, **weights)

    return at


def _statistic(score: Score, sample: Sample, function: Callable[..., xr.DataArray]) -> Found:
    parts = PARTS if score.mapped else ("",)
    return _with_skill({part: function(sample.statistics[part]) for part in parts}, score, sample)


def _ensemble_loss(score: Score, sample: Sample, function: Callable[..., xr.DataArray]) -> Found:
    found = {m: function(one, sample.truth, []) for m, one in sample.as_ensembles.items()}
    losses = stacked(found)
    steps = mean(losses, (Y, X), sample.weights)
    weights = sample.step_weights
    total = (steps * weights).sum(TIME) / weights.sum(TIME)
    return _with_skill({"": total, "_map": losses.mean(TIME), "_series": steps}, score, sample)


def _pair(score: Score, sample: Sample, function: Callable[..., xr.DataArray]) -> Found:
    products = {m: sample.products.sel(product=m, drop=True) for m in sample.labels}
    return _of_products(score, sample, function, products)


def _of_members(score: Score, sample: Sample, function: Callable[..., xr.DataArray]) -> Found:
    return _of_products(score, sample, function, sample.with_members)


def _of_products(
    score: Score,
    sample: Sample,
    function: Callable[..., xr.DataArray],
    products: Mapping[str, xr.DataArray],
) -> Found:
    parts = PARTS if score.mapped else {"": _EVERYWHERE}
    found = {}
    for part, dims in parts.items():
        own = {
            m: function(p, sample.truth, dims, weights=sample.weights) for m, p in products.items()
        }
        found[part] = stacked({m: over_members(value) for m, value in own.items()})
    return _with_skill(found, score, sample)


def _of_ensemble(score: Score, sample: Sample, function: Callable[..., xr.DataArray]) -> Found:
    def of(members: xr.DataArray) -> xr.DataArray:
        return function(members, sample.truth, _EVERYWHERE, weights=sample.weights)

    if not score.of_baselines:
        return {"": of(sample.with_members[PREDICTION])}
    found = stacked({m: of(one) for m, one in sample.as_ensembles.items()})
    return _with_skill({"": found}, score, sample)


def _of_fields(score: Score, sample: Sample, function: Callable[..., xr.DataArray]) -> Found:
    """Return a statistic of each product, the mean over members, and of the truth."""

    def apply(field: xr.DataArray, dims: tuple[str, ...]) -> xr.DataArray:
        field = field.assign_attrs(units=sample.units)
        return over_members(function(field, dims, weights=sample.weights))

    found: Found = {}
    for part in ("", "_map") if score.mapped else ("",):
        dims = PARTS[part]
        found[part] = stacked({m: apply(one, dims) for m, one in sample.with_members.items()})
        found[f"{part}_truth"] = apply(sample.truth, dims)
    if score.of_lr and sample.coarse is not None:
        areas = sample.coarse.weights_of(sample.truth)
        low = sample.coarse.lr.assign_attrs(units=sample.units)
        found["_lr"] = function(low, _EVERYWHERE, weights=areas)
    return found


def _of_indices(score: Score, sample: Sample, function: Callable[..., xr.DataArray]) -> Found:
    """Return the index of each cell of each product and of the truth, and its mean over cells."""

    def apply(field: xr.DataArray) -> xr.DataArray:
        return over_members(function(field.assign_attrs(units=sample.units), TIME))

    maps = {
        "": stacked({m: apply(one) for m, one in sample.with_members.items()}),
        "_truth": apply(sample.truth),
    }
    found = {end: mean(one, (Y, X), sample.weights) for end, one in maps.items()}
    return found | {f"_map{end}": one for end, one in maps.items() if score.mapped}


_BY_KIND: dict[Kind, Callable[[Score, Sample, Callable[..., xr.DataArray]], Found]] = {
    "statistic": _statistic,
    "pair": _pair,
    "members": _of_members,
    "ensemble_loss": _ensemble_loss,
    "ensemble": _of_ensemble,
    "field": _of_fields,
    "index": _of_indices,
}


def _with_skill(found: Found, score: Score, sample: Sample) -> Found:
    if not score.is_error or len(sample.labels) == 1:
        return found
    found = {**found, "_skill": _skill(found[""])}
    if score.mean_of is not None:
        root = score.mean_of == "squares"
        losses = found["_series"] ** 2 if root else found["_series"]
        interval = skill_interval(losses, sample.step_weights, root=root)
        found["_skill_interval"] = interval
    return found


def _skill(score: xr.DataArray) -> xr.DataArray:
    reference = score.drop_sel(product=PREDICTION).rename(product="reference")
    return 1 - score.sel(product=PREDICTION, drop=True) / reference


def _about(score: xr.DataArray, name: str, part: str, about: Score, units: str) -> xr.DataArray:
    """Set the units and a long name, and remove other attributes."""
    if part.startswith("_skill"):
        attrs = {"units": "1", "long_name": f"skill: 1 - {name} / {name} of the reference"}
        if part == "_skill_interval":
            attrs["long_name"] = f"95 % confidence interval of the {name} skill"
    else:
        attrs = {"units": about.units or units, "long_name": about.long_name}
    score.attrs = attrs
    if "rank" in score.coords:
        score["rank"].attrs = {"units": "1", "long_name": "members below the truth"}
    return score

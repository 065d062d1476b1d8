"""All scores of one variable, with units and long names."""

from __future__ import annotations

import xarray as xr

from xr_dl4ds.grid.names import REALIZATION, TIME, X, Y
from xr_dl4ds.metrics.distribution import std_ratio
from xr_dl4ds.metrics.pointwise import SCORES, mae
from xr_dl4ds.metrics.probabilistic import crps, over_error, rank_histogram, spread
from xr_dl4ds.metrics.spectral import ralsd

#: Label of the prediction along `product`; the baselines follow.
PREDICTION = "prediction"

#: Scores of ensembles and of spectra, which are not of pairs of values.
_LONG_NAMES = {
    "crps": "continuous ranked probability score, fair; of one value the absolute error",
    "spread": "root of the mean variance of the members",
    "spread_skill_ratio": "spread over the RMSE of the mean, for finitely many members",
    "rank_histogram": "share of the ranks of the truth among the members",
    "ralsd": "radially averaged log spectral distance in dB",
    "std_ratio": "standard deviation over that of the truth",
}

_LONG_NAMES |= {name: score.long_name for name, score in SCORES.items()}

#: Scores in units of the variable; the others have the unit 1.
_WITH_UNITS = {"crps", "spread", *(name for name, score in SCORES.items() if score.in_units)}

_EVERYWHERE = (TIME, Y, X)


def scores_of(
    prediction: xr.DataArray, truth: xr.DataArray, baselines: dict[str, xr.DataArray]
) -> xr.Dataset:
    """Score one variable, on the cells where every product and the truth are valid.

    Parameters
    ----------
    prediction : xarray.DataArray
        ``([realization], time, y, x)``; for an ensemble the mean is scored cell by cell.
    truth : xarray.DataArray
        ``(time, y, x)``, with the attribute ``units``.
    baselines : dict
        Interpolated fields by method; without any, no skill is computed.

    Returns
    -------
    xarray.Dataset
        See `xr_dl4ds.metrics.evaluate`, on canonical dimensions.
    """
    ensemble = REALIZATION in prediction.dims
    single = prediction
    if ensemble:
        single = prediction.astype("f8").mean(REALIZATION, skipna=False)
    products = {PREDICTION: single, **baselines}
    valid = truth.notnull()
    for one in products.values():
        valid = valid & one.notnull()
    units = truth.attrs.get("units", "1")
    truth = truth.where(valid)
    stacked = _stacked({label: one.where(valid) for label, one in products.items()})
    out: dict[str, xr.DataArray] = {}
    for name, score in SCORES.items():
        out[name] = score(stacked, truth, _EVERYWHERE)
        out[f"{name}_map"] = score(stacked, truth, (TIME,))
    if ensemble:
        error = out["rmse"].sel(product=PREDICTION, drop=True)
        out |= _of_members(prediction, truth, stacked, error)
    errors = ["crps", *(n for n, score in SCORES.items() if score.is_error)] if baselines else []
    out |= {f"{n}_skill": _skill(out[n]) for n in errors if n in out}
    shapes = {m: stacked.sel(product=m, drop=True) for m in products} | {PREDICTION: prediction}
    out["ralsd"] = _stacked({m: ralsd(one, truth, (Y, X)) for m, one in shapes.items()})
    out["std_ratio"] = _stacked({m: _variability(one, truth) for m, one in shapes.items()})
    return xr.Dataset({name: _about(score, name, units) for name, score in out.items()})


def _of_members(
    members: xr.DataArray, truth: xr.DataArray, products: xr.DataArray, error: xr.DataArray
) -> dict[str, xr.DataArray]:
    """Return the scores that only an ensemble has.

    A baseline is an ensemble of one member, whose CRPS is its absolute error. `error` is the RMSE
    of the ensemble mean.
    """
    out: dict[str, xr.DataArray] = {}
    in_cells = crps(members, truth, [])
    baselines = products.drop_sel(product=PREDICTION)
    for name, dims in (("crps", _EVERYWHERE), ("crps_map", (TIME,))):
        own = in_cells.mean(dims).expand_dims(product=[PREDICTION])
        out[name] = xr.concat([own, mae(baselines, truth, dims)], "product")
    out["spread"] = spread(members.where(truth.notnull()), _EVERYWHERE)
    out["spread_skill_ratio"] = over_error(out["spread"], error, members.sizes[REALIZATION])
    out["rank_histogram"] = rank_histogram(members, truth, _EVERYWHERE)
    return out


def _variability(product: xr.DataArray, truth: xr.DataArray) -> xr.DataArray:
    """Return the ratio of standard deviations; for an ensemble that of members, not the mean."""
    if REALIZATION not in product.dims:
        return std_ratio(product, truth, _EVERYWHERE)
    members = range(product.sizes[REALIZATION])
    ratios = [std_ratio(product.isel({REALIZATION: i}), truth, _EVERYWHERE) for i in members]
    return (xr.concat(ratios, REALIZATION) ** 2).mean(REALIZATION) ** 0.5


def _skill(score: xr.DataArray) -> xr.DataArray:
    reference = score.drop_sel(product=PREDICTION).rename(product="reference")
    return 1 - score.sel(product=PREDICTION, drop=True) / reference


def _stacked(products: dict[str, xr.DataArray]) -> xr.DataArray:
    return xr.concat(
        [one.drop_attrs() for one in products.values()],
        dim=xr.Variable("product", list(products)),
        coords="minimal",
    )


def _about(score: xr.DataArray, name: str, units: str) -> xr.DataArray:
    """Set the units and a long name, and remove other attributes."""
    base = name.removesuffix("_map")
    if base.endswith("_skill"):
        base = base.removesuffix("_skill")
        attrs = {"units": "1", "long_name": f"skill: 1 - {base} / {base} of the reference"}
    else:
        attrs = {"units": units if base in _WITH_UNITS else "1", "long_name": _LONG_NAMES[base]}
    score.attrs = attrs
    if "rank" in score.coords:
        score["rank"].attrs = {"units": "1", "long_name": "members below the truth"}
    return score

"""The table of scores: each score of `evaluate` is added here and nowhere else."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import xarray as xr

from xr_dl4ds.grid.cf.conventions import is_precipitation
from xr_dl4ds.grid.cf.time_axis import calendar, index_of
from xr_dl4ds.grid.names import REALIZATION, TIME, X, Y
from xr_dl4ds.grid.units import conversion_between
from xr_dl4ds.metrics import (
    categorical,
    distribution,
    events,
    field_scores,
    image,
    indices,
    neighbourhood,
    pointwise,
    probabilistic,
    spectral,
    weighting,
)
from xr_dl4ds.metrics.pairs import Dimensions
from xr_dl4ds.metrics.score import Score

#: Edges in cells of the neighbourhoods of the fractions skill score.
NEIGHBOURHOODS = (1, 3, 5, 9, 17, 33)
#: Edges in cells of the blocks of pooled scores.
BLOCKS = (2, 4, 8)
#: Amount of precipitation in mm that makes a day wet.
WET = 1.0
_DAY = 86400.0

Function = Callable[..., xr.DataArray]


def _of_plane(function: Function) -> Function:
    """Return a score of fields, which is always taken over whole fields ``(y, x)``."""

    @functools.wraps(function)
    def of_fields(
        prediction: xr.DataArray,
        truth: xr.DataArray,
        dims: Dimensions,
        weights: xr.DataArray | None = None,
    ) -> xr.DataArray:
        return function(prediction, truth, (Y, X), weights=weights)

    return of_fields


def _fss(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    threshold: float,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    largest = max(truth.sizes[Y], truth.sizes[X])
    sizes = [n for n in NEIGHBOURHOODS if n <= largest]
    found = neighbourhood.fss_scales(prediction, truth, [threshold], sizes, (Y, X), weights=weights)
    return found.isel(threshold=0, drop=True).rename(size="neighbourhood")


def _pooled(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the CRPS of means and maxima over blocks, along ``pool`` and ``block``."""
    sizes = [n for n in BLOCKS if n <= min(truth.sizes[Y], truth.sizes[X])]
    pools = ("mean", "max")
    rows = [
        xr.concat(
            [
                field_scores.pooled_crps(
                    prediction, truth, n, dims, weights=weights, plane=(Y, X), pool=pool
                )
                for n in sizes
            ],
            xr.Variable("block", np.array(sizes, "i4"), {"units": "1"}),
        )
        for pool in pools
    ]
    return xr.concat(rows, xr.Variable("pool", list(pools)))


def _reliability(
    members: xr.DataArray,
    truth: xr.DataArray,
    threshold: float,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    found = events.reliability(members, truth, threshold, dims, weights=weights)
    return found.to_dataarray("curve")


def _frequency_bias(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    threshold: float,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the frequency bias; for an ensemble that of all members together."""
    over = [*dims, *(d for d in prediction.dims if d == REALIZATION)]
    return categorical.frequency_bias(prediction, truth, threshold, over, weights)


def _spectrum(
    field: xr.DataArray, dims: Dimensions, weights: xr.DataArray | None = None
) -> xr.DataArray:
    return spectral.spectrum(field, (Y, X))


def _length(
    field: xr.DataArray, dims: Dimensions, weights: xr.DataArray | None = None
) -> xr.DataArray:
    return neighbourhood.autocorrelation_length(field, (Y, X))


def _negative(
    field: xr.DataArray, dims: Dimensions, weights: xr.DataArray | None = None
) -> xr.DataArray:
    return weighting.mean((field < 0).where(field.notnull()), dims, weights)


def _index(function: Function) -> Function:
    """Return the statistic of an index of time: its map, or the mean of its map over cells."""

    @functools.wraps(function)
    def statistic(
        field: xr.DataArray,
        dims: Dimensions,
        weights: xr.DataArray | None = None,
    ) -> xr.DataArray:
        return weighting.mean(function(field, TIME), [d for d in dims if d != TIME], weights)

    return statistic


def _index_at(function: Function) -> Function:
    """Return the statistic of an index of time with a threshold."""

    @functools.wraps(function)
    def statistic(
        field: xr.DataArray,
        threshold: float,
        dims: Dimensions,
        weights: xr.DataArray | None = None,
    ) -> xr.DataArray:
        values = function(field, TIME, threshold=threshold)
        return weighting.mean(values, [d for d in dims if d != TIME], weights)

    return statistic


def _of_wet_days(function: Function) -> Function:
    """Return an index of wet days for fields in any unit of precipitation."""

    @functools.wraps(function)
    def index(field: xr.DataArray, time: str) -> xr.DataArray:
        return function(field, time, wet=_wet(str(field.attrs.get("units", ""))))

    return index


def _wet_frequency(field: xr.DataArray, time: str, *, wet: float) -> xr.DataArray:
    return distribution.wet_frequency(field, wet, [time])


def _wet(units: str) -> float | None:
    """Return the amount of a wet day in some units; None if these are none of precipitation."""
    found = (conversion_between(one, units) for one in ("mm/day", "mm"))
    factors = [one.factor for one in found if one is not None]
    return WET * factors[0] if factors else None


def _daily_precipitation(truth: xr.DataArray) -> str:
    """Return what fields lack for indices of daily precipitation."""
    if not is_precipitation(str(truth.name), truth.attrs):
        return "precipitation, by its standard_name or name"
    units = str(truth.attrs.get("units", ""))
    if _wet(units) is None:
        return f"precipitation in units such as mm/day, and not {units!r}"
    return _dates(truth) or _days(truth)


def _days(truth: xr.DataArray) -> str:
    index = index_of(truth.to_dataset(name="truth"))
    assert index is not None
    steps = np.diff(index) if len(index) > 1 else []
    step = np.median([_seconds(one) for one in steps]) if len(steps) else _DAY
    return "" if step == _DAY else "daily steps: average or sum to days first"


def _seconds(step: object) -> float:
    """Return the seconds of a difference of dates, of numpy or of datetime."""
    return float(np.timedelta64(step, "s").astype("f8"))  # type: ignore[call-overload]


def _dates(truth: xr.DataArray) -> str:
    index = index_of(truth.to_dataset(name="truth"))
    if index is None or calendar(index) == "none":
        return "dates along time"
    return ""


def _pair(function: Function, long_name: str, **about: object) -> Score:
    given = {"group": "pointwise", "units": "1", "mapped": True, **about}
    return Score(function=function, long_name=long_name, **given)  # type: ignore[arg-type]


def _event(function: Function, long_name: str, **about: object) -> Score:
    given = {"group": "categorical", "units": "1", "per_threshold": True, **about}
    return Score(function=function, long_name=long_name, **given)  # type: ignore[arg-type]


def _field(function: Function, long_name: str, group: str, **about: object) -> Score:
    given = {"kind": "field", "group": group, **about}
    return Score(function=function, long_name=long_name, **given)  # type: ignore[arg-type]


def _wet_days(function: Function, long_name: str, **about: object) -> Score:
    given = {"mapped": True, "needs": _daily_precipitation, **about}
    return _field(_index(_of_wet_days(function)), long_name, "precipitation", **given)


POINTWISE = {
    "bias": _pair(
        pointwise.bias,
        "mean of prediction minus truth",
        kind="error",
        loss=lambda error: error,
        heading="bias",
        units=None,
    ),
    "mae": _pair(
        pointwise.mae,
        "mean absolute error",
        kind="error",
        loss=abs,
        heading="MAE",
        is_error=True,
        units=None,
    ),
    "rmse": _pair(
        pointwise.rmse,
        "root mean square error",
        kind="error",
        loss=lambda error: error**2,
        root=True,
        heading="RMSE",
        is_error=True,
        units=None,
    ),
    "correlation": _pair(
        pointwise.correlation, "Pearson correlation", heading="correlation", digits=4
    ),
    "relative_bias": _pair(pointwise.relative_bias, "bias over the mean of the truth"),
    "nrmse": _pair(pointwise.nrmse, "RMSE over the standard deviation of the truth", is_error=True),
    "spearman": _pair(pointwise.spearman, "Spearman rank correlation", mapped=False),
    "kge": _pair(pointwise.kge, "Kling-Gupta efficiency"),
    "psnr": _pair(image.psnr, "peak signal-to-noise ratio in dB", mapped=False, kind="members"),
    "ssim": _pair(_of_plane(image.ssim), "structural similarity", mapped=False, kind="members"),
    "ms_ssim": _pair(
        _of_plane(image.ms_ssim), "multi-scale structural similarity", mapped=False, kind="members"
    ),
}
DISTRIBUTION = {
    "std_ratio": Score(
        function=distribution.std_ratio_of_members,
        kind="members",
        group="distribution",
        long_name="standard deviation over that of the truth",
        units="1",
    ),
    "quantiles": _field(distribution.quantiles, "quantiles of all values", "distribution"),
    "quantile_bias": Score(
        function=distribution.quantile_biases,
        kind="members",
        group="distribution",
        long_name="quantiles minus those of the truth",
    ),
    "wasserstein": Score(
        function=distribution.wasserstein_of_members,
        kind="members",
        group="distribution",
        long_name="Wasserstein distance between the distributions of values",
        is_error=True,
    ),
    "perkins": Score(
        function=distribution.perkins_of_members,
        kind="members",
        group="distribution",
        long_name="Perkins skill score: common area of both histograms",
        units="1",
    ),
    "negative_share": _field(_negative, "share of values below 0", "consistency", units="1"),
}
SPATIAL = {
    "ralsd": Score(
        function=spectral.ralsd_of_fields,
        kind="members",
        group="spectra",
        long_name="radially averaged log spectral distance in dB",
        units="1",
    ),
    "power": _field(_spectrum, "power by wavenumber, in squared units", "spectra", units="1"),
    "autocorrelation_length": _field(
        _length, "distance in cells at which the autocorrelation is 1 / e", "spatial", units="1"
    ),
    "fss": _event(_fss, "fractions skill score", group="spatial", kind="members"),
}
CATEGORICAL = {
    "csi": _event(categorical.csi, "critical success index"),
    "ets": _event(categorical.ets, "equitable threat score"),
    "pod": _event(categorical.pod, "probability of detection"),
    "far": _event(categorical.far, "false alarm ratio"),
    "frequency_bias": _event(
        _frequency_bias, "forecast events over observed events", kind="members"
    ),
    "sedi": _event(categorical.sedi, "symmetric extremal dependence index"),
}
ENSEMBLE = {
    "crps": Score(
        function=probabilistic.crps,
        kind="ensemble_error",
        group="ensemble",
        long_name="continuous ranked probability score, fair; of one value the absolute error",
        heading="CRPS",
        is_error=True,
    ),
    "spread": Score(
        function=probabilistic.spread_where_valid,
        kind="ensemble",
        group="ensemble",
        long_name="root of the mean variance of the members",
    ),
    "spread_skill_ratio": Score(
        function=probabilistic.spread_skill,
        kind="ensemble",
        group="ensemble",
        long_name="spread over the RMSE of the mean, for finitely many members",
        units="1",
    ),
    "rank_histogram": Score(
        function=probabilistic.rank_histogram,
        kind="ensemble",
        group="ensemble",
        long_name="share of the ranks of the truth among the members",
        units="1",
    ),
    "pooled_crps": Score(
        function=_pooled,
        kind="ensemble",
        group="ensemble",
        long_name="CRPS of means and maxima over blocks of cells",
        of_baselines=True,
        is_error=True,
    ),
    "energy_score": Score(
        function=_of_plane(field_scores.energy_score),
        kind="ensemble",
        group="ensemble",
        long_name="energy score of fields, over the root of the number of cells",
        of_baselines=True,
        is_error=True,
    ),
    "threshold_weighted_crps": Score(
        function=field_scores.threshold_weighted_crps,
        kind="ensemble",
        group="ensemble",
        long_name="CRPS of the values above the threshold",
        of_baselines=True,
        is_error=True,
        per_threshold=True,
    ),
    "brier": Score(
        function=events.brier,
        kind="ensemble",
        group="ensemble",
        long_name="Brier score, fair",
        of_baselines=True,
        is_error=True,
        per_threshold=True,
        units="1",
    ),
    "reliability": Score(
        function=_reliability,
        kind="ensemble",
        group="ensemble",
        long_name="reliability: observed frequency, mean probability and share of cases",
        per_threshold=True,
        units="1",
    ),
}
INDICES = {
    "wet_frequency": _wet_days(_wet_frequency, "share of wet days", units="1"),
    "sdii": _wet_days(indices.sdii, "mean precipitation of wet days"),
    "wet_quantile": _wet_days(indices.wet_quantile, "98th percentile of wet days"),
    "cdd": _wet_days(indices.cdd, "longest dry spell in a year", units="day"),
    "cwd": _wet_days(indices.cwd, "longest wet spell in a year", units="day"),
    "rx1day": _field(
        _index(indices.rx1day),
        "yearly maximum of daily precipitation",
        "precipitation",
        mapped=True,
        needs=_daily_precipitation,
    ),
    "txx": _field(_index(indices.txx), "yearly maximum", "extremes", mapped=True, needs=_dates),
    "tnn": _field(_index(indices.tnn), "yearly minimum", "extremes", mapped=True, needs=_dates),
    "days_above": _field(
        _index_at(indices.days_above),
        "steps in a year above the threshold",
        "extremes",
        mapped=True,
        per_threshold=True,
        needs=_dates,
        units="1",
    ),
    "days_below": _field(
        _index_at(indices.days_below),
        "steps in a year below the threshold",
        "extremes",
        mapped=True,
        per_threshold=True,
        needs=_dates,
        units="1",
    ),
    "annual_cycle": _field(
        _index(indices.annual_cycle), "mean by month", "variability", needs=_dates
    ),
    "lag1_autocorrelation": _field(
        _index(indices.lag1_autocorrelation),
        "autocorrelation of consecutive steps",
        "variability",
        mapped=True,
        units="1",
    ),
    "interannual_std": _field(
        _index(indices.interannual_std),
        "standard deviation of yearly means",
        "variability",
        mapped=True,
        needs=_dates,
    ),
}

TABLE: dict[str, Score] = {
    **POINTWISE,
    **DISTRIBUTION,
    **SPATIAL,
    **CATEGORICAL,
    **ENSEMBLE,
    **INDICES,
}

"""The catalogue of scores: each score of `evaluate` is added here and nowhere else."""

from __future__ import annotations

import operator

from xr_dl4ds.metrics import (
    adapters,
    coarse_cells,
    distribution,
    events,
    field_scores,
    image,
    indices,
    periods,
    pointwise,
    probabilistic,
    spectral,
)
from xr_dl4ds.metrics.adapters import Function
from xr_dl4ds.metrics.score import Score


def _statistic(name: str, long_name: str, **about: object) -> Score:
    return _pair(operator.attrgetter(name), long_name, kind="statistic", **about)


def _pair(function: Function, long_name: str, **about: object) -> Score:
    given = {"group": "pointwise", "units": "1", "mapped": True, **about}
    return Score(function=function, long_name=long_name, **given)  # type: ignore[arg-type]


def _of_table(name: str, long_name: str) -> Score:
    return _event(operator.attrgetter(name), long_name, kind="table")


def _event(function: Function, long_name: str, **about: object) -> Score:
    given = {"group": "categorical", "units": "1", "per_threshold": True, **about}
    return Score(function=function, long_name=long_name, **given)  # type: ignore[arg-type]


def _field(function: Function, long_name: str, group: str, **about: object) -> Score:
    given = {"kind": "field", "group": group, **about}
    return Score(function=function, long_name=long_name, **given)  # type: ignore[arg-type]


def _index(function: Function, long_name: str, group: str, **about: object) -> Score:
    given = {"kind": "index", "mapped": True, "needs": adapters.dates, **about}
    return _field(function, long_name, group, **given)


def _wet_days(function: Function, long_name: str, **about: object) -> Score:
    given = {"needs": adapters.daily_precipitation, **about}
    return _index(adapters.of_wet_days(function), long_name, "precipitation", **given)


POINTWISE = {
    "bias": _statistic("bias", "mean of prediction minus truth", heading="bias", units=None),
    "mae": _statistic(
        "mae",
        "mean absolute error",
        mean_of="losses",
        heading="MAE",
        is_error=True,
        units=None,
    ),
    "rmse": _statistic(
        "rmse",
        "root mean square error",
        mean_of="squares",
        heading="RMSE",
        is_error=True,
        units=None,
    ),
    "correlation": _statistic(
        "correlation", "Pearson correlation", heading="correlation", digits=4
    ),
    "relative_bias": _statistic("relative_bias", "bias over the mean of the truth"),
    "nrmse": _statistic("nrmse", "RMSE over the standard deviation of the truth", is_error=True),
    "kge": _statistic("kge", "Kling-Gupta efficiency"),
    "spearman": _pair(pointwise.spearman, "Spearman rank correlation", mapped=False),
    "psnr": _pair(image.psnr, "peak signal-to-noise ratio in dB", mapped=False, kind="members"),
    "ssim": _pair(
        adapters.of_plane(image.ssim), "structural similarity", mapped=False, kind="members"
    ),
    "ms_ssim": _pair(
        adapters.ms_ssim,
        "multi-scale structural similarity",
        mapped=False,
        kind="members",
        note=adapters.few_scales,
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
}
SPATIAL = {
    "ralsd": Score(
        function=spectral.ralsd_of_fields,
        kind="members",
        group="spectra",
        long_name="radially averaged log spectral distance in dB",
        heading="RALSD / dB",
        digits=2,
        units="1",
    ),
    "power": _field(
        adapters.spectrum, "power by wavenumber, in squared units", "spectra", units="1"
    ),
    "autocorrelation_length": _field(
        adapters.length,
        "distance in cells at which the autocorrelation is 1 / e",
        "spatial",
        takes=("periodic",),
        units="1",
    ),
    "fss": _event(
        adapters.fss,
        "fractions skill score",
        group="spatial",
        kind="members",
        takes=("periodic",),
    ),
}
CATEGORICAL = {
    "csi": _of_table("csi", "critical success index"),
    "ets": _of_table("ets", "equitable threat score"),
    "pod": _of_table("pod", "probability of detection"),
    "far": _of_table("far", "false alarm ratio"),
    "frequency_bias": _event(
        adapters.frequency_bias, "forecast events over observed events", kind="members"
    ),
    "sedi": _of_table("sedi", "symmetric extremal dependence index"),
}
ENSEMBLE = {
    "crps": Score(
        function=probabilistic.crps,
        kind="ensemble_loss",
        mean_of="losses",
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
        function=adapters.pooled,
        kind="ensemble",
        group="ensemble",
        long_name="CRPS of means and maxima over blocks of cells",
        of_baselines=True,
        is_error=True,
    ),
    "maxima_crps": Score(
        function=adapters.maxima_crps,
        kind="ensemble",
        group="ensemble",
        long_name="CRPS of maxima over blocks of 4 x 4 cells",
        heading="CRPS of maxima",
        of_baselines=True,
        is_error=True,
        note=adapters.small_blocks,
    ),
    "energy_score": Score(
        function=adapters.of_plane(field_scores.energy_score),
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
        function=adapters.reliability,
        kind="ensemble",
        group="ensemble",
        long_name="reliability: observed frequency, mean probability and share of cases",
        per_threshold=True,
        units="1",
    ),
}
INDICES = {
    "wet_frequency": _wet_days(adapters.wet_frequency, "share of wet days", units="1"),
    "sdii": _wet_days(indices.sdii, "mean precipitation of wet days"),
    "wet_quantile": _wet_days(indices.wet_quantile, "98th percentile of wet days"),
    "cdd": _wet_days(indices.cdd, "longest dry spell in a year", units="day"),
    "cwd": _wet_days(indices.cwd, "longest wet spell in a year", units="day"),
    "rx1day": _index(
        indices.rx1day,
        "yearly maximum of daily precipitation",
        "precipitation",
        needs=adapters.daily_precipitation,
    ),
    "txx": _index(indices.txx, "yearly maximum", "extremes"),
    "tnn": _index(indices.tnn, "yearly minimum", "extremes"),
    "days_above": _index(
        adapters.days_above,
        "steps in a year above the threshold",
        "extremes",
        per_threshold=True,
        units="1",
    ),
    "days_below": _index(
        adapters.days_below,
        "steps in a year below the threshold",
        "extremes",
        per_threshold=True,
        units="1",
    ),
    "annual_cycle": _index(adapters.annual_cycle, "mean by month", "variability", mapped=False),
    "lag1_autocorrelation": _index(
        indices.lag1_autocorrelation,
        "autocorrelation of consecutive steps",
        "variability",
        needs=None,
        units="1",
    ),
    "interannual_std": _index(
        indices.interannual_std, "standard deviation of yearly means", "variability"
    ),
}
CHANGE = {
    "change": _field(
        periods.change,
        "mean of the second period minus that of the first",
        "change",
        mapped=True,
        of_lr=True,
        takes=("periods",),
    ),
    "relative_change": _field(
        periods.relative_change,
        "change over the mean of the first period",
        "change",
        mapped=True,
        of_lr=True,
        takes=("periods",),
        needs=periods.amounts,
        units="1",
    ),
}
CONSISTENCY = {
    "negative_share": _field(
        adapters.negative, "share of values below 0", "consistency", units="1"
    ),
    "coarse_mean_violation": _field(
        coarse_cells.mean_violation,
        "RMS difference of the means over LR cells and the LR fields",
        "consistency",
        takes=("coarse",),
    ),
    "variable_correlation": Score(
        function=pointwise.correlation,
        kind="variables",
        group="consistency",
        long_name="Pearson correlation of two variables",
        units="1",
        mapped=True,
    ),
}

CATALOGUE: dict[str, Score] = {
    **POINTWISE,
    **DISTRIBUTION,
    **SPATIAL,
    **CATEGORICAL,
    **ENSEMBLE,
    **INDICES,
    **CHANGE,
    **CONSISTENCY,
}

"""How to read each score: its perfect value and its main trap, for reports and figures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Reading(NamedTuple):
    """How to read a score.

    Parameters
    ----------
    perfect : {"0", "1", "∞", "truth", ""}
        The perfect value; "truth" is the value of the truth, "" none.
    trap : str
        A sentence on what the score does not show, or what it depends on.
    """

    perfect: str = ""
    trap: str = ""

    @property
    def value(self) -> float:
        """The perfect value; NaN where it is that of the truth, or none."""
        return {"0": 0.0, "1": 1.0, "∞": np.inf}.get(self.perfect, np.nan)


#: By the name of the score; scores that users register have none.
READINGS = {
    "bias": Reading("0", "Errors of both signs cancel: look at the map."),
    "relative_bias": Reading("0", "It has no meaning for temperatures."),
    "mae": Reading("0", "It favours the median, and so dry predictions of rain."),
    "rmse": Reading("0", "It favours smooth fields: look at std_ratio and ralsd too."),
    "nrmse": Reading("0", "Other software divides by the mean or the range of the truth."),
    "correlation": Reading("1", "It does not see biases; the annual cycle raises it."),
    "spearman": Reading("1", "Equal values, such as dry cells, share a rank."),
    "kge": Reading("1", "In °C it depends on the zero of the scale."),
    "psnr": Reading("∞", "It depends on the range of the truth."),
    "ssim": Reading("1", "It depends on the range of the truth."),
    "ms_ssim": Reading("1", "Small fields have fewer scales."),
    "std_ratio": Reading("1", "Below 1 the product is too smooth."),
    "quantiles": Reading("truth", "Values may occur in the wrong place."),
    "quantile_bias": Reading("0", "Values may occur in the wrong place."),
    "wasserstein": Reading("0", "Values may occur in the wrong place."),
    "perkins": Reading("1", "It hardly sees extremes."),
    "negative_share": Reading("0", "It matters for amounts alone."),
    "ralsd": Reading("0", "Above 3 dB the texture is wrong. Several definitions have this name."),
    "power": Reading("truth"),
    "autocorrelation_length": Reading("truth", "Longer than the truth: too smooth."),
    "fss": Reading("1", "It grows with the neighbourhood and the frequency of events."),
    "csi": Reading("1", "It depends on how frequent events are."),
    "ets": Reading("1", "0 is no better than chance."),
    "pod": Reading("1", "A product that is always an event has 1: look at far too."),
    "far": Reading("0", "A share of the predicted events, not of the cells without events."),
    "frequency_bias": Reading("1", "Events may occur in the wrong place."),
    "sedi": Reading("1", "It assumes a frequency bias near 1."),
    "crps": Reading("0", "Of single cells: it cannot tell texture from noise."),
    "spread": Reading("", "It should be near the RMSE of the mean."),
    "spread_skill_ratio": Reading("1", "Below 1 the members are too much alike."),
    "rank_histogram": Reading("", "Flat is perfect, but opposite errors may cancel."),
    "pooled_crps": Reading("0", "It sees texture up to the size of the block."),
    "maxima_crps": Reading("0", "Members of wrong texture have larger or smaller maxima."),
    "energy_score": Reading("0", "It hardly sees wrong correlations between cells."),
    "threshold_weighted_crps": Reading("0"),
    "brier": Reading("0", "Rare events have small scores even without skill."),
    "reliability": Reading("", "Observed frequencies should equal the probabilities."),
    "wet_frequency": Reading("truth", "Averages over cells have more wet days."),
    "sdii": Reading("truth", "More drizzle lowers it."),
    "wet_quantile": Reading("truth", "More drizzle lowers it."),
    "rx1day": Reading("truth", "Incomplete years count fully."),
    "cdd": Reading("truth", "Spells are split at the turn of the year."),
    "cwd": Reading("truth", "Spells are split at the turn of the year."),
    "txx": Reading("truth", "Incomplete years count fully."),
    "tnn": Reading("truth", "Incomplete years count fully."),
    "days_above": Reading("truth", "Missing steps are not counted."),
    "days_below": Reading("truth", "Missing steps are not counted."),
    "annual_cycle": Reading("truth"),
    "lag1_autocorrelation": Reading("truth", "The annual cycle raises it."),
    "interannual_std": Reading("truth", "Incomplete years distort it."),
    "change": Reading("truth", "A few years differ by chance."),
    "relative_change": Reading("truth", "A few years differ by chance."),
    "coarse_mean_violation": Reading("0", "Real LR fields differ from the truth as well."),
    "variable_correlation": Reading("truth", "The annual cycle and relief dominate it."),
}


def reading_of(name: str) -> Reading:
    """Return how to read a score."""
    return READINGS.get(name, Reading())

"""Pictures of a report: which figure shows which scores, and how to read it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xr_dl4ds import plotting
from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.metrics.sample import PREDICTION
from xr_dl4ds.reporting.page import paragraph, picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True)
class Illustration:
    """A figure, the score without which it is left out, and its caption."""

    figure: Callable[[xr.Dataset], Figure]
    needs: str
    caption: str


def _map_of(score: str) -> Callable[[xr.Dataset], Figure]:
    return lambda scores: plotting.plot_score_map(scores, score)


#: The pictures of scores, in order.
ILLUSTRATIONS = (
    Illustration(
        plotting.plot_skill,
        "rmse_skill_interval",
        "Skill against each baseline: above 0 the prediction is better, 1 is perfect. Bars are 95 %"
        " confidence intervals; if one includes 0, the data cannot tell which is better.",
    ),
    Illustration(
        _map_of("rmse"), "rmse_map", "RMSE of each cell over time. Compare with the baselines."
    ),
    Illustration(
        _map_of("bias"),
        "bias_map",
        "Mean of prediction minus truth in each cell: where errors last over time.",
    ),
    Illustration(
        lambda scores: plotting.plot_violins(scores, "rmse"),
        "rmse_series",
        "RMSE of single time steps: how often it is large, not only how large on average.",
    ),
    Illustration(
        plotting.plot_taylor,
        "correlation",
        "Taylor diagram: the nearer to the point of the truth, the better. The distance from the"
        " origin is the standard deviation, the angle the correlation.",
    ),
    Illustration(
        plotting.plot_quantiles,
        "quantiles",
        "Quantiles of all values against those of the truth: points below the diagonal are too"
        " small. It does not show whether values occur in the right place.",
    ),
    Illustration(
        plotting.plot_power,
        "power",
        "Power spectra: below the line of the truth, a product is too smooth at these scales; above"
        " it, it has too much structure.",
    ),
    Illustration(
        plotting.plot_fss,
        "fss",
        "Fractions skill score by size of the neighbourhood: how far events may be displaced.",
    ),
    Illustration(
        plotting.plot_reliability,
        "reliability",
        "Reliability: on the diagonal, events occur as often as the members say.",
    ),
    Illustration(
        plotting.plot_rank_histogram,
        "rank_histogram",
        "Ranks of the truth among the members: high ends mean too little spread, a high middle too"
        " much spread, a slope a bias.",
    ),
    Illustration(
        plotting.plot_annual_cycle, "annual_cycle", "Mean of each calendar month over all cells."
    ),
)


def illustrations(scores: xr.Dataset) -> Iterator[str]:
    """Yield the pictures of the scores of one variable, as HTML."""
    import matplotlib.pyplot as plt

    for one in ILLUSTRATIONS:
        if one.needs not in scores or not bool(scores[one.needs].notnull().any()):
            continue
        try:
            figure = one.figure(scores)
        except VariableError as error:  # such as of too many thresholds
            yield paragraph(f"A picture is left out. {error}")
            continue
        yield picture(figure, one.caption, one.caption.split(". ")[0])
        plt.close(figure)


def illustration_of_parts(parts: xr.Dataset) -> list[str]:
    """Return the picture of the RMSE in parts of the data, as HTML."""
    import matplotlib.pyplot as plt

    figure = plotting.plot_parts(parts, "rmse")
    caption = "RMSE in parts of the data. Marks show where a baseline is better."
    out = [picture(figure, caption, "RMSE of each product in parts of the data")]
    plt.close(figure)
    return out


def typical_and_worst(scores: xr.Dataset) -> dict[str, int]:
    """Return the positions of a typical and of the worst step, by the RMSE of the prediction.

    Parameters
    ----------
    scores : xarray.Dataset
        Scores of one variable with ``rmse_series``.

    Returns
    -------
    dict
        Positions among the steps that are scored; empty without a valid step.
    """
    series = scores["rmse_series"].sel(product=PREDICTION).to_numpy()
    order = np.argsort(series, kind="stable")[: int(np.isfinite(series).sum())]
    if not order.size:
        return {}
    return {"typical": int(order[(order.size - 1) // 2]), "worst": int(order[-1])}

"""Figures that compare the prediction with the baselines: by parts of the data, and skill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.metrics.readings import reading_of
from xr_dl4ds.metrics.sample import PREDICTION
from xr_dl4ds.metrics.score_registry import SCORES
from xr_dl4ds.plotting.figure import add_legend, as_label, new_figure, wrapped
from xr_dl4ds.plotting.panels import (
    Panel,
    by_product,
    figure_of,
    heading_of,
    label_axes,
    label_of,
    of_variable,
    panels_of,
    parts_of_data,
)
from xr_dl4ds.plotting.products import entries_of, entry_of_truth, styles_of

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WORSE = "0.85"


@with_expected_options
def plot_parts(scores: xr.Dataset, score: str = "rmse", *, variable: str | None = None) -> Figure:
    """Draw a score of all products by parts of the data, such as seasons or regions.

    Parameters
    ----------
    scores : xarray.Dataset
        Scores from ``.downscale.evaluate(by=)``.
    score : str
        The score to draw, such as "rmse" or "correlation".
    variable : str, optional
        Variable to draw; by default the first.

    Returns
    -------
    matplotlib.figure.Figure
        The parts along the axis; for two groupings the one with more parts, with a panel for each
        part of the other. Parts in which the prediction is worse than a baseline are grey: its
        score is farther from that of a perfect prediction. Scores that were registered without
        ``is_error=True`` are not compared, because it is not known which values are better.

    Raises
    ------
    VariableError
        If the scores have no parts, a score or the variable is missing, or there are more than 12
        panels.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=2)[["t2m"]]
    >>> base = hr.downscale.coarsen(4).downscale.interpolate(hr, method="bicubic")
    >>> figure = plot_parts(base.downscale.evaluate(hr, scale=4, scores=["rmse"], by="hour"))
    >>> [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    ['0', '3', '6', '9', '12', '15', '18', '21']
    """
    from matplotlib.patches import Patch

    data = of_variable(scores, [score], variable, optional=[f"{score}_truth"])
    groupings = parts_of_data(data[score])
    if not groupings:
        raise VariableError(
            f"Expected {score!r} by parts of the data, got the dimensions"
            f" {', '.join(map(str, data[score].dims))}. Pass by= to .downscale.evaluate, such as"
            " by='season'."
        )
    along = max(groupings, key=lambda d: data.sizes[d])
    panels = panels_of(data, ["product", along])
    labels = [_label(one) for one in data[along].to_numpy()]
    products = by_product(data[score])
    width = max(4.5, 1.2 + len(labels) * max(0.32, 0.1 * len(products)))
    title = f"{heading_of(score)} of {data.attrs['variable']} by {along.replace('_', ' ')}"
    tall = 3.4 + (0.09 * min(24, max(map(len, labels))) if _upright(labels) else 0)
    figure, drawn = figure_of(panels, title, size=(width, tall))
    lost = False
    for axes, panel in zip(drawn, panels, strict=True):
        worse = where_worse(panel.data, score)
        for place in np.flatnonzero(worse):
            axes.axvspan(place - 0.5, place + 0.5, color=_WORSE, linewidth=0, zorder=0)
        lost |= bool(worse.any())
        _draw_parts(axes, panel, score)
        _label_parts(axes, labels)
    label_axes(drawn, along.replace("_", " "), label_of(score, data))
    entries: list[Artist] = [*entries_of(data[score])]
    if f"{score}_truth" in data:
        entries.append(entry_of_truth())
    if lost:
        entries.append(Patch(color=_WORSE, label="prediction worse than a baseline"))
    add_legend(figure, entries)
    return figure


def _label(part: object) -> str:
    return f"{part:g}" if isinstance(part, (int, float, np.number)) else str(part)


def _upright(labels: list[str]) -> bool:
    """Return True if the labels of parts are too long to stand side by side."""
    longest = max(map(len, labels))
    return longest * len(labels) > 60 or (longest > 12 and len(labels) > 3)


def _label_parts(axes: Axes, labels: list[str]) -> None:
    """Label the parts; long labels stand upright."""
    upright = _upright(labels)
    texts = [wrapped(one, 24 if upright else 14) for one in labels]
    axes.set_xticks(range(len(labels)), texts, rotation=90 if upright else 0)
    axes.set_xlim(-0.6, len(labels) - 0.4)


def _draw_parts(axes: Axes, panel: Panel, score: str) -> None:
    """Draw a marker for each part and product, side by side, and the truth as black lines."""
    products = by_product(panel.data[score])
    styles = styles_of(products)
    step = min(0.13, 0.7 / len(products))
    for i, (product, one) in enumerate(products.items()):
        style = styles[product]
        places = np.arange(one.size) + step * (i - (len(products) - 1) / 2)
        axes.plot(
            places,
            one,
            color=style.color,
            linewidth=0.25 * style.width,
            marker=style.marker,
            markersize=8 if product == PREDICTION else 6,
            label=as_label(product),
        )
    if f"{score}_truth" in panel.data:
        truth = panel.data[f"{score}_truth"].to_numpy()
        middle = np.arange(truth.size)
        axes.hlines(truth, middle - 0.42, middle + 0.42, color="black", linewidth=2)
    if score in ("bias", "relative_bias"):
        axes.axhline(0, color="black", linewidth=0.8, zorder=1)


def where_worse(scores: xr.Dataset, score: str) -> np.ndarray:
    """Return True for each part in which the prediction is worse than a baseline.

    Differences below a millionth of the score, from rounding, do not count.
    """
    own = scores[score]
    if score in SCORES and SCORES[score].is_error:
        distance = own
    elif f"{score}_truth" in scores:
        distance = abs(own - scores[f"{score}_truth"])
    else:
        perfect = reading_of(score).value
        distance = -own if np.isinf(perfect) else abs(own - perfect)
    others = distance["product"] != PREDICTION
    if PREDICTION not in distance["product"] or not bool(others.any()):
        return np.zeros(own.sizes[next(d for d in own.dims if d != "product")], bool)
    best = distance.isel(product=others.to_numpy()).min("product")
    mine = distance.sel(product=PREDICTION)
    return (mine > best + 1e-6 * abs(best)).to_numpy()


@with_expected_options
def plot_skill(scores: xr.Dataset, *, variable: str | None = None) -> Figure:
    """Draw the skill of the prediction against each baseline, with 95 % confidence intervals.

    Parameters
    ----------
    scores : xarray.Dataset
        Scores from `.downscale.evaluate` with a skill, ``*_skill``.
    variable : str, optional
        Variable to draw; by default the first.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each score with an interval, and a row of panels for each part of the data; the
        baselines are below each other. A line is at 0: right of it, the prediction is better than
        the baseline. An interval that crosses it means that the data cannot tell which is better.
        If no score has an interval, skills without intervals are drawn. Skills of several
        thresholds or blocks are left out.

    Raises
    ------
    VariableError
        If a skill or the variable is missing, or there are more than 12 rows.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=2)[["t2m"]]
    >>> base = hr.downscale.coarsen(4).downscale.interpolate(hr, method="bicubic")
    >>> figure = plot_skill(base.downscale.evaluate(hr, scale=4))
    >>> [axes.get_title() for axes in figure.axes]
    ['MAE', 'RMSE']
    """
    ends = ("_skill", "_skill_interval")
    several = ("threshold", "pool", "block")
    skills = [str(n) for n, one in scores.items() if str(n).endswith(ends[0])]
    single = [n for n in skills if not set(several) & set(scores[n].dims)]
    sure = [n for n in single if f"{n}_interval" in scores]
    names = sure or single or ["rmse_skill"]
    data = of_variable(scores, names, variable, optional=[f"{n}_interval" for n in names])
    rows = panels_of(data, ["reference", "bound"])
    references = [str(one) for one in data["reference"].to_numpy()]
    title = f"skill of the prediction of {data.attrs['variable']}"
    title += " and its 95 % confidence interval" if sure else ""
    figure, grid = _figure_of_skill(len(rows), len(names), references, title)
    for row, line in zip(rows, grid, strict=True):
        for name, axes in zip(names, line, strict=True):
            _draw_skill(axes, row.data, name, references)
            title = ", ".join(filter(None, (row.title, heading_of(name))))
            axes.set_title(wrapped(title, 30), fontsize="medium")
    figure.supxlabel("skill: 1 - score / score of the baseline / 1", fontsize="medium")
    return figure


def _figure_of_skill(
    rows: int, columns: int, references: list[str], title: str
) -> tuple[Figure, np.ndarray]:
    from matplotlib.ticker import MaxNLocator

    width = 1.8 + 3.0 * columns
    figure = new_figure(width, 1.2 + rows * (0.6 + 0.42 * len(references)))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    places = range(len(references))
    grid[0, 0].set_yticks(places, [wrapped(one, 24) for one in references])
    grid[0, 0].set_ylim(len(references) - 0.4, -0.6)
    grid[0, 0].xaxis.set_major_locator(MaxNLocator(5))
    figure.suptitle(wrapped(title, round(9 * width)))
    return figure, grid


def _draw_skill(axes: Axes, scores: xr.Dataset, name: str, references: list[str]) -> None:
    """Draw the skill against each reference as a point, and its interval as a line."""
    styles = styles_of(references)
    axes.axvline(0, color="black", linewidth=1)
    for place, reference in enumerate(references):
        style = styles[reference]
        value = float(scores[name].sel(reference=reference))
        axes.plot(value, place, color=style.color, marker=style.marker, markersize=8)
        if f"{name}_interval" in scores:
            ends = scores[f"{name}_interval"].sel(reference=reference)
            axes.hlines(place, *ends.to_numpy(), color=style.color, linewidth=2.5)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)

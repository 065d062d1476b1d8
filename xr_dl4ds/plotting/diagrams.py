"""Figures of distributions: quantiles, reliability of probabilities, values of single times."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import xarray as xr

from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.plotting.figure import add_legend, as_label, new_figure, wrapped
from xr_dl4ds.plotting.panels import (
    by_product,
    figure_of,
    heading_of,
    label_axes,
    label_of,
    of_variable,
    panels_of,
    title_of,
)
from xr_dl4ds.plotting.products import entries_of, styles_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection
    from matplotlib.figure import Figure

_MARKERS = "os^vDPX<>"
#: Quantiles that are named above a Q-Q plot, as far as there is room; the first ones first.
_NAMED = (0.5, 0.999, 0.01, 0.99, 0.9, 0.1, 0.95, 0.98, 0.05, 0.2, 0.8)


@with_expected_options
def plot_quantiles(scores: xr.Dataset, *, variable: str | None = None) -> Figure:
    """Draw quantiles of all products over those of the truth (a Q-Q plot).

    On the diagonal, both distributions agree. Points below it at the right are extremes that are
    too weak.

    Parameters
    ----------
    scores : xarray.Dataset
        Scores from `.downscale.evaluate` with "quantiles".
    variable : str, optional
        Variable to draw; by default the first.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each part of the data. The axis above names some of the quantiles.

    Raises
    ------
    VariableError
        If a score or the variable is missing, or there are more than 12 panels.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=1)[["t2m"]]
    >>> base = hr.downscale.coarsen(4).downscale.interpolate(hr, method="bicubic")
    >>> figure = plot_quantiles(base.downscale.evaluate(hr, scale=4, scores="quantiles"))
    >>> figure.axes[0].get_xlabel()
    'truth / K'
    """
    data = of_variable(scores, ["quantiles", "quantiles_truth"], variable)
    panels = panels_of(data, ["product", "quantile"])
    name, units = data.attrs["variable"], data["quantiles"].attrs["units"]
    figure, drawn = figure_of(panels, f"quantiles of {name}", size=(4.8, 4.4))
    every = np.concatenate([data[n].to_numpy().ravel() for n in ("quantiles", "quantiles_truth")])
    margin = 0.03 * np.nanmax(every) - 0.03 * np.nanmin(every) or 1.0
    limits = np.nanmin(every) - margin, np.nanmax(every) + margin
    for axes, panel in zip(drawn, panels, strict=True):
        products, truth = by_product(panel.data["quantiles"]), panel.data["quantiles_truth"]
        styles = styles_of(products)
        axes.axline((0, 0), slope=1, color="black", linewidth=1)
        for product, one in products.items():
            style = styles[product]
            axes.plot(
                truth,
                one,
                color=style.color,
                linewidth=0.6 * style.width,
                marker=style.marker,
                markersize=5,
                label=as_label(product),
            )
        axes.set(xlim=limits, ylim=limits, aspect="equal")
        _name_quantiles(axes, truth, room=0.13 if len(panels) == 1 else 0.18)
    label_axes(drawn, f"truth / {units}", f"products / {units}")
    add_legend(figure, entries_of(data["quantiles"]))
    return figure


def _name_quantiles(axes: Axes, truth: xr.DataArray, *, room: float) -> None:
    """Name quantiles in percent above the axes; `room` is the least distance of two labels."""
    values = dict(zip(truth["quantile"].to_numpy().round(6), truth.to_numpy(), strict=True))
    low, high = axes.get_xlim()
    chosen: dict[float, float] = {}
    for q in (*_NAMED, *values):
        at = values.get(q, np.nan)
        free = all(abs(at - other) > room * (high - low) for other in chosen.values())
        if np.isfinite(at) and free:
            chosen[q] = float(at)
    above = axes.secondary_xaxis("top")
    above.set_xticks(list(chosen.values()), [f"{100 * q:g} %" for q in chosen], fontsize="small")


@with_expected_options
def plot_reliability(scores: xr.Dataset, *, variable: str | None = None) -> Figure:
    """Draw the reliability diagram of an ensemble: observed frequency over forecast probability.

    On the diagonal, an event happens as often as the ensemble says. A curve that is flatter than
    the diagonal shows an ensemble that is too sure.

    Parameters
    ----------
    scores : xarray.Dataset
        Scores of an ensemble from `.downscale.evaluate` with "reliability" and thresholds.
    variable : str, optional
        Variable to draw; by default the first.

    Returns
    -------
    matplotlib.figure.Figure
        For each part of the data a diagram with a curve for each threshold, and below it the share
        of cases at each probability (logarithmic). Points with a small share are uncertain.

    Raises
    ------
    VariableError
        If a score or the variable is missing, or there are more than 12 panels.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=1)[["t2m"]]
    >>> members = hr.expand_dims(realization=3)
    >>> scores = members.downscale.evaluate(hr, scores="reliability", thresholds=[280, 285])
    >>> [line.get_label() for line in plot_reliability(scores).axes[0].lines[1:]]
    ['280 K', '285 K']
    """
    from matplotlib import colormaps
    from matplotlib.lines import Line2D

    data = of_variable(scores, ["reliability"], variable).isel(product=0)
    if "threshold" not in data.dims:  # one threshold is selected
        data = data.expand_dims("threshold")
    panels = panels_of(data, ["threshold", "curve", "probability"])
    name, units = data.attrs["variable"], data.attrs["units"]
    figure, pairs = _diagrams(len(panels), f"reliability of {name}")
    levels = data["threshold"].to_numpy()
    entries = [
        Line2D(
            [],
            [],
            color=colormaps["viridis"](0.85 * i / max(1, len(levels) - 1)),
            marker=_MARKERS[i % len(_MARKERS)],
            label=title_of("threshold", float(level), units).removeprefix("threshold "),
        )
        for i, level in enumerate(levels)
    ]
    for panel, (above, below) in zip(panels, pairs, strict=True):
        above.axline((0, 0), slope=1, color="black", linewidth=1)
        above.set_title(wrapped(panel.title), fontsize="medium")
        for i, line in enumerate(entries):
            curves = panel.data["reliability"].isel(threshold=i)
            one = curves.isel(probability=np.flatnonzero(curves.sel(curve="share") > 0))
            for axes, curve in ((above, "observed"), (below, "share")):
                axes.plot(
                    one.sel(curve="forecast"),
                    one.sel(curve=curve),
                    color=line.get_color(),
                    marker=str(line.get_marker()),
                    label=line.get_label(),
                )
        below.set_yscale("log")
        below.tick_params(axis="y", which="minor", labelleft=False)  # labels would overlap
    add_legend(figure, entries)
    return figure


def _diagrams(count: int, title: str) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """Return a figure with pairs of axes, for a diagram and the shares below it."""
    columns = min(count, 4)
    rows = -(-count // columns)
    width = 0.6 + 3.9 * columns
    figure = new_figure(width, 0.5 + 5.2 * rows)
    ratios = {"height_ratios": [3, 1] * rows}
    grid = figure.subplots(2 * rows, columns, squeeze=False, sharex=True, gridspec_kw=ratios)
    pairs = [(grid[2 * r, c], grid[2 * r + 1, c]) for r in range(rows) for c in range(columns)]
    for above, below in pairs[count:]:
        above.remove()
        below.remove()
    for above, below in pairs[:count]:
        above.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        above.set_ylabel("observed frequency / 1")
        below.set_ylabel("share of cases / 1")
        below.set_xlabel("forecast probability / 1")
        below.tick_params(labelbottom=True)
    figure.suptitle(wrapped(title, round(9 * width)))
    return figure, pairs[:count]


@with_expected_options
def plot_violins(scores: xr.Dataset, score: str = "rmse", *, variable: str | None = None) -> Figure:
    """Draw the distribution of a score over time, as a violin for each product.

    Parameters
    ----------
    scores : xarray.Dataset
        Scores from `.downscale.evaluate`, with a series of the score, ``<score>_series``.
    score : str
        The score to draw, such as "rmse", "bias" or "crps".
    variable : str, optional
        Variable to draw; by default the first.

    Returns
    -------
    matplotlib.figure.Figure
        The width of a violin is the density of the scores of all times (Hintze and Nelson 1998,
        doi:10.1080/00031305.1998.10480559). A white dot marks the median, a black bar the middle
        half of the times.

    Raises
    ------
    VariableError
        If a score or the variable is missing.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=2)[["t2m"]]
    >>> base = hr.downscale.coarsen(4).downscale.interpolate(hr, method="bicubic")
    >>> axes = plot_violins(base.downscale.evaluate(hr, scale=4)).axes[0]
    >>> [tick.get_text() for tick in axes.get_xticklabels()]
    ['prediction', 'bilinear', 'bicubic']
    """
    series = f"{score}_series"
    data = of_variable(scores, [series], variable)
    (along,) = (d for d in data[series].dims if d not in ("product", "threshold"))
    panels = panels_of(data, ["product", along])
    products = list(by_product(data[series]))
    size = (0.8 + 1.25 * len(products), 3.6)
    title = f"{heading_of(score)} of {data.attrs['variable']} at each of {data.sizes[along]} times"
    figure, drawn = figure_of(panels, title, size=size)
    styles = styles_of(products)
    for axes, panel in zip(drawn, panels, strict=True):
        for i, (product, one) in enumerate(by_product(panel.data[series]).items()):
            values = one.to_numpy()[np.isfinite(one.to_numpy())]
            if values.size:
                _draw_violin(axes, i, values, styles[product].color)
        axes.set_xticks(range(len(products)), [wrapped(p, 14) for p in products])
        axes.set_xlim(-0.6, len(products) - 0.4)
        if data[series].min() < 0 < data[series].max():
            axes.axhline(0, color="grey", linewidth=0.8, zorder=0)
    drawn[0].set_ylabel(label_of(series, data))
    return figure


def _draw_violin(axes: Axes, place: int, values: np.ndarray, color: str) -> None:
    found = axes.violinplot([values], positions=[place], widths=0.8, showextrema=False)
    for body in cast("list[PolyCollection]", found["bodies"]):
        body.set(facecolor=color, edgecolor=color, alpha=0.6)
    low, middle, high = np.percentile(values, [25, 50, 75])
    axes.vlines(place, low, high, color="black", linewidth=4)
    axes.plot(place, middle, marker="o", color="white", markeredgecolor="black", markersize=6)

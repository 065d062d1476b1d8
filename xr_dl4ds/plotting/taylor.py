"""The Taylor diagram of correlation and standard deviation."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import xarray as xr

from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.metrics.score_registry import SCORES
from xr_dl4ds.plotting.figure import add_legend, as_label
from xr_dl4ds.plotting.panels import base_of, by_product, figure_of, of_variable, panels_of
from xr_dl4ds.plotting.products import TRUTH, entries_of, styles_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.projections.polar import PolarAxes

#: Correlations that are labelled along the arc.
_CORRELATIONS = (0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1)
#: Scores of one field from which its standard deviation follows.
_OF_MEAN = ("rmse", "bias", "nrmse", "relative_bias", "kge")


@with_expected_options
def plot_taylor(scores: xr.Dataset, *, variable: str | None = None) -> Figure:
    """Draw a Taylor diagram: correlation, standard deviation and centred RMSE of all products.

    The angle of a point is the arc cosine of the correlation, and its radius the standard deviation
    over that of the truth. Its distance from the truth, at radius 1 on the axis, is then the RMSE
    without the bias, over the standard deviation of the truth (Taylor 2001,
    doi:10.1029/2000JD900719).

    Parameters
    ----------
    scores : xarray.Dataset
        Scores from `.downscale.evaluate` with "correlation" and "std_ratio", or of an ensemble with
        the group "pointwise".
    variable : str, optional
        Variable to draw; by default the first.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each part of the data. A quarter of a circle, or half of one if a correlation is
        negative.

    Raises
    ------
    VariableError
        If a score or the variable is missing, or there are more than 12 panels.

    Notes
    -----
    The distance is right only if correlation and standard deviation are those of one field. For an
    ensemble `evaluate` gives the correlation of the mean, but the standard deviation of the
    members, which is larger. The diagram therefore shows the ensemble mean, and takes the ratio of
    its standard deviation from scores of the mean. With the correlation r, the centred error E
    over the standard deviation of the truth, and the ratio b of means, E² = a² - 2 a r + 1 and (1 -
    KGE)² = (r - 1)² + (a - 1)² + (b - 1)² together give the ratio a. If "correlation" and
    "std_ratio" are the only scores, the function cannot know that they are those of an ensemble.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=1)[["t2m"]]
    >>> base = hr.downscale.coarsen(4).downscale.interpolate(hr, method="bicubic")
    >>> figure = plot_taylor(base.downscale.evaluate(hr, scale=4))
    >>> figure.axes[0].name
    'polar'
    """
    ensemble = any(SCORES[b].of_ensembles for n in scores if (b := base_of(str(n))) in SCORES)
    needed = ["correlation", *(_OF_MEAN if ensemble else ["std_ratio"])]
    data = of_variable(scores, needed, variable)
    if ensemble:
        data["std_ratio"] = ratio_of_mean(data)
    panels = panels_of(data, ["product"])
    whose = " (ensemble mean)" if ensemble else ""
    title = f"Taylor diagram of {data.attrs['variable']}{whose}"
    figure, drawn = figure_of(panels, title, size=(5.0, 4.2), polar=True)
    outer = 1.12 * max(1.2, float(data["std_ratio"].max()))
    half = bool((data["correlation"] < 0).any())
    for axes, panel in zip(drawn, panels, strict=True):
        _draw_frame(cast("PolarAxes", axes), outer, half=half)
        ratios, correlations = (by_product(panel.data[n]) for n in ("std_ratio", "correlation"))
        styles = styles_of(ratios)
        for i, (product, ratio) in enumerate(ratios.items()):
            style = styles[product]
            angle = np.arccos(np.clip(float(correlations[product]), -1, 1))
            axes.plot(
                angle,
                float(ratio),
                color=style.color,
                marker=style.marker,
                markeredgecolor="white",
                markersize=9,
                alpha=0.8,
                zorder=5 - 0.1 * i,
                label=as_label(product),
            )
        axes.plot(0, 1, color="black", marker="*", markersize=13, clip_on=False, zorder=6)
    add_legend(figure, [*entries_of(data["std_ratio"], line=False), *_entries()])
    return figure


def ratio_of_mean(scores: xr.Dataset) -> xr.DataArray:
    """Return the standard deviation over that of the truth, from scores of one field.

    It follows from the difference of the two equations in the notes of `plot_taylor`: 2 a (1 - r) =
    E² - (1 - KGE)² + (1 - r)² + (b - 1)². NaN where the correlation is 1.
    """
    r = scores["correlation"]
    error = scores["nrmse"] ** 2 * (1 - (scores["bias"] / scores["rmse"]) ** 2)
    others = (1 - scores["kge"]) ** 2 - (1 - r) ** 2 - scores["relative_bias"] ** 2
    return (error - others) / (2 * (1 - r)).where(r < 1)


def _draw_frame(axes: PolarAxes, outer: float, *, half: bool) -> None:
    """Draw the axes of the diagram, and contours of the centred RMSE about the truth."""
    ticks = sorted({*_CORRELATIONS, *(-c for c in _CORRELATIONS if half)})
    axes.set_thetalim(0, np.pi * (1 if half else 0.5))
    axes.set_rlim(0, outer)
    axes.set_thetagrids(np.degrees(np.arccos(ticks)), [f"{c:g}" for c in ticks])
    axes.set_rgrids(np.arange(0.5, outer, 0.5 if outer < 4 else 1.0))
    axes.grid(color="0.85", linewidth=0.8)
    arc = np.linspace(0, np.pi, 181)
    axes.plot(arc, np.ones_like(arc), color="black", linewidth=0.8, linestyle="--")
    for error in np.arange(0.25, outer + 1, 0.25 if outer < 2.2 else 0.5):
        _draw_contour(axes, error, outer, half=half)
    lie = 0.25 * np.pi if not half else 0.5 * np.pi
    axes.text(
        lie,
        outer * 1.24,
        "correlation / 1",
        rotation=0 if half else -45,
        ha="center",
        va="center",
        rotation_mode="anchor",
    )
    axes.set_xlabel("standard deviation / that of the truth", labelpad=12)


def _draw_contour(axes: PolarAxes, error: float, outer: float, *, half: bool) -> None:
    """Draw the circle of a centred RMSE about the truth, which is at angle 0 and radius 1."""
    turn = np.linspace(0, np.pi, 361)
    x, y = 1 + error * np.cos(turn), error * np.sin(turn)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    seen = (radius <= outer) & (half | (x >= 0))
    if not seen.any():
        return
    radius, angle = np.where(seen, radius, np.nan), np.where(seen, angle, np.nan)
    axes.plot(angle, radius, color="0.5", linewidth=0.8, linestyle=":", label="_centred RMSE")
    at = np.flatnonzero(seen)[int(0.55 * seen.sum())]
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    axes.text(
        angle[at],
        radius[at],
        f"{error:g}",
        color="0.4",
        fontsize="x-small",
        bbox=box,
        ha="center",
        zorder=2.1,
    )


def _entries() -> list[Line2D]:
    """Return the entries of the legend beside the products."""
    from matplotlib.lines import Line2D

    star = Line2D([], [], color="black", marker="*", markersize=13, linewidth=0, label=TRUTH)
    dotted = Line2D([], [], color="0.5", linestyle=":", label="centred RMSE / std of the truth")
    return [star, dotted]

"""Figures of scores as curves: spectra, fractions skill score, annual cycle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.plotting.figure import add_legend, as_label, wrapped
from xr_dl4ds.plotting.panels import by_product, figure_of, label_axes, of_variable, panels_of
from xr_dl4ds.plotting.products import TRUTH, entries_of, entry_of_truth, styles_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MONTHS = "JFMAMJJASOND"


@with_expected_options
def plot_power(scores: xr.Dataset, *, variable: str | None = None) -> Figure:
    """Draw the power spectra of all products together with the spectrum of the truth.

    Where the line of a product is below the line of the truth, the product is too smooth at these
    scales. `plot_spectra` draws the same from fields.

    Parameters
    ----------
    scores : xarray.Dataset
        Scores from `.downscale.evaluate` with "power".
    variable : str, optional
        Variable to draw; by default the first.

    Returns
    -------
    matplotlib.figure.Figure
        Power over wavenumber, both logarithmic, with a panel for each part of the data.

    Raises
    ------
    VariableError
        If a score or the variable is missing, or there are more than 12 panels.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=1)[["t2m"]]
    >>> base = hr.downscale.coarsen(4).downscale.interpolate(hr, method="bicubic")
    >>> figure = plot_power(base.downscale.evaluate(hr, scale=4, scores="power"))
    >>> [line.get_label() for line in figure.axes[0].lines][:2]
    ['truth', 'prediction']
    """
    data = of_variable(scores, ["power", "power_truth"], variable)
    name, units = data.attrs["variable"], data.attrs["units"]
    panels = panels_of(data, ["product", "wavenumber"])
    figure, drawn = figure_of(panels, f"power spectrum of {name}", size=(6.0, 3.9))
    for axes, panel in zip(drawn, panels, strict=True):
        draw_spectra(axes, panel.data["power_truth"], by_product(panel.data["power"]))
    label_spectra(drawn, name, units)
    add_legend(figure, [entry_of_truth(), *entries_of(data["power"])])
    return figure


def draw_spectra(axes: Axes, truth: xr.DataArray, products: Mapping[str, xr.DataArray]) -> None:
    """Draw power along ``wavenumber`` as logarithmic lines, the truth first and in black."""
    styles = styles_of(products)
    at = truth["wavenumber"]
    axes.loglog(at, truth, label=TRUTH, color="black", linewidth=2.0)
    for name, power in products.items():
        style = styles[name]
        axes.loglog(
            power["wavenumber"],
            power,
            color=style.color,
            linewidth=style.width,
            marker=style.marker,
            markersize=3,
            markevery=max(1, power.size // 24),
            label=as_label(name),
        )


def label_spectra(panels: list[Axes], name: str, units: str) -> None:
    """Label the axes of spectra; wavenumbers by plain numbers, which do not overlap."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    label = wrapped(f"power of {name} / ({units or 'units'})² cells²", 46)
    for axes in panels:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    label_axes(panels, "wavenumber / cycles per cell", label)


@with_expected_options
def plot_fss(scores: xr.Dataset, *, variable: str | None = None) -> Figure:
    """Draw the fractions skill score of all products over the size of the neighbourhood.

    A dashed line shows the useful skill, 0.5 + f / 2, where f is the observed frequency of the
    event (Roberts and Lean 2008, doi:10.1175/2007MWR2123.1). Predictions are skilful at the sizes
    at which their curve is above the line.

    Parameters
    ----------
    scores : xarray.Dataset
        Scores from `.downscale.evaluate` with "fss". The line of useful skill is drawn if the
        scores also have "pod", "far" and "ets", from which the frequency follows, such as with
        ``scores=["fss", "categorical"]``.
    variable : str, optional
        Variable to draw; by default the first.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each threshold, and for each part of the data.

    Raises
    ------
    VariableError
        If a score or the variable is missing, or there are more than 12 panels.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=1)[["t2m"]]
    >>> base = hr.downscale.coarsen(4).downscale.interpolate(hr, method="bicubic")
    >>> scores = base.downscale.evaluate(hr, scale=4, scores=["fss", "csi"], thresholds=[280, 285])
    >>> [axes.get_title() for axes in plot_fss(scores).axes]
    ['threshold 280 K', 'threshold 285 K']
    """
    from matplotlib.lines import Line2D

    frequent = ("pod", "far", "ets")
    data = of_variable(scores, ["fss"], variable, optional=frequent)
    panels = panels_of(data, ["product", "neighbourhood"])
    figure, drawn = figure_of(panels, f"fractions skill score of {data.attrs['variable']}")
    sizes = data["neighbourhood"]
    useful = False
    for axes, panel in zip(drawn, panels, strict=True):
        draw_products(axes, panel.data["fss"], "neighbourhood")
        axes.set_xscale("log")
        axes.set_xticks(sizes.to_numpy(), [f"{n:g}" for n in sizes.to_numpy()], minor=False)
        axes.minorticks_off()
        axes.set_ylim(-0.03, 1.03)
        if all(one in data for one in frequent):
            level = 0.5 + frequency_of_event(*(panel.data[one] for one in frequent)) / 2
            if np.isfinite(level):
                axes.axhline(level, color="black", linestyle="--", linewidth=1.2)
                useful = True
    label_axes(drawn, "edge of the neighbourhood / cells", "fractions skill score / 1")
    entries = entries_of(data["fss"])
    if useful:
        entries.append(Line2D([], [], color="black", linestyle="--", label="useful skill"))
    add_legend(figure, entries)
    return figure


def frequency_of_event(pod: xr.DataArray, far: xr.DataArray, ets: xr.DataArray) -> float:
    """Return the observed frequency of an event, which follows from scores of any product.

    With shares of all cells, hits are ``pod * f``, forecast events ``pod * f / (1 - far)``, and
    hits by chance their product with f; solving the definition of the ETS for f gives the result.
    It is the median over products, and NaN if all of them are without hits or perfect.
    """
    ratio = pod / (1 - far).where(far < 1)  # forecast over observed events
    found = (pod - ets * (ratio + 1 - pod)) / (ratio * (1 - ets)).where((pod > 0) & (ets < 1))
    return float(found.median())


@with_expected_options
def plot_annual_cycle(scores: xr.Dataset, *, variable: str | None = None) -> Figure:
    """Draw the annual cycle of all products and of the truth.

    Parameters
    ----------
    scores : xarray.Dataset
        Scores from `.downscale.evaluate` with "annual_cycle".
    variable : str, optional
        Variable to draw; by default the first.

    Returns
    -------
    matplotlib.figure.Figure
        Means by calendar month, with a panel for each part of the data.

    Raises
    ------
    VariableError
        If a score or the variable is missing, or there are more than 12 panels.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=40)[["t2m"]]
    >>> base = hr.downscale.coarsen(4).downscale.interpolate(hr, method="bicubic")
    >>> scores = base.downscale.evaluate(hr, scale=4, scores="annual_cycle")
    >>> plot_annual_cycle(scores).axes[0].get_ylabel()
    'mean of t2m / K'
    """
    data = of_variable(scores, ["annual_cycle", "annual_cycle_truth"], variable)
    panels = panels_of(data, ["product", "calendar_month"])
    name = data.attrs["variable"]
    figure, drawn = figure_of(panels, f"annual cycle of {name}", size=(5.4, 3.4))
    months = data["calendar_month"].to_numpy()
    for axes, panel in zip(drawn, panels, strict=True):
        truth = panel.data["annual_cycle_truth"]
        axes.plot(months, truth, color="black", linewidth=2.0, marker="o", label=TRUTH)
        draw_products(axes, panel.data["annual_cycle"], "calendar_month")
        axes.set_xticks(months, [_MONTHS[m - 1] for m in months])
        axes.set_xlim(0.5, 12.5)
    units = data["annual_cycle"].attrs["units"]
    label_axes(drawn, "month", wrapped(f"mean of {name} / {units}"))
    add_legend(figure, [entry_of_truth(), *entries_of(data["annual_cycle"])])
    return figure


def draw_products(axes: Axes, score: xr.DataArray, along: str) -> None:
    """Draw a line with markers for each product; the prediction above the others."""
    products = by_product(score)
    styles = styles_of(products)
    for i, (name, one) in enumerate(products.items()):
        style = styles[name]
        axes.plot(
            one[along],
            one,
            color=style.color,
            marker=style.marker,
            markersize=5,
            linewidth=style.width,
            label=as_label(name),
            zorder=3 - 0.1 * i,
        )

"""Figures of scores: power spectra, and ranks of the truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xr_dl4ds.config import Scale
from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.exceptions import GridError, VariableError
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.cf.time_axis import at_times, index_of
from xr_dl4ds.grid.cf.time_stamps import stamped_as
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import TIME, Data, X, Y
from xr_dl4ds.grid.regridding.roll import roll_to_face
from xr_dl4ds.metrics.matching import in_common, on_common_cells, read
from xr_dl4ds.metrics.spectral import spectrum
from xr_dl4ds.plotting.curves import draw_spectra, label_spectra
from xr_dl4ds.plotting.figure import choose, new_figure
from xr_dl4ds.plotting.panels import figure_of, label_axes, of_variable, panels_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@with_expected_options
def plot_spectra(
    products: Mapping[str, Data],
    truth: Data,
    *,
    variable: str | None = None,
    scale: int | tuple[int, int] | None = None,
    dims: Dims | None = None,
) -> Figure:
    """Draw the power spectra of products together with the spectrum of the truth.

    Where the line of a product is below the line of the truth, the product is too smooth at these
    scales.

    Parameters
    ----------
    products : mapping
        Predictions or interpolated fields by the names to show, all on the same cells. The times in
        common are used. For an ensemble the mean spectrum of its members is drawn.
    truth : xarray.Dataset or xarray.DataArray
        The truth, which must cover these cells.
    variable : str, optional
        Variable to draw; by default the first.
    scale : int or tuple of int, optional
        HR cells along one edge of an LR cell, or along y and x; marks the shortest wave of the LR
        fields, where downscaling begins (along the longer edge).
    dims : Dims, optional
        Dimensions named by the caller.

    Returns
    -------
    matplotlib.figure.Figure
        Power over wavenumber, both logarithmic. Cells that are missing in any field are left out of
        all fields.

    Raises
    ------
    GridError
        If the products are on different cells.
    VariableError
        If there are no products, or the variable is missing.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=1)
    >>> base = hr[["t2m"]].downscale.coarsen(4).downscale.interpolate(hr, method="bicubic")
    >>> figure = plot_spectra({"bicubic": base}, hr, scale=4)
    >>> [line.get_label() for line in figure.axes[0].lines[:2]]
    ['truth', 'bicubic']
    """
    reference, fields, name = _together(products, truth, variable, dims or Dims())
    lines = [("truth", reference), *fields.items()]
    valid = xr.ones_like(reference, dtype=bool)
    for _, one in lines:
        valid = valid & one.notnull().all([d for d in one.dims if d not in (TIME, Y, X)])
    figure = new_figure(6.0, 4.2)
    axes = figure.subplots()
    powers = [spectrum(one.where(valid)).compute() for _, one in lines]
    draw_spectra(axes, powers[0], dict(zip(fields, powers[1:], strict=True)))
    if scale is not None:
        axes.axvline(
            0.5 / max(Scale.of(scale).edges),
            color="grey",
            linestyle=":",
            label="shortest wave of LR",
        )
    units = reference.attrs.get("units", "1")
    label_spectra([axes], name, units)
    axes.legend()
    return figure


def _together(
    products: Mapping[str, Data], truth: Data, variable: str | None, dims: Dims
) -> tuple[xr.DataArray, dict[str, xr.DataArray], str]:
    """Return truth and products on the same cells and times, and the name of the variable."""
    if not products:
        raise VariableError(
            "No products are given to draw beside the truth. Pass some by name, such as"
            " {'prediction': sr}."
        )
    reference = read(truth, dims, "the truth")
    matched: dict[str, Fields] = {}
    first, name = "", ""
    for label, product in products.items():
        mine = read(product, dims, repr(label), members=True)
        if not matched:
            mine, reference = in_common(mine, reference)
            first, name = label, choose(mine, variable)
        else:
            choose(mine, name)
            mine = mine.in_units(reference.units, repr(label), "the truth")
            mine = roll_to_face(mine, matched[first].grid)
            mine = stamped_as(mine, reference, repr(label), repr(first))
            _require_same_cells(mine.grid, matched[first].grid, label, first)
        matched[label], reference = on_common_cells(mine, reference)
    times = index_of(reference.data)
    coords = reference.data.coords
    out = {n: at_times(f.data, times)[name].assign_coords(coords) for n, f in matched.items()}
    return reference.data[name], out, name


def _require_same_cells(mine: Grid, first: Grid, label: str, first_label: str) -> None:
    if not mine.same_cells(first):
        raise GridError(
            f"Expected all products on the cells of {first_label!r} ({first.extent}), got {label!r}"
            f" with {mine.extent}. Select the cells that all have, or interpolate to them."
        )


@with_expected_options
def plot_rank_histogram(scores: xr.Dataset) -> Figure:
    """Draw where the truth ranks among the members of an ensemble.

    Parameters
    ----------
    scores : xarray.Dataset
        Scores of an ensemble from `.downscale.evaluate`; one panel for each variable and part.

    Returns
    -------
    matplotlib.figure.Figure
        Shares of the ranks as bars, and a line at the share of a flat histogram. Bars above the
        line at both ends mean too little spread; bars above it in the middle mean too much spread.

    Raises
    ------
    VariableError
        If the scores are not those of an ensemble.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=1)[["t2m"]]
    >>> members = hr.expand_dims(realization=3)
    >>> figure = plot_rank_histogram(members.downscale.evaluate(hr, scale=4))
    >>> len(figure.axes[0].patches)
    4
    """
    names = np.atleast_1d(scores["variable"].to_numpy()) if "variable" in scores.coords else [None]
    panels = []
    for name in names:
        given = None if name is None else str(name)
        data = of_variable(scores, ["rank_histogram"], given, ["spread_skill_ratio"])
        for panel in panels_of(data.isel(product=0), ["rank"]):
            title = ", ".join(one for one in (given or "", panel.title) if one)
            panels.append(dataclasses.replace(panel, title=title + _ratio(panel.data)))
    figure, axes = figure_of(panels, "ranks of the truth among the members")
    for one, panel in zip(axes, panels, strict=True):
        shares = panel.data["rank_histogram"]
        one.bar(shares["rank"], shares, width=0.9, color="tab:blue")
        one.axhline(1 / shares.sizes["rank"], color="black", linestyle="--")
    label_axes(axes, "members below the truth", "share of cells")
    return figure


def _ratio(scores: xr.Dataset) -> str:
    """Return the spread-skill ratio for a title; empty without it."""
    if "spread_skill_ratio" not in scores:
        return ""
    return f" (spread / skill {float(scores['spread_skill_ratio']):.2g})"

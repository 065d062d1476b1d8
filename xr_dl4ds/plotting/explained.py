"""A figure of an explanation: importance of predictors as bars, and maps of the saliency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xr_dl4ds.config import nearest
from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.fields import Fields, standardize
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import X, Y
from xr_dl4ds.plotting.coastlines import draw_coastlines
from xr_dl4ds.plotting.figure import as_label, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Most maps in a figure, and in a row of it.
MAPS, COLUMNS = 6, 3
#: Height of a bar and of the rest of its panel, in inches.
_BAR, _FRAME = 0.28, 1.2


@with_expected_options
def plot_explanation(explanation: xr.Dataset, variable: str | None = None) -> Figure:
    """Draw the importance of each predictor as bars, and the saliency as maps.

    Parameters
    ----------
    explanation : xarray.Dataset
        The result of `Downscaler.explain`.
    variable : str, optional
        The target to draw; by default the first.

    Returns
    -------
    matplotlib.figure.Figure
        Bars of the increase of the RMSE and, for an ensemble, of the CRPS, the most important
        predictor first, with the standard deviation over the shuffles as error bars. Maps of the
        saliency of the LR variables, with shared colours centred on zero; of more than six, those
        with the largest absolute saliency. Red cells raise the region's mean above that of the
        baseline, blue cells lower it.

    Raises
    ------
    VariableError
        If the dataset is no explanation, or does not have the variable.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=1)[["t2m"]]
    >>> model = hr.downscale.fit(scale=4, epochs=1, verbose=False)
    >>> found = model.explain(hr.downscale.coarsen(4), hr, repeats=2, steps=4)
    >>> figure = plot_explanation(found)
    >>> figure.axes[0].get_title(), figure.axes[1].get_title().split(":")[0]
    ('importance', 't2m')
    """
    part = _chosen(explanation, variable)
    order = np.argsort(-part["rmse_increase"].to_numpy(), kind="stable")
    shown = part["saliency_size"].sum(_plane(part), min_count=1).dropna("predictor")
    largest = shown.sortby(shown, ascending=False)["predictor"].to_numpy().tolist()[:MAPS]
    names = [n for n in part["predictor"].to_numpy().tolist() if n in largest]
    if not names:
        raise VariableError(
            f"Expected values of 'saliency' of {part['variable'].item()!r}, got missing values"
            " alone. Select steps and a region where LR fields have values."
        )
    fields = [_field(part, name) for name in names]
    scores = [s for s in ("rmse", "crps") if s in part]
    rows, columns = -(-len(fields) // COLUMNS), min(len(fields), COLUMNS)
    tall = max(_FRAME + _BAR * len(order) * len(scores), rows * _height(fields[0]))
    figure = new_figure(4.0 + 3.6 * columns, tall)
    sides = figure.add_gridspec(1, 2, width_ratios=(4.0, 3.6 * columns))
    bars, maps = (figure.add_subfigure(sides[i]) for i in range(2))
    _draw_bars(bars.subplots(), part.isel(predictor=order), scores)
    panels = maps.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    _draw_maps(panels, fields, names)
    for axes in panels[-columns:]:
        axes.set_xlabel(as_label(fields[0].grid.x.name))
    for axes in panels[::columns]:
        axes.set_ylabel(as_label(fields[0].grid.y.name))
    units = part["saliency"].attrs.get("units", "1")
    label = as_label(f"saliency / {units} per LR cell")
    maps.colorbar(panels[0].collections[0], ax=panels.tolist(), shrink=0.8, label=label)
    draw_coastlines(panels[: len(fields)], fields[0].grid)
    change = float(part["region_mean"] - part["baseline_mean"])
    figure.suptitle(
        as_label(
            f"{part['variable'].item()}: mean over the region {change:+.3g} {units} from baseline"
        )
    )
    return figure


def _chosen(explanation: xr.Dataset, variable: str | None) -> xr.Dataset:
    """Return the explanation of one target."""
    lacking = [n for n in ("rmse_increase", "saliency") if n not in explanation]
    if lacking:
        raise VariableError(
            f"Expected an explanation with {lacking[0]!r}, got"
            f" {sorted(map(str, explanation.data_vars))}. Pass the result of model.explain(lr, hr)."
        )
    names = np.atleast_1d(explanation["variable"].to_numpy()).tolist()
    if variable is not None and variable not in names:
        raise VariableError(
            f"Expected `variable` to be one of {names}, got {variable!r}.{nearest(variable, names)}"
            " Pass one of these."
        )
    found = explanation.compute()
    if "variable" not in found.dims:
        return found
    place = 0 if variable is None else names.index(variable)
    found = found.isel(variable=place)
    for one in found.data_vars.values():
        one.attrs.setdefault("units", str(found["units"].item()))
    return found


def _plane(part: xr.Dataset) -> list[str]:
    return [str(d) for d in part["saliency"].dims if d != "predictor"]


def _field(part: xr.Dataset, name: str) -> Fields:
    """Return the map of an LR variable, on canonical cells."""
    one = part["saliency"].sel(predictor=name).drop_vars(["kind", "variable", "predictor"])
    y, x = _plane(part)
    ds = one.drop_vars("units", errors="ignore").to_dataset(name="saliency")
    return standardize(ds, Dims(y=y, x=x), "the explanation")


def _height(fields: Fields) -> float:
    height, width = (float(np.ptp(a.edges)) for a in (fields.grid.y, fields.grid.x))
    return float(np.clip(3.0 * _aspect(fields.grid) * height / width, 1.5, 6)) + 0.8


def _aspect(grid: Grid) -> float:
    """Return the height of a degree of latitude over the width of a degree of longitude, or 1."""
    if (grid.y.kind, grid.x.kind) != ("latitude", "longitude"):
        return 1.0
    return float(1 / np.cos(np.deg2rad(np.clip(grid.y.canonical[[0, -1]].mean(), -80, 80))))


def _draw_bars(axes: Axes, part: xr.Dataset, scores: list[str]) -> None:
    """Draw a bar for each predictor and score, the first predictor on top."""
    places = np.arange(part.sizes["predictor"], dtype="f8")
    thick, units = 0.8 / len(scores), part["rmse_increase"].attrs.get("units", "1")
    for i, score in enumerate(scores):
        axes.barh(
            places + (i - (len(scores) - 1) / 2) * thick,
            part[f"{score}_increase"],
            xerr=part[f"{score}_increase_std"],
            height=thick,
            capsize=2,
            label=as_label(f"{score.upper()}, {float(part[score]):.3g} {units} unshuffled"),
        )
    axes.set_yticks(places, [as_label(n) for n in part["predictor"].to_numpy().tolist()])
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel(as_label(f"increase of the error / {units}"))
    axes.set_title("importance")
    axes.legend(loc="lower right")


def _draw_maps(panels: np.ndarray, fields: list[Fields], names: list[str]) -> None:
    maps = [one.data["saliency"].transpose(Y, X) for one in fields]
    limit = max(float(np.abs(one).max()) for one in maps) or 1.0
    for axes in panels[len(maps) :]:
        axes.set_axis_off()
    for axes, one, name, field in zip(panels, maps, names, fields, strict=False):
        axes.pcolormesh(
            one[X], one[Y], one, shading="nearest", cmap="RdBu_r", vmin=-limit, vmax=limit
        )
        axes.set_aspect(_aspect(field.grid))
        units = one.attrs.get("units", "")
        axes.set_title(as_label(f"{name}: {float(one.sum()):+.3g} {units}"))

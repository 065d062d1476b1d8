"""The scores that a figure draws: of one variable, in memory, with a panel for each part."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.metrics.sample import PREDICTION
from xr_dl4ds.metrics.score_registry import SCORES
from xr_dl4ds.plotting.figure import choose_among, new_figure, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Dimensions of scores that are not parts of the data.
_OF_SCORES: tuple[str, ...] = (
    "product",
    "reference",
    "bound",
    "threshold",
    "quantile",
    "neighbourhood",
    "rank",
)
_OF_SCORES += ("curve", "probability", "wavenumber", "calendar_month", "pool", "block")
#: The largest number of panels in which axes stay readable.
MOST_PANELS = 12
#: Units of scores without dimension that have a name.
_UNITS = {"ralsd": "dB", "psnr": "dB", "autocorrelation_length": "cells"}
_UNITS |= dict.fromkeys(("days_above", "days_below"), "steps in a year")
#: Ends of the names of scores that have no products.
_NOT_OF_PRODUCTS = ("_truth", "_skill", "_skill_interval")
_ENDS = ("_map_truth", "_skill_interval", "_series", "_skill", "_truth", "_map")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """Scores of one part of the data, or at one threshold.

    Parameters
    ----------
    title : str
        Names the part; empty if all data are drawn.
    data : xarray.Dataset
        The scores, along the dimensions that a panel draws.
    """

    title: str
    data: xr.Dataset


def of_variable(
    scores: xr.Dataset, names: Iterable[str], variable: str | None, optional: Iterable[str] = ()
) -> xr.Dataset:
    """Return scores of one variable in memory, with ``product`` as a dimension.

    Parameters
    ----------
    scores : xarray.Dataset
        Scores from `xr_dl4ds.metrics.evaluate`.
    names : iterable of str
        The scores that a figure needs.
    variable : str, optional
        The variable to draw; by default the first.
    optional : iterable of str
        Scores that it draws if they are there.

    Returns
    -------
    xarray.Dataset
        The attributes ``variable`` and ``units`` name the variable and its units.

    Raises
    ------
    VariableError
        If the variable or a score is missing, or has no values.
    """
    needed = list(names)
    absent = [name for name in needed if name not in scores]
    if absent:
        raise VariableError(
            f"Expected scores with {', '.join(map(repr, absent))}, got"
            f" {', '.join(sorted(map(str, scores.data_vars)))}. {how_to_get(needed)}"
        )
    labels = scores.get("variable")
    known = [] if labels is None else [str(one) for one in np.atleast_1d(labels.to_numpy())]
    if known or variable is not None:
        at = known.index(choose_among(known, variable))
        scores = scores.isel(variable=at) if "variable" in scores.dims else scores
    name = str(scores["variable"].item()) if known else "the variable"
    units = _units(scores)
    wanted = [*needed, *(one for one in optional if one in scores and one not in needed)]
    found = scores[wanted].compute()
    empty = [one for one in needed if not bool(found[one].notnull().any())]
    if empty:
        raise VariableError(
            f"Expected values of {', '.join(map(repr, empty))} of {name!r}, got missing values"
            " alone. Pass another variable=, or scores of more data."
        )
    for one in wanted:
        own = found[one]
        own.attrs = {**own.attrs, "units": units_of(one, own.attrs, units)}
    return _with_products(found).assign_attrs(variable=name, units=units)


def how_to_get(names: Iterable[str]) -> str:
    """Return how a user gets scores that are missing."""
    wanted, more = [], []
    for name in names:
        base = base_of(name)
        wanted.append(base)
        score = SCORES.get(base)
        if score is not None and "periods" in score.takes:
            more.append("with periods=")
        if name.endswith(("_map", "_series", "_map_truth")):
            more.append("without by=" if name.endswith("_series") else "without by= of cells")
        if name.endswith(("_skill", "_skill_interval")):
            more.append("with lr= or scale= for the baselines")
        if score is not None and score.per_threshold:
            more.append("with thresholds=")
        if score is not None and score.of_ensembles:
            more.append("of an ensemble (.downscale.predict(model, realizations=20))")
    said = ", ".join(dict.fromkeys(more))
    asked = list(dict.fromkeys(wanted))
    unknown = [one for one in asked if one not in SCORES]
    if unknown:
        return f"{unknown[0]!r} is no score: pass one of xr_dl4ds.metrics.SCORES."
    return f"Pass scores={asked} to .downscale.evaluate" + (f", {said}." if said else ".")


def base_of(name: str) -> str:
    """Return the name of the score that a map, series or skill belongs to."""
    if name not in SCORES:
        for end in _ENDS:
            if name.endswith(end):
                return name.removesuffix(end)
    return name


def _units(scores: xr.Dataset) -> str:
    """Return the units of the variable; empty if the scores do not say them."""
    if "units" in scores.coords:
        return str(scores["units"].item())
    for name, score in scores.data_vars.items():
        known = SCORES.get(base_of(str(name)))
        of_field = known is not None and known.units is None and "_skill" not in str(name)
        if of_field and "units" in score.attrs:
            return str(score.attrs["units"])
    at = scores.coords.get("threshold")
    return "" if at is None else str(at.attrs.get("units", ""))


def units_of(name: str, attrs: Mapping[Hashable, object], units: str) -> str:
    """Return the units of a score of a variable with some units."""
    return _UNITS.get(base_of(name)) or str(attrs.get("units", units or "1"))


def heading_of(name: str) -> str:
    """Return the name of a score in titles and labels.

    Examples
    --------
    >>> heading_of("rmse_series"), heading_of("quantile_bias")
    ('RMSE', 'quantile bias')
    """
    base = base_of(name)
    score = SCORES.get(base)
    return score.heading if score is not None and score.heading else base.replace("_", " ")


def label_of(name: str, data: xr.Dataset) -> str:
    """Return the label of an axis or colour bar: the score, the variable and the units."""
    return wrapped(f"{heading_of(name)} of {data.attrs['variable']} / {data[name].attrs['units']}")


def _with_products(scores: xr.Dataset) -> xr.Dataset:
    """Return scores along ``product``, also those of one product alone."""
    if "product" in scores.dims:
        return scores
    labels = [str(scores["product"].item())] if "product" in scores.coords else [PREDICTION]
    scores = scores.drop_vars("product", errors="ignore")
    own = [n for n in scores.data_vars if n in SCORES or not str(n).endswith(_NOT_OF_PRODUCTS)]
    return scores.assign({n: scores[n].expand_dims(product=labels) for n in own})


def parts_of_data(scores: xr.DataArray) -> list[str]:
    """Return the dimensions of parts of the data, by which scores were grouped."""
    return [str(d) for d in scores.dims if d not in _OF_SCORES]


def panels_of(data: xr.Dataset, drawn: Iterable[Hashable]) -> list[Panel]:
    """Return a panel for each part and threshold, along all dimensions but those that are drawn.

    Raises
    ------
    VariableError
        If there are more panels than a figure has room for.
    """
    along = [str(d) for d in data.dims if d not in set(drawn)]
    count = math.prod(data.sizes[d] for d in along)
    if count > MOST_PANELS:
        longest = max(along, key=lambda d: data.sizes[d])
        some = [_plain(one) for one in data[longest].to_numpy()[:2]]
        raise VariableError(
            f"Expected at most {MOST_PANELS} panels, got {count} along {', '.join(along)}. Select"
            f" some of them, such as scores.sel({{{longest!r}: {some}}})."
        )
    shape = [data.sizes[d] for d in along]
    found = []
    for at in np.ndindex(*shape):
        here = data.isel(dict(zip(along, at, strict=True)))
        title = ", ".join(title_of(d, here[d].item(), data.attrs["units"]) for d in along)
        found.append(Panel(title=title, data=here))
    return found


def title_of(dim: str, label: object, units: str) -> str:
    """Return the title of a part: a text as it is, a number with its dimension and its units."""
    if isinstance(label, str):
        return label
    if isinstance(label, bool):
        return f"{dim.replace('_', ' ')}: {label}"
    number = f"{label:g}" if isinstance(label, (int, float)) else str(label)
    after = f" {units}" if dim == "threshold" and units else ""
    return f"{dim.replace('_', ' ')} {number}{after}"


def _plain(label: object) -> object:
    return label.item() if isinstance(label, np.generic) else label


def figure_of(
    panels: list[Panel], title: str, *, size: tuple[float, float] = (4.2, 3.4), polar: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return a figure with axes for each panel, and the titles of these.

    Parameters
    ----------
    panels : list of Panel
        What is drawn.
    title : str
        Title of the figure.
    size : tuple of float
        Width and height of a panel, in inches.
    polar : bool
        True for polar axes.
    """
    columns = len(panels) if len(panels) < 4 else math.ceil(math.sqrt(len(panels)))
    rows = math.ceil(len(panels) / columns)
    size = size if len(panels) == 1 else (0.8 * size[0], 0.8 * size[1])
    width = 0.8 + columns * size[0]
    figure = new_figure(width, 0.5 + rows * size[1])
    kind = {"projection": "polar"} if polar else {}
    shared = not polar
    grid = figure.subplots(
        rows, columns, squeeze=False, sharex=shared, sharey=shared, subplot_kw=kind
    )
    every = list(grid.flat)
    for axes in every[len(panels) :]:
        axes.remove()
    if shared:  # the axes above a gap have labels of ticks too
        for axes in every[: len(panels)][-columns:]:
            axes.tick_params(labelbottom=True)
    for axes, panel in zip(every, panels, strict=False):
        axes.set_title(wrapped(panel.title, round(9 * size[0])), fontsize="medium")
    figure.suptitle(wrapped(title, round(9 * width)))
    return figure, every[: len(panels)]


def label_axes(panels: list[Axes], x: str, y: str) -> None:
    """Label the axes below the lowest panels and those left of the first panels."""
    columns = next((i for i, one in enumerate(panels) if i and _column(one) == 0), len(panels))
    for axes in panels[-columns:]:
        axes.set_xlabel(x)
    for axes in panels[::columns]:
        axes.set_ylabel(y)


def _column(axes: Axes) -> int:
    place = axes.get_subplotspec()
    return 0 if place is None else place.colspan.start


def by_product(score: xr.DataArray) -> dict[str, xr.DataArray]:
    """Return a score by the names of products."""
    return {str(p): score.sel(product=p) for p in score["product"].to_numpy()}

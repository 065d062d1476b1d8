"""Maps of scores: one for each product, with shared colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.cf.dimensions import Dims, find_dims
from xr_dl4ds.grid.cf.fields import as_dataset, standardize
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.plotting.coastlines import draw_coastlines
from xr_dl4ds.plotting.figure import new_figure, wrapped
from xr_dl4ds.plotting.maps import aspect_of, axis_label
from xr_dl4ds.plotting.panels import (
    Panel,
    by_product,
    heading_of,
    label_of,
    of_variable,
    panels_of,
)
from xr_dl4ds.plotting.products import TRUTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

#: Scores that are 0 for a perfect prediction and have both signs: their colours diverge about 0.
_SIGNED = ("bias", "relative_bias")
_ROLE = "the scores"


@with_expected_options
def plot_score_map(
    scores: xr.Dataset, score: str = "rmse", *, variable: str | None = None
) -> Figure:
    """Draw maps of a score for all products.

    Parameters
    ----------
    scores : xarray.Dataset
        Scores from `.downscale.evaluate` with a map of the score, ``<score>_map``.
    score : str
        The score to draw, such as "rmse" or "bias". For statistics of single fields, such as
        "sdii", the last map is that of the truth.
    variable : str, optional
        Variable to draw; by default the first.

    Returns
    -------
    matplotlib.figure.Figure
        A map for each product; a row of maps for each part of the data and each threshold. All
        share their colours, which diverge about 0 for "bias" and "relative_bias". The number in a
        title is the score over all cells. Coastlines are drawn where cartopy is installed and the
        coordinates of the scores tell latitude and longitude.

    Raises
    ------
    VariableError
        If a score or the variable is missing, or there are more than 12 rows.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=1)[["t2m"]]
    >>> base = hr.downscale.coarsen(4).downscale.interpolate(hr, method="bicubic")
    >>> figure = plot_score_map(base.downscale.evaluate(hr, scale=4), "bias")
    >>> [axes.get_title().split()[0] for axes in figure.axes[:3]]
    ['prediction', 'bilinear', 'bicubic']
    """
    name, truth = f"{score}_map", f"{score}_map_truth"
    data = of_variable(scores, [score, name], variable, optional=(truth, f"{score}_truth"))
    plane = [str(d) for d in data[name].dims if d not in data[score].dims]
    data, grid = _standardized(data, name, plane)
    rows = panels_of(data, ["product", grid.y.name, grid.x.name])
    maps = [(row, _maps_of(row.data, score)) for row in rows]
    fields = [field for _, found in maps for _, field in found]
    low, high = (float(f([float(f(one)) for one in fields])) for f in (np.nanmin, np.nanmax))
    colors = "viridis"
    if score in _SIGNED:
        high = max(abs(low), abs(high))
        low, colors = -high, "RdBu_r"
    if not low < high:  # one colour for one value, which a colour bar would widen in one panel
        low, high = low - 0.5, low + 0.5
    figure, grid_of_axes = _figure_of([len(found) for _, found in maps], grid)
    label = label_of(name, data)
    title = f"{heading_of(score)} of {data.attrs['variable']}"
    figure.suptitle(wrapped(title, round(9 * figure.get_figwidth())))
    units = data[name].attrs["units"]
    image: QuadMesh | None = None
    for (row, found), line in zip(maps, grid_of_axes, strict=True):
        for (product, field), axes in zip(found, line, strict=True):
            image = axes.pcolormesh(
                grid.x.canonical,
                grid.y.canonical,
                field.transpose(grid.y.name, grid.x.name),
                shading="nearest",
                cmap=colors,
                vmin=low,
                vmax=high,
            )
            axes.set_aspect(aspect_of(grid))
            axes.set_title(_title(row, product, score, units), fontsize="medium")
    used = [axes for line in grid_of_axes for axes in line]
    assert image is not None
    figure.colorbar(image, ax=used, shrink=0.8, label=label)
    draw_coastlines(used, grid)
    figure.supxlabel(axis_label(grid.x.name, dict(grid.x.attrs)), fontsize="medium")
    figure.supylabel(axis_label(grid.y.name, dict(grid.y.attrs)), fontsize="medium")
    return figure


def _standardized(data: xr.Dataset, name: str, plane: list[str]) -> tuple[xr.Dataset, Grid]:
    """Return the scores in canonical order of cells, and the grid of their coordinates."""
    one = data[name].isel({d: 0 for d in data[name].dims if d not in plane}).reset_coords(drop=True)
    try:
        dims = find_dims(one, Dims())
    except GridError:  # the caller of `evaluate` has named the dimensions
        dims = Dims(y=plane[0], x=plane[-1])
    ds = as_dataset(one.rename("score").to_dataset(), _ROLE)
    grid = standardize(ds, dims, _ROLE).grid
    return data.isel({axis.name: axis.order for axis in (grid.y, grid.x)}), grid


def _maps_of(row: xr.Dataset, score: str) -> list[tuple[str, xr.DataArray]]:
    """Return the maps of the products, and of the truth if it has one."""
    found = list(by_product(row[f"{score}_map"]).items())
    if f"{score}_map_truth" in row:
        found.append((TRUTH, row[f"{score}_map_truth"]))
    return found


def _title(row: Panel, product: str, score: str, units: str) -> str:
    """Return the title of a map: part, product, and the score over all cells."""
    of_truth = product == TRUTH and f"{score}_truth" in row.data
    value = row.data[f"{score}_truth"] if of_truth else row.data[score].sel(product=product)
    shown = f"{float(value):.3g}" + (f" {units}" if units != "1" and len(units) < 9 else "")
    lines = [wrapped(row.title, 30)] if row.title else []
    return "\n".join([*lines, wrapped(f"{product} ({shown})", 30)])


def _figure_of(lengths: list[int], grid: Grid) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure with rows of axes; a single row is broken into lines of at most four."""
    count = lengths[0]
    columns = count if count < 4 or len(lengths) > 1 else -(-count // -(-count // 4))
    lines = -(-count // columns) * len(lengths)
    height, width = (float(np.ptp(axis.edges)) for axis in (grid.y, grid.x))
    tall = float(np.clip(3.0 * aspect_of(grid) * height / width, 0.7, 8))
    figure = new_figure(
        1.6 + 3.0 * columns, 1.0 + lines * (tall + (0.7 if len(lengths) > 1 else 0.5))
    )
    axes = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    if len(lengths) > 1:
        return figure, [list(line) for line in axes]
    for one in axes.flat[count:]:
        one.remove()
    for one in axes.flat[:count][-columns:]:
        one.tick_params(labelbottom=True)
    return figure, [list(axes.flat[:count])]

"""Coastlines on maps, where cartopy is installed."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from xr_dl4ds.grid.crs import from_degrees, geographic, placed
from xr_dl4ds.grid.grid import Grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes

logger = logging.getLogger(__name__)

#: Resolutions of Natural Earth by the largest height of a domain, in degrees, for which they serve.
_RESOLUTIONS = ((15.0, "10m"), (60.0, "50m"), (np.inf, "110m"))


def draw_coastlines(panels: Iterable[Axes], grid: Grid) -> None:
    """Draw the coastlines of Natural Earth on maps whose axes are those of a grid.

    Nothing is drawn without cartopy, without its data (which it downloads once), or where the
    places of the cells are not known.
    """
    if not placed(grid):
        return
    low, high = np.percentile(np.ma.masked_invalid(geographic(grid)[0]).compressed(), [0, 100])
    resolution = next(name for height, name in _RESOLUTIONS if high - low <= height)
    lines = [_on_axes(line, grid) for line in _coastlines(resolution)]
    for axes in panels:
        for y, x in lines:
            if np.isfinite(y).any():
                axes.plot(x, y, color="black", linewidth=0.6, scalex=False, scaley=False)


@functools.cache
def _coastlines(resolution: str) -> tuple[np.ndarray, ...]:
    """Return longitude and latitude ``(point, 2)`` of each coastline; empty without cartopy."""
    try:
        from cartopy.io import shapereader

        path = shapereader.natural_earth(resolution, "physical", "coastline")
        shapes = list(shapereader.Reader(path).geometries())
    except ImportError:
        return ()
    except OSError as error:  # without a network, the data cannot be downloaded
        logger.info("no coastlines are drawn: cartopy cannot get them (%s)", error)
        return ()
    lines = [line for shape in shapes for line in getattr(shape, "geoms", [shape])]
    return tuple(np.asarray(line.coords)[:, :2] for line in lines)


def _on_axes(line: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return a coastline in the coordinates of the axes, NaN where it is outside of the map."""
    y, x = (c.astype("f8") for c in from_degrees(grid, line[:, 1], line[:, 0]))
    outside = np.zeros(y.shape, bool)
    for at, axis in ((y, grid.y), (x, grid.x)):
        first, last = axis.edges[[0, -1]]
        margin = 0.1 * (last - first)
        outside |= ~((at >= first - margin) & (at <= last + margin))
    jumps = np.abs(np.diff(x, append=x[-1])) > 0.5 * np.ptp(grid.x.edges)
    hidden = outside | jumps
    return np.where(hidden, np.nan, y), np.where(hidden, np.nan, x)

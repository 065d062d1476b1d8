"""A picture of a domain for notebooks: its cells on the globe, and in their own coordinates."""

from __future__ import annotations

import base64
import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyproj.exceptions import ProjError

from xr_dl4ds.grid.crs import placed, to_degrees
from xr_dl4ds.grid.geolocation import directions
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.plotting.figure import as_label

#: The domain and the graticule, both readable on a white and on a black page.
DOMAIN, GREY = "#e8590c", "#888888"
#: Lines of cell edges that are drawn along each axis, and points of a line.
LINES, POINTS = 9, 61
#: Degrees of a great circle from the centre to the farthest corner below which a dot marks the
#: domain on the globe.
DOT = 2.5


def picture(grid: Grid) -> str:
    """Draw a grid as an HTML image, see `figure_of`."""
    figure = figure_of(grid)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, transparent=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    title = "The cells of the domain"
    if len(figure.axes) == 2:
        title = "The domain on the globe, and its cells"
    return f"<img alt='{title}' style='max-width:100%' src='data:image/png;base64,{data}'/>"


def figure_of(grid: Grid) -> Figure:
    """Draw a grid.

    Parameters
    ----------
    grid : Grid
        Cell edges are drawn, at most `LINES` along each axis.

    Returns
    -------
    matplotlib.figure.Figure
        The cells in the coordinates of the grid, and, where their places on the Earth are known,
        on the globe before that.
    """
    places = _places_of_edges(grid) if placed(grid) else []
    on_globe = any(np.isfinite(line).any() for line in places)
    figure = Figure(figsize=(6.4 if on_globe else 3.2, 2.6), layout="constrained")
    axes = figure.subplots(1, 2 if on_globe else 1, squeeze=False)[0]
    if on_globe:
        _draw_globe(axes[0], grid, places)
    _draw_cells(axes[-1], grid)
    return figure


def cell_edges(grid: Grid) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Find the lines of cell edges that are drawn.

    Returns
    -------
    rows, columns : list of numpy.ndarray
        Lines of constant y and of constant x, each ``(2, point)`` with x first.
    """
    y, x = (axis.edges[_some(axis.edges.size)] for axis in (grid.y, grid.x))
    along_y, along_x = (np.linspace(e[0], e[-1], POINTS) for e in (y, x))
    rows = [np.stack([along_x, np.full(POINTS, v)]) for v in y]
    columns = [np.stack([np.full(POINTS, v), along_y]) for v in x]
    return rows, columns


def _some(size: int) -> list[int]:
    """Choose every n-th edge, and the last one."""
    step = max(1, -(-(size - 1) // (LINES - 1)))
    return sorted({*range(0, size, step), size - 1})


def centre_of(grid: Grid) -> tuple[float, float]:
    """Return latitude and longitude of the middle of the axes; 20 N, 0 E for a global domain."""
    if grid.x.periodic:
        return 20.0, 0.0
    y, x = ((axis.edges[[0]] + axis.edges[[-1]]) / 2 for axis in (grid.y, grid.x))
    lat, lon = (float(part[0, 0]) for part in to_degrees(grid, y, x))
    return (lat, lon) if np.isfinite([lat, lon]).all() else (20.0, 0.0)


def on_disc(lat: np.ndarray, lon: np.ndarray, centre: tuple[float, float]) -> np.ndarray:
    """Project places orthographically, as the Earth is seen from far above a point.

    Parameters
    ----------
    lat, lon : numpy.ndarray
        Degrees, of any shape.
    centre : tuple of float
        Latitude and longitude of the point in the middle.

    Returns
    -------
    numpy.ndarray
        ``(2, ...)``, to the east and to the north in radii of the Earth; NaN on the far side.
        Snyder (1987, doi:10.3133/pp1395), equations 20-3 and 20-4.
    """
    phi, lam = np.deg2rad(centre)
    towards = directions(*np.array(centre))
    east = np.array([-np.sin(lam), np.cos(lam), 0.0])
    north = np.array([-np.sin(phi) * np.cos(lam), -np.sin(phi) * np.sin(lam), np.cos(phi)])
    with np.errstate(invalid="ignore"):
        vectors = directions(lat, lon)
        seen = np.tensordot(towards, vectors, 1) >= 0
    flat = np.stack([np.tensordot(axis, vectors, 1) for axis in (east, north)])
    return np.where(seen, flat, np.nan)


def _places_of_edges(grid: Grid) -> list[np.ndarray]:
    """Find longitude and latitude ``(2, point)`` of the lines of cell edges; NaN off the Earth."""
    found = []
    try:
        for lines, along_x in zip(cell_edges(grid), (True, False), strict=True):
            for x, y in lines:
                lat, lon = to_degrees(grid, y[:1], x) if along_x else to_degrees(grid, y, x[:1])
                line = np.stack([lon.ravel(), lat.ravel()])
                found.append(np.where(np.isfinite(line).all(axis=0), line, np.nan))
    except ProjError:  # a CRS without a relation to the Earth, such as that of a building
        return []
    return found


def _draw_globe(axes: Axes, grid: Grid, places: list[np.ndarray]) -> None:
    centre = centre_of(grid)
    around = np.linspace(0, 2 * np.pi, 181)
    axes.plot(np.cos(around), np.sin(around), color=GREY, linewidth=1)
    every = np.linspace(-180, 180, 181)
    for lat in range(-60, 90, 30):
        axes.plot(*on_disc(np.full(181, lat), every, centre), color=GREY, linewidth=0.4)
    for lon in range(-180, 180, 30):
        axes.plot(*on_disc(every / 2, np.full(181, lon), centre), color=GREY, linewidth=0.4)
    drawn = [on_disc(lat, lon, centre) for lon, lat in places]
    for line in drawn:
        axes.plot(*line, color=DOMAIN, linewidth=0.8)
    if max(np.nanmax(np.hypot(*line), initial=0.0) for line in drawn) < np.sin(np.deg2rad(DOT)):
        axes.plot(0, 0, "o", color=DOMAIN)
    axes.set_aspect("equal")
    axes.axis("off")
    named = f"{_named(centre[0], 'NS')} {_named(centre[1], 'EW')}"
    axes.set_title(f"around {named}", color=GREY, fontsize=8)


def _named(degrees: float, letters: str) -> str:
    degrees = (degrees + 180) % 360 - 180 if letters == "EW" else degrees
    return f"{abs(degrees):.4g}°{letters[degrees < 0]}"


def _draw_cells(axes: Axes, grid: Grid) -> None:
    rows, columns = cell_edges(grid)
    for lines in (rows, columns):
        for i, line in enumerate(lines):
            outer = i in (0, len(lines) - 1)
            axes.plot(*line, color=DOMAIN, linewidth=1.5 if outer else 0.5)
    for axis, label in ((grid.x, axes.set_xlabel), (grid.y, axes.set_ylabel)):
        units = str(axis.attrs.get("units", ""))
        label(as_label(f"{axis.name} ({units})" if units else axis.name), color=GREY, fontsize=8)
    axes.tick_params(colors=GREY, labelsize=7)
    axes.ticklabel_format(useOffset=False)
    axes.locator_params(nbins=5)
    for spine in axes.spines.values():
        spine.set_color(GREY)
    height = abs(grid.y.edges[-1] - grid.y.edges[0])
    width = abs(grid.x.edges[-1] - grid.x.edges[0])
    if 0.2 < height / width < 5:
        axes.set_aspect("equal")

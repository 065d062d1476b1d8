"""Small maps of a domain as SVG, for notebooks: no script, no file, no colour of its own theme."""

from __future__ import annotations

import html

import numpy as np

from xr_dl4ds.grid.fields import Grid
from xr_dl4ds.overview.outline import Mesh, Region, region_of
from xr_dl4ds.overview.pieces import clipped, parted
from xr_dl4ds.overview.zoom import Panel, degrees, degrees_panel, native_panel

#: Of the domain: readable on white and on black.
COLOUR = "#e8590c"
#: Degrees: domains within such a distance are drawn again, larger; smaller ones get a dot; the
#: smallest have no inside.
_ZOOM, _DOT, _NOTHING = 32.0, 2.5, 1e-6
#: Pixels left of, above, right of and below the world, at a pixel a degree.
_LEFT, _TOP, _RIGHT, _BOTTOM = 30, 6, 14, 16


def maps(grid: Grid) -> str:
    """A map of the world with the domain, and a larger one of the domain where it is small.

    Parameters
    ----------
    grid : Grid
        Its outer edges are drawn, and every n-th of its lines.

    Returns
    -------
    str
        SVG elements side by side; that of the domain alone, in its own coordinates, for a grid of
        which nothing says where it lies.
    """
    region = region_of(grid)
    if region is None:
        drawn = [_zoomed(native_panel(grid, Mesh.of(grid)))]
    else:
        drawn = [_world(region)]
        if _NOTHING < region.radius < _ZOOM:
            drawn.append(_zoomed(degrees_panel(region)))
    return f"<div>{''.join(drawn)}</div>"


def _world(region: Region) -> str:
    parts = [_frame(_LEFT, _TOP, 360, 180)]
    for lon in range(-150, 180, 30):
        ends = np.array([[lon, lon], [-90.0, 90.0]])
        parts.append(_line([_on_world(ends)], "currentColor", 0.3 if lon else 0.7, 0.6))
    for lat in range(-60, 90, 30):
        ends = np.array([[-180.0, 180.0], [lat, lat]])
        parts.append(_line([_on_world(ends)], "currentColor", 0.3 if lat else 0.7, 0.6))
    for lon in (-90, 0, 90):
        at = _on_world(np.array([[lon], [-90.0]]))[:, 0]
        parts.append(_text(at[0], at[1] + 11, degrees(lon, "EW"), "middle"))
    for lat in (-60, -30, 0, 30, 60):
        at = _on_world(np.array([[-180.0], [lat]]))[:, 0]
        parts.append(_text(at[0] - 3, at[1] + 3, degrees(lat, "NS"), "end"))
    area = [_on_world(piece) for piece in clipped(region.polygon)]
    if region.outside:
        corners = np.array([[-180.0, 180.0, 180.0, -180.0], [-90.0, -90.0, 90.0, 90.0]])
        area.append(_on_world(corners))
    parts.append(
        f"<path d='{_path(area, close=True)}' fill='{COLOUR}' fill-opacity='0.25'"
        " fill-rule='evenodd' stroke='none'/>"
    )
    parts.append(_line([_on_world(piece) for piece in parted(region.ring)], COLOUR, 1, 1.5))
    if region.radius < _DOT:
        north, east = region.centre
        x, y = _on_world(np.array([[(east + 180) % 360 - 180], [north]]))[:, 0]
        parts.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='4' fill='{COLOUR}'/>")
    size = (_LEFT + 360 + _RIGHT, _TOP + 180 + _BOTTOM)
    return _svg(size, "The domain on a map of the world", parts)


def _zoomed(panel: Panel) -> str:
    parts = [_frame(*panel.frame)]
    parts.append(_line(panel.graticule, "currentColor", 0.4, 0.6, dashed=True))
    parts.append(_line(panel.lines, COLOUR, 0.55, 0.6))
    parts.append(
        f"<path d='{_path([panel.outline], close=True)}' fill='{COLOUR}' fill-opacity='0.12'"
        f" stroke='{COLOUR}' stroke-width='1.5'/>"
    )
    parts += [_text(*label) for label in panel.labels]
    return _svg(panel.size, panel.title, parts)


def _on_world(points: np.ndarray) -> np.ndarray:
    """Pixels ``(2, point)`` of longitudes in -180..180 and latitudes."""
    return np.stack([_LEFT + 180 + points[0], _TOP + 90 - points[1]])


def _svg(size: tuple[int, int], title: str, parts: list[str]) -> str:
    width, height = size
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}'"
        f" viewBox='0 0 {width} {height}' role='img' style='max-width:100%'>"
        f"<title>{html.escape(title)}</title>{''.join(parts)}</svg>"
    )


def _path(pieces: list[np.ndarray], *, close: bool = False) -> str:
    end = "Z" if close else ""
    return "".join("M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in piece.T) + end for piece in pieces)


def _line(
    pieces: list[np.ndarray], colour: str, opacity: float, width: float, *, dashed: bool = False
) -> str:
    dashes = " stroke-dasharray='3 3'" if dashed else ""
    return (
        f"<path d='{_path(pieces)}' fill='none' stroke='{colour}' stroke-opacity='{opacity}'"
        f" stroke-width='{width}'{dashes}/>"
    )


def _frame(left: float, top: float, width: float, height: float) -> str:
    return (
        f"<rect x='{left}' y='{top}' width='{width}' height='{height}' fill='none'"
        " stroke='currentColor' stroke-opacity='0.7' stroke-width='1'/>"
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='9' font-family='sans-serif'"
        f" fill='currentColor' text-anchor='{anchor}'>{html.escape(text)}</text>"
    )

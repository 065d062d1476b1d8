"""The larger map of a small domain: seen from above its middle, or in its own coordinates."""

from __future__ import annotations

import dataclasses
from math import ceil

import numpy as np

from xr_dl4ds.grid.fields import Grid
from xr_dl4ds.grid.graticule import directions
from xr_dl4ds.overview.outline import Mesh, Region

#: Text in a panel: x, y, words, and which end of them is at x.
Label = tuple[float, float, str, str]

#: Pixels: longer and shortest side of what is drawn, and the margin around it.
_SIDE, _SHORT, _MARGIN = 190, 40, 12
#: Pixels left of, below and above the frame of native coordinates, for its labels.
_LEFT, _BOTTOM, _TOP = 52, 16, 16
#: Distances of meridians and parallels that are easily read, in degrees.
_STEPS = np.array([m * 10.0**k for k in range(-4, 1) for m in (1, 2, 5)] + [10, 15, 30, 45])
_DENSE = 240
#: Which end of a label is at the end of its line.
_ANCHORS = {"parallel": "start", "meridian": "middle"}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """Lines in pixels, ``(2, point)`` each, and labels.

    Parameters
    ----------
    title : str
        For those who do not see it.
    size : tuple of int
        Width and height.
    frame : tuple of float
        Left, top, width and height of the frame.
    outline : numpy.ndarray
        Of the domain.
    lines, graticule : list of numpy.ndarray
        The grid's own, and meridians and parallels.
    labels : list of tuple
        See `Label`.
    """

    title: str
    size: tuple[int, int]
    frame: tuple[float, float, float, float]
    outline: np.ndarray
    lines: list[np.ndarray]
    graticule: list[np.ndarray]
    labels: list[Label]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Fit:
    """From a plane to the pixels of a frame: both directions by one scale, but for thin domains."""

    low: np.ndarray
    scale: np.ndarray
    inner: np.ndarray

    @classmethod
    def around(cls, points: np.ndarray) -> _Fit:
        low, high = points.min(axis=1), points.max(axis=1)
        size = _SIDE * (high - low) / (high - low).max()
        inner = np.maximum(size, _SHORT)
        return cls(low=low, scale=inner / (high - low), inner=inner)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        at = (points - self.low[:, None]) * self.scale[:, None] + _MARGIN
        return np.stack([at[0], self.inner[1] + 2 * _MARGIN - at[1]])

    @property
    def size(self) -> tuple[float, float]:
        width, height = self.inner + 2 * _MARGIN
        return float(width), float(height)


def degrees_panel(region: Region) -> Panel:
    """Seen from far above the middle of the domain, with meridians and parallels."""

    def seen(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        return _from_above(region.centre, lon, lat)

    fit = _Fit.around(seen(*region.ring))
    lines = [fit(seen(region.lon[i], region.lat[i])) for i in region.mesh.rows[1:-1]]
    lines += [fit(seen(region.lon[:, j], region.lat[:, j])) for j in region.mesh.columns[1:-1]]
    width, height = fit.size
    graticule: list[np.ndarray] = []
    labels: list[Label] = []
    for lon, lat, words, kind in _circles(region):
        runs = _inside(fit(seen(lon, lat)), width, height)
        graticule += [_thinned(run, 30) for run in runs]
        if runs:
            at = _place(runs, kind, region.centre[0], (width, height))
            if not any(abs(at[0] - x) < 30 and abs(at[1] - y) < 10 for x, y, *_ in labels):
                labels.append((*at, words, _ANCHORS[kind]))
    return Panel(
        title="The domain and lines of its grid, with meridians and parallels",
        size=(ceil(width), ceil(height)),
        frame=(0.5, 0.5, ceil(width) - 1, ceil(height) - 1),
        outline=fit(seen(*region.ring)),
        lines=[_thinned(run, 24) for line in lines for run in _inside(line, width, height)],
        graticule=graticule,
        labels=labels,
    )


def native_panel(grid: Grid, mesh: Mesh) -> Panel:
    """The domain in the coordinates of its axes."""
    rows, columns = mesh.border()
    ring = np.stack([mesh.x[columns], mesh.y[rows]])
    fit = _Fit.around(ring)
    y, x = mesh.y[[0, -1]], mesh.x[[0, -1]]
    lines = [fit(np.stack([x, np.full(2, mesh.y[i])])) for i in mesh.rows[1:-1]]
    lines += [fit(np.stack([np.full(2, mesh.x[j]), y])) for j in mesh.columns[1:-1]]
    (width, height), shift = fit.size, np.array([[_LEFT], [_TOP]])
    (left, right), (bottom, top) = fit(np.stack([x, y])) + shift
    below, beside = _TOP + height + 11, _LEFT - 3
    labels: list[Label] = [
        (left, below, f"{x[0]:g}", "middle"),
        (right, below, f"{x[1]:g}", "middle"),
        ((left + right) / 2, below, _named(grid.x.name, grid.x.attrs.get("units")), "middle"),
        (beside, bottom + 3, f"{y[0]:g}", "end"),
        (beside, top + 3, f"{y[1]:g}", "end"),
        (_LEFT, _TOP - 4, _named(grid.y.name, grid.y.attrs.get("units")), "start"),
    ]
    return Panel(
        title="The domain and lines of its grid, in its own coordinates",
        size=(ceil(width) + 2 * _LEFT, ceil(height) + _TOP + _BOTTOM),
        frame=(_LEFT, _TOP, ceil(width), ceil(height)),
        outline=fit(ring) + shift,
        lines=[line + shift for line in lines],
        graticule=[],
        labels=labels,
    )


def _named(name: str, units: object) -> str:
    text = name if not units else f"{name} ({units})"
    return text if len(text) <= 20 else f"{text[:19]}…"


def _from_above(centre: tuple[float, float], lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """The orthographic projection (Snyder 1987, p. 149), in radii."""
    across = directions(np.array(0.0), np.array(centre[1] + 90))
    out = directions(*np.array(centre))
    vectors = directions(lat, lon)
    return np.stack([across @ vectors, np.cross(out, across) @ vectors])


def _circles(region: Region) -> list[tuple[np.ndarray, np.ndarray, str, str]]:
    """Longitudes, latitudes, names and kinds of the meridians and parallels about a domain."""
    lat0, lon0 = region.centre
    radius = 1.4 * region.radius
    south, north = max(lat0 - radius, -90), min(lat0 + radius, 90)
    step = _step(2 * region.radius / 4)
    width = radius / max(np.cos(np.deg2rad(lat0)), 1e-9)
    if region.around_pole or width > 120:
        width, apart = 180.0, 30.0
    else:
        apart = _step(width / 1.4 * 2 / 4)
    found = []
    along = np.linspace(lon0 - width, lon0 + width, _DENSE)
    for lat in _multiples(step, south, north):
        if abs(lat) < 90:
            found.append((along, np.full(_DENSE, lat), degrees(lat, "NS"), "parallel"))
    along = np.linspace(south, north, _DENSE)
    for lon in _multiples(apart, lon0 - width, lon0 + width)[: round(360 / apart)]:
        words = degrees((lon + 180) % 360 - 180, "EW")
        found.append((np.full(_DENSE, lon), along, words, "meridian"))
    return found


def degrees(value: float, letters: str) -> str:
    """Such as "30°N", by the letters of the positive and the negative side."""
    value = float(round(value, 6))
    letter = letters[value < 0] if value % 180 else ""
    return f"{abs(value):g}°{letter}"


def _step(wanted: float) -> float:
    return float(_STEPS[min(int(np.searchsorted(_STEPS, wanted)), _STEPS.size - 1)])


def _multiples(step: float, low: float, high: float) -> np.ndarray:
    return step * np.arange(np.ceil(low / step), np.floor(high / step) + 1)


def _inside(line: np.ndarray, width: float, height: float) -> list[np.ndarray]:
    """Parts of a line within the panel."""
    within = (line >= 0).all(axis=0) & (line[0] <= width) & (line[1] <= height)
    cuts = np.flatnonzero(np.diff(within)) + 1
    parts = np.split(np.arange(within.size), cuts)
    return [line[:, part] for part in parts if within[part[0]] and part.size > 1]


def _thinned(line: np.ndarray, points: int) -> np.ndarray:
    """So many points of a line at most, with both its ends: enough for a gentle curve."""
    keep = np.unique(np.linspace(0, line.shape[1] - 1, points).round().astype(int))
    return line[:, keep]


def _place(
    runs: list[np.ndarray], kind: str, lat0: float, size: tuple[float, float]
) -> tuple[float, float]:
    """The western end of a parallel, the lower end of a meridian: where its label goes."""
    points = np.concatenate(runs, axis=1)
    width, height = size
    if kind == "parallel":
        x, y = points[:, points[0].argmin()]
        return max(x, 0) + 3, max(y - 2, 10)
    if abs(lat0) > 60:  # meridians meet: at the end that is nearer to the equator
        x, y = points[:, 0 if lat0 > 0 else -1]
    else:
        x, y = points[:, points[1].argmax()]
    return min(max(x, 12), width - 12), min(max(y - 3, 10), height - 3)

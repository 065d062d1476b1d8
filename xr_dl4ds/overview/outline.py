"""Where on the Earth the outer edges of a grid run, and which side of them is inside."""

from __future__ import annotations

import dataclasses

import pyproj
import numpy as np

from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.crs import placed, to_degrees
from xr_dl4ds.grid.fields import Grid
from xr_dl4ds.grid.graticule import degrees_between, directions

#: Most parts into which drawn lines divide an axis, and points along an axis.
LINES, POINTS = 12, 96
#: How many times as many points for domains that reach beyond the Earth.
_FINER = 4


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Mesh:
    """Positions along both axes, dense enough to draw curves through.

    Parameters
    ----------
    y, x : numpy.ndarray
        Canonical coordinates, from the first to the last cell edge.
    rows, columns : numpy.ndarray
        Which of them are lines to draw: every n-th cell edge and the outer ones.
    """

    y: np.ndarray
    x: np.ndarray
    rows: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, grid: Grid, points: int = POINTS) -> Mesh:
        """The mesh of a grid with so many points, or some more, along each axis."""
        (y, rows), (x, columns) = _positions(grid.y, points), _positions(grid.x, points)
        return cls(y=y, x=x, rows=rows, columns=columns)

    def border(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the points around the mesh, the first one again at the end."""
        n, m = self.y.size, self.x.size
        up, right = np.arange(n - 1), np.arange(m - 1)
        rows = np.r_[0 * right, up, 0 * right + n - 1, n - 1 - up, 0]
        columns = np.r_[right, 0 * up + m - 1, m - 1 - right, 0 * up, 0]
        return rows, columns


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Region:
    """A domain on the Earth.

    Parameters
    ----------
    mesh : Mesh
        Positions in its own coordinates.
    lat, lon : numpy.ndarray
        Degrees at the positions of the mesh, ``(y, x)``; infinite off the Earth.
    ring : numpy.ndarray
        Its outline, ``(2, point)``: longitudes, which do not jump, and latitudes; closed, but for
        whole turns where it goes around a pole.
    polygon : numpy.ndarray
        The same as an area of the plane of longitude and latitude, by way of the pole if need be.
    outside : bool
        Whether the domain is what lies outside the polygon, as where both poles are within.
    centre : tuple of float
        Latitude and longitude amid the cells.
    radius : float
        Degrees of the great circle from there to the farthest point of the outline.
    """

    mesh: Mesh
    lat: np.ndarray
    lon: np.ndarray
    ring: np.ndarray
    polygon: np.ndarray
    outside: bool
    centre: tuple[float, float]
    radius: float

    @property
    def around_pole(self) -> bool:
        """Whether the domain holds a pole."""
        return self.outside or self.polygon.shape != self.ring.shape


def region_of(grid: Grid) -> Region | None:
    """The domain of a grid; None where nothing says where it lies."""
    if not placed(grid):
        return None
    mesh = Mesh.of(grid)
    try:
        lat, lon = to_degrees(grid, mesh.y, mesh.x)
    except pyproj.exceptions.ProjError:  # a CRS of no place on the Earth, as of a building
        return None
    if not np.isfinite(lat[mesh.border()]).all():  # the limb is looked for among more points
        mesh = Mesh.of(grid, _FINER * POINTS)
        lat, lon = to_degrees(grid, mesh.y, mesh.x)
    on_earth = np.isfinite(lat) & np.isfinite(lon)
    middle = mesh.y.size // 2, mesh.x.size // 2
    if not on_earth[middle]:
        return None
    rows, columns = _onto_earth(on_earth, mesh.border(), middle)
    ring = np.stack([unwrapped(lon[rows, columns]), lat[rows, columns]])
    polygon, outside = _area(ring, *_inner(lat, lon, on_earth))
    centre = float(lat[middle]), float(lon[middle])
    apart = degrees_between(directions(*np.array(centre))[:, None], directions(ring[1], ring[0]))
    return Region(
        mesh=mesh,
        lat=lat,
        lon=lon,
        ring=ring,
        polygon=polygon,
        outside=outside,
        centre=centre,
        radius=float(apart.max()),
    )


def unwrapped(lon: np.ndarray) -> np.ndarray:
    """Longitudes of points one after the other, by the shorter way from each to the next."""
    steps = (np.diff(lon) + 180) % 360 - 180
    return lon[0] + np.r_[0, np.cumsum(steps)]


def contains(polygon: np.ndarray, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Whether points lie in a polygon ``(2, point)``, whichever turn it is on, by even and odd."""
    inside = np.zeros(lon.shape, bool)
    (x0, y0), (x1, y1) = polygon[:, :-1], polygon[:, 1:]
    for turn in range(-3, 4):
        at = lon[:, None] + 360 * turn
        level = (y0 > lat[:, None]) != (y1 > lat[:, None])
        rise = np.where(y1 == y0, 1, y1 - y0)
        east = at < x0 + (x1 - x0) * (lat[:, None] - y0) / rise
        inside ^= (level & east).sum(axis=1) % 2 == 1  # turns may overlap, as where it is cut
    return inside


def _positions(axis: Axis, points: int) -> tuple[np.ndarray, np.ndarray]:
    every = -(-axis.size // LINES)
    lines = np.r_[np.arange(0, axis.size, every), axis.size]
    parts = -(-points // (lines.size - 1))
    fine = np.interp(np.arange((lines.size - 1) * parts + 1) / parts, np.arange(lines.size), lines)
    rows = np.arange(lines.size) * parts
    return np.interp(fine, np.arange(axis.size + 1), axis.edges), rows


def _onto_earth(
    on_earth: np.ndarray, border: tuple[np.ndarray, np.ndarray], middle: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Points of the border, or the first ones on the Earth on the way from there to the middle."""
    if on_earth[border].all():
        return border
    border = tuple(np.r_[at[:-1:_FINER], at[:1]] for at in border)
    share = np.linspace(0, 1, 2 * _FINER * POINTS)[:, None]
    rows, columns = (
        np.round(edge + share * (m - edge)).astype(int)
        for edge, m in zip(border, middle, strict=True)
    )
    first = on_earth[rows, columns].argmax(axis=0)
    points = np.arange(first.size)
    return rows[first, points], columns[first, points]


def _inner(lat: np.ndarray, lon: np.ndarray, on_earth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Longitudes and latitudes of some points well inside the domain."""
    rows, columns = (np.linspace(0, n - 1, 7).astype(int)[1:-1] for n in lat.shape)
    some = np.ix_(rows, columns)
    keep = on_earth[some] & (np.abs(lat[some]) < 89.9)
    return lon[some][keep], lat[some][keep]


def _area(ring: np.ndarray, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, bool]:
    """The polygon within a ring, by the points known to be inside; and whether it is outside."""
    turns = round((ring[0, -1] - ring[0, 0]) / 360)
    if turns == 0:
        return ring, bool(contains(ring, lon, lat).mean() < 0.5) if lon.size else False
    caps = []
    for pole in (90.0, -90.0):
        ends = np.array([[ring[0, -1], ring[0, 0], ring[0, 0]], [pole, pole, ring[1, 0]]])
        caps.append(np.concatenate([ring, ends], axis=1))
    votes = [contains(cap, lon, lat).sum() for cap in caps]
    return caps[int(np.argmax(votes))], False

"""The file's own latitude and longitude of each cell, where the axes are anything else.

Projected and rotated grids often come with two-dimensional coordinates beside their axes: without
a CRS they are all that says where the cells lie, and some files state a CRS that is not theirs.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Hashable
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xr_dl4ds.grid.coordinates import in_memory
from xr_dl4ds.grid.crs import is_planar, label, projection, to_degrees

if TYPE_CHECKING:
    from xr_dl4ds.grid.fields import Grid

logger = logging.getLogger(__name__)

#: Largest distance, in cells, between the places by the CRS and those of the file.
AGREEMENT = 0.1

#: Steps towards a place, and the part of a cell at which to stop.
_ITERATIONS, _PRECISION = 20, 1e-7

_NAMES = {
    "latitude": {"lat", "latitude", "nav_lat", "xlat", "lats", "tlat", "gphit", "geolat"},
    "longitude": {"lon", "longitude", "nav_lon", "xlong", "lons", "tlon", "tlong", "glamt"},
}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Graticule:
    """Latitude and longitude of the cell centres of a grid.

    Parameters
    ----------
    y, x : numpy.ndarray
        Its canonical centres, ``(y,)`` and ``(x,)``.
    lat, lon : numpy.ndarray
        Degrees, ``(y, x)``, finite.
    """

    y: np.ndarray
    x: np.ndarray
    lat: np.ndarray
    lon: np.ndarray

    def at(self, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Latitude and longitude ``(y, x)`` of positions along the axes.

        Linear along both in the unit vectors of the places, so that neither a pole nor a seam is
        special; the outer cells are continued beyond their centres.
        """
        rows, below = _neighbours(self.y, y)
        columns, left = _neighbours(self.x, x)
        vectors = directions(self.lat, self.lon)
        south = vectors[:, rows] * (1 - below[:, None]) + vectors[:, rows + 1] * below[:, None]
        lat, lon = degrees_of(south[..., columns] * (1 - left) + south[..., columns + 1] * left)
        return lat, lon % 360 if (self.lon > 180).any() else lon

    def locate(self, lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates along y and x of places of any shape: the way back from `at`.

        By the method of Gauss and Newton, from the nearest of some thousand cells; infinite for
        places more than two cells away from the outer centres.
        """
        vectors, wanted = directions(self.lat, self.lon), directions(lat, lon).reshape(3, -1)
        at = self._first_guess(vectors, wanted)
        limits = np.array([[self.y.size], [self.x.size]]) + 1.0
        for _ in range(_ITERATIONS):
            step = _newton(*_bilinear(vectors, at), wanted)
            at = np.clip(at + step, -2.0, limits)
            if np.abs(step).max(initial=0) < _PRECISION:
                break
        far = ((at <= -2) | (at >= limits)).any(axis=0) | (
            degrees_between(_unit(_bilinear(vectors, at)[0]), wanted) > self.cell
        )
        found = (_continued(c, i) for c, i in zip((self.y, self.x), at, strict=True))
        y, x = (np.where(far, np.inf, c).reshape(np.shape(lat)) for c in found)
        return y, x

    def _first_guess(self, vectors: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Row and column ``(2, place)`` of the nearest of a thinned set of cells."""
        rows, columns = (
            np.unique(np.linspace(0, n - 1, min(n, 40)).astype(int)) for n in self.lat.shape
        )
        some = vectors[:, rows][..., columns].reshape(3, -1).astype("f4")
        close = wanted.astype("f4")
        parts = [close[:, i : i + 20000] for i in range(0, close.shape[1], 20000)]
        nearest = np.concatenate([(part.T @ some).argmax(axis=1) for part in parts] or [[]])
        row, column = np.divmod(nearest.astype(int), columns.size)
        return np.stack([rows[row], columns[column]]).astype("f8")

    @property
    def cell(self) -> float:
        """Degrees of a great circle between neighbours, the median along the closer axis."""
        vectors = directions(self.lat, self.lon)
        steps = (
            degrees_between(vectors[:, 1:], vectors[:, :-1]),
            degrees_between(vectors[..., 1:], vectors[..., :-1]),
        )
        return float(min(np.median(s) for s in steps))


def directions(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Unit vectors ``(3, ...)`` to places in degrees: towards 0 E, 90 E and north."""
    lat, lon = np.deg2rad(np.asarray(lat, "f8")), np.deg2rad(np.asarray(lon, "f8"))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def degrees_of(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude, in -180..180, of vectors ``(3, ...)`` of any length but zero."""
    lat = np.arctan2(vectors[2], np.hypot(vectors[0], vectors[1]))
    return np.rad2deg(lat), np.rad2deg(np.arctan2(vectors[1], vectors[0]))


def degrees_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Degrees of the great circle between unit vectors ``(3, ...)``, exact for small ones too."""
    half = np.linalg.norm(a - b, axis=0) / 2
    return np.rad2deg(2 * np.arcsin(np.minimum(half, 1)))


def graticule_of(variable: xr.DataArray, dims: tuple[str, str], grid: Grid) -> Graticule | None:
    """The latitude and longitude that a variable brings along, where its grid needs them.

    Parameters
    ----------
    variable : xarray.DataArray
        With its coordinates, found by CF attributes or by name.
    dims : tuple of str
        Its dimensions along y and x.
    grid : Grid
        Its grid, without a graticule.

    Returns
    -------
    Graticule or None
        None for axes of latitude and longitude, without usable coordinates, and where the CRS says
        the same to a tenth of a cell. Where it does not, the coordinates are preferred.
    """
    if not is_planar(grid):
        return None
    crs = projection(grid)
    found = _coordinates(variable, dims)
    if found is None:
        return None
    order = {dims[0]: grid.y.order, dims[1]: grid.x.order}
    lat, lon = (in_memory(variable[n].transpose(*dims).isel(order)).astype("f8") for n in found)
    if not (np.isfinite(lat).all() and np.isfinite(lon).all() and np.abs(lat).max() <= 90.001):
        logger.info("%s are not used: not every cell has its latitude and longitude", found)
        return None
    own = Graticule(y=grid.y.canonical, x=grid.x.canonical, lat=lat, lon=lon)
    if crs is None:
        return own
    by_crs = to_degrees(grid, grid.y.canonical, grid.x.canonical)
    off_earth = ~np.isfinite(by_crs).all(axis=0)
    apart = degrees_between(directions(*np.where(off_earth, 0, by_crs)), directions(lat, lon))
    worst = np.where(off_earth, 180, apart).max() / own.cell if own.cell else np.inf
    if worst <= AGREEMENT:
        return None
    logger.warning(
        "%s and %s lie up to %.3g cells from where the CRS (%s, in %r) puts the cells: they are"
        " taken, and not the CRS",
        *found,
        worst,
        label(grid),
        grid.mapping_name,
    )
    return own


def _coordinates(variable: xr.DataArray, dims: tuple[str, str]) -> tuple[str, str] | None:
    """Names of the coordinates that hold latitude and longitude on exactly these dimensions."""
    names, others = [], []
    for kind in ("latitude", "longitude"):
        found: list[Hashable] = list(variable.cf.coordinates.get(kind, []))
        found += [n for n in variable.coords if str(n).lower() in _NAMES[kind] and n not in found]
        on_dims = [n for n in found if set(dims) <= set(variable[n].dims)]
        names.append([str(n) for n in on_dims if variable[n].ndim == 2])
        others += [str(n) for n in on_dims if variable[n].ndim > 2]
    if names[0] and names[1]:
        return names[0][0], names[1][0]
    if others:
        logger.info(
            "%s are not used: they vary along other dimensions than %s; select one step of them",
            others,
            dims,
        )
    return None


def _neighbours(centres: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The centre before each position, and the share of the way to the next one."""
    at = np.asarray(at, "f8")
    before = np.clip(np.searchsorted(centres, at, side="right") - 1, 0, centres.size - 2)
    return before, (at - centres[before]) / (centres[before + 1] - centres[before])


def _bilinear(vectors: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values ``(3, place)`` at rows and columns ``(2, place)``, and their slopes along both."""
    (row, column), (down, right) = _whole_and_share(at, vectors.shape[1:])
    corner = [[vectors[:, row + i, column + j] for j in (0, 1)] for i in (0, 1)]
    above, below = (a * (1 - right) + b * right for a, b in corner)
    left, rest = (corner[0][j] * (1 - down) + corner[1][j] * down for j in (0, 1))
    return above * (1 - down) + below * down, below - above, rest - left


def _newton(
    place: np.ndarray, by_row: np.ndarray, by_column: np.ndarray, wanted: np.ndarray
) -> np.ndarray:
    """Rows and columns ``(2, place)`` to go from `place` to the direction `wanted`.

    Only what is across that direction counts, because a chord runs below the sphere.
    """
    across, a, b = (v - (v * wanted).sum(axis=0) * wanted for v in (-place, by_row, by_column))
    aa, ab, bb = (a * a).sum(axis=0), (a * b).sum(axis=0), (b * b).sum(axis=0)
    to = (a * across).sum(axis=0), (b * across).sum(axis=0)
    area = aa * bb - ab**2
    usable = area > 1e-9 * aa * bb  # not where neighbours share their place
    step = np.stack([bb * to[0] - ab * to[1], aa * to[1] - ab * to[0]])
    return np.where(usable, step, 0) / np.where(usable, area, 1)


def _whole_and_share(at: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    last = np.array(shape)[:, None] - 2
    whole = np.clip(np.floor(at), 0, last).astype(int)
    return whole, at - whole


def _continued(centres: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Coordinates at positions in cells, linear beyond the outer centres too."""
    before = np.clip(np.floor(at), 0, centres.size - 2).astype(int)
    return centres[before] + (at - before) * (centres[before + 1] - centres[before])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=0)

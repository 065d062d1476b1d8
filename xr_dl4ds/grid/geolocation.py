"""Latitude and longitude of each cell of a grid, and geometry on the sphere."""

from __future__ import annotations

import dataclasses

import numpy as np

#: Largest number of iterations, and the step length, in cells, at which they stop.
_ITERATIONS, _PRECISION = 20, 1e-7


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Geolocation:
    """Latitude and longitude of the cell centres of a grid.

    Parameters
    ----------
    y, x : numpy.ndarray
        Canonical centres of the grid, ``(y,)`` and ``(x,)``.
    lat, lon : numpy.ndarray
        Degrees, ``(y, x)``, finite.
    """

    y: np.ndarray
    x: np.ndarray
    lat: np.ndarray
    lon: np.ndarray

    def at(self, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return latitude and longitude ``(y, x)`` of positions along the axes.

        The interpolation is bilinear in unit vectors, so that poles and the longitude wrap-around
        need no special treatment. Positions beyond the outer centres are extrapolated linearly.
        """
        rows, below = _neighbours(self.y, y)
        columns, left = _neighbours(self.x, x)
        vectors = directions(self.lat, self.lon)
        south = vectors[:, rows] * (1 - below[:, None]) + vectors[:, rows + 1] * below[:, None]
        lat, lon = degrees_of(south[..., columns] * (1 - left) + south[..., columns + 1] * left)
        return lat, lon % 360 if (self.lon > 180).any() else lon

    def locate(self, lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return coordinates along y and x of locations of any shape: the inverse of `at`.

        The Gauss-Newton iteration starts from the nearest of at most 40 x 40 cells. Coordinates
        are infinite for locations more than two cells away from the outer centres.
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
        """Return row and column ``(2, place)`` of the nearest cell in a thinned set of cells."""
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
        """Median great-circle distance between neighbours along the finer axis, in degrees."""
        vectors = directions(self.lat, self.lon)
        steps = (
            degrees_between(vectors[:, 1:], vectors[:, :-1]),
            degrees_between(vectors[..., 1:], vectors[..., :-1]),
        )
        return float(min(np.median(s) for s in steps))


def directions(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Convert degrees to unit vectors ``(3, ...)`` with components to 0 E, 90 E and north."""
    lat, lon = np.deg2rad(np.asarray(lat, "f8")), np.deg2rad(np.asarray(lon, "f8"))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def degrees_of(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Convert non-zero vectors ``(3, ...)`` to latitude and longitude (-180 to 180)."""
    lat = np.arctan2(vectors[2], np.hypot(vectors[0], vectors[1]))
    return np.rad2deg(lat), np.rad2deg(np.arctan2(vectors[1], vectors[0]))


def degrees_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return great-circle distances between unit vectors ``(3, ...)``, in degrees.

    Small distances are accurate too.
    """
    half = np.linalg.norm(a - b, axis=0) / 2
    return np.rad2deg(2 * np.arcsin(np.minimum(half, 1)))


def _neighbours(centres: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the index of the centre before each position, and the fraction to the next centre."""
    at = np.asarray(at, "f8")
    before = np.clip(np.searchsorted(centres, at, side="right") - 1, 0, centres.size - 2)
    return before, (at - centres[before]) / (centres[before + 1] - centres[before])


def _bilinear(vectors: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return values ``(3, place)`` at rows and columns ``(2, place)``, and slopes along both."""
    (row, column), (down, right) = _whole_and_share(at, vectors.shape[1:])
    corner = [[vectors[:, row + i, column + j] for j in (0, 1)] for i in (0, 1)]
    above, below = (a * (1 - right) + b * right for a, b in corner)
    left, rest = (corner[0][j] * (1 - down) + corner[1][j] * down for j in (0, 1))
    return above * (1 - down) + below * down, below - above, rest - left


def _newton(
    place: np.ndarray, by_row: np.ndarray, by_column: np.ndarray, wanted: np.ndarray
) -> np.ndarray:
    """Return the step in rows and columns ``(2, place)`` from `place` to direction `wanted`.

    Only components perpendicular to `wanted` count, because a chord runs below the sphere.
    """
    across, a, b = (v - (v * wanted).sum(axis=0) * wanted for v in (-place, by_row, by_column))
    aa, ab, bb = (a * a).sum(axis=0), (a * b).sum(axis=0), (b * b).sum(axis=0)
    to = (a * across).sum(axis=0), (b * across).sum(axis=0)
    area = aa * bb - ab**2
    usable = area > 1e-9 * aa * bb  # no step where neighbours have the same location
    step = np.stack([bb * to[0] - ab * to[1], aa * to[1] - ab * to[0]])
    return np.where(usable, step, 0) / np.where(usable, area, 1)


def _whole_and_share(at: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    last = np.array(shape)[:, None] - 2
    whole = np.clip(np.floor(at), 0, last).astype(int)
    return whole, at - whole


def _continued(centres: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return coordinates at positions in cells, with linear extrapolation."""
    before = np.clip(np.floor(at), 0, centres.size - 2).astype(int)
    return centres[before] + (at - before) * (centres[before + 1] - centres[before])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=0)

"""Weights of source cells for target cells that lie anywhere on the source grid.

If both grids share their axes, one matrix for each axis is enough, see
`xr_dl4ds.grid.regridding.weights`. In this module, each target cell has its own neighbours.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from xr_dl4ds.grid.axis import TOLERANCE, Axis
from xr_dl4ds.grid.crs import from_degrees, is_planar, to_degrees
from xr_dl4ds.grid.geolocation import degrees_of, directions
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.regridding.weights import cubic_kernel, positions

#: Points per source cell along one side of a target cell, and limits of the number of points.
_POINTS, _LEAST, _MOST = 4, 8, 64

#: Cells next to each position, and their weights.
Neighbours = list[tuple[np.ndarray, np.ndarray]]


def locate(
    source: Grid, target: Grid, reach: float = 0.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows and columns of `source` in which the cell centres of `target` lie.

    Parameters
    ----------
    source, target : Grid
        Grids with known cell locations.
    reach : float
        Distance, in cells, that the outer cells of `source` extend from their centres.

    Returns
    -------
    rows, columns : numpy.ndarray
        Positions on `source`, ``(y, x)`` in the canonical order of `target`, defined as in
        `xr_dl4ds.grid.regridding.weights.positions`.
    inside : numpy.ndarray
        True where `source` has a cell, same shape.
    """
    places = to_degrees(target, target.y.canonical, target.x.canonical)
    return positions_of(source, *from_degrees(source, *places), reach=reach)


def positions_of(
    source: Grid, y: np.ndarray, x: np.ndarray, reach: float = 0.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows and columns of coordinates, and True where `source` has a cell."""
    inside = known = np.isfinite(y) & np.isfinite(x)
    out = []
    for axis, at in ((source.y, y), (source.x, x)):
        at = positions(axis, np.where(known, at, axis.canonical[0]))
        low, high = _limits(axis, reach)
        inside = inside & (at >= low) & (at <= high)
        out.append(at)
    return out[0], out[1], inside


def _limits(axis: Axis, reach: float) -> tuple[float, float]:
    """Return the first and last position inside; outer rows next to a pole reach the pole."""
    if axis.periodic:
        return -np.inf, np.inf
    first, last = axis.canonical[[0, -1]]
    to_poles = np.array([first + 90, 90 - last]) < 1.01 * axis.spacing
    reached = np.where(to_poles & (axis.kind == "latitude"), np.inf, reach + TOLERANCE)
    return float(-reached[0]), float(axis.size - 1 + reached[1])


def _nearest(at: np.ndarray, size: int) -> Neighbours:
    return [(np.clip(np.floor(at + 0.5), 0, size - 1).astype(int), np.ones_like(at))]


def _bilinear(at: np.ndarray, size: int) -> Neighbours:
    low = np.clip(np.floor(at), 0, size - 2).astype(int)
    share = np.clip(at - low, 0, 1)
    return [(low, 1 - share), (low + 1, share)]


def _bicubic(at: np.ndarray, size: int) -> Neighbours:
    first = np.floor(at).astype(int) - 1
    taps = [first + tap for tap in range(4)]
    return [(np.clip(tap, 0, size - 1), cubic_kernel(np.abs(at - tap))) for tap in taps]


_NEIGHBOURS: dict[str, Callable[[np.ndarray, int], Neighbours]] = {
    "nearest": _nearest,
    "bilinear": _bilinear,
    "bicubic": _bicubic,
}


@dataclasses.dataclass(frozen=True, eq=False)
class Taps:
    """Weighted neighbours of the centres of target cells.

    Parameters
    ----------
    rows, columns : numpy.ndarray
        Positions on the source grid, with shape ``(y, x)`` of the target.
    inside : numpy.ndarray
        True where the source has a cell.
    source : Grid
        The source grid.
    method : {"bicubic", "bilinear", "nearest"}
        Interpolation method, see the functions in `xr_dl4ds.grid.regridding.weights`.
    """

    rows: np.ndarray
    columns: np.ndarray
    inside: np.ndarray
    source: Grid
    method: str

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """Regrid arrays ``(..., y, x)``; mask as `xr_dl4ds.grid.regridding.weights.apply` does."""
        flat = block.reshape(*block.shape[:-2], block.shape[-2] * block.shape[-1])
        missing = ~np.isfinite(flat)
        masked = missing.any()
        filled = np.where(missing, 0, flat) if masked else flat
        out = np.zeros((*flat.shape[:-1], *self.rows.shape), block.dtype)
        touched = np.zeros(out.shape, bool) if masked else None
        for index, weight in self._pairs(self.method):
            out += weight.astype(block.dtype) * filled[..., index]
            if touched is not None:
                touched |= missing[..., index] & (weight != 0)
        if touched is not None:
            ((index, _),) = self._pairs("nearest")
            out = np.where(touched, np.where(missing, np.nan, flat)[..., index], out)
        return np.where(self.inside, out, np.nan).astype(block.dtype)

    def _pairs(self, method: str) -> Neighbours:
        """Return flat positions of source cells and their weights, ``(y, x)`` each."""
        y, x = self.source.y, self.source.x
        rows = _along(y, self.rows, method)
        columns = _along(x, self.columns, method)
        return [(i * x.size + j, v * w) for i, v in rows for j, w in columns]


def _along(axis: Axis, at: np.ndarray, method: str) -> Neighbours:
    """Return neighbours along one axis; on a global domain, also across the wrap-around."""
    run = 3 * axis.size if axis.periodic else axis.size
    return [(cell % axis.size, weight) for cell, weight in _NEIGHBOURS[method](at, run)]


@dataclasses.dataclass(frozen=True, eq=False)
class Shares:
    """Share of each target cell that each source cell covers, found by counting points.

    Each target cell is filled with points: four per source cell along each side, and 8 to 64
    along each side in total. A point belongs to the source cell that contains it. Only the corners
    of the target cell are transformed, and the points are placed between them. The error is
    proportional to the squared ratio of cell size to Earth size.

    Parameters
    ----------
    cells, members : numpy.ndarray
        Flat positions of target cells and of the source cells in them, ``(share,)``.
    weights : numpy.ndarray
        Number of points that the two cells share.
    shape : tuple of int
        Number of target cells along y and x.
    """

    cells: np.ndarray
    members: np.ndarray
    weights: np.ndarray
    shape: tuple[int, int]

    @classmethod
    def between(cls, source: Grid, target: Grid, ratio: np.ndarray) -> Shares:
        """Count the points of each pair of cells.

        Parameters
        ----------
        source, target : Grid
            The two grids.
        ratio : numpy.ndarray
            Size of a target cell divided by the size of a source cell, along y and x.
        """
        corners = to_degrees(target, target.y.edges, target.x.edges)
        planar = is_planar(source)
        knots = np.stack(from_degrees(source, *corners)) if planar else directions(*corners)
        ny, nx = target.shape
        counts = np.clip(np.ceil(_POINTS * ratio), _LEAST, _MOST).astype(int)
        down, right = ((np.arange(n) + 0.5) / n for n in counts)
        found = []
        for row in range(ny):  # by rows, to bound the memory
            north, south = knots[:, row, None], knots[:, row + 1, None]
            with np.errstate(invalid="ignore"):  # corners off the Earth are infinite
                line = (north * (1 - down[:, None]) + south * down[:, None])[..., None]
                points = line[:, :, :-1] * (1 - right) + line[:, :, 1:] * right
            y, x = points if planar else degrees_of(points)
            at_y, at_x, inside = positions_of(source, y, x)
            ((i, _),), ((j, _),) = (
                _along(a, at, "nearest") for a, at in ((source.y, at_y), (source.x, at_x))
            )
            cell = np.broadcast_to(np.arange(nx)[:, None], inside.shape) + row * nx
            keys = cell * source.y.size * source.x.size + i * source.x.size + j
            found.append(np.unique(keys[inside], return_counts=True))
        keys, weights = (np.concatenate(part) for part in zip(*found, strict=True))
        cells, members = np.divmod(keys, source.y.size * source.x.size)
        return cls(cells, members, weights.astype("f8"), (ny, nx))

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """Average valid cells, ``(..., y, x)`` on the target; NaN without valid cells."""
        leading = block.shape[:-2]
        flat = block.reshape(int(np.prod(leading)), block.shape[-2] * block.shape[-1])
        size = self.shape[0] * self.shape[1]
        out = np.empty((len(flat), size), block.dtype)
        for step, field in enumerate(flat):
            values = field[self.members].astype("f8")
            weights = np.where(np.isfinite(values), self.weights, 0)
            values = np.where(weights > 0, values, 0)
            total = np.bincount(self.cells, weights, size)
            with np.errstate(invalid="ignore"):
                out[step] = np.bincount(self.cells, weights * values, size) / total
        return out.reshape(*leading, *self.shape)

"""Blending of neighbouring tiles with smooth weights that add up to 1."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from xr_dl4ds.inference.tiles import Span


@dataclasses.dataclass(frozen=True)
class Ramp:
    """The blending of a tile along one axis, in HR cells of its prediction.

    Parameters
    ----------
    before, size, after : int
        Predicted cells on the low side of the tile, in the tile, and on its high side.
    """

    before: int
    size: int
    after: int

    @classmethod
    def of(cls, span: Span, cells: int) -> Ramp:
        """Return the ramp of a tile; an LR cell has so many HR cells along the axis."""
        return cls(span.before * cells, span.size * cells, span.after * cells)

    @property
    def weights(self) -> np.ndarray:
        """Weights of the cells of the prediction, float32.

        Across the cells that two tiles share, the weight is ``cos^2`` over a quarter period. It
        adds up to 1 with the weight of the other tile, and neither the weight nor its slope has a
        jump.
        """
        found = np.ones(self.before + self.size + self.after)
        for shared, weights in ((self.before, found), (self.after, found[::-1])):
            at = (np.arange(2 * shared) + 0.5) / max(2 * shared, 1)
            weights[: 2 * shared] *= np.sin(np.pi / 2 * at) ** 2
        return found.astype("f4")

    @property
    def sides(self) -> list[int]:
        """Sides with neighbours (-1 and 1), and 0 for the tile itself."""
        return [-1] * (self.before > 0) + [0] + [1] * (self.after > 0)

    def share(self, side: int) -> slice:
        """Return the cells of the prediction that lie on the tile at this side."""
        edges = [0, *itertools.accumulate((self.before, self.size, self.after))]
        return slice(edges[side + 1], edges[side + 2])

    def place(self, side: int) -> slice:
        """Return the position of the shared cells in the tile itself.

        These are the cells that the tile at this side predicts. That tile extends as far beyond its
        edge as this tile does.
        """
        if side == 0:
            return slice(0, self.size)
        return slice(0, self.before) if side == -1 else slice(self.size - self.after, self.size)


def share(tile: np.ndarray, y: Ramp, x: Ramp, sides: tuple[int, int]) -> np.ndarray:
    """Return a tile's weighted contribution to the neighbour at `sides`, or to itself, ``(0, 0)``.

    Parameters
    ----------
    tile : numpy.ndarray
        Prediction ``(time, y, x, channel)``.
    y, x : Ramp
        Ramps of the tile.
    sides : tuple of int
        Sides along y and x.
    """
    rows, columns = y.share(sides[0]), x.share(sides[1])
    weights = y.weights[rows, None, None] * x.weights[columns, None]
    return tile[:, rows, columns] * weights


def blended(
    own: np.ndarray, others: list[np.ndarray], y: Ramp, x: Ramp, sides: list[tuple[int, int]]
) -> np.ndarray:
    """Add the contributions of its neighbours to a tile.

    Parameters
    ----------
    own : numpy.ndarray
        Prediction ``(time, y, x, channel)`` of the tile.
    others : list of numpy.ndarray
        Contributions of the neighbours.
    y, x : Ramp
        Ramps of the tile.
    sides : list of tuple of int
        Side of each neighbour, along y and x.
    """
    out = share(own, y, x, (0, 0))
    for other, (at_y, at_x) in zip(others, sides, strict=True):
        out[:, y.place(at_y), x.place(at_x)] += other
    return out

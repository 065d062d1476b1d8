"""Neighbouring tiles go over into one another: weights that add up to one, and change smoothly."""

from __future__ import annotations

import dataclasses

import numpy as np

from xr_dl4ds.inference.tiles import Span


@dataclasses.dataclass(frozen=True)
class Ramp:
    """A tile along one axis, in HR cells of its prediction, and what its neighbours get of it.

    Parameters
    ----------
    before, size, after : int
        Cells beyond its own on the low side, its own, and on the high side.
    """

    before: int
    size: int
    after: int

    @classmethod
    def of(cls, span: Span, scale: int) -> Ramp:
        """That of a tile."""
        return cls(span.before * scale, span.size * scale, span.after * scale)

    @property
    def weights(self) -> np.ndarray:
        """Of each cell of the prediction, float32.

        ``cos^2`` of a quarter turn across the cells that two tiles share: with that of the other
        one it adds up to 1, and neither it nor its slope jumps.
        """
        found = np.ones(self.before + self.size + self.after)
        for shared, weights in ((self.before, found), (self.after, found[::-1])):
            at = (np.arange(2 * shared) + 0.5) / max(2 * shared, 1)
            weights[: 2 * shared] *= np.sin(np.pi / 2 * at) ** 2
        return found.astype("f4")

    @property
    def sides(self) -> list[int]:
        """Where there are neighbours, and 0 for the tile itself."""
        return [-1] * (self.before > 0) + [0] + [1] * (self.after > 0)

    def share(self, side: int) -> slice:
        """The cells of its prediction that lie on the tile at that side."""
        whole = self.before + self.size + self.after
        first = {-1: 0, 0: self.before, 1: self.before + self.size}[side]
        stop = {-1: self.before, 0: self.before + self.size, 1: whole}[side]
        return slice(first, stop)

    def place(self, side: int) -> slice:
        """Where, on that tile's own cells, they lie: at its far end, or at its near one.

        The other tile has as many cells beyond its own at that side, so it is asked.
        """
        if side == 0:
            return slice(0, self.size)
        return slice(0, self.before) if side == -1 else slice(self.size - self.after, self.size)


def share(tile: np.ndarray, y: Ramp, x: Ramp, sides: tuple[int, int]) -> np.ndarray:
    """A tile's weighted contribution to the tile at these sides, or to itself, ``(0, 0)``.

    Parameters
    ----------
    tile : numpy.ndarray
        Prediction ``(time, y, x, channel)``.
    y, x : Ramp
        Of the tile.
    sides : tuple of int
        Along y and x.
    """
    rows, columns = y.share(sides[0]), x.share(sides[1])
    weights = y.weights[rows, None, None] * x.weights[columns, None]
    return tile[:, rows, columns] * weights


def blended(
    own: np.ndarray, others: list[np.ndarray], y: Ramp, x: Ramp, sides: list[tuple[int, int]]
) -> np.ndarray:
    """A tile's own cells, with what its neighbours predict of them.

    Parameters
    ----------
    own : numpy.ndarray
        Prediction ``(time, y, x, channel)`` of the tile.
    others : list of numpy.ndarray
        Their shares.
    y, x : Ramp
        Of the tile.
    sides : list of tuple of int
        Where each of the neighbours lies, along y and x.
    """
    out = share(own, y, x, (0, 0))
    for other, (at_y, at_x) in zip(others, sides, strict=True):
        out[:, y.place(at_y), x.place(at_x)] += other
    return out

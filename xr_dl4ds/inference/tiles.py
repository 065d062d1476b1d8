"""Tiles of a domain along y and x: the cells that a tile owns, predicts and reads."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from xr_dl4ds.config import Scale
from xr_dl4ds.networks import Reach

#: By default, a domain with at most this many HR cells is predicted as a whole.
WHOLE = 2**20

#: In larger domains, tiles have about this many HR cells along each edge.
EDGE = 1024

#: For networks that look at the whole field (channel attention), in LR cells. A tile reads `HALO`
#: cells beyond the cells that it predicts, and predicts `OVERLAP` cells beyond its own cells, where
#: it is blended with its neighbour. The means over a tile differ slightly from tile to tile.
HALO, OVERLAP = 8, 8


@dataclasses.dataclass(frozen=True)
class Span:
    """A tile along one axis, in LR cells, counted from the beginning of the domain.

    Parameters
    ----------
    start, stop : int
        The tile's own cells.
    before, after : int
        Cells on each side that the tile predicts beyond its own cells. In these cells, and in as
        many of its own cells, the tile is blended with its neighbour.
    low, high : int
        The cells that the tile reads; on a periodic axis they may lie outside the domain.
    """

    start: int
    stop: int
    before: int
    after: int
    low: int
    high: int

    @property
    def size(self) -> int:
        """Number of own cells."""
        return self.stop - self.start

    @property
    def inner(self) -> slice:
        """The cells that the tile predicts, counted from `low`."""
        return slice(self.start - self.before - self.low, self.stop + self.after - self.low)


@dataclasses.dataclass(frozen=True)
class Tiling:
    """The division of a domain into tiles.

    Parameters
    ----------
    edge : tuple of int
        LR cells along y and x of each tile; the last tile has the remaining cells.
    halo : int
        LR cells that a tile reads beyond the cells that it predicts.
    overlap : int
        LR cells that a tile predicts beyond its own cells.
    align : int
        The first cell that a tile reads is a multiple of `align` LR cells.
    """

    edge: tuple[int, int]
    halo: int
    overlap: int
    align: int

    @classmethod
    def of(cls, reach: Reach, shape: tuple[int, int], scale: Scale, edge: int | None) -> Tiling:
        """Choose the tiling of a domain.

        Parameters
        ----------
        reach : Reach
            Receptive field of the network. If it is known, tiles read all of it and need no
            overlap.
        shape : tuple of int
            LR cells of the domain along y and x.
        scale : Scale
            HR cells along the edges of an LR cell.
        edge : int, optional
            HR cells along one edge of a tile, rounded up to a multiple of `Reach.align` LR cells.
            By default the whole domain if it has at most `WHOLE` HR cells, else about `EDGE`.
        """
        if edge is not None:
            cores = [
                min(_up(edge // cells, reach.align), size)
                for size, cells in zip(shape, scale.edges, strict=True)
            ]
        elif shape[0] * shape[1] * scale.cells <= WHOLE:
            cores = list(shape)
        else:  # tiles of about equal size, also the last one
            pieces = [max(1, round(size / EDGE)) for size in scale.fine(shape)]
            cores = [
                min(_up(-(-size // n), reach.align), size)
                for size, n in zip(shape, pieces, strict=True)
            ]
        halo, overlap = (HALO, OVERLAP) if reach.cells is None else (reach.cells, 0)
        return cls((cores[0], cores[1]), halo, overlap, reach.align)

    def along(self, axis: int, size: int, around: bool = False) -> list[Span]:
        """Return the tiles of `size` LR cells along y (0) or x (1), periodic if `around`."""
        core = self.edge[axis]
        if core >= size:
            return [Span(0, size, 0, 0, 0, size)]
        edges = [*range(0, size, core), size]
        cores = list(itertools.pairwise(edges))
        n = len(cores)
        # no third tile takes part in the cells where two neighbours are blended
        shared = [
            min(self.overlap, *((cores[k][1] - cores[k][0]) // 2 for k in (i, (i + 1) % n)))
            for i in range(n)
        ]
        if not around:
            shared[-1] = 0
        return [
            self._span(start, stop, shared[i - 1], shared[i], size, around)
            for i, (start, stop) in enumerate(cores)
        ]

    def _span(
        self, start: int, stop: int, before: int, after: int, size: int, around: bool
    ) -> Span:
        low = start - before - self.halo
        low -= low % self.align
        high = _up(stop + after + self.halo, self.align)
        if not around:
            low, high = max(low, 0), min(high, size)
        return Span(start, stop, before, after, low, high)


@dataclasses.dataclass(frozen=True)
class Place:
    """A part of a domain, in LR cells.

    Parameters
    ----------
    y, x : tuple of int
        First cell and end; along periodic columns they may lie outside the domain.
    columns : int
        Number of columns of the domain.
    """

    y: tuple[int, int]
    x: tuple[int, int]
    columns: int

    def hr(self, scale: Scale) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and columns of the HR cells in the domain."""
        ends = zip((self.y, self.x), scale.edges, strict=True)
        rows, columns = (np.arange(a * cells, b * cells) for (a, b), cells in ends)
        return rows, columns % (self.columns * scale.x)


def pieces(low: int, high: int, edges: Sequence[int]) -> list[tuple[int, slice]]:
    """Return the chunks and slices that hold the cells from `low` to `high` of a periodic axis.

    Parameters
    ----------
    low, high : int
        First cell and end; beyond the ends of the axis, cells continue at the other end.
    edges : sequence of int
        First cell of each chunk, and the end of the last chunk.

    Examples
    --------
    >>> pieces(2, 7, [0, 4, 8])
    [(0, slice(2, 4, None)), (1, slice(0, 3, None))]
    >>> pieces(-1, 2, [0, 4, 8])
    [(1, slice(3, 4, None)), (0, slice(0, 2, None))]
    """
    if low == high:
        return [(0, slice(0, 0))]
    found = []
    while low < high:
        at = low % edges[-1]
        block = bisect.bisect_right(edges, at) - 1
        begin = at - edges[block]
        length = min(high - low, edges[block + 1] - at)
        found.append((block, slice(begin, begin + length)))
        low += length
    return found


def _up(cells: int, align: int) -> int:
    return -(-cells // align) * align

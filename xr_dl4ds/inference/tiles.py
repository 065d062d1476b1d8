"""Tiles of a domain along y and x: what each predicts, reads, and shares with its neighbours."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from xr_dl4ds.networks import Reach

#: A field of so many HR cells is predicted as a whole, when the caller does not say.
WHOLE = 2**20

#: Otherwise about so many HR cells along each edge of a tile.
EDGE = 1024

#: For networks that look at the whole field (channel attention): LR cells that a tile sees beyond
#: what it predicts, and that it predicts beyond its own cells, where it is blended with the next
#: one. What such a network makes of a mean over its tile differs a little from tile to tile.
HALO, OVERLAP = 8, 8


@dataclasses.dataclass(frozen=True)
class Span:
    """A tile along one axis, in LR cells, counted from the beginning of the domain.

    Parameters
    ----------
    start, stop : int
        Its own cells.
    before, after : int
        Cells beyond its own that it predicts on either side. There, and on as many of its own, it
        is blended with the tile at that side.
    low, high : int
        What it reads; beyond the ends of the domain where that is a circle.
    """

    start: int
    stop: int
    before: int
    after: int
    low: int
    high: int

    @property
    def size(self) -> int:
        """Its own cells."""
        return self.stop - self.start

    @property
    def kept(self) -> slice:
        """What it predicts, counted from `low`."""
        return slice(self.start - self.before - self.low, self.stop + self.after - self.low)


@dataclasses.dataclass(frozen=True)
class Tiling:
    """How a network is applied to parts of a domain.

    Parameters
    ----------
    edge : tuple of int
        LR cells along y and x of each tile; the last one has what is left.
    halo : int
        LR cells that a tile sees beyond what it predicts.
    overlap : int
        LR cells that it predicts beyond its own.
    align : int
        It reads from a multiple of so many LR cells on.
    """

    edge: tuple[int, int]
    halo: int
    overlap: int
    align: int

    @classmethod
    def of(cls, reach: Reach, shape: tuple[int, int], scale: int, edge: int | None) -> Tiling:
        """The tiling of a domain.

        Parameters
        ----------
        reach : Reach
            How far the network looks. Where that is known, tiles see all of it and need no overlap.
        shape : tuple of int
            LR cells of the domain along y and x.
        scale : int
            HR cells along one edge of an LR cell.
        edge : int, optional
            HR cells along one edge of a tile, made a multiple of `Reach.align` LR cells. By default
            the whole domain where it has at most `WHOLE` HR cells, else about `EDGE`.
        """
        if edge is not None:
            cores = [min(_up(edge // scale, reach.align), size) for size in shape]
        elif shape[0] * shape[1] * scale**2 <= WHOLE:
            cores = list(shape)
        else:  # all about as large, also the last one
            pieces = [max(1, round(size * scale / EDGE)) for size in shape]
            cores = [
                min(_up(-(-size // n), reach.align), size)
                for size, n in zip(shape, pieces, strict=True)
            ]
        halo, overlap = (HALO, OVERLAP) if reach.cells is None else (reach.cells, 0)
        return cls((cores[0], cores[1]), halo, overlap, reach.align)

    def along(self, axis: int, size: int, around: bool = False) -> list[Span]:
        """The tiles along y (0) or x (1), of `size` LR cells that may go `around`."""
        core = self.edge[axis]
        if core >= size:
            return [Span(0, size, 0, 0, 0, size)]
        edges = [*range(0, size, core), size]
        cores = list(itertools.pairwise(edges))
        n = len(cores)
        # two neighbours have their blended cells for themselves
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
        From where to where; beyond the ends along x where columns go around.
    columns : int
        Of the domain.
    """

    y: tuple[int, int]
    x: tuple[int, int]
    columns: int

    def hr(self, scale: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of its HR cells in the domain."""
        rows, columns = (np.arange(a * scale, b * scale) for a, b in (self.y, self.x))
        return rows, columns % (self.columns * scale)


def pieces(low: int, high: int, edges: Sequence[int]) -> list[tuple[int, slice]]:
    """Which parts of which chunks, in order, are the cells from `low` to `high` of a circle.

    Parameters
    ----------
    low, high : int
        From where to where; beyond the ends it goes around.
    edges : sequence of int
        Where chunks begin, and the end of the last one.

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

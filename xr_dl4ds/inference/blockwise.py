"""The network as a dask array, with one task for each block of time and each tile.

A block is one tile (or a whole small field) with the time steps of an LR chunk, or with fewer, so
that its output has at most about `VALUES` values. Memory holds a few blocks at once. Each needs the
LR channels that it reads, its output, and the network's activations, see
`xr_dl4ds.inference.application`; blended tiles also need the outputs of one row of tiles.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize
from dask.delayed import Delayed, delayed
from dask.highlevelgraph import HighLevelGraph

from xr_dl4ds.data.channels import CHANNEL
from xr_dl4ds.grid.cf.time_axis import Windows
from xr_dl4ds.grid.names import TIME, X, Y
from xr_dl4ds.inference.application import Application
from xr_dl4ds.inference.blending import Ramp, blended, share
from xr_dl4ds.inference.pickling import Carried
from xr_dl4ds.inference.task import TileTask
from xr_dl4ds.inference.tiles import Place, Span, Tiling, pieces

#: Values in the output of a block, 64 MiB: an LR chunk with more is split in time.
VALUES = 2**24

#: LR chunks with at most this many values stay whole in space, and each tile selects its part. The
#: preceding computation of LR fields is then one task, shared by all tiles.
LR_VALUES = 2**22


def apply(
    application: Application,
    lr: xr.DataArray,
    windows: Windows | None = None,
    keys: xr.DataArray | None = None,
    *,
    tiling: Tiling | None = None,
    around: bool = False,
) -> xr.DataArray:
    """Apply a network to stacked channels; the result is lazy if the channels are.

    Parameters
    ----------
    application : Application
        Network and fixed inputs of the whole domain.
    lr : xarray.DataArray
        ``(time, y, x, channel)`` without NaN, with the cells around the domain.
    windows : Windows, optional
        For a spatio-temporal network, the window of each step.
    keys : xarray.DataArray, optional
        ``(time,)``, from `xr_dl4ds.prediction.random_numbers.step_keys`, for a member of a network
        with noise.
    tiling : Tiling, optional
        The division of the domain into tiles; by default the domain is one tile.
    around : bool
        Whether the first column follows the last one. Tiles narrower than the domain then read the
        columns of their neighbours; otherwise the network itself is periodic.

    Returns
    -------
    xarray.DataArray
        ``(time, y, x, channel)`` on HR cells, float32, without coordinates along y and x. The
        chunks are those of `lr` in time, or smaller for large chunks, and tiles in space.
    """
    lr = lr.transpose(TIME, Y, X, CHANNEL)
    y, x = application.domain_of(lr.shape)
    tiling = tiling or Tiling((y, x), 0, 0, 1)
    cut = Cut(tiling.along(0, y), tiling.along(1, x, around), windows)
    times = {TIME: lr[TIME]} if TIME in lr.coords else {}
    data = lr.data if lr.chunks is not None else da.from_array(lr.data, name=False)
    by_tile = max(data.chunks[0]) * math.prod(data.shape[1:]) > LR_VALUES
    chunks: list[Any] = [-1, -1]
    if by_tile:
        chunks = [_with_ends(n, application.context) for n in cut.lr_chunks]
    data = data.rechunk({1: chunks[0], 2: chunks[1], 3: -1})
    given = None
    if keys is not None and application.draws_noise:
        given = da.asarray(keys.data).rechunk((data.chunks[0],))
    out = Blocks(application, cut, data, given).array()
    if lr.chunks is None:
        target = np.empty(out.shape, out.dtype)
        # one block after the other, because the network uses all cores
        da.store(out, target, lock=False, scheduler="synchronous")
        return xr.DataArray(target, dims=(TIME, Y, X, CHANNEL), coords=times)
    return xr.DataArray(out, dims=(TIME, Y, X, CHANNEL), coords=times).rename(None)


def _with_ends(chunks: tuple[int, ...], context: int) -> tuple[int, ...]:
    """Return the chunks of a domain together with the cells around it."""
    first, *others = chunks
    *others, last = first + context, *others
    return (*others, last + context)


@dataclasses.dataclass(frozen=True)
class Cut:
    """Tiles along y and x, and windows in time.

    Parameters
    ----------
    y, x : list of Span
        Tiles along either axis.
    windows : Windows, optional
        The window of each step.
    """

    y: list[Span]
    x: list[Span]
    windows: Windows | None

    @property
    def lr_chunks(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """LR cells of each tile along y and x, without the cells beyond its edges."""
        return tuple(span.size for span in self.y), tuple(span.size for span in self.x)

    def rows(self, block: slice) -> tuple[int, int]:
        """Return the first step and the end of the steps that a block of steps reads."""
        if self.windows is None or block.start == block.stop:
            return block.start, block.stop
        start, length = self.windows.start[block], self.windows.length[block]
        return int(start.min()), int((start + length).max())

    def inside(self, block: slice) -> Windows | None:
        """Return the windows of a block of steps, counted from the first step that is read."""
        if self.windows is None:
            return None
        first, start = self.rows(block)[0], self.windows.start[block]
        length = self.windows.length[block]
        return Windows(start=start - first, length=length, offset=block.start - first)


class Blocks:
    """The tasks of a prediction.

    Parameters
    ----------
    application : Application
        Network and fixed inputs of the whole domain.
    cut : Cut
        Tiles and windows.
    lr : dask.array.Array
        ``(time, y, x, channel)``, one chunk of channels.
    keys : dask.array.Array, optional
        ``(time,)``, chunked as `lr` in time.
    """

    def __init__(
        self, application: Application, cut: Cut, lr: da.Array, keys: da.Array | None
    ) -> None:
        self.application, self.cut = application, cut
        self.lr, self.keys = lr, keys
        self.channels = int(application.network.output_shape[-1])
        self.scale = application.scale
        largest = max(a.size for a in cut.y) * max(a.size for a in cut.x) * self.scale.cells
        self.times = split(lr.chunks[0], max(1, VALUES // (largest * self.channels)))
        self.edges = [[0, *itertools.accumulate(chunks)] for chunks in lr.chunks[:3]]
        windows = cut.windows and (cut.windows.start, cut.windows.length)
        self.token = tokenize(
            application, cut.y, cut.x, windows, self.times, lr.name, keys is None or keys.name
        )

    def array(self) -> da.Array:
        """Return all blocks as one array: ``(time, y, x, channel)`` on HR cells."""
        app, name = self.application, f"downscaled-{self.token}"
        # the graph holds the network once, whatever the number of tasks and members
        carried = Carried(app.network)
        network = delayed(carried, name=f"network-{tokenize(app.token)}", traverse=False)
        fixed = delayed(dict(app.fixed), name=f"fixed-{tokenize(app.fixed)}", traverse=False)
        graph: dict[Any, Any] = dict(self._tasks(name, network, fixed))
        beside = [self.lr, network, fixed] + ([] if self.keys is None else [self.keys])
        y, x = (
            tuple(c * cells for c in chunks)
            for chunks, cells in zip(self.cut.lr_chunks, self.scale.edges, strict=True)
        )
        return da.Array(
            HighLevelGraph.from_collections(name, graph, dependencies=beside),
            name,
            chunks=(self.times, y, x, (self.channels,)),
            dtype=np.float32,
        )

    def _tasks(
        self, name: str, network: Delayed, fixed: Delayed
    ) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        rows, columns = (list(enumerate(spans)) for spans in (self.cut.y, self.cut.x))
        edges = [0, *itertools.accumulate(self.times)]
        alone = not any(s.before or s.after for s in (*self.cut.y, *self.cut.x))
        for t, (begin, end) in enumerate(itertools.pairwise(edges)):
            for (i, y), (j, x) in itertools.product(rows, columns):
                task = self._tile(slice(begin, end), y, x)
                predicted = (name, t, i, j, 0) if alone else (f"tile-{self.token}", t, i, j)
                yield predicted, (task[0], network.key, fixed.key, *task[1:])
                if not alone:
                    yield from self._blending(name, t, i, j)

    def _tile(self, block: slice, y: Span, x: Span) -> tuple[Any, ...]:
        """Return the task of a tile and a block of steps, and the keys of the chunks it reads."""
        app, (first, last) = self.application, self.cut.rows(block)
        around = 2 * app.context
        bounds = (first, last), (y.low, y.high + around), (x.low, x.high + around)
        parts = [pieces(*ends, along) for ends, along in zip(bounds, self.edges, strict=True)]
        chunks = [
            [[(self.lr.name, t, i, j, 0) for j, _ in parts[2]] for i, _ in parts[1]]
            for t, _ in parts[0]
        ]
        task = TileTask(
            scale=self.scale,
            context=app.context,
            token=app.token,
            realization=app.realization,
            place=Place((y.low, y.high), (x.low, x.high), self.lr.shape[2] - around),
            inner=(y.inner, x.inner),
            cut=tuple([at for _, at in along] for along in parts),
            windows=self.cut.inside(block),
        )
        keys = None if self.keys is None else [(self.keys.name, t) for t, _ in parts[0]]
        return task, chunks, keys

    def _blending(
        self, name: str, t: int, i: int, j: int
    ) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        """Yield the tasks that compute a tile's shares for its neighbours and blend the tile."""
        y, x = Ramp.of(self.cut.y[i], self.scale.y), Ramp.of(self.cut.x[j], self.scale.x)
        own, sides = (f"tile-{self.token}", t, i, j), itertools.product(y.sides, x.sides)
        beside = [side for side in sides if side != (0, 0)]
        part = f"share-{self.token}"
        for side in beside:
            yield (part, t, i, j, *side), (functools.partial(share, y=y, x=x, sides=side), own)
        n_y, n_x = len(self.cut.y), len(self.cut.x)
        others = [
            (part, t, (i + at_y) % n_y, (j + at_x) % n_x, -at_y, -at_x) for at_y, at_x in beside
        ]
        yield (name, t, i, j, 0), (functools.partial(blended, y=y, x=x, sides=beside), own, others)


def split(chunks: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Split chunks in time into chunks of at most `most` steps; smaller chunks stay unchanged.

    If all chunks but the last are equal, this also holds for the result, as Zarr requires.

    Examples
    --------
    >>> split((12, 12, 5), 5), split((5, 9), 4)
    ((4, 4, 4, 4, 4, 4, 4, 1), (3, 2, 3, 3, 3))
    """
    if max(chunks, default=0) <= most:
        return chunks
    if len(set(chunks[:-1])) <= 1 and chunks[-1] <= chunks[0]:
        total, step = sum(chunks), -(-chunks[0] // -(-chunks[0] // most))
        return tuple(min(step, total - begin) for begin in range(0, total, step))
    found: list[int] = []
    for chunk in chunks:
        step = -(-chunk // max(1, -(-chunk // most)))
        found += [min(step, chunk - begin) for begin in range(0, chunk, max(step, 1))]
    return tuple(found)

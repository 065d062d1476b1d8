"""Streamed samples: read again in each epoch, pool by pool, one pool ahead of the network."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import itertools
import threading

import dask
import dask.array as da
import numpy as np
from dask.system import CPU_COUNT

from xr_dl4ds.training.batches.hints import say_what_chunks_cost
from xr_dl4ds.training.batches.order import Deal, Order
from xr_dl4ds.training.batches.samples import Samples

#: Bytes of samples, LR and HR, that are shuffled together; memory holds twice as many.
POOL = 2**27

#: Threads that read, in addition to the threads of the network. On two cores, two reading threads
#: took twice the processor time of one for the same cells (27 and 14 ns per cell), because they
#: wait for newly allocated memory.
READERS = max(1, CPU_COUNT // 4)

#: Minimum number of blocks in a pool, so that a pool mixes steps and places.
BLOCKS = 8


def blocks_of(samples: Samples, cells: tuple[int, int]) -> list[slice]:
    """Return blocks of neighbouring samples that begin in one chunk, as slices of their numbers.

    A chunk larger than a block's share of a pool is split into several blocks.

    Parameters
    ----------
    samples : Samples
        Streamed samples.
    cells : tuple of int
        LR rows and columns of a patch.
    """
    most = max(1, POOL // BLOCKS // step_bytes(samples, cells))
    edges = np.cumsum([0, *samples.target.chunks[0]])
    chunk = np.searchsorted(edges, samples.starts, side="right")
    found = []
    for number in np.unique(chunk):
        first, last = np.searchsorted(chunk, [number, number + 1])
        parts = -(-(last - first) // most)
        cuts = np.linspace(first, last, parts + 1).astype(int)
        found += [slice(int(a), int(b)) for a, b in itertools.pairwise(cuts)]
    return found


def step_bytes(samples: Samples, cells: tuple[int, int]) -> int:
    """Return the bytes of one time step of a patch, LR and HR."""
    seen = int(np.prod([n + 2 * samples.context for n in cells])) * samples.lr.shape[-1]
    return 4 * (seen + int(np.prod(cells)) * samples.target.shape[-1] * samples.scale.cells)


class Pools:
    """The pools of an epoch; one pool is read ahead in the background.

    Parameters
    ----------
    samples : Samples
        Streamed samples.
    cells : tuple of int
        LR rows and columns of a patch.
    """

    order: Order

    def __init__(self, samples: Samples, cells: tuple[int, int]) -> None:
        self.samples = samples
        self.cells = cells
        #: The error of the background reading, which TensorFlow passes on only as text.
        self.error: Exception | None = None
        self._lock = threading.RLock()
        self._reading: dict[int, concurrent.futures.Future[Pool]] = {}
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "xr_dl4ds-reading")
        self._blocks = blocks_of(samples, cells)
        say_what_chunks_cost(samples, cells, len(self._blocks))

    def draw(
        self,
        rng: np.random.Generator,
        room: tuple[int, int],
        shuffle: bool,
        deal: Deal,
    ) -> None:
        """Draw the order of an epoch, and keep the part that `deal` selects; read nothing yet."""
        n = len(self._blocks)
        which = rng.permutation(n) if shuffle else np.arange(n)
        corners = np.stack([rng.integers(0, size, size=n) for size in room], axis=1)
        blocks = [np.arange(self._blocks[i].start, self._blocks[i].stop) for i in which]
        numbers = np.concatenate(blocks)
        corner = corners[np.repeat(which, [len(block) for block in blocks])]
        mine = deal(len(numbers), True)  # contiguous: workers share only blocks at the edges
        numbers, corner = numbers[mine], corner[mine]
        pools = self._pools(numbers)
        if shuffle:
            for pool in pools:
                mixed = pool.start + rng.permutation(pool.stop - pool.start)
                numbers[pool], corner[pool] = numbers[mixed], corner[mixed]
        with self._lock:
            self.close()
            self.order = Order(numbers=numbers, corner=corner, pools=pools)

    def _pools(self, numbers: np.ndarray) -> list[slice]:
        """Split an order of blocks into pools."""
        if len(numbers) == 0:  # more workers than samples
            return []
        window = self.samples.window or 1
        apart = np.append(window, np.clip(np.abs(np.diff(numbers)), 1, window))
        held = np.cumsum(apart) * step_bytes(self.samples, self.cells)
        pool = (held - 1) // max(POOL, int(held[0]))
        edges = [0, *(np.flatnonzero(np.diff(pool)) + 1).tolist(), len(numbers)]
        return [slice(a, b) for a, b in itertools.pairwise(edges)]

    def read_ahead(self) -> None:
        """Start to read the first pool."""
        with self._lock:
            self._ask(0)

    def close(self) -> None:
        """Stop reading, and free the memory."""
        with self._lock:  # both the training thread and the thread of the batches call this
            for future in self._reading.values():
                future.cancel()
            self._reading.clear()

    def read(self, part: slice) -> tuple[np.ndarray, np.ndarray]:
        """Return LR fields and targets of a part of the order."""
        with self._lock:
            found = []
            for k, pool in enumerate(self.order.pools):
                low, high = max(part.start, pool.start), min(part.stop, pool.stop)
                if low < high:
                    mine = np.arange(low - pool.start, high - pool.start)
                    found.append(self._pool(k).select(mine, self.samples))
        if len(found) == 1:
            return found[0]
        return np.concatenate([lr for lr, _ in found]), np.concatenate([hr for _, hr in found])

    def _pool(self, k: int) -> Pool:
        for done in [j for j in self._reading if j not in (k, k + 1)]:
            self._reading.pop(done).cancel()
        self._ask(k)
        try:
            pool = self._reading[k].result()
        except Exception as error:
            self.error = error
            raise
        self._ask(k + 1)
        return pool

    def _ask(self, k: int) -> None:
        if k not in self._reading and k < len(self.order.pools):
            part = self.order.pools[k]
            numbers, corner = self.order.numbers[part], self.order.corner[part]
            self._reading[k] = self._thread.submit(_read, self.samples, self.cells, numbers, corner)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """Time steps in memory, and the position of each sample's first step."""

    lr: np.ndarray
    target: np.ndarray
    starts: np.ndarray

    def select(self, places: np.ndarray, samples: Samples) -> tuple[np.ndarray, np.ndarray]:
        """Return LR fields and targets of samples, by their places in the pool."""
        at = samples.rows(self.starts[places])
        return self.lr[at], self.target[at]


def _read(
    samples: Samples, cells: tuple[int, int], numbers: np.ndarray, corner: np.ndarray
) -> Pool:
    """Read exactly the steps and cells of a pool's samples, in one dask computation."""
    starts, window = samples.starts[numbers], samples.window or 1
    pieces, place, offset = [], np.empty(len(numbers), "i8"), 0
    for mine in _runs(starts, corner, window):
        first, last = int(starts[mine].min()), int(starts[mine].max()) + window
        pieces.append((slice(first, last), corner[mine[0]]))
        place[mine] = starts[mine] - first + offset
        offset += last - first
    lazy = [_cut(samples, steps, place_of, cells) for steps, place_of in pieces]
    arrays = [np.empty((offset, *part.shape[1:]), "f4") for part in lazy[0]]
    begin = 0
    for values in dask.compute(*lazy, num_workers=READERS):
        end = begin + len(values[0])
        for to, part in zip(arrays, values, strict=True):
            to[begin:end] = part
        begin = end
    return Pool(lr=arrays[0], target=arrays[1], starts=place)


def _cut(
    samples: Samples, steps: slice, corner: np.ndarray, cells: tuple[int, int]
) -> tuple[da.Array, da.Array]:
    """Return the LR and HR cells of one patch, lazily."""
    first = [(int(c), int(c) + n) for c, n in zip(corner, cells, strict=True)]
    coarse = [slice(a, b + 2 * samples.context) for a, b in first]
    fine = [slice(a * n, b * n) for (a, b), n in zip(first, samples.scale.edges, strict=True)]
    return samples.lr[(steps, *coarse)], samples.target[(steps, *fine)]


def _runs(starts: np.ndarray, corner: np.ndarray, window: int) -> list[np.ndarray]:
    """Group samples of a pool with the same patch position and overlapping or adjacent steps."""
    by = np.lexsort((starts, corner[:, 1], corner[:, 0]))
    same = (corner[by][1:] == corner[by][:-1]).all(axis=1)
    near = np.diff(starts[by]) <= window
    return np.split(by, np.flatnonzero(~(same & near)) + 1)

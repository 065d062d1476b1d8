"""Samples in memory or on disk, which can be read in any order."""

from __future__ import annotations

import numpy as np

from xr_dl4ds.config import SAME, Scale
from xr_dl4ds.training.batches.order import Deal, Order
from xr_dl4ds.training.batches.samples import Samples


class CachedSamples:
    """Samples that are shuffled together in each epoch, each with its own patch position.

    Parameters
    ----------
    samples : Samples
        Samples in memory, or in a temporary folder.
    cells : tuple of int
        LR rows and columns of a patch.
    """

    order: Order
    error: Exception | None = None

    def __init__(self, samples: Samples, cells: tuple[int, int]) -> None:
        self.samples = samples
        self.cells = cells

    def draw(
        self,
        rng: np.random.Generator,
        room: tuple[int, int],
        shuffle: bool,
        deal: Deal,
    ) -> None:
        """Draw the order of an epoch, and keep the part that `deal` selects."""
        n = len(self.samples)
        numbers = rng.permutation(n) if shuffle else np.arange(n)
        numbers = numbers[deal(n, False)]
        corner = np.zeros((n, 2), "i4")
        if room != (1, 1):
            corner = np.stack([rng.integers(0, size, size=n) for size in room], axis=1)
        self.order = Order(numbers=numbers, corner=corner[numbers])

    def read_ahead(self) -> None:
        """Do nothing: cached samples are not read in the background."""

    def close(self) -> None:
        """Do nothing: cached samples are not read in the background."""

    def read(self, part: slice) -> tuple[np.ndarray, np.ndarray]:
        """Return LR fields and targets of a part of the order."""
        starts, corner = self.samples.starts[self.order.numbers[part]], self.order.corner[part]
        lr, target = self.samples.arrays()
        return (
            self._gather(lr, starts, corner, SAME, 2 * self.samples.context),
            self._gather(target, starts, corner, self.samples.scale, 0),
        )

    def _gather(
        self, array: np.ndarray, starts: np.ndarray, corner: np.ndarray, scale: Scale, around: int
    ) -> np.ndarray:
        """Gather steps or windows of ``(time, y, x, channel)``, whole fields or patches."""
        window = self.samples.window
        y, x = (n + around for n in scale.fine(self.cells))
        if (y, x) == array.shape[1:3]:
            return np.asarray(array[self.samples.rows(starts)])
        steps = () if window is None else (window,)
        out = np.empty((len(starts), *steps, y, x, array.shape[-1]), "f4")
        places = (corner * scale.edges).tolist()
        for to, start, (row, column) in zip(out, starts.tolist(), places, strict=True):
            at = start if window is None else slice(start, start + window)
            to[...] = array[at, row : row + y, column : column + x]
        return out

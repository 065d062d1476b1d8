"""The order of samples in an epoch, and the share of each worker."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

#: ``(number of samples, together) -> positions`` that a worker takes, in the order of an epoch.
Deal = Callable[[int, bool], np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Order:
    """The order of samples in one epoch, and the positions of their patches.

    Parameters
    ----------
    numbers : numpy.ndarray
        Numbers of the samples.
    corner : numpy.ndarray
        First LR row and column of each sample, ``(len(numbers), 2)``.
    pools : sequence of slice
        Parts of the order that are read together.
    """

    numbers: np.ndarray
    corner: np.ndarray
    pools: Sequence[slice] = ()


@dataclasses.dataclass(frozen=True)
class Share:
    """The share of a worker; the shares of all workers contain each sample exactly once.

    Parameters
    ----------
    size : int
        Number of workers.
    rank : int
        Number of this worker, from 0.
    """

    size: int = 1
    rank: int = 0

    def steps(self, samples: int, batch_size: int) -> int:
        """Return the batches per epoch, equal for all workers: the last batches may be empty."""
        return -(-samples // (batch_size * self.size))

    def dealt(self, samples: int) -> np.ndarray:
        """Return every `size`-th position: the batches of a step are neighbours in the order."""
        return np.arange(self.rank, samples, self.size)

    def together(self, samples: int) -> np.ndarray:
        """Return contiguous positions, about as many for each worker."""
        return np.array_split(np.arange(samples), self.size)[self.rank]

    def in_batches(self, samples: int, batch_size: int) -> np.ndarray:
        """Return contiguous positions in full batches, equal to the batches of a single worker."""
        each = self.steps(samples, batch_size) * batch_size
        return np.arange(samples)[self.rank * each : (self.rank + 1) * each]

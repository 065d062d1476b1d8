"""The order of samples in an epoch, and the part of it that one of several workers has."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

#: ``(number of samples, together) -> positions`` in the order of an epoch that are taken.
Deal = Callable[[int, bool], np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Order:
    """In which order samples come in one epoch, and where their patches lie.

    Parameters
    ----------
    numbers : numpy.ndarray
        The samples.
    corner : numpy.ndarray
        LR row and column at which each of them begins, ``(len(numbers), 2)``.
    pools : sequence of slice
        Parts of the order that are read together.
    """

    numbers: np.ndarray
    corner: np.ndarray
    pools: Sequence[slice] = ()


@dataclasses.dataclass(frozen=True)
class Share:
    """The part of one worker. All parts together are all samples, each of them once.

    Parameters
    ----------
    size : int
        How many workers there are.
    rank : int
        Which of them this one is, from 0.
    """

    size: int = 1
    rank: int = 0

    def steps(self, samples: int, batch_size: int) -> int:
        """Batches of an epoch, the same number for each worker: some may have an empty last one."""
        return -(-samples // (batch_size * self.size))

    def dealt(self, samples: int) -> np.ndarray:
        """Every `size`-th position: the batches of a step are neighbours in the order."""
        return np.arange(self.rank, samples, self.size)

    def together(self, samples: int) -> np.ndarray:
        """Positions that stand together, about as many for each worker."""
        return np.array_split(np.arange(samples), self.size)[self.rank]

    def in_batches(self, samples: int, batch_size: int) -> np.ndarray:
        """Whole batches that stand together, cut as those of one worker alone."""
        each = self.steps(samples, batch_size) * batch_size
        return np.arange(samples)[self.rank * each : (self.rank + 1) * each]

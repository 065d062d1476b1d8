"""The order of samples in an epoch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np


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

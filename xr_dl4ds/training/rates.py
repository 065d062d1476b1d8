"""Learning rates of data-parallel training, where the workers' batches together form a step."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from xr_dl4ds.config import Training

#: Factors of the learning rate, as functions of the number of workers. With the linear rule a step
#: of N batches moves as far as N steps of one batch (Goyal et al. 2017, arXiv:1706.02677, section
#: 2.1). With Adam, which divides by the size of gradients, the square root keeps the noise of the
#: weights (Malladi et al. 2022, arXiv:2205.10287, definition 5.2, without its change of the
#: moments).
SCALINGS: dict[str | None, Callable[[int], float]] = {
    None: lambda workers: 1.0,
    "linear": float,
    "sqrt": math.sqrt,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rates:
    """The learning rates of each step.

    Parameters
    ----------
    training : Training
        Learning rates of one worker, their scaling, and the number of warm-up epochs.
    workers : int
        Number of workers.
    steps : int
        Steps per epoch.
    """

    training: Training
    workers: int
    steps: int

    def at(self, epoch: int, step: int = 0) -> tuple[float, ...]:
        """Return the rate of each optimizer in a step of an epoch, both counted from 0.

        During warm-up the rate grows linearly, step by step, from the rate of one worker.
        """
        full = SCALINGS[self.training.lr_scaling](self.workers)
        if self.warms_up(epoch):
            done = (epoch * self.steps + step) / (self.training.lr_warmup * self.steps)
            full = 1 + (full - 1) * done
        return tuple(rate * full for rate in self.training.rates_of(epoch))

    def warms_up(self, epoch: int) -> bool:
        """Return True if an epoch belongs to the warm-up."""
        return epoch < self.training.lr_warmup and self.workers > 1

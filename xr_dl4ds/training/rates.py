"""Learning rates of several workers, whose batches together are those of a step."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from xr_dl4ds.config import Training

#: What a learning rate is multiplied by, from the number of workers. By the linear rule a step of N
#: batches goes as far as N steps of one (Goyal et al. 2017, arXiv:1706.02677, section 2.1). The
#: root keeps the noise of the weights with Adam, which divides by the size of gradients (Malladi et
#: al. 2022, arXiv:2205.10287, definition 5.2, without its change of the moments).
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
        Rates of one worker, how they are scaled, and how many epochs they grow.
    workers : int
        How many train together.
    steps : int
        Steps of an epoch.
    """

    training: Training
    workers: int
    steps: int

    def at(self, epoch: int, step: int = 0) -> tuple[float, ...]:
        """The rate of each optimizer in a step of an epoch, both counted from 0.

        It grows by the same amount in every step of the warm-up, from the rate of one worker.
        """
        full = SCALINGS[self.training.lr_scaling](self.workers)
        if self.warms_up(epoch):
            done = (epoch * self.steps + step) / (self.training.lr_warmup * self.steps)
            full = 1 + (full - 1) * done
        return tuple(rate * full for rate in self.training.rates_of(epoch))

    def warms_up(self, epoch: int) -> bool:
        """Whether the rates still grow in an epoch."""
        return epoch < self.training.lr_warmup and self.workers > 1

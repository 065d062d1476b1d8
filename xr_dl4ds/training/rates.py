"""Learning rates of each step: their schedule, the warm-up, and the factor for several workers."""

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

#: Share of the full rate in the last step of a cosine.
LAST = 0.005


def _cosine(progress: float) -> float:
    """Return the share of the full rate on a half cosine (Loshchilov & Hutter 2017, equation 5)."""
    return LAST + (1 - LAST) * (1 + math.cos(math.pi * progress)) / 2


#: Share of the full rate after a fraction of the steps that follow the warm-up. `Training.rates_of`
#: has the two rates of "step".
SHARES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "step": lambda progress: 1.0,
    "cosine": _cosine,
}

#: Share of the rate of one worker at which the warm-up starts.
STARTS = {"constant": 1.0, "step": 1.0, "cosine": 0.05}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rates:
    """The learning rates of each step.

    Parameters
    ----------
    training : Training
        Learning rates of one worker, their schedule and scaling, and the warm-up.
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

        During warm-up the rate grows linearly, step by step: from the rate of one worker, or with
        the schedule "cosine" from a twentieth of it. A cosine then falls in each step, and reaches
        its end in the last step of the last epoch.
        """
        factor = self._factor(epoch * self.steps + step)
        return tuple(rate * factor for rate in self.training.rates_of(epoch))

    def vary_in(self, epoch: int) -> bool:
        """Return True if the rates change between the steps of an epoch."""
        return self.training.rate_schedule == "cosine" or (
            self.workers > 1 and epoch * self.steps < self.warmup
        )

    @property
    def warmup(self) -> int:
        """Number of warm-up steps."""
        return int(self.training.warmup_epochs * self.steps)

    def _factor(self, number: int) -> float:
        """Return the factor of the rates in a step, counted from the start of training."""
        schedule = self.training.rate_schedule
        full = SCALINGS[self.training.lr_scaling](self.workers)
        if number < self.warmup:
            start = STARTS[schedule]
            return start + (full - start) * number / self.warmup
        falling = self.training.epochs * self.steps - 1 - self.warmup
        progress = (number - self.warmup) / falling if falling > 0 else 0.0
        return full * SHARES[schedule](progress)

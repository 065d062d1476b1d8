"""Data-parallel training: every worker trains the same network on its share of the samples.

Processes started by ``horovodrun -np 4 python train.py`` or ``horovod.run`` are the workers, one
for each device. The only module that knows Horovod.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

#: What Horovod's launchers tell the processes that they start.
LAUNCHED = "HOROVOD_SIZE"


@dataclasses.dataclass(frozen=True)
class Workers:
    """The processes that train together, and which of them this one is.

    Parameters
    ----------
    size : int
        How many there are; 1 trains alone, without Horovod.
    rank : int
        The number of this one, from 0.
    """

    size: int = 1
    rank: int = 0

    @classmethod
    def current(cls) -> Workers:
        """Those of this process: it alone, unless Horovod has started it.

        Raises
        ------
        ImportError
            When Horovod has started the process, but cannot be used in it.
        """
        if LAUNCHED not in os.environ:
            return cls()
        try:
            hvd = _horovod()
        except ImportError as error:
            raise ImportError(
                f"Expected Horovod with TensorFlow in a process of {LAUNCHED}="
                f"{os.environ[LAUNCHED]}, got: {error}. Install it into this environment with"
                " HOROVOD_WITH_TENSORFLOW=1 pip install --no-build-isolation horovod, or start the"
                " program without horovodrun."
            ) from error
        hvd.init()
        return cls(hvd.size(), hvd.rank())

    def rates(self, rates: Iterable[float]) -> tuple[float, ...]:
        """Learning rates times the number of workers, whose batches together are a step's.

        The linear scaling rule of Goyal et al. 2017, arXiv:1706.02677, section 2.1.
        """
        return tuple(rate * self.size for rate in rates)

    def average(self, tensors: Sequence[Any]) -> Sequence[Any]:
        """Means over all workers, of float tensors in the same order on each; None stays None."""
        if self.size == 1:
            return tensors
        given = [tf.convert_to_tensor(x) for x in tensors if x is not None]
        hvd = _horovod()
        means = iter(hvd.grouped_allreduce(given, op=hvd.Average) if given else ())
        return [None if x is None else next(means) for x in tensors]

    def broadcast(self, variables: Sequence[Any]) -> None:
        """Give Keras variables the values that they have on worker 0."""
        if self.size > 1:
            _horovod().broadcast_variables([v.value for v in variables], root_rank=0)

    def share(self, order: np.ndarray, *, together: bool = False) -> np.ndarray:
        """The samples of this worker, out of those of an epoch in an order common to all.

        Every `size`-th, or as many that stand together. All get equally many, for a worker with a
        batch more than the others would wait for them forever: where the number of samples is no
        multiple of `size`, the first ones of the order are taken again, at most ``size - 1``.

        Parameters
        ----------
        order : numpy.ndarray
            Numbers of samples.
        together : bool
            Take neighbours, which are read together.
        """
        each = -(-len(order) // self.size)
        every = np.resize(order, each * self.size)
        if together:
            return every[self.rank * each : (self.rank + 1) * each]
        return every[self.rank :: self.size]


def _horovod() -> Any:
    import horovod.tensorflow

    return horovod.tensorflow


#: Trains without Horovod.
ALONE = Workers()

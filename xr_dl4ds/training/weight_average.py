"""Exponential moving average of a network's weights over the steps of training.

The average is validated, kept and saved; training goes on with the weights themselves.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf


class WeightAverage:
    """Average of trainable weights; batch normalization's moving statistics are not averaged.

    Workers that train together have equal weights, and therefore equal averages.

    Parameters
    ----------
    weights : sequence of keras.Variable
        The weights, whose values start the average.
    momentum : float
        Share of the average that each step keeps. The first steps keep less, ``(1 + n) / (10 + n)``
        after n steps, so that the initial weights are soon forgotten
        (`tf.train.ExponentialMovingAverage` with `num_updates`).

    Attributes
    ----------
    variables : list of keras.Variable
        The number of steps, and the average of each weight.
    """

    def __init__(self, weights: Sequence[keras.Variable], momentum: float) -> None:
        self.weights = list(weights)
        self.momentum = momentum
        self.count = keras.Variable(0, dtype="int64", trainable=False, name="averaged_steps")
        self.averages = [
            # from a copy: Keras would share the variable of TensorFlow
            keras.Variable(keras.ops.convert_to_numpy(weight), trainable=False, name="average")
            for weight in self.weights
        ]

    @property
    def variables(self) -> list[keras.Variable]:
        """All variables, for checkpoints and for other workers."""
        return [self.count, *self.averages]

    def update(self) -> None:
        """Add the weights of one step."""
        done = tf.cast(self.count.value, tf.float32)
        kept = tf.minimum(self.momentum, (1 + done) / (10 + done))
        for average, weight in zip(self.averages, self.weights, strict=True):
            average.assign(weight.value + kept * (average.value - weight.value))
        self.count.assign(self.count.value + 1)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Give the network the average within a ``with`` block, and its own weights afterwards."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def keep(self) -> None:
        """Give the network the average for good."""
        for average, weight in zip(self.averages, self.weights, strict=True):
            weight.assign(average.value)

    def _swap(self) -> None:
        for average, weight in zip(self.averages, self.weights, strict=True):
            before = tf.identity(weight.value)
            weight.assign(average.value)
            average.assign(before)

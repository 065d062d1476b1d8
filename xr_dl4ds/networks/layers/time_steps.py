"""Layers that fold the time axis into the batch, restore it, and relate time steps."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from xr_dl4ds.networks.tensors import Tensor

_register = keras.saving.register_keras_serializable(package="xr_dl4ds")


class Unconverted(keras.layers.Layer):
    """Base of layers that keep the dtype of their inputs, whatever the dtype policy."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)


@_register
class FoldTime(Unconverted):
    """Layer that folds the time axis into the batch: all steps of the first sample come first.

    Values and dtype do not change. `UnfoldTime` is the inverse.

    Input shape
        ``(batch, time, ...)``
    Output shape
        ``(batch * time, ...)``
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Merge the first two dimensions."""
        batch, time, *rest = ops.shape(inputs)
        return ops.reshape(inputs, (batch * time, *rest))


@_register
class UnfoldTime(Unconverted):
    """Layer that restores the time axis that `FoldTime` merged into the batch.

    Values and dtype do not change.

    Input shape
        A list of ``(batch * time, ...)``, and a tensor with batch and time axes, ``(batch, time,
        ...')``.
    Output shape
        ``(batch, time, ...)``
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Split the first dimension into batch and time."""
        x, like = inputs
        return ops.reshape(x, (*ops.shape(like)[:2], *ops.shape(x)[1:]))


@_register
class RepeatOverTime(Unconverted):
    """Layer that repeats each sample for each time step, in the order of `FoldTime`.

    Values and dtype, also of integers, do not change.

    Input shape
        A list of ``(batch, ...)``, and a tensor with a time axis, ``(batch, time, ...')``.
    Output shape
        ``(batch * time, ...)``
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Repeat along the first dimension."""
        x, like = inputs
        batch, time = ops.shape(like)[:2]
        rest = ops.shape(x)[1:]
        repeated = ops.broadcast_to(x[:, None], (batch, time, *rest))
        return ops.reshape(repeated, (batch * time, *rest))


@_register
class NeighbourSteps(Unconverted):
    """Layer that concatenates the channels of the preceding, the present and the following step.

    A following convolution over rows and columns then also covers three steps, with zeros beyond
    both ends. The dtype does not change.

    Input shape
        A list of ``(batch * time, y, x, channel)``, in the order of `FoldTime`, and a tensor with
        batch and time axes, ``(batch, time, ...')``.
    Output shape
        ``(batch * time, y, x, 3 * channel)``
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Shift by a step in both directions, and concatenate."""
        x, like = inputs
        shape = ops.shape(x)
        steps = ops.reshape(x, (*ops.shape(like)[:2], *shape[1:]))
        zeros = ops.zeros_like(steps[:, :1])
        before = ops.concatenate([zeros, steps[:, :-1]], axis=1)
        after = ops.concatenate([steps[:, 1:], zeros], axis=1)
        beside = ops.concatenate([before, steps, after], axis=-1)
        return ops.reshape(beside, (*shape[:-1], 3 * x.shape[-1]))

"""Repetition of inputs without time for each time step."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from xr_dl4ds.networks.tensors import Tensor


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class RepeatOverTime(keras.layers.Layer):
    """Layer that repeats each sample for each time step, in the order of `FoldTime`.

    Values and dtype, also of integers, do not change, whatever the dtype policy.

    Input shape
        A list of ``(batch, ...)``, and a tensor with a time axis, ``(batch, time, ...')``.
    Output shape
        ``(batch * time, ...)``
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs: Tensor) -> Tensor:
        """Repeat along the first dimension."""
        x, like = inputs
        batch, time = ops.shape(like)[:2]
        rest = ops.shape(x)[1:]
        repeated = ops.broadcast_to(x[:, None], (batch, time, *rest))
        return ops.reshape(repeated, (batch * time, *rest))

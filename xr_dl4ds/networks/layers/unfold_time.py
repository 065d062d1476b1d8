"""Restoring of the time axis from the batch."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from xr_dl4ds.networks.tensors import Tensor


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class UnfoldTime(keras.layers.Layer):
    """Layer that restores the time axis that `FoldTime` merged into the batch.

    Values and dtype do not change, whatever the dtype policy.

    Input shape
        A list of ``(batch * time, ...)``, and a tensor with batch and time axes, ``(batch, time,
        ...')``.
    Output shape
        ``(batch, time, ...)``
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs: Tensor) -> Tensor:
        """Split the first dimension into batch and time."""
        x, like = inputs
        return ops.reshape(x, (*ops.shape(like)[:2], *ops.shape(x)[1:]))

"""Concatenation of each time step with its neighbouring steps."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from xr_dl4ds.networks.tensors import Tensor


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class NeighbourSteps(keras.layers.Layer):
    """Layer that concatenates the channels of the preceding, the present and the following step.

    A following convolution over rows and columns then also covers three steps, with zeros beyond
    both ends. Dtypes do not change, whatever the dtype policy.

    Input shape
        A list of ``(batch * time, y, x, channel)``, in the order of `FoldTime`, and a tensor with
        batch and time axes, ``(batch, time, ...')``.
    Output shape
        ``(batch * time, y, x, 3 * channel)``
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs: Tensor) -> Tensor:
        """Shift by one step in both directions, and concatenate."""
        x, like = inputs
        shape = ops.shape(x)
        steps = ops.reshape(x, (*ops.shape(like)[:2], *shape[1:]))
        nothing = ops.zeros_like(steps[:, :1])
        before = ops.concatenate([nothing, steps[:, :-1]], axis=1)
        after = ops.concatenate([steps[:, 1:], nothing], axis=1)
        beside = ops.concatenate([before, steps, after], axis=-1)
        return ops.reshape(beside, (*shape[:-1], 3 * x.shape[-1]))

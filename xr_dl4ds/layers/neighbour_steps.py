"""Each time step with those beside it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class NeighbourSteps(keras.layers.Layer):
    """Channels of the step before, the step itself and the step after, one beside the other.

    A convolution over rows and columns that follows is one over three steps as well, with zeros
    beyond both ends. Dtypes are kept, whatever the policy.

    Input shape
        A list of ``(batch * time, y, x, channel)``, in the order of `FoldTime`, and a tensor that
        has both, ``(batch, time, ...')``.
    Output shape
        ``(batch * time, y, x, 3 * channel)``
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs: Any) -> Any:
        """Shift by a step either way, and concatenate."""
        x, like = inputs
        shape = ops.shape(x)
        steps = ops.reshape(x, (*ops.shape(like)[:2], *shape[1:]))
        nothing = ops.zeros_like(steps[:, :1])
        before = ops.concatenate([nothing, steps[:, :-1]], axis=1)
        after = ops.concatenate([steps[:, 1:], nothing], axis=1)
        beside = ops.concatenate([before, steps, after], axis=-1)
        return ops.reshape(beside, (*shape[:-1], 3 * x.shape[-1]))

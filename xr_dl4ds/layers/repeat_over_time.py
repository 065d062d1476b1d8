"""What has no time, once for each time step."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class RepeatOverTime(keras.layers.Layer):
    """Repeat each sample for each time step, in the order of `FoldTime`.

    Values and dtype, integers too, are kept, whatever the policy.

    Input shape
        A list of ``(batch, ...)``, and a tensor that has time, ``(batch, time, ...')``.
    Output shape
        ``(batch * time, ...)``
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs: Any) -> Any:
        """Repeat along the first dimension."""
        x, like = inputs
        batch, time = ops.shape(like)[:2]
        rest = ops.shape(x)[1:]
        repeated = ops.broadcast_to(x[:, None], (batch, time, *rest))
        return ops.reshape(repeated, (batch * time, *rest))

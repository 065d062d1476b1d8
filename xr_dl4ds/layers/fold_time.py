"""Time steps as entries of the batch."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class FoldTime(keras.layers.Layer):
    """Make each time step an entry of the batch: all steps of the first sample come first.

    Values and dtype are kept, whatever the policy. `UnfoldTime` undoes it.

    Input shape
        ``(batch, time, ...)``
    Output shape
        ``(batch * time, ...)``
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs: Any) -> Any:
        """Fold the second dimension into the first."""
        batch, time, *rest = ops.shape(inputs)
        return ops.reshape(inputs, (batch * time, *rest))

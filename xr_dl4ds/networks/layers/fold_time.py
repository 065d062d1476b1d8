"""Folding of the time axis into the batch."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from xr_dl4ds.networks.tensors import Tensor


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class FoldTime(keras.layers.Layer):
    """Layer that folds the time axis into the batch: all steps of the first sample come first.

    Values and dtype do not change, whatever the dtype policy. `UnfoldTime` is the inverse.

    Input shape
        ``(batch, time, ...)``
    Output shape
        ``(batch * time, ...)``
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs: Tensor) -> Tensor:
        """Merge the first two dimensions."""
        batch, time, *rest = ops.shape(inputs)
        return ops.reshape(inputs, (batch * time, *rest))

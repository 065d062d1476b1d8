"""Cropping to the size of another tensor."""

from __future__ import annotations

import keras
from keras import ops

from xr_dl4ds.networks.layers.time_steps import Unconverted
from xr_dl4ds.networks.tensors import Tensor


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class CropTo(Unconverted):
    """Layer that keeps as many of the first rows and columns as another tensor has.

    Values and dtype do not change.

    Input shape
        A list of ``(..., y, x, channel)``, and a tensor ``(..., y', x', channel')`` with the wanted
        sizes, which must not be larger.
    Output shape
        ``(..., y', x', channel)``
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Remove the rows and columns after the wanted size."""
        x, like = inputs
        *lead, _, _, channel = ops.shape(x)
        # slicing with subscripts would lose static sizes that are known of `like` alone
        return ops.slice(x, [0] * len(x.shape), [*lead, *ops.shape(like)[-3:-1], channel])

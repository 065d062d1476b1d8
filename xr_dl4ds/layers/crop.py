"""Crop to the size of another tensor."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class CropTo(keras.layers.Layer):
    """The first rows and columns, as many as another tensor has.

    Values and dtype are kept, whatever the policy.

    Input shape
        A list of ``(..., y, x, channel)``, and a tensor like which it shall be, ``(..., y', x',
        channel')`` with sizes that are not larger.
    Output shape
        ``(..., y', x', channel)``
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs: Any) -> Any:
        """Cut off what is after."""
        x, like = inputs
        *lead, _, _, channel = ops.shape(x)
        # a slice by subscripts would forget sizes that are known of `like` alone
        return ops.slice(x, [0] * len(x.shape), [*lead, *ops.shape(like)[-3:-1], channel])

"""Entries of the batch as time steps again."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class UnfoldTime(keras.layers.Layer):
    """Give back the time axis that `FoldTime` took away.

    Values and dtype are kept, whatever the policy.

    Input shape
        A list of ``(batch * time, ...)``, and a tensor that has both, ``(batch, time, ...')``.
    Output shape
        ``(batch, time, ...)``
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs: Any) -> Any:
        """Part the first dimension in two."""
        x, like = inputs
        return ops.reshape(x, (*ops.shape(like)[:2], *ops.shape(x)[1:]))

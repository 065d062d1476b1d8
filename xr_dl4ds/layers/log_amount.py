"""How much is expected, for parameters that depend on it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from xr_dl4ds.config.distributions import TRACE


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class LogAmount(keras.layers.Layer):
    """``log(max(x + zero, 0) + TRACE)`` of some channels, without a gradient.

    The logarithm's slope near 0 is 1 / TRACE: parameters learn from the amount, the amount does
    not learn from what they make of it.

    Parameters
    ----------
    channels : sequence of int
        Channels to take.
    zeros : sequence of float
        For each of these, what is added to a scaled value to measure it from the physical zero.

    Input shape
        ``(..., channel)``
    Output shape
        ``(..., len(channels))``
    """

    def __init__(self, channels: tuple[int, ...], zeros: tuple[float, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels = tuple(channels)
        self.zeros = tuple(float(z) for z in zeros)

    def call(self, inputs: Any) -> Any:
        """Take the channels and their logarithm."""
        parts = [
            ops.log(ops.relu(inputs[..., c : c + 1] + zero) + TRACE)
            for c, zero in zip(self.channels, self.zeros, strict=True)
        ]
        return ops.stop_gradient(ops.concatenate(parts, axis=-1))

    def get_config(self) -> dict[str, Any]:
        """Arguments, to build the same layer again."""
        return {**super().get_config(), "channels": self.channels, "zeros": self.zeros}

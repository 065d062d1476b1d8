"""Logarithm of the expected amount, an input to the distribution parameters."""

from __future__ import annotations

import keras
from keras import ops

from xr_dl4ds.config.distribution_channels import TRACE
from xr_dl4ds.networks.tensors import Tensor


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class LogAmount(keras.layers.Layer):
    """Layer that returns ``log(max(x + zero, 0) + TRACE)`` of channels, without a gradient.

    Near 0 the slope of the logarithm is 1 / TRACE. Without the gradient, the parameters learn from
    the amount, but the amount does not learn from the parameters.

    Parameters
    ----------
    channels : sequence of int
        Channels to select.
    zeros : sequence of float
        For each selected channel, the offset that is added to a scaled value to measure it from the
        physical zero.

    Input shape
        ``(..., channel)``
    Output shape
        ``(..., len(channels))``
    """

    def __init__(
        self, channels: tuple[int, ...], zeros: tuple[float, ...], **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        self.channels = tuple(channels)
        self.zeros = tuple(float(z) for z in zeros)

    def call(self, inputs: Tensor) -> Tensor:
        """Select the channels and compute the logarithm."""
        parts = [
            ops.log(ops.relu(inputs[..., c : c + 1] + zero) + TRACE)
            for c, zero in zip(self.channels, self.zeros, strict=True)
        ]
        return ops.stop_gradient(ops.concatenate(parts, axis=-1))

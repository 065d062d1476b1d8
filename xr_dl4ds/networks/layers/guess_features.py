"""Features of the first guess, for networks that locate latent members."""

from __future__ import annotations

import keras
from keras import ops

from xr_dl4ds.networks.layers.amount_curve import bent
from xr_dl4ds.networks.tensors import Tensor


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class GuessFeatures(keras.layers.Layer):
    """Layer that selects channels of the first guess, and takes cube roots of amounts.

    Parameters
    ----------
    channels : sequence of int
        Channels to select.
    zeros : sequence of float or None
        For each selected channel that is an amount, the offset that is added to a scaled value to
        measure it from the physical zero; None leaves a channel unchanged.

    Input shape
        ``(..., channel)``
    Output shape
        ``(..., len(channels))``
    """

    def __init__(
        self, channels: tuple[int, ...], zeros: tuple[float | None, ...], **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        self.channels = tuple(channels)
        self.zeros = tuple(None if zero is None else float(zero) for zero in zeros)

    def call(self, inputs: Tensor) -> Tensor:
        """Select the channels."""
        parts = []
        for channel, zero in zip(self.channels, self.zeros, strict=True):
            x = inputs[..., channel : channel + 1]
            parts.append(x if zero is None else bent(x + zero, "cbrt"))
        return ops.concatenate(parts, axis=-1)

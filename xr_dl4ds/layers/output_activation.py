"""Activation of the output, measured from each variable's own zero."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class OutputActivation(keras.layers.Layer):
    """``activation(x + zeros) - zeros``, channel by channel.

    Scaled values are measured from their mean; with `zeros` they are measured from the physical
    zero (standard scaling) or the training minimum (min-max scaling), where a ReLU means
    something.

    Parameters
    ----------
    activation : str
        Name of a Keras activation.
    zeros : sequence of float
        For each channel, what is added before and taken away after.
    channels : sequence of int, optional
        Channels that it is applied to, the others staying as they are; all by default.

    Input shape
        ``(..., channel)``
    Output shape
        The same.
    """

    def __init__(
        self,
        activation: str,
        zeros: tuple[float, ...],
        channels: tuple[int, ...] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.activation = activation
        self.zeros = tuple(float(z) for z in zeros)
        self.channels = None if channels is None else tuple(channels)
        self._function = keras.activations.get(activation)

    def call(self, inputs: Any) -> Any:
        """Apply it."""
        zeros = ops.convert_to_tensor(self.zeros, dtype=inputs.dtype)
        activated = self._function(inputs + zeros) - zeros
        if self.channels is None:
            return activated
        own = [i in self.channels for i in range(len(self.zeros))]
        return ops.where(ops.convert_to_tensor(own, dtype="bool"), activated, inputs)

    def get_config(self) -> dict[str, Any]:
        """Arguments, to build the same layer again."""
        return {
            **super().get_config(),
            "activation": self.activation,
            "zeros": self.zeros,
            "channels": self.channels,
        }

"""Activation of the output, measured from the zero of each variable."""

from __future__ import annotations

import keras
from keras import ops

from xr_dl4ds.networks.tensors import Tensor


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class OutputActivation(keras.layers.Layer):
    """Layer that returns ``activation(x + zeros) - zeros``, channel by channel.

    Scaled values are measured from their mean. `zeros` shifts them to the physical zero (standard
    scaling) or to the training minimum (min-max scaling), where a ReLU is meaningful.

    Parameters
    ----------
    activation : str
        Name of a Keras activation.
    zeros : sequence of float
        For each channel, the offset that is added before the activation and subtracted after it.
    channels : sequence of int, optional
        Channels to which the activation is applied; the others stay unchanged. All by default.

    Input shape
        ``(..., channel)``
    Output shape
        The input shape.
    """

    def __init__(
        self,
        activation: str,
        zeros: tuple[float, ...],
        channels: tuple[int, ...] | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.activation = activation
        self.zeros = tuple(float(z) for z in zeros)
        self.channels = None if channels is None else tuple(channels)
        self._function = keras.activations.get(activation)

    def call(self, inputs: Tensor) -> Tensor:
        """Apply the activation to the selected channels."""
        zeros = ops.convert_to_tensor(self.zeros, dtype=inputs.dtype)
        activated = self._function(inputs + zeros) - zeros
        if self.channels is None:
            return activated
        own = [i in self.channels for i in range(len(self.zeros))]
        return ops.where(ops.convert_to_tensor(own, dtype="bool"), activated, inputs)

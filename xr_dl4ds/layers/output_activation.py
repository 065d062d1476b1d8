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

    Input shape
        ``(..., channel)``
    Output shape
        The same.
    """

    def __init__(self, activation: str, zeros: tuple[float, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activation
        self.zeros = tuple(float(z) for z in zeros)
        self._function = keras.activations.get(activation)

    def call(self, inputs: Any) -> Any:
        """Apply it."""
        zeros = ops.convert_to_tensor(self.zeros, dtype=inputs.dtype)
        return self._function(inputs + zeros) - zeros

    def get_config(self) -> dict[str, Any]:
        """Arguments, to build the same layer again."""
        config = {"activation": self.activation, "zeros": self.zeros}
        return {**super().get_config(), **config}

"""The time of a flow as features, and the modulation of features by them."""

from __future__ import annotations

import math

import keras
from keras import ops

from xr_dl4ds.networks.tensors import Tensor

#: Number of frequencies; the slowest has half a period over the flow.
FREQUENCIES = 8


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class FlowTimeFeatures(keras.layers.Layer):
    """Layer that returns sines and cosines of the time of a flow, 0 to 1.

    The angles are ``pi t / 2`` times 1, 2, 4, ... 128 (Vaswani et al. 2017, arXiv:1706.03762,
    section 3.5, in octaves).

    Input shape
        ``(batch, 1)``
    Output shape
        ``(batch, 16)``
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs: Tensor) -> Tensor:
        """Compute the features."""
        octaves = ops.convert_to_tensor([0.5 * math.pi * 2.0**k for k in range(FREQUENCIES)])
        angles = inputs * ops.cast(octaves, inputs.dtype)
        return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the features."""
        return (*input_shape[:-1], 2 * FREQUENCIES)


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class Modulation(keras.layers.Layer):
    """Layer that returns ``x (1 + s) + b``, with s and b linear in an embedding.

    FiLM (Perez et al. 2018, arXiv:1709.07871, equation 2). The weights begin at 0, so that the
    layer begins as the identity.

    Input shape
        A list of ``(batch, y, x, channel)`` and the embedding ``(batch, feature)``.
    Output shape
        The shape of the first input.
    """

    def build(self, input_shape: list[tuple[int | None, ...]]) -> None:
        """Make the weights."""
        channels, features = (int(shape[-1] or 0) for shape in input_shape)
        self.kernel = self.add_weight(
            shape=(features, 2 * channels), initializer="zeros", name="kernel"
        )
        self.bias = self.add_weight(shape=(2 * channels,), initializer="zeros", name="bias")

    def call(self, inputs: Tensor) -> Tensor:
        """Modulate the features."""
        x, embedding = inputs
        made = ops.matmul(embedding, self.kernel) + self.bias
        scale, shift = ops.split(made[:, None, None, :], 2, axis=-1)
        return x * (1 + scale) + shift

    def compute_output_shape(
        self, input_shape: list[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """Return the shape of the features."""
        return tuple(input_shape[0])

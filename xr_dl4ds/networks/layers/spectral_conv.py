"""Convolution with spectral normalization: the kernel matrix has a largest singular value of 1."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from xr_dl4ds.networks.layers.wrap import convolve
from xr_dl4ds.networks.tensors import Tensor

#: Lower bound of norms in divisions.
LEAST_NORM = 1e-12


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class SpectralConv2D(keras.layers.Layer):
    """Convolution with spectral normalization (Miyato et al. 2018, arXiv:1802.05957, algorithm 1).

    The kernel, as a matrix ``(size * size * channel, filters)``, is divided by its largest singular
    value. Each call in training updates this value by one step of power iteration. The gradient
    passes through the division. Keras's wrapper overwrites the kernel instead: the optimizer then
    follows the gradient of another function, and its first steps enlarge the kernel until the
    iteration converges.

    Parameters
    ----------
    filters : int
        Output channels.
    kernel_size : int
        Edge of the kernel in cells, odd.
    wrap : bool
        Whether the first column follows the last one, as on a global grid.

    Input shape
        ``(batch, y, x, channel)``
    Output shape
        ``(batch, y, x, filters)``
    """

    def __init__(
        self, filters: int, kernel_size: int = 3, wrap: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.wrap = wrap

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create kernel, bias, and the vector of the power iteration."""
        edge = (self.kernel_size, self.kernel_size)
        # the power iteration is float32 whatever the precision of the convolution
        self.kernel = self.add_weight(
            shape=(*edge, input_shape[-1], self.filters),
            initializer="glorot_uniform",
            autocast=False,
            name="kernel",
        )
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")
        self.vector = self.add_weight(
            shape=(self.filters, 1),
            initializer="random_normal",
            trainable=False,
            autocast=False,
            name="vector",
        )

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Normalize the kernel and convolve."""
        kernel = ops.cast(self._normalized(training), inputs.dtype)
        return convolve(inputs, kernel, self.wrap) + ops.cast(self.bias, inputs.dtype)

    def _normalized(self, training: bool) -> Tensor:
        kernel = ops.convert_to_tensor(self.kernel)
        matrix = ops.reshape(kernel, (-1, self.filters))
        fixed = ops.stop_gradient(matrix)
        left = _unit(ops.matmul(fixed, ops.convert_to_tensor(self.vector)))
        right = _unit(ops.matmul(ops.transpose(fixed), left))
        if training:
            self.vector.assign(right)
        largest = ops.sum(left * ops.matmul(matrix, right))
        return kernel / ops.maximum(largest, LEAST_NORM)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input shape with `filters` channels."""
        return (*input_shape[:-1], self.filters)


def _unit(vector: Tensor) -> Tensor:
    return vector / ops.maximum(ops.sqrt(ops.sum(ops.square(vector))), LEAST_NORM)

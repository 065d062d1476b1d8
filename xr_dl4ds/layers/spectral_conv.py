"""Convolution whose kernel, as a matrix, has a largest singular value of 1."""

from __future__ import annotations

import functools
from typing import Any

import keras
from keras import ops

from xr_dl4ds.layers.wrap import around

#: Below any norm that a division would notice.
LEAST_NORM = 1e-12


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class SpectralConv2D(keras.layers.Layer):
    """Convolution with spectral normalization (Miyato et al. 2018, arXiv:1802.05957, algorithm 1).

    The kernel, ``(size * size * channel, filters)`` as a matrix, is divided by its largest singular
    value, which one step of power iteration follows in each call in training; the gradient goes
    through the division. Keras's wrapper overwrites the kernel instead: what an optimizer then
    follows is the gradient of another function, and its first steps enlarge the kernel while the
    iteration has not converged.

    Parameters
    ----------
    filters : int
        Output channels.
    kernel_size : int
        Edge of the kernel in cells, odd.
    wrap : bool
        Whether the first column comes after the last one, as on a global grid.

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
        """Make kernel, bias, and the iteration's vector."""
        edge = (self.kernel_size, self.kernel_size)
        # the iteration is float32 whatever the precision of the convolution
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

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Divide the kernel and convolve."""
        kernel = ops.cast(self._normalized(training), inputs.dtype)
        same = functools.partial(
            ops.conv, kernel=kernel, padding="same", data_format="channels_last"
        )
        margin = self.kernel_size // 2 if self.wrap else 0
        return around(same, inputs, margin, margin) + ops.cast(self.bias, inputs.dtype)

    def _normalized(self, training: bool) -> Any:
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
        """Channels become filters."""
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """Arguments, to build the same layer again."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "wrap": self.wrap,
        }


def _unit(vector: Any) -> Any:
    return vector / ops.maximum(ops.sqrt(ops.sum(ops.square(vector))), LEAST_NORM)

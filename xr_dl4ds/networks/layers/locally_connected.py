"""Locally connected 1 x 1 convolution: separate weights for each cell of one grid."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from xr_dl4ds.networks.tensors import Tensor


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class LocallyConnected(keras.layers.Layer):
    """Locally connected 1 x 1 convolution, with a separate kernel and biases in each cell.

    A sample may be any part of the grid; its position tells which cells it covers. Kernels are
    drawn from the uniform distribution of Glorot & Bengio 2010 (equation 16) for a single cell,
    within ``sqrt(6 / (channel + filters))``. Keras's initializer would count all cells as
    connections. Biases start at zero. The layer gathers ``channel * filters`` weights for each cell
    of each sample, so it suits only a few channels.

    Parameters
    ----------
    filters : int
        Output channels.
    shape : tuple of int
        Rows and columns of the whole grid.
    wrap : bool
        Whether the first column follows the last one, as on a global grid.

    Input shape
        A list of ``(batch, y, x, channel)`` and, integers, ``(batch, 2)``: row and column of the
        sample's first cell in the whole grid. Cells outside the grid take the weights of the
        nearest cell at its border; with `wrap`, columns after the last one take the weights of the
        first columns.
    Output shape
        ``(batch, y, x, filters)``
    """

    def __init__(
        self,
        filters: int,
        shape: tuple[int, int],
        wrap: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.shape = tuple(shape)
        self.wrap = wrap

    def build(self, input_shape: list[tuple[int | None, ...]]) -> None:
        """Create the kernel (row, column, channel, filter) and the bias (row, column, filter)."""
        channel = input_shape[0][-1]
        assert channel is not None
        limit = math.sqrt(6 / (channel + self.filters))
        self.kernel = self.add_weight(
            shape=(*self.shape, channel, self.filters),
            initializer=keras.initializers.RandomUniform(-limit, limit),
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(*self.shape, self.filters), initializer="zeros", name="bias"
        )

    def call(self, inputs: Tensor) -> Tensor:
        """Gather the weights of the cells and apply them."""
        x, position = inputs
        _, y_size, x_size, channel = ops.shape(x)
        row = _covered(position[:, 0], y_size, self.shape[0])
        column = _covered(position[:, 1], x_size, self.shape[1], wrap=self.wrap)
        cell = row[:, :, None] * self.shape[1] + column[:, None, :]
        # reshape first, so that the gradient of `take` is dense
        cells = math.prod(self.shape)
        kernel = ops.take(ops.reshape(self.kernel, (cells, channel, self.filters)), cell, axis=0)
        bias = ops.take(ops.reshape(self.bias, (cells, self.filters)), cell, axis=0)
        return ops.sum(x[..., None] * kernel, axis=-2) + bias

    def compute_output_shape(
        self, input_shape: list[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """Return the shape of the output; unknown sizes stay unknown."""
        return (*input_shape[0][:-1], self.filters)


def _covered(first: Tensor, size: Tensor, whole: int, *, wrap: bool = False) -> Tensor:
    """Return the rows or columns of the whole grid that each sample covers, ``(batch, size)``."""
    covered = ops.cast(first, "int32")[:, None] + ops.arange(size, dtype="int32")
    return covered % whole if wrap else ops.clip(covered, 0, whole - 1)

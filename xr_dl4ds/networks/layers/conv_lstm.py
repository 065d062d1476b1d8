"""Convolutional LSTM over fields of any size."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from xr_dl4ds.networks.layers.wrap import convolve
from xr_dl4ds.networks.tensors import Tensor


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class ConvLSTM(keras.layers.Layer):
    """Convolutional LSTM (Shi et al. 2015, arXiv:1506.04214, without peepholes).

    Keras's `ConvLSTM2D` gives equal results, but requires known y and x when the network is built.
    This layer leaves y and x undefined. It convolves the inputs of all steps, and all four gates,
    at once.

    Parameters
    ----------
    filters : int
        Channels of the output and of the states.
    kernel_size : int
        Edge of both kernels in cells.
    wrap : bool
        Whether the first column follows the last one in both convolutions, as on a global grid.

    Input shape
        ``(batch, time, y, x, channel)``
    Output shape
        ``(batch, time, y, x, filters)``: the hidden state at each step, which depends on the
        earlier steps.
    """

    def __init__(
        self, filters: int, kernel_size: int = 3, wrap: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.wrap = wrap

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the kernels of the four gates: input, forget, candidate, output."""
        edge, gates = (self.kernel_size, self.kernel_size), 4 * self.filters
        self.kernel = self.add_weight(
            shape=(*edge, input_shape[-1], gates), initializer="glorot_uniform", name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(*edge, self.filters, gates), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=(gates,), initializer=self._forget_bias, name="bias")

    def _forget_bias(self, shape: tuple[int, ...], dtype: Tensor = None) -> Tensor:
        # a forget gate that is open initially remembers (Jozefowicz et al. 2015, ICML)
        ones, zeros = ops.ones(self.filters, dtype=dtype), ops.zeros(self.filters, dtype=dtype)
        return ops.concatenate([zeros, ones, zeros, zeros])

    def call(self, inputs: Tensor) -> Tensor:
        """Convolve all steps, then run through them."""
        batch, time, y, x, _ = ops.shape(inputs)
        flat = ops.reshape(inputs, (-1, y, x, inputs.shape[-1]))
        gates = convolve(flat, self.kernel, self.wrap) + self.bias
        gates = ops.reshape(gates, (batch, time, y, x, 4 * self.filters))
        gates = ops.transpose(gates, (1, 0, 2, 3, 4))
        # Keras's scan with TensorFlow requires one state and an output of the same shape
        start = ops.zeros_like(gates[0, ..., : 2 * self.filters])
        _, states = ops.scan(self._step, start, gates)
        return ops.transpose(states[..., : self.filters], (1, 0, 2, 3, 4))

    def _step(self, state: Tensor, gates: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the next hidden and cell state, concatenated, from the present ones."""
        hidden, cell = ops.split(state, 2, axis=-1)
        recurrent = convolve(hidden, self.recurrent_kernel, self.wrap)
        i, f, c, o = ops.split(gates + recurrent, 4, axis=-1)
        cell = ops.sigmoid(f) * cell + ops.sigmoid(i) * ops.tanh(c)
        hidden = ops.sigmoid(o) * ops.tanh(cell)
        state = ops.concatenate([hidden, cell], axis=-1)
        return state, state

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input shape with `filters` channels."""
        return (*input_shape[:-1], self.filters)

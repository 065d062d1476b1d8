"""Layers that turn channels of an LR cell into its HR cells, and HR cells into channels."""

from __future__ import annotations

import keras
from keras import ops

from xr_dl4ds.config import Scale
from xr_dl4ds.networks.layers.time_steps import Unconverted
from xr_dl4ds.networks.tensors import Tensor

_register = keras.saving.register_keras_serializable(package="xr_dl4ds")

#: Shape of a tensor ``(batch, y, x, channel)``; unknown sizes are None.
Shape = tuple[int | None, int | None, int | None, int]


class _BetweenGrids(Unconverted):
    def __init__(self, scale: int | tuple[int, int], **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.scale = Scale.of(scale).public  # plain, for the model file


@_register
class ChannelsToCells(_BetweenGrids):
    """Layer that turns channels of an LR cell into its HR cells, row by row.

    Values and dtype do not change. `CellsToChannels` is the inverse. For square blocks both are
    TensorFlow's ``depth_to_space`` and ``space_to_depth``.

    Parameters
    ----------
    scale : int or tuple of int
        HR cells along one edge of an LR cell, or along y and along x.

    Input shape
        ``(batch, y, x, scale.y * scale.x * channel)``
    Output shape
        ``(batch, scale.y * y, scale.x * x, channel)``
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Move the cells of a block from the last axis between the others."""
        high, wide = Scale.of(self.scale).edges
        if high == wide:
            return ops.depth_to_space(inputs, high) if high > 1 else inputs
        batch, y, x, channel = ops.shape(inputs)
        blocks = ops.reshape(inputs, (batch, y, x, high, wide, channel // (high * wide)))
        cells = ops.transpose(blocks, (0, 1, 3, 2, 4, 5))
        return ops.reshape(cells, (batch, y * high, x * wide, channel // (high * wide)))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the output; unknown sizes stay unknown."""
        batch, y, x, channel = input_shape
        scale = Scale.of(self.scale)
        fine = (n and n * cells for n, cells in zip((y, x), scale.edges, strict=True))
        return (batch, *fine, channel // scale.cells)  # type: ignore[return-value]


@_register
class CellsToChannels(_BetweenGrids):
    """Layer that turns the HR cells of an LR cell into its channels, row by row.

    Values and dtype do not change. `ChannelsToCells` is the inverse.

    Parameters
    ----------
    scale : int or tuple of int
        HR cells along one edge of an LR cell, or along y and along x.

    Input shape
        ``(batch, scale.y * y, scale.x * x, channel)``
    Output shape
        ``(batch, y, x, scale.y * scale.x * channel)``
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Move the cells of a block to the last axis."""
        high, wide = Scale.of(self.scale).edges
        if high == wide:
            return ops.space_to_depth(inputs, high) if high > 1 else inputs
        batch, y, x, channel = ops.shape(inputs)
        blocks = ops.reshape(inputs, (batch, y // high, high, x // wide, wide, channel))
        cells = ops.transpose(blocks, (0, 1, 3, 2, 4, 5))
        return ops.reshape(cells, (batch, y // high, x // wide, high * wide * channel))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the output; unknown sizes stay unknown."""
        batch, y, x, channel = input_shape
        scale = Scale.of(self.scale)
        coarse = (n and n // cells for n, cells in zip((y, x), scale.edges, strict=True))
        return (batch, *coarse, channel * scale.cells)  # type: ignore[return-value]

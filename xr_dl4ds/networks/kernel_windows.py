"""Windows of input cells from which layers and operations compute each output cell.

A rule takes an operation and an axis, y (0) or x (1), and returns the windows along this axis. It
returns None if the windows cover the whole field, depend on the size of the field, or are unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import keras
import numpy as np
from keras import layers

from xr_dl4ds.config import Scale
from xr_dl4ds.networks.layers import (
    CellsToChannels,
    ChannelsToCells,
    Interpolation,
    NeighbourSteps,
    SpectralConv2D,
)
from xr_dl4ds.networks.layers.interpolation import REACH, phase_weights
from xr_dl4ds.networks.layers.wrapping import REACH as REACH_OF_KERAS
from xr_dl4ds.networks.periodic import ALONE, WRAPPED, kind_of

#: Layers whose strides coarsen the grid, unless they refine it.
STRIDED = tuple(WRAPPED)

#: Maps numbers of output cells to the first and the last input cell of their windows.
Windows = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def around(size: int, stride: int, dilation: int) -> Windows | None:
    """Return the windows of a padding="same" kernel; None if the padding depends on the field."""
    extent = dilation * (size - 1) + 1
    # TensorFlow splits the padding between both ends; an odd cell goes to the end
    left = {max(extent - (rest or stride), 0) // 2 for rest in range(stride)}
    if len(left) > 1:
        return None
    begin = left.pop()
    return lambda i: (i * stride - begin, i * stride - begin + extent - 1)


def block(size: int, reach: int = 0) -> Windows:
    """Return the whole block of `size` cells in which a cell lies, with `reach` blocks around."""
    return lambda i: ((i // size - reach) * size, (i // size + reach + 1) * size - 1)


def parent(factor: int, reach: int = 0) -> Windows:
    """Return the coarse cell in which a cell lies, with `reach` neighbours on each side."""
    return lambda i: (i // factor - reach, i // factor + reach)


def _fits(operation: keras.Operation) -> bool:
    """Return whether the operation keeps the position of cells."""
    padding = getattr(operation, "padding", "same")
    return padding == "same" and operation.data_format == "channels_last"


def _convolution(layer: keras.Operation, axis: int) -> Windows | None:
    size = layer.kernel_size[axis]  # a size of 1 needs no padding
    if not _fits(layer) and (size > 1 or layer.data_format != "channels_last"):
        return None
    return around(size, layer.strides[axis], layer.dilation_rate[axis])


def _spectral(layer: SpectralConv2D, axis: int) -> Windows | None:
    return around(layer.kernel_size, 1, 1)


def _pooling(layer: keras.Operation, axis: int) -> Windows | None:
    return around(layer.pool_size[axis], layer.strides[axis], 1) if _fits(layer) else None


def _transposed(layer: keras.Operation, axis: int) -> Windows | None:
    size, stride = layer.kernel_size[axis], layer.strides[axis]
    if not _fits(layer) or layer.output_padding is not None or layer.dilation_rate[axis] > 1:
        return None
    # the operation is the gradient of a convolution: input cell i reaches the output cells
    # i * stride - left + 0 ... size - 1
    left = max(size - stride, 0) // 2
    return lambda i: (
        np.minimum(-(-(i + left - size + 1) // stride), (i + left) // stride),
        (i + left) // stride,
    )


def _upsampling(layer: keras.Operation, axis: int) -> Windows | None:
    reach = REACH_OF_KERAS.get(layer.interpolation)
    if not _fits(layer) or reach is None:
        return None
    return parent(layer.size[axis], reach)


def _interpolation(layer: Interpolation, axis: int) -> Windows:
    scale = Scale.of(layer.scale).edges[axis]
    used = phase_weights(layer.method, scale) != 0
    low, high = used.argmax(axis=1) - REACH, REACH - used[:, ::-1].argmax(axis=1)
    return lambda i: (i // scale + low[i % scale], i // scale + high[i % scale])


def _depth_to_space(operation: keras.Operation, axis: int) -> Windows | None:
    return parent(operation.block_size) if _fits(operation) else None


def _channels_to_cells(layer: ChannelsToCells, axis: int) -> Windows:
    return parent(Scale.of(layer.scale).edges[axis])


def _space_to_depth(operation: keras.Operation, axis: int) -> Windows | None:
    return _whole_block(operation.block_size) if _fits(operation) else None


def _cells_to_channels(layer: CellsToChannels, axis: int) -> Windows:
    return _whole_block(Scale.of(layer.scale).edges[axis])


def _whole_block(size: int) -> Windows:
    return lambda i: (i * size, i * size + size - 1)


def _cropping(layer: keras.Operation, axis: int) -> Windows | None:
    before = layer.cropping[axis][0]
    return (lambda i: (i + before, i + before)) if _fits(layer) else None


def _padding(layer: keras.Operation, axis: int) -> Windows | None:
    before = layer.padding[axis][0]
    return (lambda i: (i - before, i - before)) if layer.data_format == "channels_last" else None


def _cell_alone(operation: keras.Operation, axis: int) -> Windows | None:
    """Return the cell itself for operations that are known to look at no other cell."""
    known = kind_of(operation) in ALONE - OF_THE_FIELD
    return parent(1) if known and _of_channels(operation) else None


def _of_channels(operation: keras.Operation) -> bool:
    """Return whether the operation acts only along the last axis (channels) and keeps that axis.

    Operations without axes count too.
    """
    if not hasattr(operation, "axis") or isinstance(operation, layers.BatchNormalization):
        return True
    if not getattr(operation, "keepdims", True):
        return False
    axes = np.atleast_1d(keras.tree.flatten(operation.axis))
    rank = len(keras.tree.flatten(operation.input)[0].shape)
    return all(axis is not None and axis in (-1, rank - 1) for axis in axes)


def refinement(operation: keras.Operation, axis: int) -> Fraction:
    """Return the number of output cells for each input cell, also if the windows are unknown."""
    if isinstance(operation, (Interpolation, ChannelsToCells)):
        return Fraction(Scale.of(operation.scale).edges[axis])
    if isinstance(operation, CellsToChannels):
        return Fraction(1, Scale.of(operation.scale).edges[axis])
    if isinstance(operation, layers.UpSampling2D):
        return Fraction(operation.size[axis])
    if isinstance(operation, layers.Conv2DTranspose):
        return Fraction(operation.strides[axis])
    if isinstance(operation, STRIDED):
        return Fraction(1, operation.strides[axis])
    if kind_of(operation) == "DepthToSpace":
        return Fraction(operation.block_size)
    if kind_of(operation) == "SpaceToDepth":
        return Fraction(1, operation.block_size)
    return Fraction(1)


#: Layers and operations that treat all columns alike, but look at more than one cell or move an
#: axis. (The walk does not count neighbouring time steps.)
OF_THE_FIELD: frozenset[type | str] = frozenset(
    {
        *(layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D, layers.GroupNormalization),
        *(NeighbourSteps, "ExpandDims", "Squeeze", "Matmul"),
    }
)

Rule = Callable[[keras.Operation, int], Windows | None]

_LAYERS: dict[Any, Rule] = {
    layers.Conv2D: _convolution,
    layers.DepthwiseConv2D: _convolution,
    layers.SeparableConv2D: _convolution,
    layers.Conv2DTranspose: _transposed,
    layers.MaxPooling2D: _pooling,
    layers.AveragePooling2D: _pooling,
    layers.UpSampling2D: _upsampling,
}

#: Rules of the layers and operations that look at neighbours, as `kind_of` names them. The periodic
#: form of a layer has the windows of the layer.
WINDOWS: dict[Any, Rule] = {
    **_LAYERS,
    **{WRAPPED[layer]: rule for layer, rule in _LAYERS.items()},
    layers.Cropping2D: _cropping,
    layers.ZeroPadding2D: _padding,
    Interpolation: _interpolation,
    SpectralConv2D: _spectral,
    ChannelsToCells: _channels_to_cells,
    CellsToChannels: _cells_to_channels,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
}


def windows_of(operation: keras.Operation, axis: int) -> Windows | None:
    """Return the windows of any operation, as the tables define them."""
    return WINDOWS.get(kind_of(operation), _cell_alone)(operation, axis)

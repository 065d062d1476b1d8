"""Layers of Keras that look at neighbours, for columns that go around.

Each has the arguments, weights, name and output shape of the layer that it is a form of, so that
one can stand in the other's place: in a network and, because files of weights go by the name of the
class, in a file. It calls the layer of Keras itself on a field with more columns and crops the
result: so rows end, and kernels of even size lie, as without it.
"""

from __future__ import annotations

import math
from typing import Any

import keras

from xr_dl4ds.layers.wrap import around

_register = keras.saving.register_keras_serializable(package="xr_dl4ds")

#: Cells on either side that Keras's kernels of interpolation reach.
REACH = {"nearest": 0, "bilinear": 1, "bicubic": 2, "lanczos3": 3, "lanczos5": 5}


class Wrapping:
    """The layer of Keras beside it among the bases, on columns that go around.

    Columns that are not a multiple of the stride do not line up across the break.
    """

    data_format: str
    padding: str

    @property
    def margin(self) -> tuple[int, int]:
        """Columns beyond the field that it sees, and those of its output that belong to them."""
        raise NotImplementedError

    @property
    def fits(self) -> bool:
        """Whether its arguments are such that columns keep their place when some are added."""
        return self.data_format == "channels_last" and self.padding == "same"

    def call(self, inputs: Any) -> Any:
        """Call the layer of Keras."""
        return around(super().call, inputs, *self.margin)  # type: ignore[misc]


def _windows(size: int, stride: int) -> tuple[int, int]:
    """Margin of windows that lie about the cells that they stand for, the odd one to the east."""
    steps = math.ceil(math.ceil(max(size - stride, 0) / 2) / stride)
    return steps * stride, steps


class _Convolution(Wrapping):
    kernel_size: tuple[int, int]
    strides: tuple[int, int]
    dilation_rate: tuple[int, int]

    @property
    def margin(self) -> tuple[int, int]:
        return _windows(self.dilation_rate[1] * (self.kernel_size[1] - 1) + 1, self.strides[1])


class _Pooling(Wrapping):
    pool_size: tuple[int, int]
    strides: tuple[int, int]

    @property
    def margin(self) -> tuple[int, int]:
        return _windows(self.pool_size[1], self.strides[1])


@_register
class Conv2D(_Convolution, keras.layers.Conv2D):
    """`keras.layers.Conv2D` on columns that go around."""


@_register
class DepthwiseConv2D(_Convolution, keras.layers.DepthwiseConv2D):
    """`keras.layers.DepthwiseConv2D` on columns that go around."""


@_register
class SeparableConv2D(_Convolution, keras.layers.SeparableConv2D):
    """`keras.layers.SeparableConv2D` on columns that go around."""


@_register
class MaxPooling2D(_Pooling, keras.layers.MaxPooling2D):
    """`keras.layers.MaxPooling2D` on columns that go around."""


@_register
class AveragePooling2D(_Pooling, keras.layers.AveragePooling2D):
    """`keras.layers.AveragePooling2D` on columns that go around."""


@_register
class Conv2DTranspose(_Convolution, keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` on columns that go around."""

    @property
    def margin(self) -> tuple[int, int]:
        """Columns whose kernels reach into the field."""
        # as of a convolution, of which this is the gradient, with fine and coarse exchanged
        fine, coarse = super().margin
        return coarse, fine

    @property
    def fits(self) -> bool:
        """Whether each column becomes as many as the stride."""
        return super().fits and self.output_padding is None


@_register
class UpSampling2D(Wrapping, keras.layers.UpSampling2D):
    """`keras.layers.UpSampling2D` on columns that go around."""

    @property
    def margin(self) -> tuple[int, int]:
        """Columns within the reach of the kernel."""
        reach = REACH[self.interpolation]
        return reach, reach * self.size[1]

    @property
    def fits(self) -> bool:
        """Whether columns are where they are looked for."""
        return self.data_format == "channels_last"

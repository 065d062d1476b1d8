"""Keras layers that look at neighbours, for periodic columns.

Each class has the arguments, weights, name and output shape of its Keras layer. It can therefore
replace that layer in a network and, because weight files identify layers by class name, in a file.
The Keras layer itself is called on a field with more columns, and its output is cropped. Rows and
kernels of even size are treated as in Keras.
"""

from __future__ import annotations

import math
from typing import Any

import keras

from xr_dl4ds.networks.layers.wrap import around

_register = keras.saving.register_keras_serializable(package="xr_dl4ds")

#: Cells on each side that Keras's interpolation kernels use.
REACH = {"nearest": 0, "bilinear": 1, "bicubic": 2, "lanczos3": 3, "lanczos5": 5}


class Wrapping:
    """Mixin that applies a Keras layer, another base class, to periodic columns.

    If the number of columns is not a multiple of the stride, output columns do not line up where
    the last column meets the first one.
    """

    data_format: str
    padding: str

    @property
    def margin(self) -> tuple[int, int]:
        """Columns to add on each side of the field, and the corresponding output columns."""
        raise NotImplementedError

    @property
    def fits(self) -> bool:
        """True if columns keep their position when columns are added."""
        return self.data_format == "channels_last" and self.padding == "same"

    def call(self, inputs: Any) -> Any:
        """Call the Keras layer on the extended field, and crop its output."""
        return around(super().call, inputs, *self.margin)  # type: ignore[misc]


def _windows(size: int, stride: int) -> tuple[int, int]:
    """Return the margin of windows centred on their cells; an odd column goes to the east."""
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
    """`keras.layers.Conv2D` for periodic columns."""


@_register
class DepthwiseConv2D(_Convolution, keras.layers.DepthwiseConv2D):
    """`keras.layers.DepthwiseConv2D` for periodic columns."""


@_register
class SeparableConv2D(_Convolution, keras.layers.SeparableConv2D):
    """`keras.layers.SeparableConv2D` for periodic columns."""


@_register
class MaxPooling2D(_Pooling, keras.layers.MaxPooling2D):
    """`keras.layers.MaxPooling2D` for periodic columns."""


@_register
class AveragePooling2D(_Pooling, keras.layers.AveragePooling2D):
    """`keras.layers.AveragePooling2D` for periodic columns."""


@_register
class Conv2DTranspose(_Convolution, keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` for periodic columns."""

    @property
    def margin(self) -> tuple[int, int]:
        """Columns whose kernels reach into the field."""
        # this operation is the gradient of a convolution: fine and coarse columns are exchanged
        fine, coarse = super().margin
        return coarse, fine

    @property
    def fits(self) -> bool:
        """True if each input column becomes as many output columns as the stride."""
        return super().fits and self.output_padding is None


@_register
class UpSampling2D(Wrapping, keras.layers.UpSampling2D):
    """`keras.layers.UpSampling2D` for periodic columns."""

    @property
    def margin(self) -> tuple[int, int]:
        """Columns within the extent of the kernel."""
        reach = REACH[self.interpolation]
        return reach, reach * self.size[1]

    @property
    def fits(self) -> bool:
        """True if columns are on the axis where `wrap` expects them."""
        return self.data_format == "channels_last"

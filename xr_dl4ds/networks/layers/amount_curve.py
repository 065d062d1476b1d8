"""Curves that compress large amounts, so that rain is not a few huge values among many small ones.

An amount is measured from its physical zero, in units of its standard deviation. Below zero, where
only rounding and the network lead, each curve continues along its tangent, so that it has a
gradient everywhere.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import ops

from xr_dl4ds.networks.tensors import Tensor

#: Added before a root and subtracted after it: the slope at 0 is then 5 (sqrt) and 7.2 (cbrt).
TRACE = 0.01

#: Curves of values >= 0, and their slope at 0.
CURVES: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "log1p": (ops.log1p, 1.0),
    "sqrt": (lambda x: (x + TRACE) ** 0.5 - TRACE**0.5, 0.5 * TRACE**-0.5),
    "cbrt": (lambda x: (x + TRACE) ** (1 / 3) - TRACE ** (1 / 3), TRACE ** (-2 / 3) / 3),
}


def bent(x: Tensor, curve: str | None) -> Tensor:
    """Apply a curve to scaled amounts; None changes nothing."""
    if curve is None:
        return x
    function, slope = CURVES[curve]
    return function(ops.relu(x)) + slope * ops.minimum(x, 0.0)


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class AmountCurve(keras.layers.Layer):
    """Layer that applies a curve of `CURVES` to some channels, in float32.

    Parameters
    ----------
    curves : sequence of {"log1p", "sqrt", "cbrt"} or None
        The curve of each channel; None leaves a channel unchanged.

    Input shape
        ``(..., channel)``
    Output shape
        The input shape.
    """

    def __init__(self, curves: tuple[str | None, ...], **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.curves = tuple(curves)

    def call(self, inputs: Tensor) -> Tensor:
        """Bend channel by channel."""
        parts = [bent(inputs[..., i : i + 1], curve) for i, curve in enumerate(self.curves)]
        return ops.concatenate(parts, axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input shape."""
        return tuple(input_shape)


def through_curves(x: Tensor, curves: tuple[str | None, ...], name: str) -> Tensor:
    """Apply the curves of channels; without any, return the tensor itself."""
    return AmountCurve(curves, name=name)(x) if any(curves) else x

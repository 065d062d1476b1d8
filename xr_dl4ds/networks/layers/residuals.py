"""Residuals of fields from a first guess, on the scale of flow matching, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
from keras import ops

from xr_dl4ds.config.latent_constants import POWER, ROOT_OFFSET
from xr_dl4ds.networks.tensors import Tensor

#: Amounts below this one, in units of their standard deviation, become 0: noise leaves a trace
#: where nothing falls.
TRACE = 0.01


class Residuals(keras.layers.Layer):
    """Base of the layers below, which treat each channel alone.

    Parameters
    ----------
    sizes : sequence of float
        Standard deviation of the residual of each target.
    roots : sequence of bool
        For each target, True for amounts, whose cube roots are compared.
    zeros : sequence of float
        For each target, the offset that is added to a scaled value to measure it from the physical
        zero.
    """

    def __init__(
        self,
        sizes: Sequence[float],
        roots: Sequence[bool],
        zeros: Sequence[float],
        **kwargs: object,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.sizes = tuple(float(size) for size in sizes)
        self.roots = tuple(bool(root) for root in roots)
        self.zeros = tuple(float(zero) for zero in zeros)

    def by_channel(self, function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """Apply ``(*values, size, root, zero) -> value`` to each channel."""
        about = zip(self.sizes, self.roots, self.zeros, strict=True)
        parts = [
            function(*(x[..., i : i + 1] for x in inputs), *one) for i, one in enumerate(about)
        ]
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)

    def compute_output_shape(
        self, input_shape: list[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """Return the shape of the first input."""
        first = input_shape[0]
        return tuple(first) if isinstance(first, (list, tuple)) else tuple(input_shape)


def _rooted(value: Tensor, root: bool, zero: float) -> Tensor:
    if not root:
        return value
    return (ops.relu(value + zero) + ROOT_OFFSET) ** (1 / POWER)


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class OnRootScale(Residuals):
    """Layer that takes the cube roots of amounts; other values stay unchanged.

    Input shape
        ``(batch, y, x, target)``, scaled.
    Output shape
        The input shape.
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Take the roots."""
        return self.by_channel(lambda x, size, root, zero: _rooted(x, root, zero), inputs)


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class ToResidual(Residuals):
    """Layer that returns ``(c(y) - c(g)) / size`` of fields y and a first guess g.

    For amounts c is the cube root of the value from the physical zero plus 0.001, in units of the
    standard deviation; for others it is the value itself.

    Input shape
        A list of two ``(batch, y, x, target)``, scaled: fields and first guess.
    Output shape
        The shape of the fields.
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Subtract the first guess."""

        def of(field: Tensor, guess: Tensor, size: float, root: bool, zero: float) -> Tensor:
            return (_rooted(field, root, zero) - _rooted(guess, root, zero)) / size

        return self.by_channel(of, *inputs)


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class FromResidual(Residuals):
    """Layer that returns the fields with given residuals from a first guess, see `ToResidual`.

    Amounts below 0.01 standard deviations become 0.

    Input shape
        A list of two ``(batch, y, x, target)``: residuals, and the first guess, scaled.
    Output shape
        The shape of the residuals.
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Add the first guess."""

        def of(residual: Tensor, guess: Tensor, size: float, root: bool, zero: float) -> Tensor:
            value = _rooted(guess, root, zero) + size * residual
            if not root:
                return value
            amount = ops.relu(value) ** POWER - ROOT_OFFSET
            return ops.where(amount < TRACE, 0.0, amount) - zero

        return self.by_channel(of, *inputs)

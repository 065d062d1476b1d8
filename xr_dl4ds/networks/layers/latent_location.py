"""The part of a latent member's location that the first guess determines."""

from __future__ import annotations

import keras
from keras import ops

from xr_dl4ds.config.latent_constants import POWER, REFERENCE_OFFSET, ROOT_OFFSET
from xr_dl4ds.networks.tensors import Tensor


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class LatentLocation(keras.layers.Layer):
    """Layer that brings the first guess of amounts to the root scale of their latent members.

    Let s be the first guess of an amount, measured from the physical zero, and x the interpolated
    LR value, by which the member is multiplied where a constraint fixes its means. The result is
    ``(s / (x + 0.02) + 0.001) ** (1 / 3)`` with a constraint, and ``(s + 0.001) ** (1 / 3)``
    without. Other targets stay unchanged.

    Parameters
    ----------
    amounts : sequence of int
        Targets that are amounts.
    constrained : sequence of bool
        For each amount, whether a constraint fixes its mean over the LR cells.
    zeros : sequence of float
        For each amount, the offset that is added to a scaled value to measure it from the physical
        zero.

    Input shape
        A list of ``(batch, y, x, target)``, the first guess, and ``(batch, y, x, amount)``, the
        interpolated LR values.
    Output shape
        The shape of the first guess.
    """

    def __init__(
        self,
        amounts: tuple[int, ...],
        constrained: tuple[bool, ...],
        zeros: tuple[float, ...],
        **kwargs: object,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.amounts = tuple(amounts)
        self.constrained = tuple(constrained)
        self.zeros = tuple(float(zero) for zero in zeros)

    def call(self, inputs: Tensor) -> Tensor:
        """Take the root of the amounts."""
        guess, smooth = inputs
        parts = [guess[..., i : i + 1] for i in range(guess.shape[-1])]
        for n, i in enumerate(self.amounts):
            zero = self.zeros[n]
            amount = ops.relu(parts[i] + zero)
            if self.constrained[n]:
                around = ops.relu(smooth[..., n : n + 1] + zero)
                amount = amount / (around + REFERENCE_OFFSET)
            parts[i] = (amount + ROOT_OFFSET) ** (1 / POWER)
        return ops.concatenate(parts, axis=-1)

    def compute_output_shape(
        self, input_shape: list[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """Return the shape of the first guess."""
        return tuple(input_shape[0])

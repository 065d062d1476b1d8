"""Hard constraints: the mean of the HR cells in an LR cell equals the LR value.

After Harder et al. 2023, "Hard-Constrained Deep Learning for Climate Downscaling", JMLR 24(365).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from xr_dl4ds.config import Scale
from xr_dl4ds.config.latent_constants import CORRECTION_LIMITS, CORRECTION_OFFSET, CORRECTIONS
from xr_dl4ds.networks.layers.channel_selection import take
from xr_dl4ds.networks.layers.interpolation import refined
from xr_dl4ds.networks.tensors import Tensor

#: Added to each value before the multiplicative constraint, in scaled units. Where all predicted
#: values are 0, the LR value is distributed evenly, and the gradient is bounded by ``lr / TINY``.
TINY = 1e-4

#: Lower than any value; float32 ends at 3.4e38.
LOWEST = -1e30


class LRBlocks:
    """The blocks of HR cells that LR cells contain, with a mask of the valid cells.

    Rows of a block are reduced before its columns, because a reduction over both would transpose.
    """

    def __init__(
        self,
        lr: Tensor,
        valid: Tensor | None,
        scale: Scale,
        corrections: int = CORRECTIONS,
        wrap: bool = False,
    ) -> None:
        self.corrections = corrections
        self.wrap = wrap
        self.shape = ops.shape(lr)  # (batch, y, x, channel)
        self.scale = scale
        self.valid = valid
        if valid is not None:
            self.count = self._reduce(ops.sum, ops.cast(valid, "float32"))
            self.some = self.count > 0

    def mean(self, cells: Tensor) -> Tensor:
        """Return the mean over the valid cells of each block.

        A block without valid cells gets 1, which avoids a division by zero.
        """
        if self.valid is None:
            return self._reduce(ops.sum, cells) / self.scale.cells
        total = self._reduce(ops.sum, ops.where(self.valid, cells, 0.0))
        return ops.where(self.some, total / ops.maximum(self.count, 1.0), 1.0)

    def below_highest(self, cells: Tensor) -> Tensor:
        """Subtract the highest valid value of the block from each cell; no result is positive."""
        counted = cells if self.valid is None else ops.where(self.valid, cells, LOWEST)
        # the highest value cancels in the ratio of the exponentials, and so does its gradient
        highest = ops.stop_gradient(self._reduce(ops.max, counted))
        below = cells - self.spread(highest)
        if self.valid is None:
            return below
        return ops.where(self.valid, below, ops.minimum(below, 0.0))  # exp must not overflow

    def spread(self, values: Tensor) -> Tensor:
        """Repeat LR values on the HR cells."""
        return ops.repeat(ops.repeat(values, self.scale.y, axis=1), self.scale.x, axis=2)

    def _reduce(self, reduce: Callable[..., Any], cells: Tensor) -> Tensor:
        batch, y, x, channel = self.shape
        high, wide = self.scale.edges
        rows = reduce(ops.reshape(cells, (batch, y, high, x * wide * channel)), axis=2)
        return reduce(ops.reshape(rows, (batch, y, x, wide, channel)), axis=3)


def toward_means(amounts: Tensor, wanted: Tensor, blocks: LRBlocks) -> Tensor:
    """Multiply amounts by a smooth field that brings their means near the LR amounts.

    Each correction interpolates the logarithm of the ratio ``(wanted + 0.01) / (mean + 0.01)``,
    cut off at 0.2 and 5, bilinearly to the HR cells. A constraint that follows then changes little,
    and leaves no edges of LR cells.

    Parameters
    ----------
    amounts : tensor
        ``(batch, hr_y, hr_x, channel)``, >= 0.
    wanted : tensor
        LR amounts ``(batch, y, x, channel)``.
    blocks : LRBlocks
        The LR cells, and the number of corrections.
    """
    for _ in range(blocks.corrections):
        ratio = (wanted + CORRECTION_OFFSET) / (blocks.mean(amounts) + CORRECTION_OFFSET)
        if blocks.valid is not None:
            ratio = ops.where(blocks.some, ratio, 1.0)
        logarithm = ops.log(ops.clip(ratio, *CORRECTION_LIMITS))
        amounts = amounts * ops.exp(refined(logarithm, blocks.scale, "bilinear", blocks.wrap))
    return amounts


def _additive(cells: Tensor, lr: Tensor, offsets: Tensor, blocks: LRBlocks) -> Tensor:
    return cells + blocks.spread(lr - blocks.mean(cells))


def _multiplicative(cells: Tensor, lr: Tensor, offsets: Tensor, blocks: LRBlocks) -> Tensor:
    wanted = ops.relu(lr + offsets)
    amounts = toward_means(ops.relu(cells + offsets) + TINY, wanted, blocks)
    return amounts * blocks.spread(wanted / blocks.mean(amounts)) - offsets


def _softmax(cells: Tensor, lr: Tensor, offsets: Tensor, blocks: LRBlocks) -> Tensor:
    wanted = ops.relu(lr + offsets)
    argument = (cells + offsets) / blocks.spread(ops.maximum(wanted, 1.0))
    weight = ops.exp(blocks.below_highest(argument))
    return weight * blocks.spread(wanted / blocks.mean(weight)) - offsets


#: Formulas ``(cells, lr, offsets, blocks) -> cells`` for scaled values.
CONSTRAINTS: dict[str, Callable[[Tensor, Tensor, Tensor, LRBlocks], Tensor]] = {
    "additive": _additive,
    "multiplicative": _multiplicative,
    "softmax": _softmax,
}


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class Constraint(keras.layers.Layer):
    """Hard constraint: the mean of the HR values over each LR cell equals the LR value.

    Let p be the prediction and x the LR value, in scaled units. Measured from the physical zero,
    they are ``v = p + offset`` and ``w = max(x + offset, 0)``. Means are over the HR cells of the
    LR cell:

    - additive: ``y = p + x - mean(p)``, for values of any sign.
    - multiplicative: ``y = u w / mean(u)`` with ``u = max(v, 0) + TINY``, for values >= 0. Where a
      whole block is <= 0, u is constant and passes no gradient. With `corrections`, u is first
      multiplied by smooth fields that bring its means near w (`toward_means`), so that no edges of
      LR cells are left.
    - softmax: ``y = exp(a) w / mean(exp(a))`` with ``a = v / max(w, 1)``, for values > 0. Where w
      <= 1 this is the softmax of Harder et al. For larger w their argument would amplify small
      relative differences (temperatures in kelvin have w about 50). Division by w makes the
      constraint tend to the additive form ``v + w - mean(v)`` for fields that vary little relative
      to their value.

    The last two formulas give values measured from the physical zero; the offset is subtracted at
    the end. Arithmetic and output are float32 unless `dtype` says otherwise.

    Parameters
    ----------
    kind : {"additive", "multiplicative", "softmax"}
        Formula.
    scale : int or tuple of int
        HR cells along one edge of an LR cell, or along y and along x.
    channels : sequence of int or None
        For each output channel, the LR channel of the same variable; None leaves the channel
        unchanged.
    offsets : sequence of float
        For each output channel, the offset that is added to a scaled value to measure it from the
        physical zero.
    corrections : int
        Number of smooth corrections before the multiplicative formula.
    wrap : bool
        Whether the first column follows the last one.

    Input shape
        A list of ``(batch, scale.y * y, scale.x * x, channel)``, the prediction; ``(batch, y, x,
        lr_channel)``, LR; and, with masks, a tensor with the shape of the prediction that is not 0
        where an HR cell counts in the mean. The formula also changes the other cells of a block. A
        block without valid cells stays unchanged.
    Output shape
        The shape of the prediction.

    References
    ----------
    Harder, P., et al. (2023). Hard-Constrained Deep Learning for Climate Downscaling. JMLR,
    24(365), 1-40.
    """

    def __init__(
        self,
        kind: str,
        scale: int | tuple[int, int],
        channels: tuple[int | None, ...],
        offsets: tuple[float, ...],
        corrections: int = 0,
        wrap: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.kind = kind
        self.corrections = corrections
        self.wrap = wrap
        self.scale = Scale.of(scale).public  # plain, for the model file
        self.channels = tuple(channels)
        self.offsets = tuple(float(offset) for offset in offsets)

    def call(self, inputs: Tensor) -> Tensor:
        """Constrain the channels that have an LR channel."""
        prediction, lr, *masks = inputs
        own = [i for i, channel in enumerate(self.channels) if channel is not None]
        if not own:
            return prediction
        cells = take(prediction, own)
        lr = take(lr, [c for c in self.channels if c is not None])
        valid = ops.not_equal(take(masks[0], own), 0) if masks else None
        offsets = ops.convert_to_tensor([self.offsets[i] for i in own], dtype=cells.dtype)
        blocks = LRBlocks(lr, valid, Scale.of(self.scale), self.corrections, self.wrap)
        if valid is not None:  # without valid cells the LR value may be NaN, as may its gradient
            lr = ops.where(blocks.some, lr, 0.0)
        moved = CONSTRAINTS[self.kind](cells, lr, offsets, blocks)
        if valid is not None:
            moved = ops.where(blocks.spread(blocks.some), moved, cells)
        if len(own) == len(self.channels):
            return moved
        parts = [
            take(moved, [own.index(i)]) if i in own else take(prediction, [i])
            for i in range(len(self.channels))
        ]
        return ops.concatenate(parts, axis=-1)

    def compute_output_shape(
        self, input_shape: list[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """Return the shape of the prediction."""
        return tuple(input_shape[0])

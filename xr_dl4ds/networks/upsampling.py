"""Learned upsampling by an integer factor, for `resize` in several stages.

Each function maps ``(batch, y, x, channel)`` to ``(batch, hr_y, hr_x, filters)``.

RMSE in K for ERA5 temperature over the UK (25 epochs, two seeds), with one stage and with stages of
prime factors:

- scale 8: subpixel 0.643 and 0.656; deconvolution 0.638 and 0.668; resize 0.677 and 0.678 (0.661
  with stages of 2 and 4);
- scale 4: deconvolution 0.358 and 0.373; resize 0.359 and 0.363.

Therefore `resize` works in stages, because after one large step its convolution sees only copies of
one LR cell, but not in stages smaller than 4 where 4 divides the scale. The other methods have
separate weights for each HR cell and work in one stage.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from keras import layers

from xr_dl4ds.config import Scale
from xr_dl4ds.networks.blocks import conv
from xr_dl4ds.networks.layers import ChannelsToCells
from xr_dl4ds.networks.tensors import Tensor

#: ``(x, filters, scale, name) -> x``
Upsampling = Callable[[Tensor, int, Scale, str], Tensor]


def subpixel(x: Tensor, filters: int, scale: Scale, name: str) -> Tensor:
    """Apply a sub-pixel convolution: channels become cells (Shi et al. 2016, arXiv:1609.05158)."""
    x = conv(x, filters * scale.cells, f"{name}_conv")
    return ChannelsToCells(scale.public, name=f"{name}_cells")(x)


def resize(x: Tensor, filters: int, scale: Scale, name: str) -> Tensor:
    """Apply nearest-neighbour resizing, then a convolution (Odena et al. 2016)."""
    x = conv(x, filters, f"{name}_transition", size=1)
    x = layers.UpSampling2D(scale.edges, interpolation="nearest", name=f"{name}_resize")(x)
    return conv(x, filters, f"{name}_conv")


def deconvolution(x: Tensor, filters: int, scale: Scale, name: str) -> Tensor:
    """Apply a transposed convolution; a kernel of twice the stride covers all cells evenly."""
    kernel = (2 * scale.y, 2 * scale.x)
    return layers.Conv2DTranspose(
        filters, kernel, strides=scale.edges, padding="same", name=f"{name}_deconvolution"
    )(x)


#: Learned methods. `interpolation` comes before the backbone, see `generator`.
UPSAMPLINGS: dict[str, Upsampling] = {
    "subpixel": subpixel,
    "resize": resize,
    "deconvolution": deconvolution,
}


#: Methods that work in stages, with their largest stage. A larger prime factor is one stage.
LARGEST_STAGE = {"resize": 4}


def stages(upsampling: str, scale: int) -> list[int]:
    """Return the factors by which the scale along one axis is reached, rising, without 1.

    Examples
    --------
    >>> stages("resize", 24), stages("resize", 7), stages("subpixel", 24)
    ([2, 3, 4], [7], [24])
    """
    if upsampling not in LARGEST_STAGE:
        return [scale] if scale > 1 else []
    factors, left, largest = [], scale, LARGEST_STAGE[upsampling]
    # factors above `largest` are prime, because all smaller factors have been divided out
    for factor in (*range(largest, 1, -1), *range(largest + 1, scale + 1)):
        while left % factor == 0:
            factors.append(factor)
            left //= factor
    return sorted(factors)


def upsample(x: Tensor, upsampling: str, filters: int, scale: Scale, activation: str) -> Tensor:
    """Refine stage by stage, with the activation between stages.

    Where one axis needs fewer stages, its cells are kept in the last ones.
    """
    along = (stages(upsampling, n) for n in scale.edges)
    for i, (y, x_) in enumerate(itertools.zip_longest(*along, fillvalue=1), start=1):
        if i > 1:
            x = layers.Activation(activation, name=f"upsampling{i}_activation")(x)
        x = UPSAMPLINGS[upsampling](x, filters, Scale(y, x_), f"upsampling{i}")
    return x

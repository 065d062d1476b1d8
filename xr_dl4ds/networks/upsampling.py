"""Learned upsampling by an integer factor, in stages where that is the better network.

Each function maps ``(batch, y, x, channel)`` to ``(batch, scale*y, scale*x, filters)``.

Measured on ERA5 UK temperature, 25 epochs, two seeds, RMSE in K with one stage and with stages of
prime factors: scale 8 subpixel 0.643 and 0.656, deconvolution 0.638 and 0.668, resize 0.677 and
0.678 (in stages of 2 and 4: 0.661); scale 4 deconvolution 0.358 and 0.373, resize 0.359 and 0.363.
So resizing goes in stages, because after one large step its convolution sees copies of one LR cell
alone, but not in smaller ones than 4; the others have weights for each HR cell and take one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import layers, ops

from xr_dl4ds.networks.blocks import conv

#: ``(x, filters, scale, name) -> x``
Upsampling = Callable[[Any, int, int, str], Any]


def subpixel(x: Any, filters: int, scale: int, name: str) -> Any:
    """Sub-pixel convolution: channels become cells (Shi et al. 2016, arXiv:1609.05158)."""
    x = conv(x, filters * scale**2, f"{name}_conv")
    return ops.depth_to_space(x, scale)


def resize(x: Any, filters: int, scale: int, name: str) -> Any:
    """Nearest-neighbour resizing, then a convolution (Odena et al. 2016)."""
    x = conv(x, filters, f"{name}_transition", size=1)
    x = layers.UpSampling2D(scale, interpolation="nearest", name=f"{name}_resize")(x)
    return conv(x, filters, f"{name}_conv")


def deconvolution(x: Any, filters: int, scale: int, name: str) -> Any:
    """Transposed convolution; a kernel of twice the stride covers all cells evenly."""
    return layers.Conv2DTranspose(
        filters, 2 * scale, strides=scale, padding="same", name=f"{name}_deconvolution"
    )(x)


#: `interpolation` is not here: it comes before the backbone, see `generator`.
UPSAMPLINGS: dict[str, Upsampling] = {
    "subpixel": subpixel,
    "resize": resize,
    "deconvolution": deconvolution,
}


#: Those that go in stages, and the largest stage; a larger prime factor is a stage of its own.
LARGEST_STAGE = {"resize": 4}


def stages(upsampling: str, scale: int) -> list[int]:
    """Factors of the scale, in rising order, by which it is reached; none of 1.

    Examples
    --------
    >>> stages("resize", 24), stages("resize", 7), stages("subpixel", 24)
    ([2, 3, 4], [7], [24])
    """
    if upsampling not in LARGEST_STAGE:
        return [scale] if scale > 1 else []
    factors, left = [], scale
    for factor in range(LARGEST_STAGE[upsampling], 1, -1):
        while left % factor == 0:
            factors.append(factor)
            left //= factor
    divisor = 2
    while left > 1:
        while left % divisor == 0:
            factors.append(divisor)
            left //= divisor
        divisor += 1
    return sorted(factors)


def upsample(x: Any, upsampling: str, filters: int, scale: int, activation: str) -> Any:
    """Refine stage by stage, the activation between them."""
    for i, factor in enumerate(stages(upsampling, scale), start=1):
        if i > 1:
            x = layers.Activation(activation, name=f"upsampling{i}_activation")(x)
        x = UPSAMPLINGS[upsampling](x, filters, factor, f"upsampling{i}")
    return x

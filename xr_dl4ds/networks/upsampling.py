"""Learned upsampling by an integer factor, in stages of its prime factors.

Each function maps ``(batch, y, x, channel)`` to ``(batch, scale*y, scale*x, filters)``. Several
small stages are the better network: cheaper kernels, and cells that know their neighbours across
the LR cell's edge.
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


def prime_factors(scale: int) -> list[int]:
    """Prime factors in rising order, ``12 -> [2, 2, 3]``; none of 1."""
    factors, left, divisor = [], scale, 2
    while left > 1:
        while left % divisor == 0:
            factors.append(divisor)
            left //= divisor
        divisor += 1
    return factors


def upsample(x: Any, upsampling: str, filters: int, scale: int, activation: str) -> Any:
    """Refine by one stage for each prime factor, the activation between them."""
    for i, factor in enumerate(prime_factors(scale), start=1):
        if i > 1:
            x = layers.Activation(activation, name=f"upsampling{i}_activation")(x)
        x = UPSAMPLINGS[upsampling](x, filters, factor, f"upsampling{i}")
    return x

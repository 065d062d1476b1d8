"""Learned upsampling by an integer factor.

Each function maps ``(batch, y, x, channel)`` to ``(batch, scale*y, scale*x, filters)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import layers, ops

from xr_dl4ds.networks.blocks import conv


def subpixel(x: Any, filters: int, scale: int) -> Any:
    """Sub-pixel convolution: channels become cells (Shi et al. 2016, arXiv:1609.05158)."""
    x = conv(x, filters * scale**2, "upsampling_conv")
    return ops.depth_to_space(x, scale)


def resize(x: Any, filters: int, scale: int) -> Any:
    """Nearest-neighbour resizing, then a convolution (Odena et al. 2016)."""
    x = conv(x, filters, "upsampling_transition", size=1)
    x = layers.UpSampling2D(scale, interpolation="nearest", name="upsampling_resize")(x)
    return conv(x, filters, "upsampling_conv")


def deconvolution(x: Any, filters: int, scale: int) -> Any:
    """Transposed convolution; a kernel of twice the stride covers all cells evenly."""
    return layers.Conv2DTranspose(
        filters, 2 * scale, strides=scale, padding="same", name="upsampling_deconvolution"
    )(x)


#: `interpolation` is not here: it comes before the backbone, see `generator`.
UPSAMPLINGS: dict[str, Callable[[Any, int, int], Any]] = {
    "subpixel": subpixel,
    "resize": resize,
    "deconvolution": deconvolution,
}

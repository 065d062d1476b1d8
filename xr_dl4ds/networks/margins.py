"""Margins of fields: the cells around a domain, which the output of a network does not have."""

from __future__ import annotations

from keras import layers

from xr_dl4ds.config import SAME, Scale
from xr_dl4ds.networks.tensors import Tensor


def cropped(x: Tensor, around: int, name: str, scale: Scale = SAME) -> Tensor:
    """Leave out the outer LR cells of ``(batch, y, x, channel)``, on their HR cells by `scale`."""
    cells = scale.fine((around, around))
    return layers.Cropping2D(cells, dtype=x.dtype, name=name)(x) if around else x


def padded(noise: Tensor, around: int, scale: Scale = SAME) -> Tensor:
    """Add LR cells of zeros around noise, on their HR cells by `scale`."""
    if not around:
        return noise
    cells = scale.fine((around, around))
    return layers.ZeroPadding2D(cells, dtype="float32", name="noise_margin")(noise)

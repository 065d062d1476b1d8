"""Margins of fields: the cells around a domain, which the output of a network does not have."""

from __future__ import annotations

from keras import layers

from xr_dl4ds.networks.tensors import Tensor


def cropped(x: Tensor, cells: int, name: str) -> Tensor:
    """Leave out the outer rows and columns of ``(batch, y, x, channel)``."""
    return layers.Cropping2D(cells, dtype=x.dtype, name=name)(x) if cells else x


def padded(noise: Tensor, cells: int) -> Tensor:
    """Add rows and columns of zeros around noise ``(batch, y, x, channel)``."""
    if not cells:
        return noise
    return layers.ZeroPadding2D(cells, dtype="float32", name="noise_margin")(noise)

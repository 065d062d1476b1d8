"""Margins of fields: the cells around a domain, which the output of a network does not have."""

from __future__ import annotations

from keras import layers

from xr_dl4ds.networks.tensors import Tensor

#: Cells along y and along x on each side of a field.
Margin = tuple[int, int]

NO_MARGIN: Margin = (0, 0)


def square(cells: int) -> Margin:
    """Return the margin of as many cells along y as along x."""
    return cells, cells


def cropped(x: Tensor, margin: Margin, name: str) -> Tensor:
    """Leave out the margin of ``(batch, [time,] y, x, channel)``."""
    if margin == NO_MARGIN:
        return x
    if len(x.shape) == 5:
        return layers.Cropping3D((0, *margin), dtype=x.dtype, name=name)(x)
    return layers.Cropping2D(margin, dtype=x.dtype, name=name)(x)


def padded(noise: Tensor, margin: Margin) -> Tensor:
    """Add a margin of zeros around noise ``(batch, y, x, channel)``."""
    if margin == NO_MARGIN:
        return noise
    return layers.ZeroPadding2D(margin, dtype="float32", name="noise_margin")(noise)


def halved(margin: Margin) -> Margin:
    """Return the margin after pooling of 2 x 2 cells; cells of the domain are never part of it."""
    return margin[0] // 2, margin[1] // 2

"""Scores of ensembles that look at more than single cells: block means and spectral amplitudes."""

from __future__ import annotations

from keras import ops

from xr_dl4ds.networks.losses.probabilistic_losses import crps, where_valid
from xr_dl4ds.networks.tensors import Tensor

#: Edges, in HR cells, of the blocks whose means are scored.
BLOCKS = (2, 4)
#: Least amplitude, relative to that of white noise with variance 1. Without it the slope of the
#: root would be infinite at 0.
LEAST = 0.01


def pooled_crps(target: Tensor, members: Tensor, weight: Tensor, size: int) -> Tensor:
    """Return the mean fair CRPS of means over blocks of cells.

    Parameters
    ----------
    target : tensor ``(batch, y, x, channel)``
        True values.
    members : tensor ``(member, batch, y, x, channel)``
        At least two members; their number must be known.
    weight : tensor ``(batch, y, x, channel)``
        1 in valid cells, 0 in masked cells, which count in no mean.
    size : int
        Edge of a block in cells. Rows and columns beyond the last whole block are left out.

    Returns
    -------
    tensor
        Scalar; 0 for fields that are smaller than a block.
    """
    share = _block_means(weight, size)
    counted = ops.where(share > 0, share, 1.0)
    true, *drawn = (_block_means(x, size) / counted for x in _fields(target, members, weight))
    return crps(true, ops.stack(drawn), ops.cast(share > 0, "float32"))


def spectral_crps(target: Tensor, members: Tensor, weight: Tensor, usual: Tensor) -> Tensor:
    """Return the mean fair CRPS of the amplitudes of all wavenumbers.

    Masked cells count as 0 in truth and members.

    Parameters
    ----------
    target : tensor ``(batch, y, x, channel)``
        True values.
    members : tensor ``(member, batch, y, x, channel)``
        At least two members; their number must be known.
    weight : tensor ``(batch, y, x, channel)``
        1 in valid cells, 0 in masked cells.
    usual : tensor ``(y, x // 2 + 1, channel)``
        Usual amplitudes, > 0, by which amplitudes are divided.

    Returns
    -------
    tensor
        Scalar, without unit.
    """
    true, *drawn = (amplitude(x) / usual for x in _fields(target, members, weight))
    some = ops.cast(ops.any(ops.cast(weight, "bool"), axis=(1, 2), keepdims=True), "float32")
    return crps(true, ops.stack(drawn), some * ops.ones_like(true))


def amplitude(field: Tensor) -> Tensor:
    """Return the amplitudes of a real transform ``(batch, y, x // 2 + 1, channel)``.

    They are divided by the number of cells, and not below `LEAST`.
    """
    _, y, x, _ = ops.shape(field)
    turned = ops.transpose(field, (0, 3, 1, 2))
    real, imaginary = ops.fft2((turned, ops.zeros_like(turned)))
    half = x // 2 + 1
    squares = ops.square(real[..., :half]) + ops.square(imaginary[..., :half])
    cells = ops.cast(y * x, "float32")
    return ops.transpose(ops.sqrt(squares / ops.square(cells) + LEAST**2 / cells), (0, 2, 3, 1))


def _fields(target: Tensor, members: Tensor, weight: Tensor) -> list[Tensor]:
    """Return the truth and each member, float32, 0 in masked cells."""
    return where_valid(weight, *((x, 0.0) for x in (target, *ops.unstack(members, axis=0))))


def _block_means(x: Tensor, size: int) -> Tensor:
    """Return the means over whole blocks ``(batch, y, x, channel)``, float32."""
    return ops.average_pool(ops.cast(x, "float32"), size, strides=size, padding="valid")

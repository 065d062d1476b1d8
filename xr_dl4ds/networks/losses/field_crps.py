"""Scores of ensembles that see more than single cells: block means, amplitudes, and patches."""

from __future__ import annotations

from keras import ops

from xr_dl4ds.networks.losses.averaging import mean
from xr_dl4ds.networks.losses.probabilistic_losses import crps, where_valid
from xr_dl4ds.networks.tensors import Tensor

#: Edges, in HR cells, of the blocks whose means are scored.
BLOCKS = (2, 4)
#: Least amplitude, relative to that of white noise with variance 1. Without it the slope of the
#: root would be infinite at 0.
LEAST = 0.01
#: Edge, in HR cells, of the patches of the energy score. The score of large fields hardly sees
#: their texture. For synthetic fields of 32 x 32 cells whose correlation decays over 2 cells,
#: members of white noise score 6.1, 4.6, 2.1, 0.6 and 0.0 % worse than right members with edges of
#: 2, 4, 8, 16 and 32 cells; members that decay over 4 cells score 0.0, 0.4, 0.5, 0.3 and 0.1 %
#: worse.
PATCH = 8


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


def energy_score(target: Tensor, members: Tensor, weight: Tensor) -> Tensor:
    """Return the mean fair energy score of square patches with an edge of `PATCH` cells.

    ``mean |x_i - y| - sum |x_i - x_j| / (2 M (M - 1))`` for M members (Gneiting & Raftery 2007,
    doi:10.1198/016214506000001437, eq. 22, in the form of Ferro 2014, doi:10.1002/qj.2270), where
    ``|x|`` is the root of the mean square over the valid cells of a patch. It is the CRPS for
    patches with one valid cell.

    Parameters
    ----------
    target : tensor ``(batch, y, x, channel)``
        True values.
    members : tensor ``(member, batch, y, x, channel)``
        At least two members; their number must be known.
    weight : tensor ``(batch, y, x, channel)``
        1 in valid cells, 0 in masked cells.

    Returns
    -------
    tensor
        Scalar, in the units of the values: the mean over patches, weighted by their valid cells.
        Patches at the last rows and columns may be smaller.
    """
    n = members.shape[0]
    true, *drawn = _fields(target, members, weight)
    share = _patch_means(ops.cast(ops.cast(weight, "bool"), "float32"))
    counted = ops.where(share > 0, share, 1.0)

    def norm(difference: Tensor) -> Tensor:
        return _root(_patch_means(ops.square(difference)) / counted)

    distance = sum(norm(one - true) for one in drawn) / n
    pairs = sum(norm(drawn[i] - drawn[j]) for i in range(n) for j in range(i))
    return mean(distance - pairs / (n * (n - 1)), share)


def _root(x: Tensor) -> Tensor:
    """Return the root, with the slope 0 instead of infinity at 0."""
    some = x > 0
    return ops.where(some, ops.sqrt(ops.where(some, x, 1.0)), 0.0)


def _patch_means(x: Tensor) -> Tensor:
    """Return the means over patches; cells beyond the last row and column count as 0."""
    beyond = (0, PATCH - 1)
    return _block_means(ops.pad(x, ((0, 0), beyond, beyond, (0, 0))), PATCH)


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
    x = ops.cast(x, "float32")
    # without data_format, the user's Keras settings could exchange the axes
    return ops.average_pool(x, size, strides=size, padding="valid", data_format="channels_last")

"""Periodic columns: the first column follows the last one, as longitudes do on the globe."""

from __future__ import annotations

import functools
from collections.abc import Callable

from keras import ops

from xr_dl4ds.networks.tensors import Tensor


def wrap(x: Tensor, margin: int) -> Tensor:
    """Extend the columns periodically on both sides.

    Parameters
    ----------
    x : tensor
        ``(..., y, x, channel)``.
    margin : int
        Columns to add on each side. A margin wider than the field repeats the field several times.

    Returns
    -------
    tensor
        ``(..., y, margin + x + margin, channel)``, of the same dtype.
    """
    if margin == 0:
        return x
    width = ops.shape(x)[-2]
    known = isinstance(width, int)
    edge = min(margin, width) if known else ops.minimum(margin, width)
    turns = -(-margin // width)
    west, east = _columns(x, width - edge, edge), _columns(x, 0, edge)
    if not (known and turns == 1):
        repeats = [*[1] * (len(x.shape) - 2), turns, 1]
        west = _columns(ops.tile(west, repeats), edge * turns - margin, margin)
        east = _columns(ops.tile(east, repeats), 0, margin)
    return ops.concatenate([west, x, east], axis=-2)


def around(function: Callable[[Tensor], Tensor], x: Tensor, margin: int, cut: int) -> Tensor:
    """Apply a function that looks at neighbours as if columns were periodic.

    The function itself determines the treatment of rows and the alignment of kernels of even size.

    Parameters
    ----------
    function : callable
        Maps ``(..., y, x, channel)`` to ``(..., y', x', channel')``.
    x : tensor
        Input of the function.
    margin : int
        Columns to add on each side of `x`, at least as many as the function looks at.
    cut : int
        Columns of the function's output that correspond to a margin.

    Returns
    -------
    tensor
        Output of the function for the columns of `x`.
    """
    if margin == 0:
        return function(x)
    out = function(wrap(x, margin))
    return _columns(out, cut, ops.shape(out)[-2] - 2 * cut)


def convolve(x: Tensor, kernel: Tensor, periodic: bool) -> Tensor:
    """Convolve all cells with a square kernel; columns are periodic or padded with zeros."""
    same = functools.partial(ops.conv, kernel=kernel, padding="same", data_format="channels_last")
    margin = kernel.shape[0] // 2 if periodic else 0
    return around(same, x, margin, margin)


def _columns(x: Tensor, first: Tensor, size: Tensor) -> Tensor:
    # slicing with subscripts has a gradient that makes a training step 50 % slower on a CPU
    *lead, _, channel = ops.shape(x)
    return ops.slice(x, [*[0] * len(lead), first, 0], [*lead, size, channel])

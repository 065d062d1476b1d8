"""Columns that go around: beyond the last one comes the first, as longitudes do on the globe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops


def wrap(x: Any, margin: int) -> Any:
    """Repeat the columns of the other end on either side.

    Parameters
    ----------
    x : tensor
        ``(..., y, x, channel)``.
    margin : int
        Columns to add on either side; more than there are go around more than once.

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


def around(function: Callable[[Any], Any], x: Any, margin: int, cut: int) -> Any:
    """Apply a function that looks at neighbours as if columns had no end.

    Rows, and how a kernel of even size lies, remain the function's own matter.

    Parameters
    ----------
    function : callable
        Maps ``(..., y, x, channel)`` to ``(..., y', x', channel')``.
    x : tensor
        What it is applied to.
    margin : int
        Columns that it sees on either side beyond `x`, at least as many as it reaches.
    cut : int
        Columns of its result that lie on such a margin.

    Returns
    -------
    tensor
        Its result on the columns of `x`.
    """
    if margin == 0:
        return function(x)
    out = function(wrap(x, margin))
    return _columns(out, cut, ops.shape(out)[-2] - 2 * cut)


def _columns(x: Any, first: Any, size: Any) -> Any:
    # not a slice by subscripts: its gradient makes a training step half as slow again on a CPU
    *lead, _, channel = ops.shape(x)
    return ops.slice(x, [*[0] * len(lead), first, 0], [*lead, size, channel])

"""Constraints in physical units: what rounding of scaled float32 values left over is taken away.

The network's own constraint (`xr_dl4ds.layers.Constraint`) holds in scaled values. There a small
amount of rain is the difference of two large numbers; here, after unscaling, the mean of the HR
cells of each LR cell is made equal to the LR value to the last float32 digits. On plain arrays:
`xr_dl4ds.physics` brings them here block by block.
"""

from __future__ import annotations

import numpy as np


def consistent(
    cells: np.ndarray, lr: np.ndarray, valid: np.ndarray | None, scale: int, kind: str
) -> np.ndarray:
    """Move a prediction onto its LR field.

    Parameters
    ----------
    cells : numpy.ndarray
        ``(y, x)``, float32 in physical units, nearly consistent.
    lr : numpy.ndarray
        ``(y, x)``, `scale` times as coarse, same units; NaN where masked.
    valid : numpy.ndarray, optional
        ``(y, x)``, False in HR cells that do not count; all count by default.
    scale : int
        HR cells along one edge of an LR cell.
    kind : {"additive", "multiplicative", "softmax"}
        Additive constraints add the difference; the others, whose values are >= 0, multiply by the
        ratio, and are 0 where LR is.

    Returns
    -------
    numpy.ndarray
        As `cells`; sums are in double precision.
    """
    wanted = lr.astype("f8")
    if kind == "additive":
        difference = wanted - _means(cells, valid, scale)
        return _onto(np.add, cells, difference, scale)
    cells, wanted = np.maximum(cells, np.float32(0)), np.maximum(wanted, 0)
    mean = _means(cells, valid, scale)
    some = mean > 0
    ratio = np.divide(wanted, mean, out=np.zeros_like(wanted), where=some)
    shared = _onto(np.multiply, cells, ratio, scale)
    # amounts that scaling rounded to nothing are shared out evenly
    if not some.all():
        shared = _onto(np.add, shared, np.where(some, 0.0, wanted), scale)
    return shared


def block_sums(cells: np.ndarray, scale: int) -> np.ndarray:
    """Sums over the HR cells of each LR cell.

    Parameters
    ----------
    cells : numpy.ndarray
        ``(y, x)`` on HR cells.
    scale : int
        HR cells along one edge of an LR cell.

    Returns
    -------
    numpy.ndarray
        ``(y, x)`` on LR cells, float64.
    """
    # whole rows first, one after the other: sums over a few cells at a time are slow
    rows = cells.reshape(-1, scale, cells.shape[1]).sum(axis=1, dtype="f8")
    return np.add.reduce([rows[:, k::scale] for k in range(scale)])


def _means(cells: np.ndarray, valid: np.ndarray | None, scale: int) -> np.ndarray:
    """NaN where no cell counts."""
    if valid is None:
        return block_sums(cells, scale) / scale**2
    count = block_sums(valid, scale)
    total = block_sums(np.where(valid, cells, np.float32(0)), scale)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _onto(operation: np.ufunc, cells: np.ndarray, lr: np.ndarray, scale: int) -> np.ndarray:
    """An operation of each HR cell and its LR cell, in double precision; float32."""
    out = np.empty(cells.shape, "f4")
    rows = (-1, scale, cells.shape[1])
    beside = lr.repeat(scale, axis=1)[:, None]
    operation(cells.reshape(rows), beside, out=out.reshape(rows), casting="same_kind")
    return out

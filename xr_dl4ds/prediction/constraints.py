"""Constraints in physical units, which remove the rounding errors of scaled float32 values.

The network's own constraint (`xr_dl4ds.networks.layers.Constraint`) acts on scaled values, where a
small amount of rain is the difference of two large numbers. The functions here act on unscaled
values: they make the mean of the HR cells of each LR cell equal to the LR value, to the last
float32 digits. They take NumPy arrays; `xr_dl4ds.prediction.postprocess` applies them to blocks.
"""

from __future__ import annotations

import numpy as np

from xr_dl4ds.config import Scale


def consistent(
    cells: np.ndarray, lr: np.ndarray, valid: np.ndarray | None, scale: Scale, kind: str
) -> np.ndarray:
    """Adjust a prediction so that its means over LR cells equal the LR field.

    Parameters
    ----------
    cells : numpy.ndarray
        Prediction ``(y, x)``, float32 in physical units, nearly consistent with `lr`.
    lr : numpy.ndarray
        LR field ``(y, x)``, as coarse as `scale` says, in the same units; NaN where masked.
    valid : numpy.ndarray, optional
        ``(y, x)``, False in HR cells that do not count in the means; all cells count by default.
    scale : Scale
        HR cells along the edges of an LR cell.
    kind : {"additive", "multiplicative", "softmax"}
        "additive" adds the difference to the LR value. The other constraints are for values >= 0:
        they multiply by the ratio, and give 0 where `lr` is 0.

    Returns
    -------
    numpy.ndarray
        Adjusted cells, with the shape and dtype of `cells`; sums are taken in double precision.
    """
    wanted = lr.astype("f8")
    if kind == "additive":
        difference = wanted - block_means(cells, valid, scale)
        return _onto(np.add, cells, difference, scale)
    cells, wanted = np.maximum(cells, np.float32(0)), np.maximum(wanted, 0)
    mean = block_means(cells, valid, scale)
    some = mean > 0
    ratio = np.divide(wanted, mean, out=np.zeros_like(wanted), where=some)
    shared = _onto(np.multiply, cells, ratio, scale)
    # where scaling rounded all cells of an LR cell to 0, each of them gets the LR value
    if not some.all():
        shared = _onto(np.add, shared, np.where(some, 0.0, wanted), scale)
    return shared


def block_sums(cells: np.ndarray, scale: Scale) -> np.ndarray:
    """Return the sums over the HR cells of each LR cell.

    Parameters
    ----------
    cells : numpy.ndarray
        ``(y, x)`` on HR cells.
    scale : Scale
        HR cells along the edges of an LR cell.

    Returns
    -------
    numpy.ndarray
        ``(y, x)`` on LR cells, float64.
    """
    # sum whole rows first, because sums over a few cells at a time are slow
    rows = cells.reshape(-1, scale.y, cells.shape[1]).sum(axis=1, dtype="f8")
    total: np.ndarray = np.add.reduce([rows[:, k :: scale.x] for k in range(scale.x)])
    return total


def block_means(cells: np.ndarray, valid: np.ndarray | None, scale: Scale) -> np.ndarray:
    """Return the means over the valid HR cells of each LR cell; NaN where no cell is valid."""
    if valid is None:
        return block_sums(cells, scale) / scale.cells
    count = block_sums(valid, scale)
    total = block_sums(np.where(valid, cells, np.float32(0)), scale)
    out = np.full_like(total, np.nan)
    np.divide(total, count, out=out, where=count > 0)
    return out


def _onto(operation: np.ufunc, cells: np.ndarray, lr: np.ndarray, scale: Scale) -> np.ndarray:
    """Apply an operation to each HR cell and its LR cell in double precision; return float32."""
    out = np.empty(cells.shape, "f4")
    rows = (-1, scale.y, cells.shape[1])
    beside = lr.repeat(scale.x, axis=1)[:, None]
    operation(cells.reshape(rows), beside, out=out.reshape(rows), casting="same_kind")
    return out

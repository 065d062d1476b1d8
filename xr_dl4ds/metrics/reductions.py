"""Reductions of NumPy arrays along time, their last axis, that need whole series.

All take arrays ``(..., time)``. Values are compared with thresholds in their own precision.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np
import xarray as xr

from xr_dl4ds.metrics.pairs import in_one_chunk

#: Function of arrays ``(..., time)`` that returns arrays ``(...)``.
Reduction = Callable[[np.ndarray], np.ndarray]


def of_series(reduction: Reduction, field: xr.DataArray, time: Hashable) -> xr.DataArray:
    """Apply a reduction of arrays along time, lazily to lazy data, which are rechunked."""
    out: xr.DataArray = xr.apply_ufunc(
        reduction,
        in_one_chunk(field, [time]),
        input_core_dims=[[time]],
        dask="parallelized",
        output_dtypes=["f8"],
    )
    return out


def wet_quantile(values: np.ndarray, q: float, wet: float) -> np.ndarray:
    """Return a quantile of the values at or above the smallest wet amount; NaN without any.

    The quantile is interpolated linearly between two values. NumPy's ``nanquantile`` loops over
    cells.
    """
    ordered = np.sort(np.where(values >= wet, values.astype("f8"), np.nan), axis=-1)  # NaN last
    last = np.maximum((~np.isnan(ordered)).sum(axis=-1, keepdims=True) - 1, 0)
    below = np.floor(q * last).astype(int)
    low = np.take_along_axis(ordered, below, axis=-1)
    high = np.take_along_axis(ordered, np.minimum(below + 1, last), axis=-1)
    out: np.ndarray = (low + (q * last - below) * (high - low))[..., 0]
    return out


def wet_spell(values: np.ndarray, wet: float) -> np.ndarray:
    """Return the largest number of consecutive values at or above the smallest wet amount."""
    return _longest_run(values >= wet)


def dry_spell(values: np.ndarray, wet: float) -> np.ndarray:
    """Return the largest number of consecutive values below the smallest wet amount."""
    return _longest_run(values < wet)


def _longest_run(counted: np.ndarray) -> np.ndarray:
    """Return the largest number of consecutive True."""
    step = np.arange(1, counted.shape[-1] + 1)
    # the last step that does not count, up to each step
    last = np.maximum.accumulate(np.where(counted, 0, step), axis=-1)
    return np.asarray(np.max(step - last, axis=-1, initial=0)).astype("f8")

"""Comparison of a region on disk with the region that would be written now."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import xarray as xr

#: Attributes with the values that stand for missing cells.
_MISSING = ("_FillValue", "missing_value")


def require_equal(
    found: Mapping[Hashable, np.ndarray],
    expected: xr.Dataset,
    place: str,
    rounded: frozenset[Hashable],
) -> None:
    """Raise if a region on disk differs from the region predicted now by more than rounding.

    Parameters
    ----------
    found : mapping
        Values on disk, by name.
    expected : xarray.Dataset
        Values as they would be on disk; `_FillValue` and `missing_value` are attributes.
    place : str
        Path of the store, for the message.
    rounded : frozenset
        Variables that are not whole numbers before packing; these may differ by rounding.

    Raises
    ------
    FileExistsError
        If values differ; the message names the variable.
    """
    for name, variable in expected.variables.items():
        then, now = found[name], variable.to_numpy()
        alike = (then == now) | ((then != then) & (now != now))  # missing values may be NaN
        if name in rounded:
            missing = [variable.attrs[n] for n in _MISSING if n in variable.attrs]
            alike |= _close(then, now, missing)
        if not alike.all():
            raise FileExistsError(
                f"Expected the unfinished store at {place!r} to contain these data, got other"
                f" values of {name!r} in its last region. Choose another path, or pass"
                " overwrite=True."
            )


def _close(then: np.ndarray, now: np.ndarray, missing: list[Any]) -> np.ndarray:
    """Compare cells; True where the difference is at most 1e-4 of the value or of the spread.

    A packed value may be the next integer. Missing and infinite values are not close to any value,
    and do not count for the spread.
    """
    packed = now.dtype.kind in "iu"
    wide = np.complex128 if now.dtype.kind == "c" else np.float64
    then, now = then.astype(wide), now.astype(wide)
    usual = np.isfinite(now) & ~np.isin(now, missing)
    spread = float(now[usual].std()) if usual.any() else 0.0
    return usual & np.isclose(then, now, rtol=1e-4, atol=1e-4 * spread + float(packed))

"""Comparison of a region on disk with the region that would be written now."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
import xarray as xr


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
        missing = [variable.attrs.get(n) for n in ("_FillValue", "missing_value")]
        close = _close if name in rounded else _same
        if not close(then, now, [m for m in missing if m is not None]):
            raise FileExistsError(
                f"Expected the unfinished store at {place!r} to be of these data, got other"
                f" values of {name!r} in its last region. Choose another path, or pass"
                " overwrite=True."
            )


def _same(then: np.ndarray, now: np.ndarray, missing: list[object]) -> bool:
    """Compare times, texts, flags and counts exactly; missing times in floating point are equal."""
    return bool(((then == now) | ((then != then) & (now != now))).all())


def _close(then: np.ndarray, now: np.ndarray, missing: list[object]) -> bool:
    """Return True if values differ by rounding at most, 1e-4 of themselves or of their spread.

    A packed value may be the next whole number. Missing and infinite values are compared exactly,
    and do not count for the spread.
    """
    whole = now.dtype.kind in "iu"
    wide = np.complex128 if now.dtype.kind == "c" else np.float64
    then, now = then.astype(wide), now.astype(wide)
    special = ~np.isfinite(now)
    for value in missing:
        special |= now == value
    exact = then[special] == now[special]
    exact |= np.isnan(then[special]) & np.isnan(now[special])
    then, now = then[~special], now[~special]
    if not now.size:
        return bool(exact.all())
    tolerance = 1e-4 * float(now.std()) + float(whole)
    return bool(exact.all()) and np.allclose(then, now, rtol=1e-4, atol=tolerance)

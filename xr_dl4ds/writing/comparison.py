"""Whether a region that is on disk is that which would be written now."""

from __future__ import annotations

import pathlib
from collections.abc import Hashable, Mapping

import numpy as np
import xarray as xr


def require_equal(
    found: Mapping[Hashable, np.ndarray],
    expected: xr.Dataset,
    place: pathlib.Path,
    rounded: frozenset[Hashable],
) -> None:
    """Raise where a region is another one than is predicted now, beyond rounding.

    Parameters
    ----------
    found : mapping
        Values as they are on disk, by name.
    expected : xarray.Dataset
        As they would be on disk; `_FillValue` and `missing_value` are attributes.
    place : pathlib.Path
        Of the store, for the message.
    rounded : frozenset
        Variables that are no whole numbers before they are packed: they may differ by rounding.

    Raises
    ------
    FileExistsError
        Names the variable.
    """
    for name, variable in expected.variables.items():
        then, now = found[name], variable.to_numpy()
        missing = [variable.attrs.get(n) for n in ("_FillValue", "missing_value")]
        close = _close if name in rounded else _same
        if not close(then, now, [m for m in missing if m is not None]):
            raise FileExistsError(
                f"Expected the unfinished store at {str(place)!r} to be of these data, got other"
                f" values of {name!r} in its last region. Choose another path, or pass"
                " overwrite=True."
            )


def _same(then: np.ndarray, now: np.ndarray, missing: list[object]) -> bool:
    """Times, texts, flags and counts; times that count in floating-point numbers may be missing."""
    return bool(((then == now) | ((then != then) & (now != now))).all())


def _close(then: np.ndarray, now: np.ndarray, missing: list[object]) -> bool:
    """Whether values differ by rounding at most, 1e-4 of themselves or of their spread.

    What is packed may be another whole number next to it. Missing and infinite values are compared
    exactly, and do not count for the spread.
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

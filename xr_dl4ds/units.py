"""Units are compared, never converted: a number in other units is a silent wrong answer."""

from __future__ import annotations

import functools
import math
from typing import Any

from xr_dl4ds.exceptions import VariableError

#: Spellings found in files that cf_xarray's registry of units (of pint) does not know.
_SPELLINGS = {
    "Kelvin": "K",
    "degrees_C": "degC",
    "degrees_celsius": "degC",
    "degrees_Celsius": "degC",
    "(0 - 1)": "1",
    "fraction": "1",
}


def require_units(name: str, expected: Any, got: Any, role: str, other: str) -> None:
    """Raise a `VariableError` for units that differ; unknown units on either side pass."""
    if expected is None or got is None or same_units(str(expected), str(got)):
        return
    raise VariableError(
        f"Expected {name!r} of {role} in {expected!r} as in {other}, got {got!r}. Convert the"
        f" values and set .attrs['units'] = {expected!r}."
    )


def same_units(a: str, b: str) -> bool:
    """Whether both are the same unit, however spelled: ``mm/day`` and ``mm d-1`` are.

    Units that cannot be read are the same when their text is.
    """
    a, b = (" ".join(text.split()) for text in (a, b))
    if a == b:
        return True
    one, other = _read(a), _read(b)
    if one is None or other is None:
        return False
    factor = _factor(one, other)
    return bool(one == other) or (factor is not None and math.isclose(factor, 1.0))


@functools.cache
def _read(text: str) -> Any:
    # loaded where two spellings differ: the registry takes half a second
    from cf_xarray.units import units

    try:
        return units.parse_units(_SPELLINGS.get(text, text))
    except Exception:  # pint raises whatever its tokenizer or its tables come upon
        return None


def _factor(one: Any, other: Any) -> float | None:
    """How many of `other` make `one`, 1 for ``hPa`` and ``mbar``; None where nothing does."""
    if one.dimensionality != other.dimensionality or "degree_" in f"{one} {other}":
        return None  # scales of temperature have zeros of their own
    return float((1.0 * one).to(other).magnitude)

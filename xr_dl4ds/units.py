"""Units are compared, never converted: a number in other units is a silent wrong answer."""

from __future__ import annotations

import functools
import math
import re
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

#: Scales of temperature with a zero of their own, in the spellings of UDUNITS and of files.
_OWN_ZERO = re.compile(r"(?:°|o|deg(?:ree)?s?)?[ _]?(c(?:elsius)?|f(?:ahrenheit)?)", re.IGNORECASE)
_DIFFERENCES = {"c": "K", "f": "degree_rankine"}


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


def has_own_zero(units: str | None) -> bool:
    """Whether 0 is a mark on a scale of temperature, such as degC, and not the least there is."""
    return difference_of(units) != units


def difference_of(units: str | None) -> str | None:
    """The unit of a difference: K for degC, degree_rankine for degF, else the same.

    Examples
    --------
    >>> difference_of("degrees_celsius"), difference_of("mm d-1")
    ('K', 'mm d-1')
    """
    scale = _OWN_ZERO.fullmatch(units.strip().replace("℃", "°C")) if units else None
    return units if scale is None else _DIFFERENCES[scale[1][0].lower()]


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

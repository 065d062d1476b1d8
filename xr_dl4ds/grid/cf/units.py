"""Comparison of units.

Units are never converted. A difference raises an error, because values in other units would give
wrong results without notice.
"""

from __future__ import annotations

import functools
import math
import re
from typing import Any

from xr_dl4ds.exceptions import VariableError

#: Spellings in files that cf_xarray's unit registry (of pint) does not know.
_SPELLINGS = {
    "Kelvin": "K",
    "degrees_C": "degC",
    "degrees_celsius": "degC",
    "degrees_Celsius": "degC",
    "(0 - 1)": "1",
    "fraction": "1",
}

#: Temperature scales whose zero is arbitrary, in the spellings of UDUNITS and of files.
_OWN_ZERO = re.compile(r"(?:°|o|deg(?:ree)?s?)?[ _]?(c(?:elsius)?|f(?:ahrenheit)?)", re.IGNORECASE)
_DIFFERENCES = {"c": "K", "f": "degree_rankine"}


def require_units(name: str, expected: object, got: object, role: str, other: str) -> None:
    """Raise a `VariableError` if units differ; unknown units on either side pass."""
    if expected is None or got is None or same_units(str(expected), str(got)):
        return
    raise VariableError(
        f"Expected {name!r} of {role} in {expected!r} as in {other}, got {got!r}. Convert the"
        f" values and set .attrs['units'] = {expected!r}."
    )


def same_units(a: str, b: str) -> bool:
    """Return True if both units are equal, in any spelling, such as ``mm/day`` and ``mm d-1``.

    Units that cannot be read are compared as text.
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
    """Return True if 0 is an arbitrary point of a temperature scale, such as degC."""
    return difference_of(units) != units


def difference_of(units: str | None) -> str | None:
    """Return the unit of a difference: K for degC, degree_rankine for degF, otherwise `units`.

    Examples
    --------
    >>> difference_of("degrees_celsius"), difference_of("mm d-1")
    ('K', 'mm d-1')
    """
    scale = _OWN_ZERO.fullmatch(units.strip().replace("℃", "°C")) if units else None
    return units if scale is None else _DIFFERENCES[scale[1][0].lower()]


@functools.cache
def _read(text: str) -> Any:
    # imported only where spellings differ: loading the registry takes half a second
    from cf_xarray.units import units

    try:
        return units.parse_units(_SPELLINGS.get(text, text))
    except Exception:  # pint passes on any exception of its tokenizer and tables
        return None


def _factor(one: Any, other: Any) -> float | None:
    """Return the conversion factor to `other`: 1 for ``hPa`` and ``mbar``, None if impossible."""
    if one.dimensionality != other.dimensionality or "degree_" in f"{one} {other}":
        return None  # temperature scales have different zeros
    return float((1.0 * one).to(other).magnitude)

"""Units are compared, never converted: a number in other units is a silent wrong answer."""

from __future__ import annotations

from typing import Any

from xr_dl4ds.exceptions import VariableError

#: Common spellings of one unit.
_SPELLINGS = {
    "kelvin": "K",
    "Kelvin": "K",
    "degK": "K",
    "C": "degC",
    "celsius": "degC",
    "Celsius": "degC",
    "degrees_C": "degC",
    "deg_C": "degC",
    "degree_Celsius": "degC",
    "": "1",
}


def require_units(name: str, expected: Any, got: Any, role: str, other: str) -> None:
    """Raise a `VariableError` for units that differ; unknown units on either side pass."""
    if expected is None or got is None or _plain(expected) == _plain(got):
        return
    raise VariableError(
        f"Expected {name!r} of {role} in {expected!r} as in {other}, got {got!r}. Convert the"
        f" values and set .attrs['units'] = {expected!r}."
    )


def _plain(units: Any) -> str:
    """One spelling for units that differ in spaces or signs of powers, or are spelled out."""
    text = " ".join(str(units).replace("**", "").replace("^", "").split())
    return _SPELLINGS.get(text, text)

"""Checks of single option values, each with what was expected, what came, and the nearest name."""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Iterable
from typing import Any


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name is meant: ``" Did you mean 'x'?"``, or nothing when none is near."""
    plain = {k.lower(): k for k in known}
    match = difflib.get_close_matches(name.lower(), list(plain), n=1)
    return f" Did you mean {plain[match[0]]!r}?" if match else ""


def one_of(option: str, value: Any, known: Iterable[str | None]) -> None:
    """Raise unless the value is one of the known names (None among them where it is one)."""
    known = tuple(known)
    if value is None and None in known:
        return
    if not isinstance(value, str) or value not in known:
        names = [k for k in known if k is not None]
        listed = ", ".join(map(str, known))
        raise ValueError(
            f"Expected `{option}` to be one of {listed}, got {value!r}.{nearest(str(value), names)}"
        )


def several_of(options: Any, option: str, known: Iterable[str]) -> None:
    """Check names from a table, one or several of them, and make them a tuple."""
    value = getattr(options, option)
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)):
        raise ValueError(f"Expected `{option}` to be a list of names, got {value!r}.")
    for name in names:
        one_of(option, name, known)
    if len(set(names)) < len(names):
        raise ValueError(f"Expected each name of `{option}` once, got {list(names)}.")
    object.__setattr__(options, option, tuple(names))


def whole(options: Any, option: str, least: int, *, optional: bool = False) -> None:
    """Check a whole number, and make a plain int of NumPy's."""
    value = getattr(options, option)
    if optional and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"Expected `{option}` to be a whole number >= {least}, got {value!r}.")
    object.__setattr__(options, option, int(value))


def positive(option: str, value: Any, *, zero: bool = False) -> None:
    """Raise unless the value is a finite number above 0, or not below it."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        raise ValueError(
            f"Expected `{option}` to be a finite number {'>=' if zero else '>'} 0, got {value!r}."
        )


def flag(option: str, value: Any) -> None:
    """Raise unless the value is a bool."""
    if not isinstance(value, bool):
        raise ValueError(f"Expected `{option}` to be True or False, got {value!r}.")

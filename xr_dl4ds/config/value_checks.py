"""Checks of single option values, whose errors name the expected and the given value."""

from __future__ import annotations

import dataclasses
import difflib
import math
import numbers
from collections.abc import Iterable

import numpy as np


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint at the nearest known name, ``" Did you mean 'x'?"``, or an empty text."""
    plain = {k.lower(): k for k in known}
    match = difflib.get_close_matches(name.lower(), list(plain), n=1)
    return f" Did you mean {plain[match[0]]!r}?" if match else ""


def without_numpy(options: object) -> None:
    """Store options that are NumPy scalars as plain Python values, which JSON can hold."""
    for field in dataclasses.fields(options):  # type: ignore[arg-type]
        value = getattr(options, field.name)
        object.__setattr__(options, field.name, _without_numpy(value))


def _without_numpy(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if type(value) is list:
        return list(map(_without_numpy, value))
    if type(value) is tuple:
        return tuple(map(_without_numpy, value))
    if type(value) is dict:
        return {key: _without_numpy(one) for key, one in value.items()}
    return value


def one_of(option: str, value: object, known: Iterable[str | None]) -> None:
    """Raise unless the value is a known name, or None if `known` contains None."""
    known = tuple(known)
    if value is None and None in known:
        return
    if not isinstance(value, str) or value not in known:
        names = [k for k in known if k is not None]
        listed = ", ".join(map(str, known))
        raise ValueError(
            f"Expected `{option}` to be one of {listed}, got {value!r}.{nearest(str(value), names)}"
        )


def several_of(options: object, option: str, known: Iterable[str]) -> None:
    """Check a name, or a list of names, against the known names; store a tuple."""
    value = getattr(options, option)
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)):
        raise ValueError(f"Expected `{option}` to be a list of names, got {value!r}.")
    for name in names:
        one_of(option, name, known)
    if len(set(names)) < len(names):
        raise ValueError(f"Expected each name of `{option}` once, got {list(names)}.")
    object.__setattr__(options, option, tuple(names))


def whole_number(options: object, option: str, least: int, *, optional: bool = False) -> None:
    """Check a whole number, and store it as a plain int."""
    value = getattr(options, option)
    if optional and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"Expected `{option}` to be a whole number >= {least}, got {value!r}.")
    object.__setattr__(options, option, int(value))


def positive(option: str, value: object, *, zero: bool = False) -> None:
    """Raise unless the value is a finite number > 0, or >= 0 if `zero` is set."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not math.isfinite(value)
        or value < 0
        or (value == 0 and not zero)
    ):
        raise ValueError(
            f"Expected `{option}` to be a finite number {'>=' if zero else '>'} 0, got {value!r}."
        )


def flag(option: str, value: object) -> None:
    """Raise unless the value is a bool."""
    if not isinstance(value, bool):
        raise ValueError(f"Expected `{option}` to be True or False, got {value!r}.")

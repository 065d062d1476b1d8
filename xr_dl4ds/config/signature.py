"""Signatures that show the parameters a function passes on to another function."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import TypeVar

from xr_dl4ds.config import OPTION_CLASSES, TRAININGS

F = TypeVar("F")


def with_options_shown(function: F) -> F:
    """Show every field of the option classes in a signature, instead of ``**options``.

    Tab completion and `help` read ``__signature__``. Calls are not affected.
    """
    classes = [*OPTION_CLASSES.values(), *TRAININGS.values()]
    fields: dict[str, dataclasses.Field[object]] = {}
    for each in (f for cls in classes for f in dataclasses.fields(cls)):
        fields.setdefault(each.name, each)
    flat = [
        inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=f.type)
        for n, f in fields.items()
    ]
    return _showing(function, flat)


def with_parameters_of(other: Callable[..., object]) -> Callable[[F], F]:
    """Show the keyword-only parameters of another function, instead of ``**arguments``.

    Parameters
    ----------
    other : callable
        The function to which the arguments are passed on.
    """
    passed_on = [
        p for p in inspect.signature(other).parameters.values() if p.kind is p.KEYWORD_ONLY
    ]

    return functools.partial(_showing, keywords=passed_on)


def _showing(function: F, keywords: list[inspect.Parameter]) -> F:
    """Show keyword parameters in a signature, in place of its ``**``."""
    signature = inspect.signature(function)  # type: ignore[arg-type]
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    shown = signature.replace(parameters=[*own, *keywords])
    function.__signature__ = shown  # type: ignore[attr-defined]
    return function

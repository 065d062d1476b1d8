"""Options in the signature of a function that takes them flat."""

from __future__ import annotations

import dataclasses
import inspect
from typing import TypeVar

from xr_dl4ds.config import OPTION_CLASSES, TRAININGS

F = TypeVar("F")


def with_options_shown(function: F) -> F:
    """Show every field of the option classes in place of ``**options``.

    Tab completion and `help` read ``__signature__``; calls are not affected.
    """
    signature = inspect.signature(function)  # type: ignore[arg-type]
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    classes = [*OPTION_CLASSES.values(), *TRAININGS.values()]
    fields: dict[str, dataclasses.Field] = {}
    for each in (f for cls in classes for f in dataclasses.fields(cls)):
        fields.setdefault(each.name, each)
    flat = [
        inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=f.type)
        for n, f in fields.items()
    ]
    shown = signature.replace(parameters=[*own, *flat])
    function.__signature__ = shown  # type: ignore[attr-defined]
    return function

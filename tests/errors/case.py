"""What a case of an error is, and how it is run: before training, with the user's data kept."""

import ast
import contextlib
import dataclasses
import functools
import pathlib
import re
import traceback
from collections.abc import Callable
from typing import Any
from unittest import mock

import xarray as xr

import xr_dl4ds
import xr_dl4ds.training

ROOT = pathlib.Path(xr_dl4ds.__file__).parent


class TrainingBeganError(Exception):
    """Raised in place of training: everything that is checked before has passed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One error that data or arguments can raise.

    Parameters
    ----------
    section : str
        Where it stands in the table.
    what : str
        What happened, in the user's words.
    error : type
        Its class.
    says : str
        Pattern of the names, numbers and cure in the message.
    given : callable
        Makes the user's data and models, by the names under which `act` takes them.
    act : callable
        Raises the error through the public interface.
    cured : callable, optional
        The same with the cure followed literally, which does not raise.
    """

    section: str
    what: str
    error: type[Exception]
    says: str
    given: Callable[[], dict[str, Any]]
    act: Callable[..., Any]
    cured: Callable[..., Any] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a case: the error, where it was raised, and whether data were left alone."""

    error: Exception | None
    sites: tuple[tuple[str, int], ...]
    kept: bool

    @property
    def message(self) -> str:
        """What the user reads."""
        return str(self.error)


@contextlib.contextmanager
def untrained():
    """Raise `TrainingBeganError` where training would begin."""
    with mock.patch.object(xr_dl4ds.training, "train", side_effect=TrainingBeganError):
        yield


@functools.cache
def outcome(case: Case) -> Outcome:
    """Run a case, once in a process."""
    given = case.given()  # models are fitted here
    before = {name: copied(obj) for name, obj in given.items()}
    error, found = None, ()
    with untrained():
        try:
            case.act(**given)
        except Exception as raised:  # whatever: the tests ask which
            error, found = raised, tuple(sites(raised))
    kept = all(same(obj, before[name]) for name, obj in given.items())
    return Outcome(error=error, sites=found, kept=kept)


def cure(case: Case) -> None:
    """Follow the cure: nothing is raised, but by training that begins."""
    assert case.cured is not None
    given = case.given()
    with untrained(), contextlib.suppress(TrainingBeganError):
        case.cured(**given)


def copied(obj: Any) -> Any:
    """A deep copy of data, in any containers; models and options as they are."""
    if isinstance(obj, (xr.Dataset, xr.DataArray)):
        return obj.copy(deep=True)
    if isinstance(obj, (list, tuple)):
        return [copied(one) for one in obj]
    return obj


def same(obj: Any, copy: Any) -> bool:
    """Whether data are identical to their copy, with all attributes."""
    if isinstance(obj, (xr.Dataset, xr.DataArray)):
        if any(size != size for size in obj.sizes.values()):  # of unknown chunks
            return obj.variables.keys() == copy.variables.keys()
        return obj.identical(copy)
    if isinstance(obj, (list, tuple)):
        return all(same(a, b) for a, b in zip(obj, copy, strict=True))
    return True


def sites(error: BaseException) -> list[tuple[str, int]]:
    """File and line of the innermost frame of the package that raised an error."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if inside(f.filename)]
    return [(inside(f.filename), f.lineno or 0) for f in frames[-1:]]


def inside(filename: str) -> str:
    """The path in the package, "" where it is elsewhere."""
    path = pathlib.Path(filename)
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""


def raises(path: pathlib.Path) -> list[ast.Raise]:
    """The statements of a module that raise an error of their own."""
    tree = ast.parse(path.read_text("utf-8"))
    return [n for n in ast.walk(tree) if isinstance(n, ast.Raise) and n.exc is not None]


def split(message: str) -> tuple[str, str]:
    """What happened, and the cure: the sentences after the first, or the one that holds ", got".

    Examples
    --------
    >>> split("Expected `scale` >= 2, got 1. Use 2. Or more.")
    ('Expected `scale` >= 2, got 1.', 'Use 2. Or more.')
    """
    at = message.find(", got ")
    end = re.compile(r"\. (?=[A-Z])").search(message, at + 1)
    if end is None:
        return message, ""
    return message[: end.start() + 1], message[end.end() :]


def section(name: str) -> Callable[..., Case]:
    """`Case` by position, for one section."""

    def case(
        what: str,
        error: type[Exception],
        says: str,
        given: Callable[[], dict[str, Any]],
        act: Callable[..., Any],
        cured: Callable[..., Any] | None = None,
    ) -> Case:
        return Case(
            section=name, what=what, error=error, says=says, given=given, act=act, cured=cured
        )

    return case

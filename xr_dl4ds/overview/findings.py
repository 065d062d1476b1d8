"""Messages that come up while data are surveyed: errors that stop a step, and log messages."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
from collections.abc import Iterator

_GRID = logging.getLogger("xr_dl4ds.grid")


@dataclasses.dataclass(frozen=True)
class Findings:
    """Messages in the order in which they came up; a message may occur twice.

    Parameters
    ----------
    problems : list of str
        Errors for which data are refused.
    notes : list of str
        Remarks on data that are valid.
    """

    problems: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    def step(self) -> SurveyStep:
        """Return a context that turns an error into a problem, so that the next step can follow."""
        return SurveyStep(self.problems)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Collect what the grid package logs in this thread, and keep it out of the log."""
        handler = _Listener(self.notes)
        before = _GRID.level, _GRID.propagate
        handler.usual = _GRID.getEffectiveLevel()
        _GRID.addHandler(handler)
        _GRID.setLevel(logging.INFO)
        _GRID.propagate = False
        try:
            yield
        finally:
            _GRID.removeHandler(handler)
            _GRID.setLevel(before[0])
            _GRID.propagate = before[1]


@dataclasses.dataclass(frozen=True)
class SurveyStep:
    """Context that turns an error into a message among `problems`."""

    problems: list[str]

    def __enter__(self) -> SurveyStep:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):  # none, or an interrupt
            return False
        # the package raises ValueErrors; after any other error, the rest can still be shown
        own = isinstance(error, ValueError)
        self.problems.append(str(error) if own else f"{type(error).__name__}: {error}")
        return True


class _Listener(logging.Handler):
    """Log handler that collects the records of its thread, and passes on those of other threads."""

    def __init__(self, notes: list[str]) -> None:
        super().__init__()
        self.notes, self.thread_id, self.usual = notes, threading.get_ident(), logging.WARNING

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.thread_id:
            self.notes.append(record.getMessage())
        elif record.levelno >= self.usual and _GRID.parent is not None:
            _GRID.parent.callHandlers(record)

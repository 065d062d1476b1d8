"""What comes up while data are looked through: errors that stop a step, and the log's words."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
from collections.abc import Iterator

_GRID = logging.getLogger("xr_dl4ds.grid")


@dataclasses.dataclass(frozen=True)
class Findings:
    """Messages in the order in which they came up; the same one may come again.

    Parameters
    ----------
    problems : list of str
        For which data are refused.
    notes : list of str
        What is good to know.
    """

    problems: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    def step(self) -> Step:
        """A step that may fail: its error becomes a problem, and the next step follows."""
        return Step(self.problems)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Note what the grid package logs in this thread, and keep it from the log."""
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
class Step:
    """Turns an error within its ``with`` into a message among `problems`."""

    problems: list[str]

    def __enter__(self) -> Step:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):  # none, or an interrupt
            return False
        # those of the package are ValueErrors; whatever else is odd, the rest can still be shown
        own = isinstance(error, ValueError)
        self.problems.append(str(error) if own else f"{type(error).__name__}: {error}")
        return True


class _Listener(logging.Handler):
    """Notes what its own thread logs; the records of other threads go on as ever."""

    def __init__(self, notes: list[str]) -> None:
        super().__init__()
        self.notes, self.thread_id, self.usual = notes, threading.get_ident(), logging.WARNING

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.thread_id:
            self.notes.append(record.getMessage())
        elif record.levelno >= self.usual and _GRID.parent is not None:
            _GRID.parent.callHandlers(record)

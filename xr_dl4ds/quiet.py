"""A quiet start of TensorFlow: the messages that it prints while it is imported are held back.

TensorFlow's C++ libraries write to file descriptor 2 when they are loaded: on processor
instructions, on CUDA libraries, on the logging itself. They do so before they read
``TF_CPP_MIN_LOG_LEVEL``, so that the level alone does not silence them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import IO

logger = logging.getLogger(__name__)

#: The environment variable of TensorFlow's log level: 0 shows all messages, 3 fatal ones alone.
LEVEL, FATAL_ONLY = "TF_CPP_MIN_LOG_LEVEL", "3"

#: How lines of TensorFlow's C++ libraries begin: absl's format, the older format of TensorFlow, and
#: lines without a prefix. A pattern for the begin of a line.
MESSAGE = (
    r"[IWEF]\d{4} \d\d:\d\d:\d+\.\d+ |\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWEF] "
    r"|WARNING: All log messages before absl|To enable the following instructions:"
)

#: Where Linux lists the instructions of the processor.
CPUINFO = pathlib.Path("/proc/cpuinfo")

_STDERR = 2  # the descriptor; sys.stderr may be something else, in a notebook for instance


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Hold back what is written to file descriptor 2 while TensorFlow is imported.

    Sets ``TF_CPP_MIN_LOG_LEVEL`` to 3 unless the user has set it. Nothing is held when TensorFlow
    is imported already, when the user has asked for messages (a level below 3), or when the program
    runs without standard error. After a failed import all held text is written to descriptor 2.
    After a successful one, the text is logged at level DEBUG, and lines that are not TensorFlow's
    (another thread may have written them) are written to descriptor 2.

    Yields
    ------
    None
        TensorFlow is to be imported in the body.
    """
    # without standard error, descriptor 2 may be any file that was opened since
    untouched = "tensorflow" in sys.modules or sys.__stderr__ is None
    if untouched or os.environ.setdefault(LEVEL, FATAL_ONLY) != FATAL_ONLY or _aborts():
        yield
        return
    with contextlib.ExitStack() as stack:
        files = _files(stack)
        if files is None:
            yield
            return
        real, held = files
        succeeded = False
        try:
            _flush()
            os.dup2(held.fileno(), _STDERR)
            yield
            succeeded = True
        finally:
            _flush()
            os.dup2(real, _STDERR)
            _release(held, succeeded=succeeded)


def _files(stack: contextlib.ExitStack) -> tuple[int, IO[bytes]] | None:
    """Open a second descriptor of standard error, and the file that takes its place."""
    try:
        real = os.dup(_STDERR)
        stack.callback(os.close, real)
        return real, stack.enter_context(tempfile.TemporaryFile())
    except OSError:  # descriptor 2 was closed, or there is no folder for temporary files
        return None


def _flush() -> None:
    """Write what Python has buffered for standard error to where it belongs."""
    with contextlib.suppress(AttributeError, OSError, ValueError):  # None, a broken pipe, closed
        sys.stderr.flush()


def _release(held: IO[bytes], *, succeeded: bool) -> None:
    """Log the held text, and write to standard error what belongs there."""
    held.seek(0)
    lines = held.read().splitlines(keepends=True)
    if succeeded:
        text = b"".join(lines).decode(errors="replace").rstrip()
        if text:
            logger.debug("TensorFlow's messages while it was imported:\n%s", text)
        lines = [line for line in lines if not re.match(MESSAGE.encode(), line)]
    rest = b"".join(lines)
    with contextlib.suppress(OSError):  # standard error may be closed at its other end
        while rest:
            rest = rest[os.write(_STDERR, rest) :]


def _aborts() -> bool:
    """Check whether TensorFlow ends the process on import, with the reason on standard error.

    Its packages for x86 processors do so where AVX is missing; held text would be lost.
    """
    try:
        flags = re.search(r"^flags\s*:(.*)$", CPUINFO.read_text("utf-8"), re.MULTILINE)
    except (OSError, ValueError):
        return False
    return flags is not None and "avx" not in flags[1].split()

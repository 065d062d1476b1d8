"""The rank of this process in a launcher's job, its processor, and its standard error at start-up.

This module imports neither Horovod nor TensorFlow. TensorFlow's C++ libraries write to file
descriptor 2 when they are loaded: about processor instructions, CUDA libraries and logging itself.
They write before they read ``TF_CPP_MIN_LOG_LEVEL``, so the log level alone does not silence them.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import os
import pathlib
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import IO

logger = logging.getLogger(__name__)

#: Environment variables with the number of processes and the rank of this process, as set by
#: horovodrun, by Open MPI's mpirun, and by the launchers of MPICH and Intel MPI. Slurm's own
#: variables are left out, because Slurm also sets them for a script that runs once in a job of many
#: tasks.
LAUNCHERS = (
    ("HOROVOD_SIZE", "HOROVOD_RANK"),
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("PMI_SIZE", "PMI_RANK"),
)

#: Environment variables with the rank of this process on its host, and the number of processes
#: there.
LOCAL = (
    ("HOROVOD_LOCAL_RANK", "HOROVOD_LOCAL_SIZE"),
    ("OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"),
    ("MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
)

#: Installation advice for the errors about a missing Horovod; see docs/distributed.md.
BUILD_HOROVOD = (
    "Build Horovod in a separate environment by `make horovod` (it needs TensorFlow 2.18)"
)

_joined: list[bool] = []


def launcher() -> str | None:
    """Return the variable that holds the number of processes, or None for a single process."""
    return next((size for size, _ in LAUNCHERS if _number(size) > 1), None)


def rank() -> int:
    """Return the rank of this process, from 0; a single process has rank 0."""
    size = launcher()
    return 0 if size is None else _number(dict(LAUNCHERS)[size])


def local() -> tuple[int, int] | None:
    """Return the rank of this process on its host and the number of processes there, if known."""
    for number, size in LOCAL:
        if launcher() is not None and size in os.environ:
            return _number(number), _number(size)
    return None


def join() -> None:
    """Record that this process trains together with others."""
    _joined.append(True)


def is_first() -> bool:
    """Return True if this process writes files and shows progress.

    Among processes that train together, only the process of rank 0 does. Processes that a launcher
    started but that have not trained together each have their own work, so all of them do.
    """
    return not _joined or rank() == 0


def _number(name: str) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else 0


#: The file in which Linux lists the instructions of the processor.
CPUINFO = pathlib.Path("/proc/cpuinfo")


def cpu_flags() -> list[str]:
    """Return the flags of an x86 processor, such as "avx"; an empty list if they are unknown."""
    try:
        flags = re.search(r"^flags\s*:(.*)$", CPUINFO.read_text("utf-8"), re.MULTILINE)
    except (OSError, ValueError):
        return []
    return [] if flags is None else flags[1].split()


# --- standard error while TensorFlow starts -------------------------------------------------------

#: The environment variable of TensorFlow's log level: 0 shows all messages, 3 only fatal messages.
LEVEL, FATAL_ONLY = "TF_CPP_MIN_LOG_LEVEL", "3"

#: Pattern for the beginnings of lines from TensorFlow's C++ libraries: absl's format, TensorFlow's
#: older format, and lines without a prefix.
MESSAGE = (
    r"[IWEF]\d{4} \d\d:\d\d:\d+\.\d+ |\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWEF] "
    r"|WARNING: All log messages before absl|To enable the following instructions:"
)

_STDERR = 2  # the descriptor; sys.stderr may be something else, in a notebook for instance


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Hold back output to file descriptor 2 while TensorFlow is imported.

    The context manager sets ``TF_CPP_MIN_LOG_LEVEL`` to 3 unless the user has set it. It holds
    nothing back if TensorFlow is already imported or would end the process, if the user has asked
    for messages (a level below 3), or if the program runs without standard error. After a failed
    import it writes all held text to descriptor 2. After a successful import it logs the text at
    level DEBUG, and writes the lines that are not TensorFlow's (another thread may have written
    them) to descriptor 2.

    Yields
    ------
    None
        Import TensorFlow in the body.
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
    """Open a copy of the standard error descriptor, and a temporary file that replaces it."""
    try:
        real = os.dup(_STDERR)
        stack.callback(os.close, real)
        return real, stack.enter_context(tempfile.TemporaryFile())
    except OSError:  # descriptor 2 was closed, or there is no folder for temporary files
        return None


def _flush() -> None:
    """Flush Python's buffer of standard error."""
    with contextlib.suppress(AttributeError, OSError, ValueError):  # None, a broken pipe, closed
        sys.stderr.flush()


def _release(held: IO[bytes], *, succeeded: bool) -> None:
    """Log the held text after a success, and write the other lines to standard error."""
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
    """Check whether TensorFlow would end the process on import, with the reason on standard error.

    TensorFlow's packages for x86 processors do so if AVX is missing. Held text would be lost.
    """
    flags = cpu_flags()
    return bool(flags) and "avx" not in flags


def warn_of_second_proj() -> None:
    """Warn if eccodes is loaded and pyproj is not: two copies of libproj crash the process.

    The wheels of eckitlib, on which eccodes builds, contain libproj since version 2.3.
    """
    if "eccodes" not in sys.modules or "pyproj" in sys.modules:
        return
    try:
        found = importlib.metadata.version("eckitlib")
    except importlib.metadata.PackageNotFoundError:  # eccodes of the system
        return
    if tuple(int(part) for part in found.split(".")[:2] if part.isdigit()) >= (2, 3):
        logger.warning(
            "eccodes (eckitlib %s) was loaded before pyproj and has a second copy of libproj, which"
            " can crash this process: import xr_dl4ds before files are opened, or use"
            " pip install 'eccodeslib<2.48.3'",
            found,
        )

"""Whether this process is one of several that a launcher has started, by what it is told.

Nothing of Horovod or TensorFlow is needed to know.
"""

from __future__ import annotations

import os

#: Environment variables that say how many processes there are, and which this one is: of
#: horovodrun, of Open MPI's mpirun, and of MPICH's and Intel's. (Slurm's own are left out: it sets
#: them too for a script that is run once, for a job of many tasks.)
LAUNCHERS = (
    ("HOROVOD_SIZE", "HOROVOD_RANK"),
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("PMI_SIZE", "PMI_RANK"),
)

#: The same of the processes of one host: the number of this one, and how many there are.
LOCAL = (
    ("HOROVOD_LOCAL_RANK", "HOROVOD_LOCAL_SIZE"),
    ("OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"),
    ("MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
)

#: How Horovod is got, for the errors that miss it; see docs/distributed.md.
BUILD_HOROVOD = (
    "Build it into an environment of its own by `make horovod` (it needs TensorFlow 2.18)"
)

_joined: list[bool] = []


def launcher() -> str | None:
    """The variable by which the processes know how many they are; None for one alone."""
    return next((size for size, _ in LAUNCHERS if _number(size) > 1), None)


def rank() -> int:
    """Which of them this process is, from 0; 0 for one alone."""
    size = launcher()
    return 0 if size is None else _number(dict(LAUNCHERS)[size])


def local() -> tuple[int, int] | None:
    """Which of the processes of its host this one is, and how many these are, where it is known."""
    for number, size in LOCAL:
        if launcher() is not None and size in os.environ:
            return _number(number), _number(size)
    return None


def join() -> None:
    """Note that this process trains with the others."""
    _joined.append(True)


def is_first() -> bool:
    """Whether this process writes and shows: the first of those that train together, or any other.

    Processes that one launcher has started, but that have not trained together, have each their
    own work to do.
    """
    return not _joined or rank() == 0


def _number(name: str) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else 0

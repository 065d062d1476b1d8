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


def launcher() -> str | None:
    """The variable by which the processes know how many they are; None for one alone."""
    return next((size for size, _ in LAUNCHERS if _number(size) > 1), None)


def rank() -> int:
    """Which of them this process is, from 0; 0 for one alone."""
    size = launcher()
    return 0 if size is None else _number(dict(LAUNCHERS)[size])


def is_first() -> bool:
    """Whether this process is the one that writes and shows: the first, or alone."""
    return rank() == 0


def _number(name: str) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else 0

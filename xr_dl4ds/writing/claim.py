"""The hidden folder beside a store that is written: a lock, what waits, and what is replaced.

One process at a time has it. A store that replaces another is made in it, and the two change places
by renames; what a process that is killed between them leaves is put right by the next.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import IO

try:
    import fcntl
except ImportError:  # Windows has no such lock
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

#: In the folder: the lock; the store that replaces another, where its regions wait, and the other.
LOCK, NEW, NEW_REGIONS, OLD = "lock", "new.zarr", "new", "old.zarr"

#: To take the lock, when other processes end, and remove the folder, at the same moments.
ATTEMPTS = 20


def waiting_beside(path: pathlib.Path) -> pathlib.Path:
    """The folder of a store."""
    return path.with_name(f".{path.name}.part")


@contextlib.contextmanager
def claimed(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Keep other processes from a store, and put right what a killed one left.

    Parameters
    ----------
    path : pathlib.Path
        Of the store, absolute.

    Yields
    ------
    pathlib.Path
        The folder. It stays after an error, for what waits in it; `release` removes it.

    Raises
    ------
    FileExistsError
        When another process writes the store, or when there is such a folder of somebody else.
    """
    folder = waiting_beside(path)
    with _locked(path, folder):
        _put_right(path, folder)
        yield folder


def release(folder: pathlib.Path) -> None:
    """Remove the folder, the lock at last: with it, it is known as ours."""
    with contextlib.suppress(OSError):
        clear(folder)
        (folder / LOCK).unlink()
        folder.rmdir()


def clear(folder: pathlib.Path) -> None:
    """Remove all in the folder but the lock."""
    for inside in folder.iterdir():
        if inside.is_dir():
            shutil.rmtree(inside)
        elif inside.name != LOCK:
            inside.unlink()


def _put_right(path: pathlib.Path, folder: pathlib.Path) -> None:
    """Undo half an exchange, or remove what a whole one left."""
    if not (folder / OLD).exists():
        return
    if path.exists():
        shutil.rmtree(folder / OLD)
    else:
        os.replace(folder / OLD, path)


def _locked(path: pathlib.Path, folder: pathlib.Path) -> IO[str]:
    """The lock, open; a folder that the one before has just removed is made again."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(ATTEMPTS):
        _require_ours(folder)
        try:
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
            file = (folder / LOCK).open("a")
        except FileNotFoundError:
            continue
        try:
            _take(file)
            if os.path.samestat(os.fstat(file.fileno()), (folder / LOCK).stat()):
                return file
        except FileNotFoundError:
            pass
        except BlockingIOError as error:
            file.close()
            raise _busy(path) from error
        file.close()
    raise _busy(path)


def _take(file: IO[str]) -> None:
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:  # some mounts of Lustre and NFS
        logger.warning(
            "no locks where %s is (%s): see to it that one process writes at a time",
            *(file.name, error),
        )


def _require_ours(folder: pathlib.Path) -> None:
    try:
        inside = os.listdir(folder)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        inside = [folder.name]
    if inside and LOCK not in inside:
        raise FileExistsError(
            f"Expected {str(folder)!r} to be free for what waits to be written, got something else."
            " Move it away, or choose another path."
        )


def _busy(path: pathlib.Path) -> FileExistsError:
    return FileExistsError(
        f"Expected no other process to write {str(path)!r}, got one. Wait for it, or choose another"
        " path."
    )

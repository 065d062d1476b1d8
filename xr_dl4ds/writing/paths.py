"""Checks of file system paths, and the replacement of folders."""

from __future__ import annotations

import logging
import os
import pathlib
import shutil
import uuid

logger = logging.getLogger(__name__)


def require_makeable(place: pathlib.Path) -> None:
    """Raise if no file or folder can be made at a path.

    Parameters
    ----------
    place : pathlib.Path
        Absolute path; its parent folders may be missing.

    Raises
    ------
    NotADirectoryError, PermissionError
        If the nearest existing parent is a file, or is not writable.
    """
    above = next(p for p in place.parents if p.exists())
    if not above.is_dir():
        raise NotADirectoryError(f"Expected {str(above)!r} to be a folder, got a file.")
    if not os.access(above, os.W_OK | os.X_OK):
        raise PermissionError(
            f"Expected {str(above)!r} to be writable, got a folder without write permission."
        )


def swap(draft: pathlib.Path, place: pathlib.Path, *, aside: pathlib.Path | None = None) -> None:
    """Move a folder to a path; a folder that is already there is removed only afterwards.

    Parameters
    ----------
    draft, place : pathlib.Path
        The folder and the path, on one file system.
    aside : pathlib.Path, optional
        Path of the old folder in the meantime; by default a hidden name beside `place`.
    """
    if not place.exists():
        os.replace(draft, place)
        return
    old = aside or place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.old")
    os.replace(place, old)
    try:
        os.replace(draft, place)
    except OSError:
        os.replace(old, place)
        raise
    shutil.rmtree(old, ignore_errors=True)
    if old.exists():  # another user's files
        logger.warning("%s is replaced, but its old content in %s cannot be removed", place, old)

"""Places in the file system: whether something can be made there, and put there."""

from __future__ import annotations

import os
import pathlib
import shutil
import uuid


def require_makeable(place: pathlib.Path) -> None:
    """Raise where no file or folder can be made at a path.

    Parameters
    ----------
    place : pathlib.Path
        Absolute; folders above it may be missing.

    Raises
    ------
    NotADirectoryError, PermissionError
        For the nearest thing above it that is there.
    """
    above = next(p for p in place.parents if p.exists())
    if not above.is_dir():
        raise NotADirectoryError(f"Expected {str(above)!r} to be a folder, got a file.")
    if not os.access(above, os.W_OK | os.X_OK):
        raise PermissionError(
            f"Expected to be allowed to write in {str(above)!r}, got no permission."
        )


def swap(draft: pathlib.Path, place: pathlib.Path, *, aside: pathlib.Path | None = None) -> None:
    """Put a folder in the place of another, or where there is none; what was there goes only after.

    Parameters
    ----------
    draft, place : pathlib.Path
        On one file system.
    aside : pathlib.Path, optional
        Where what was there is meanwhile; by default a hidden name beside it.
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

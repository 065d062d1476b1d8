"""Files that are written under a temporary name, and renamed when they are complete."""

from __future__ import annotations

import contextlib
import os
import pathlib
import uuid
from collections.abc import Iterator

from xr_dl4ds.writing.paths import require_makeable


def require_free(path: str | os.PathLike[str], *, overwrite: bool) -> pathlib.Path:
    """Return the absolute path of a file, after checking that it can be written.

    Parameters
    ----------
    path : path
        Path as given; its folders may be missing.
    overwrite : bool
        True to replace an existing file.

    Raises
    ------
    FileExistsError
        If the path is a folder, or the file exists and is not to be replaced.
    NotADirectoryError, PermissionError
        If no file can be made there.
    """
    place = pathlib.Path(path).expanduser().resolve()
    if place.is_dir():
        raise FileExistsError(
            f"Expected the path of a file, got the folder {str(place)!r}. Add the name of a file."
        )
    if place.exists() and not overwrite:
        raise FileExistsError(
            f"A file exists at {str(place)!r}. Choose another path, or pass overwrite=True."
        )
    require_makeable(place)
    return place


@contextlib.contextmanager
def drafted(place: pathlib.Path) -> Iterator[pathlib.Path]:
    """Provide a temporary path beside a file, and rename it to the file after success."""
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{place.stem}.{uuid.uuid4().hex[:8]}.part{place.suffix}")
    try:
        yield draft
        os.replace(draft, place)
    finally:
        draft.unlink(missing_ok=True)

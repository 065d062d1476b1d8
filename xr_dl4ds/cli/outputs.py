"""Files that commands write: checked before the work is done, and renamed when they are whole."""

from __future__ import annotations

import contextlib
import os
import pathlib
import uuid
from collections.abc import Iterable, Iterator

from xr_dl4ds.places import require_makeable


def place_for(path: str, *, overwrite: bool) -> pathlib.Path:
    """The absolute path of a file that can be written.

    Parameters
    ----------
    path : str
        As given.
    overwrite : bool
        Whether a file that is there may be replaced.

    Returns
    -------
    pathlib.Path
        Absolute; its folder is made when it is written.

    Raises
    ------
    FileExistsError, NotADirectoryError, PermissionError
        When it cannot be written.
    """
    if "://" in path:
        raise ValueError(f"Expected a path on a local file system, got {path!r}.")
    place = pathlib.Path(path).expanduser().resolve()
    if place.is_dir():
        raise FileExistsError(f"Expected {str(place)!r} to be free for a file, got a folder.")
    if place.exists() and not overwrite:
        raise FileExistsError(
            f"Expected no file at {str(place)!r} yet, got one. Choose another path, or pass"
            " --overwrite."
        )
    require_makeable(place)
    return place


def require_apart(output: str, inputs: Iterable[str]) -> None:
    """Raise where a command would write over what it reads."""
    place = pathlib.Path(output).expanduser().resolve()
    for given in inputs:
        source = pathlib.Path(given).expanduser().resolve()
        if place == source or place in source.parents or source in place.parents:
            raise ValueError(
                f"Expected to write beside the input {given!r}, got {output!r}. Choose another"
                " path."
            )


@contextlib.contextmanager
def drafted(place: pathlib.Path) -> Iterator[pathlib.Path]:
    """A path beside the place of a file, renamed to it when all went well."""
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{place.stem}.{uuid.uuid4().hex[:8]}.part{place.suffix}")
    try:
        yield draft
        os.replace(draft, place)
    finally:
        draft.unlink(missing_ok=True)

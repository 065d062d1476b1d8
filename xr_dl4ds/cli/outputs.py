"""Output files of commands: checked before the work is done, and renamed when they are complete."""

from __future__ import annotations

import contextlib
import os
import pathlib
import uuid
from collections.abc import Iterable, Iterator

from xr_dl4ds.writing.paths import require_makeable


def place_for(path: str, *, overwrite: bool) -> pathlib.Path:
    """Return the absolute path of an output file, after checking that it can be written.

    Parameters
    ----------
    path : str
        Path as given.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    pathlib.Path
        Absolute path; its folder is made when the file is written.

    Raises
    ------
    FileExistsError, NotADirectoryError, PermissionError
        If the file cannot be written.
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
    """Raise if a command would write over its inputs."""
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
    """Provide a temporary path beside a file, and rename it to the file after success."""
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{place.stem}.{uuid.uuid4().hex[:8]}.part{place.suffix}")
    try:
        yield draft
        os.replace(draft, place)
    finally:
        draft.unlink(missing_ok=True)

"""A Zarr store that is being written, and the folder beside it where regions wait.

A region is written into the folder, renamed when it is whole, moved into the store, and counted in
an attribute of the store. A process that is killed leaves a store that says how many regions it
has; what waits as a whole is moved in by the next.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import shutil
import warnings
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from xr_dl4ds.grid.finished import UNFINISHED
from xr_dl4ds.places import require_makeable
from xr_dl4ds.writing.claim import clear
from xr_dl4ds.writing.plan import Plan

#: Metadata of a group or array in Zarr's third format.
_METADATA = "zarr.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Store:
    """A store in the making.

    Parameters
    ----------
    path : pathlib.Path
        Of the store, absolute.
    folder : pathlib.Path
        Where regions wait, on the same file system.
    plan : Plan
        What is written.
    """

    path: pathlib.Path
    folder: pathlib.Path
    plan: Plan

    def create(self) -> None:
        """Make the store without any region."""
        self.folder.mkdir(exist_ok=True)
        clear(self.folder)
        draft = self.folder / "store"
        state = {"prediction": self.plan.fingerprint, "regions": len(self.plan.regions)}
        data = self.plan.template().assign_attrs(
            {**self.plan.data.attrs, UNFINISHED: json.dumps({**state, "written": 0})}
        )
        with warnings.catch_warnings():  # consolidated, as xarray does: read without a warning
            warnings.filterwarnings("ignore", "Consolidated metadata")
            data.to_zarr(
                draft, mode="w-", compute=False, safe_chunks=False, zarr_format=3, consolidated=True
            )
        if journal_of(self.path):  # of other data, of which nothing is to be kept
            os.replace(self.path, self.folder / "dropped")  # known as ours as long as it is there
        elif self.path.exists():  # a folder with nothing in it
            self.path.rmdir()
        os.replace(draft, self.path)
        shutil.rmtree(self.folder / "dropped", ignore_errors=True)

    def goes_on(self) -> bool:
        """Whether there is an unfinished store of this plan."""
        return journal_of(self.path).get("prediction") == self.plan.fingerprint

    def resume(self) -> int:
        """Move in what waits as a whole, drop the rest, and count the regions of the store."""
        self.folder.mkdir(exist_ok=True)
        written = journal_of(self.path)["written"]
        waiting = self._waiting(written)
        if waiting.exists():
            self._move_in(written)
            written += 1
        clear(self.folder)
        return written

    def stored(self, index: int) -> dict[Hashable, np.ndarray]:
        """The numbers of a region as they were written, by name."""
        return {n: self._array(self.path, n)[self._cells(n, index)] for n in self.plan.names}

    def put(self, index: int, part: xr.Dataset) -> None:
        """Write a region that is in memory: wholly, or not at all."""
        draft = self.folder / f"region-{index}.draft"
        for name in self.plan.names:
            metadata = _place(draft, name) / _METADATA
            metadata.parent.mkdir(parents=True)
            shutil.copyfile(_place(self.path, name) / _METADATA, metadata)
            # not by xarray, which would take what is on disk for what is meant, and encode again
            self._array(draft, name)[self._cells(name, index)] = part.variables[name].to_numpy()
            metadata.unlink()
        os.replace(draft, self._waiting(index))
        self._move_in(index)

    def _array(self, folder: pathlib.Path, name: Hashable) -> Any:
        import zarr

        with warnings.catch_warnings():  # types that Zarr's specification does not have yet
            warnings.filterwarnings("ignore", "The data type")
            return zarr.open_array(_place(folder, name), mode="r+", zarr_format=3)

    def _cells(self, name: Hashable, index: int) -> tuple[slice, ...]:
        dims = self.plan.data.variables[name].dims
        return tuple(self.plan.regions[index] if d == self.plan.dim else slice(None) for d in dims)

    def finish(self) -> None:
        """Leave the store as if it had been written at once."""
        self._note(None)

    def _waiting(self, index: int) -> pathlib.Path:
        return self.folder / f"region-{index}"

    def _move_in(self, index: int) -> None:
        _move(self._waiting(index), self.path)
        self._note({**journal_of(self.path), "written": index + 1})
        shutil.rmtree(self._waiting(index), ignore_errors=True)

    def _note(self, journal: Mapping[str, Any] | None) -> None:
        """Change the journal in the store's attributes, by one rename."""
        metadata = json.loads((self.path / _METADATA).read_text("utf-8"))
        metadata["attributes"].pop(UNFINISHED, None)
        if journal is not None:
            metadata["attributes"][UNFINISHED] = json.dumps(journal)
        draft = self.folder / _METADATA
        draft.write_text(json.dumps(metadata, indent=2), "utf-8")
        os.replace(draft, self.path / _METADATA)


def _place(folder: pathlib.Path, name: Hashable) -> pathlib.Path:
    """Of an array; Zarr takes slashes before and after a name away."""
    return folder / str(name).strip("/")


def journal_of(path: pathlib.Path) -> dict[str, Any]:
    """The journal of an unfinished store; empty for any other."""
    try:
        metadata = json.loads((path / _METADATA).read_text("utf-8"))
        return dict(json.loads(metadata["attributes"][UNFINISHED]))
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def require_writable(
    path: str | os.PathLike[str], plan: Plan | None = None, *, overwrite: bool = False
) -> pathlib.Path:
    """Check, before the work is done, that a store can be written at `path`.

    Parameters
    ----------
    path : path
        Of the store.
    plan : Plan, optional
        What is to be written; without it any unfinished store will do.
    overwrite : bool
        Replace a store that is there already; other folders and files are never replaced.

    Returns
    -------
    pathlib.Path
        The path, absolute.

    Raises
    ------
    FileExistsError
        When something is there that is not to be replaced.
    PermissionError, NotADirectoryError
        When nothing can be made there.
    """
    require_zarr()
    if not isinstance(path, (str, os.PathLike)) or re.match(r"[A-Za-z][\w+.-]+://", str(path)):
        raise ValueError(
            f"Expected a path on a local file system, got {path!r}. Write there, then copy the"
            " store; or use sr.to_zarr(...) of xarray, which cannot be resumed."
        )
    place = pathlib.Path(path).expanduser().resolve()
    if place.exists():
        empty = place.is_dir() and not any(place.iterdir())
        if not empty and not any((place / n).is_file() for n in (_METADATA, ".zgroup")):
            raise FileExistsError(
                f"Expected {str(place)!r} to be free for a Zarr store, got"
                f" {'a folder with other files' if place.is_dir() else 'a file'}. Choose another"
                " path."
            )
        journal = journal_of(place)
        if journal and not overwrite:
            _require_same(place, journal, plan)
        elif not (empty or overwrite):
            raise FileExistsError(
                f"Expected no Zarr store at {str(place)!r} yet, got a finished one. Choose another"
                " path, or pass overwrite=True."
            )
    require_makeable(place)
    return place


def _require_same(place: pathlib.Path, journal: Mapping[str, Any], plan: Plan | None) -> None:
    if plan is None or not journal["written"]:
        return
    if journal["prediction"] != plan.fingerprint:
        raise FileExistsError(
            f"Expected the unfinished store at {str(place)!r} to be of this prediction, got one of"
            f" another model, LR data, options or chunks ({journal['written']} of"
            f" {journal['regions']} regions). Choose another path, or pass overwrite=True."
        )


def require_zarr() -> None:
    """Raise where Zarr stores cannot be written."""
    try:
        import zarr  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"Expected zarr, which reads and writes Zarr stores, got: {error}. Use"
            " `pip install 'xr_dl4ds[zarr]'`."
        ) from error


def _move(source: pathlib.Path, target: pathlib.Path) -> None:
    """Move what is inside a folder into another, whole folders at once where they are new."""
    for inside in source.iterdir():
        place = target / inside.name
        if inside.is_dir() and place.exists():
            _move(inside, place)
        else:
            os.replace(inside, place)

"""A Zarr store that is being written: its place, the note of its progress, and its regions.

Zarr writes each chunk and each metadata file in a single step. A note in the attributes of the
store counts the complete regions. A process may be killed at any time: the same call resumes at the
first region that is not counted. No renames are needed, which object stores do not have.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import pathlib
import re
import shutil
import warnings
from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import xarray as xr

from xr_dl4ds.grid.cf.unfinished import UNFINISHED
from xr_dl4ds.writing.keys import local_folder, names_in, replace_all, require_replaceable
from xr_dl4ds.writing.paths import require_makeable, swap
from xr_dl4ds.writing.plan import Plan

if TYPE_CHECKING:
    from zarr.abc.store import Store as ZarrStore

    StoreLike: TypeAlias = str | os.PathLike[str] | ZarrStore

logger = logging.getLogger(__name__)

#: A URL of fsspec, such as ``s3://bucket/sr.zarr`` or ``simplecache::s3://bucket/sr.zarr``.
_URL = re.compile(r"([A-Za-z][\w+.-]+)(?:::.*)?://")
#: Drafts of Zarr's files, before it renames them.
DRAFTS = "*.partial"
#: Files that tell a Zarr store from another folder.
_METADATA = ("zarr.json", ".zgroup")


@dataclasses.dataclass(frozen=True, kw_only=True)
class StorePlace:
    """The place of a store.

    Parameters
    ----------
    store : zarr.abc.store.Store or str
        The store, in a form that Zarr and xarray accept.
    path : pathlib.Path, optional
        Absolute path of its folder, if the file system is local.
    """

    store: Any
    path: pathlib.Path | None = None

    @classmethod
    def of(cls, target: StoreLike) -> StorePlace:
        """Find the place of a path, a URL of fsspec, an fsspec mapping, or a Zarr store.

        Raises
        ------
        ImportError
            When zarr, or the file system of a URL, is not installed.
        PermissionError
            For a store that is read-only.
        TypeError
            For an object of another type, or a store without keys that can be removed.
        """
        require_zarr()
        from zarr.abc.store import Store as ZarrStore
        from zarr.storage import FsspecStore

        if isinstance(target, ZarrStore):
            require_replaceable(target)
        if isinstance(target, ZarrStore) or (hasattr(target, "fs") and hasattr(target, "root")):
            folder = local_folder(target)
            if folder is None:
                return cls(
                    store=target
                    if isinstance(target, ZarrStore)
                    else FsspecStore.from_mapper(target)
                )
            target = folder
        if not isinstance(target, (str, os.PathLike)):
            raise TypeError(
                "Expected a path, a URL or a Zarr store, got"
                f" {type(target).__name__}: {target!r:.60}. Pass a path such as 'sr.zarr'."
            )
        scheme = _URL.match(os.fspath(target))
        if scheme and scheme[1] not in ("file", "local"):
            return cls(store=FsspecStore.from_url(os.fspath(target)))
        path = pathlib.Path(os.fspath(target)[scheme.end() if scheme else 0 :])
        path = path.expanduser().resolve()
        return cls(store=str(path), path=path)

    def __str__(self) -> str:
        return str(self.store if self.path is None else self.path)

    @property
    def beside(self) -> StorePlace:
        """The place of a new store until it is complete and replaces the store at `path`."""
        path = self._hidden("new")
        return StorePlace(store=str(path), path=path)

    @property
    def old(self) -> pathlib.Path:
        """The path of the old store while it is replaced."""
        return self._hidden("old")

    def _hidden(self, ending: str) -> pathlib.Path:
        """Return the path of a hidden file or folder beside a local store."""
        assert self.path is not None
        return self.path.with_name(f".{self.path.name}.{ending}")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Prevent other processes from writing the store, if the file system is local.

        Raises
        ------
        FileExistsError
            When another process writes the store.
        """
        if self.path is None:  # object stores have no locks
            yield
            return
        from filelock import FileLock, Timeout

        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._hidden("lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise FileExistsError(
                f"Another process is writing {str(self.path)!r}. Wait until it has ended, or choose"
                " another path."
            ) from error
        except (OSError, NotImplementedError) as error:  # some mounts of Lustre and NFS
            logger.warning(
                "%s cannot be locked (%s): make sure that one process writes it at a time",
                *(self.path, error),
            )
        try:
            self._settle_replacement()
            yield
        finally:
            with contextlib.suppress(OSError):
                pathlib.Path(lock.lock_file).unlink()
            lock.release()

    def _settle_replacement(self) -> None:
        """Finish or undo a replacement in which a process was killed."""
        assert self.path is not None
        if self.old.exists():
            if self.path.exists():
                shutil.rmtree(self.old, ignore_errors=True)
            else:
                os.replace(self.old, self.path)

    def replace_with(self, new: StorePlace) -> None:
        """Put a complete store in the place of this one, which is removed."""
        assert self.path is not None
        assert new.path is not None
        # what of an older store cannot be removed, such as another user's files, keeps its name
        swap(new.path, self.path, aside=None if self.old.exists() else self.old)

    def names(self) -> list[str]:
        """List the files and folders, or the first parts of the keys, at the place."""
        if self.path is None:
            return names_in(self.store)
        return [p.name for p in self.path.iterdir()] if self.path.is_dir() else []

    def exists(self) -> bool:
        """Return True if there is a Zarr store, of any kind."""
        if self.path is not None:
            return any((self.path / name).is_file() for name in _METADATA)
        # a list of keys may be older than the store, as some file systems keep lists in memory
        return not set(self.names()).isdisjoint(_METADATA) or self._group() is not None

    def begin(self, attributes: dict[str, Any]) -> None:
        """Create a store of these attributes alone; an existing store is removed.

        The attributes come first: a process that is killed later leaves a store with them.
        """
        from zarr.storage import LocalStore

        store = self.store if self.path is None else LocalStore(self.path)
        replace_all(store, attributes)

    def _group(self, *, to_change: bool = False) -> Any:
        """Open the group of the store; None where there is none."""
        import zarr

        # "r+" creates a missing folder; "r" needs a method that not every store has
        mode: Literal["r", "r+"] = "r" if self.path is not None and not to_change else "r+"
        try:
            return zarr.open_group(self.store, mode=mode, zarr_format=3)
        # not for other errors: a store that is unreachable for a moment must not be created again
        except FileNotFoundError:  # or its subclass GroupNotFoundError
            return None

    def note(self) -> dict[str, Any]:
        """Read the progress of an unfinished store; empty for any other store."""
        from zarr.errors import ContainsArrayError, MetadataValidationError

        damaged = (KeyError, TypeError, json.JSONDecodeError, MetadataValidationError)
        try:
            group = self._group()
        # not for other errors: an unfinished store that cannot be opened is not a finished one
        except (ContainsArrayError, *damaged):
            return {}
        try:
            return {} if group is None else dict(json.loads(group.attrs[UNFINISHED]))
        except (KeyError, TypeError, ValueError):  # no note, or not one of ours
            return {}

    def set_note(self, note: dict[str, Any] | None) -> None:
        """Replace the progress in the attributes of the store; None removes it."""
        group = self._group(to_change=True)
        attributes = {k: v for k, v in group.attrs.items() if k != UNFINISHED}
        if note is not None:
            attributes[UNFINISHED] = json.dumps(note)
        group.attrs.put(attributes)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RegionStore:
    """A store to which regions are written.

    Parameters
    ----------
    place : StorePlace
        The place of the store.
    plan : Plan
        The plan of the write.
    """

    place: StorePlace
    plan: Plan

    def create(self) -> None:
        """Create the store without any region, in place of an existing store."""
        unfinished = {UNFINISHED: json.dumps({**self._note(0), "prediction": ""})}
        self.place.begin(unfinished)
        data = self.plan.template().assign_attrs({**self.plan.data.attrs, **unfinished})
        _write_template(data, self.place.store)
        self.place.set_note(self._note(0))

    def _note(self, written: int) -> dict[str, Any]:
        """Return the note of a store with this many regions."""
        regions = len(self.plan.regions)
        return {"prediction": self.plan.fingerprint, "regions": regions, "written": written}

    def is_ours(self) -> bool:
        """Return True if the place has an unfinished store of this plan."""
        return self.place.note().get("prediction") == self.plan.fingerprint

    def stored(self, index: int) -> dict[Hashable, np.ndarray]:
        """Read the values of a region as they were written, by name."""
        return {n: self._array(n)[self._cells(n, index)] for n in self.plan.names}

    def put(self, index: int, part: xr.Dataset) -> None:
        """Write a region that is in memory, then count it."""
        for name in self.plan.names:
            # not by xarray, which would encode the encoded values once more
            self._array(name)[self._cells(name, index)] = part.variables[name].to_numpy()
        self.place.set_note(self._note(index + 1))

    def _array(self, name: Hashable) -> Any:
        import zarr

        with warnings.catch_warnings():  # types that Zarr's specification does not have yet
            warnings.filterwarnings("ignore", "The data type")
            path = str(name).strip("/")  # Zarr removes outer slashes
            return zarr.open_array(self.place.store, path=path, mode="r+", zarr_format=3)

    def _cells(self, name: Hashable, index: int) -> tuple[slice, ...]:
        dims = self.plan.data.variables[name].dims
        return tuple(self.plan.regions[index] if d == self.plan.dim else slice(None) for d in dims)


def _write_template(data: xr.Dataset, store: Any) -> None:
    """Write metadata and the variables in memory, by xarray."""
    with warnings.catch_warnings():  # consolidated, as by xarray: it opens without a warning
        warnings.filterwarnings("ignore", "Consolidated metadata")
        data.to_zarr(
            store, mode="a", compute=False, safe_chunks=False, zarr_format=3, consolidated=True
        )


def require_encodable(plan: Plan) -> None:
    """Write the template of a plan into memory, before anything is created or removed.

    Raises
    ------
    TypeError
        If xarray or Zarr refuse the data; the message names the variable, if a variable is refused
        alone.
    """
    data = plan.template()
    error = _refusal(data)
    if error is None:
        return
    one = {n: data.drop_vars(set(data.variables) - {n}).assign_attrs({}) for n in data.variables}
    name = next((n for n in one if _refusal(one[n]) is not None), None)
    raise TypeError(
        "Expected variables that Zarr can store, got"
        f" {'this dataset' if name is None else repr(name)}: {str(error).rstrip('.')}. Rename or"
        " convert the variable, or remove it with .drop_vars(...)."
    ) from error


def _refusal(data: xr.Dataset) -> Exception | None:
    """Return the error of xarray or Zarr when a template is written; None without an error."""
    from zarr.storage import MemoryStore

    try:
        _write_template(data, MemoryStore())
    except (KeyError, NotImplementedError, TypeError, ValueError) as error:
        return error
    return None


def require_writable(
    target: StoreLike, plan: Plan | None = None, *, overwrite: bool = False
) -> StorePlace:
    """Check, before the work is done, that a store can be written.

    Parameters
    ----------
    target : path, URL or zarr.abc.store.Store
        Where to write.
    plan : Plan, optional
        The data to write; without it any unfinished store is accepted.
    overwrite : bool
        Replace an existing store. Other folders and files are never replaced.

    Returns
    -------
    StorePlace
        The place of the store.

    Raises
    ------
    FileExistsError
        When the place holds something that must not be replaced.
    PermissionError, NotADirectoryError
        When nothing can be created there.
    """
    place = StorePlace.of(target)
    path = place.path
    # a killed process leaves a folder with drafts
    is_file = path is not None and path.exists() and not path.is_dir()
    empty = not is_file and all(pathlib.PurePath(name).match(DRAFTS) for name in place.names())
    if not (empty or place.exists()):
        got = "a file" if is_file else "a folder with other files"
        raise FileExistsError(
            f"Expected {str(place)!r} to be free for a Zarr store, got {got}. Choose another path."
        )
    note = place.note()
    if note and not overwrite:
        if plan is not None and note["written"] and note["prediction"] != plan.fingerprint:
            raise FileExistsError(
                f"Expected the unfinished store at {str(place)!r} to contain this prediction, got a"
                f" prediction by another model, or from other LR data, options or chunks"
                f" ({note['written']} of {note['regions']} regions). Choose another path, or pass"
                " overwrite=True."
            )
    elif not (empty or overwrite) and place.exists():
        raise FileExistsError(
            f"Expected no Zarr store at {str(place)!r} yet, got a finished store. Choose another"
            " path, or pass overwrite=True."
        )
    if path is not None:
        require_makeable(path)
    return place


def require_zarr() -> None:
    """Raise an `ImportError` that names the extra, unless Zarr stores can be written."""
    try:
        import filelock  # noqa: F401
        import zarr  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"Expected zarr and filelock, which write Zarr stores, got: {error}. Install the"
            " packages of the extra 'zarr': pip install 'zarr>=3.0.8' filelock."
        ) from error

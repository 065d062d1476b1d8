"""A Zarr store that is being written, and the folder beside it where regions wait.

A region is written into the folder, renamed when it is whole, moved into the store, and counted in
an attribute of the store. A process that is killed leaves a store that says how many regions it
has; what waits as a whole is moved in by the next.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from xr_dl4ds.grid.finished import UNFINISHED
from xr_dl4ds.places import require_makeable
from xr_dl4ds.writing.plan import Plan

try:
    import fcntl
except ImportError:  # Windows has no such lock
    fcntl = None  # type: ignore[assignment]

#: Metadata of a group or array in Zarr's third format.
_METADATA = "zarr.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Store:
    """A store in the making.

    Parameters
    ----------
    path : pathlib.Path
        Of the store, absolute.
    plan : Plan
        What is written.
    """

    path: pathlib.Path
    plan: Plan

    @property
    def folder(self) -> pathlib.Path:
        """Where regions wait, on the same file system."""
        return waiting_beside(self.path)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from the same store; only an unfinished one needs the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as file:
            if fcntl is not None:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError as error:
                    raise FileExistsError(
                        f"Expected no other process to write {str(self.path)!r}, got one. Wait for"
                        " it, or choose another path."
                    ) from error
            try:
                yield
            finally:
                if not journal_of(self.path):
                    shutil.rmtree(self.folder, ignore_errors=True)

    def create(self) -> None:
        """Make the store without any region."""
        self._clear()
        draft = self.folder / "store"
        state = {"prediction": self.plan.fingerprint(), "regions": len(self.plan.regions)}
        data = self.plan.template().assign_attrs(
            {**self.plan.data.attrs, UNFINISHED: json.dumps({**state, "written": 0})}
        )
        with warnings.catch_warnings():  # consolidated, as xarray does: read without a warning
            warnings.filterwarnings("ignore", "Consolidated metadata")
            data.to_zarr(
                draft, mode="w-", compute=False, safe_chunks=False, zarr_format=3, consolidated=True
            )
        if self.path.exists():  # a folder with nothing in it
            self.path.rmdir()
        os.replace(draft, self.path)

    def resume(self) -> int:
        """Move in what waits as a whole, drop the rest, and count the regions of the store."""
        written = journal_of(self.path)["written"]
        waiting = self._waiting(written)
        if waiting.exists():
            self._move_in(written)
            written += 1
        self._clear()
        return written

    def stored(self, index: int) -> xr.Dataset:
        """A region as it was written."""
        with xr.open_dataset(self.path, engine="zarr", chunks=None, consolidated=False) as found:
            part = found.reset_coords()[list(self.plan.names)]
            part = part.isel({self.plan.dim: self.plan.regions[index]})
            return part.drop_vars(list(part.coords)).load()

    def put(self, index: int, part: xr.Dataset) -> None:
        """Write a region that is in memory: wholly, or not at all."""
        draft = self.folder / f"region-{index}.draft"
        names = [str(n) for n in self.plan.names]
        for name in ("", *names):
            (draft / name).mkdir(parents=True)
            shutil.copyfile(self.path / name / _METADATA, draft / name / _METADATA)
        region = {str(self.plan.dim): self.plan.regions[index]}
        bare = xr.Dataset({n: (v.dims, v.data) for n, v in part.variables.items()})
        bare.to_zarr(draft, mode="r+", region=region, zarr_format=3, consolidated=False)
        for name in ("", *names):
            (draft / name / _METADATA).unlink()
        os.replace(draft, self._waiting(index))
        self._move_in(index)

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

    def _clear(self) -> None:
        for inside in self.folder.iterdir():
            if inside.is_dir():
                shutil.rmtree(inside)
            elif inside.name != "lock":
                inside.unlink()


def journal_of(path: pathlib.Path) -> dict[str, Any]:
    """The journal of an unfinished store; empty for any other."""
    try:
        metadata = json.loads((path / _METADATA).read_text("utf-8"))
        return dict(json.loads(metadata["attributes"][UNFINISHED]))
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def is_another(path: pathlib.Path, plan: Plan) -> bool:
    """Whether something is there that is no unfinished store of this plan."""
    return path.exists() and journal_of(path).get("prediction") != plan.fingerprint()


def waiting_beside(path: pathlib.Path) -> pathlib.Path:
    """The folder where the regions of an unfinished store wait."""
    return path.with_name(f".{path.name}.part")


def require_writable(
    path: str | os.PathLike[str], plan: Plan | None = None, *, overwrite: bool = False
) -> tuple[pathlib.Path, bool]:
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
    tuple of pathlib.Path and bool
        The path, absolute, and whether there is an unfinished store to go on with.

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
            return place, True
        if not (empty or overwrite):
            raise FileExistsError(
                f"Expected no Zarr store at {str(place)!r} yet, got a finished one. Choose another"
                " path, or pass overwrite=True."
            )
    require_makeable(place)
    return place, False


def _require_same(place: pathlib.Path, journal: Mapping[str, Any], plan: Plan | None) -> None:
    if plan is not None and journal["prediction"] != plan.fingerprint():
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


def require_equal(found: xr.Dataset, expected: xr.Dataset, place: pathlib.Path) -> None:
    """Raise where a region is another one than is predicted now, beyond rounding."""
    for name, variable in expected.variables.items():
        now, then = variable.to_numpy(), found.variables[name].to_numpy()
        if not _close(then, now, _step(found.variables[name], now)):
            raise FileExistsError(
                f"Expected the unfinished store at {str(place)!r} to be of these LR data, got other"
                f" values of {name!r} in its last region. Choose another path, or pass"
                " overwrite=True."
            )


def _close(then: np.ndarray, now: np.ndarray, step: float) -> bool:
    """Whether values are the same, but for rounding and packing."""
    if now.dtype.kind not in "fiubc":  # times, texts
        return bool(((then == now) | ((then != then) & (now != now))).all())
    spread = float(np.nanstd(now)) if np.isfinite(now).any() else 0.0
    return np.allclose(then, now, rtol=1e-4, atol=1e-4 * spread + step, equal_nan=True)


def _step(stored: xr.Variable, now: np.ndarray) -> float:
    """What packing as whole numbers may change."""
    packed = stored.encoding.get("dtype")
    if packed is None or np.dtype(packed).kind not in "iu" or now.dtype.kind != "f":
        return 0.0
    return abs(float(stored.encoding.get("scale_factor", 1.0)))


def _move(source: pathlib.Path, target: pathlib.Path) -> None:
    """Move what is inside a folder into another, whole folders at once where they are new."""
    for inside in source.iterdir():
        place = target / inside.name
        if inside.is_dir() and place.exists():
            _move(inside, place)
        else:
            os.replace(inside, place)

"""Writing of regions in order: one region is computed while the previous region is written."""

from __future__ import annotations

import collections
import contextvars
import pathlib
import shutil
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import xarray as xr

from xr_dl4ds.grid.cf.unfinished import require_finished
from xr_dl4ds.processes import is_first
from xr_dl4ds.writing.comparison import require_equal
from xr_dl4ds.writing.plan import Plan, plan
from xr_dl4ds.writing.store import (
    DRAFTS,
    RegionStore,
    StorePlace,
    require_encodable,
    require_writable,
)

if TYPE_CHECKING:
    from xr_dl4ds.writing.store import StoreLike

#: Number of regions in memory: while the network computes one region, the other is read, finished
#: or written. On two cores (20 regions of 2**20 cells) the network runs for 91 % of the time; with
#: one region at a time for 76 %.
AT_ONCE = 2


def write(
    data: xr.Dataset, target: StoreLike, *, overwrite: bool = False, progress: bool = True
) -> pathlib.Path | StoreLike:
    """Write a dataset to a Zarr store, region by region.

    A region is one chunk in time of all variables (without time, one chunk of the first dimension
    with several chunks). While the network runs on a region, another region is read, finished or
    written; memory holds two regions.

    A process may be killed at any time: the same call resumes at the first missing region. It
    computes the last existing region again, to check that the store holds the same data.

    Parameters
    ----------
    data : xarray.Dataset
        Lazy data; data in memory form a single region.
    target : path, URL or zarr.abc.store.Store
        Where to write: a local path, a URL of fsspec such as ``s3://bucket/sr.zarr``, or a store
        object. An attribute of an unfinished store counts its regions.
    overwrite : bool
        Replace an existing store. On local file systems it stays until the new store is complete.
        Elsewhere it is removed first, because object stores cannot rename.
    progress : bool
        Show a progress bar.

    Returns
    -------
    pathlib.Path, str or zarr.abc.store.Store
        The absolute path of a local store, else `target`.

    Raises
    ------
    FileExistsError
        When the target holds a finished store, or an unfinished store of another prediction, or
        when another process writes the local store.
    ImportError
        When zarr is not installed.
    TypeError
        When a store cannot hold a variable or an attribute; nothing is removed then.
    """
    if not is_first():  # of the processes that train together, only the first writes
        return StorePlace.of(target).path or target
    require_finished(data, "the data")
    planned = plan(data)
    place = require_writable(target, planned, overwrite=overwrite)
    require_encodable(planned)
    with place.locked():
        # check again, because another process may have written it in the meantime
        require_writable(target, planned, overwrite=overwrite)
        store = _opened(place, planned, overwrite)
        _write_from(store, _resumed(store, overwrite), progress)
        if store.place is not place:
            place.replace_with(store.place)
        place.set_note(None)
        _clean(place)
    return place.path or target


def _opened(place: StorePlace, planned: Plan, overwrite: bool) -> RegionStore:
    """Choose where to write: at the place, or beside a store that stays until the end."""
    direct = RegionStore(place=place, plan=planned)
    if place.path is None or not overwrite or direct.is_ours() or not place.exists():
        return direct
    beside = place.beside
    if beside.path is not None and beside.path.exists() and not beside.note():
        raise FileExistsError(
            f"Expected {str(beside)!r} to be free for the new store, got other content. Move it"
            " away, or choose another path."
        )
    return RegionStore(place=beside, plan=planned)


def _resumed(store: RegionStore, overwrite: bool) -> int:
    """Count the regions of an unfinished store of these data, or create a store with 0 regions."""
    if store.is_ours():
        if store.place.path is not None:
            for draft in store.place.path.rglob(DRAFTS):
                draft.unlink()
        written = int(store.place.note()["written"])
        try:
            if written:
                again = store.plan.part(store.plan.regions[written - 1]).compute()
                found = store.stored(written - 1)
                require_equal(found, again, str(store.place), store.plan.rounded)
            return written
        except FileExistsError:  # other values under the same coordinates and attributes
            if not overwrite:
                raise
    store.create()
    return 0


def _clean(place: StorePlace) -> None:
    """Remove the unfinished store that a killed call with other data left beside the store."""
    if place.path is not None and place.beside.note():
        shutil.rmtree(str(place.beside), ignore_errors=True)


def _write_from(store: RegionStore, first: int, progress: bool) -> None:
    with warnings.catch_warnings():  # a notebook without ipywidgets gets the plain bar
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

    total = len(store.plan.regions)
    bar = tqdm(total=total, initial=first, desc="write", unit="region", disable=not progress)
    running: collections.deque[Future[None]] = collections.deque()
    with bar, ThreadPoolExecutor(AT_ONCE, thread_name_prefix="region") as workers:
        for index in range(first, total):
            if len(running) == AT_ONCE:
                running.popleft().result()  # an error in a region ends the others here
                bar.update()
            before = running[-1] if running else None
            context = contextvars.copy_context()  # keeps the dask client of a with statement
            running.append(workers.submit(context.run, _one, store, index, before))
        for last in running:
            last.result()
            bar.update()


def _one(store: RegionStore, index: int, before: Future[None] | None) -> None:
    """Compute a region, and write it after the previous region."""
    planned = store.plan
    try:
        part = planned.part(planned.regions[index]).compute()
    except Exception as error:
        error.add_note(
            f"This was region {index + 1} of {len(planned.regions)}, of the variables"
            f" {', '.join(map(str, planned.names))}; the same call resumes at this region."
        )
        raise
    if before is not None:
        before.result()
    store.put(index, part)

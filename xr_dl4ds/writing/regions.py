"""The way of the regions: one is computed while the one before is written, in order."""

from __future__ import annotations

import collections
import contextlib
import contextvars
import os
import pathlib
import warnings
from concurrent.futures import Future, ThreadPoolExecutor

import xarray as xr

from xr_dl4ds.grid.finished import require_finished
from xr_dl4ds.launched import is_first
from xr_dl4ds.places import swap
from xr_dl4ds.writing.claim import (
    LOCK,
    NEW,
    NEW_REGIONS,
    OLD,
    claimed,
    release,
    waiting_beside,
)
from xr_dl4ds.writing.comparison import require_equal
from xr_dl4ds.writing.plan import Plan, plan
from xr_dl4ds.writing.store import Store, journal_of, require_writable

#: Regions in memory: while the network runs on one, the other is read, finished or written. On two
#: cores (20 regions of 2**20 cells) it runs for 91 % of the time; with one computed at a time 76 %.
AT_ONCE = 2


def write(
    data: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: bool = True,
) -> pathlib.Path:
    """Write a dataset into a Zarr store, region by region.

    A region is one chunk in time of all variables (without time, one chunk of the first dimension
    that has several). While the network runs on one, another is read, finished and written; memory
    holds two.
    A process that is killed leaves whole regions, and the same call goes on at the first that is
    missing. The last region that is there is computed again, to see that it is of the same data.

    Parameters
    ----------
    data : xarray.Dataset
        Lazy; what is in memory is one region.
    path : path
        Of the store, on a local file system. Until it is whole, it has an attribute that says how
        many regions are there, and a hidden folder beside it.
    overwrite : bool
        Replace a store that is there already, finished or not, when the new one is whole; until
        then it is written beside it.
    progress : bool
        Show a bar over regions.

    Returns
    -------
    pathlib.Path
        The store, absolute.

    Raises
    ------
    FileExistsError
        When there is a finished store, or an unfinished one of another prediction.
    ImportError
        When zarr is not installed.
    """
    if not is_first():  # of processes that train together
        return pathlib.Path(path).expanduser().resolve()
    require_finished(data, "the data")
    planned = plan(data)
    try:
        place = require_writable(path, planned, overwrite=overwrite)
    except FileExistsError:
        _tidy(pathlib.Path(path).expanduser().resolve())
        raise
    with claimed(place) as folder:
        try:
            # once more: another process may have written it since
            require_writable(place, planned, overwrite=overwrite)
            direct = Store(path=place, folder=folder, plan=planned)
            if overwrite and place.exists():
                # the old store stays until the new one is whole: it may be what is read
                beside = Store(path=folder / NEW, folder=folder / NEW_REGIONS, plan=planned)
                store, first = _begun(beside, direct)
            else:
                store, first = direct, _kept(direct)
            _write_from(store, planned, first, progress)
            if store is not direct:
                swap(store.path, place, aside=folder / OLD)
            direct.finish()
        finally:
            _leave(place, folder)
    return place


def _leave(place: pathlib.Path, folder: pathlib.Path) -> None:
    """Remove the folder, unless the next call goes on with what is in it."""
    halved = (folder / OLD).exists() and not place.exists()
    if not (halved or journal_of(place) or journal_of(folder / NEW)):
        release(folder)


def _tidy(place: pathlib.Path) -> None:
    """Remove what a process left that was killed when its store was whole."""
    if (waiting_beside(place) / LOCK).is_file():
        with contextlib.suppress(FileExistsError), claimed(place) as folder:
            _leave(place, folder)


def _begun(beside: Store, direct: Store) -> tuple[Store, int]:
    """The store that is of these data already, or one without a region, to replace the other."""
    for store in (beside, direct):
        with contextlib.suppress(FileExistsError):  # other data: they are to be replaced
            if store.goes_on():
                return store, _kept(store)
    beside.create()
    return beside, 0


def _kept(store: Store) -> int:
    """How many regions are there, when the last of them is that of these data."""
    if not store.goes_on():
        store.create()
        return 0
    written = store.resume()
    if written:
        again = store.plan.part(store.plan.regions[written - 1]).compute()
        require_equal(store.stored(written - 1), again, store.path, store.plan.rounded)
    return written


def _write_from(store: Store, planned: Plan, first: int, progress: bool) -> None:
    with warnings.catch_warnings():  # a notebook without ipywidgets gets the plain bar
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

    total = len(planned.regions)
    bar = tqdm(total=total, initial=first, desc="write", unit="region", disable=not progress)
    running: collections.deque[Future[None]] = collections.deque()
    with bar, ThreadPoolExecutor(AT_ONCE, thread_name_prefix="region") as workers:
        for index in range(first, total):
            if len(running) == AT_ONCE:
                running.popleft().result()  # an error in a region ends the others here
                bar.update()
            before = running[-1] if running else None
            context = contextvars.copy_context()  # has the dask client of a with-statement
            running.append(workers.submit(context.run, _one, store, planned, index, before))
        for last in running:
            last.result()
            bar.update()


def _one(store: Store, planned: Plan, index: int, before: Future[None] | None) -> None:
    """Compute a region, and write it after the one before."""
    try:
        part = planned.part(planned.regions[index]).compute()
    except Exception as error:
        error.add_note(
            f"This was region {index + 1} of {len(planned.regions)}, of the variables"
            f" {', '.join(map(str, planned.names))}; the same call goes on after the regions before"
            " it."
        )
        raise
    if before is not None:
        before.result()
    store.put(index, part)

"""The way of the regions: one is computed while the one before is written, in order."""

from __future__ import annotations

import collections
import contextvars
import os
import pathlib
import warnings
from concurrent.futures import Future, ThreadPoolExecutor

import xarray as xr

from xr_dl4ds.grid.finished import require_finished
from xr_dl4ds.launched import is_first
from xr_dl4ds.writing.claim import NEW, NEW_REGIONS, OLD, claimed, exchange, release
from xr_dl4ds.writing.comparison import require_equal
from xr_dl4ds.writing.plan import Plan, plan
from xr_dl4ds.writing.store import Store, is_whole, journal_of, require_writable

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
    place = require_writable(path, planned, overwrite=overwrite)
    with claimed(place) as folder:
        try:
            # once more: another process may have written it since
            require_writable(place, planned, overwrite=overwrite)
            direct = Store(path=place, folder=folder, plan=planned)
            if overwrite and place.exists() and not is_whole(place, planned):
                # the old store stays until the new one is whole: it may be what is read
                beside = Store(path=folder / NEW, folder=folder / NEW_REGIONS, plan=planned)
                _fill(beside, place, progress)
                exchange(place, folder)
            else:
                _fill(direct, place, progress)
            direct.finish()
        finally:
            halved = (folder / OLD).exists() and not place.exists()
            if not (halved or journal_of(place) or journal_of(folder / NEW)):
                release(folder)
    return place


def _fill(store: Store, place: pathlib.Path, progress: bool) -> None:
    """Write all regions, or those that are missing."""
    planned, first = store.plan, 0
    if store.goes_on():
        first = store.resume()
    else:
        store.create()
    if first:
        again = planned.part(planned.regions[first - 1]).compute()
        require_equal(store.stored(first - 1), again, place, planned.rounded)
    _write_from(store, planned, first, progress)


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

"""Writes that end as by a SIGKILL, and what is in the store then."""

import os

import pytest
import xarray as xr
from zarr.storage import MemoryStore

from xr_dl4ds.writing import write
from xr_dl4ds.writing.store import RegionStore, StorePlace


class KilledError(BaseException):
    """In place of a SIGKILL: nothing may catch it."""


def killed_after(regions, ds, path, monkeypatch, **options):
    """Write that many regions."""
    put = RegionStore.put

    def dies(self, index, part):
        if index == regions:
            raise KilledError
        put(self, index, part)
        if index + 1 == regions == len(self.plan.regions):
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(RegionStore, "put", dies)
        with pytest.raises(KilledError):
            write(ds, path, progress=False, **options)


def killed_at(moment, ds, target, monkeypatch, *, happens=True, **options):
    """Write until that change of the store, which happens or not; True if there were so many.

    A change is a rename on a local file system, by which Zarr writes chunks and metadata too, or a
    key that is set in a store in memory.
    """
    calls = [0]

    def counts():
        calls[0] += 1
        if calls[0] == moment and not happens:
            raise KilledError

    def ends():
        if calls[0] == moment:
            raise KilledError

    rename, set_key = os.replace, MemoryStore.set

    def replace(*args):
        counts()
        rename(*args)
        ends()

    async def set_one(self, *args, **kwargs):
        if self is not target:  # a rehearsal
            return await set_key(self, *args, **kwargs)
        counts()
        await set_key(self, *args, **kwargs)
        ends()

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        patch.setattr(MemoryStore, "set", set_one)
        try:
            write(ds, target, progress=False, **options)
        except KilledError:
            return True
    return False


def note_of(target):
    """The progress of an unfinished store."""
    return StorePlace.of(target).note()


def read(path, *, decode_cf=True, group=None):
    """The store in memory, by the metadata of its arrays, not by those consolidated."""
    with xr.open_dataset(
        path, engine="zarr", chunks=None, consolidated=False, decode_cf=decode_cf, group=group
    ) as found:
        return found.load()

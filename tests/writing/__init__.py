"""Writes that end as by a SIGKILL, and what is in the store then."""

import os

import pytest
import xarray as xr

from xr_dl4ds.writing import write
from xr_dl4ds.writing.store import Store


class KilledError(BaseException):
    """In place of a SIGKILL: nothing may catch it."""


def killed_after(regions, ds, path, monkeypatch, **options):
    """Write that many regions."""
    put = Store.put

    def dies(self, index, part):
        if index == regions:
            raise KilledError
        put(self, index, part)
        if index + 1 == regions == len(self.plan.regions):
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(Store, "put", dies)
        with pytest.raises(KilledError):
            write(ds, path, progress=False, **options)


def killed_at(rename, ds, path, monkeypatch, *, happens=True, **options):
    """Write until that rename, which happens or not; whether there were so many."""
    calls, original = [0], os.replace

    def replace(*args):
        calls[0] += 1
        if calls[0] == rename and not happens:
            raise KilledError
        original(*args)
        if calls[0] == rename:
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        try:
            write(ds, path, progress=False, **options)
        except KilledError:
            return True
    return False


def read(path, *, decode_cf=True, group=None):
    """The store in memory, by the metadata of its arrays, not by those consolidated."""
    with xr.open_dataset(
        path, engine="zarr", chunks=None, consolidated=False, decode_cf=decode_cf, group=group
    ) as found:
        return found.load()

"""One process at a time, and what a killed one leaves while one store replaces another."""

import contextlib
import errno
import os
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds  # noqa: F401  registers .downscale
from tests.conftest import analytic
from tests.tiers import every
from tests.writing import KilledError, killed_after, killed_at, note_of, read
from xr_dl4ds.writing import write
from xr_dl4ds.writing.store import RegionStore, StorePlace


def fields(change=0.0):
    ds = analytic(time=4)[["t2m"]].chunk(time=2)
    return ds.assign(t2m=ds.t2m + np.float32(change)).assign_attrs(change=change)


@pytest.mark.parametrize("overwrite", every(2, [True, False]))
def test_killed_at_any_change_while_it_replaces(tmp_path, monkeypatch, overwrite):
    """The old store or the new one is there after the next call, and nothing else."""
    old, new, moment, halved = fields(), fields(1.0), 0, 0
    while True:
        moment += 1
        path = tmp_path / str(moment) / "a.zarr"
        write(old, path, progress=False)
        if not killed_at(moment, new, path, monkeypatch, overwrite=True):
            break
        halved += not path.exists()
        with contextlib.nullcontext() if overwrite else contextlib.suppress(FileExistsError):
            write(new, path, overwrite=overwrite, progress=False)
        assert not note_of(path)
        found = read(path)
        assert found.attrs["change"] in ((1.0,) if overwrite else (0.0, 1.0))
        xr.testing.assert_equal(found, (new if found.attrs["change"] else old).compute())
        if overwrite:
            assert [p.name for p in path.parent.iterdir()] == ["a.zarr"]
    assert halved == 1
    assert moment > 8


@pytest.mark.parametrize("done", [1, 2])
def test_other_values_replace_what_a_killed_call_left(tmp_path, monkeypatch, done):
    """They have the coordinates and attributes of those before: once refused for ever."""
    path = write(fields(), tmp_path / "a.zarr", progress=False)
    other = fields(2.0).assign_attrs(change=1.0)
    for begun in (path, tmp_path / "none.zarr"):  # over a whole store, and over an unfinished one
        killed_after(done, fields(1.0), begun, monkeypatch, overwrite=True)
        write(other, begun, overwrite=True, progress=False)
        xr.testing.assert_equal(read(begun), other.compute())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zarr", "none.zarr"]


@pytest.mark.parametrize("begun", ["beside a whole store", "where nothing was"])
def test_killed_while_an_unfinished_store_is_removed(tmp_path, monkeypatch, begun):
    """Once it lacked its metadata, and counted as files of somebody else for ever."""
    moment, calls = 0, [0]

    def few(value):
        return xr.Dataset({"a": ("x", [value, value + 1])}, attrs={"first": value}).chunk(x=1)

    def dies(remove):
        def counts(*args, **kwargs):
            calls[0] += 1
            if calls[0] == moment:
                raise KilledError
            return remove(*args, **kwargs)

        return counts

    while True:
        path = tmp_path / str(moment) / "a.zarr"
        moment += 1
        if begun == "beside a whole store":
            write(few(0.0), path, progress=False)
        killed_after(1, few(1.0), path, monkeypatch, overwrite=True)
        calls[0] = 0
        with monkeypatch.context() as patch:
            patch.setattr(os, "unlink", dies(os.unlink))
            patch.setattr(os, "rmdir", dies(os.rmdir))
            with contextlib.suppress(KilledError):
                write(few(2.0), path, overwrite=True, progress=False)
        if calls[0] < moment:
            break
        write(few(2.0), path, overwrite=True, progress=False)
        xr.testing.assert_equal(read(path), few(2.0).compute())
        assert [p.name for p in path.parent.iterdir()] == ["a.zarr"]
    assert moment > 4


def test_overwrite_goes_on_where_nothing_was_before(tmp_path, monkeypatch):
    path, put, written = tmp_path / "a.zarr", RegionStore.put, []
    killed_after(1, fields(), path, monkeypatch, overwrite=True)
    monkeypatch.setattr(RegionStore, "put", lambda *given: (put(*given), written.append(given[1])))
    write(fields(), path, overwrite=True, progress=False)
    assert written == [1]
    xr.testing.assert_equal(read(path), fields().compute())


def test_a_store_that_replaces_itself_and_lacks_its_last_rename_alone(tmp_path, monkeypatch):
    path = write(fields(), tmp_path / "a.zarr", progress=False)

    def dies(self, note):
        if note is None:
            raise KilledError
        set_note(self, note)

    set_note = StorePlace.set_note
    with monkeypatch.context() as patch:
        patch.setattr(StorePlace, "set_note", dies)
        with pytest.raises(KilledError):
            write(fields(1.0), path, overwrite=True, progress=False)
    assert note_of(path)["written"] == 2
    with xr.open_zarr(path) as ds:  # all of it is there: it may be read
        ds.downscale.to_zarr(tmp_path / "b.zarr", verbose=False)
    assert "xr_dl4ds_unfinished" not in read(tmp_path / "b.zarr").attrs
    xr.testing.assert_equal(read(tmp_path / "b.zarr"), fields(1.0).compute())


@pytest.mark.skipif(sys.platform == "win32", reason="no such lock")
def test_a_file_system_without_locks_is_told_and_written(tmp_path, monkeypatch, caplog):
    def flock(file, how):
        raise OSError(errno.EIO, "no locks here")

    monkeypatch.setattr("fcntl.flock", flock)
    path = write(fields(), tmp_path / "a.zarr", progress=False)
    xr.testing.assert_equal(read(path), fields().compute())
    assert "cannot be locked" in caplog.text


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no such lock")
def test_processes_that_end_and_begin_at_once(tmp_path):
    """The one has the folder, or is told that the other has; nothing else happens."""
    program = (
        "import pathlib, sys, time\n"
        "from xr_dl4ds.writing.store import StorePlace\n"
        "path, end, taken = pathlib.Path(sys.argv[1]), time.monotonic() + 3, 0\n"
        "while time.monotonic() < end:\n"
        "    try:\n"
        "        with StorePlace.of(path).locked():\n"
        "            (path.parent / 'mine').touch(exist_ok=False)\n"
        "            taken += 1\n"
        "            (path.parent / 'mine').unlink()\n"
        "    except FileExistsError as error:\n"
        "        assert 'Another process is writing' in str(error), error\n"
        "print(taken)\n"
    )
    given = [sys.executable, "-c", program, str(tmp_path / "a.zarr")]
    both = [subprocess.Popen(given, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sum(int(one.communicate()[0]) for one in both) > 10
    assert [one.returncode for one in both] == [0, 0, 0]


def test_a_whole_store_that_waited_to_take_its_place_is_not_computed_again(tmp_path, monkeypatch):
    for moment in range(1, 30):  # killed when all regions are there, and the old store is not
        path = write(fields(), tmp_path / str(moment) / "a.zarr", progress=False)
        killed_at(moment, fields(1.0), path, monkeypatch, overwrite=True)
        if not path.exists():
            break
    place = StorePlace.of(path)
    assert place.beside.note()["written"] == 2
    assert place.old.exists()
    seen = []
    ds = fields(1.0)
    counted = ds.t2m.data.map_blocks(lambda b: (seen.append(1), b)[1], dtype="f4", meta=ds.t2m.data)
    seen.clear()
    write(ds.assign(t2m=ds.t2m.copy(data=counted)), path, overwrite=True, progress=False)
    assert len(seen) == 1  # the last one, to see that it is of the same data
    xr.testing.assert_equal(read(path), fields(1.0).compute())


def test_an_old_store_that_cannot_be_removed_is_told_and_in_nobody_s_way(
    tmp_path, monkeypatch, caplog
):
    """Once all later calls failed, as they could not remove it either."""
    path = write(fields(), tmp_path / "a.zarr", progress=False)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *args, **kwargs: None)
        write(fields(1.0), path, overwrite=True, progress=False)
        assert f"old content in {StorePlace.of(path).old} cannot be removed" in caplog.text
        write(fields(2.0), path, overwrite=True, progress=False)
    xr.testing.assert_equal(read(path), fields(2.0).compute())


@pytest.mark.skipif(sys.platform == "win32", reason="no such lock")
def test_another_process_is_told_whether_it_replaces_or_not(tmp_path):
    path = tmp_path / "a.zarr"
    program = (
        "import sys, numpy as np, xarray as xr, xr_dl4ds\n"
        "ds = xr.Dataset({'a': ('x', np.arange(3.0))})\n"
        "try: ds.downscale.to_zarr(sys.argv[1], overwrite=sys.argv[2] == '1', verbose=False)\n"
        "except FileExistsError as error: print(error)\n"
    )
    with StorePlace.of(path).locked():
        for overwrite in "01":
            said = subprocess.run(
                [sys.executable, "-c", program, str(path), overwrite],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            assert "Another process is writing" in said
    assert not path.exists()


def test_what_somebody_else_has_beside_a_store_is_left_alone(tmp_path):
    path = write(fields(), tmp_path / "a.zarr", progress=False)
    mine = StorePlace.of(path).beside.path / "thesis.tex"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(FileExistsError, match=r"\.a\.zarr\.new' to be free for the new store"):
        write(fields(1.0), path, overwrite=True, progress=False)
    assert mine.read_text() == "mine"
    xr.testing.assert_equal(read(path), fields().compute())

"""Writing by regions: what is there at any moment, and that what goes on ends the same."""

import json
import os
import pathlib
import sys
import threading

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import FsspecStore, LocalStore, MemoryStore

import xr_dl4ds  # noqa: F401  registers .downscale
from tests.conftest import analytic, no_compute
from tests.writing import killed_after, killed_at, note_of
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.cf.unfinished import UNFINISHED
from xr_dl4ds.writing import require_writable, write
from xr_dl4ds.writing.plan import plan
from xr_dl4ds.writing.store import RegionStore, StorePlace

HISTORY = "2026-01-02T03:04:05Z: downscaled"


def fields(**chunks):
    """8 steps of two variables, a static one and a grid mapping, chunked."""
    ds = analytic().chunk(chunks or {"time": 3, "longitude": 5})
    ds["wind"] = (ds.t2m - 270).where(ds.t2m > 280)
    ds["crs"] = xr.Variable((), np.int32(0), {"grid_mapping_name": "latitude_longitude"})
    return ds.assign_attrs(history=HISTORY)


def counted(ds, name="t2m"):
    """The same, and a list of the first values of blocks that were computed."""
    seen = []

    def look(block):
        seen.append(float(block.flat[0]))
        return block

    return ds.assign({name: ds[name].copy(data=ds[name].data.map_blocks(look, dtype="f4"))}), seen


def read(path):
    return xr.open_dataset(path, engine="zarr", chunks=None)


def content(target):
    """Every key of a store with its bytes; the metadata of the group as JSON."""
    if isinstance(target, MemoryStore):
        found = {key: value.to_bytes() for key, value in target._store_dict.items()}
    else:
        files = (path for path in target.rglob("*") if path.is_file())
        found = {path.relative_to(target).as_posix(): path.read_bytes() for path in files}
    return {**found, "zarr.json": json.loads(found["zarr.json"])}


# --- what is written ------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [{"time": 3, "longitude": 5}, {"time": 1}, {"latitude": 4}])
def test_a_store_holds_the_data(tmp_path, chunks):
    ds = fields(**chunks)
    path = ds.downscale.to_zarr(tmp_path / "out.zarr", verbose=False)
    assert path == tmp_path / "out.zarr"
    with read(path) as found:
        xr.testing.assert_identical(found.load(), ds.compute())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.zarr"]  # no folder beside it


def test_what_variables_share_is_computed_once_for_each_region(tmp_path):
    ds, seen = counted(analytic()[["t2m"]].chunk(time=4))  # as the network of several targets is
    ds["d2m"] = ds.t2m - 3
    seen.clear()
    ds.downscale.to_zarr(tmp_path / "out.zarr", verbose=False)
    assert len(seen) == 2


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_finished_store_says_nothing_of_regions_and_opens_without_a_warning(tmp_path):
    path = write(fields(), tmp_path / "out.zarr", progress=False)
    assert note_of(path) == {}
    with read(path) as found:
        assert found.attrs == {**analytic().attrs, "history": HISTORY}


def test_data_in_memory_and_without_time(tmp_path):
    ds = analytic()
    for name, one in {"a": ds, "b": ds[["orog"]], "c": ds.isel(time=0).chunk(latitude=3)}.items():
        with read(one.downscale.to_zarr(tmp_path / name, verbose=False)) as found:
            xr.testing.assert_identical(found.load(), one.compute())


def test_a_data_array(tmp_path):
    one = fields().t2m
    with read(one.downscale.to_zarr(tmp_path / "a.zarr", verbose=False)) as found:
        xr.testing.assert_equal(found.t2m.load(), one.compute())


def test_encodings_are_kept_but_for_those_of_the_source(tmp_path):
    ds = fields()
    ds.t2m.encoding = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 280.0,
                       "_FillValue": -9999, "chunks": (7, 7, 7), "zlib": True}  # fmt: skip
    with read(write(ds, tmp_path / "a.zarr", progress=False)) as found:
        assert found.t2m.encoding["dtype"] == np.int16
        assert found.t2m.encoding["chunks"] == (3, 8, 5)
        np.testing.assert_allclose(found.t2m, ds.t2m, atol=0.006)


def test_numbers_are_smaller_than_by_zarr_itself(tmp_path):
    steps = np.random.default_rng(0).standard_normal((8, 64, 64))
    fine = (280 + steps.cumsum(1) / 4).astype("f4")
    names = np.array(["sunny", "rain"] * 4, dtype=object)
    ds = xr.Dataset({"t2m": (("time", "y", "x"), fine), "sky": ("time", names)}).chunk(time=4)
    ours = write(ds, tmp_path / "a.zarr", progress=False)
    ds[["t2m"]].to_zarr(tmp_path / "b.zarr", zarr_format=3, consolidated=False)
    with read(ours) as found:
        xr.testing.assert_equal(found.load(), ds.compute())
        (codec,) = found.t2m.encoding["compressors"]
    assert codec.to_dict()["configuration"]["shuffle"] == "shuffle"
    sizes = [
        sum(p.stat().st_size for p in (tmp_path / name / "t2m" / "c").rglob("*") if p.is_file())
        for name in ("a.zarr", "b.zarr")
    ]
    assert sizes[0] < 0.95 * sizes[1]


def test_a_store_begun_with_other_codecs_goes_on_with_them(tmp_path, monkeypatch):
    from zarr.codecs import GzipCodec

    ds, path = fields(time=3), tmp_path / "a.zarr"
    with monkeypatch.context() as before:
        before.setattr("xr_dl4ds.writing.plan._codec", GzipCodec)
        unfinished(path, ds, 1)
    with read(write(ds, path, progress=False)) as found:
        assert [type(c).__name__ for c in found.t2m.encoding["compressors"]] == ["GzipCodec"]
        xr.testing.assert_equal(found.load(), ds.compute())


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [((3, 3, 2), 3), ((4, 2, 2), 2), ((2, 6), 2), ((3, 5), 3), ((8,), 8), ((4, 3, 1), 1)],
)
def test_chunks_on_disk_are_whole_in_regions(tmp_path, sizes, expected):
    ds = fields().chunk(time=sizes)
    found = plan(ds)
    assert [r.stop - r.start for r in found.regions] == list(sizes)
    assert found.chunks["t2m"] == (expected, 8, 5)
    assert all(r.start % expected == 0 for r in found.regions)
    with read(write(ds, tmp_path / "a.zarr", progress=False)) as back:
        xr.testing.assert_equal(back.load(), ds.compute())


def test_regions_are_chunks_in_time_wherever_it_stands():
    ds = fields(time=3, longitude=5).transpose("longitude", "latitude", "time")
    assert plan(ds).dim == "time"
    assert plan(ds.isel(time=0)).dim == "longitude"
    with no_compute():
        assert len(plan(ds[["t2m"]]).regions) == 3


def test_each_block_is_computed_once_and_two_regions_are_in_memory(tmp_path, monkeypatch):
    ds, seen = counted(fields(time=1)[["t2m"]])
    alive, most = [0], [0]
    from xr_dl4ds.writing.plan import Plan
    from xr_dl4ds.writing.store import RegionStore

    part, put, lock = Plan.part, RegionStore.put, threading.Lock()

    def counting(change):
        with lock:
            alive[0] += change
            most[0] = max(most[0], alive[0])

    monkeypatch.setattr(Plan, "part", lambda self, r: (counting(1), part(self, r))[1])
    monkeypatch.setattr(RegionStore, "put", lambda self, i, p: (put(self, i, p), counting(-1))[0])
    write(ds, tmp_path / "a.zarr", progress=False)
    assert len(seen) == 8
    assert sorted(seen) == sorted(float(v) for v in analytic().t2m[:, 0, 0])
    assert most[0] == 2
    assert alive[0] == 0


def test_the_bar(tmp_path, capsys):
    write(fields(), tmp_path / "a.zarr", progress=True)
    assert "write: 100%" in capsys.readouterr().err
    write(fields(), tmp_path / "b.zarr", progress=False)
    assert capsys.readouterr().err == ""


# --- killed, and gone on --------------------------------------------------------------------------


@pytest.mark.sparse(2)
@pytest.mark.parametrize("layout", ["time first", "time last"])
@pytest.mark.parametrize("local", [True, False])
def test_killed_at_any_change_then_completed(tmp_path, monkeypatch, local, layout):
    ds = fields(time=5, latitude=4)[["t2m", "wind"]]
    if layout == "time last":
        ds = ds.transpose("latitude", "longitude", "time")
    expected = content(write(ds, tmp_path / "whole.zarr", progress=False))
    moment = 1
    while True:
        target = tmp_path / f"{moment}.zarr" if local else MemoryStore()
        if not killed_at(moment, ds, target, monkeypatch, happens=False):
            break
        note = note_of(target)
        if note.get("prediction"):  # else it is being created
            with read(target) as found:  # what is counted is there
                part = {"time": slice(0, [0, 5, 8][note["written"]])}
                xr.testing.assert_equal(found.isel(part).load(), ds.isel(part).compute())
                assert note["regions"] == 2
        write(ds, target, progress=False)
        assert content(target) == expected
        moment += 1
    # metadata of the group and of the arrays, two chunks and the note for each region, and the end
    assert moment > 1 + 2 + 2 * (2 + 1) + 1
    assert not list(tmp_path.glob(".*"))


def unfinished(path, ds, regions):
    """A store of that many regions."""
    planned = plan(ds)
    store = RegionStore(place=StorePlace.of(path), plan=planned)
    store.create()
    for index in range(regions):
        store.put(index, planned.part(planned.regions[index]).compute())
    return path


def test_it_goes_on_at_the_first_missing_region(tmp_path, capsys):
    path = unfinished(tmp_path / "a.zarr", fields(time=1)[["t2m"]], 5)
    later = fields(time=1)[["t2m"]].assign_attrs(history="2027-07-07T07:07:07Z: downscaled")
    ds, seen = counted(later)
    write(ds, path, progress=True)
    # the last that is there is looked at, the others are not
    assert sorted(seen) == sorted(float(v) for v in analytic().t2m[4:, 0, 0])
    assert "5/8" in capsys.readouterr().err  # where the bar begins
    with read(path) as found:
        xr.testing.assert_equal(found.load(), ds.compute())
        assert found.attrs["history"] == HISTORY


def other_values(ds):
    return ds.assign(t2m=ds.t2m + 1)


def other_times(ds):
    return ds.assign_coords(time=ds.time + np.timedelta64(1, "h"))


def other_chunks(ds):
    return ds.chunk(time=2)


def other_model(ds):
    return ds.assign_attrs(xr_dl4ds_provenance='{"model": "b"}')


def other_type(ds):
    return ds.assign(t2m=ds.t2m.astype("f8"))


def other_variables(ds):
    return ds.rename(wind="gust")


OTHERS = [other_times, other_chunks, other_model, other_type, other_variables, other_values]


@pytest.mark.parametrize("other", OTHERS)
def test_an_unfinished_store_of_another_prediction_is_left_alone(tmp_path, other):
    path = unfinished(tmp_path / "a.zarr", fields(), 2)
    before = content(path)
    expected = r"unfinished store at '.*a\.zarr' to contain th.*, got .*overwrite=True"
    with pytest.raises(FileExistsError, match=expected):
        write(other(fields()), path, progress=False)
    assert content(path) == before
    write(other(fields()), path, overwrite=True, progress=False)
    with read(path) as found:
        xr.testing.assert_equal(found.load(), other(fields()).compute())


def test_what_is_read_may_be_replaced(tmp_path):
    path = write(fields(), tmp_path / "a.zarr", progress=False)
    with xr.open_zarr(path) as ds:
        ds.assign(t2m=ds.t2m + 1).downscale.to_zarr(path, overwrite=True, verbose=False)
    with read(path) as found:
        np.testing.assert_array_equal(found.t2m, fields().t2m + 1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zarr"]


def test_the_old_store_stays_until_the_new_one_is_whole(tmp_path, monkeypatch):
    path = write(fields(), tmp_path / "a.zarr", progress=False)
    before = content(path)
    new, seen = counted(other_times(fields()))
    killed_after(1, new, path, monkeypatch, overwrite=True)
    assert content(path) == before
    seen.clear()
    write(new, path, overwrite=True, progress=False)  # goes on: the first region once, as a check
    with read(path) as found:
        xr.testing.assert_equal(found.load(), other_times(fields()).compute())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zarr"]
    another = unfinished(tmp_path / "b.zarr", fields(), 1)
    write(other_variables(fields()), another, overwrite=True, progress=False)
    with read(another) as found:
        assert "gust" in found


@pytest.mark.parametrize("kind", ["URL", "mapping", "store", "file URL"])
def test_stores_of_other_file_systems(tmp_path, kind):
    import fsspec

    url = f"memory://{tmp_path.name}/a.zarr" if kind != "file URL" else (tmp_path / "a").as_uri()
    target = {
        "URL": lambda: url,
        "file URL": lambda: url,
        "mapping": lambda: fsspec.get_mapper(url),
        "store": MemoryStore,
    }[kind]()
    ds = fields()
    unfinished(target, ds, 1)
    ds, seen = counted(ds)
    found = write(ds, target, progress=False)
    assert found == (tmp_path / "a" if kind == "file URL" else target)
    assert len(seen) == 9  # three blocks of each of three regions; the first is computed as a check
    again = StorePlace.of(target)
    assert again.note() == {}
    with xr.open_zarr(again.store) as stored:
        xr.testing.assert_equal(stored.load(), fields().compute())
    with pytest.raises(FileExistsError, match=r"no Zarr store at .* yet, got a finished store"):
        write(ds, target, progress=False)
    write(other_variables(fields()), target, overwrite=True, progress=False)
    with xr.open_zarr(again.store) as stored:
        assert set(stored.data_vars) == {"t2m", "gust", "orog", "crs"}


class OwnStore(MemoryStore):
    """A store that has, as Zarr 3.0 had, no way to be opened for reading alone."""

    def with_read_only(self, read_only=False):
        raise NotImplementedError


def test_an_unfinished_store_of_a_plain_class_is_resumed():
    """Once such a store could not be opened, and passed for a finished one."""
    store, ds = OwnStore(), fields()
    unfinished(store, ds, 1)
    ds, seen = counted(ds)
    write(ds, store, progress=False)
    assert len(seen) == 9  # three blocks of each of three regions; the first is computed as a check
    xr.testing.assert_equal(read(MemoryStore(store._store_dict)).load(), fields().compute())


def test_a_store_of_another_format_is_not_replaced_unasked():
    """Once Zarr's second format was not seen in object stores, and was removed."""
    store = MemoryStore()
    analytic().to_zarr(store, zarr_format=2)
    with pytest.raises(FileExistsError, match="got a finished store"):
        write(fields(), store, progress=False)
    xr.testing.assert_equal(read(store).load(), analytic())
    write(fields(), store, overwrite=True, progress=False)
    xr.testing.assert_equal(read(store).load(), fields().compute())
    assert not [key for key in store._store_dict if ".z" in key]


@pytest.mark.parametrize("local", [True, False])
def test_an_array_and_damaged_metadata_are_replaced_when_asked(tmp_path, local):
    import zarr

    def damaged(text):
        store = MemoryStore({"zarr.json": default_buffer_prototype().buffer.from_bytes(text)})
        if not local:
            return store
        path = tmp_path / f"{len(text)}.zarr"
        path.mkdir()
        (path / "zarr.json").write_bytes(text)
        return path

    array = tmp_path / "array.zarr" if local else MemoryStore()
    zarr.create_array(array, shape=3, dtype="f4")
    for target in (array, damaged(b""), damaged(b"{"), damaged(b"[]")):
        with pytest.raises(FileExistsError, match=r"no Zarr store at .* yet"):
            write(fields(), target, progress=False)
        write(fields(), target, overwrite=True, progress=False)
        xr.testing.assert_equal(read(target).load(), fields().compute())


def test_paths_of_the_local_file_system_in_other_words(tmp_path):
    """Once without the folders above, without a lock, and with the old store removed first."""
    import fsspec

    url = (tmp_path / "deep" / "a.zarr").as_uri()
    for target in (fsspec.get_mapper(url), FsspecStore.from_url(url), LocalStore(url[7:])):
        place = StorePlace.of(target)
        assert place.path == tmp_path / "deep" / "a.zarr"
        assert write(fields(), target, overwrite=True, progress=False) == place.path


def test_a_chain_of_file_systems_is_a_url(tmp_path, monkeypatch):
    """Once it was a folder of that name."""
    monkeypatch.chdir(tmp_path)
    url = f"simplecache::memory://{tmp_path.name}/a.zarr"
    assert write(fields(), url, progress=False) == url
    assert not list(tmp_path.iterdir())
    xr.testing.assert_equal(read(StorePlace.of(url).store).load(), fields().compute())


def test_what_is_no_place_is_told():
    with pytest.raises(TypeError, match="Expected a path, a URL or a Zarr store, got int: 5"):
        write(fields(), 5, progress=False)
    with pytest.raises(TypeError, match=r"got Dataset: <xarray\.Dataset> Size: .*") as raised:
        write(fields(), fields(), progress=False)
    assert len(str(raised.value)) < 200
    with pytest.raises(ImportError):  # of fsspec, which names the package
        write(fields(), "gs://bucket/a.zarr", progress=False)


def test_packed_values_and_times_go_on(tmp_path):
    """Near zero, where packing changes more than a share of the value."""
    ds = fields().assign(t2m=(fields().t2m - 280).assign_attrs(units="degC"))
    ds.t2m.encoding = {"dtype": "int16", "scale_factor": 0.1, "_FillValue": -32768}
    stamps = ds.time.data + np.timedelta64(1, "h")
    ds["when"] = ("time", da.from_array(stamps, chunks=3))
    ds = ds.assign_coords(late=("time", da.from_array(np.arange(8.0), chunks=3)))
    path = unfinished(tmp_path / "a.zarr", ds, 2)
    write(ds, path, progress=False)
    with read(path) as found:
        np.testing.assert_allclose(found.t2m, ds.t2m, atol=0.051)
        np.testing.assert_array_equal(found.when, stamps)
        np.testing.assert_array_equal(found.late, np.arange(8))


@pytest.mark.parametrize(
    "use",
    [
        lambda ds: ds.downscale.fit(scale=2),
        lambda ds: ds.downscale.coarsen(2),
        lambda ds: ds.downscale.interpolate(ds, method="bilinear"),
        lambda ds: ds.downscale.to_zarr("elsewhere.zarr"),
        lambda ds: ds.downscale.plot(),
    ],
)
def test_an_unfinished_store_is_no_data(tmp_path, monkeypatch, use):
    monkeypatch.chdir(tmp_path)
    path = unfinished(tmp_path / "a.zarr", fields(), 1)
    with read(path) as ds, pytest.raises(GridError, match="an unfinished store that lacks 2 of 3"):
        use(ds[["t2m"]])


def test_a_finished_store_is_replaced_only_when_asked(tmp_path):
    path = write(fields(), tmp_path / "a.zarr", progress=False)
    with pytest.raises(FileExistsError, match=r"no Zarr store at .* yet, got a finished store"):
        write(other_values(fields()), path, progress=False)
    write(other_variables(fields()), path, overwrite=True, progress=False)
    with read(path) as found:
        assert set(found.data_vars) == {"t2m", "gust", "orog", "crs"}


def test_other_folders_and_files_are_never_replaced(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "a.tex").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name, kind in (("thesis", "a folder with other files"), ("file", "a file")):
        with pytest.raises(FileExistsError, match=f"free for a Zarr store, got {kind}"):
            write(fields(), tmp_path / name, overwrite=True, progress=False)
    with pytest.raises(NotADirectoryError, match="to be a folder, got a file"):
        write(fields(), tmp_path / "file" / "a.zarr", progress=False)
    (tmp_path / "empty").mkdir()
    write(fields(), tmp_path / "empty", progress=False)


@pytest.mark.parametrize("overwrite", [False, True])
def test_other_keys_of_an_object_store_are_never_removed(overwrite):
    """Once they were, without a word."""
    store = MemoryStore({"thesis/a.tex": default_buffer_prototype().buffer.from_bytes(b"mine")})
    with pytest.raises(FileExistsError, match="free for a Zarr store, got a folder with other"):
        write(fields(), store, overwrite=overwrite, progress=False)
    assert list(store._store_dict) == ["thesis/a.tex"]


def test_two_processes_do_not_write_one_store(tmp_path):
    path = tmp_path / "a.zarr"
    for overwrite in (False, True):
        with (
            StorePlace.of(path).locked(),
            pytest.raises(FileExistsError, match="Another process is writing"),
        ):
            write(fields(), path, overwrite=overwrite, progress=False)


def test_an_error_in_a_region_leaves_the_ones_before(tmp_path):
    def fail(block, block_info=None):
        if block_info[0]["chunk-location"][0] == 2:
            raise ValueError("no input")
        return block

    ds = fields(time=3)[["t2m"]]
    bad = ds.assign(t2m=ds.t2m.copy(data=da.map_blocks(fail, ds.t2m.data, dtype="f4")))
    with pytest.raises(ValueError, match="no input"):
        write(bad, tmp_path / "a.zarr", progress=False)
    assert note_of(tmp_path / "a.zarr")["written"] == 2
    write(ds, tmp_path / "a.zarr", progress=False)
    with read(tmp_path / "a.zarr") as found:
        xr.testing.assert_equal(found.load(), ds.compute())


def test_an_unfinished_store_is_not_evaluated_nor_copied(tmp_path):
    path = unfinished(tmp_path / "a.zarr", fields()[["t2m"]], 1)
    with read(path) as found:
        assert UNFINISHED in found.attrs
        with pytest.raises(GridError, match="got an unfinished store that lacks 2 of 3 regions"):
            found.downscale.evaluate(analytic(), scale=4)
        with pytest.raises(GridError, match="the data as a whole, got an unfinished store"):
            found.downscale.to_zarr(tmp_path / "b.zarr")


def test_what_cannot_be_stored_leaves_nothing(tmp_path):
    ds = fields()
    ds.attrs["made by"] = object()
    with pytest.raises(TypeError):
        write(ds, tmp_path / "a.zarr", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_cannot_be_replaced_stays(tmp_path, monkeypatch):
    path = write(fields(), tmp_path / "a.zarr", progress=False)
    before, rename = content(path), os.replace

    def replace(source, target):
        if pathlib.Path(source).name == ".a.zarr.new":
            raise OSError("no space")
        rename(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="no space"):
        write(other_values(fields()), path, overwrite=True, progress=False)
    assert content(path) == before
    assert read(path).equals(fields())


def test_without_zarr(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(ImportError, match=r"pip install 'zarr>=3.0.8' filelock"):
        require_writable(tmp_path / "a.zarr")


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no such mode")
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path):
    pathlib.Path(tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(PermissionError, match="to be writable, got a folder without write"):
        require_writable(tmp_path / "closed" / "a.zarr")


def test_a_store_that_cannot_be_read_for_a_moment_is_not_created_anew(tmp_path, monkeypatch):
    import zarr

    path = write(fields(), tmp_path / "a.zarr", progress=False)
    before = content(path)

    def unreachable(*args, **kwargs):
        raise ConnectionError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(zarr, "open_group", unreachable)
        with pytest.raises(ConnectionError, match="no answer"):
            write(other_variables(fields()), path, progress=False)
    assert content(path) == before

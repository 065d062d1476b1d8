import fsspec
import pytest
import zarr
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import FsspecStore, LocalStore, MemoryStore, ZipStore

from xr_dl4ds.writing.keys import local_folder, names_in, replace_all, require_replaceable


def store_of(kind, tmp_path):
    if kind == "memory":
        return MemoryStore()
    if kind == "folder":
        return LocalStore(tmp_path / "a.zarr")
    return FsspecStore.from_url(f"memory://{tmp_path.name}/a.zarr")


@pytest.mark.parametrize("kind", ["memory", "folder", "URL"])
def test_all_keys_are_replaced_by_a_group(tmp_path, kind):
    store = store_of(kind, tmp_path)
    assert names_in(store) == []
    zarr.create_array(store, name="a/b", shape=3, dtype="f4")[:] = 1
    zarr.create_group(store, path="c", zarr_format=2)
    assert {"a", "zarr.json", ".zgroup"} <= set(names_in(store))
    replace_all(store, {"x": "é"})
    assert names_in(store) == ["zarr.json"]
    group = zarr.open_group(store, mode="r", zarr_format=3)
    assert dict(group.attrs) == {"x": "é"}
    assert list(group) == []


def test_a_group_is_there_before_keys_are_removed():
    seen = []

    class Watched(MemoryStore):
        async def delete(self, key):
            seen.append((key, "zarr.json" in self._store_dict))
            await super().delete(key)

    store = Watched({"a": default_buffer_prototype().buffer.from_bytes(b"1")})
    replace_all(store, {})
    assert seen == [("a", True)]


def test_stores_that_cannot_be_replaced(tmp_path):
    require_replaceable(MemoryStore())
    with pytest.raises(PermissionError, match="can be written, got the read-only store 'memory:"):
        require_replaceable(MemoryStore(read_only=True))
    with pytest.raises(TypeError, match=r"replaced and listed, got ZipStore: '.*a\.zip'"):
        require_replaceable(ZipStore(tmp_path / "a.zip", mode="w"))


def test_folders_of_local_stores(tmp_path):
    path = tmp_path / "a.zarr"
    assert local_folder(LocalStore(path)) == path
    assert local_folder(FsspecStore.from_url(path.as_uri())) == path
    assert local_folder(fsspec.get_mapper(str(path))) == path
    system = AsyncFileSystemWrapper(fsspec.filesystem("file"), asynchronous=True)
    assert local_folder(FsspecStore(system, path=str(path))) == path
    assert local_folder(fsspec.get_mapper("memory://a")) is None
    assert local_folder(MemoryStore()) is None

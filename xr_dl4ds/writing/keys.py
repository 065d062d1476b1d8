"""The keys of a Zarr store, which are files in a local folder: listed, set and removed."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zarr.abc.store import Store

#: Key of the metadata of a group.
GROUP = "zarr.json"


def require_replaceable(store: Store) -> None:
    """Raise unless keys of a store can be listed, set and removed.

    Raises
    ------
    PermissionError
        If the store is read-only.
    TypeError
        If it is of a kind that cannot remove or list keys, such as a ZIP file.
    """
    if store.read_only:
        raise PermissionError(
            f"Expected a Zarr store that can be written, got the read-only store {str(store)!r}."
            " Open it with read_only=False, or pass a path such as 'sr.zarr'."
        )
    if not (store.supports_writes and store.supports_deletes and store.supports_listing):
        raise TypeError(
            "Expected a Zarr store whose keys can be replaced and listed, got"
            f" {type(store).__name__}: {str(store)!r}. Write to a folder such as 'sr.zarr' first,"
            " and pack or copy the folder afterwards."
        )


def local_folder(store: Any) -> pathlib.Path | None:
    """Return the folder of a store, or of a mapping of fsspec, on the local file system.

    Parameters
    ----------
    store : zarr.abc.store.Store or fsspec.FSMap
        The store.

    Returns
    -------
    pathlib.Path or None
        The folder; None for other file systems.
    """
    from zarr.storage import LocalStore

    if isinstance(store, LocalStore):
        return store.root
    system = getattr(store, "fs", None)
    system = getattr(system, "sync_fs", system)  # in fsspec's wrapper for asynchronous calls
    if system is None:
        return None
    from fsspec.implementations.local import LocalFileSystem

    if not isinstance(system, LocalFileSystem):
        return None
    return pathlib.Path(store.root if hasattr(store, "root") else store.path)


def names_in(store: Store) -> list[str]:
    """Return the first parts of the keys of a store, as a folder lists its files and folders."""
    from zarr.core.sync import sync

    return sync(_names_in(store))


def replace_all(store: Store, attributes: dict[str, Any]) -> None:
    """Turn a store, or a place without a store, into a group with attributes and no other keys.

    The metadata of the group are set before other keys are removed. A process that is killed at any
    time leaves what was there before, or a group with these attributes.

    Parameters
    ----------
    store : zarr.abc.store.Store
        The store.
    attributes : dict
        Attributes of the group, as for JSON.
    """
    from zarr.core.sync import sync

    sync(_replace_all(store, attributes))


async def _names_in(store: Store) -> list[str]:
    return [name async for name in store.list_dir("") if name]


async def _replace_all(store: Store, attributes: dict[str, Any]) -> None:
    from zarr.core.buffer import default_buffer_prototype

    group = {"attributes": attributes, "zarr_format": 3, "node_type": "group"}
    text = json.dumps(group).encode()
    await store.set(GROUP, default_buffer_prototype().buffer.from_bytes(text))
    for name in await _names_in(store):
        if name != GROUP:
            await _remove(store, name)


async def _remove(store: Store, name: str) -> None:
    """Remove a key, and all keys below it."""
    from zarr.storage import LocalStore

    if not isinstance(store, LocalStore):  # its `delete` removes folders, `delete_dir` no files
        await store.delete_dir(name)
    await store.delete(name)

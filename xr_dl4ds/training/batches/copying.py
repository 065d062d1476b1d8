"""Copying of stacked channels into arrays in memory or on disk, slab by slab of time steps."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import dask
import numpy as np
import xarray as xr

from xr_dl4ds.grid.names import TIME

#: Bytes of all arrays together that are computed at once; at least one chunk is computed.
SLAB = 2**26


class Scratch:
    """A float32 array in a temporary folder, which is removed together with the last of its arrays.

    Parameters
    ----------
    folder : tempfile.TemporaryDirectory
        Folder of the file.
    name : str
        Name of the file.
    shape : tuple of int
        Shape of the array.
    """

    def __init__(
        self, folder: tempfile.TemporaryDirectory[str], name: str, shape: tuple[int, ...]
    ) -> None:
        self._folder = folder
        path = pathlib.Path(folder.name) / f"{name}.f4"
        self._file = path.open("w+b")
        self.shape = shape
        with contextlib.suppress(OSError):  # a killed process leaves no file, except on Windows
            path.unlink()

    def open(self, mode: Any = "r") -> np.ndarray:
        """Return the array, which is read from disk on access.

        The data read count as memory of this process until the array is deleted. Open the array
        again for each batch.
        """
        return np.memmap(self._file, dtype="f4", mode=mode, shape=self.shape)


def to_memory(fields: Sequence[xr.DataArray]) -> list[np.ndarray]:
    """Return each field as a float32 array, without a copy of float32 fields in memory."""
    if all(f.chunks is None for f in fields):
        return [np.ascontiguousarray(f.to_numpy(), "f4") for f in fields]
    out = [np.empty(f.shape, "f4") for f in fields]
    _fill(fields, out)
    return out


def to_disk(fields: Sequence[xr.DataArray]) -> list[Scratch]:
    """Write each field as a float32 array to a temporary folder.

    Raises
    ------
    OSError
        When the disk lacks space for the arrays.
    """
    folder = tempfile.TemporaryDirectory(prefix="xr_dl4ds_", ignore_cleanup_errors=True)
    needed, free = 4 * sum(f.size for f in fields), shutil.disk_usage(folder.name).free
    if needed > free:
        raise OSError(
            f"Expected {needed / 1e9:.1f} GB of free disk for cache='disk', got {free / 1e9:.1f} GB"
            f" in {tempfile.gettempdir()!r}. Set the environment variable TMPDIR to a folder on a"
            " larger disk, or use cache='none'."
        )
    out = [Scratch(folder, f"array{i}", f.shape) for i, f in enumerate(fields)]
    with contextlib.suppress(OSError):  # a folder with files is removed with the last array
        pathlib.Path(folder.name).rmdir()
    _fill(fields, [scratch.open("w+") for scratch in out])
    return out


def _fill(fields: Sequence[xr.DataArray], out: Sequence[np.ndarray]) -> None:
    for part in slabs(fields):
        computed = dask.compute(*(f.isel({TIME: part}).data for f in fields))
        for to, values in zip(out, computed, strict=True):
            to[part] = values


def slabs(fields: Sequence[xr.DataArray]) -> Iterator[slice]:
    """Split the time axis along chunks into parts of about `SLAB` bytes."""
    chunked = max(fields, key=lambda f: f.size if f.chunks is not None else 0)
    steps = chunked.sizes[TIME]
    each = 4 * sum(f.size for f in fields) // max(steps, 1)
    most = max(1, SLAB // max(each, 1))
    sizes = chunked.chunksizes.get(TIME, (most,) * (steps // most + 1))
    begin = end = 0
    for size in sizes:
        if end > begin and end + size - begin > most:
            yield slice(begin, end)
            begin = end
        end = min(end + size, steps)
    if end > begin:
        yield slice(begin, end)

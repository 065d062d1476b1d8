"""The method that writes predictions."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from xr_dl4ds.grid.cf.fields import as_dataset
from xr_dl4ds.grid.names import Data
from xr_dl4ds.writing import write

if TYPE_CHECKING:
    from xr_dl4ds.writing.store import StoreLike


class Writing:
    """Method `to_zarr` of the accessor."""

    _obj: Data

    def to_zarr(
        self, target: StoreLike, *, overwrite: bool = False, verbose: bool = True
    ) -> pathlib.Path | StoreLike:
        """Write these data to a Zarr store, region by region; an interrupted call is resumed.

        A region is one chunk in time of all variables. While the network runs on one region,
        another is read, finished and written; memory holds two. A process may be killed at any
        time: the same call resumes at the first missing region. Among processes that train
        together, only the first writes.

        Parameters
        ----------
        target : path, URL or zarr.abc.store.Store
            Where to write: a local path, a URL of fsspec such as ``s3://bucket/sr.zarr``, or a
            store object.
        overwrite : bool
            Replace an existing store, finished or not. On local file systems it stays until the
            new one is complete; elsewhere it is removed first.
        verbose : bool
            Show a progress bar.

        Returns
        -------
        pathlib.Path, str or zarr.abc.store.Store
            The absolute path of a local store, else `target`; read it with
            ``xarray.open_dataset(target, engine="zarr")``.

        Raises
        ------
        FileExistsError
            When there is a finished store, or an unfinished one of another prediction.
        ImportError
            When zarr is not installed: ``pip install 'zarr>=3.0.8' filelock``.
        PermissionError
            When the store is read-only, or the folder cannot be written.
        TypeError
            When Zarr cannot store a variable or an attribute, or `target` is no place for a store.

        Examples
        --------
        >>> import tempfile, xr_dl4ds as xd
        >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=1).chunk(time=4)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = hr.downscale.to_zarr(f"{folder}/hr.zarr", verbose=False)
        >>> path.name
        'hr.zarr'
        """
        data = as_dataset(self._obj, "the data")
        return write(data, target, overwrite=overwrite, progress=verbose)

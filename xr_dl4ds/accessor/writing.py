"""The method that writes predictions."""

from __future__ import annotations

import os
import pathlib

from xr_dl4ds.grid.fields import as_dataset
from xr_dl4ds.sources import Data
from xr_dl4ds.writing import write


class Writing:
    """`to_zarr`."""

    _obj: Data

    def to_zarr(
        self, path: str | os.PathLike[str], *, overwrite: bool = False, verbose: bool = True
    ) -> pathlib.Path:
        """Write these data into a Zarr store, region by region; an interrupted call goes on.

        A region is one chunk in time of all variables. While the network runs on one, another is
        read, finished and written; memory holds two. A process that is killed leaves whole regions,
        and the same call, made again, goes on at the first that is missing. Of processes that train
        together, the first alone writes.

        Parameters
        ----------
        path : path
            Of the store, on a local file system.
        overwrite : bool
            Replace a store that is there already, finished or not, when the new one is whole.
        verbose : bool
            Show a bar over regions.

        Returns
        -------
        pathlib.Path
            The store, absolute: read it with ``xarray.open_dataset(path, engine="zarr")``.

        Raises
        ------
        FileExistsError
            When there is a finished store, or an unfinished one of another prediction.
        ImportError
            When zarr is not installed: ``pip install 'xr_dl4ds[zarr]'``.

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
        return write(data, path, overwrite=overwrite, progress=verbose)

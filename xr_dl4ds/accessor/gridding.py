"""Methods that need no model: LR fields, baselines, and an overview of the data."""

from __future__ import annotations

import xarray as xr

from xr_dl4ds.data.plausibility import note_fields
from xr_dl4ds.grid.cf.conventions import one_variable
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.names import Data
from xr_dl4ds.grid.regridding.coarsen import coarsen
from xr_dl4ds.grid.regridding.interpolate import interpolate
from xr_dl4ds.overview import Overview, overview


class Gridding:
    """Methods `grid`, `coarsen` and `interpolate` of the accessor."""

    _obj: Data

    @property
    def grid(self) -> Overview:
        """Overview of how the package interprets these data, to consult if something looks wrong.

        Returns
        -------
        xr_dl4ds.overview.Overview
            Axes, CRS, spacing, extent, periodicity, times, time-varying variables, the roles of
            further dimensions, and problems with their solutions; in notebooks a table with a map.
            Only coordinates are read. The property never raises; it lists problems instead.

        Examples
        --------
        >>> import xr_dl4ds as xd
        >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=1)
        >>> hr.downscale.grid.kind
        'latitude-longitude'
        """
        return overview(self._obj)

    def coarsen(
        self,
        scale: int | tuple[int, int],
        *,
        trim: bool = False,
        x_dim: str | None = None,
        y_dim: str | None = None,
    ) -> Data:
        """Average blocks of cells to LR fields.

        Parameters
        ----------
        scale : int or tuple of int
            Cells along one edge of a block, >= 2, or ``(along y, along x)`` where these differ.
        trim : bool
            Drop the last rows and columns that do not fill a block, instead of raising an error.
        x_dim, y_dim : str, optional
            Names of the spatial dimensions, if CF attributes and names do not identify them.

        Returns
        -------
        xarray.Dataset or xarray.DataArray
            LR fields of the same type as the data, lazy if the data are lazy. Each block is the
            mean of its valid cells. A warning is logged for values of data in memory that usually
            mark missing values, such as -9999. A Dataset has CF bounds; ``area: mean`` is added to
            `cell_methods`.

        Raises
        ------
        GridError
            If `scale` does not divide the grid; the message names the leftover rows and columns.

        Examples
        --------
        >>> import xr_dl4ds as xd
        >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=1)
        >>> dict(hr.downscale.coarsen(4).sizes)["latitude"]
        4
        """
        dims = Dims(x=x_dim, y=y_dim)
        return self._as_given(coarsen(self._obj, scale, trim=trim, dims=dims, look=note_fields))

    def interpolate(
        self,
        like: Data,
        *,
        method: str = "bilinear",
        x_dim: str | None = None,
        y_dim: str | None = None,
    ) -> Data:
        """Interpolate to the grid of `like`, as a baseline for comparison with a model.

        Parameters
        ----------
        like : xarray.Dataset or xarray.DataArray
            Data on the wanted grid; only their coordinates are used.
        method : {"bilinear", "bicubic", "nearest", "conservative"}
            Interpolation method; bicubic is cubic convolution (Keys 1981) with the parameter -0.75.
        x_dim, y_dim : str, optional
            Names of the spatial dimensions of these data, if CF attributes and names do not
            identify them.

        Returns
        -------
        xarray.Dataset or xarray.DataArray
            Fields on the coordinates of `like`, of the same type as the data, lazy if the data are
            lazy, and without NaN at the borders. Masked cells stay masked and do not spread. A
            warning is logged for values of data in memory that usually mark missing values.

        Raises
        ------
        ValueError
            If the method is unknown, or the grids do not overlap.

        Examples
        --------
        >>> import xr_dl4ds as xd
        >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=1)
        >>> base = hr.downscale.coarsen(4).downscale.interpolate(hr, method="bicubic")
        >>> base.t2m.shape == hr.t2m.shape
        True
        """
        dims = Dims(x=x_dim, y=y_dim)
        return self._as_given(interpolate(self._obj, like, method, dims, look=note_fields))

    def _as_given(self, out: xr.Dataset) -> Data:
        return out if isinstance(self._obj, xr.Dataset) else one_variable(out, self._obj.name)

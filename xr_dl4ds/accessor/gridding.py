"""The methods that need no model: LR fields, baselines, and what was understood of the data."""

from __future__ import annotations

import xarray as xr

from xr_dl4ds.grid.coarsening import coarsen
from xr_dl4ds.grid.conventions import one_variable
from xr_dl4ds.grid.discovery import Dims
from xr_dl4ds.grid.interpolation import interpolate
from xr_dl4ds.overview import Overview, overview
from xr_dl4ds.sources import Data


class Gridding:
    """`grid`, `coarsen` and `interpolate`."""

    _obj: Data

    @property
    def grid(self) -> Overview:
        """What was understood of these data: the first thing to look at when something is odd.

        Returns
        -------
        xr_dl4ds.overview.Overview
            Axes, CRS, spacing, extent, periodicity, times, what varies, what further dimensions
            are, and what is wrong, with the cure; a table with a map in notebooks. Nothing but
            coordinates is computed, and nothing is raised.

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
        scale: int,
        *,
        trim: bool = False,
        x_dim: str | None = None,
        y_dim: str | None = None,
    ) -> Data:
        """Average blocks of `scale` x `scale` cells: LR fields on the same cells.

        Parameters
        ----------
        scale : int
            Cells along one edge of a block, >= 2.
        trim : bool
            Drop the last rows and columns that `scale` leaves over, instead of raising.
        x_dim, y_dim : str, optional
            Spatial dimensions, where they cannot be found by CF attributes or name.

        Returns
        -------
        xarray.Dataset or xarray.DataArray
            As given, lazy where it is. A block is the mean of its valid cells; a Dataset carries
            CF bounds; ``area: mean`` is added to `cell_methods`.

        Raises
        ------
        GridError
            When `scale` does not divide the grid; the rows and columns left over are named.

        Examples
        --------
        >>> import xr_dl4ds as xd
        >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=1)
        >>> dict(hr.downscale.coarsen(4).sizes)["latitude"]
        4
        """
        return self._as_given(coarsen(self._obj, scale, trim=trim, dims=Dims(x=x_dim, y=y_dim)))

    def interpolate(
        self,
        like: Data,
        *,
        method: str = "bilinear",
        x_dim: str | None = None,
        y_dim: str | None = None,
    ) -> Data:
        """Interpolate to the grid of `like`: the baseline that a model has to beat.

        Parameters
        ----------
        like : xarray.Dataset or xarray.DataArray
            Anything on the wanted grid; only its coordinates count.
        method : {"bilinear", "bicubic", "nearest", "conservative"}
            Bicubic is cubic convolution (Keys 1981) with the parameter -0.75.
        x_dim, y_dim : str, optional
            Spatial dimensions of these data.

        Returns
        -------
        xarray.Dataset or xarray.DataArray
            As given, on the coordinates of `like`, lazy where it is; without NaN at the borders.
            Masked cells stay masked and do not spread.

        Raises
        ------
        ValueError
            For an unknown method, or grids that do not overlap.

        Examples
        --------
        >>> import xr_dl4ds as xd
        >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=1)
        >>> base = hr.downscale.coarsen(4).downscale.interpolate(hr, method="bicubic")
        >>> base.t2m.shape == hr.t2m.shape
        True
        """
        return self._as_given(interpolate(self._obj, like, method, Dims(x=x_dim, y=y_dim)))

    def _as_given(self, out: xr.Dataset) -> Data:
        return out if isinstance(self._obj, xr.Dataset) else one_variable(out, self._obj.name)

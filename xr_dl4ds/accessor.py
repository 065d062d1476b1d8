"""The `.downscale` accessor: spelling only. Each method translates its arguments and calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from xr_dl4ds import metrics, plotting
from xr_dl4ds.config import Network, Sampling, Supervised
from xr_dl4ds.downscaler import Downscaler
from xr_dl4ds.fitting import fit
from xr_dl4ds.grid.coarsening import coarsen
from xr_dl4ds.grid.conventions import one_variable
from xr_dl4ds.grid.discovery import Dims
from xr_dl4ds.grid.interpolation import interpolate
from xr_dl4ds.signature import with_options_shown
from xr_dl4ds.sources import Data, Inputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@xr.register_dataarray_accessor("downscale")
@xr.register_dataset_accessor("downscale")
class DownscaleAccessor:
    """Downscaling of a Dataset or DataArray: ``import xr_dl4ds``, then ``ds.downscale``."""

    def __init__(self, obj: Data) -> None:
        self._obj = obj

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

    @with_options_shown
    def fit(
        self,
        hr: Data | None = None,
        *,
        scale: int | None = None,
        static: Data | Sequence[Data] | None = None,
        predictors: Data | Sequence[Data] | None = None,
        validation: float | tuple[Data, Data] | None = 0.1,
        trim: bool = False,
        x_dim: str | None = None,
        y_dim: str | None = None,
        time_dim: str | None = None,
        network: Network | None = None,
        sampling: Sampling | None = None,
        training: Supervised | None = None,
        **options: Any,
    ) -> Downscaler:
        """Learn the map from low to high resolution.

        ``hr.downscale.fit(scale=4)`` is perfect prognosis: LR fields are made from these HR data.
        ``lr.downscale.fit(hr)`` is MOS: these are LR data, paired with `hr`.

        Parameters
        ----------
        hr : xarray.Dataset or xarray.DataArray, optional
            HR targets ``(time, y, x)``. Its variables without time are static fields; LR variables
            of the same name are LR counterparts, all others predictors.
        scale : int, optional
            HR cells along one edge of an LR cell, >= 2; for perfect prognosis.
        static, predictors : xarray.Dataset or xarray.DataArray, or several, optional
            Further static fields ``(y, x)`` and time-varying predictors, each on its own grid.
        validation : float or (lr, hr), optional
            Share of the last time steps that chooses the weights to keep, or a pair of data on the
            same grids; None or 0 keeps the last weights.
        trim : bool
            Drop HR rows and columns that the scale leaves over, instead of raising.
        x_dim, y_dim, time_dim : str, optional
            Dimensions, where they cannot be found by CF attributes or name.
        network, sampling, training : Network, Sampling, Supervised, optional
            Options.
        **options
            Any field of the three, flat: ``epochs=20``, ``backbone="convnet"``; they win.

        Returns
        -------
        Downscaler
            The fitted model. Nothing is remembered on these data.

        Raises
        ------
        TypeError
            For an unknown option: the nearest is named.
        GridError, TimeError, VariableError
            For data that do not fit together, before any training.
        TrainingError
            When the loss is not finite.

        Examples
        --------
        >>> import xr_dl4ds as xd
        >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=3)
        >>> hr.downscale.fit(scale=4, epochs=1, verbose=False).scale
        4
        """
        pair = {"hr": self._obj} if hr is None else {"hr": hr, "lr": self._obj}
        inputs = Inputs(
            **pair,
            scale=scale,
            static=static,
            predictors=predictors,
            validation=validation,
            trim=trim,
            dims=Dims(x=x_dim, y=y_dim, time=time_dim),
        )
        given = {"network": network, "sampling": sampling, "training": training}
        return fit(inputs, given, options)

    def predict(
        self,
        model: Downscaler,
        *,
        static: Data | Sequence[Data] | None = None,
        predictors: Data | Sequence[Data] | None = None,
        realizations: int | None = None,
        seed: int = 0,
        x_dim: str | None = None,
        y_dim: str | None = None,
        time_dim: str | None = None,
    ) -> Data:
        """Downscale these LR data with a fitted model.

        Parameters
        ----------
        model : Downscaler
            From `fit` or `xr_dl4ds.load`.
        static, predictors : xarray.Dataset or xarray.DataArray, or several, optional
            Static fields of another domain, and predictors that are not among these data.
        realizations, seed : int, optional
            Members of an ensemble, with Monte-Carlo dropout, and their seed.
        x_dim, y_dim, time_dim : str, optional
            Dimensions, where they cannot be found by CF attributes or name.

        Returns
        -------
        xarray.Dataset or xarray.DataArray
            ``(time, y, x)`` on HR cells, see `Downscaler.predict`, also for errors.
        """
        if not isinstance(model, Downscaler):
            raise TypeError(
                f"Expected a Downscaler, got {type(model).__name__}. Models come from"
                " .downscale.fit or xr_dl4ds.load."
            )
        return model.predict(
            self._obj,
            static=static,
            predictors=predictors,
            realizations=realizations,
            seed=seed,
            x_dim=x_dim,
            y_dim=y_dim,
            time_dim=time_dim,
        )

    def evaluate(
        self,
        hr: Data,
        *,
        lr: Data | None = None,
        scale: int | None = None,
        x_dim: str | None = None,
        y_dim: str | None = None,
        time_dim: str | None = None,
    ) -> xr.Dataset:
        """Score this prediction against the truth, beside interpolation.

        Parameters
        ----------
        hr : xarray.Dataset or xarray.DataArray
            The truth, covering the grid of these data; the times in common are scored.
        lr : xarray.Dataset or xarray.DataArray, optional
            LR fields for the baselines; by default the truth averaged by `scale`.
        scale : int, optional
            By default the one noted on the prediction.
        x_dim, y_dim, time_dim : str, optional
            Dimensions, where they cannot be found by CF attributes or name.

        Returns
        -------
        xarray.Dataset
            bias, mae, rmse, correlation, maps and skill, see `xr_dl4ds.metrics.evaluate`.
        """
        dims = Dims(x=x_dim, y=y_dim, time=time_dim)
        return metrics.evaluate(self._obj, hr, lr=lr, scale=scale, dims=dims)

    def plot(
        self,
        *,
        lr: Data | None = None,
        hr: Data | None = None,
        variable: str | None = None,
        time: int = 0,
        x_dim: str | None = None,
        y_dim: str | None = None,
        time_dim: str | None = None,
    ) -> Figure:
        """Draw LR | prediction | truth | error at one time.

        Parameters
        ----------
        lr, hr : xarray.Dataset or xarray.DataArray, optional
            LR fields and truth; the step at the same time is taken.
        variable : str, optional
            Which one; by default the first.
        time : int
            Position of the step in these data.
        x_dim, y_dim, time_dim : str, optional
            Dimensions, where they cannot be found by CF attributes or name.

        Returns
        -------
        matplotlib.figure.Figure
            See `xr_dl4ds.plotting.plot`.
        """
        dims = Dims(x=x_dim, y=y_dim, time=time_dim)
        return plotting.plot(self._obj, lr=lr, hr=hr, variable=variable, time=time, dims=dims)

    def _as_given(self, out: xr.Dataset) -> Data:
        return out if isinstance(self._obj, xr.Dataset) else one_variable(out, self._obj.name)

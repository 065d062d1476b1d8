"""The methods that make and use models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from xr_dl4ds import launching, metrics, plotting
from xr_dl4ds.config import Network, Sampling, Training
from xr_dl4ds.downscaler import Downscaler
from xr_dl4ds.fitting import fit
from xr_dl4ds.grid.discovery import Dims
from xr_dl4ds.signature import with_options_shown
from xr_dl4ds.sources import Data, Inputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Modelling:
    """`fit`, `predict`, `evaluate` and `plot`."""

    _obj: Data

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
        extra_dims: Mapping[str, str] | None = None,
        network: Network | None = None,
        sampling: Sampling | None = None,
        training: Training | None = None,
        start: Downscaler | None = None,
        workers: int | None = None,
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
        extra_dims : mapping, optional
            What further dimensions are: "channels", each entry a variable of its own (``u`` at
            500 is ``u_500``), or "samples", each entry a series of samples, such as
            ``{"band": "channels"}``. Levels and members are known by CF attributes or name.
        network, sampling, training : Network, Sampling, Supervised or Adversarial, optional
            Options.
        start : Downscaler, optional
            A model to go on from, on the same variables and scale: supervised before adversarial
            training, or transfer to new data or another region. Its statistics stay in use, and
            its options are the defaults.
        workers : int, optional
            Processes on this machine that train together, each on its share of the samples, by
            Horovod; a batch has `batch_size` samples of each. Also without it, processes that
            ``horovodrun`` has started train together.
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
            When the loss is not finite; LostWorkerError when one of several workers was killed.
        ImportError
            For `workers` without Horovod.

        Examples
        --------
        >>> import xr_dl4ds as xd
        >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=3)
        >>> hr.downscale.fit(scale=4, epochs=1, verbose=False).scale
        4
        """
        inputs = Inputs(
            hr=self._obj if hr is None else hr,
            lr=None if hr is None else self._obj,
            scale=scale,
            static=static,
            predictors=predictors,
            validation=validation,
            trim=trim,
            dims=Dims(x=x_dim, y=y_dim, time=time_dim, extra=dict(extra_dims or {})),
        )
        given = {"network": network, "sampling": sampling, "training": training}
        if workers is not None:
            return launching.fit(inputs, given, options, start, workers)
        return fit(inputs, given, options, start)

    def predict(
        self,
        model: Downscaler,
        *,
        static: Data | Sequence[Data] | None = None,
        predictors: Data | Sequence[Data] | None = None,
        realizations: int | None = None,
        seed: int = 0,
        spread: bool = False,
        tile_size: int | None = None,
        x_dim: str | None = None,
        y_dim: str | None = None,
        time_dim: str | None = None,
        extra_dims: Mapping[str, str] | None = None,
    ) -> Data:
        """Downscale these LR data with a fitted model.

        Parameters
        ----------
        model : Downscaler
            From `fit` or `xr_dl4ds.load`.
        static, predictors : xarray.Dataset or xarray.DataArray, or several, optional
            Static fields of another domain, and predictors that are not among these data.
        realizations, seed : int, optional
            Members of an ensemble, where the model draws them, and their seed.
        spread : bool
            Add ``<target>_spread``, the standard deviation, beside each target.
        tile_size : int, optional
            HR cells along one edge of the tiles that the network sees at once.
        x_dim, y_dim, time_dim : str, optional
            Dimensions, where they cannot be found by CF attributes or name.
        extra_dims : mapping, optional
            What further dimensions are, as in `fit`.

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
            spread=spread,
            tile_size=tile_size,
            x_dim=x_dim,
            y_dim=y_dim,
            time_dim=time_dim,
            extra_dims=extra_dims,
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
            bias, mae, rmse, correlation, maps and skill, distance of spectra; of an ensemble those
            of its mean, with CRPS, spread and ranks besides: see `xr_dl4ds.metrics.evaluate`.
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
        """Draw LR | prediction | truth | error at one time; of an ensemble a member, mean, spread.

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

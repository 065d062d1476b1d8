"""Methods that train models and use them."""

from __future__ import annotations

import datetime
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from xr_dl4ds import metrics, plotting
from xr_dl4ds.config import Network, Sampling, Training
from xr_dl4ds.config.signature import with_options_shown, with_parameters_of
from xr_dl4ds.data.inputs import Inputs
from xr_dl4ds.downscaler import Downscaler
from xr_dl4ds.fitting.fit import fit
from xr_dl4ds.fitting.launch import fit_with_workers
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.names import Data
from xr_dl4ds.metrics.grouping import By
from xr_dl4ds.metrics.periods import Periods
from xr_dl4ds.reporting import write_report

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Modelling:
    """Methods `fit`, `predict`, `evaluate`, `report` and `plot` of the accessor."""

    _obj: Data

    @with_options_shown
    def fit(
        self,
        hr: Data | None = None,
        *,
        scale: int | tuple[int, int] | None = None,
        static: Data | Sequence[Data] | None = None,
        predictors: Data | Sequence[Data] | None = None,
        validation: float | tuple[Data, Data] | None = 0.1,
        trim: bool = False,
        x_dim: str | None = None,
        y_dim: str | None = None,
        time_dim: str | None = None,
        extra_dims: Mapping[str, str] | None = None,
        counterparts: Mapping[str, str] | None = None,
        network: Network | None = None,
        sampling: Sampling | None = None,
        training: Training | None = None,
        start: Downscaler | None = None,
        workers: int | None = None,
        **options: Any,
    ) -> Downscaler:
        """Train a model that maps low-resolution to high-resolution fields.

        ``hr.downscale.fit(scale=4)`` trains on synthetic pairs: LR fields are made from these HR
        data (DL4DS: perfect prognosis). ``lr.downscale.fit(hr)`` trains on real pairs: these data
        are LR data from another source, paired with `hr` (DL4DS: MOS).

        Parameters
        ----------
        hr : xarray.Dataset or xarray.DataArray, optional
            HR targets ``(time, y, x)``. Its variables without time are static fields. LR variables
            with the name of a target are its LR counterparts, see also `counterparts`; all other LR
            variables are predictors.
        scale : int or tuple of int, optional
            HR cells along one edge of an LR cell, >= 2, or ``(along y, along x)`` where these
            differ. Required for synthetic pairs.
        static, predictors : xarray.Dataset or xarray.DataArray, or several, optional
            Further static fields ``(y, x)`` and further time-varying predictors, each on any grid.
        validation : float or (lr, hr), optional
            Hold-out data, which decide the weights to keep: a share of the last time steps, or a
            pair of data on the same grids. None or 0 keeps the last weights.
        trim : bool
            Drop HR rows and columns that do not fill an LR cell. Without `trim` they are an error
            for synthetic pairs; for real pairs the LR cells are completed by HR cells without
            values, and every HR cell that LR covers has a prediction.
        x_dim, y_dim, time_dim : str, optional
            Names of the dimensions, if CF attributes and names do not identify them.
        extra_dims : mapping, optional
            Roles of further dimensions, such as ``{"band": "channels"}``. With "channels" each
            entry becomes a separate variable (``u`` at 500 is ``u_500``); with "samples" each entry
            is a separate series of samples. CF attributes or names identify levels and members.
        counterparts : mapping, optional
            LR variables by target where their names differ, such as ``{"precip": "pr"}``. By
            default, the only LR variable with the standard name of the target, if there is no LR
            variable with its name.
        network, sampling, training : Network, Sampling, Training, optional
            Option objects; `training` is a `Supervised`, `Adversarial` or `FlowMatching`.
        start : Downscaler, optional
            Model to fine-tune, on the same variables and scale: for example a supervised model
            before adversarial training, or a model to transfer to new data or another region. Its
            statistics stay in use, and its options are the defaults. For `FlowMatching`, a
            supervised model whose prediction is the first guess and the deterministic prediction.
        workers : int, optional
            Number of processes on this machine that train together by Horovod, each on its share of
            the samples; a batch has `batch_size` samples of each process. Processes that
            ``horovodrun`` has started train together without this argument.
        **options
            Any field of the three option classes, such as ``epochs=20`` or ``backbone="convnet"``;
            they take precedence over the option objects.

        Returns
        -------
        Downscaler
            The fitted model. Nothing is stored on these data.

        Raises
        ------
        TypeError
            If an option is unknown; the message gives the nearest name.
        GridError, TimeError, VariableError
            If the data do not fit together; raised before any training.
        TrainingError
            If the loss is not finite; as LostWorkerError, if one of several workers was killed.
        ImportError
            If `workers` is given and Horovod is not installed.

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
            counterparts=dict(counterparts or {}),
        )
        given = {"network": network, "sampling": sampling, "training": training}
        if workers is not None:
            return fit_with_workers(inputs, given, options, start, workers)
        return fit(inputs, given, options, start)

    @with_parameters_of(Downscaler.predict)
    def predict(self, model: Downscaler, **arguments: Any) -> Data:
        """Downscale these LR data with a fitted model.

        Parameters
        ----------
        model : Downscaler
            Model from `fit` or `xr_dl4ds.load`.
        **arguments
            The keyword arguments of `Downscaler.predict`, such as ``realizations=20``.

        Returns
        -------
        xarray.Dataset or xarray.DataArray
            Prediction ``(time, y, x)`` on HR cells. See `Downscaler.predict`, also for errors.
        """
        if not isinstance(model, Downscaler):
            raise TypeError(
                f"Expected a Downscaler, got {type(model).__name__}. Models come from"
                " .downscale.fit or xr_dl4ds.load."
            )
        return model.predict(self._obj, **arguments)

    def evaluate(
        self,
        hr: Data,
        *,
        lr: Data | None = None,
        scale: int | tuple[int, int] | None = None,
        model: Downscaler | None = None,
        baselines: Sequence[str] | None = None,
        training: tuple[Data, Data] | None = None,
        scores: str | Sequence[str] | None = None,
        thresholds: float | Sequence[float] = (),
        periods: Periods | None = None,
        by: By | Sequence[By] = (),
        area_weighted: bool = True,
        x_dim: str | None = None,
        y_dim: str | None = None,
        time_dim: str | None = None,
    ) -> xr.Dataset:
        """Score this prediction against the truth, together with interpolation as a baseline.

        Parameters
        ----------
        hr : xarray.Dataset or xarray.DataArray
            The truth, which must cover the grid of these data. The times in common are scored.
        lr : xarray.Dataset or xarray.DataArray, optional
            LR fields that the baselines interpolate; by default the truth averaged by `scale`.
        scale : int or tuple of int, optional
            HR cells along one edge of an LR cell, or along y and x; by default the scale noted on
            the prediction.
        model : Downscaler, optional
            The model of the prediction, whose first guess from `lr` is a further baseline.
        baselines : sequence of str, optional
            "nearest", "bilinear", "bicubic", "conservative", "climatology", "bias_corrected",
            "regression" and "quantile_mapping"; the last four are fitted to `training`.
        training : tuple of (lr, hr), optional
            LR and HR data to which baselines are fitted, at times that are not scored.
        scores : str or sequence of str, optional
            Names of scores or of groups of scores, or "all".
        thresholds : float or sequence of float, optional
            Thresholds in units of the variable, for the scores of events.
        periods : two pairs of str, optional
            First and last date of two periods, for scores of change.
        by : str, xarray.DataArray, xarray.groupers.Grouper or sequence, optional
            Parts that are scored separately: "season", "month", "year", "hour", an array of labels,
            or a grouper of xarray.
        area_weighted : bool
            Weigh cells by their areas.
        x_dim, y_dim, time_dim : str, optional
            Names of the dimensions, if CF attributes and names do not identify them.

        Returns
        -------
        xarray.Dataset
            Bias, MAE, RMSE and correlation, their maps and the skill, and the distance of spectra.
            For an ensemble these are scores of its mean, and CRPS, spread and ranks are added. See
            `xr_dl4ds.metrics.evaluate`.
        """
        dims = Dims(x=x_dim, y=y_dim, time=time_dim)
        return metrics.evaluate(
            self._obj,
            hr,
            lr=lr,
            scale=scale,
            model=model,
            baselines=baselines,
            training=training,
            scores=scores,
            thresholds=thresholds,
            periods=periods,
            by=by,
            area_weighted=area_weighted,
            dims=dims,
        )

    def report(
        self,
        hr: Data,
        path: str | os.PathLike[str],
        *,
        lr: Data | None = None,
        scale: int | tuple[int, int] | None = None,
        model: Downscaler | None = None,
        baselines: Sequence[str] | None = None,
        training: tuple[Data, Data] | None = None,
        thresholds: float | Sequence[float] = (),
        periods: Periods | None = None,
        area_weighted: bool = True,
        scores: str | Sequence[str] = "all",
        by: By | Sequence[By] | None = None,
        title: str | None = None,
        overwrite: bool = False,
        x_dim: str | None = None,
        y_dim: str | None = None,
        time_dim: str | None = None,
    ) -> pathlib.Path:
        """Write a report on the skill of this prediction as one page of HTML.

        The page needs no other file. It says where the prediction is better or worse than the
        baselines, and has tables of scores with what they mean, pictures, and a list of what was
        not scored and why.

        Parameters
        ----------
        hr : xarray.Dataset or xarray.DataArray
            The truth, which must cover the grid of these data. The times in common are scored.
        path : path
            The file to write, such as "report.html".
        lr, scale, model, baselines, training, thresholds, periods, area_weighted : optional
            As in `evaluate`.
        scores : str or sequence of str
            Names of scores or of groups of scores; by default all that can be computed.
        by : str, xarray.DataArray, xarray.groupers.Grouper or sequence, optional
            Parts of the data that are compared, as in `evaluate`; by default the seasons, if there
            are several.
        title : str, optional
            Title of the page.
        overwrite : bool
            Replace an existing file.
        x_dim, y_dim, time_dim : str, optional
            Names of the dimensions, if CF attributes and names do not identify them.

        Returns
        -------
        pathlib.Path
            Absolute path of the file. See `xr_dl4ds.reporting.write_report`, also for errors.
        """
        return write_report(
            self._obj,
            hr,
            path,
            lr=lr,
            scale=scale,
            model=model,
            baselines=baselines,
            training=training,
            scores=scores,
            thresholds=thresholds,
            periods=periods,
            by=by,
            area_weighted=area_weighted,
            title=title,
            overwrite=overwrite,
            dims=Dims(x=x_dim, y=y_dim, time=time_dim),
        )

    def plot(
        self,
        *,
        lr: Data | None = None,
        hr: Data | None = None,
        variable: str | None = None,
        time: int | str | datetime.datetime = 0,
        x_dim: str | None = None,
        y_dim: str | None = None,
        time_dim: str | None = None,
    ) -> Figure:
        """Draw maps of LR fields, prediction, truth and error at one time.

        For an ensemble, one member, the mean and the spread are drawn.

        Parameters
        ----------
        lr, hr : xarray.Dataset or xarray.DataArray, optional
            LR fields and truth; the step at the same time is drawn.
        variable : str, optional
            Variable to draw; by default the first.
        time : int, str or date
            Position of the step in these data, or a date such as ``"2001-01-02T06"``.
        x_dim, y_dim, time_dim : str, optional
            Names of the dimensions, if CF attributes and names do not identify them.

        Returns
        -------
        matplotlib.figure.Figure
            See `xr_dl4ds.plotting.plot`.
        """
        dims = Dims(x=x_dim, y=y_dim, time=time_dim)
        return plotting.plot(self._obj, lr=lr, hr=hr, variable=variable, time=time, dims=dims)

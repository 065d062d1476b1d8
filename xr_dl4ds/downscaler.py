"""The fitted model `Downscaler`, and the function `load`."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from xr_dl4ds.config import Json, Options
from xr_dl4ds.data.state import State
from xr_dl4ds.explanation import Question, explain
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.names import Data
from xr_dl4ds.model import display, storage
from xr_dl4ds.model.build import build
from xr_dl4ds.model.provenance import digest_of
from xr_dl4ds.plotting import plot_history
from xr_dl4ds.prediction.predict import predict
from xr_dl4ds.prediction.request import Request

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

    from xr_dl4ds.inference import Carried, Runner


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Downscaler:
    """Fitted model, which predicts, saves itself and describes itself.

    ``.downscale.fit`` and `load` create it.

    Parameters
    ----------
    network : keras.Model
        The generator, in float32.
    history : xarray.Dataset
        Variables loss, val_loss, learning_rate (1) and seconds (s) along `epoch`.
    options : Options
        The options by role: ``model.options.network``, ``.sampling`` and ``.training``.
    state : State
        Variables, grids, statistics and static fields of the training data.
    provenance : mapping
        Plain values about data and training, which predictions get as attributes.
    mean : Downscaler, optional
        The supervised model whose prediction is the deterministic one, for models of flow matching
        that were trained with it in ``start=``.
    """

    network: keras.Model
    history: xr.Dataset
    options: Options
    state: State
    provenance: Json
    mean: Downscaler | None = None

    @property
    def scale(self) -> int | tuple[int, int]:
        """HR cells along one edge of an LR cell of the network's input, or along (y, x)."""
        return self.state.pairing.scale.public

    def predict(
        self,
        lr: Data,
        *,
        static: Data | Sequence[Data] | None = None,
        predictors: Data | Sequence[Data] | None = None,
        realizations: int | None = None,
        seed: int = 0,
        spread: bool = False,
        tile_size: int | None = None,
        first_guess_only: bool = False,
        x_dim: str | None = None,
        y_dim: str | None = None,
        time_dim: str | None = None,
        extra_dims: Mapping[str, str] | None = None,
    ) -> Data:
        """Downscale LR fields.

        Parameters
        ----------
        lr : xarray.Dataset or xarray.DataArray
            The LR variables of the training, ``(time, y, x)`` in any order, or ``(y, x)``. They lie
            on the training domain, or on another domain with the same grid spacing.
        static : xarray.Dataset or xarray.DataArray, optional
            HR static fields ``(y, x)``. Required on a domain other than the training domain if the
            model uses static fields.
        predictors : xarray.Dataset or xarray.DataArray, optional
            Time-varying predictors that are not in `lr`, on any grid that covers the LR data.
        realizations : int, optional
            Number of ensemble members, along the CF dimension `realization`. Members come from
            Monte-Carlo dropout (each member is one thinned network for all time steps), from noise,
            or from the fitted distributions. None returns a single deterministic prediction:
            without dropout, without noise, or the mean of a fitted distribution; after training
            with "crps" or another loss of members, and for flow matching from a first guess, the
            mean of 16 members.
        seed : int
            Seed of the members. The first n members are the same in an ensemble of any size. Random
            numbers depend on the time of a step, so predicting a subset of time steps gives the
            same members as predicting all.
        spread : bool
            Add ``<target>_spread``, the standard deviation beside the deterministic prediction.
            Distributions give it by a formula; other models need 16 members. A DataArray then gives
            a Dataset.
        tile_size : int, optional
            HR cells along one edge of the tiles that the network sees at once, a multiple of the
            scale. Each tile is read with a margin as wide as the receptive field, so that the
            result is the same as for the whole domain. With channel attention the result depends
            slightly on the tile size (a warning is logged). With element-wise Monte-Carlo dropout
            each tile draws its own mask. In both cases neighbouring tiles are blended. By default
            the network sees the whole domain, or tiles of about 1024 x 1024 HR cells if the domain
            has more than 2**20 HR cells.
        first_guess_only : bool
            Return the first guess that the network corrects, as a baseline for its skill, see
            `Network.first_guess`.
        x_dim, y_dim, time_dim : str, optional
            Names of the dimensions of `lr`, if CF attributes and names do not identify them.
        extra_dims : mapping, optional
            Roles of further dimensions, as in `fit`. Each input member is downscaled independently.
            Levels keep their dimension in the prediction.

        Returns
        -------
        xarray.Dataset or xarray.DataArray
            Targets ``(time, y, x)`` on HR cells, in the layout of `lr` and the units of training,
            float32, with CF metadata. A Dataset gives a Dataset; a DataArray gives a DataArray if
            there is one target. The result is lazy if `lr` is lazy. Its chunks follow `lr` in time
            (large chunks are split) and the tiles in space. Computing it takes the memory of a few
            blocks of at most 2**24 values each, and of the static fields. Any dask scheduler can
            compute it; each worker process builds the network once.

            Cells that were never valid in training, or whose LR value is NaN, are NaN. With a
            constraint, the mean of the HR cells of each LR cell equals the LR value in each member.
            Amounts such as precipitation and wind speed are never negative: these are targets whose
            least value in training is >= 0 and within one standard deviation of 0 (not temperatures
            in degC).

        Raises
        ------
        ValueError
            If realizations or spread is requested from a deterministic model, or if `tile_size` is
            not a multiple of the scale.
        VariableError
            If a variable is missing or misnamed, static fields are missing or infinite, or units
            differ; also if the mean of a field lies more than 10 standard deviations from that of
            training. Infinite LR values and predictors count as missing (a warning is logged).
        GridError
            If the spacing differs from that of training (HR fields must be coarsened first), or if
            the model is localized, or has a first guess, and `lr` lies on another domain.
        TimeError
            If times are duplicated, or predictors lack some of them. For a spatio-temporal model,
            also if times are not in order.

        Examples
        --------
        >>> import xr_dl4ds as xd
        >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=3)
        >>> model = hr.downscale.fit(scale=4, epochs=1, verbose=False)
        >>> dict(model.predict(hr[["t2m"]].downscale.coarsen(4)).sizes)["latitude"]
        16
        """
        dims = Dims(x=x_dim, y=y_dim, time=time_dim, extra=dict(extra_dims or {}))
        request = Request(
            lr=lr,
            static=static,
            predictors=predictors,
            realizations=realizations,
            seed=seed,
            spread=spread,
            tile_size=tile_size,
            first_guess_only=first_guess_only,
            dims=dims,
        )
        return predict(self.state, self.options, request, self.runner, self.provenance)

    def explain(
        self,
        lr: Data,
        hr: Data,
        *,
        static: Data | Sequence[Data] | None = None,
        predictors: Data | Sequence[Data] | None = None,
        variable: str | None = None,
        region: xr.DataArray | None = None,
        repeats: int = 5,
        steps: int = 32,
        realizations: int | None = None,
        seed: int = 0,
        x_dim: str | None = None,
        y_dim: str | None = None,
        time_dim: str | None = None,
        extra_dims: Mapping[str, str] | None = None,
    ) -> xr.Dataset:
        """Compute the importance of each predictor, and the saliency of the LR cells.

        The permutation importance of a predictor (Breiman 2001, doi:10.1023/A:1010933404324; Fisher
        et al. 2019, arXiv:1801.01489) is the increase of the error when its values are shuffled and
        all other predictors stay. Whole fields of an LR variable are shuffled in time, also of an
        LR variable that is a target. A static field is shifted by a random distance along y and x;
        the cells that leave the domain enter on the opposite side. Missing values stay where they
        are.

        Correlated predictors share their importance: the model still has the others when one is
        shuffled, so that all of them may seem unimportant. Shuffling also combines fields that do
        not occur together in nature. The importance tells what a model uses, not what causes the
        target.

        The saliency is the integrated gradient (Sundararajan et al. 2017, arXiv:1703.01365) of the
        mean of a target over a region, with respect to each value of each LR variable. Its baseline
        is the prediction for LR fields at their training mean in all cells, with the same static
        fields and times. The sum of the saliency over predictors and cells is the mean over the
        region minus that of the baseline, except for `saliency_residual`.

        Parameters
        ----------
        lr : xarray.Dataset or xarray.DataArray
            LR variables at two time steps or more, as in `predict`.
        hr : xarray.Dataset or xarray.DataArray
            The truth on the HR cells of the prediction, at some of its times. Use data that are not
            training data.
        static : xarray.Dataset or xarray.DataArray, optional
            HR static fields, as in `predict`.
        predictors : xarray.Dataset or xarray.DataArray, optional
            Time-varying predictors that are not in `lr`, on any grid, as in `predict`.
        variable : str, optional
            The target to explain; by default all targets in `hr`.
        region : xarray.DataArray, optional
            True in the HR cells ``(y, x)`` whose mean the saliency explains, with the coordinates
            of HR cells; by default all cells. Cells count by their area.
        repeats : int
            Number of shuffles of each predictor. The model predicts all time steps once for each
            shuffle.
        steps : int
            Number of points between baseline and input at which gradients are taken. More points
            reduce `saliency_residual`.
        realizations : int, optional
            Number of ensemble members, for the importance in CRPS; the RMSE is then that of their
            mean. None uses the deterministic prediction.
        seed : int
            Seed of the shuffles and of the members.
        x_dim, y_dim, time_dim : str, optional
            Names of the dimensions of the data, if CF attributes and names do not identify them.
        extra_dims : mapping, optional
            Roles of further dimensions, as in `fit`. The saliency is the mean over input members.

        Returns
        -------
        xarray.Dataset
            In memory; lazy data are read in blocks. Along ``predictor`` (LR variables, each of
            their levels, then static fields; the coordinate ``kind`` tells them apart) and, for
            several targets, ``variable``:

            - ``rmse_increase`` and ``rmse_increase_std``: mean and standard deviation over the
              repeats, in units of the target. All valid cells and times count, weighted by cell
              area as in `evaluate`. ``rmse`` is the error of the prediction itself. For an ensemble
              also ``crps``, ``crps_increase`` and ``crps_increase_std``.
            - ``saliency`` and ``saliency_size``: mean over time of the integrated gradients and of
              their absolute values, ``(predictor, y, x)`` in units of the target, on the LR cells
              of the network and those around the domain that it sees; beyond `lr`, these repeat its
              outer cells. NaN for static fields. For a spatio-temporal model, the steps of a window
              are added up.
            - ``region_mean`` and ``baseline_mean``: means over the region and over time, for the
              input and for the baseline. ``saliency_residual``: what the sum of the saliency lacks.

            Saliency explains the output of the network, scaled back to physical units. Scaling back
            is linear; the curves of ``scaling="log1p"`` and the like are part of the network, and
            are differentiated. The cut-off of negative amounts and the rounding of constraints
            in `predict` are not part of it. Members are not drawn: dropout is off, and noise is 0.

        Raises
        ------
        TimeError
            If there is a single time step.
        VariableError
            If `hr` has no target, `variable` is not a target, or `region` is no mask or is empty.
        GridError
            If `hr` or `region` do not cover the prediction.
        ValueError
            If `repeats` or `steps` are less than 1, or the model draws no members.

        Examples
        --------
        >>> import xr_dl4ds as xd
        >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=2)
        >>> model = hr.downscale.fit(scale=4, epochs=1, verbose=False)
        >>> lr = hr[["t2m"]].downscale.coarsen(4)
        >>> found = model.explain(lr, hr, repeats=2, steps=8)
        >>> found.predictor.to_numpy().tolist(), dict(found.saliency.sizes)["latitude"]
        (['t2m', 'orog', 'land_fraction'], 4)
        """
        request = Request(
            lr=lr,
            static=static,
            predictors=predictors,
            realizations=realizations,
            seed=seed,
            dims=Dims(x=x_dim, y=y_dim, time=time_dim, extra=dict(extra_dims or {})),
        )
        question = Question(
            truth=hr, variable=variable, region=region, repeats=repeats, steps=steps
        )
        return explain(self.state, self.options, request, question, self.runner, self.provenance)

    @functools.cached_property
    def runner(self) -> Runner:
        """Runner that applies the network to the fields of a prediction."""
        from xr_dl4ds.inference import runner_of

        mean = None if self.mean is None else self.mean.runner
        name = str(self.provenance["model"])
        return runner_of(self.network, self.state, self.options, name=name, mean=mean)

    def __reduce__(self) -> tuple[Any, ...]:
        from xr_dl4ds.inference import Carried

        parts = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return _received, (Carried(parts.pop("network")), parts)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the model as a folder with config.json, state.nc and network.weights.h5.

        A model of flow matching that begins at a supervised model has it in the folder `mean`.

        Parameters
        ----------
        path : path
            The folder to create. If several processes train together, only the first process
            creates it.
        overwrite : bool
            Replace an existing model. Other folders and files are never replaced.

        Raises
        ------
        FileExistsError, PermissionError, NotADirectoryError
            If the folder cannot be created.
        """
        options = self.options.as_plain()
        storage.write(
            path,
            self.state,
            {**options, "provenance": dict(self.provenance)},
            self.history,
            self.network.save_weights,
            None if self.mean is None else self.mean.save,
            overwrite=overwrite,
        )

    def summary(self) -> None:
        """Show Keras's table of the network's layers."""
        self.network.summary()

    def plot_history(self) -> Figure:
        """Draw the learning curve: losses and learning rates over epochs, and the kept epoch.

        Returns
        -------
        matplotlib.figure.Figure
            See `xr_dl4ds.plotting.plot_history`. The title says whether the training converged.
        """
        return plot_history(self.history)

    def _rows(self) -> dict[str, str]:
        return display.rows(
            self.state,
            self.options.network,
            self.network.count_params(),
            self.history,
            self.provenance,
        )

    def __repr__(self) -> str:
        return display.as_text("xr_dl4ds.Downscaler", self._rows())

    def _repr_html_(self) -> str:
        return display.as_html("xr_dl4ds.Downscaler", self._rows())


def _received(carried: Carried, parts: Json) -> Downscaler:
    return Downscaler(network=carried.network, **parts)


def load(path: str | os.PathLike[str]) -> Downscaler:
    """Read a model that `Downscaler.save` wrote, without running code from the folder.

    Parameters
    ----------
    path : path
        The model's folder.

    Returns
    -------
    Downscaler
        The model. It predicts the bits that the saved model predicts.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ModelFileError
        If the folder is not a model, is damaged, or was written by another version of the package;
        or if the model's backbone was registered by the user and is not registered in this session.

    Examples
    --------
    >>> import tempfile, xr_dl4ds as xd
    >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     hr.downscale.fit(scale=4, epochs=1, verbose=False).save(f"{folder}/model")
    ...     model = xd.load(f"{folder}/model")
    >>> model.scale
    4
    """
    state, config, history, weights = storage.read(path)
    storage.require_backbone(path, str(config["network"].get("backbone")))
    try:
        options = Options.from_plain(config)
        network = build(state, options)
        network.load_weights(str(weights))
    except (TypeError, ValueError, KeyError, OSError) as error:
        raise storage.ModelFileError(
            f"The model in {os.fspath(path)!r} is damaged: its options and weights do not fit"
            f" ({error})."
        ) from error
    if digest_of(network.get_weights()) != config["provenance"]["model"]:
        raise storage.ModelFileError(
            f"The weights of the model in {os.fspath(path)!r} are not the saved weights. The model"
            " is damaged, or its backbone was defined differently where it was fitted."
        )
    return Downscaler(
        network=network,
        history=history,
        options=options,
        state=state,
        provenance=config["provenance"],
        mean=load(storage.mean_of(path)) if state.from_mean else None,
    )

"""`fit`, and `Downscaler`, the fitted model that it returns."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from xr_dl4ds import display, prediction, preparation, storage
from xr_dl4ds.config import OPTION_CLASSES, Sampling, route
from xr_dl4ds.grid.discovery import Dims
from xr_dl4ds.provenance import provenance
from xr_dl4ds.sources import Data, Inputs
from xr_dl4ds.state import State

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Downscaler:
    """A fitted model: a value that predicts, saves itself and shows what it is.

    Made by ``.downscale.fit`` or `load`, not by hand.

    Parameters
    ----------
    network : keras.Model
        The generator, float32.
    history : xarray.Dataset
        Variables loss, val_loss, learning_rate (1) and seconds (s) over `epoch`.
    options : mapping
        The option objects by role: network, sampling, training.
    state : State
        Variables, grids, statistics and static fields.
    provenance : mapping
        Plain values about data and training, which go into the attributes of predictions.
    """

    network: keras.Model
    history: xr.Dataset
    options: Mapping[str, Any]
    state: State
    provenance: Mapping[str, Any]

    @property
    def scale(self) -> int:
        """HR cells along one edge of an LR cell, as the network sees them."""
        return self.state.pairing.scale

    def predict(
        self,
        lr: Data,
        *,
        static: Data | Sequence[Data] | None = None,
        predictors: Data | Sequence[Data] | None = None,
        x_dim: str | None = None,
        y_dim: str | None = None,
        time_dim: str | None = None,
    ) -> Data:
        """Downscale LR fields.

        Parameters
        ----------
        lr : xarray.Dataset or xarray.DataArray
            The LR variables of training, ``(time, y, x)`` in any order, or ``(y, x)``; on the
            training domain or another of the same spacing.
        static : xarray.Dataset or xarray.DataArray, optional
            HR static fields ``(y, x)``; needed on a domain other than that of training.
        predictors : xarray.Dataset or xarray.DataArray, optional
            Time-varying predictors that are not in `lr`, on any grid that covers it.
        x_dim, y_dim, time_dim : str, optional
            Dimensions of `lr`, where they cannot be found by CF attributes or name.

        Returns
        -------
        xarray.Dataset or xarray.DataArray
            Targets ``(time, y, x)`` on HR cells in the layout of `lr` and the units of training,
            float32, with CF metadata; a Dataset for a Dataset, a DataArray for a DataArray (when
            there is one target). Lazy where `lr` is: memory is bounded by one chunk in time.
            Cells that were never valid in training, or whose LR value is NaN, are NaN.

        Raises
        ------
        VariableError
            For a missing or misnamed variable, missing static fields, or other units.
        GridError
            For a spacing other than that of training; HR fields are told to be coarsened.
        TimeError
            For duplicated times, or predictors that lack some.

        Examples
        --------
        >>> import xr_dl4ds as xd
        >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=3)
        >>> model = hr.downscale.fit(scale=4, epochs=1, verbose=False)
        >>> dict(model.predict(hr[["t2m"]].downscale.coarsen(4)).sizes)["latitude"]
        16
        """
        dims = Dims(x=x_dim, y=y_dim, time=time_dim)
        request = prediction.Request(lr=lr, static=static, predictors=predictors, dims=dims)
        return prediction.predict(self.state, request, self._apply, self.provenance)

    def _apply(self, lr: xr.DataArray, static: xr.DataArray | None) -> xr.DataArray:
        from xr_dl4ds.inference import Application, apply

        application = Application(
            network=self.network,
            static=None if static is None else static.compute().to_numpy(),
            scale=self.scale,
            token=str(self.provenance["model"]),
        )
        return apply(application, lr)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the model as a folder of config.json, state.nc and network.weights.h5.

        Parameters
        ----------
        path : path
            The folder to make.
        overwrite : bool
            Replace a model that is there already; other folders and files are never replaced.

        Raises
        ------
        FileExistsError, PermissionError, NotADirectoryError
            When the folder cannot be made.
        """
        options = {role: dataclasses.asdict(self.options[role]) for role in OPTION_CLASSES}
        storage.write(
            path,
            self.state,
            {**options, "provenance": dict(self.provenance)},
            self.history,
            self.network.save_weights,
            overwrite=overwrite,
        )

    def summary(self) -> None:
        """Show Keras's table of the network's layers."""
        self.network.summary()

    def _rows(self) -> dict[str, str]:
        return display.rows(
            self.state,
            self.options["network"],
            self.network.count_params(),
            self.history,
            self.provenance,
        )

    def __repr__(self) -> str:
        return display.as_text("xr_dl4ds.Downscaler", self._rows())

    def _repr_html_(self) -> str:
        return display.as_html("xr_dl4ds.Downscaler", self._rows())


def fit(inputs: Inputs, given: Mapping[str, Any], flat: Mapping[str, Any]) -> Downscaler:
    """Check the data, train a network on them, and return the model.

    Parameters
    ----------
    inputs : Inputs
        The user's data; not changed.
    given : mapping
        Option objects by role: network, sampling, training.
    flat : mapping
        Single options, which win over `given`.

    Returns
    -------
    Downscaler
        The fitted model.

    Raises
    ------
    TypeError
        For an unknown option.
    GridError, TimeError, VariableError
        For data that do not fit together, before any training.
    TrainingError
        For a loss that is not finite.
    """
    options = route(given, flat)
    if options["training"].early_stopping and not inputs.validation:
        raise ValueError(
            "Expected validation data for `early_stopping`, got none. Pass validation=0.1, or"
            " early_stopping=False."
        )
    prepared = preparation.prepare(inputs, options["network"], options["sampling"])

    # TensorFlow is loaded here and not before: wrong input is told at once
    from xr_dl4ds.batches import Samples
    from xr_dl4ds.training import resolve_precision, train

    scale = prepared.state.pairing.scale
    samples, validation = (
        None if part is None else Samples.load(part.lr, part.target, prepared.static, scale)
        for part in (prepared.train, prepared.validation)
    )
    assert samples is not None
    options["training"] = dataclasses.replace(
        options["training"], precision=resolve_precision(options["training"].precision)
    )
    network = _network(prepared.state, options, precision=options["training"].precision)
    chosen = {role: options[role] for role in ("sampling", "training")}
    trained = train(network, samples, validation, **chosen)
    network = _network(prepared.state, options)
    network.set_weights(trained.network.get_weights())
    return Downscaler(
        network=network,
        history=trained.history,
        options=options,
        state=prepared.state,
        provenance=provenance(
            prepared.state,
            options,
            network.get_weights(),
            period=prepared.period,
            best_epoch=trained.best_epoch,
            perfect_prognosis=inputs.lr is None,
        ),
    )


def load(path: str | os.PathLike[str]) -> Downscaler:
    """Read a model that `Downscaler.save` wrote; no code is run from it.

    Parameters
    ----------
    path : path
        The model's folder.

    Returns
    -------
    Downscaler
        Predicts the same bits as the one that was saved.

    Raises
    ------
    FileNotFoundError
        When there is no such folder.
    ModelFileError
        When it is no model, is damaged, or was written by a newer version of the package.

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
    try:
        options = {role: cls(**config[role]) for role, cls in OPTION_CLASSES.items()}
        network = _network(state, options)
        network.load_weights(str(weights))
    except (TypeError, ValueError, KeyError, OSError) as error:
        raise storage.ModelFileError(
            f"The model in {os.fspath(path)!r} is damaged: its options and weights do not fit"
            f" ({error})."
        ) from error
    return Downscaler(
        network=network,
        history=history,
        options=options,
        state=state,
        provenance=config["provenance"],
    )


def _network(
    state: State, options: Mapping[str, Any], *, precision: str = "float32"
) -> keras.Model:
    from xr_dl4ds.networks import Ports, generator

    sampling: Sampling = options["sampling"]
    ports = Ports(
        n_lr=state.features.n_lr,
        n_static=len(state.features.static),
        skips=state.features.skips,
        scale=state.pairing.scale,
        interpolation=sampling.interpolation,
    )
    return generator(options["network"], ports, seed=sampling.seed, precision=precision)

"""`Downscaler`, the fitted model: predicts, saves itself, shows what it is; and `load`."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from xr_dl4ds import display, prediction, storage
from xr_dl4ds.building import build, trains_on_circle
from xr_dl4ds.config import as_plain, from_plain
from xr_dl4ds.grid.discovery import Dims
from xr_dl4ds.provenance import digest_of
from xr_dl4ds.request import Request
from xr_dl4ds.sources import Data
from xr_dl4ds.state import State

if TYPE_CHECKING:
    import keras

    from xr_dl4ds.inference import Carried


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
        realizations: int | None = None,
        seed: int = 0,
        spread: bool = False,
        tile_size: int | None = None,
        x_dim: str | None = None,
        y_dim: str | None = None,
        time_dim: str | None = None,
        extra_dims: Mapping[str, str] | None = None,
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
        realizations : int, optional
            Members of an ensemble, along the CF dimension `realization`: of Monte-Carlo dropout
            (each is one thinned network for all time steps), of a network with noise, or of the
            distributions that were fitted. None is the one answer: without dropout, the mean of a
            distribution, without noise; after training with "crps", the mean of 16 members.
        seed : int
            Seed of the members: the first n are the same in an ensemble of any size. Noise belongs
            to the time of a step, so that a part of the steps has the members of the whole.
        spread : bool
            Add ``<target>_spread``, the standard deviation beside the one answer: by formula for
            distributions, else over 16 members. A DataArray gives a Dataset then.
        tile_size : int, optional
            HR cells along one edge of the tiles that the network sees at once, a multiple of the
            scale. Each is read with all that the network looks at around it, so that the result is
            that of the whole domain. Channel attention sees the tile instead, which makes a
            difference, and is said; members of Monte-Carlo dropout of single values are other ones
            in other tiles; both are blended. By default the whole domain, or tiles of about 1024
            where it has more than 2**20 HR cells.
        x_dim, y_dim, time_dim : str, optional
            Dimensions of `lr`, where they cannot be found by CF attributes or name.
        extra_dims : mapping, optional
            What further dimensions are, as in `fit`. Each member is predicted for itself; levels
            come back along their dimension.

        Returns
        -------
        xarray.Dataset or xarray.DataArray
            Targets ``(time, y, x)`` on HR cells in the layout of `lr` and the units of training,
            float32, with CF metadata; a Dataset for a Dataset, a DataArray for a DataArray (when
            there is one target). Lazy where `lr` is, chunked as `lr` in time (large chunks are
            split) and by tiles: memory is that of a few blocks of at most 2**24 values each, and of
            the static fields. Runs on any scheduler of dask; the network is built once in each
            worker process.
            Cells that were never valid in training, or whose LR value is NaN, are NaN. With a
            constraint the mean of the HR cells of each LR cell is the LR value, in each member.
            Amounts, whose least value in training is >= 0 and within one standard deviation of 0
            (precipitation, wind speed; no degC), are never negative.

        Raises
        ------
        ValueError
            For realizations or spread of a model that has one answer; for a `tile_size` that is no
            multiple of the scale.
        VariableError
            For a missing or misnamed variable, missing static fields, or other units.
        GridError
            For a spacing other than that of training; HR fields are told to be coarsened. For
            another domain, when the model is localized.
        TimeError
            For duplicated times, or predictors that lack some; for a spatio-temporal model also for
            times out of order.

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
            dims=dims,
        )
        return prediction.predict(self.state, self.options, request, self.run, self.provenance)

    def run(self, stacked: prediction.Stacked, realization: int | None) -> xr.DataArray:
        """Apply the network to stacked channels, lazily where they are lazy.

        Parameters
        ----------
        stacked : prediction.Stacked
            Scaled LR channels ``(time, y, x, channel)`` and what goes with them.
        realization : int, optional
            Seed of the member that the network draws; None for its one answer.

        Returns
        -------
        xarray.DataArray
            ``(time, y, x, channel)`` on HR cells, scaled, float32.
        """
        from xr_dl4ds.inference import run

        return run(self._form, stacked, realization, self.scale)

    def _form(self, circle: bool) -> tuple[keras.Model, str]:
        """The network for columns that go around, or for such that end, and a name for it."""
        as_trained = circle == trains_on_circle(self.state, self.options["sampling"])
        name = str(self.provenance["model"])
        return (self.network, name) if as_trained else (self._other_form, f"{name} in another form")

    def __reduce__(self) -> tuple[Any, ...]:
        from xr_dl4ds.inference import Carried

        parts = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return _received, (Carried(parts.pop("network")), parts)

    @functools.cached_property
    def _other_form(self) -> keras.Model:
        """The network that goes around the globe where it does not in training, and conversely."""
        circle = not trains_on_circle(self.state, self.options["sampling"])
        network = build(self.state, self.options, circle=circle)
        network.set_weights(self.network.get_weights())
        return network

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the model as a folder of config.json, state.nc and network.weights.h5.

        Parameters
        ----------
        path : path
            The folder to make; of processes that train together, the first one makes it.
        overwrite : bool
            Replace a model that is there already; other folders and files are never replaced.

        Raises
        ------
        FileExistsError, PermissionError, NotADirectoryError
            When the folder cannot be made.
        """
        options = as_plain(self.options)
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


def _received(carried: Carried, parts: Mapping[str, Any]) -> Downscaler:
    return Downscaler(network=carried.network, **parts)


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
        When it is no model, is damaged, or was written by another version of the package; or when
        its backbone was registered by the user and is not registered here.

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
        options = from_plain(config)
        network = build(state, options)
        network.load_weights(str(weights))
    except (TypeError, ValueError, KeyError, OSError) as error:
        raise storage.ModelFileError(
            f"The model in {os.fspath(path)!r} is damaged: its options and weights do not fit"
            f" ({error})."
        ) from error
    if digest_of(network.get_weights()) != config["provenance"]["model"]:
        raise storage.ModelFileError(
            f"The model in {os.fspath(path)!r} is damaged, or its backbone is another one here than"
            " where it was fitted: its weights are not those that were saved."
        )
    return Downscaler(
        network=network,
        history=history,
        options=options,
        state=state,
        provenance=config["provenance"],
    )

"""Keras callbacks: best weights, learning rates, history and progress bar."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Mapping

import keras
import numpy as np
import xarray as xr

with warnings.catch_warnings():  # without ipywidgets, notebooks show the plain bar and no warning
    warnings.simplefilter("ignore")
    from tqdm.auto import tqdm

from xr_dl4ds.exceptions import TrainingError
from xr_dl4ds.training.rates import Rates

logger = logging.getLogger(__name__)


#: Names of the optimizers' learning rates in the history.
RATES = ("learning_rate", "discriminator_learning_rate")

#: Long names of the history's variables; a history contains the variables that apply.
ABOUT = {
    "loss": "training loss",
    "val_loss": "validation loss",
    "adversarial_loss": "adversarial loss of the generator",
    "pixel_loss": "pixel loss",
    "discriminator_loss": "loss of the discriminator",
    "val_pixel_loss": "pixel loss of the validation data",
    "val_ralsd": "distance of power spectra (RALSD) of the validation data",
    "learning_rate": "learning rate",
    "discriminator_learning_rate": "learning rate of the discriminator",
    "seconds": "wall time of the epoch",
}
UNITS = {"val_ralsd": "dB", "seconds": "s"}


class StopIfNotFinite(keras.callbacks.Callback):
    """Callback that ends training with an error as soon as a loss is NaN or infinite."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Check the losses of the epoch."""
        bad = {k: v for k, v in (logs or {}).items() if not math.isfinite(v)}
        if bad:
            raise TrainingError(
                f"Expected finite losses, got {bad} in epoch {epoch + 1}. Use a smaller"
                ' learning_rate, or precision="float32".'
            )


class LearningRates(keras.callbacks.Callback):
    """Callback that sets the learning rates of each epoch, or of each step if they change in it.

    Parameters
    ----------
    rates : Rates
        The learning rates.
    """

    def __init__(self, rates: Rates) -> None:
        super().__init__()
        self.rates = rates
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Set the rates of the epoch."""
        self._epoch = epoch
        self.model.set_rates(self.rates.at(epoch))

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Set the rates of the step if they change within the epoch."""
        if self.rates.vary_in(self._epoch):
            self.model.set_rates(self.rates.at(self._epoch, batch))


class KeepBest(keras.callbacks.Callback):
    """Callback that keeps the weights with the lowest `val_loss` and stops training early.

    Parameters
    ----------
    network : keras.Model
        The network whose weights are kept in memory and restored at the end of training.
    patience : int, optional
        Number of epochs to wait until `val_loss` falls by more than `min_delta`; None never stops
        early.
    min_delta : float
        Smallest fall that counts for early stopping. Any fall counts for the best weights.
    """

    def __init__(self, network: keras.Model, patience: int | None, min_delta: float) -> None:
        super().__init__()
        self.network = network
        self.patience = patience
        self.min_delta = min_delta
        self.best = math.inf
        self.best_epoch = 0
        self.weights: list[np.ndarray] | None = None
        self._reference, self._waited = math.inf, 0

    @property
    def stops(self) -> bool:
        """True if `val_loss` has not improved for `patience` epochs."""
        return self.patience is not None and self._waited >= self.patience

    def progress(self) -> dict[str, float]:
        """Return the state, without the weights, as plain values."""
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "reference": self._reference,
            "waited": self._waited,
        }

    def restore(self, progress: Mapping[str, float], weights: list[np.ndarray]) -> None:
        """Restore the state from plain values and weights."""
        self.best, self.best_epoch = progress["best"], int(progress["best_epoch"])
        self._reference, self._waited = progress["reference"], int(progress["waited"])
        self.weights = weights

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Compare this epoch's `val_loss` with the best so far."""
        value = (logs or {})["val_loss"]
        if value < self.best:
            self.best, self.best_epoch = value, epoch + 1
            with self.model.averaged():  # the weights that were validated
                self.weights = self.network.get_weights()
        if value < self._reference - self.min_delta:
            self._reference, self._waited = value, 0
        else:
            self._waited += 1
        if self.stops:
            self.model.stop_training = True
            logger.info("stopped after epoch %d: no improvement in %d", epoch + 1, self.patience)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Restore the best weights."""
        if self.weights is not None:
            self.network.set_weights(self.weights)


class Record(keras.callbacks.Callback):
    """Callback that collects the history.

    Attributes
    ----------
    rows : list of dict
        Losses, learning rates and seconds of each epoch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []
        self._start = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Add a row."""
        row: dict[str, float] = dict(logs or {})
        for name, optimizer in zip(RATES, self.model.optimizers, strict=False):
            row[name] = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
        row["seconds"] = time.perf_counter() - self._start
        self.rows.append(row)

    def history(self) -> xr.Dataset:
        """Return the history as a Dataset over `epoch`, counted from 1."""
        names = [n for n in ABOUT if n in self.rows[0]]
        epochs = np.arange(1, len(self.rows) + 1, dtype="i4")
        return xr.Dataset(
            {n: ("epoch", [row[n] for row in self.rows], _attrs(n)) for n in names},
            coords={"epoch": ("epoch", epochs, {"long_name": "epoch", "units": "1"})},
        )


def _attrs(name: str) -> dict[str, str]:
    return {"long_name": ABOUT[name], "units": UNITS.get(name, "1")}


class Progress(keras.callbacks.Callback):
    """Callback that shows a tqdm bar over epochs with the losses.

    Parameters
    ----------
    epochs : int
        Number of epochs of the training.
    done : int
        Number of epochs that are complete.
    shows : bool
        Show the bar.
    """

    def __init__(self, epochs: int, *, done: int = 0, shows: bool = True) -> None:
        super().__init__()
        self._bar = tqdm(total=epochs, initial=done, desc="fit", unit="epoch", disable=not shows)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Advance the bar."""
        self._bar.set_postfix({k: f"{v:.4f}" for k, v in (logs or {}).items()}, refresh=False)
        self._bar.update()

    def close(self) -> None:
        """Close the bar and leave it visible. Keras would not do so after an error."""
        self._bar.close()

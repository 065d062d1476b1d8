"""Supervised training: the loss between prediction and truth over valid cells."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
import xarray as xr

from xr_dl4ds import losses
from xr_dl4ds.batches import Batches, Samples
from xr_dl4ds.config import Sampling, Supervised
from xr_dl4ds.exceptions import TrainingError
from xr_dl4ds.networks import own_keras
from xr_dl4ds.training.callbacks import (
    KeepBest,
    LearningRate,
    Progress,
    Record,
    StopIfNotFinite,
)

logger = logging.getLogger(__name__)

OPTIMIZERS: dict[str, type[keras.optimizers.Optimizer]] = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """What training gives back.

    Parameters
    ----------
    network : keras.Model
        The network that was given, with its final weights.
    history : xarray.Dataset
        Variables loss, val_loss (with validation data), learning_rate and seconds over `epoch`.
    best_epoch : int
        The epoch, counted from 1, whose weights the network has.
    """

    network: keras.Model
    history: xr.Dataset
    best_epoch: int


class SupervisedStep(keras.Model):
    """One training step of a network on ``(inputs, target, weight)``."""

    def __init__(self, network: keras.Model, loss: losses.Loss) -> None:
        super().__init__(name="supervised")
        self.network = network
        self.masked_loss = loss
        self.tracker = keras.metrics.Mean(name="loss")

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The mean loss over valid cells."""
        return [self.tracker]

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Run the network."""
        return self.network(inputs, training=training)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Move the weights by one batch."""
        inputs, target, weight = data
        with tf.GradientTape() as tape:
            loss = self.masked_loss(target, self.network(inputs, training=True), weight)
            scaled = self.optimizer.scale_loss(loss)
        variables = self.network.trainable_variables
        gradients = tape.gradient(scaled, [v.value for v in variables])
        self.optimizer.apply(gradients, variables)
        return self._report(loss, weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Loss of one batch."""
        inputs, target, weight = data
        return self._report(self.masked_loss(target, self.network(inputs), weight), weight)

    def _report(self, loss: Any, weight: Any) -> dict[str, Any]:
        # weighted by valid cells, so that the mean over batches is the mean over cells
        self.tracker.update_state(loss, sample_weight=tf.reduce_sum(weight))
        return {"loss": self.tracker.result()}


@own_keras()
def train(
    network: keras.Model,
    samples: Samples,
    validation: Samples | None,
    *,
    sampling: Sampling,
    training: Supervised,
    ranges: tuple[Sequence[float], Sequence[float]] | None = None,
) -> Trained:
    """Train a network.

    Parameters
    ----------
    network : keras.Model
        A generator; its weights are changed.
    samples : Samples
        Training samples.
    validation : Samples, optional
        Held-out samples; their loss, on whole fields, chooses the weights that are kept.
    sampling : Sampling
        Batches and patches.
    training : Supervised
        Loss, optimizer and length.
    ranges : tuple of sequence of float, optional
        Least and largest scaled value of each target, for losses that need them; 0 and 1 by
        default.

    Returns
    -------
    Trained
        The network with its best weights (the last ones without `validation`), and the history.

    Raises
    ------
    TrainingError
        When a loss is not finite.
    """
    for name, value in (("training", samples), ("validation", validation)):
        if value is not None and len(value) == 0:
            raise TrainingError(f"Expected {name} samples with valid cells, got none.")
    step = SupervisedStep(network, losses.build(training.loss, *(ranges or (None, None))))
    optimizer = OPTIMIZERS[training.optimizer](learning_rate=training.rate_of(0))
    if network.compute_dtype == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(network.trainable_variables)
    # XLA on a CPU made these steps twice slower
    step.compile(optimizer=optimizer, jit_compile=False)
    record = Record()
    callbacks = [LearningRate(training.rate_of), StopIfNotFinite(), record]
    keeper = None
    if validation is not None:
        patience = training.patience if training.early_stopping else None
        keeper = KeepBest(network, patience, training.min_delta)
        callbacks.append(keeper)
    progress = Progress(training.epochs) if training.verbose else None
    if progress is not None:
        callbacks.append(progress)
    try:
        step.fit(
            _batches(samples, sampling),
            validation_data=None if validation is None else _whole_fields(validation, sampling),
            epochs=training.epochs,
            callbacks=callbacks,
            shuffle=False,  # Batches shuffles, seeded
            verbose=0,
        )
    finally:  # Keras ends no callback after an error
        if progress is not None:
            progress.on_train_end()
    best = len(record.rows) if keeper is None else keeper.best_epoch
    logger.info("trained %d epochs, weights of epoch %d kept", len(record.rows), best)
    return Trained(network=network, history=record.history(), best_epoch=best)


def _batches(samples: Samples, sampling: Sampling) -> Batches:
    return Batches(
        samples,
        batch_size=sampling.batch_size,
        patch_size=sampling.patch_size,
        seed=sampling.seed,
    )


def _whole_fields(samples: Samples, sampling: Sampling) -> Batches:
    """Batches of whole fields with about as many cells as the training batches have."""
    y, x = samples.target.shape[1:3]
    share = 1.0 if sampling.patch_size is None else sampling.patch_size**2 / (y * x)
    size = max(1, int(sampling.batch_size * share))
    return Batches(samples, batch_size=size, shuffle=False)

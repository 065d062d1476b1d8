"""The loop over epochs, shared by all kinds of training."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import xarray as xr

from xr_dl4ds.config import Adversarial, FlowMatching, Sampling, Training
from xr_dl4ds.config.choices import LATENT_REALIZATIONS
from xr_dl4ds.config.loss_choice import ensemble_weights
from xr_dl4ds.data.augmentation import AS_GIVEN, Orientation
from xr_dl4ds.data.channels import Targets
from xr_dl4ds.exceptions import TrainingError
from xr_dl4ds.networks import losses, own_keras
from xr_dl4ds.networks.latent_members import LatentMembers
from xr_dl4ds.training.adversarial import AdversarialStep
from xr_dl4ds.training.batches import Batches, Samples
from xr_dl4ds.training.callbacks import (
    KeepBest,
    LearningRates,
    Progress,
    Record,
    StopIfNotFinite,
)
from xr_dl4ds.training.checkpoint import Checkpoint, TrainingState, length_of, resume
from xr_dl4ds.training.flow_step import FlowStep, FlowTask
from xr_dl4ds.training.latent_loss import LatentLoss
from xr_dl4ds.training.latent_noise import LatentNoise
from xr_dl4ds.training.optimizers import optimizer_for
from xr_dl4ds.training.rates import Rates
from xr_dl4ds.training.step import Step
from xr_dl4ds.training.supervised import SupervisedStep
from xr_dl4ds.training.usual_amplitudes import TINY, deviations, usual_amplitudes
from xr_dl4ds.training.weight_average import WeightAverage
from xr_dl4ds.training.workers import Workers

logger = logging.getLogger(__name__)

#: The loss that needs usual amplitudes.
SPECTRAL = "spectral_crps"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """The result of training.

    Parameters
    ----------
    network : keras.Model
        The trained network, with its final weights.
    history : xarray.Dataset
        Over `epoch`: loss, val_loss (with validation data), learning_rate and seconds; adversarial
        training adds the parts of the loss.
    best_epoch : int
        The epoch, counted from 1, whose weights the network has.
    """

    network: keras.Model
    history: xr.Dataset
    best_epoch: int


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class LatentTask:
    """How members are drawn from the output of a network and latent fields.

    Parameters
    ----------
    members : LatentMembers
        Draws members from the output of the network.
    noise : LatentNoise
        Draws the latent fields.
    kinds : tuple of str or None
        The distribution of each target.
    """

    members: LatentMembers
    noise: LatentNoise
    kinds: tuple[str | None, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TrainingTask:
    """The networks to train, and their targets.

    Parameters
    ----------
    network : keras.Model
        A generator; training changes its weights.
    targets : Targets
        Names and scaled limits of the targets.
    discriminator : keras.Model, optional
        The discriminator of adversarial training.
    fingerprint : str
        Identifies this training, see `xr_dl4ds.training.checkpoint`.
    latent : LatentTask, optional
        How members are drawn from latent fields, if they are.
    flow : FlowTask, optional
        From fields to residuals and back, for flow matching.
    """

    network: keras.Model
    targets: Targets
    discriminator: keras.Model | None = None
    fingerprint: str = ""
    latent: LatentTask | None = None
    flow: FlowTask | None = None


@own_keras()
def train(
    task: TrainingTask,
    samples: Samples,
    validation: Samples | None,
    *,
    sampling: Sampling,
    training: Training,
    orientations: Sequence[Orientation] = (AS_GIVEN,),
) -> Trained:
    """Train a network.

    Parameters
    ----------
    task : TrainingTask
        The networks and their targets.
    samples : Samples
        Training samples.
    validation : Samples, optional
        Held-out samples. Their loss, on full fields, selects the weights to keep.
    sampling : Sampling
        Batches and patches.
    training : Training
        Loss, optimizer and number of epochs.
    orientations : sequence of Orientation
        Orientations of the training samples, see `xr_dl4ds.data.augmentation`.

    Returns
    -------
    Trained
        The network with its best weights (the last weights without `validation`), and the history.

    Raises
    ------
    TrainingError
        When a loss is not finite.
    CheckpointError
        For a checkpoint that is damaged or belongs to another training.
    """
    workers = Workers.current()
    parts = [part for part in (samples, validation) if part is not None]
    shapes = [(len(part), *part.lr.shape, *part.target.shape) for part in parts]
    workers.require_same("samples", shapes)
    plain = dataclasses.replace(training, checkpoint=None, verbose=True)
    workers.require_same("options", (sampling, plain))
    workers.require_same("orientations of samples", tuple(orientations))
    step = _step(task, samples, training, sampling, workers)
    batches = Batches(
        samples,
        batch_size=sampling.batch_size,
        patch_size=sampling.patch_size,
        seed=sampling.seed,
        share=workers.share,
        orientations=orientations,
    )
    record = Record()
    keeper = None
    if validation is not None:
        patience = training.patience if training.early_stopping else None
        keeper = KeepBest(task.network, patience, training.min_delta)
    rates = Rates(training=training, workers=workers.size, steps=len(batches))
    momentum = training.momentum(training.epochs * len(batches))
    if momentum is not None:
        step.average = WeightAverage(task.network.trainable_variables, momentum)
    done, callbacks = 0, [LearningRates(rates), StopIfNotFinite(), record]
    callbacks += [] if keeper is None else [keeper]
    if training.checkpoint is not None:
        state = TrainingState(step=step, record=record, keeper=keeper)
        done = resume(training, task.fingerprint, state, workers)
        batches.start(done)
        if workers.rank == 0:
            length = length_of(training)
            callbacks.append(Checkpoint(training.checkpoint, task.fingerprint, state, length))
    step.join()
    if done < training.epochs and not (keeper is not None and keeper.stops):
        held_out = None if validation is None else _whole_fields(validation, sampling, workers)
        if held_out is not None:
            step.first_held = workers.rank * len(held_out)
            step.held_size = held_out.batch_size
        shows = training.verbose and workers.rank == 0
        progress = Progress(training.epochs, done=done, shows=shows)
        with contextlib.closing(progress), _reading(batches, held_out):
            epochs = range(done, training.epochs)
            _run(step, batches, held_out, [*callbacks, progress], epochs)
    elif keeper is not None:
        keeper.on_train_end()
    if keeper is None and step.average is not None:
        step.average.keep()
    best = len(record.rows) if keeper is None else keeper.best_epoch
    logger.info("trained %d epochs, weights of epoch %d kept", len(record.rows), best)
    history = workers.once(record.history)  # the wall times differ between workers
    return Trained(network=task.network, history=history, best_epoch=best)


def _run(
    step: Step, batches: Batches, held_out: Batches | None, callbacks: list[Any], epochs: range
) -> None:
    def next_epoch(epoch: int, logs: Any) -> None:
        if epoch + 1 < epochs.stop:  # after the last epoch, no pool is read ahead
            batches.on_epoch_end()

    anew = keras.callbacks.LambdaCallback(on_epoch_end=next_epoch)
    step.fit(
        batches.dataset(),
        validation_data=None if held_out is None else held_out.dataset(),
        initial_epoch=epochs.start,
        epochs=epochs.stop,
        callbacks=[*callbacks, anew],
        shuffle=False,  # Batches shuffles with a seed
        verbose=0,
    )


def _step(
    task: TrainingTask, samples: Samples, training: Training, sampling: Sampling, workers: Workers
) -> Step:
    """Build the compiled training step with its optimizers."""
    seed = sampling.seed
    step: Step
    if isinstance(training, FlowMatching):
        assert task.flow is not None
        step = FlowStep(task.network, task.flow, training, seed=seed, workers=workers)
    elif isinstance(training, Adversarial):
        assert task.discriminator is not None
        step = AdversarialStep(
            task.network,
            task.discriminator,
            _loss(task, samples, training, sampling),
            training,
            seed=seed,
            shape=samples.target.shape[-3:],
            workers=workers,
        )
        step.add_optimizer(optimizer_for(task.discriminator, training, 1))
    else:
        latent = _latent_loss(task, samples, training, sampling)
        loss = _loss(task, samples, training, sampling)
        step = SupervisedStep(task.network, loss, training, seed, workers, latent)
    # with XLA these steps were twice as slow on a CPU
    step.compile(optimizer=optimizer_for(task.network, training), jit_compile=False)
    return step


def _latent_loss(
    task: TrainingTask, samples: Samples, training: Training, sampling: Sampling
) -> LatentLoss | None:
    latent, names = task.latent, task.targets.names
    if latent is None:
        return None
    channels = latent.members.channels
    asked = [training.loss_name_of(names[i]) for i in channels]
    weights = [ensemble_weights(loss, latent=True) or {} for loss in asked]
    usual = {}
    if any(SPECTRAL in one for one in weights):
        # relative amplitudes, times the error of the first guess, are in the units of cells
        size = np.maximum(latent.noise.sizes, TINY)
        found = usual_amplitudes(samples, _shapes(samples, sampling), channels)
        usual = {shape: each / size for shape, each in found.items()}
    return LatentLoss(
        members=latent.members,
        noise=latent.noise,
        n=training.loss_realizations or LATENT_REALIZATIONS,
        loss=losses.build_target_loss(weights, members=True, usual=usual),
    )


def _shapes(samples: Samples, sampling: Sampling) -> set[tuple[int, int]]:
    """Return the rows and columns of fields in training and validation."""
    edges = samples.target.shape[1:3]
    return {edges} if sampling.patch_size is None else {edges, (sampling.patch_size,) * 2}


def _loss(
    task: TrainingTask, samples: Samples, training: Training, sampling: Sampling
) -> losses.Loss:
    """Build the loss of the network's output, except for targets with latent noise."""
    targets, latent = task.targets, task.latent
    asked, usual = [training.loss_name_of(name) for name in targets.names], {}
    if latent is None and any(SPECTRAL in (ensemble_weights(loss) or {}) for loss in asked):
        channels, shapes = range(len(asked)), _shapes(samples, sampling)
        size = deviations(samples, channels, targets.curves)
        found = usual_amplitudes(samples, shapes, channels, targets.curves)
        usual = {shape: each / size for shape, each in found.items()}
    return losses.build_target_loss(
        asked,
        low=targets.low,
        high=targets.high,
        offsets_from_zero=targets.offsets_from_zero,
        curves=targets.curves,
        members=training.draws_members and latent is None,
        kinds=None if latent is None else latent.kinds,
        usual=usual,
    )


@contextlib.contextmanager
def _reading(*sources: Batches | None) -> Iterator[None]:
    """Close the batches at the end; raise errors of the background reading with their cause."""
    opened = [batches for batches in sources if batches is not None]
    try:
        yield
    except tf.errors.OpError:
        errors = [batches.error for batches in opened if batches.error is not None]
        if not errors:
            raise
        raise TrainingError(
            f"Expected the samples to be readable throughout training, got {errors[0]!r}. Check"
            " the files behind them, or use cache='memory' or 'disk', which read them once before"
            " training."
        ) from errors[0]
    finally:
        for batches in opened:
            batches.close()


def _whole_fields(samples: Samples, sampling: Sampling, workers: Workers) -> Batches:
    """Return batches of full fields with about as many cells as the training batches."""
    y, x = samples.target.shape[1:3]
    share = 1.0 if sampling.patch_size is None else sampling.patch_size**2 / (y * x)
    size = max(1, int(sampling.batch_size * share))
    return Batches(samples, batch_size=size, shuffle=False, share=workers.share)

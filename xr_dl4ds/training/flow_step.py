"""Flow matching: the velocity along straight paths from noise to residuals."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from xr_dl4ds.config.flow_options import FlowMatching
from xr_dl4ds.networks import losses
from xr_dl4ds.networks.flow import FLOW_TIME, NOISY, TRUTH
from xr_dl4ds.networks.losses.probabilistic_losses import crps
from xr_dl4ds.networks.solvers import integrated
from xr_dl4ds.networks.tensors import Tensor
from xr_dl4ds.training.step import VALIDATION, Step
from xr_dl4ds.training.workers import ALONE, Workers

#: Members and steps of the validation.
MEMBERS, STEPS = 2, 1
#: Multiples of the golden ratio, modulo 1, spread evenly over 0 to 1, however many there are.
GOLDEN = 0.6180339887


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FlowTask:
    """Functions from fields to residuals and back, which have no weights.

    Parameters
    ----------
    residuals, fields : keras.Model
        See `xr_dl4ds.networks.flow`.
    """

    residuals: keras.Model
    fields: keras.Model


class FlowStep(Step):
    """A training step of a velocity network on ``(inputs, target, weight)``.

    A residual x and noise e of the same shape have the path ``(1 - t) e + t x``, whose velocity is
    ``x - e`` at all times t (Liu et al. 2023, arXiv:2209.03003, equation 1). The loss is the mean
    squared error of the velocity over valid cells. The times of a batch are spread evenly over 0 to
    1.

    Parameters
    ----------
    network : keras.Model
        The velocity network.
    flow : FlowTask
        From fields to residuals and back.
    training : FlowMatching
        Options.
    seed : int
        Seed of noise and times.
    workers : Workers
        Workers over which gradients are averaged.
    """

    def __init__(
        self,
        network: keras.Model,
        flow: FlowTask,
        training: FlowMatching,
        *,
        seed: int,
        workers: Workers = ALONE,
    ) -> None:
        super().__init__(network, None, training, seed, workers)
        self.flow = flow
        self.solver = training.solver
        # as a function, which is traced once and not for each of the steps
        self._still = tf.function(self.velocity)

    @property
    def trained(self) -> list[keras.Model]:
        """The velocity network."""
        return [self.network]

    def train_step(self, data: Any) -> dict[str, Any]:
        """Update the weights with one batch."""
        inputs, target, weight = data
        residual = _of(self.flow.residuals, {**inputs, TRUTH: target})
        residual = tf.where(weight > 0, residual, 0.0)
        noise, times = self._drawn(residual)
        at = times[:, :, None, None]
        path = (1 - at) * noise + at * residual
        with tf.GradientTape() as tape:
            velocity = self.velocity(inputs, path, times, training=True)
            squares = tf.reduce_sum(weight * tf.square(velocity - (residual - noise)))
            with losses.counted_by(self.over_workers):
                loss = losses.divided(squares, tf.reduce_sum(weight))
            scaled = self.optimizer.scale_loss(loss)
        self.descend(tape, scaled)
        self.settle(weight)
        return self.report(loss, weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Compute the CRPS of a few members of one batch, in scaled units."""
        inputs, target, weight = data
        n = tf.shape(target)[0]
        repeated = {name: tf.repeat(x, MEMBERS, axis=0) for name, x in inputs.items()}
        noise = self._held_noise(target)

        def velocity(path: Tensor, at: float) -> Tensor:
            return self._still(repeated, path, tf.fill([MEMBERS * n, 1], at))

        path = integrated(velocity, noise, STEPS, self.solver)
        path = tf.ensure_shape(path, [None, *target.shape[1:]])
        drawn = _of(self.flow.fields, {**repeated, NOISY: path})
        members = [drawn[i::MEMBERS] for i in range(MEMBERS)]
        with losses.counted_by(self.over_workers):
            loss = crps(target, tf.stack(members), weight)
        return self.report(loss, weight)

    def velocity(
        self, inputs: Mapping[str, Tensor], path: Tensor, times: Tensor, *, training: bool = False
    ) -> Tensor:
        """Return the velocity at places of paths and times ``(batch, 1)``."""
        given = {**inputs, NOISY: path, FLOW_TIME: times}
        return _of(self.network, given, training=training)

    def _drawn(self, residual: Tensor) -> tuple[Tensor, Tensor]:
        """Return the noise of a batch, and its times ``(batch, 1)``.

        They belong to the place of a sample in the batches of all workers together, so that several
        workers train as one with their batches.
        """
        step = tf.cast(self.optimizer.iterations, tf.int32)
        key = tf.stack([tf.constant(self.noise_seed, tf.int32), step])
        places = tf.range(tf.shape(residual)[0]) * self.workers.size + self.workers.rank
        noise = _noise(key, places, residual)
        shift = tf.random.stateless_uniform([], seed=_folded(key, -1))
        times = tf.math.floormod(shift + GOLDEN * tf.cast(places, tf.float32), 1.0)
        return noise, times[:, None]

    def _held_noise(self, target: Tensor) -> Tensor:
        """Return the noise of the members of a validation batch, those of a sample in a row.

        It belongs to the number of a sample, whatever the batches of the workers are.
        """
        number = tf.cast(self.batch_number.result(), tf.int32) + self.first_held
        first = number * self.held_size * MEMBERS
        places = first + tf.range(MEMBERS * tf.shape(target)[0])
        return _noise(tf.constant([self.noise_seed + VALIDATION, 0], tf.int32), places, target)


def _noise(key: Tensor, places: Tensor, like: Tensor) -> Tensor:
    """Return standard normal fields of the shape of some samples, each by its place."""
    return tf.map_fn(
        lambda place: tf.random.stateless_normal(tf.shape(like)[1:], _folded(key, place)),
        places,
        fn_output_signature=tf.TensorSpec(like.shape[1:], tf.float32),
    )


def _folded(key: Tensor, place: Tensor | int) -> Tensor:
    return tf.random.experimental.stateless_fold_in(key, place)


def _of(network: keras.Model, given: Mapping[str, Tensor], *, training: bool = False) -> Tensor:
    """Apply a network to those of the given tensors that it takes."""
    return network({x.name: given[x.name] for x in network.inputs}, training=training)

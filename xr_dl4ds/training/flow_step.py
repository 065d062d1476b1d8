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
from xr_dl4ds.training.step import Step
from xr_dl4ds.training.workers import ALONE, Workers

#: Members and steps of the validation.
MEMBERS, STEPS = 2, 2


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
        key, members = self._noise_key(training=False), []
        for i in range(MEMBERS):
            offset = tf.constant([i * 2**20, 0], tf.int32)
            noise = tf.random.stateless_normal(tf.shape(target), seed=key + offset)
            path = integrated(
                lambda x, t: self.velocity(inputs, x, tf.fill([tf.shape(x)[0], 1], t)),
                noise,
                STEPS,
                self.solver,
            )
            members.append(_of(self.flow.fields, {**inputs, NOISY: path}))
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
        """Return the noise of a batch, and its times ``(batch, 1)``."""
        key = self._noise_key(training=True)
        noise = tf.random.stateless_normal(tf.shape(residual), seed=key)
        n = tf.cast(tf.shape(residual)[0], tf.float32)
        shifts = tf.random.stateless_uniform(
            tf.shape(residual)[:1], seed=key + tf.constant([2**20, 0], tf.int32)
        )
        return noise, ((tf.range(n) + shifts) / n)[:, None]


def _of(network: keras.Model, given: Mapping[str, Tensor], *, training: bool = False) -> Tensor:
    """Apply a network to those of the given tensors that it takes."""
    return network({x.name: given[x.name] for x in network.inputs}, training=training)

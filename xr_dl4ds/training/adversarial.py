"""Adversarial training: a discriminator judges HR fields, conditional on LR fields.

After Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks",
arXiv:1611.07004. One step updates both networks, from one pass of each network over the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from xr_dl4ds.config import Adversarial
from xr_dl4ds.networks import losses
from xr_dl4ds.networks.losses import Loss
from xr_dl4ds.networks.tensors import Tensor
from xr_dl4ds.training.spectrum import SpectralDistance
from xr_dl4ds.training.step import Step
from xr_dl4ds.training.workers import ALONE, Workers

#: Adam's first moment (Isola et al. 2017, section 3.3).
FIRST_MOMENT = 0.5


class AdversarialStep(Step):
    """A training step of a generator and a discriminator on ``(inputs, target, weight)``.

    Parameters
    ----------
    network : keras.Model
        The generator.
    discriminator : keras.Model
        See `xr_dl4ds.networks.discriminator`.
    loss : callable
        The pixel loss.
    training : Adversarial
        Options.
    seed : int
        Seed of the noise.
    shape : tuple of int
        Rows, columns and channels of the HR validation fields.
    workers : Workers
        Workers over which gradients are averaged.
    """

    def __init__(
        self,
        network: keras.Model,
        discriminator: keras.Model,
        loss: Loss,
        training: Adversarial,
        *,
        seed: int,
        shape: tuple[int, int, int],
        workers: Workers = ALONE,
    ) -> None:
        super().__init__(network, loss, training, seed, workers)
        self.discriminator = discriminator
        self.adversarial_loss = losses.ADVERSARIAL[training.loss]
        self.pixel_weight = training.pixel_weight
        self.penalty = training.gradient_penalty
        self.adversarial_tracker = keras.metrics.Mean(name="adversarial")
        self.pixel_tracker = keras.metrics.Mean(name="pixel")
        self.discriminator_tracker = keras.metrics.Mean(name="discriminator")
        self.distance = SpectralDistance(shape[:2], shape[2], name="ralsd")

    def add_optimizer(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Set the discriminator's optimizer; `compile` sets the generator's optimizer."""
        self.discriminator_optimizer = optimizer

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Metrics that are reset at the start of each epoch."""
        own = [self.adversarial_tracker, self.pixel_tracker, self.discriminator_tracker]
        return [*super().metrics, *own, self.distance]

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """Optimizers of generator and discriminator."""
        return [self.optimizer, self.discriminator_optimizer]

    @property
    def trained(self) -> list[keras.Model]:
        """Generator and discriminator."""
        return [self.network, self.discriminator]

    def train_step(self, data: Any) -> dict[str, Any]:
        """Update the weights of both networks with one batch."""
        inputs, target, weight = data
        with tf.GradientTape() as generating, tf.GradientTape() as judging:
            output = self.generate(inputs, target, training=True)
            pixel = self.loss_of(target, output, weight)
            true = self._judge(inputs, target)
            judged = _judged(weight, true)
            conditions = {name: self.repeated(x) for name, x in inputs.items()}
            fake = self._judge(conditions, output * self.repeated(weight))
            cells = self.repeated(judged)
            with losses.counted_by(self.over_workers):
                fooling = self.adversarial_loss.generator_loss(fake, cells)
                telling = self.adversarial_loss.discriminator_loss(self.repeated(true), fake, cells)
            loss = fooling + self.pixel_weight * pixel
            scaled = self.optimizer.scale_loss(loss)
            if self.penalty:
                telling += self.penalty / 2 * self._gradient(inputs, target, judged)
            scaled_telling = self.discriminator_optimizer.scale_loss(telling)
        self.descend(generating, scaled, 0)
        self.descend(judging, scaled_telling, 1)
        self.settle(weight)
        found = self.report(loss, weight, adversarial=fooling, pixel=pixel, discriminator=telling)
        return {name if name == "loss" else f"{name}_loss": x for name, x in found.items()}

    def test_step(self, data: Any) -> dict[str, Any]:
        """Compute pixel loss and spectral distance, averaged over the batches so far."""
        inputs, target, weight = data
        output = self.generate(inputs, target, training=False)
        pixel = self.loss_of(target, output, weight)
        found = self.report(pixel, weight, pixel=pixel)
        first = output[: tf.shape(target)[0]]
        self.distance.update_state(target, first * weight, self.workers.average)
        ralsd = self.distance.result()
        return {
            "loss": found["pixel"] * (1 + ralsd),
            "pixel_loss": found["pixel"],
            "ralsd": ralsd,
        }

    def _judge(self, inputs: Mapping[str, Tensor], fields: Tensor) -> Tensor:
        asked = {tensor.name for tensor in self.discriminator.inputs}
        conditions = {name: x for name, x in inputs.items() if name in asked}
        return self.discriminator({**conditions, "hr": fields}, training=True)

    def _gradient(self, inputs: Mapping[str, Tensor], target: Tensor, judged: Tensor) -> Tensor:
        """Return the mean gradient penalty of the samples.

        For each sample it is the squared gradient of the mean judgement times the number of judged
        cells.
        """
        with tf.GradientTape() as tape:
            tape.watch(target)
            logits = tf.reduce_sum(self._judge(inputs, target) * judged)
        gradient = tape.gradient(logits, target)
        with losses.counted_by(self.over_workers):
            return losses.divided(tf.reduce_sum(tf.square(gradient)), tf.reduce_sum(judged))


def _judged(weight: Tensor, judgement: Tensor) -> Tensor:
    """Return the share of valid HR cells in each LR cell, ``(batch, [time,] y, x, 1)``."""
    lead, y, x, _ = tf.split(tf.shape(judgement), [-1, 1, 1, 1])
    y, x = y[0], x[0]
    scale_y = tf.shape(weight)[-3] // y
    scale_x = tf.shape(weight)[-2] // x
    blocks = tf.concat([lead, [y, scale_y, x, scale_x, tf.shape(weight)[-1]]], axis=0)
    share = tf.reduce_mean(tf.reshape(weight, blocks), axis=(-4, -2, -1))
    return share[..., None]

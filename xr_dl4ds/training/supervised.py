"""Supervised training: the loss between prediction and truth over valid cells."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from xr_dl4ds.training.step import Step


class SupervisedStep(Step):
    """A training step of a network on ``(inputs, target, weight)``."""

    def train_step(self, data: Any) -> dict[str, Any]:
        """Update the weights with one batch."""
        inputs, target, weight = data
        with tf.GradientTape() as tape:
            output = self.generate(inputs, target, training=True)
            loss = self.total_loss(inputs, target, output, weight, training=True)
            scaled = self.optimizer.scale_loss(loss)
        self.descend(tape, scaled)
        self.settle(weight)
        return self.report(loss, weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Compute the loss of one batch."""
        inputs, target, weight = data
        output = self.generate(inputs, target, training=False)
        loss = self.total_loss(inputs, target, output, weight, training=False)
        return self.report(loss, weight)

"""Optimizers by name, for supervised and adversarial training."""

from __future__ import annotations

import keras
import tensorflow as tf

from xr_dl4ds.config import Adversarial, Training
from xr_dl4ds.training.adversarial import FIRST_MOMENT

OPTIMIZERS: dict[str, type[keras.optimizers.Optimizer]] = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
}


def optimizer_for(
    network: keras.Model, training: Training, which: int = 0
) -> keras.optimizers.Optimizer:
    """Build the optimizer of a network, with its variables.

    Parameters
    ----------
    network : keras.Model
        The network to train.
    training : Training
        Options with the kind of optimizer, its learning rates and the gradient norm.
    which : int
        Index of the learning rate: 0 for the generator, 1 for the discriminator.

    Returns
    -------
    keras.optimizers.Optimizer
        The optimizer, with loss scaling if the network computes in half precision.
    """
    kind = OPTIMIZERS[training.optimizer]
    given: dict[str, float] = {}
    if isinstance(training, Adversarial) and kind is not keras.optimizers.SGD:
        given["beta_1"] = FIRST_MOMENT
    if training.gradient_norm is not None:
        # gradients are averaged over workers before, so that all workers clip alike
        given["global_clipnorm"] = training.gradient_norm
    optimizer = kind(learning_rate=training.rates_of(0)[which], **given)
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        # Keras would sum the gradients over a single replica; the gradients of workers are averaged
        # before. TensorFlow would keep the derivative of this sum in a table as long as the process
        # lives, and with it graph, weights and moments (TensorFlow issue 80895).
        optimizer._all_reduce_sum_gradients = list
    if network.compute_dtype == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(network.trainable_variables)
    return optimizer

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

#: Global norm to which the gradients of a likelihood are clipped (Pascanu et al. 2013,
#: arXiv:1211.5063). A cell where rain fell although hardly any was expected has a slope of
#: thousands. Adam remembers its square and makes the following steps small: for daily precipitation
#: (CORDEX Iberia), 0.1 % of the cells had 74 % of the squared slopes with respect to the mean. The
#: gradient norm is 4 there, and above 17 in a tenth of the steps, so that nearly all gradients are
#: clipped; Adam depends only on the ratios of gradients.
LIKELIHOOD_CLIPNORM = 1.0


def optimizer_for(
    network: keras.Model, training: Training, which: int = 0
) -> keras.optimizers.Optimizer:
    """Build the optimizer of a network, with its variables.

    Parameters
    ----------
    network : keras.Model
        The network to train.
    training : Training
        Options with the kind of optimizer and its learning rates.
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
    if training.fits_distributions:
        given["global_clipnorm"] = LIKELIHOOD_CLIPNORM
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

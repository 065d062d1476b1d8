"""Optimizers by their names, as both kinds of training use them."""

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

#: Norm of all gradients together to which a likelihood's are cut (Pascanu et al. 2013,
#: arXiv:1211.5063). A cell where rain fell and next to none was expected has a slope of thousands,
#: and Adam, which remembers its square, makes the steps after it small: of daily precipitation
#: (CORDEX Iberia) 0.1 % of the cells had 74 % of the squared slopes by the mean. Norms are 4 there,
#: a tenth of them above 17, so that nearly all are cut; for Adam only their ratios matter.
LIKELIHOOD_CLIPNORM = 1.0


def optimizer_for(
    network: keras.Model, training: Training, which: int = 0
) -> keras.optimizers.Optimizer:
    """The optimizer of a network, with its variables.

    Parameters
    ----------
    network : keras.Model
        What it trains.
    training : Training
        The kind of optimizer, and its learning rates.
    which : int
        Of these rates: 0 for the generator, 1 for the discriminator.

    Returns
    -------
    keras.optimizers.Optimizer
        It scales the loss where the network computes in half precision.
    """
    kind = OPTIMIZERS[training.optimizer]
    given: dict[str, float] = {}
    if isinstance(training, Adversarial) and kind is not keras.optimizers.SGD:
        given["beta_1"] = FIRST_MOMENT
    if training.fits_distributions:
        given["global_clipnorm"] = LIKELIHOOD_CLIPNORM
    optimizer = kind(learning_rate=training.rates_of(0)[which], **given)
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        # Keras would add the gradients up over the replicas, of which there is one; gradients of
        # workers are averaged before. The derivative of this sum stays in a table of TensorFlow's
        # as long as the process, and with it graph, weights and moments (its issue 80895).
        optimizer._all_reduce_sum_gradients = list
    if network.compute_dtype == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(network.trainable_variables)
    return optimizer

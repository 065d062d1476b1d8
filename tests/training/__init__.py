"""Samples and networks so small that training takes milliseconds a step."""

import dataclasses

import keras
import numpy as np

from xr_dl4ds.config import (
    Adversarial,
    FlowMatching,
    Network,
    Sampling,
    Scale,
    Supervised,
    settled,
)
from xr_dl4ds.data.channels import Targets
from xr_dl4ds.networks import (
    Ports,
    discriminator,
    field_network,
    generator,
    residual_network,
    velocity_network,
)
from xr_dl4ds.training import FlowTask, TrainingTask, train
from xr_dl4ds.training.batches import Samples

#: The targets of `toy`: one, of scaled values about -3 to 3.
TARGETS = Targets(names=("t",), low=(-3.0,), high=(3.0,), offsets_from_zero=(4.0,))


def samples_of(lr, target, *, scale, fixed=None, window=None, starts=None):
    """`Samples` that begin at every step, and may all have masked cells."""
    starts = np.arange(lr.shape[0] - (window or 1) + 1) if starts is None else np.asarray(starts)
    return Samples(
        lr=lr,
        target=target,
        scale=Scale.of(scale),
        fixed=fixed or {},
        window=window,
        starts=starts,
        without_gaps=np.zeros(len(starts), bool),
    )


def toy(n=12, y=4, x=5, seed=0, static=False):
    """Targets that the interpolated field misses by a constant and the sign of the field."""
    rng = np.random.default_rng(seed)
    lr = rng.normal(size=(n, y, x, 1)).astype("f4")
    target = lr.repeat(2, axis=1).repeat(2, axis=2)
    target = target + 0.5 * np.sign(target) + 1
    hill = rng.normal(size=(2 * y, 2 * x, 1)).astype("f4") if static else None
    return samples_of(lr, target, fixed={"static": hill} if static else {}, scale=2)


def ports(n_static=0, n_noise=0, distribution=None):
    """What goes in and out of networks for `toy`."""
    return Ports(
        n_lr=1,
        n_static=n_static,
        lr_channels=(0,),
        scale=Scale.of(2),
        offsets_from_zero=TARGETS.offsets_from_zero,
        n_noise=n_noise,
        distributions=(distribution,),
    )


def tiny(seed=1, precision="float32", n_static=0, n_noise=0, distribution=None, **options):
    """The smallest generator for `toy`."""
    network = settled(Network(**{"n_filters": 4, "n_blocks": 1, **options}), Sampling())
    given = ports(n_static, n_noise, distribution)
    return generator(network, given, seed=seed, precision=precision)


def judge(seed=1, precision="float32", n_static=0, **options):
    """The smallest discriminator for `toy`."""
    training = Adversarial(**{"discriminator_filters": 4, "discriminator_blocks": 1, **options})
    return discriminator(training, ports(n_static), seed=seed, precision=precision)


def flowing(seed=1, precision="float32", **options):
    """The smallest velocity network for `toy`, and from fields to residuals and back."""
    given = {"n_filters": 2, "n_blocks": 1, "constraint": None, **options}
    network = settled(Network(**given), Sampling(), FlowMatching())
    own = dataclasses.replace(ports(), residual_sizes=(0.5,), roots=(False,))
    made = velocity_network(network, own, seed=seed, precision=precision)
    flow = FlowTask(residuals=residual_network(network, own), fields=field_network(network, own))
    return made, flow


def flow(network, task, samples, validation=None, *, sampling=None, **training):
    """Flow matching with quiet float32 defaults."""
    options = {"precision": "float32", "verbose": False, "epochs": 2, "steps": 1, **training}
    return train(
        TrainingTask(network=network, targets=TARGETS, flow=task),
        samples,
        validation,
        sampling=Sampling(**(sampling or {})),
        training=FlowMatching(**options),
    )


def line(weight=1.0):
    """``prediction = weight * lr``, the same grid: every step can be worked out by hand."""
    lr = keras.Input((None, None, 1), name="lr")
    start = keras.initializers.Constant(weight)
    out = keras.layers.Dense(1, use_bias=False, kernel_initializer=start)(lr)
    return keras.Model({"lr": lr}, out)


def constant(lr, target, n=1, size=2):
    """`n` samples of `size` x `size` cells with one value each."""
    shape = (n, size, size, 1)
    return samples_of(np.full(shape, lr, "f4"), np.full(shape, target, "f4"), scale=1)


def fit(network, samples, validation=None, *, sampling=None, **training):
    """`train` with quiet float32 defaults and the rates as they are given."""
    options = {"loss": "mae", "precision": "float32", "verbose": False, "epochs": 2, **training}
    options.setdefault("schedule", "step" if "lr_decay_after" in options else "constant")
    return train(
        TrainingTask(network=network, targets=TARGETS),
        samples,
        validation,
        sampling=Sampling(**(sampling or {})),
        training=Supervised(**options),
    )


def compete(network, against, samples, validation=None, *, sampling=None, **training):
    """Adversarial `train` with quiet float32 defaults."""
    options = {"precision": "float32", "verbose": False, "epochs": 2, **training}
    return train(
        TrainingTask(network=network, targets=TARGETS, discriminator=against),
        samples,
        validation,
        sampling=Sampling(**(sampling or {})),
        training=Adversarial(**options),
    )

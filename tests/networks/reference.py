"""Small networks of one block, and fields to run them on."""

import contextlib

import keras
import numpy as np

from xr_dl4ds.config import Network, Sampling, settled
from xr_dl4ds.networks.layers import MonteCarloDropout, sampling, set_realization


def options(**given):
    """Settled options of four filters and one block."""
    window = given.pop("time_window", None)
    network = Network(**{"n_filters": 4, "n_blocks": 1, **given})
    return settled(network, Sampling(time_window=window))


def model(function, channels=4, sequence=False):
    """A network of what `function` makes of its input, y and x open."""
    given = keras.Input((*((None,) if sequence else ()), None, None, channels))
    return keras.Model(given, function(given))


def field(channels=4, y=5, x=7, time=None):
    """Random values ``(1, [time,] y, x, channel)``."""
    shape = (1, *(() if time is None else (time,)), y, x, channels)
    return np.random.default_rng(1).normal(size=shape).astype("f4")


def zero(network):
    """All weights 0."""
    network.set_weights([np.zeros_like(w) for w in network.get_weights()])
    return network


def names(network):
    """Names of the layers with weights or with randomness."""
    return [layer.name for layer in network.layers]


@contextlib.contextmanager
def realization(network, seed):
    """Apply `sampling` and `set_realization`; restore the random states afterwards."""
    layers = [x for x in network._flatten_layers() if isinstance(x, MonteCarloDropout)]
    before = [keras.ops.convert_to_numpy(layer.seed_generator.state) for layer in layers]
    with sampling(network):
        set_realization(network, seed)
        yield
    for layer, state in zip(layers, before, strict=True):
        layer.seed_generator.state.assign(state)

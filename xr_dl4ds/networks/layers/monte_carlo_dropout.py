"""Monte-Carlo dropout, which can stay on in prediction, and its realizations.

After Gal & Ghahramani 2016, "Dropout as a Bayesian Approximation", arXiv:1506.02142.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from xr_dl4ds.networks.tensors import Tensor


def _dropped(shape: list[Tensor], rate: float, seed: keras.random.SeedGenerator) -> Tensor:
    # float32 whatever the dtype policy: uniform bfloat16 numbers are multiples of 1/128
    kept = keras.random.uniform(shape, dtype="float32", seed=seed) >= rate
    return ops.cast(kept, "float32") / (1 - rate)


def _gaussian(shape: list[Tensor], rate: float, seed: keras.random.SeedGenerator) -> Tensor:
    # Srivastava et al. 2014, JMLR 15, section 10: the same variance as dropping values
    std = math.sqrt(rate / (1 - rate))
    return keras.random.normal(shape, mean=1.0, stddev=std, dtype="float32", seed=seed)


#: Functions ``(shape, rate, seed) -> factors``; the factors have a mean of 1.
FACTORS: dict[str, Callable[..., Any]] = {
    "vanilla": _dropped,
    "gaussian": _gaussian,
    "spatial": _dropped,
}


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class MonteCarloDropout(keras.layers.Layer):
    """Dropout layer for training and for realizations.

    In training the layer draws factors for each sample, as Keras's `Dropout`, `GaussianDropout`,
    `SpatialDropout2D` and `SpatialDropout3D` do. Outside of training it changes nothing unless
    `sampling` is True. Then all samples and time steps of a call share their factors. A realization
    is therefore a thinned network that is applied to every time step, whatever the batches and
    chunks.

    Parameters
    ----------
    rate : float
        Dropped share, 0 <= rate < 1.
    variant : {"vanilla", "gaussian", "spatial"}
        Drop single values, multiply them by Gaussian noise with mean 1 and variance ``rate / (1 -
        rate)``, or drop whole channels (Tompson et al. 2015, arXiv:1411.4280).
    seed : int, optional
        Seed of the factors in training.

    Attributes
    ----------
    sampling : bool
        Whether the layer draws factors outside of training. A traced function keeps the value that
        `sampling` had at tracing.

    Input shape
        ``(batch, y, x, channel)`` or ``(batch, time, y, x, channel)``
    Output shape
        The input shape.
    """

    def __init__(
        self, rate: float, variant: str = "vanilla", seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.variant = variant
        self.sampling = False
        self.supports_masking = True
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Multiply by factors, drawn per sample in training and once in a realization."""
        if self.rate == 0 or not (training or self.sampling):
            return inputs
        shape = list(ops.shape(inputs))
        if not training:
            leading = 2 if len(shape) == 5 else 1
            shape[:leading] = [1] * leading
        if self.variant == "spatial":
            shape[1:-1] = [1] * (len(shape) - 2)
        factors = FACTORS[self.variant](shape, self.rate, self.seed_generator)
        return inputs * ops.cast(factors, inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape


def has_monte_carlo(network: keras.Model) -> bool:
    """Return whether the network or a nested network has Monte-Carlo dropout."""
    return bool(_layers(network))


def thins_by_cell(network: keras.Model) -> bool:
    """Return whether a realization draws separate factors for each cell of a field."""
    return any(layer.variant != "spatial" for layer in _layers(network))


@contextlib.contextmanager
def sampling(network: keras.Model) -> Iterator[None]:
    """Draw factors outside of training too, for calls and tracing inside the context.

    Parameters
    ----------
    network : keras.Model
        Network, possibly with nested networks.
    """
    layers = _layers(network)
    before = [layer.sampling for layer in layers]
    try:
        for layer in layers:
            layer.sampling = True
        yield
    finally:
        for layer, flag in zip(layers, before, strict=True):
            layer.sampling = flag


def set_realization(network: keras.Model, seed: int) -> None:
    """Choose the realization of the next call.

    Each call advances the random generators. Call this function before each call of the network. It
    also works for a function that was traced inside `sampling`.

    Parameters
    ----------
    network : keras.Model
        Network, possibly with nested networks.
    seed : int
        Number of the realization, >= 0. Each layer draws from a separate stream of this seed.
    """
    for index, layer in enumerate(_layers(network)):
        # 31 bits: generator states are int32 on some devices, and count up from this value
        state = np.random.SeedSequence([seed, index]).generate_state(2) >> 1
        layer.seed_generator.state.assign(state.astype("int64"))


def _layers(network: keras.Model) -> list[MonteCarloDropout]:
    """Return all Monte-Carlo dropout layers, in an order that depends only on the architecture."""
    # private, but the only list that includes layers of nested models and wrappers
    return [x for x in network._flatten_layers() if isinstance(x, MonteCarloDropout)]

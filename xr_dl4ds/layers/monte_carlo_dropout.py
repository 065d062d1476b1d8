"""Dropout that can stay on for prediction, and the realizations of a network that has it.

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


def _dropped(shape: list[Any], rate: float, seed: keras.random.SeedGenerator) -> Any:
    # in float32 whatever the policy: uniform bfloat16 numbers are steps of 1/128
    kept = keras.random.uniform(shape, dtype="float32", seed=seed) >= rate
    return ops.cast(kept, "float32") / (1 - rate)


def _gaussian(shape: list[Any], rate: float, seed: keras.random.SeedGenerator) -> Any:
    # Srivastava et al. 2014, JMLR 15, section 10: the variance that dropping would have
    std = math.sqrt(rate / (1 - rate))
    return keras.random.normal(shape, mean=1.0, stddev=std, dtype="float32", seed=seed)


#: ``(shape, rate, seed) -> factors`` with mean 1.
FACTORS: dict[str, Callable[..., Any]] = {
    "vanilla": _dropped,
    "gaussian": _gaussian,
    "spatial": _dropped,
}


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class MonteCarloDropout(keras.layers.Layer):
    """Dropout for training and for realizations.

    In training each sample is thinned by itself, as Keras's `Dropout`, `GaussianDropout`,
    `SpatialDropout2D` and `SpatialDropout3D` do. Otherwise the layer changes nothing, unless it is
    `sampling`: then one set of factors serves all samples and time steps of a call. So a
    realization is one thinned network applied to every time step, whatever the batches and chunks.

    Parameters
    ----------
    rate : float
        Share that is dropped, 0 <= rate < 1.
    variant : {"vanilla", "gaussian", "spatial"}
        Drop single values, multiply them by Gaussian noise with mean 1 and variance ``rate / (1 -
        rate)``, or drop whole channels (Tompson et al. 2015, arXiv:1411.4280).
    seed : int, optional
        Seed of the factors in training.

    Attributes
    ----------
    sampling : bool
        Whether factors are drawn outside of training. A traced function keeps what it was when it
        was traced.

    Input shape
        ``(batch, y, x, channel)`` or ``(batch, time, y, x, channel)``
    Output shape
        The same.
    """

    def __init__(
        self, rate: float, variant: str = "vanilla", seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(
                f"Expected `rate` in 0 <= rate < 1, got {rate!r}. It is the share that is dropped."
            )
        if variant not in FACTORS:
            raise ValueError(
                f"Expected `variant` to be one of {', '.join(FACTORS)}, got {variant!r}. Choose"
                " one, or leave the layer out."
            )
        self.rate = rate
        self.variant = variant
        self.seed = seed
        self.sampling = False
        self.supports_masking = True
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Multiply by factors drawn for each sample, or for all, or leave as it is."""
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
        """Shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild the layer."""
        config = {"rate": self.rate, "variant": self.variant, "seed": self.seed}
        return {**super().get_config(), **config}


def has_monte_carlo(network: keras.Model) -> bool:
    """Whether the network, or one nested in it, has Monte-Carlo dropout."""
    return bool(_layers(network))


def thins_by_cell(network: keras.Model) -> bool:
    """Whether a realization has factors of its own in each cell, as many as the field has."""
    return any(layer.variant != "spatial" for layer in _layers(network))


@contextlib.contextmanager
def sampling(network: keras.Model) -> Iterator[None]:
    """Draw factors outside of training too, in what is run or traced inside.

    Parameters
    ----------
    network : keras.Model
        Network, or a nest of them.
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

    Each call moves the generators on, so this comes before every one. It also serves a function
    that was traced inside `sampling`.

    Parameters
    ----------
    network : keras.Model
        Network, or a nest of them.
    seed : int
        Number of the realization, >= 0. Each layer draws from its own stream of it.
    """
    for index, layer in enumerate(_layers(network)):
        # 31 bits: generators are int32 on some devices, and count up from here
        state = np.random.SeedSequence([seed, index]).generate_state(2) >> 1
        layer.seed_generator.state.assign(state.astype("int64"))


@contextlib.contextmanager
def realization(network: keras.Model, seed: int) -> Iterator[None]:
    """`sampling` and `set_realization` for one call inside; everything is put back after it.

    Parameters
    ----------
    network : keras.Model
        Network, or a nest of them.
    seed : int
        Number of the realization, >= 0.
    """
    generators = [layer.seed_generator for layer in _layers(network)]
    before = [ops.convert_to_numpy(generator.state) for generator in generators]
    try:
        with sampling(network):
            set_realization(network, seed)
            yield
    finally:
        for generator, state in zip(generators, before, strict=True):
            generator.state.assign(state)


def _layers(network: keras.Model) -> list[MonteCarloDropout]:
    """All of them, in an order that the architecture gives."""
    # private, but the only list that reaches into nested models and wrappers
    return [x for x in network._flatten_layers() if isinstance(x, MonteCarloDropout)]

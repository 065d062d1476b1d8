"""Keras's global settings for the networks of this package, whatever the caller's settings are."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator

import keras

#: The settings are global to the process. The lock keeps threads that fit at the same time from
#: building layers under each other's settings.
_ONE_AT_A_TIME = threading.RLock()


@contextlib.contextmanager
def own_keras(precision: str = "float32") -> Iterator[None]:
    """Use channels last, float32 and a dtype policy inside; restore the caller's settings after.

    Parameters
    ----------
    precision : {"float32", "mixed_bfloat16", "mixed_float16"}
        Dtype policy of the layers built inside.
    """
    config = keras.config
    with _ONE_AT_A_TIME:
        floatx, order, policy = config.floatx(), config.image_data_format(), config.dtype_policy()
        try:
            config.set_floatx("float32")
            config.set_image_data_format("channels_last")
            config.set_dtype_policy(precision)
            yield
        finally:
            config.set_floatx(floatx)
            config.set_image_data_format(order)
            config.set_dtype_policy(policy)


@contextlib.contextmanager
def building(seed: int, precision: str = "float32") -> Iterator[None]:
    """Use a seed and a dtype policy for the layers built inside; restore the caller's state after.

    Keras draws the default seed of each initializer from Python's `random`.

    Parameters
    ----------
    seed : int
        Seed of the initial weights.
    precision : {"float32", "mixed_bfloat16", "mixed_float16"}
        Dtype policy of the layers built inside.
    """
    with own_keras(precision):
        state = random.getstate()
        try:
            random.seed(seed)
            yield
        finally:
            random.setstate(state)

"""Keras's global settings: those that networks are written for, whatever the caller's are."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator

import keras

#: The settings belong to the process: threads that fit at once would build under each other's.
_ONE_AT_A_TIME = threading.RLock()


@contextlib.contextmanager
def own_keras(precision: str = "float32") -> Iterator[None]:
    """Channels last, float32 and this dtype policy inside; the caller's settings come back.

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
    """Seed and dtype policy for the layers built inside; the caller's own state comes back.

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

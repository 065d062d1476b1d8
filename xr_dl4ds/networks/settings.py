"""Keras's global settings: those that networks are written for, whatever the caller's are."""

from __future__ import annotations

import contextlib
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

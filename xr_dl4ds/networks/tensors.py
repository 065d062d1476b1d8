"""The type of tensors in signatures."""

from __future__ import annotations

from typing import TypeAlias

import keras

#: A symbolic Keras tensor, or an array of Keras's backend, which has the same operators.
Tensor: TypeAlias = keras.KerasTensor

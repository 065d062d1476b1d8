"""Blocks: functions of Keras layers, ``(batch, y, x, channel)`` -> ``(batch, y, x, filters)``."""

from __future__ import annotations

from typing import Any

from keras import layers


def conv(x: Any, filters: int, name: str, activation: str | None = None, size: int = 3) -> Any:
    """One convolution that keeps rows and columns."""
    return layers.Conv2D(filters, size, padding="same", activation=activation, name=name)(x)


def convolutional_block(x: Any, filters: int, *, activation: str, name: str) -> Any:
    """Two convolutions, each followed by the activation."""
    x = conv(x, filters, f"{name}_conv1", activation)
    return conv(x, filters, f"{name}_conv2", activation)


def residual_block(x: Any, filters: int, *, activation: str, name: str) -> Any:
    """Two convolutions added to the input (Lim et al. 2017, EDSR, arXiv:1707.02921)."""
    shortcut = x if x.shape[-1] == filters else conv(x, filters, f"{name}_shortcut", size=1)
    x = conv(x, filters, f"{name}_conv1", activation)
    x = conv(x, filters, f"{name}_conv2")
    return layers.Add(name=f"{name}_add")([shortcut, x])

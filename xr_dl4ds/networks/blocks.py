"""Blocks: functions of Keras layers that keep rows and columns and change channels to `filters`.

Features are ``(batch, y, x, channel)``, or ``(batch, time, y, x, channel)`` for spatio-temporal
samples: there the convolutions of a block are recurrent (ConvLSTM, Shi et al. 2015,
arXiv:1506.04214), 5 x 5 first and 3 x 3 after, and everything else is the same. A block takes
normalization, activation, dropout and attention from the options, whichever block it is.
"""

from __future__ import annotations

from typing import Any, Protocol

from keras import layers, ops

from xr_dl4ds.config import Network
from xr_dl4ds.layers import ConvLSTM, FoldTime, MonteCarloDropout, UnfoldTime

#: Channels of the hidden layer of the attention: a share of those that it weighs (CBAM uses 16;
#: 8 leaves two at the 16 filters of the HR side).
ATTENTION_RATIO = 8


class Block(Protocol):
    """``(x, filters, network, name) -> x``."""

    def __call__(self, x: Any, filters: int, network: Network, name: str) -> Any:
        """Add the block's layers to the graph."""


def conv(x: Any, filters: int, name: str, activation: str | None = None, size: int = 3) -> Any:
    """One convolution that keeps rows and columns, at each time step by itself."""
    convolution = layers.Conv2D(filters, size, padding="same", activation=activation, name=name)
    if not is_sequence(x):
        return convolution(x)
    steps = convolution(FoldTime(name=f"{name}_fold")(x))
    return UnfoldTime(name=f"{name}_unfold")([steps, x])


def is_sequence(x: Any) -> bool:
    """Whether there is a time axis."""
    return len(x.shape) == 5


def hr_filters(network: Network) -> int:
    """Filters on the HR grid, where a filter costs scale**2 as much: half of the backbone's."""
    return max(network.n_filters // 2, 4)


def recurrent(x: Any, filters: int, name: str, size: int = 3) -> Any:
    """One ConvLSTM over all steps; each step knows those before it."""
    return ConvLSTM(filters, size, name=name)(x)


def unit(
    x: Any, filters: int, network: Network, name: str, *, size: int = 3, last: bool = False
) -> Any:
    """Convolution, normalization, and, unless it is the last of a residual branch, the rest."""
    if is_sequence(x):
        x = recurrent(x, filters, name, 3 if name.endswith("2") else 5)
    else:
        x = conv(x, filters, name, size=size)
    x = normalization(x, network, name)
    if last:
        return x
    x = layers.Activation(network.activation, name=f"{name}_activation")(x)
    return dropout(x, network, name)


def normalization(x: Any, network: Network, name: str) -> Any:
    """The chosen normalization, over channels (layer) or over batch and cells (batch)."""
    if network.normalization is None:
        return x
    return NORMALIZATIONS[network.normalization](name=f"{name}_normalization")(x)


def dropout(x: Any, network: Network, name: str) -> Any:
    """The chosen dropout, for training alone or, Monte Carlo, for realizations too."""
    if network.dropout is None:
        return x
    name = f"{name}_dropout"
    if network.monte_carlo:
        return MonteCarloDropout(network.rate, network.dropout, name=name)(x)
    if network.dropout == "spatial" and is_sequence(x):
        return layers.SpatialDropout3D(network.rate, name=name)(x)
    return DROPOUTS[network.dropout](network.rate, name=name)(x)


def attention(x: Any, network: Network, name: str) -> Any:
    """Channel attention (Woo et al. 2018, CBAM, arXiv:1807.06521, equation 2).

    Means and maxima over all cells go through one small network each, the same for both; the
    sigmoid of their sum weighs the channels.
    """
    if not network.attention:
        return x
    channels, name = x.shape[-1], f"{name}_attention"
    hidden = layers.Dense(
        max(channels // ATTENTION_RATIO, 2), activation="relu", name=f"{name}_hidden"
    )
    out = layers.Dense(channels, name=f"{name}_out")
    pooled = ops.mean(x, axis=(-3, -2), keepdims=True), ops.max(x, axis=(-3, -2), keepdims=True)
    summed = layers.Add(name=f"{name}_add")([out(hidden(p)) for p in pooled])
    weights = layers.Activation("sigmoid", name=f"{name}_weights")(summed)
    return layers.Multiply(name=name)([x, weights])


def convolutional_block(x: Any, filters: int, network: Network, name: str) -> Any:
    """Two convolutions, each followed by the activation."""
    x = unit(x, filters, network, f"{name}_conv1")
    x = unit(x, filters, network, f"{name}_conv2")
    return attention(x, network, name)


def residual_block(x: Any, filters: int, network: Network, name: str) -> Any:
    """Two convolutions added to the input (Lim et al. 2017, EDSR, arXiv:1707.02921)."""
    shortcut = x if x.shape[-1] == filters else conv(x, filters, f"{name}_shortcut", size=1)
    x = unit(x, filters, network, f"{name}_conv1")
    x = unit(x, filters, network, f"{name}_conv2", last=True)
    return layers.Add(name=f"{name}_add")([shortcut, attention(x, network, name)])


def dense_block(x: Any, filters: int, network: Network, name: str) -> Any:
    """Two convolutions that add half as many channels each; a transition brings them together.

    Every convolution sees all channels before it (Huang et al. 2017, DenseNet, arXiv:1608.06993);
    the transition, 1 x 1, halves the channels of a block that began with `filters`.
    """
    growth = max(filters // 2, 1)
    for i in (1, 2):
        new = unit(x, growth, network, f"{name}_conv{i}")
        x = layers.Concatenate(name=f"{name}_concatenate{i}")([x, new])
    x = conv(x, filters, f"{name}_transition", size=1)
    return attention(x, network, name)


def convnext_block(x: Any, filters: int, network: Network, name: str) -> Any:
    """Depthwise 7 x 7, then 1 x 1 to four times the channels and back, added to the input.

    After Liu et al. 2022 (ConvNeXt, arXiv:2201.03545), with the normalization and activation of the
    options (there: layer and gelu) and without its layer scale, which serves very deep networks.
    """
    # projected before the branch: a normalization over one channel would leave nothing of it
    shortcut = x = x if x.shape[-1] == filters else conv(x, filters, f"{name}_shortcut", size=1)
    x = layers.DepthwiseConv2D(7, padding="same", name=f"{name}_depthwise")(x)
    x = normalization(x, network, f"{name}_depthwise")
    x = conv(x, 4 * filters, f"{name}_expand", network.activation, size=1)
    x = dropout(x, network, f"{name}_expand")
    x = conv(x, filters, f"{name}_project", size=1)
    return layers.Add(name=f"{name}_add")([shortcut, attention(x, network, name)])


NORMALIZATIONS: dict[str, Any] = {
    "batch": layers.BatchNormalization,
    "layer": layers.LayerNormalization,
}

#: Those of Keras; Monte-Carlo forms are `MonteCarloDropout`.
DROPOUTS: dict[str, Any] = {
    "vanilla": layers.Dropout,
    "gaussian": layers.GaussianDropout,
    "spatial": layers.SpatialDropout2D,
}

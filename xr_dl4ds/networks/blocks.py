"""Blocks: groups of Keras layers that keep rows and columns and change channels to `filters`.

Features are ``(batch, y, x, channel)``, or ``(batch, time, y, x, channel)`` for spatio-temporal
samples. With a time axis the convolutions of a block are recurrent (ConvLSTM, Shi et al. 2015,
arXiv:1506.04214): the first kernel is 5 x 5, the following kernels are 3 x 3. All blocks take
normalization, activation, dropout and attention from the options.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import keras
from keras import initializers, layers, ops

from xr_dl4ds.config import Network
from xr_dl4ds.networks.layers import (
    ConvLSTM,
    FoldTime,
    MonteCarloDropout,
    RepeatOverTime,
    UnfoldTime,
)
from xr_dl4ds.networks.margins import NO_MARGIN, Margin, cropped
from xr_dl4ds.networks.tensors import Tensor

#: The hidden layer of the attention has 1 / ATTENTION_RATIO of the weighted channels. CBAM uses 16;
#: with 8, two hidden channels remain for the 16 filters of the HR side.
ATTENTION_RATIO = 8


class Block(Protocol):
    """The signature of a block: ``(x, filters, network, name, margin) -> x``."""

    def __call__(
        self, x: Tensor, filters: int, network: Network, name: str, margin: Margin = NO_MARGIN
    ) -> Tensor:
        """Add the block's layers to the graph. Channel attention leaves the margin of `x` out."""


def conv(
    x: Tensor,
    filters: int,
    name: str,
    activation: str | None = None,
    size: int = 3,
    variance: float = 1.0,
) -> Tensor:
    """Apply a convolution that keeps rows and columns, to each time step separately.

    `variance` is that of the initial weights, relative to Keras's default.
    """
    convolution = layers.Conv2D(
        filters,
        size,
        padding="same",
        activation=activation,
        kernel_initializer=initializers.VarianceScaling(variance, "fan_avg", "uniform"),
        name=name,
    )
    if not is_sequence(x):
        return convolution(x)
    steps = convolution(FoldTime(name=f"{name}_fold")(x))
    return UnfoldTime(name=f"{name}_unfold")([steps, x])


def is_sequence(x: Tensor) -> bool:
    """Return whether the features have a time axis."""
    return len(x.shape) == 5


def by_step(x: Tensor, lr: Tensor) -> Tensor:
    """Fold the time steps of an input into the batch; return samples without time unchanged.

    If `lr` has a time axis, inputs without time are repeated for each time step.
    """
    if not is_sequence(lr):
        return x
    name = f"{x.name}_steps"
    if is_sequence(x):
        return FoldTime(dtype="float32", name=name)(x)
    return RepeatOverTime(dtype=x.dtype, name=name)([x, lr])


def hr_filters(network: Network) -> int:
    """Return the number of filters on the HR grid: half of the backbone's filters, at least 4.

    A filter costs more there, by the number of HR cells in an LR cell.
    """
    return max(network.filters // 2, 4)


def conv_unit(
    x: Tensor,
    filters: int,
    network: Network,
    name: str,
    *,
    first: bool = False,
    last: bool = False,
) -> Tensor:
    """Apply a convolution, normalization, activation and dropout.

    The first recurrent unit of a block (``first=True``) has a kernel of 5 x 5. The last unit of a
    residual branch (``last=True``) has neither activation nor dropout.
    """
    if is_sequence(x):
        x = ConvLSTM(filters, 5 if first else 3, name=name)(x)
    else:
        x = conv(x, filters, name)
    x = normalization(x, network, name)
    if last:
        return x
    x = layers.Activation(network.activation, name=f"{name}_activation")(x)
    return dropout(x, network, name)


def normalization(x: Tensor, network: Network, name: str) -> Tensor:
    """Apply the chosen normalization, over channels (layer) or over batch and cells (batch)."""
    if network.normalization is None:
        return x
    return NORMALIZATIONS[network.normalization](name=f"{name}_normalization")(x)


def dropout(x: Tensor, network: Network, name: str) -> Tensor:
    """Apply the chosen dropout: in training only, or for realizations too (Monte Carlo)."""
    if network.dropout is None:
        return x
    name = f"{name}_dropout"
    if network.monte_carlo:
        return MonteCarloDropout(network.rate, network.dropout, name=name)(x)
    if network.dropout == "spatial" and is_sequence(x):
        return layers.SpatialDropout3D(network.rate, name=name)(x)
    return DROPOUTS[network.dropout](network.rate, name=name)(x)


def attention(x: Tensor, network: Network, name: str, margin: Margin = NO_MARGIN) -> Tensor:
    """Apply channel attention (Woo et al. 2018, CBAM, arXiv:1807.06521, equation 2).

    The means and the maxima over all cells but the margin pass through a small network. The sigmoid
    of the sum of both results weighs the channels.
    """
    if not network.attention:
        return x
    channels, name = x.shape[-1], f"{name}_attention"
    hidden = layers.Dense(
        max(channels // ATTENTION_RATIO, 2), activation="relu", name=f"{name}_hidden"
    )
    out = layers.Dense(channels, name=f"{name}_out")
    inside = cropped(x, margin, f"{name}_inside")
    pooled = [pool(inside, axis=(-3, -2), keepdims=True) for pool in (ops.mean, ops.max)]
    summed = layers.Add(name=f"{name}_add")([out(hidden(p)) for p in pooled])
    weights = layers.Activation("sigmoid", name=f"{name}_weights")(summed)
    return layers.Multiply(name=name)([x, weights])


def convolutional_block(
    x: Tensor, filters: int, network: Network, name: str, margin: Margin = NO_MARGIN
) -> Tensor:
    """Apply two convolutions, each followed by the activation."""
    x = conv_unit(x, filters, network, f"{name}_conv1", first=True)
    x = conv_unit(x, filters, network, f"{name}_conv2")
    return attention(x, network, name, margin)


def residual_block(
    x: Tensor, filters: int, network: Network, name: str, margin: Margin = NO_MARGIN
) -> Tensor:
    """Add two convolutions to the input (Lim et al. 2017, EDSR, arXiv:1707.02921)."""
    shortcut = x if x.shape[-1] == filters else conv(x, filters, f"{name}_shortcut", size=1)
    x = conv_unit(x, filters, network, f"{name}_conv1", first=True)
    x = conv_unit(x, filters, network, f"{name}_conv2", last=True)
    return layers.Add(name=f"{name}_add")([shortcut, attention(x, network, name, margin)])


def dense_block(
    x: Tensor, filters: int, network: Network, name: str, margin: Margin = NO_MARGIN
) -> Tensor:
    """Apply two convolutions that each append ``filters / 2`` channels, then a 1 x 1 transition.

    Each convolution sees all earlier channels (Huang et al. 2017, DenseNet, arXiv:1608.06993). The
    transition reduces the channels to `filters`. For a block that began with `filters` channels
    this is half of them.
    """
    growth = max(filters // 2, 1)
    for i in (1, 2):
        new = conv_unit(x, growth, network, f"{name}_conv{i}", first=i == 1)
        x = layers.Concatenate(name=f"{name}_concatenate{i}")([x, new])
    x = conv(x, filters, f"{name}_transition", size=1)
    return attention(x, network, name, margin)


def convnext_block(
    x: Tensor, filters: int, network: Network, name: str, margin: Margin = NO_MARGIN
) -> Tensor:
    """Add a depthwise 7 x 7 convolution and two 1 x 1 convolutions to the input.

    The first 1 x 1 convolution expands the channels to four times their number, and the second
    reduces them again (Liu et al. 2022, ConvNeXt, arXiv:2201.03545). Normalization and activation
    follow the options (in the paper: layer normalization and GELU). The block omits the paper's
    layer scale, which serves very deep networks.
    """
    # project before the branch: normalization over a single channel would remove its values
    shortcut = x = x if x.shape[-1] == filters else conv(x, filters, f"{name}_shortcut", size=1)
    x = layers.DepthwiseConv2D(7, padding="same", name=f"{name}_depthwise")(x)
    x = normalization(x, network, f"{name}_depthwise")
    x = conv(x, 4 * filters, f"{name}_expand", network.activation, size=1)
    x = dropout(x, network, f"{name}_expand")
    x = conv(x, filters, f"{name}_project", size=1)
    return layers.Add(name=f"{name}_add")([shortcut, attention(x, network, name, margin)])


NORMALIZATIONS: dict[str, Callable[..., keras.Layer]] = {
    "batch": layers.BatchNormalization,
    "layer": layers.LayerNormalization,
}

#: Keras's dropout layers. `MonteCarloDropout` is the Monte-Carlo form of all of them.
DROPOUTS: dict[str, Callable[..., keras.Layer]] = {
    "vanilla": layers.Dropout,
    "gaussian": layers.GaussianDropout,
    "spatial": layers.SpatialDropout2D,
}

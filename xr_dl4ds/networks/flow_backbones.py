"""Backbones of flow matching: features on HR cells, modulated by the time of the flow."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from keras import layers

from xr_dl4ds.config import CUSTOM_BACKBONES, Network
from xr_dl4ds.networks.backbones import backbone_by_name
from xr_dl4ds.networks.blocks import attention, conv, dropout, normalization
from xr_dl4ds.networks.layers import ChannelsToCells, CropTo, Modulation
from xr_dl4ds.networks.tensors import Tensor

#: Variance of the initial weights of the last convolution of a block, relative to Keras's default:
#: blocks begin near the identity (Zhang et al. 2019, Fixup, arXiv:1901.09321). In generators the
#: same changed nothing that could be told from chance (CRPS on test tiles, RMSE of ERA5).
BRANCH = 0.2
#: Largest number of filters of a level, relative to the first.
WIDEST = 4
#: Name of the parameter by which registered backbones take the embedding.
EMBEDDING = "embedding"

#: ``(x, network, embedding) -> x``
FlowBackbone = Callable[[Tensor, Network, Tensor], Tensor]


def modulated_block(x: Tensor, filters: int, network: Network, name: str, by: Tensor) -> Tensor:
    """Add two convolutions to the input, the first one modulated by an embedding.

    Parameters
    ----------
    x : tensor
        ``(batch, y, x, channel)``.
    filters : int
        Number of channels of the result.
    network : Network
        Architecture.
    name : str
        Name of the block.
    by : tensor
        Embedding of the time of the flow, ``(batch, feature)``.
    """
    shortcut = x if x.shape[-1] == filters else conv(x, filters, f"{name}_shortcut", size=1)
    x = normalization(conv(x, filters, f"{name}_conv1"), network, f"{name}_conv1")
    x = Modulation(name=f"{name}_modulation")([x, by])
    x = layers.Activation(network.activation, name=f"{name}_activation")(x)
    x = dropout(x, network, name)
    x = conv(x, filters, f"{name}_conv2", variance=BRANCH)
    return layers.Add(name=f"{name}_add")([shortcut, attention(x, network, name)])


def modulated_unet(x: Tensor, network: Network, embedding: Tensor) -> Tensor:
    """Apply a U-Net of modulated blocks.

    A level is made from blocks of 2 x 2 cells of the finer one by a strided convolution; an odd
    last row or column is completed by zeros. The decoder makes 2 x 2 cells of each cell by a 1 x 1
    convolution, and adds the features of each level. The number of filters doubles at each level,
    up to four times that of the first.
    """
    assert network.n_blocks is not None
    filters = [network.filters * min(2**i, WIDEST) for i in range(network.n_blocks + 1)]
    x = conv(x, filters[0], "backbone_first")
    levels = []
    for i, n in enumerate(filters[:-1], start=1):
        x = modulated_block(x, n, network, f"backbone_encoder{i}", embedding)
        levels.append(x)
        coarser = layers.Conv2D(filters[i], 2, 2, padding="same", name=f"backbone_down{i}")
        x = coarser(x)
    for part in ("a", "b"):
        x = modulated_block(x, filters[-1], network, f"backbone_bottleneck_{part}", embedding)
    for i, level in reversed(list(enumerate(levels, start=1))):
        x = conv(x, 4 * filters[i - 1], f"backbone_decoder{i}_conv", size=1)
        x = ChannelsToCells(2, name=f"backbone_decoder{i}_cells")(x)
        x = CropTo(name=f"backbone_decoder{i}_crop")([x, level])
        x = layers.Add(name=f"backbone_decoder{i}_add")([level, x])
        x = modulated_block(x, filters[i - 1], network, f"backbone_decoder{i}_block", embedding)
    return x


def _stack(x: Tensor, network: Network, embedding: Tensor) -> Tensor:
    """Apply the blocks of a backbone, each after a modulation of its input."""
    assert network.n_blocks is not None
    block = backbone_by_name(network.backbone).block
    first = x = conv(x, network.filters, "backbone_first")
    for i in range(network.n_blocks):
        x = Modulation(name=f"backbone_modulation{i + 1}")([x, embedding])
        x = block(x, network.filters, network, f"backbone_block{i + 1}")
    return layers.Add(name="backbone_add")([first, conv(x, network.filters, "backbone_last")])


def flow_backbone(name: str) -> FlowBackbone:
    """Return a backbone of flow matching by its name, built in or registered.

    Raises
    ------
    ValueError
        If a registered backbone takes no embedding.
    """
    if name not in CUSTOM_BACKBONES:
        return modulated_unet if name == "unet" else _stack
    build: Callable[..., Tensor] = CUSTOM_BACKBONES[name]
    if EMBEDDING not in inspect.signature(build).parameters:
        raise ValueError(
            f"Expected the backbone {name!r} to take the time of the flow for"
            f" training=xr_dl4ds.FlowMatching(...), got {name}{inspect.signature(build)}. Add the"
            f" parameter {EMBEDDING!r}, features (batch, feature) on which its blocks depend."
        )
    return lambda x, network, embedding: build(x, network, embedding=embedding)

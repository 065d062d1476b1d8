"""Backbones: networks that turn input fields into features on the same grid.

Most backbones are stacks: a convolution, blocks and a convolution. A skip connection joins the
output of the first convolution with the output of the last one.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import keras
from keras import layers

from xr_dl4ds.config import CUSTOM_BACKBONES, Network
from xr_dl4ds.networks.blocks import (
    Block,
    conv,
    convnext_block,
    convolutional_block,
    dense_block,
    residual_block,
)
from xr_dl4ds.networks.margins import Margin
from xr_dl4ds.networks.tensors import Tensor
from xr_dl4ds.networks.unet import unet

#: Rows and columns of the input with which a registered backbone is tested.
TRIAL = (13, 17)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Backbone:
    """A backbone, and the block that belongs to it.

    Parameters
    ----------
    build : callable
        ``(x, network, margin) -> x``. Channel attention leaves the margin of `x` out.
    block : callable
        The block from which the HR side of the network is made.
    """

    build: Callable[[Tensor, Network, Margin], Tensor]
    block: Block


def _add(first: Tensor, last: Tensor) -> Tensor:
    return layers.Add(name="backbone_add")([first, last])


def _concatenate(first: Tensor, last: Tensor) -> Tensor:
    return layers.Concatenate(name="backbone_concatenate")([first, last])


def _last(first: Tensor, last: Tensor) -> Tensor:
    return last


def _stack(
    x: Tensor,
    network: Network,
    margin: Margin,
    *,
    block: Block,
    join: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """Apply a convolution, `n_blocks` blocks and a convolution, then join both convolutions."""
    assert network.n_blocks is not None
    first = x = conv(x, network.filters, "backbone_first")
    for i in range(network.n_blocks):
        x = block(x, network.filters, network, f"backbone_block{i + 1}", margin)
    return join(first, conv(x, network.filters, "backbone_last"))


def _stack_of(block: Block, join: Callable[[Tensor, Tensor], Tensor]) -> Backbone:
    return Backbone(build=functools.partial(_stack, block=block, join=join), block=block)


BACKBONES: dict[str, Backbone] = {
    "convnet": _stack_of(convolutional_block, _last),
    "resnet": _stack_of(residual_block, _add),
    "densenet": _stack_of(dense_block, _concatenate),
    "unet": Backbone(build=unet, block=convolutional_block),
    "convnext": _stack_of(convnext_block, _add),
}


def backbone_by_name(name: str) -> Backbone:
    """Return a backbone by its name, built in or registered."""
    if name in BACKBONES:
        return BACKBONES[name]
    return Backbone(build=_checked(name), block=convolutional_block)


def _checked(name: str) -> Callable[[Tensor, Network, Margin], Tensor]:
    """Return a registered backbone that raises if its output is not on the grid of its input."""

    def build(x: Tensor, network: Network, margin: Margin) -> Tensor:
        # y and x of the network are undefined: an input of known size shows whether they change
        trial = CUSTOM_BACKBONES[name](keras.Input((*TRIAL, x.shape[-1])), network)
        shape = getattr(trial, "shape", ())
        if len(shape) != 4 or shape[1:3] != TRIAL:
            raise ValueError(
                f"Expected the backbone {name!r} to return features (batch, y, x, channel) with"
                f" the y and x of its input, {TRIAL}, got {trial!r}. Use padding='same' and no"
                " strides."
            )
        return CUSTOM_BACKBONES[name](x, network)

    return build

"""Backbones: what turns input fields into features, on the grid that it is given.

A stack is a convolution, blocks, and a convolution, with a skip across from the first to the last.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

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
from xr_dl4ds.networks.unet import unet

#: Rows and columns on which a registered backbone is tried out.
TRIAL = (13, 17)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Backbone:
    """What tells one backbone from another.

    Parameters
    ----------
    build : callable
        ``(x, network) -> x``.
    block : callable
        The block that the HR side of the network is made of.
    """

    build: Callable[[Any, Network], Any]
    block: Block


def _add(first: Any, last: Any) -> Any:
    return layers.Add(name="backbone_add")([first, last])


def _concatenate(first: Any, last: Any) -> Any:
    return layers.Concatenate(name="backbone_concatenate")([first, last])


def _last(first: Any, last: Any) -> Any:
    return last


def _stack(x: Any, network: Network, *, block: Block, join: Callable[[Any, Any], Any]) -> Any:
    """A convolution, `n_blocks` blocks, a convolution, and the two joined."""
    assert network.n_blocks is not None
    first = x = conv(x, network.n_filters, "backbone_first")
    for i in range(network.n_blocks):
        x = block(x, network.n_filters, network, f"backbone_block{i + 1}")
    return join(first, conv(x, network.n_filters, "backbone_last"))


def _stack_of(block: Block, join: Callable[[Any, Any], Any]) -> Backbone:
    return Backbone(build=functools.partial(_stack, block=block, join=join), block=block)


BACKBONES: dict[str, Backbone] = {
    "convnet": _stack_of(convolutional_block, _last),
    "resnet": _stack_of(residual_block, _add),
    "densenet": _stack_of(dense_block, _concatenate),
    "unet": Backbone(build=unet, block=convolutional_block),
    "convnext": _stack_of(convnext_block, _add),
}


def find(name: str) -> Backbone:
    """The backbone of that name, built in or registered."""
    if name in BACKBONES:
        return BACKBONES[name]
    return Backbone(build=_checked(name), block=convolutional_block)


def _checked(name: str) -> Callable[[Any, Network], Any]:
    """The registered function; its result must be on the grid of its input."""

    def build(x: Any, network: Network) -> Any:
        # y and x of the network are open: a size of its own shows what happens to them
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

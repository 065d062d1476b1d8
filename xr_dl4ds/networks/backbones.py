"""Backbones: a convolution, a stack of blocks, a convolution, and how the two ends are joined."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from keras import layers

from xr_dl4ds.networks.blocks import conv, convolutional_block, residual_block


@dataclasses.dataclass(frozen=True, kw_only=True)
class Backbone:
    """What tells one backbone from another.

    Parameters
    ----------
    block : callable
        ``(x, filters, *, activation, name) -> x``.
    join : callable
        ``(first, last) -> x``: the skip across the whole stack.
    """

    block: Callable[..., Any]
    join: Callable[[Any, Any], Any]


def _add(first: Any, last: Any) -> Any:
    return layers.Add(name="backbone_add")([first, last])


def _last(first: Any, last: Any) -> Any:
    return last


BACKBONES: dict[str, Backbone] = {
    "convnet": Backbone(block=convolutional_block, join=_last),
    "resnet": Backbone(block=residual_block, join=_add),
}


def backbone(x: Any, name: str, *, n_filters: int, n_blocks: int, activation: str) -> Any:
    """Run the named backbone, ``(batch, y, x, channel)`` -> ``(batch, y, x, n_filters)``."""
    chosen = BACKBONES[name]
    first = x = conv(x, n_filters, "backbone_first")
    for i in range(n_blocks):
        x = chosen.block(x, n_filters, activation=activation, name=f"backbone_block{i + 1}")
    return chosen.join(first, conv(x, n_filters, "backbone_last"))

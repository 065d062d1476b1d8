"""The generator: LR fields and HR static fields in, HR fields out.

Topology after DL4DS (Gomez Gonzalez 2023, doi:10.1017/eds.2022.26): backbone, upsampling, HR static
branch, transition, block, output. New here: the residual on the interpolated LR field, a constant
number of filters, and sizes left open so that one network serves domains of any size.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
from collections.abc import Iterator
from typing import Any

import keras
from keras import layers

from xr_dl4ds.config import Network
from xr_dl4ds.layers import Interpolation
from xr_dl4ds.networks.backbones import BACKBONES, backbone
from xr_dl4ds.networks.blocks import conv
from xr_dl4ds.networks.settings import own_keras
from xr_dl4ds.networks.upsampling import UPSAMPLINGS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ports:
    """What goes in and out of a generator.

    Parameters
    ----------
    n_lr : int
        LR input channels.
    n_static : int
        HR input channels; with 0 there is no second input.
    skips : tuple of int or None
        For each output channel, the LR channel that is the same variable, if there is one.
    scale : int
        HR cells along one edge of an LR cell.
    interpolation : {"bicubic", "bilinear", "nearest"}
        Interpolation of the skip and of pre-upsampling.
    """

    n_lr: int
    n_static: int
    skips: tuple[int | None, ...]
    scale: int
    interpolation: str = "bicubic"


def generator(
    network: Network, ports: Ports, *, seed: int = 0, precision: str = "float32"
) -> keras.Model:
    """Build the generator.

    Parameters
    ----------
    network : Network
        Architecture.
    ports : Ports
        Inputs and outputs.
    seed : int
        Seed of the initial weights.
    precision : {"float32", "mixed_bfloat16", "mixed_float16"}
        Arithmetic inside; output and interpolation are always float32.

    Returns
    -------
    keras.Model
        Inputs ``{"lr": (batch, y, x, n_lr), "static": (batch, scale*y, scale*x, n_static)}``
        (without "static" when `n_static` is 0), output ``(batch, scale*y, scale*x, len(skips))``.
    """
    with _building(seed, precision):
        lr = keras.Input((None, None, ports.n_lr), name="lr")
        inputs = {"lr": lr}
        x = _refine(lr, network, ports)
        if ports.n_static:
            inputs["static"] = keras.Input((None, None, ports.n_static), name="static")
            x = _join_static(x, inputs["static"], network)
        return keras.Model(inputs, _output(x, lr, network, ports), name="generator")


def _refine(lr: Any, network: Network, ports: Ports) -> Any:
    """Backbone and upsampling, in the order that the upsampling asks for."""
    options: dict[str, Any] = {
        "n_filters": network.n_filters,
        "n_blocks": network.n_blocks,
        "activation": network.activation,
    }
    if network.upsampling not in UPSAMPLINGS:
        x = Interpolation(
            ports.scale, ports.interpolation, dtype="float32", name="upsampling_interpolation"
        )(lr)
        return backbone(x, network.backbone, **options)
    x = backbone(lr, network.backbone, **options)
    if ports.scale == 1:
        return x
    return UPSAMPLINGS[network.upsampling](x, _hr_filters(network), ports.scale)


def _join_static(x: Any, static: Any, network: Network) -> Any:
    """One block of the backbone's kind on the HR static fields, concatenated."""
    block = BACKBONES[network.backbone].block
    branch = block(static, _hr_filters(network), activation=network.activation, name="static")
    return layers.Concatenate(name="static_concatenate")([x, branch])


def _output(x: Any, lr: Any, network: Network, ports: Ports) -> Any:
    """Transition, block, output channels and the skip."""
    skip = network.interpolation_skip and any(s is not None for s in ports.skips)
    x = conv(x, _hr_filters(network), "transition", network.activation, size=1)
    block = BACKBONES[network.backbone].block
    x = block(x, _hr_filters(network), activation=network.activation, name="output_block")
    x = layers.Conv2D(
        len(ports.skips),
        3,
        padding="same",
        # a residual network that begins at the interpolated field itself starts ahead
        kernel_initializer="zeros" if skip else "glorot_uniform",
        dtype="float32",
        name="output",
    )(x)
    if not skip:
        return x
    coarse = Interpolation(
        ports.scale, ports.interpolation, ports.skips, dtype="float32", name="skip"
    )(lr)
    return layers.Add(dtype="float32", name="skip_add")([x, coarse])


def _hr_filters(network: Network) -> int:
    """Filters on the HR grid, where a filter costs scale**2 as much: half of the backbone's."""
    return max(network.n_filters // 2, 4)


@contextlib.contextmanager
def _building(seed: int, precision: str) -> Iterator[None]:
    """Seed and dtype policy for the layers built inside; the caller's own state comes back.

    Keras draws the default seed of each initializer from Python's `random`.
    """
    with own_keras(precision):
        state = random.getstate()
        try:
            random.seed(seed)
            yield
        finally:
            random.setstate(state)

"""The generator: LR fields and HR static fields in, HR fields out.

Topology after DL4DS (Gomez Gonzalez 2023, doi:10.1017/eds.2022.26): backbone, upsampling, HR static
branch, transition, block, output. New here: the residual on the interpolated LR field, constraints,
a constant number of filters, and sizes left open so that one network serves domains of any size.

One builder serves single time steps and sequences: only a backbone knows of time. Everything else
works on fields ``(batch * time, y, x, channel)``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
from keras import layers, ops

from xr_dl4ds.config import LEARNED_UPSAMPLINGS, Network
from xr_dl4ds.layers import FoldTime, Interpolation, RepeatOverTime, UnfoldTime
from xr_dl4ds.networks.backbones import find
from xr_dl4ds.networks.blocks import hr_filters
from xr_dl4ds.networks.output import output
from xr_dl4ds.networks.settings import building
from xr_dl4ds.networks.upsampling import upsample


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ports:
    """What goes in and out of a generator.

    Parameters
    ----------
    n_lr : int
        LR input channels.
    n_static : int
        HR input channels; with 0 there is no such input.
    skips : tuple of int or None
        For each output channel, the LR channel that is the same variable, if there is one.
    scale : int
        HR cells along one edge of an LR cell.
    interpolation : {"bicubic", "bilinear", "nearest"}
        Interpolation of the skip and of pre-upsampling.
    sequence : bool
        Whether samples are sequences of time steps.
    shape : tuple of int, optional
        Rows and columns of the training HR grid, for localized weights.
    circle : bool
        Whether that grid goes once around the globe.
    zeros : tuple of float, optional
        For each output channel, what is added to a scaled value to measure it from the zero of
        activation and constraint; none by default.
    masked : bool
        Whether there is an input that says which HR cells count in the means of the constraint.
    n_noise : int
        Channels of normal noise on the HR grid; with 0 there is no such input.
    distributions : tuple of {"gaussian", "bernoulli_gamma"} or None, optional
        For each output channel, the distribution that is fitted, whose mean it then is; its further
        parameters follow, see `xr_dl4ds.config.distributions.parameter_channels`.
    """

    n_lr: int
    n_static: int
    skips: tuple[int | None, ...]
    scale: int
    interpolation: str = "bicubic"
    sequence: bool = False
    shape: tuple[int, int] | None = None
    circle: bool = False
    zeros: tuple[float, ...] | None = None
    masked: bool = False
    n_noise: int = 0
    distributions: tuple[str | None, ...] | None = None


def generator(
    network: Network, ports: Ports, *, seed: int = 0, precision: str = "float32"
) -> keras.Model:
    """Build the generator.

    Parameters
    ----------
    network : Network
        Architecture, settled: `upsampling` and `n_blocks` are known (`xr_dl4ds.config.settled`),
        "auto" for `constraint` is none.
    ports : Ports
        Inputs and outputs.
    seed : int
        Seed of the initial weights.
    precision : {"float32", "mixed_bfloat16", "mixed_float16"}
        Arithmetic inside; output and interpolation are always float32.

    Returns
    -------
    keras.Model
        Inputs by name: "lr" ``(batch, y, x, n_lr)`` or, for sequences, ``(batch, time, y, x,
        n_lr)``; "static" ``(batch, scale*y, scale*x, n_static)``; "valid" ``(batch, scale*y,
        scale*x, len(skips))``, 1 where an HR cell counts; "position" ``(batch, 2)``, row and column
        of the first HR cell in the training domain; "noise" ``(batch, [time,] scale*y, scale*x,
        n_noise)``, standard normal or zeros; each only where it is needed. Output ``(batch,
        [time,] scale*y, scale*x, len(skips))``, and after these channels the parameters of
        distributions.
    """
    with building(seed, precision):
        inputs = _inputs(network, ports)
        lr = inputs["lr"]
        fields = {name: _by_step(x, lr) for name, x in inputs.items() if name != "static"}
        x = _refine(lr, fields, network, ports)
        if ports.n_static:
            block = find(network.backbone).block
            branch = block(inputs["static"], hr_filters(network), network, "static")
            branch = _by_step(branch, lr)
            x = layers.Concatenate(name="static_concatenate")([x, branch])
        if ports.n_noise:
            x = layers.Concatenate(name="noise_concatenate")([x, fields["noise"]])
        x = output(x, fields, network, ports)
        if ports.sequence:
            x = UnfoldTime(dtype="float32", name="sequence")([x, lr])
        return keras.Model(inputs, x, name="generator")


def _inputs(network: Network, ports: Ports) -> dict[str, Any]:
    time = (None,) if ports.sequence else ()
    inputs = {"lr": keras.Input((*time, None, None, ports.n_lr), name="lr")}
    if ports.n_static:
        inputs["static"] = keras.Input((None, None, ports.n_static), name="static")
    if ports.masked:
        inputs["valid"] = keras.Input((None, None, len(ports.skips)), name="valid")
    if network.localized:
        inputs["position"] = keras.Input((2,), dtype="int32", name="position")
    if ports.n_noise:
        inputs["noise"] = keras.Input((*time, None, None, ports.n_noise), name="noise")
    return inputs


def _by_step(x: Any, lr: Any) -> Any:
    """One entry of the batch for each time step; as it is for samples without time."""
    if len(lr.shape) == 4:
        return x
    name = f"{x.name}_steps"
    if len(x.shape) == 5:
        return FoldTime(dtype="float32", name=name)(x)
    return RepeatOverTime(dtype=x.dtype, name=name)([x, lr])


def _refine(lr: Any, fields: Mapping[str, Any], network: Network, ports: Ports) -> Any:
    """Backbone and upsampling, in the order that the upsampling asks for."""
    build = find(network.backbone).build
    if network.upsampling in LEARNED_UPSAMPLINGS:
        x = build(_with_coarse_noise(lr, fields, ports), network)
        x = FoldTime(name="backbone_steps")(x) if ports.sequence else x
        filters = hr_filters(network)
        return upsample(x, network.upsampling, filters, ports.scale, network.activation)
    x = Interpolation(
        ports.scale, ports.interpolation, dtype="float32", name="upsampling_interpolation"
    )(fields["lr"])
    if ports.n_noise:
        x = layers.Concatenate(dtype="float32", name="noise_first")([x, fields["noise"]])
    if not ports.sequence:
        return build(x, network)
    x = build(UnfoldTime(dtype="float32", name="upsampling_sequence")([x, lr]), network)
    return FoldTime(name="backbone_steps")(x)


def _with_coarse_noise(lr: Any, fields: Mapping[str, Any], ports: Ports) -> Any:
    """LR channels, and the noise of the HR cells of each LR cell as channels beside them."""
    if not ports.n_noise:
        return lr
    noise = fields["noise"]
    if ports.scale > 1:
        noise = ops.space_to_depth(noise, ports.scale)
    if ports.sequence:
        noise = UnfoldTime(dtype="float32", name="noise_sequence")([noise, lr])
    # LR first: whoever follows the columns through the graph follows its own
    return layers.Concatenate(dtype="float32", name="noise_first")([lr, noise])

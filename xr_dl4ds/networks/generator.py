"""The generator, which computes HR fields from LR fields and HR static fields.

The topology follows DL4DS (Gomez Gonzalez 2023, doi:10.1017/eds.2022.26): backbone, upsampling, HR
static branch, transition, block, output. Differences from DL4DS: the network learns the residual
from the interpolated LR field, it may have constraints, the number of filters is constant, and
sizes are undefined, so that one network serves domains of any size.

The same code builds networks for single time steps and for sequences. Only the backbone sees the
time axis; all other parts work on fields ``(batch * time, y, x, channel)``.
"""

from __future__ import annotations

from collections.abc import Mapping

import keras
from keras import layers

from xr_dl4ds.config import LEARNED_UPSAMPLINGS, Network
from xr_dl4ds.networks.backbones import backbone_by_name
from xr_dl4ds.networks.blocks import by_step, hr_filters
from xr_dl4ds.networks.keras_settings import building
from xr_dl4ds.networks.layers import (
    CellsToChannels,
    FoldTime,
    Interpolation,
    UnfoldTime,
    through_curves,
)
from xr_dl4ds.networks.lr_fields import fields_of
from xr_dl4ds.networks.margins import cropped, padded, square
from xr_dl4ds.networks.output import output
from xr_dl4ds.networks.ports import Ports
from xr_dl4ds.networks.tensors import Tensor
from xr_dl4ds.networks.upsampling import upsample


def generator(
    network: Network, ports: Ports, *, seed: int = 0, precision: str = "float32"
) -> keras.Model:
    """Build the generator.

    Parameters
    ----------
    network : Network
        Settled architecture: `upsampling` and `n_blocks` are known (`xr_dl4ds.config.settled`), and
        ``constraint="auto"`` means no constraint.
    ports : Ports
        Inputs and outputs.
    seed : int
        Seed of the initial weights.
    precision : {"float32", "mixed_bfloat16", "mixed_float16"}
        Arithmetic inside the network; output and interpolation are always float32.

    Returns
    -------
    keras.Model
        Inputs by name: "lr" ``(batch, y, x, n_lr)`` or, for sequences, ``(batch, time, y, x,
        n_lr)``, with ``ports.context`` further cells on each side; "static" ``(batch, hr_y,
        hr_x, n_static)``; "valid" ``(batch, hr_y, hr_x, target)``, 1 where an HR cell
        counts; "position" ``(batch, 2)``, row and column of the first HR cell in the training
        domain; "guess" ``(batch, [time,] hr_y, hr_x, target)``, the first guess; "noise"
        ``(batch, [time,] hr_y, hr_x, n_noise)``, standard normal or zeros.
        The network has only the inputs that it needs. Output: ``(batch, [time,] hr_y, hr_x,
        target)``, followed by the channels of distribution parameters.
    """
    with building(seed, precision):
        inputs = inputs_of(network, ports)
        lr = inputs["lr"]
        fields = fields_of(inputs, ports)
        x = _refine(fields["seen"], fields, network, ports)
        if ports.n_static:
            block = backbone_by_name(network.backbone).block
            static = through_curves(inputs["static"], ports.static_curves, "static_curves")
            branch = block(static, hr_filters(network), network, "static")
            branch = by_step(branch, lr)
            x = layers.Concatenate(name="static_concatenate")([x, branch])
        if ports.n_noise:
            x = layers.Concatenate(name="noise_concatenate")([x, fields["noise"]])
        x = output(x, fields, network, ports)
        if ports.sequence:
            x = UnfoldTime(dtype="float32", name="sequence")([x, lr])
        return keras.Model(inputs, x, name="generator")


def inputs_of(network: Network, ports: Ports) -> dict[str, Tensor]:
    """Return the inputs of a generator by name."""
    time = (None,) if ports.sequence else ()
    inputs = {"lr": keras.Input((*time, None, None, ports.n_lr), name="lr")}
    if ports.n_static:
        inputs["static"] = keras.Input((None, None, ports.n_static), name="static")
    if ports.masked:
        inputs["valid"] = keras.Input((None, None, len(ports.lr_channels)), name="valid")
    if network.localized:
        inputs["position"] = keras.Input((2,), dtype="int32", name="position")
    if ports.guessed:
        targets = len(ports.lr_channels)
        inputs["guess"] = keras.Input((*time, None, None, targets), name="guess")
    if ports.n_noise:
        inputs["noise"] = keras.Input((*time, None, None, ports.n_noise), name="noise")
    return inputs


def _refine(lr: Tensor, fields: Mapping[str, Tensor], network: Network, ports: Ports) -> Tensor:
    """Apply backbone and upsampling, in the order that the upsampling requires."""
    build = backbone_by_name(network.backbone).build
    margin, pooled = square(ports.context), square(ports.attention_margin)
    if network.upsampling in LEARNED_UPSAMPLINGS:
        x = build(_with_coarse_noise(lr, fields, ports), network, pooled)
        x = FoldTime(name="backbone_steps")(x) if ports.sequence else x
        x = cropped(x, margin, "backbone_crop")
        filters = hr_filters(network)
        return upsample(x, network.upsampling, filters, ports.scale, network.activation)
    margin, pooled = ports.scale.fine(margin), ports.scale.fine(pooled)
    x = Interpolation(
        ports.scale.public, ports.interpolation, dtype="float32", name="upsampling_interpolation"
    )(fields["lr"])
    if ports.n_noise:
        noise = padded(fields["noise"], margin)
        x = layers.Concatenate(dtype="float32", name="noise_first")([x, noise])
    if ports.sequence:
        x = build(UnfoldTime(dtype="float32", name="upsampling_sequence")([x, lr]), network, pooled)
        x = FoldTime(name="backbone_steps")(x)
    else:
        x = build(x, network, pooled)
    return cropped(x, margin, "backbone_crop")


def _with_coarse_noise(lr: Tensor, fields: Mapping[str, Tensor], ports: Ports) -> Tensor:
    """Append the noise of the HR cells of each LR cell to the LR channels."""
    if not ports.n_noise:
        return lr
    cells = CellsToChannels(ports.scale.public, name="noise_cells")(fields["noise"])
    noise = padded(cells, square(ports.context))
    if ports.sequence:
        noise = UnfoldTime(dtype="float32", name="noise_sequence")([noise, lr])
    # LR channels first: `take_weights` adds the weights of new channels (noise) at the end
    return layers.Concatenate(dtype="float32", name="noise_first")([lr, noise])

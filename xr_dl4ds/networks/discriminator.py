"""The discriminator, which judges each LR cell of LR and HR fields.

The discriminator is conditional and judges patches (Isola et al. 2017, arXiv:1611.07004): each LR
cell with its surroundings. Like the generator, it accepts fields of any size.
"""

from __future__ import annotations

import keras
from keras import layers, ops

from xr_dl4ds.config import Adversarial, Scale
from xr_dl4ds.networks.blocks import by_step, is_sequence
from xr_dl4ds.networks.keras_settings import building
from xr_dl4ds.networks.layers import CellsToChannels, NeighbourSteps, SpectralConv2D, UnfoldTime
from xr_dl4ds.networks.margins import cropped, square
from xr_dl4ds.networks.ports import Ports
from xr_dl4ds.networks.tensors import Tensor

#: Slope of the activation below 0. Without it no gradient would pass through negative features.
SLOPE = 0.2


def discriminator(
    settings: Adversarial, ports: Ports, *, seed: int = 0, precision: str = "float32"
) -> keras.Model:
    """Build the discriminator.

    Parameters
    ----------
    settings : Adversarial
        `discriminator_filters`, `discriminator_blocks` and `spectral_normalization`.
    ports : Ports
        Inputs and outputs of the generator.
    seed : int
        Seed of the initial weights.
    precision : {"float32", "mixed_bfloat16", "mixed_float16"}
        Arithmetic inside the network; the output is always float32.

    Returns
    -------
    keras.Model
        Inputs by name: "lr" ``(batch, [time,] y, x, n_lr)``; "hr" ``(batch, [time,] hr_y,
        hr_x, target)``, the true or generated targets (values, not distribution
        parameters); "static" ``(batch, hr_y, hr_x, n_static)``, if there are static fields.
        Output: ``(batch, [time,] y, x, 1)``, the logit of "true". In sequences each block extends
        the receptive field by one step before and one step after.
    """
    with building(seed, precision):
        inputs = _inputs(ports)
        lr, hr = inputs["lr"], inputs["hr"]
        coarse, fine = cropped(by_step(lr, lr), square(ports.context), "lr_crop"), by_step(hr, lr)
        if ports.n_static:
            static = by_step(inputs["static"], lr)
            fine = layers.Concatenate(dtype="float32", name="static_concatenate")([fine, static])
        n = settings.discriminator_filters
        coarse = _active(_conv(coarse, n, "lr_conv", settings))
        fine = _on_lr_grid(fine, settings, ports.scale)
        x = layers.Concatenate(name="concatenate")([coarse, fine])
        x = _conv(x, n, "join", settings, size=1)
        for i in range(settings.discriminator_blocks):
            x = _block(x, lr, settings, f"block{i + 1}")
        x = _conv(_active(x), 1, "judgement", settings, size=1, dtype="float32")
        if ports.sequence:
            x = UnfoldTime(dtype="float32", name="sequence")([x, lr])
        return keras.Model(inputs, x, name="discriminator")


def _inputs(ports: Ports) -> dict[str, Tensor]:
    time = (None,) if ports.sequence else ()
    inputs = {
        "lr": keras.Input((*time, None, None, ports.n_lr), name="lr"),
        "hr": keras.Input((*time, None, None, len(ports.lr_channels)), name="hr"),
    }
    if ports.n_static:
        inputs["static"] = keras.Input((None, None, ports.n_static), name="static")
    return inputs


def _on_lr_grid(x: Tensor, settings: Adversarial, scale: Scale) -> Tensor:
    """Turn HR fields into features of LR cells.

    A convolution on the HR grid sees the texture. A second convolution sees all HR cells of an LR
    cell at once. The first has half as many filters, because a filter costs more on the HR grid.
    """
    n = settings.discriminator_filters
    x = _active(_conv(x, max(n // 2, 4), "hr_conv", settings))
    x = CellsToChannels(scale.public, name="hr_cells")(x)
    return _active(_conv(x, n, "hr_coarse", settings, size=1))


def _block(x: Tensor, lr: Tensor, settings: Adversarial, name: str) -> Tensor:
    """Add two convolutions to the input; the first also sees the neighbouring time steps."""
    filters, seen = settings.discriminator_filters, _active(x)
    if is_sequence(lr):
        seen = NeighbourSteps(name=f"{name}_steps")([seen, lr])
    inner = _active(_conv(seen, filters, f"{name}_conv1", settings))
    return layers.Add(name=f"{name}_add")([x, _conv(inner, filters, f"{name}_conv2", settings)])


def _conv(
    x: Tensor,
    filters: int,
    name: str,
    settings: Adversarial,
    *,
    size: int = 3,
    dtype: str | None = None,
) -> Tensor:
    if settings.spectral_normalization:
        return SpectralConv2D(filters, size, dtype=dtype, name=name)(x)
    return layers.Conv2D(filters, size, padding="same", dtype=dtype, name=name)(x)


def _active(x: Tensor) -> Tensor:
    """Apply a leaky ReLU."""
    # plain operations, because TensorFlow's graph optimizer fails on the gradient of its own leaky
    # ReLU after a convolution and prints an error in the user's terminal
    return ops.maximum(x, SLOPE * x)

"""Networks of flow matching: the velocity, and fields from residuals and back.

The residual of the truth from a first guess, in units of its standard deviation, is made from noise
along a path. The velocity network says where a field on this path goes.
"""

from __future__ import annotations

from collections.abc import Mapping

import keras
from keras import layers

from xr_dl4ds.config import Network
from xr_dl4ds.networks.blocks import conv
from xr_dl4ds.networks.flow_backbones import flow_backbone, modulated_block
from xr_dl4ds.networks.generator import inputs_of
from xr_dl4ds.networks.keras_settings import building
from xr_dl4ds.networks.layers import (
    FlowTimeFeatures,
    FromResidual,
    Interpolation,
    OnRootScale,
    ToResidual,
    through_curves,
)
from xr_dl4ds.networks.lr_fields import fields_of, first_guess
from xr_dl4ds.networks.margins import cropped, square
from xr_dl4ds.networks.output import constrained
from xr_dl4ds.networks.ports import Ports
from xr_dl4ds.networks.tensors import Tensor

#: Inputs of the velocity network: residuals on their way from noise, and the time of the flow.
NOISY, FLOW_TIME = "noisy", "flow_time"
#: Input of `residual_network`: true fields.
TRUTH = "truth"
#: Features of the embedding of the time of the flow.
EMBEDDED = 64


def velocity_network(
    network: Network, ports: Ports, *, seed: int = 0, precision: str = "float32"
) -> keras.Model:
    """Build the network that returns the velocity of a residual on its way from noise.

    Parameters
    ----------
    network : Network
        Settled architecture.
    ports : Ports
        Inputs and outputs, with `residual_sizes` and `roots`.
    seed : int
        Seed of the initial weights.
    precision : {"float32", "mixed_bfloat16", "mixed_float16"}
        Arithmetic inside the network; the output is float32.

    Returns
    -------
    keras.Model
        Inputs of `xr_dl4ds.networks.generator` as far as it needs them, "noisy" ``(batch, hr_y,
        hr_x, target)`` and "flow_time" ``(batch, 1)``. Output: the velocity ``(batch, hr_y, hr_x,
        target)``, which begins at 0.
    """
    targets = len(ports.lr_channels)
    with building(seed, precision):
        inputs = _inputs(network, ports)
        inputs[NOISY] = keras.Input((None, None, targets), name=NOISY)
        inputs[FLOW_TIME] = keras.Input((1,), name=FLOW_TIME)
        fields = fields_of({n: x for n, x in inputs.items() if n != FLOW_TIME}, ports)
        embedding = _embedded(inputs[FLOW_TIME])
        noisy = fields[NOISY]
        if ports.masked:  # cells without truth are not on the path
            noisy = layers.Multiply(dtype="float32", name="noisy_valid")([noisy, fields["valid"]])
        parts = [noisy, _lr_features(fields, network, ports, embedding)]
        guess = first_guess(fields, network, ports)
        if guess is not None:
            parts.append(OnRootScale(*_scales(ports), name="guess_roots")(guess))
        if ports.n_static:
            curves = ports.static_curves
            parts.append(through_curves(inputs["static"], curves, "static_curves"))
        x = layers.Concatenate(dtype="float32", name="features")(parts)
        x = flow_backbone(network.backbone)(x, network, embedding)
        x = layers.Activation(network.activation, name="velocity_activation")(x)
        x = layers.Conv2D(
            targets,
            3,
            padding="same",
            kernel_initializer="zeros",
            dtype="float32",
            name="velocity",
        )(x)
        return keras.Model(inputs, x, name="velocity_network")


def residual_network(network: Network, ports: Ports) -> keras.Model:
    """Build the function from true fields to their residuals; it has no weights.

    Inputs: "lr" and "guess", as far as the first guess needs them, and "truth" ``(batch, hr_y,
    hr_x, target)``, scaled. Output: residuals of that shape.
    """
    with building(0):
        inputs = _inputs(network, ports)
        truth = keras.Input((None, None, len(ports.lr_channels)), name=TRUTH)
        guess = _guess_or_zero(fields_of(inputs, ports), network, ports, truth)
        made = ToResidual(*_scales(ports), name="residual")([truth, guess])
        return keras.Model({**inputs, TRUTH: truth}, made, name="residual_network")


def field_network(network: Network, ports: Ports) -> keras.Model:
    """Build the function from residuals to constrained fields; it has no weights.

    Inputs: those of `residual_network`, "valid" with masks, and "noisy", the residuals at the end
    of their path. Output: scaled fields ``(batch, hr_y, hr_x, target)``.
    """
    with building(0):
        inputs = _inputs(network, ports)
        noisy = keras.Input((None, None, len(ports.lr_channels)), name=NOISY)
        fields = fields_of(inputs, ports)
        guess = _guess_or_zero(fields, network, ports, noisy)
        made = FromResidual(*_scales(ports), name="fields")([noisy, guess])
        made = constrained(made, fields, network, ports)
        return keras.Model({**inputs, NOISY: noisy}, made, name="field_network")


def _inputs(network: Network, ports: Ports) -> dict[str, Tensor]:
    found: dict[str, Tensor] = inputs_of(network, ports)
    return found


def _scales(ports: Ports) -> tuple[tuple[float, ...], tuple[bool, ...], tuple[float, ...]]:
    zeros = ports.offsets_from_zero or (0.0,) * len(ports.lr_channels)
    return ports.residual_sizes, ports.roots, zeros


def _guess_or_zero(
    fields: Mapping[str, Tensor], network: Network, ports: Ports, like: Tensor
) -> Tensor:
    guess = first_guess(fields, network, ports)
    return layers.Rescaling(0.0, dtype="float32", name="no_guess")(like) if guess is None else guess


def _embedded(flow_time: Tensor) -> Tensor:
    x = FlowTimeFeatures(name="flow_time_features")(flow_time)
    for i in (1, 2):
        x = layers.Dense(EMBEDDED, activation="silu", name=f"flow_time_dense{i}")(x)
    return x


def _lr_features(
    fields: Mapping[str, Tensor], network: Network, ports: Ports, embedding: Tensor
) -> Tensor:
    """Return features of the LR fields and their surroundings, interpolated to HR cells."""
    filters = 2 * network.filters
    x = conv(fields["lr"], filters, "lr_first")
    for i in (1, 2):
        x = modulated_block(x, filters, network, f"lr_block{i}", embedding)
    x = conv(x, network.filters, "lr_last", size=1)
    x = Interpolation(ports.scale.public, "bilinear", dtype="float32", name="lr_interpolation")(x)
    return cropped(x, ports.scale.fine(square(ports.context)), "lr_crop")

"""The output module, which computes HR fields from HR features."""

from __future__ import annotations

from collections.abc import Mapping

from keras import layers

from xr_dl4ds.config import CONSTRAINTS, Network
from xr_dl4ds.networks.backbones import backbone_by_name
from xr_dl4ds.networks.blocks import conv, hr_filters
from xr_dl4ds.networks.heads import (
    amount_channels,
    as_location,
    held_references,
    latent_channels,
    seen_guess,
    with_parameters,
)
from xr_dl4ds.networks.layers import Constraint, LocallyConnected, OutputActivation
from xr_dl4ds.networks.lr_fields import first_guess
from xr_dl4ds.networks.ports import Ports
from xr_dl4ds.networks.tensors import Tensor

#: Channels of the locally connected convolution, as in DL4DS.
LOCALIZED_FILTERS = 2


def output(x: Tensor, fields: Mapping[str, Tensor], network: Network, ports: Ports) -> Tensor:
    """Apply transition, block, output convolution, skip, activation, constraint and parameters.

    Parameters
    ----------
    x : tensor
        Features ``(batch, hr_y, hr_x, channel)``.
    fields : mapping
        The inputs "valid", "position" and "guess" for the batch of `x`; "lr_near" and "lr_inside",
        the input "lr" with the cells around the domain that interpolation needs, and without any.
    network : Network
        Architecture.
    ports : Ports
        Inputs and outputs.

    Returns
    -------
    tensor
        ``(batch, hr_y, hr_x, target)``, float32, followed by the channels of
        distribution parameters.
    """
    filters = hr_filters(network)
    guess = first_guess(fields, network, ports)
    if guess is not None and latent_channels(ports):
        features = [x, seen_guess(guess, ports)]
        x = layers.Concatenate(name="guess_features_concatenate")(features)
    x = conv(x, filters, "transition", network.activation, size=1)
    if network.localized:
        x = _localized(x, fields["position"], ports)
    features = backbone_by_name(network.backbone).block(x, filters, network, "output_block")
    held = held_references(fields, network.constraint, ports)
    values = _fields(features, guess, held, fields, network, ports)
    return with_parameters(values, features, held, ports)


def _fields(
    x: Tensor,
    guess: Tensor | None,
    held: Mapping[str, Tensor],
    fields: Mapping[str, Tensor],
    network: Network,
    ports: Ports,
) -> Tensor:
    """Compute one channel for each target."""
    x = _channels(x, len(ports.lr_channels), guess is not None)
    if guess is not None:
        name = "guess_add" if ports.guessed else "skip_add"
        start = as_location(guess, held, network.constraint, ports)
        x = layers.Add(dtype="float32", name=name)([x, start])
    zeros = ports.offsets_from_zero or (0.0,) * len(ports.lr_channels)
    for activation, channels in _activations(network, ports).items():
        x = OutputActivation(
            activation, zeros, channels, dtype="float32", name="output_activation"
        )(x)
    return constrained(x, fields, network, ports)


def constrained(x: Tensor, fields: Mapping[str, Tensor], network: Network, ports: Ports) -> Tensor:
    """Apply the constraints to ``(batch, hr_y, hr_x, target)``.

    `fields` has "lr_inside" and, with masks, "valid".
    """
    zeros = ports.offsets_from_zero or (0.0,) * len(ports.lr_channels)
    for i, (kind, own) in enumerate(_constraints(network, ports).items()):
        name = "constraint" if i == 0 else f"constraint_{kind}"
        constraint = Constraint(
            kind,
            ports.scale.public,
            own,
            zeros,
            ports.corrections if kind == "multiplicative" else 0,
            dtype="float32",
            name=name,
        )
        x = constraint([x, fields["lr_inside"], *([fields["valid"]] if ports.masked else [])])
    return x


def _activations(network: Network, ports: Ports) -> dict[str, tuple[int, ...] | None]:
    """Choose the output activations and their channels (None for all channels).

    Without an output activation in the options, softplus applies to the amounts that no constraint
    keeps from becoming negative.
    """
    if network.output_activation is not None:
        return {network.output_activation: None}
    free = tuple(
        i
        for i in amount_channels(ports)
        if network.constraint not in CONSTRAINTS or ports.lr_channels[i] is None
    )
    return {"softplus": free} if free else {}


def _constraints(network: Network, ports: Ports) -> dict[str, tuple[int | None, ...]]:
    """Choose the constraints, with the LR channel of each output channel (None: unconstrained).

    The additive constraint could make an amount negative. Amounts get the multiplicative constraint
    instead.
    """
    if network.constraint not in CONSTRAINTS:
        return {}
    latent = latent_channels(ports)  # the constraint applies to their members
    fixed = tuple(None if i in latent else skip for i, skip in enumerate(ports.lr_channels))
    if latent and all(skip is None for skip in fixed):
        return {}
    amounts = amount_channels(ports) if network.constraint == "additive" else ()
    if not amounts:
        return {network.constraint: fixed}
    others = tuple(None if i in amounts else skip for i, skip in enumerate(fixed))
    own = tuple(skip if i in amounts else None for i, skip in enumerate(fixed))
    return {"additive": others, "multiplicative": own}


def _channels(x: Tensor, n: int, skip: bool) -> Tensor:
    return layers.Conv2D(
        n,
        3,
        padding="same",
        # with the skip, zero weights make the initial output the interpolated field: a better start
        kernel_initializer="zeros" if skip else "glorot_uniform",
        dtype="float32",
        name="output",
    )(x)


def _localized(x: Tensor, position: Tensor, ports: Ports) -> Tensor:
    """Append a few channels with separate weights for each cell."""
    assert ports.shape is not None
    few = conv(x, LOCALIZED_FILTERS, "localized_transition", size=1)
    own = LocallyConnected(
        LOCALIZED_FILTERS, ports.shape, wrap=ports.global_domain, name="localized"
    )
    return layers.Concatenate(name="localized_concatenate")([x, own([few, position])])

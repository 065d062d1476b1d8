"""The output module: from HR features to HR fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from keras import layers

from xr_dl4ds.config import CONSTRAINTS, Network
from xr_dl4ds.layers import Constraint, Interpolation, LocallyConnected, OutputActivation
from xr_dl4ds.networks.backbones import find
from xr_dl4ds.networks.blocks import conv, hr_filters
from xr_dl4ds.networks.heads import amount_channels, with_parameters

if TYPE_CHECKING:
    from xr_dl4ds.networks.generator import Ports

#: Channels that go through the locally connected convolution, as in DL4DS.
LOCALIZED_FILTERS = 2


def output(x: Any, fields: Mapping[str, Any], network: Network, ports: Ports) -> Any:
    """Transition, block, output channels, skip, activation, constraint and parameters.

    Parameters
    ----------
    x : tensor
        Features ``(batch, scale*y, scale*x, channel)``.
    fields : mapping
        The inputs "lr", "valid" and "position" with the same batch.
    network : Network
        Architecture.
    ports : Ports
        Inputs and outputs.

    Returns
    -------
    tensor
        ``(batch, scale*y, scale*x, len(ports.skips))``, float32; with distributions, their further
        parameters as well.
    """
    filters = hr_filters(network)
    x = conv(x, filters, "transition", network.activation, size=1)
    if network.localized:
        x = _localized(x, fields["position"], ports)
    features = find(network.backbone).block(x, filters, network, "output_block")
    return with_parameters(_fields(features, fields, network, ports), features, ports)


def _fields(x: Any, fields: Mapping[str, Any], network: Network, ports: Ports) -> Any:
    """One channel for each target."""
    skip = network.interpolation_skip and any(s is not None for s in ports.skips)
    x = _channels(x, len(ports.skips), skip)
    if skip:
        coarse = Interpolation(
            ports.scale, ports.interpolation, ports.skips, dtype="float32", name="skip"
        )(fields["lr"])
        x = layers.Add(dtype="float32", name="skip_add")([x, coarse])
    zeros = ports.zeros or (0.0,) * len(ports.skips)
    activations, constraints = _activations(network, ports), _constraints(network, ports)
    for activation, channels in activations.items():
        x = OutputActivation(
            activation, zeros, channels, dtype="float32", name="output_activation"
        )(x)
    for i, (kind, own) in enumerate(constraints.items()):
        name = "constraint" if i == 0 else f"constraint_{kind}"
        constraint = Constraint(kind, ports.scale, own, zeros, dtype="float32", name=name)
        x = constraint([x, fields["lr"], *([fields["valid"]] if ports.masked else [])])
    return x


def _activations(network: Network, ports: Ports) -> dict[str, tuple[int, ...] | None]:
    """Output activations and the channels that they are applied to, None for all.

    An amount that neither activation nor constraint keeps from falling below nothing has one.
    """
    if network.output_activation is not None:
        return {network.output_activation: None}
    free = tuple(
        i
        for i in amount_channels(ports)
        if network.constraint not in CONSTRAINTS or ports.skips[i] is None
    )
    return {"softplus": free} if free else {}


def _constraints(network: Network, ports: Ports) -> dict[str, tuple[int | None, ...]]:
    """Constraints, and for each channel its LR channel, None where it is left as it is.

    The additive one could take an amount below nothing; there the multiplicative one stands in.
    """
    if network.constraint not in CONSTRAINTS:
        return {}
    amounts = amount_channels(ports) if network.constraint == "additive" else ()
    if not amounts:
        return {network.constraint: ports.skips}
    others = tuple(None if i in amounts else skip for i, skip in enumerate(ports.skips))
    own = tuple(skip if i in amounts else None for i, skip in enumerate(ports.skips))
    return {"additive": others, "multiplicative": own}


def _channels(x: Any, n: int, skip: bool) -> Any:
    return layers.Conv2D(
        n,
        3,
        padding="same",
        # a residual network that begins at the interpolated field itself starts ahead
        kernel_initializer="zeros" if skip else "glorot_uniform",
        dtype="float32",
        name="output",
    )(x)


def _localized(x: Any, position: Any, ports: Ports) -> Any:
    """A few channels with weights of their own in each cell, beside the others."""
    assert ports.shape is not None
    few = conv(x, LOCALIZED_FILTERS, "localized_transition", size=1)
    own = LocallyConnected(LOCALIZED_FILTERS, ports.shape, wrap=ports.circle, name="localized")
    return layers.Concatenate(name="localized_concatenate")([x, own([few, position])])

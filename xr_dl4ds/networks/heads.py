"""The heads of a distribution: its parameters beside the mean, from the features of the output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import layers

from xr_dl4ds.config.choices import PARAMETERS
from xr_dl4ds.layers import DistributionParameters, LogAmount

if TYPE_CHECKING:
    from xr_dl4ds.networks.generator import Ports

#: The distribution of amounts: nothing, or gamma.
AMOUNTS = "bernoulli_gamma"


def with_parameters(mean: Any, features: Any, ports: Ports) -> Any:
    """The mean, and after it the parameters of the targets that have a distribution.

    A convolution sees the features and, for amounts, the logarithm of the mean as well: whether it
    rains, and how unevenly, depends on how much is expected. It begins with zeros, at the first
    guesses of `DistributionParameters`.

    Parameters
    ----------
    mean : tensor
        ``(batch, scale*y, scale*x, len(ports.skips))``, float32, as it leaves the constraint.
    features : tensor
        ``(batch, scale*y, scale*x, channel)``.
    ports : Ports
        Inputs and outputs.

    Returns
    -------
    tensor
        ``(batch, scale*y, scale*x, len(ports.skips) + parameters)``, float32; the order is that of
        `xr_dl4ds.config.distributions.parameter_channels`.
    """
    kinds = ports.distributions or ()
    parameters = tuple(p for kind in kinds if kind is not None for p in PARAMETERS[kind])
    if not parameters:
        return mean
    amounts = amount_channels(ports)
    if amounts:
        zeros = tuple((ports.zeros or (0.0,) * len(kinds))[i] for i in amounts)
        logarithm = LogAmount(amounts, zeros, dtype="float32", name="parameters_amount")(mean)
        features = layers.Concatenate(dtype="float32", name="parameters_features")(
            [features, logarithm]
        )
    raw = layers.Conv2D(
        len(parameters),
        3,
        padding="same",
        kernel_initializer="zeros",
        dtype="float32",
        name="parameters_conv",
    )(features)
    made = DistributionParameters(parameters, dtype="float32", name="parameters")(raw)
    return layers.Concatenate(dtype="float32", name="parameters_concatenate")([mean, made])


def amount_channels(ports: Ports) -> tuple[int, ...]:
    """Targets whose mean is an amount, never below nothing."""
    return tuple(i for i, kind in enumerate(ports.distributions or ()) if kind == AMOUNTS)

"""Distribution heads: the parameters of a distribution beside its mean."""

from __future__ import annotations

from keras import layers

from xr_dl4ds.config.choices import PARAMETERS
from xr_dl4ds.networks.layers import DistributionParameters, LogAmount
from xr_dl4ds.networks.ports import Ports
from xr_dl4ds.networks.tensors import Tensor

#: The distribution of amounts: zero or gamma distributed.
AMOUNTS = "bernoulli_gamma"


def with_parameters(mean: Tensor, features: Tensor, ports: Ports) -> Tensor:
    """Append the distribution parameters of the targets to their mean.

    A convolution computes the parameters from the features and, for amounts, from the logarithm of
    the mean: the chance of rain and its variability depend on the expected amount. The kernel of
    the convolution starts at zero, so that the parameters start at the first guesses of
    `DistributionParameters`.

    Parameters
    ----------
    mean : tensor
        ``(batch, hr_y, hr_x, target)``, float32, the output of the constraint.
    features : tensor
        ``(batch, hr_y, hr_x, channel)``.
    ports : Ports
        Inputs and outputs.

    Returns
    -------
    tensor
        ``(batch, hr_y, hr_x, target + parameter)``, float32, in the order of
        `xr_dl4ds.config.distribution_channels.parameter_channels`.
    """
    kinds = ports.distributions or ()
    parameters = tuple(p for kind in kinds if kind is not None for p in PARAMETERS[kind])
    if not parameters:
        return mean
    amounts = amount_channels(ports)
    if amounts:
        zeros = tuple((ports.offsets_from_zero or (0.0,) * len(kinds))[i] for i in amounts)
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
    """Return the targets whose mean is an amount, which is never negative."""
    return tuple(i for i, kind in enumerate(ports.distributions or ()) if kind == AMOUNTS)

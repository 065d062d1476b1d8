"""Distribution heads: the parameters of a distribution beside its mean."""

from __future__ import annotations

from collections.abc import Mapping

from keras import layers

from xr_dl4ds.config import CONSTRAINTS
from xr_dl4ds.config.choices import PARAMETERS
from xr_dl4ds.config.distribution_channels import HELD, is_latent, is_latent_amount
from xr_dl4ds.networks.layers import (
    DistributionParameters,
    GuessFeatures,
    Interpolation,
    LatentLocation,
    LogAmount,
)
from xr_dl4ds.networks.layers.interpolation import REACH
from xr_dl4ds.networks.margins import cropped, square
from xr_dl4ds.networks.ports import Ports
from xr_dl4ds.networks.tensors import Tensor

#: The distribution of amounts: zero or gamma distributed.
AMOUNTS = "bernoulli_gamma"


def with_parameters(
    mean: Tensor, features: Tensor, held: Mapping[str, Tensor], ports: Ports
) -> Tensor:
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
    held : mapping of tensor
        The parameters that are not learned, see `held_references`.
    ports : Ports
        Inputs and outputs.

    Returns
    -------
    tensor
        ``(batch, hr_y, hr_x, target + parameter)``, float32, in the order of
        `xr_dl4ds.config.distribution_channels.parameter_channels`.
    """
    kinds = ports.distributions or ()
    every = tuple(p for kind in kinds if kind is not None for p in PARAMETERS[kind])
    learned = tuple(p for p in every if p not in HELD)
    if not learned:
        return mean
    amounts = amount_channels(ports)
    if amounts:
        zeros = tuple((ports.offsets_from_zero or (0.0,) * len(kinds))[i] for i in amounts)
        logarithm = LogAmount(amounts, zeros, dtype="float32", name="parameters_amount")(mean)
        features = layers.Concatenate(dtype="float32", name="parameters_features")(
            [features, logarithm]
        )
    raw = layers.Conv2D(
        len(learned),
        3,
        padding="same",
        kernel_initializer="zeros",
        dtype="float32",
        name="parameters_conv",
    )(features)
    inputs = [raw, *held.values()] if held else raw
    made = DistributionParameters(every, dtype="float32", name="parameters")(inputs)
    return layers.Concatenate(dtype="float32", name="parameters_concatenate")([mean, made])


def amount_channels(ports: Ports) -> tuple[int, ...]:
    """Return the targets whose mean is an amount, or that are made from roots of amounts."""
    kinds, roots = (ports.distributions or ()), ports.roots
    found = {i for i, kind in enumerate(kinds) if kind == AMOUNTS}
    return tuple(sorted(found | {i for i, root in enumerate(roots) if root}))


def latent_channels(ports: Ports) -> tuple[int, ...]:
    """Return the targets whose members are drawn from latent Gaussian fields."""
    return tuple(i for i, kind in enumerate(ports.distributions or ()) if is_latent(kind))


def fixed_channels(ports: Ports, constraint: str | None) -> tuple[int | None, ...]:
    """Return, for each target, the LR channel that fixes its mean; None without constraint."""
    if constraint not in CONSTRAINTS:
        return (None,) * len(ports.lr_channels)
    return ports.lr_channels


def held_references(
    fields: Mapping[str, Tensor], constraint: str | None, ports: Ports
) -> dict[str, Tensor]:
    """Return LR values on HR cells, repeated and interpolated, for targets with latent members.

    Parameters
    ----------
    fields : mapping
        LR fields without cells around the domain, "lr_inside", and with a few, "lr_near".
    constraint : str, optional
        The constraint of the network; targets that it does not fix get 0.
    ports : Ports
        Inputs and outputs.

    Returns
    -------
    dict
        By the names in `config.distribution_channels.HELD`: "reference" ``(batch, hr_y, hr_x,
        latent target)`` and, if some of these targets are amounts, "smooth_reference" ``(batch,
        hr_y, hr_x, latent amount)``. Empty without such targets.
    """
    kinds, fixed = ports.distributions or (), fixed_channels(ports, constraint)
    scale, found = ports.scale.public, {}
    if latent_channels(ports):
        own = tuple(fixed[i] for i in latent_channels(ports))
        repeated = Interpolation(scale, "nearest", own, dtype="float32", name="references")
        found["reference"] = repeated(fields["lr_inside"])
    amounts = tuple(fixed[i] for i, kind in enumerate(kinds) if is_latent_amount(kind))
    if amounts:
        near = square(min(ports.context, REACH))
        smooth = Interpolation(
            scale, "bilinear", amounts, dtype="float32", name="references_smooth"
        )
        interpolated = smooth(fields["lr_near"])
        found["smooth_reference"] = cropped(interpolated, ports.scale.fine(near), "references_crop")
    return found


def as_location(
    guess: Tensor, held: Mapping[str, Tensor], constraint: str | None, ports: Ports
) -> Tensor:
    """Bring a first guess to the scale on which latent members are located.

    Parameters
    ----------
    guess : tensor
        ``(batch, hr_y, hr_x, target)``, scaled.
    held : mapping of tensor
        From `held_references`.
    constraint : str, optional
        The constraint of the network.
    ports : Ports
        Inputs and outputs.
    """
    kinds = ports.distributions or ()
    amounts = tuple(i for i, kind in enumerate(kinds) if is_latent_amount(kind))
    if not amounts:
        return guess
    fixed, zeros = fixed_channels(ports, constraint), ports.offsets_from_zero or (0.0,) * len(kinds)
    return LatentLocation(
        amounts,
        tuple(fixed[i] is not None for i in amounts),
        tuple(zeros[i] for i in amounts),
        dtype="float32",
        name="latent_location",
    )([guess, held["smooth_reference"]])


def seen_guess(guess: Tensor, ports: Ports) -> Tensor:
    """Return the first guess of targets with latent members as features; amounts as cube roots."""
    kinds, own = ports.distributions or (), latent_channels(ports)
    zeros = ports.offsets_from_zero or (0.0,) * len(kinds)
    return GuessFeatures(
        own,
        tuple(zeros[i] if is_latent_amount(kinds[i]) else None for i in own),
        dtype="float32",
        name="guess_features",
    )(guess)

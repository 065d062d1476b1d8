"""The networks of a model, built from its state and options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xr_dl4ds.config import Adversarial, Options, Sampling
from xr_dl4ds.config.distribution_channels import is_latent_amount
from xr_dl4ds.data.channels import Targets
from xr_dl4ds.data.state import State
from xr_dl4ds.processes import local

if TYPE_CHECKING:
    import keras

    from xr_dl4ds.networks import Ports
    from xr_dl4ds.networks.latent_members import LatentMembers


def build(
    state: State,
    options: Options,
    *,
    precision: str = "float32",
    global_domain: bool | None = None,
) -> keras.Model:
    """Build the generator with its initial weights.

    Parameters
    ----------
    state : State
        Variables, grids and statistics.
    options : Options
        The options of the model, with settled network options.
    precision : {"float32", "mixed_bfloat16", "mixed_float16"}
        Arithmetic inside the network.
    global_domain : bool, optional
        Whether the first column follows the last one; by default as in training.

    Returns
    -------
    keras.Model
        See `xr_dl4ds.networks.generator`.
    """
    from xr_dl4ds.networks import generator, periodic, velocity_network

    place = local()
    if place is not None:  # one of several workers: assign devices before first use
        from xr_dl4ds.training.devices import pin

        pin(*place)
    network, sampling = options.network, options.sampling
    ports = _ports(state, options)
    make = generator if options.flow is None else velocity_network
    built = make(network, ports, seed=sampling.seed, precision=precision)
    global_domain = (
        trains_on_global_domain(state, sampling) if global_domain is None else global_domain
    )
    return periodic(built) if global_domain else built


def field_network(state: State, options: Options, *, global_domain: bool) -> keras.Model:
    """Build the function from residuals to fields of flow matching, see `networks.flow`."""
    from xr_dl4ds.networks import field_network as build_fields
    from xr_dl4ds.networks import periodic

    built = build_fields(options.network, _ports(state, options))
    return periodic(built) if global_domain else built


def residual_network(state: State, options: Options) -> keras.Model:
    """Build the function from fields to residuals of flow matching, see `networks.flow`."""
    from xr_dl4ds.networks import periodic
    from xr_dl4ds.networks import residual_network as build_residuals

    built = build_residuals(options.network, _ports(state, options))
    return periodic(built) if trains_on_global_domain(state, options.sampling) else built


def build_discriminator(
    state: State, options: Options, *, precision: str = "float32"
) -> keras.Model | None:
    """Build the discriminator with its initial weights; return None for supervised training."""
    from xr_dl4ds.networks import discriminator, periodic

    sampling, training = options.sampling, options.training
    if not isinstance(training, Adversarial):
        return None
    ports = _ports(state, options)
    built = discriminator(training, ports, seed=sampling.seed, precision=precision)
    return periodic(built) if trains_on_global_domain(state, sampling) else built


def _ports(state: State, options: Options) -> Ports:
    from xr_dl4ds.networks import Ports

    network, sampling = options.network, options.sampling
    features, kinds, flow = state.features, state.distributions(options), state.flow
    return Ports(
        n_lr=features.n_lr,
        n_static=len(features.static),
        lr_channels=features.skips,
        scale=state.pairing.scale,
        interpolation=sampling.interpolation,
        sequence=sampling.time_window is not None,
        shape=state.pairing.hr.shape,
        global_domain=state.pairing.hr.x.periodic,
        offsets_from_zero=state.offsets_from_zero(network.output_activation),
        masked=state.masked and (network.constraint is not None or flow is not None),
        context=state.pairing.context,
        attention_margin=state.attention_margin,
        curves=_seen_amounts(
            _curves(sampling, [*features.lr_varying, *features.static], features.n_lr),
            _amounts_of_members(state, kinds),
        ),
        static_curves=_curves(sampling, features.static, len(features.static)),
        guessed=state.first_guess is not None or state.from_mean,
        n_noise=options.n_noise,
        distributions=kinds,
        corrections=state.corrections,
        residual_sizes=() if flow is None else flow.sizes,
        roots=() if flow is None else flow.roots,
    )


def _curves(sampling: Sampling, names: Sequence[str], channels: int) -> tuple[str | None, ...]:
    """Return the curve of each channel; the further channels hold no variable."""
    found = [sampling.curve_of(name) for name in names]
    return (*found, *[None] * (channels - len(found)))


def _amounts_of_members(state: State, kinds: Sequence[str | None]) -> list[int | None]:
    """Return the LR channels of amounts with latent noise, or made by flow matching."""
    roots = (False,) * len(kinds) if state.flow is None else state.flow.roots
    either = [is_latent_amount(kind) or root for kind, root in zip(kinds, roots, strict=True)]
    return [c for c, own in zip(state.features.skips, either, strict=True) if own]


def _seen_amounts(
    curves: tuple[str | None, ...], amounts: Sequence[int | None]
) -> tuple[str | None, ...]:
    """Show amounts of which members are made as cube roots, unless they have a curve."""
    return tuple("cbrt" if c is None and i in amounts else c for i, c in enumerate(curves))


def latent_members(state: State, options: Options) -> LatentMembers | None:
    """Return the function that draws latent members from the output of the network, if any are."""
    if state.latent is None:
        return None
    from xr_dl4ds.networks.latent_members import LatentMembers

    around = trains_on_global_domain(state, options.sampling)
    return LatentMembers(_ports(state, options), options.network.constraint, around)


def trains_on_global_domain(state: State, sampling: Sampling) -> bool:
    """Return whether samples cover all longitudes: whole fields with periodic longitudes."""
    return sampling.patch_size is None and state.pairing.lr.x.periodic


def targets_of(state: State, options: Options) -> Targets:
    """Return the names and scaled limits of the targets, which the losses need."""
    scaler, names = state.scaler, state.features.targets
    return Targets(
        names=names,
        low=tuple(scaler.scaled(name, scaler.of(name, "min")) for name in names),
        high=tuple(scaler.scaled(name, scaler.of(name, "max")) for name in names),
        offsets_from_zero=state.offsets_from_zero(options.network.output_activation),
        curves=_curves(options.sampling, names, len(names)),
    )

"""The network that belongs to a model's state and options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xr_dl4ds.config import Adversarial, Network, Sampling, Training
from xr_dl4ds.features import Targets
from xr_dl4ds.launched import local
from xr_dl4ds.state import State

if TYPE_CHECKING:
    import keras

    from xr_dl4ds.networks import Ports


def build(
    state: State,
    options: Mapping[str, Any],
    *,
    precision: str = "float32",
    circle: bool | None = None,
) -> keras.Model:
    """Build the generator with its initial weights.

    Parameters
    ----------
    state : State
        Variables, grids and statistics.
    options : mapping
        Option objects by role; the network's are settled.
    precision : {"float32", "mixed_bfloat16", "mixed_float16"}
        Arithmetic inside.
    circle : bool, optional
        Whether the last column's neighbour is the first one; by default where it is so in training.

    Returns
    -------
    keras.Model
        See `xr_dl4ds.networks.generator`.
    """
    from xr_dl4ds.networks import generator, periodic

    place = local()
    if place is not None:  # one of several on its host takes its devices before it uses any
        from xr_dl4ds.training.devices import pin

        pin(*place)
    network, sampling = options["network"], options["sampling"]
    ports = _ports(state, options)
    built = generator(network, ports, seed=sampling.seed, precision=precision)
    circle = trains_on_circle(state, sampling) if circle is None else circle
    return periodic(built) if circle else built


def build_discriminator(
    state: State, options: Mapping[str, Any], *, precision: str = "float32"
) -> keras.Model | None:
    """Build the discriminator with its initial weights; None where the training has none."""
    from xr_dl4ds.networks import discriminator, periodic

    sampling, training = options["sampling"], options["training"]
    if not isinstance(training, Adversarial):
        return None
    ports = _ports(state, options)
    built = discriminator(training, ports, seed=sampling.seed, precision=precision)
    return periodic(built) if trains_on_circle(state, sampling) else built


def _ports(state: State, options: Mapping[str, Any]) -> Ports:
    from xr_dl4ds.networks import Ports

    network: Network = options["network"]
    sampling: Sampling = options["sampling"]
    training: Training = options["training"]
    features = state.features
    return Ports(
        n_lr=features.n_lr,
        n_static=len(features.static),
        skips=features.skips,
        scale=state.pairing.scale,
        interpolation=sampling.interpolation,
        sequence=sampling.time_window is not None,
        shape=state.pairing.hr.shape,
        circle=state.pairing.hr.x.periodic,
        zeros=state.zeros(network.output_activation),
        masked=network.constraint is not None and state.masked,
        n_noise=training.n_noise,
        distributions=tuple(training.distribution_of(name) for name in features.targets),
    )


def trains_on_circle(state: State, sampling: Sampling) -> bool:
    """Whether samples go once around the globe: whole fields with periodic longitudes."""
    return sampling.patch_size is None and state.pairing.lr.x.periodic


def targets_of(state: State, network: Network) -> Targets:
    """What losses know of the targets."""
    scaler, names = state.scaler, state.features.targets
    return Targets(
        names=names,
        low=tuple(scaler.scaled(name, scaler.of(name, "min")) for name in names),
        high=tuple(scaler.scaled(name, scaler.of(name, "max")) for name in names),
        zeros=state.zeros(network.output_activation),
    )

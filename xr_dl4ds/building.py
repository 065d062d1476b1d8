"""The network that belongs to a model's state and options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xr_dl4ds.config import Network, Sampling
from xr_dl4ds.state import State

if TYPE_CHECKING:
    import keras


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
    from xr_dl4ds.networks import Ports, generator, periodic

    network: Network = options["network"]
    sampling: Sampling = options["sampling"]
    features = state.features
    ports = Ports(
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
    )
    built = generator(network, ports, seed=sampling.seed, precision=precision)
    circle = trains_on_circle(state, sampling) if circle is None else circle
    return periodic(built) if circle else built


def trains_on_circle(state: State, sampling: Sampling) -> bool:
    """Whether samples go once around the globe: whole fields with periodic longitudes."""
    return sampling.patch_size is None and state.pairing.lr.x.periodic


def ranges_of(state: State) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Least and largest scaled value of each target in training, for losses that need them."""
    scaler, targets = state.scaler, state.features.targets
    low = tuple(scaler.scaled(name, scaler.of(name, "min")) for name in targets)
    high = tuple(scaler.scaled(name, scaler.of(name, "max")) for name in targets)
    return low, high

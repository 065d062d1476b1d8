"""Application of a fitted model's network to the fields of a prediction."""

from __future__ import annotations

import keras

from xr_dl4ds.config import Options
from xr_dl4ds.data.state import State
from xr_dl4ds.inference.flow_path import Flow
from xr_dl4ds.inference.runner import Runner
from xr_dl4ds.model.build import (
    build,
    field_network,
    latent_members,
    trains_on_global_domain,
)


def runner_of(
    network: keras.Model, state: State, options: Options, *, name: str, mean: Runner | None
) -> Runner:
    """Return the runner of a model.

    Parameters
    ----------
    network : keras.Model
        The network as it was trained.
    state : State
        State of the fitted model.
    options : Options
        The options of the model.
    name : str
        Identifies the weights.
    mean : Runner, optional
        Runner of the supervised model at whose prediction flow matching begins.
    """
    around = trains_on_global_domain(state, options.sampling)

    def other_form() -> keras.Model:
        """Build the network for a global domain if it was trained on a region, or the reverse."""
        other = build(state, options, global_domain=not around)
        other.set_weights(network.get_weights())
        return other

    return Runner(
        network=network,
        global_domain=around,
        other_form=other_form,
        name=name,
        scale=state.pairing.scale,
        context=state.pairing.context,
        latent=latent_members(state, options),
        flow=_flow(state, options, mean),
    )


def _flow(state: State, options: Options, mean: Runner | None) -> Flow | None:
    """Return how members of flow matching are made; None for other trainings."""
    if options.flow is None or state.flow is None:
        return None
    return Flow(
        targets=state.features.targets,
        steps=options.flow.steps,
        solver=options.flow.solver,
        temperature=state.flow.temperature,
        fields=lambda around: field_network(state, options, global_domain=around),
        mean=mean,
    )

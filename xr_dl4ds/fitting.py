"""`fit`: from the user's data and options to a trained `Downscaler`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xr_dl4ds.building import build, ranges_of
from xr_dl4ds.config import OPTION_CLASSES, Sampling, route, settled
from xr_dl4ds.downscaler import Downscaler
from xr_dl4ds.preparation import Prepared, Stacked, prepare
from xr_dl4ds.provenance import provenance
from xr_dl4ds.requirements import check_output, constraint_for
from xr_dl4ds.sources import Inputs

if TYPE_CHECKING:
    import keras

    from xr_dl4ds.batches import Samples


def fit(inputs: Inputs, given: Mapping[str, Any], flat: Mapping[str, Any]) -> Downscaler:
    """Check the data, train a network on them, and return the model.

    Parameters
    ----------
    inputs : Inputs
        The user's data; not changed.
    given : mapping
        Option objects by role: network, sampling, training.
    flat : mapping
        Single options, which win over `given`.

    Returns
    -------
    Downscaler
        The fitted model.

    Raises
    ------
    TypeError
        For an unknown option.
    GridError, TimeError, VariableError
        For data that do not fit together, before any training.
    TrainingError
        For a loss that is not finite.
    """
    options = _options(inputs, given, flat)
    prepared = prepare(inputs, *(options[role] for role in OPTION_CLASSES))
    check_output(options["network"], options["sampling"], prepared.state)
    perfect_prognosis = inputs.lr is None
    options["network"] = dataclasses.replace(
        options["network"],
        constraint=constraint_for(
            options["network"], prepared.state, perfect_prognosis=perfect_prognosis
        ),
    )

    # TensorFlow is loaded here and not before: wrong input is told at once
    from xr_dl4ds.training import resolve_precision, train

    options["training"] = dataclasses.replace(
        options["training"], precision=resolve_precision(options["training"].precision)
    )
    network = build(prepared.state, options, precision=options["training"].precision)
    samples = _samples(prepared, network, options["sampling"])
    chosen = {role: options[role] for role in ("sampling", "training")}
    trained = train(network, *samples, ranges=ranges_of(prepared.state), **chosen)
    network = build(prepared.state, options)
    network.set_weights(trained.network.get_weights())
    return Downscaler(
        network=network,
        history=trained.history,
        options=options,
        state=prepared.state,
        provenance=provenance(
            prepared.state,
            options,
            network.get_weights(),
            period=prepared.period,
            best_epoch=trained.best_epoch,
            perfect_prognosis=perfect_prognosis,
        ),
    )


def _options(inputs: Inputs, given: Mapping[str, Any], flat: Mapping[str, Any]) -> dict[str, Any]:
    """One object for each role, checked against each other."""
    options = route(given, flat)
    options["network"] = settled(options["network"], options["sampling"])
    if options["training"].early_stopping and not inputs.validation:
        raise ValueError(
            "Expected validation data for `early_stopping`, got none. Pass validation=0.1, or"
            " early_stopping=False."
        )
    return options


def _samples(
    prepared: Prepared, network: keras.Model, sampling: Sampling
) -> tuple[Samples, Samples | None]:
    """Training and validation samples in memory, with the inputs that the network asks for."""
    from xr_dl4ds.batches import Samples

    asked = {tensor.name for tensor in network.inputs}
    fixed = {name: field for name, field in prepared.fixed.items() if name in asked}

    def load(part: Stacked) -> Samples:
        return Samples.load(
            part.lr,
            part.target,
            fixed,
            scale=prepared.state.pairing.scale,
            window=sampling.time_window,
            runs=part.runs,
        )

    validation = prepared.validation
    return load(prepared.train), None if validation is None else load(validation)

"""`fit`: from the user's data and options to a trained `Downscaler`."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from xr_dl4ds.building import build, build_discriminator, targets_of
from xr_dl4ds.calibration import checked
from xr_dl4ds.config import OPTION_CLASSES, Sampling, route, settled
from xr_dl4ds.downscaler import Downscaler
from xr_dl4ds.launched import is_first, launcher
from xr_dl4ds.preparation import Prepared, Stacked, prepare
from xr_dl4ds.provenance import fingerprint, provenance
from xr_dl4ds.requirements import check_loss, check_output, constraint_for
from xr_dl4ds.sources import Inputs
from xr_dl4ds.starting import require_same_scaling

if TYPE_CHECKING:
    import keras

    from xr_dl4ds.batches import Samples
    from xr_dl4ds.training import Trained


def fit(
    inputs: Inputs,
    given: Mapping[str, Any],
    flat: Mapping[str, Any],
    start: Downscaler | None = None,
) -> Downscaler:
    """Check the data, train a network on them, and return the model.

    Parameters
    ----------
    inputs : Inputs
        The user's data; not changed.
    given : mapping
        Option objects by role: network, sampling, training.
    flat : mapping
        Single options, which win over `given`.
    start : Downscaler, optional
        The model to go on from.

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
    if launcher() is None:
        return _fit(inputs, given, flat, start, contextlib.nullcontext())
    from xr_dl4ds.training import Workers, computed_once, told_when_lost

    workers = Workers.current()  # takes its devices before TensorFlow is used
    with told_when_lost(workers):
        return _fit(inputs, given, flat, start, computed_once(workers))


def _fit(
    inputs: Inputs,
    given: Mapping[str, Any],
    flat: Mapping[str, Any],
    start: Downscaler | None,
    looking: contextlib.AbstractContextManager[Any],
) -> Downscaler:
    """`fit`; the data are looked at, before training, within `looking`."""
    options = options_of(inputs, given, flat, start)
    if start is not None:
        inputs = dataclasses.replace(inputs, start=start.state)
    with looking:
        prepared = prepare(inputs, *(options[role] for role in OPTION_CLASSES))
    check_output(options["network"], options["sampling"], prepared.state)
    check_loss(options["training"], options["network"], prepared.state)
    perfect_prognosis, asked = inputs.lr is None, options["network"].constraint
    options["network"] = dataclasses.replace(
        options["network"],
        constraint=constraint_for(
            options["network"], prepared.state, perfect_prognosis=perfect_prognosis
        ),
    )
    trained = _trained(prepared, options, start)
    network = build(prepared.state, options)
    network.set_weights(trained.network.get_weights())
    model = Downscaler(
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
            constraint=asked,
            start=None if start is None else start.provenance["model"],
        ),
    )
    return checked(model, prepared)


def _trained(prepared: Prepared, options: dict[str, Any], start: Downscaler | None) -> Trained:
    """Train the network that belongs to the data; the precision becomes known."""
    # TensorFlow is loaded here and not before: wrong input is told at once
    from xr_dl4ds.inference import log_hardware
    from xr_dl4ds.networks import take_weights
    from xr_dl4ds.training import Task, resolve_precision, train

    training, sampling = options["training"], options["sampling"]
    precision = resolve_precision(training.precision)
    options["training"] = training = dataclasses.replace(training, precision=precision)
    log_hardware(precision)
    network = build(prepared.state, options, precision=precision)
    if start is not None:
        names = prepared.state.features.targets
        kinds = [
            [t.distribution_of(n) for n in names] for t in (training, start.options["training"])
        ]
        take_weights(network, start.network, parameters=kinds[0] == kinds[1])
    parts = _samples(prepared, network, sampling)
    task = Task(
        network=network,
        targets=targets_of(prepared.state, options["network"]),
        discriminator=build_discriminator(prepared.state, options, precision=precision),
        fingerprint=""
        if training.checkpoint is None or not is_first()
        else fingerprint(
            prepared.state,
            options,
            network.get_weights(),
            [*prepared.period, repr(prepared.moments), *(_digest(part) for part in parts)],
        ),
    )
    return train(task, *parts, sampling=sampling, training=training)


def _digest(part: Samples | None) -> str:
    """What tells samples from others: every value, where that does not take a further reading."""
    digest = hashlib.sha256()
    if part is not None:
        assert part.starts is not None
        arrays = [part.starts, *part.fixed.values()]
        for array in arrays if part.streamed else [*part.arrays(), *arrays]:
            digest.update(str(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def options_of(
    inputs: Inputs,
    given: Mapping[str, Any],
    flat: Mapping[str, Any],
    start: Downscaler | None,
) -> dict[str, Any]:
    """One object for each role, checked against each other; by default those of `start`.

    Parameters
    ----------
    inputs : Inputs
        Has validation data, or none.
    given, flat : mapping
        Option objects by role, and single options, which win.
    start : Downscaler, optional
        The model to go on from.

    Raises
    ------
    TypeError, ValueError
        For options that are unknown, or do not go together.
    """
    if start is not None:
        if not isinstance(start, Downscaler):
            raise TypeError(
                f"Expected start= to be a Downscaler, got {type(start).__name__}. Pass a fitted"
                " model, or xr_dl4ds.load(path)."
            )
        inherited = _inherited(start)
        given = {role: inherited[role] if one is None else one for role, one in given.items()}
    options = route(given, flat)
    if start is not None:
        wanted = start.options["sampling"].scaling
        require_same_scaling(options["sampling"].scaling, wanted)
    options["network"] = settled(options["network"], options["sampling"])
    if options["training"].early_stopping and not inputs.validation:
        raise ValueError(
            "Expected validation data for `early_stopping`, got none. Pass validation=0.1, or"
            " early_stopping=False."
        )
    return options


def _inherited(start: Downscaler) -> dict[str, Any]:
    """The options of a model that another training takes over.

    Not its checkpoint, which is of its own training; nor a constraint that followed from its data.
    """
    network, training = start.options["network"], start.options["training"]
    network = dataclasses.replace(network, constraint=start.provenance["constraint"])
    training = dataclasses.replace(training, checkpoint=None)
    return {**start.options, "network": network, "training": training}


def _samples(
    prepared: Prepared, network: keras.Model, sampling: Sampling
) -> tuple[Samples, Samples | None]:
    """Training and validation samples, with the inputs that the network asks for."""
    from xr_dl4ds.batches import Samples, resolve_cache

    asked = {tensor.name for tensor in network.inputs}
    fixed = {name: field for name, field in prepared.fixed.items() if name in asked}
    train, validation = prepared.train, prepared.validation
    cache = resolve_cache(sampling.cache, train, validation)

    def hold(part: Stacked) -> Samples:
        scale, window = prepared.state.pairing.scale, sampling.time_window
        return Samples.hold(part, fixed, cache=cache, scale=scale, window=window)

    return hold(train), None if validation is None else hold(validation)

"""Training of a `Downscaler` from the user's data and options."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xr_dl4ds.config import (
    FlowMatching,
    OptionGroup,
    Options,
    Sampling,
    Supervised,
    noise_of,
    route,
    settled,
)
from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.data.augmentation import ORIENTATIONS
from xr_dl4ds.data.checks import check_loss, check_output, constraint_for
from xr_dl4ds.data.flow_scales import with_flow_scales
from xr_dl4ds.data.inputs import Inputs
from xr_dl4ds.data.latent_statistics import with_latent_fields
from xr_dl4ds.data.prepare import Prepared, SampleChannels, prepare
from xr_dl4ds.data.state import State
from xr_dl4ds.data.warm_start import require_same_scaling
from xr_dl4ds.downscaler import Downscaler
from xr_dl4ds.fitting.calibration import with_calibration
from xr_dl4ds.fitting.flow_calibration import with_flow_calibration
from xr_dl4ds.fitting.latent_calibration import with_latent_calibration
from xr_dl4ds.fitting.mean_model import mean_model, network_beside, with_mean_guess
from xr_dl4ds.fitting.means import with_means
from xr_dl4ds.model.build import (
    build,
    build_discriminator,
    field_network,
    latent_members,
    residual_network,
    targets_of,
    trains_on_global_domain,
)
from xr_dl4ds.model.provenance import fingerprint as fingerprint_of
from xr_dl4ds.model.provenance import provenance
from xr_dl4ds.processes import is_first, launcher

if TYPE_CHECKING:
    import keras

    from xr_dl4ds.training import FlowTask, LatentTask, Trained
    from xr_dl4ds.training.batches import Samples


@with_expected_options
def fit(
    inputs: Inputs,
    given: Mapping[str, OptionGroup | None],
    flat: Mapping[str, object],
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
        Single options, which take precedence over `given`.
    start : Downscaler, optional
        The model to fine-tune.

    Returns
    -------
    Downscaler
        The fitted model.

    Raises
    ------
    TypeError
        If an option is unknown.
    GridError, TimeError, VariableError
        If the data do not fit together; raised before any training.
    TrainingError
        If the loss is not finite.
    """
    if launcher() is None:
        return _fit(inputs, given, flat, start, contextlib.nullcontext())
    from xr_dl4ds.training import Workers, compute_on_first_worker, explain_lost_workers

    workers = Workers.current()  # reserves its devices before TensorFlow is used
    with explain_lost_workers(workers):
        return _fit(inputs, given, flat, start, compute_on_first_worker(workers))


def _fit(
    inputs: Inputs,
    given: Mapping[str, OptionGroup | None],
    flat: Mapping[str, object],
    start: Downscaler | None,
    reading: contextlib.AbstractContextManager[Any],
) -> Downscaler:
    """Run `fit`; the pass over the data before training runs within `reading`."""
    options = options_of(inputs, given, flat, start)
    mean = mean_model(start, options)
    if start is not None:
        inputs = dataclasses.replace(inputs, start=start.state)
    with reading:
        prepared = prepare(inputs, options)
        if mean is not None:
            prepared = with_mean_guess(prepared, mean, options)
        if options.latent:
            prepared = with_latent_fields(prepared, options)
        if options.flow is not None:
            prepared = with_flow_scales(prepared, options, from_mean=mean is not None)
    check_output(options.network, options.sampling, prepared.state)
    check_loss(options.training, options.network, prepared.state)
    asked, synthetic_pairs = options.network.constraint, inputs.lr is None
    options = _completed(options, prepared.state, synthetic_pairs=synthetic_pairs)
    trained = _trained(prepared, options, None if start is mean else start)
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
            perfect_prognosis=synthetic_pairs,
            constraint=asked,
            augment=prepared.augment,
            start=None if start is None else start.provenance["model"],
        ),
        mean=mean,
    )
    training = options.training
    calibrate = isinstance(training, (Supervised, FlowMatching)) and training.calibrate
    model = with_flow_calibration(model, prepared, calibrate)  # changes the mean of amounts
    model = with_means(model, prepared)
    model = with_latent_calibration(model, prepared, calibrate)
    return with_calibration(model, prepared)


def _completed(options: Options, state: State, *, synthetic_pairs: bool) -> Options:
    """Fill in the options that depend on data (constraint, loss) or on the machine (precision)."""
    network, training = options.network, options.training
    constraint = constraint_for(network, state, synthetic_pairs=synthetic_pairs)
    training = training.with_loss_for({n: state.never_negative(n) for n in state.features.targets})
    # TensorFlow is loaded only here, so that invalid input is reported before that
    from xr_dl4ds.training import resolve_precision

    return options.replace(
        network=dataclasses.replace(network, constraint=constraint),
        training=dataclasses.replace(training, precision=resolve_precision(training.precision)),
    )


def _trained(prepared: Prepared, options: Options, start: Downscaler | None) -> Trained:
    """Build the network for the data, and train it."""
    from xr_dl4ds.inference import log_hardware
    from xr_dl4ds.training import TrainingTask, train

    guess = prepared.state.first_guess is not None
    filters, batch_size = options.network.widest, options.sampling.batch_size
    training = options.training.with_rate_for(filters, batch_size, guessed=guess)
    precision = training.precision
    log_hardware(precision)
    network = _initial_network(prepared.state, options, start)
    train_samples, validation_samples = _samples(prepared, network, options.sampling)
    fingerprint = ""
    if training.checkpoint is not None and is_first():
        parts = [train_samples, validation_samples]
        fingerprint = _fingerprint(prepared, options, network, parts)
    task = TrainingTask(
        network=network,
        targets=targets_of(prepared.state, options),
        discriminator=build_discriminator(prepared.state, options, precision=precision),
        fingerprint=fingerprint,
        latent=_latent_task(prepared.state, options),
        flow=_flow_task(prepared.state, options),
    )
    return train(
        task,
        train_samples,
        validation_samples,
        sampling=options.sampling,
        training=training,
        orientations=ORIENTATIONS[prepared.augment],
    )


def _latent_task(state: State, options: Options) -> LatentTask | None:
    from xr_dl4ds.training import LatentNoise, LatentTask

    members = latent_members(state, options)
    if members is None or state.latent is None:
        return None
    kinds = state.distributions(options)
    noise = LatentNoise(state.latent, kinds, trains_on_global_domain(state, options.sampling))
    return LatentTask(members=members, noise=noise, kinds=kinds)


def _flow_task(state: State, options: Options) -> FlowTask | None:
    from xr_dl4ds.training import FlowTask

    if options.flow is None:
        return None
    around = trains_on_global_domain(state, options.sampling)
    fields = field_network(state, options, global_domain=around)
    return FlowTask(residuals=residual_network(state, options), fields=fields)


def _initial_network(state: State, options: Options, start: Downscaler | None) -> keras.Model:
    """Build the network, with the weights of the model that is fine-tuned, if any."""
    from xr_dl4ds.networks import take_weights

    network = build(state, options, precision=options.training.precision)
    if start is not None:
        kinds = [state.distributions(one) for one in (options, start.options)]
        take_weights(network, start.network, parameters=kinds[0] == kinds[1])
    return network


def _fingerprint(
    prepared: Prepared, options: Options, network: keras.Model, parts: Sequence[Samples | None]
) -> str:
    """Digest everything that a training depends on, to recognize its checkpoint."""
    digests = [_digest(part) for part in parts]
    data = [*prepared.period, repr(prepared.moments), prepared.augment, *digests]
    return fingerprint_of(prepared.state, options, network.get_weights(), data)


def _digest(part: Samples | None) -> str:
    """Return a digest of samples: of every value, unless they would have to be read again."""
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
    given: Mapping[str, OptionGroup | None],
    flat: Mapping[str, object],
    start: Downscaler | None,
) -> Options:
    """Combine the options passed and check them against each other.

    Parameters
    ----------
    inputs : Inputs
        The user's data; early stopping needs validation data.
    given, flat : mapping
        Option objects by role, and single options, which take precedence.
    start : Downscaler, optional
        The model to fine-tune, whose options are the defaults.

    Raises
    ------
    TypeError, ValueError
        If options are unknown or do not go together.
    """
    if start is not None:
        if not isinstance(start, Downscaler):
            raise TypeError(
                f"Expected start= to be a Downscaler, got {type(start).__name__}. Pass a fitted"
                " model, or xr_dl4ds.load(path)."
            )
        inherited = _inherited(start, given)
        given = {role: inherited[role] if one is None else one for role, one in given.items()}
    options = route(given, flat)
    if start is not None:
        _require_latent(options, start)
        _require_flow(options, start)
        require_same_scaling(options.sampling.scaling, start.options.sampling.scaling)
    noise = noise_of(options.network, options.training)
    network = dataclasses.replace(options.network, noise=noise)
    options = options.replace(network=settled(network, options.sampling, options.training))
    if options.training.early_stopping and not inputs.validation:
        raise ValueError(
            "`early_stopping` needs validation data. Pass validation=0.1, or early_stopping=False."
        )
    return options


def _require_latent(options: Options, start: Downscaler) -> None:
    """Raise a `ValueError` if a model with latent noise is to be trained without latent members.

    The output of its network is the location and the parameters of these members.
    """
    training = options.training
    if not start.options.latent or isinstance(training, FlowMatching):
        return
    kept, what = "loss='crps'", f"loss={training.cell_loss!r}"
    if not isinstance(training, Supervised):
        what = f"training=xr_dl4ds.{type(training).__name__}(...)"
    elif training.draws_members:
        if noise_of(options.network, training) == "latent":
            return
        kept, what = "noise='latent'", "noise='inside'"
    raise ValueError(
        f"Expected {kept} for a model with latent noise in start=, got {what}. Keep {kept}, or"
        " leave start= out."
    )


def _require_flow(options: Options, start: Downscaler) -> None:
    """Raise a `ValueError` if a model of flow matching is to be trained in another way.

    Its network returns a velocity.
    """
    if start.options.flow is not None and options.flow is None:
        raise ValueError(
            "Expected training=xr_dl4ds.FlowMatching(...) for a model of flow matching in start=,"
            f" got {type(options.training).__name__}. Keep FlowMatching, or leave start= out."
        )


def _inherited(start: Downscaler, given: Mapping[str, OptionGroup | None]) -> Options:
    """Return the options that training takes over from a model.

    The checkpoint is left out, because it belongs to the earlier training. The constraint is the
    one that the user asked for, because "auto" depends on the data.
    """
    network, training = start.options.network, start.options.training
    if isinstance(given.get("training"), FlowMatching) and start.options.flow is None:
        sampling = dataclasses.replace(start.options.sampling, time_window=None)
        return start.options.replace(network=network_beside(start), sampling=sampling)
    return start.options.replace(
        network=dataclasses.replace(network, constraint=start.provenance["constraint"]),
        training=dataclasses.replace(training, checkpoint=None),
    )


def _samples(
    prepared: Prepared, network: keras.Model, sampling: Sampling
) -> tuple[Samples, Samples | None]:
    """Return training and validation samples, with the inputs that the network has."""
    from xr_dl4ds.training.batches import Samples, resolve_cache

    asked = {tensor.name for tensor in network.inputs}
    fixed = {name: field for name, field in prepared.fixed.items() if name in asked}
    train, validation = prepared.train, prepared.validation
    cache = resolve_cache(sampling.cache, train, validation)

    def hold(part: SampleChannels) -> Samples:
        scale, window = prepared.state.pairing.scale, sampling.time_window
        return Samples.hold(part, fixed, cache=cache, scale=scale, window=window)

    return hold(train), None if validation is None else hold(validation)

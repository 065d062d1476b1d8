"""Preparation of user data: a model's `State` and stacked samples.

This module does not train. It computes only statistics, masks and static fields.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any, TypeVar

import xarray as xr

from xr_dl4ds.config import Network, Options, Sampling, nearest
from xr_dl4ds.config.latent_constants import CORRECTIONS
from xr_dl4ds.data import warm_start
from xr_dl4ds.data.augmentation import resolve_augment
from xr_dl4ds.data.auxiliary import STATIC, Source, auxiliary
from xr_dl4ds.data.channels import Features
from xr_dl4ds.data.checks import check_global_domain, check_patches, check_values, check_windows
from xr_dl4ds.data.guess_choice import Guessing, guess_of
from xr_dl4ds.data.holdout import ROLES, explicit_pairs, hold_out, note_lazy
from xr_dl4ds.data.inputs import (
    START,
    Inputs,
    Pair,
    align,
    pair_grids,
    predictor_fields,
    read_further_member,
    read_hr,
    split_members,
    static_fields,
)
from xr_dl4ds.data.moments import Moments, moments_of
from xr_dl4ds.data.plausibility import (
    note_accumulations,
    note_factor,
    note_kinds,
    note_read,
    widest,
)
from xr_dl4ds.data.scaling import Scaler, require_finite
from xr_dl4ds.data.state import State
from xr_dl4ds.data.statistics import DataStatistics, Steps, read_statistics, validation_statistics
from xr_dl4ds.data.time_and_place import spans_years
from xr_dl4ds.data.trained_range import TrainedRange
from xr_dl4ds.exceptions import GridError, VariableError
from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.cf.georeference import target_attrs
from xr_dl4ds.grid.cf.time_axis import index_of, runs, usual_step
from xr_dl4ds.grid.names import TIME
from xr_dl4ds.grid.regridding.orientation import note_orientation
from xr_dl4ds.grid.regridding.pairing import Pairing
from xr_dl4ds.grid.regridding.rectilinear import positions
from xr_dl4ds.grid.regridding.surroundings import CAP, CAP_OF_HR, settled

logger = logging.getLogger(__name__)

#: A dataset or an array.
T = TypeVar("T", xr.Dataset, xr.DataArray)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SampleChannels:
    """Channels of samples, lazy where the data are: LR inputs and targets ``(time, ...)``.

    `guess` is the first guess of the targets, if it is not the interpolated LR field. `steps` marks
    the time steps with values. `runs` are parts of the time axis; each window lies within one run.
    `runs` is None for spatial samples.
    """

    lr: xr.DataArray
    target: xr.DataArray
    steps: Steps
    runs: list[slice] | None = None
    guess: xr.DataArray | None = None

    @property
    def nbytes(self) -> int:
        """Size in bytes, as float32."""
        guess = 0 if self.guess is None else self.guess.size
        return 4 * (self.lr.size + self.target.size + guess)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """State of a model, its samples, its inputs without time, and the training period.

    `period` is the first and last time as text. `moments` are the statistics of the LR variables
    and of the validation data. (If a variable is also a target, the state has only its HR
    statistics.) `augment` is the resolved option, see `xr_dl4ds.data.augmentation`.
    """

    state: State
    fixed: dict[str, xr.DataArray]
    train: SampleChannels
    validation: SampleChannels | None
    period: tuple[str, str]
    moments: list[dict[str, Moments]]
    augment: str


def prepare(inputs: Inputs, options: Options) -> Prepared:
    """Standardize, pair, align, scale and stack.

    Parameters
    ----------
    inputs : Inputs
        The user's data; not changed.
    options : Options
        Options of the model. The upsampling determines how LR fields that do not nest are
        regridded. Patches, windows, scaling and features are checked against the data. A loss may
        need fields of a minimum size.

    Returns
    -------
    Prepared
        State and samples.

    Raises
    ------
    GridError, TimeError, VariableError
        See `.downscale.fit`.
    """
    network, sampling = options.network, options.sampling
    inputs, *further = split_members(inputs.decoded())
    hr = read_hr(inputs)
    inputs, *further = (one.with_counterparts(hr) for one in (inputs, *further))
    direct_method = sampling.interpolation if options.interpolates_first else None
    lr, hr, pairing = pair_grids(inputs, hr, direct_method)
    check_patches(sampling, options.training, pairing)
    if sampling.patch_size is None:
        check_global_domain(network, pairing.lr, pairing.scale)
    beside = auxiliary(inputs.static, STATIC, inputs.as_trained)
    synthetic_lr = inputs.lr is None
    static = static_fields(beside, None if synthetic_lr else lr, hr, pairing)
    predictors = predictor_fields(inputs)
    pairing = _with_context(pairing, options, lr, predictors, synthetic_lr=synthetic_lr)
    targets = hr.varying
    whole = align(lr, predictors, hr.pick(targets), pairing, synthetic_lr=synthetic_lr)
    for name in () if synthetic_lr else [n for n in lr.varying if n in targets]:
        roles = "the LR data", "the HR data"
        note_orientation(whole.lr_inside[name], whole.hr[name], pairing.scale, roles)
        note_kinds(name, lr.data[name].attrs, hr.data[name].attrs, roles)
    pairs = [whole, *(read_further_member(one, pairing) for one in further)]
    features = Features.of(
        *(whole.lr, targets, lr.varying, static, sampling),
        spans_years=spans_years(index_of(whole.hr)),
        surroundings=whole.known is not None,
    )
    if inputs.start is not None:
        features = warm_start.channels(features, pairing, inputs.start, sampling.time_features)
        for name in targets:
            note_kinds(name, hr.data[name].attrs, inputs.start.attrs[name], ("the HR data", START))
        warm_start.require_same_domain(network.localized, pairing, inputs.start)
    train, validation = hold_out(pairs, inputs.validation, sampling.time_window or 1)
    found = read_statistics(train, validation or [], pairing.scale)
    marked = _note_suspicions(found, static, _read(hr, lr, [*predictors, *beside], synthetic_lr))
    for name in () if synthetic_lr else set(features.counterparts) - marked:
        _require_one_unit(name, found.hr[name], found.lr[name], "the LR data")
    state = _state(features, pairing, train[0], found, static, sampling, inputs.start)
    state = _described(state, hr, [*(one.fields for one in (*beside, *predictors)), hr, lr])
    state = dataclasses.replace(state, counterparts=inputs.counterparts)
    held = found.held
    if isinstance(inputs.validation, tuple):
        validation = explicit_pairs(inputs, state)
        held = validation_statistics(validation, pairing.scale)
        note_lazy(validation, held)
        for name in features.counterparts:
            _require_one_unit(name, found.hr[name], held.moments[1][name], ROLES[0])
    for name, one in (pair for moments in held.moments for pair in moments.items()):
        require_finite(name, one, "the validation data")
    prepared = Prepared(
        state=state,
        fixed=state.fixed_inputs(state.static, positions(pairing.whole), pairing.hr.shape),
        train=_stacked(state, train, found.train, sampling.time_window, "training"),
        validation=_stacked(state, validation, held.steps, sampling.time_window, "validation")
        if validation
        else None,
        period=_period(train[0].hr),
        moments=[found.lr, *held.moments],
        augment=resolve_augment(options, state, [whole.lr, whole.hr, static]),
    )
    return _with_first_guess(prepared, _first_guess_asked(network, inputs), sampling.interpolation)


def _first_guess_asked(network: Network, inputs: Inputs) -> str:
    """Return the first guess to fit; "auto" is that of the model in ``start=``, if there is one."""
    if network.first_guess != "auto":
        return network.first_guess
    if inputs.start is not None:
        own = inputs.start.first_guess
        return "interpolation" if own is None else own.kind
    return "interpolation" if inputs.lr is None else "auto"


def _with_first_guess(prepared: Prepared, asked: str, method: str) -> Prepared:
    """Fit the first guess, and add it to the channels: out of fold to those of training."""
    if asked in ("interpolation", "none"):
        return prepared
    state, train, validation = prepared.state, prepared.train, prepared.validation
    held = None if validation is None else (validation.lr, validation.target)
    guessing = Guessing(state=state, train=(train.lr, train.target), validation=held, method=method)
    found = guessing.best() if asked == "auto" else guessing.asked(asked)
    if found is None:
        return prepared
    guess, by_fold, folds = found
    state = dataclasses.replace(state, first_guess=guess)
    own = guess_of(state, train.lr, method, by_fold, folds)
    train = dataclasses.replace(train, guess=own)
    if validation is not None:
        own = guess_of(state, validation.lr, method)
        validation = dataclasses.replace(validation, guess=own)
    return dataclasses.replace(prepared, state=state, train=train, validation=validation)


def _with_context(
    pairing: Pairing,
    options: Options,
    lr: Fields,
    predictors: Sequence[Source],
    *,
    synthetic_lr: bool,
) -> Pairing:
    """Settle how many LR cells around the domain the network sees."""
    sampling, first = options.sampling, options.interpolates_first
    if synthetic_lr:
        if sampling.context not in (0, "auto"):
            raise GridError(
                f"Expected context=0 for synthetic pairs, got {sampling.context}: LR fields made"
                " from HR end where HR ends. Leave context out, or pass LR data that extend"
                " farther: lr.downscale.fit(hr)."
            )
        return pairing
    own = [lr.grid] if lr.varying else []
    grids = [*own, *(one.fields.grid for one in predictors)]
    context = settled(sampling.context, pairing.lr, grids, CAP_OF_HR if first else CAP)
    if context:
        logger.info("the network sees %d LR cells around the domain on each side", context)
    return dataclasses.replace(pairing, context=context)


def _require_one_unit(name: str, hr: Moments, lr: Moments, role: str) -> None:
    """Refuse LR values far from those of the target; warn if they differ by a large factor."""
    roles = role, "the HR data"
    if lr.valid and hr.valid:
        TrainedRange.of(name, hr).require_near(lr.mean, lr.low, lr.high, roles)
        note_factor(name, lr, hr, roles)


def _read(hr: Fields, lr: Fields, others: Sequence[Source], synthetic_lr: bool) -> list[Source]:
    """Return all data that the user gave, the HR data first."""
    own = [] if synthetic_lr else [Source(fields=lr, role="the LR data")]
    return [Source(fields=hr, role="the HR data"), *others, *own]


def _note_suspicions(found: DataStatistics, static: xr.Dataset, read: Sequence[Source]) -> set[str]:
    """Warn of values that usually mean a mistake; return variables with marks of missing cells.

    `read` has the HR data first.
    """
    held = found.held.moments or [{}, {}]
    hr, lr = (widest(one, later) for one, later in zip((found.hr, found.lr), held, strict=True))
    beside, marked = moments_of(static), set()
    for source in read:
        fields, known = source.fields, hr if source is read[0] else lr
        marked |= {*note_read(fields.data[fields.varying], known, source.role)}
        note_read(fields.data[fields.static], beside, source.role)
        note_accumulations(fields, source.role)
    return marked


def _period(data: xr.Dataset) -> tuple[str, str]:
    """Return the first and last time, or position, as text."""
    index = index_of(data)
    first, last = (0, data.sizes[TIME] - 1) if index is None else (index[0], index[-1])
    return str(first), str(last)


def _together(parts: list[T]) -> T:
    """Concatenate datasets or arrays along time."""
    if len(parts) == 1:
        return parts[0]
    return xr.concat(parts, TIME, coords="minimal", compat="override", join="override")


def _state(
    features: Features,
    pairing: Pairing,
    first: Pair,
    found: DataStatistics,
    static: xr.Dataset,
    sampling: Sampling,
    start: State | None,
) -> State:
    """Create the state, with statistics and masks of the training part; attributes come later."""
    like = None if start is None else start.scaler
    how: dict[str, Any] = {"scaling_of": sampling.scaling_of, "like": like}
    hr_scaler = Scaler.from_moments(found.hr, "the HR data", **how)
    lr_scaler = Scaler.from_moments(found.lr, "the LR data", **how)
    if start is None:
        mask = lr_scaler.has_missing(features.lr_varying)
        features = dataclasses.replace(features, mask=mask)
    scaler = lr_scaler.merge(hr_scaler)
    if len(static):
        scaler = scaler.merge(Scaler.fit(static, "the static fields", **how))
    _check_scaled_names(sampling, scaler)
    units: dict[str, str | None] = {}
    for data in (first.hr, first.lr, static):
        given = {str(n): v.attrs.get("units") for n, v in data.items()}
        units |= {n: unit for n, unit in given.items() if units.get(n) is None}
    return State(
        features=features,
        pairing=pairing,
        scaler=scaler,
        static=static,
        always_missing=pairing.known(found.always_missing),
        attrs={},
        units=units,
        step=None if sampling.time_window is None else usual_step(first.hr, "the HR data"),
        attention_margin=pairing.context,
        corrections=CORRECTIONS,
    )


def _check_scaled_names(sampling: Sampling, scaler: Scaler) -> None:
    named = [] if isinstance(sampling.scaling, str) else list(sampling.scaling)
    known = [str(n) for n in scaler.statistics.data_vars]
    for name in named:
        if name not in known:
            raise VariableError(
                f"Expected `scaling` to name variables of the data, {known}, got {name!r}."
                f"{nearest(name, known)} Name one of these, or leave it out."
            )


def _described(state: State, hr: Fields, sources: list[Fields]) -> State:
    """Add the attributes of targets, and origin and levels of variables with further dimensions.

    The slices of `hr`, and the levels of later sources, count.
    """
    features = state.features
    known = {*features.targets, *features.lr_varying, *features.static}
    every = {name: one for fields in (*sources, hr) for name, one in fields.slices.items()}
    levels = {name: one for fields in sources for name, one in fields.levels.items()}
    units = {name: unit for name, unit in state.units.items() if unit is not None}
    return dataclasses.replace(
        state,
        attrs={
            n: target_attrs({**({"units": units[n]} if n in units else {}), **hr.data[n].attrs})
            for n in features.targets
        },
        slices={name: one for name, one in every.items() if name in known},
        levels={name: one for name, one in levels.items() if name in known},
    )


def _stacked(
    state: State, pairs: list[Pair], steps: Steps, window: int | None, part: str
) -> SampleChannels:
    """Stack the channels of all series, one after the other."""
    found: list[slice] = []
    if window is not None and state.step is not None:
        begin = 0
        for pair in pairs:
            whole = runs(pair.hr, f"the {part} data", state.step)
            found += [slice(begin + run.start, begin + run.stop) for run in whole]
            begin += pair.hr.sizes[TIME]
        check_windows(found, window, part)
    samples = steps.starts(window, found or None).size
    check_values(samples, list(state.features.targets), _period(pairs[0].hr), part)
    stacked = [_channels(state, pair) for pair in pairs]
    lr, target = (_together([one[i] for one in stacked]) for i in (0, 1))
    return SampleChannels(lr=lr, target=target, steps=steps, runs=found or None)


def _channels(state: State, pair: Pair) -> tuple[xr.DataArray, xr.DataArray]:
    targets = state.scaler.transform(pair.hr[list(state.features.targets)])
    # needed even if only the validation part has gaps
    for name in () if pair.synthetic_lr else state.features.counterparts:
        hidden = state.masked_by_lr(pair.lr, name)
        assert hidden is not None
        targets[name] = targets[name].where(~hidden)
    grid = state.pairing.seen
    varying = state.network_input(pair.lr, state.static, grid, pair.known, pair.lr_times)
    return varying, state.features.stack_targets(targets)

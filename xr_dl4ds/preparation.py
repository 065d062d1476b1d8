"""From the user's data to a model's `State` and stacked samples.

Nothing is trained here, and nothing but statistics, masks and static fields is computed.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import xarray as xr

from xr_dl4ds import starting
from xr_dl4ds.config import Network, Sampling, Training, nearest
from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.features import Features
from xr_dl4ds.firstpass import Found, Steps, held_of, look
from xr_dl4ds.georeference import target_attrs
from xr_dl4ds.grid.fields import TIME, Fields
from xr_dl4ds.grid.pairing import Pairing
from xr_dl4ds.grid.regrid import positions
from xr_dl4ds.grid.timeline import index_of, runs, usual_step
from xr_dl4ds.moments import Moments
from xr_dl4ds.requirements import check_circle, check_patches, check_values, check_windows
from xr_dl4ds.scaling import Scaler, require_finite
from xr_dl4ds.sources import (
    Inputs,
    Pair,
    align,
    another,
    auxiliary,
    pair_grids,
    predictor_fields,
    read_hr,
    series,
    static_fields,
)
from xr_dl4ds.state import State
from xr_dl4ds.validation import explicit_pairs, hold_out


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Stacked:
    """Channels of samples, lazy where the data are: LR inputs and targets ``(time, ...)``.

    `steps` says which have values, `runs` are the parts of the time axis that windows do not leave;
    None for spatial samples.
    """

    lr: xr.DataArray
    target: xr.DataArray
    steps: Steps
    runs: list[slice] | None = None

    @property
    def nbytes(self) -> int:
        """As float32."""
        return 4 * (self.lr.size + self.target.size)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A model's state, its samples and inputs without time, first and last time as text.

    `moments` are those of the LR variables, of which the state keeps none that a target has too,
    and those of the validation data.
    """

    state: State
    fixed: dict[str, xr.DataArray]
    train: Stacked
    validation: Stacked | None
    period: tuple[str, str]
    moments: list[dict[str, Moments]]


def prepare(inputs: Inputs, network: Network, sampling: Sampling, training: Training) -> Prepared:
    """Standardize, pair, align, scale and stack.

    Parameters
    ----------
    inputs : Inputs
        The user's data; not changed.
    network : Network
        Its upsampling decides how LR fields that do not nest are brought to the network.
    sampling : Sampling
        Patches, windows, scaling and features, checked against the data.
    training : Training
        Its loss may need a least size of fields.

    Returns
    -------
    Prepared
        State and samples.

    Raises
    ------
    GridError, TimeError, VariableError
        See `xr_dl4ds.downscaler.fit`.
    """
    inputs, *further = series(inputs)
    hr = read_hr(inputs)
    straight = sampling.interpolation if network.upsampling == "interpolation" else None
    lr, hr, pairing = pair_grids(inputs, hr, straight)
    check_patches(sampling, training, pairing)
    if sampling.patch_size is None:
        check_circle(network, pairing.lr, pairing.scale)
    beside = auxiliary(inputs.static, "static=")
    static = static_fields(inputs, beside, lr, hr, pairing)
    predictors = predictor_fields(inputs)
    sources = [*([lr] if lr.varying else []), *predictors]
    targets = hr.varying
    whole = align(sources, hr.pick(targets), pairing, made=inputs.lr is None)
    pairs = [whole, *(another(one, pairing) for one in further)]
    features = Features.of(whole.lr, targets, lr.varying, static, sampling)
    if inputs.start is not None:
        features = starting.channels(features, pairing, inputs.start)
        starting.require_same_domain(network.localized, pairing, inputs.start)
    train, validation = hold_out(pairs, inputs.validation, sampling.time_window or 1)
    found = look(train, validation or [], pairing.scale)
    state = _state(features, pairing, train[0], found, static, sampling, inputs.start)
    state = _described(state, hr, [*beside, *predictors, lr, hr])
    held = found.held
    if isinstance(inputs.validation, tuple):
        validation = explicit_pairs(inputs, state)
        held = held_of(validation, pairing.scale)
    for moments in held.moments:
        for name, one in moments.items():
            require_finite(name, one, "the validation data")
    window = sampling.time_window
    return Prepared(
        state=state,
        fixed=state.fixed_inputs(state.static, positions(pairing.whole), pairing.hr.shape),
        train=_stacked(state, train, found.train, window, "training"),
        validation=_stacked(state, validation, held.steps, window, "validation")
        if validation
        else None,
        period=_period(train[0].hr),
        moments=[found.lr, *held.moments],
    )


def _period(data: xr.Dataset) -> tuple[str, str]:
    """First and last time, or position."""
    index = index_of(data)
    first, last = (0, data.sizes[TIME] - 1) if index is None else (index[0], index[-1])
    return str(first), str(last)


def _together(parts: list[Any]) -> Any:
    """All samples along time, of datasets or arrays."""
    if len(parts) == 1:
        return parts[0]
    return xr.concat(parts, TIME, coords="minimal", compat="override", join="override")


def _state(
    features: Features,
    pairing: Pairing,
    first: Pair,
    found: Found,
    static: xr.Dataset,
    sampling: Sampling,
    start: State | None,
) -> State:
    """Statistics and masks of the training part alone; attributes come later."""
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
    everything = {**first.lr.data_vars, **static.data_vars, **first.hr.data_vars}
    units = {str(n): v.attrs.get("units") for n, v in everything.items()}
    if start is not None:
        starting.require_same_units(units, start)
    return State(
        features=features,
        pairing=pairing,
        scaler=scaler,
        static=static,
        never=found.never,
        attrs={},
        units=units,
        step=None if sampling.time_window is None else usual_step(first.hr, "the HR data"),
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
    """With attributes, and where variables were cut from ones with further dimensions."""
    features = state.features
    known = {*features.targets, *features.lr_varying, *features.static}
    every = {name: one for fields in sources for name, one in fields.slices.items()}
    return dataclasses.replace(
        state,
        attrs={n: target_attrs(hr.data[n].attrs) for n in features.targets},
        slices={name: one for name, one in every.items() if name in known},
    )


def _stacked(
    state: State, pairs: list[Pair], steps: Steps, window: int | None, part: str
) -> Stacked:
    """All series one after the other."""
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
    return Stacked(lr=lr, target=target, steps=steps, runs=found or None)


def _channels(state: State, pair: Pair) -> tuple[xr.DataArray, xr.DataArray]:
    targets = state.scaler.transform(pair.hr[list(state.features.targets)])
    # also where the validation part alone has gaps
    for name in () if pair.made else state.features.counterparts:
        hidden = state.masked_by_lr(pair.lr, name)
        assert hidden is not None
        targets[name] = targets[name].where(~hidden)
    varying = state.network_input(pair.lr, state.static, state.pairing.lr)
    return varying, state.features.stack_targets(targets)

"""From the user's data to a model's `State` and stacked samples.

Nothing is trained here, and nothing but statistics, masks and static fields is computed.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import dask
import xarray as xr

from xr_dl4ds import starting
from xr_dl4ds.config import Network, Sampling, Training, nearest
from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.features import Features
from xr_dl4ds.georeference import target_attrs
from xr_dl4ds.grid.extra import Slice
from xr_dl4ds.grid.fields import TIME, Fields, standardize
from xr_dl4ds.grid.pairing import Pairing
from xr_dl4ds.grid.regrid import positions, window
from xr_dl4ds.grid.timeline import check_times, in_order, index_of, runs, usual_step
from xr_dl4ds.requirements import check_circle, check_patches, check_windows
from xr_dl4ds.scaling import Scaler
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


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Stacked:
    """Channels of samples, lazy where the data are: LR inputs and targets ``(time, ...)``.

    `runs` are the parts of the time axis that windows do not leave; None for spatial samples.
    """

    lr: xr.DataArray
    target: xr.DataArray
    runs: list[slice] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A model's state, its samples and inputs without time, first and last time as text."""

    state: State
    fixed: dict[str, xr.DataArray]
    train: Stacked
    validation: Stacked | None
    period: tuple[str, str]


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
    whole = align(sources, hr.pick(targets), pairing)
    pairs = [whole, *(another(one, pairing) for one in further)]
    features = Features.of(whole.lr, targets, lr.varying, static, sampling)
    if inputs.start is not None:
        features = starting.channels(features, pairing, inputs.start)
        starting.require_same_domain(network.localized, pairing, inputs.start)
    train, validation = _hold_out(pairs, inputs, sampling.time_window or 1)
    state = _state(features, pairing, train, static, hr, sampling, inputs.start)
    slices = _slices(features, [*beside, *predictors, lr, hr])
    state = dataclasses.replace(state, slices=slices)
    if isinstance(inputs.validation, tuple):
        validation = _validation_pairs(inputs, state)
    index = index_of(train[0].hr)
    ends = (0, train[0].hr.sizes[TIME] - 1) if index is None else (index[0], index[-1])
    window = sampling.time_window
    return Prepared(
        state=state,
        fixed=state.fixed_inputs(state.static, positions(pairing.whole), pairing.hr.shape),
        train=_stacked(state, train, window, "training"),
        validation=_stacked(state, validation, window, "validation") if validation else None,
        period=(str(ends[0]), str(ends[1])),
    )


def _check_share(share: Any) -> None:
    if not isinstance(share, bool) and isinstance(share, (int, float)) and 0 <= share < 1:
        return
    got, cure = repr(share), "a share such as 0.1"
    if isinstance(share, (xr.Dataset, xr.DataArray)):
        got, cure = type(share).__name__, "(hr.downscale.coarsen(scale), hr)"
    raise ValueError(
        "Expected `validation` to be a share of the last time steps in [0, 1), an (lr, hr)"
        f" pair, or None, got {got}. Pass {cure}."
    )


def _hold_out(
    pairs: list[Pair], inputs: Inputs, least: int
) -> tuple[list[Pair], list[Pair] | None]:
    """Cut the last share of each one's time steps off, a sample at least; the others train."""
    share = inputs.validation
    if share is None or isinstance(share, tuple):
        return pairs, None
    _check_share(share)
    steps = min(pair.hr.sizes[TIME] for pair in pairs)
    held = max(least, round(share * steps)) if share else 0
    if held >= steps:
        raise TimeError(
            f"Expected at least {least + 1} time steps to hold {share:.0%} out for validation,"
            f"{f' a window of {least} at least,' if least > 1 else ''} got {steps}."
            " Use more, or validation=None."
        )
    if not held:
        return pairs, None
    early, late = slice(0, -held), slice(-held, None)
    return [pair.steps(early) for pair in pairs], [pair.steps(late) for pair in pairs]


def _together(parts: list[Any]) -> Any:
    """All samples along time, of datasets or arrays."""
    if len(parts) == 1:
        return parts[0]
    return xr.concat(parts, TIME, coords="minimal", compat="override", join="override")


def _state(
    features: Features,
    pairing: Pairing,
    train: list[Pair],
    static: xr.Dataset,
    hr: Fields,
    sampling: Sampling,
    start: State | None,
) -> State:
    """Fit statistics and masks on the training part alone."""
    like = None if start is None else start.scaler
    fitted = functools.partial(Scaler.fit, scaling_of=sampling.scaling_of, like=like)
    every_hr, every_lr = (_together([getattr(p, side) for p in train]) for side in ("hr", "lr"))
    hr_scaler = fitted(every_hr, "the HR data")
    lr_scaler = fitted(every_lr, "the LR data")
    static_scaler = fitted(static, "the static fields") if len(static) else None
    if start is None:
        mask = lr_scaler.has_missing(features.lr_varying)
        features = dataclasses.replace(features, mask=mask)
    scaler = lr_scaler.merge(hr_scaler)
    scaler = scaler if static_scaler is None else scaler.merge(static_scaler)
    _check_scaled_names(sampling, scaler)
    (never,) = dask.compute(every_hr.isnull().all(TIME))
    everything = {**every_lr.data_vars, **static.data_vars, **every_hr.data_vars}
    units = {str(n): v.attrs.get("units") for n, v in everything.items()}
    if start is not None:
        starting.require_same_units(units, start)
    return State(
        features=features,
        pairing=pairing,
        scaler=scaler,
        static=static,
        never=never,
        attrs={n: target_attrs(hr.data[n].attrs) for n in features.targets},
        units=units,
        step=None if sampling.time_window is None else usual_step(train[0].hr, "the HR data"),
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


def _slices(features: Features, sources: list[Fields]) -> dict[str, Slice]:
    """Where variables were cut from ones with further dimensions, all that the model knows."""
    known = {*features.targets, *features.lr_varying, *features.static}
    every = {name: one for fields in sources for name, one in fields.slices.items()}
    return {name: one for name, one in every.items() if name in known}


def _stacked(state: State, pairs: list[Pair], window: int | None, part: str) -> Stacked:
    """All series one after the other."""
    found: list[slice] = []
    if window is not None and state.step is not None:
        begin = 0
        for pair in pairs:
            whole = runs(pair.hr, f"the {part} data", state.step)
            found += [slice(begin + run.start, begin + run.stop) for run in whole]
            begin += pair.hr.sizes[TIME]
        check_windows(found, window, part)
    stacked = [_channels(state, pair) for pair in pairs]
    lr, target = (_together([one[i] for one in stacked]) for i in (0, 1))
    return Stacked(lr=lr, target=target, runs=found or None)


def _channels(state: State, pair: Pair) -> tuple[xr.DataArray, xr.DataArray]:
    targets = state.scaler.transform(pair.hr[list(state.features.targets)])
    for name in state.features.counterparts:  # also where only the validation part has gaps
        hidden = state.masked_by_lr(pair.lr, name)
        assert hidden is not None
        targets[name] = targets[name].where(~hidden)
    varying = state.network_input(pair.lr, state.static, state.pairing.lr)
    return varying, state.features.stack_targets(targets)


def _validation_pairs(inputs: Inputs, state: State) -> list[Pair]:
    """Explicit ``(lr, hr)`` data, one pair for each member."""
    assert isinstance(inputs.validation, tuple)
    if len(inputs.validation) != 2:
        raise ValueError(
            f"Expected `validation` to be an (lr, hr) pair, got {len(inputs.validation)} objects."
            " Pass two, or a share such as 0.1."
        )
    lr, hr = inputs.validation
    parts = series(dataclasses.replace(inputs, lr=lr, hr=hr))
    return [_validation_pair(one, state) for one in parts]


def _validation_pair(inputs: Inputs, state: State) -> Pair:
    """An explicit ``(lr, hr)`` pair on the grids of training."""
    assert inputs.lr is not None
    roles = "the LR validation data", "the HR validation data"
    lr, hr = (
        in_order(standardize(obj, inputs.dims.within(obj), role), role)
        for obj, role in zip((inputs.lr, inputs.hr), roles, strict=True)
    )
    wanted = {"lr": list(state.features.counterparts), "hr": list(state.features.targets)}
    for fields, role, names in ((lr, roles[0], wanted["lr"]), (hr, roles[1], wanted["hr"])):
        check_times(fields, role)
        state.check_units(fields, role)
        missing = [n for n in names if n not in fields.varying]
        if missing:
            raise VariableError(
                f"Expected {role} to have {missing}, got {fields.varying}. Add them, or rename"
                " those that are meant."
            )
    inner = window(hr.grid, state.pairing.hr)
    on_lr = lr.grid.same_cells(state.pairing.source) or lr.grid.same_cells(state.pairing.lr)
    if inner is None or not on_lr:
        raise GridError(
            f"Expected validation data on the training grids (LR {state.pairing.lr.extent}; HR"
            f" {state.pairing.hr.extent}), got LR {lr.grid.extent}; HR {hr.grid.extent}."
            " Select the same region, and bring LR onto its grid with .downscale.interpolate."
        )
    hr_data = hr.data[wanted["hr"]].isel(inner).assign_coords(state.pairing.hr.coords)
    hr = dataclasses.replace(hr, data=hr_data, grid=state.pairing.hr)
    keep = [n for n in lr.varying if n in state.features.lr_varying]
    return align([lr.pick(keep), *predictor_fields(inputs)], hr, state.pairing)

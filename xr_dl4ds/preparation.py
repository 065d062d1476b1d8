"""From the user's data to a model's `State` and stacked samples, checking all of it on the way.

Nothing is trained here, and nothing but statistics, masks and static fields is computed.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

import dask
import pandas as pd
import xarray as xr

from xr_dl4ds.config import Network, Sampling
from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.features import Features
from xr_dl4ds.georeference import target_attrs
from xr_dl4ds.grid.coarsening import coarsened, trim_fields
from xr_dl4ds.grid.discovery import Dims
from xr_dl4ds.grid.fields import TIME, Fields, X, Y, standardize
from xr_dl4ds.grid.pairing import Pairing, pair
from xr_dl4ds.grid.regrid import onto, window
from xr_dl4ds.grid.timeline import at_times, check_times, common_times, in_order, index_of
from xr_dl4ds.scaling import Scaler
from xr_dl4ds.state import State, require_units

logger = logging.getLogger(__name__)

Data = xr.Dataset | xr.DataArray


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inputs:
    """The data that `fit` was called with, see `xr_dl4ds.downscaler.fit`."""

    hr: Data
    lr: Data | None = None
    scale: int | None = None
    static: Data | Sequence[Data] | None = None
    predictors: Data | Sequence[Data] | None = None
    validation: float | tuple[Data, Data] | None = 0.1
    trim: bool = False
    dims: Dims = dataclasses.field(default_factory=Dims)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Stacked:
    """Channels of samples, lazy where the data are: LR inputs and targets ``(time, ...)``."""

    lr: xr.DataArray
    target: xr.DataArray


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A model's state, its samples, and the first and last time of training as text."""

    state: State
    static: xr.DataArray | None
    train: Stacked
    validation: Stacked | None
    period: tuple[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Pair:
    """Physical LR fields as the network sees them, and HR targets at the same times."""

    lr: xr.Dataset
    hr: xr.Dataset

    def steps(self, part: slice) -> _Pair:
        return _Pair(lr=self.lr.isel({TIME: part}), hr=self.hr.isel({TIME: part}))


def prepare(inputs: Inputs, network: Network, sampling: Sampling) -> Prepared:
    """Standardize, pair, align, scale and stack.

    Parameters
    ----------
    inputs : Inputs
        The user's data; not changed.
    network : Network
        Its upsampling decides how LR fields that do not nest are brought to the network.
    sampling : Sampling
        Its interpolation and patch size are checked against the grids.

    Returns
    -------
    Prepared
        State and samples.

    Raises
    ------
    GridError, TimeError, VariableError
        See `xr_dl4ds.downscaler.fit`.
    """
    hr = _read_hr(inputs)
    straight = sampling.interpolation if network.upsampling == "interpolation" else None
    lr, hr, pairing = _pair_grids(inputs, hr, straight)
    _check_patches(sampling, pairing)
    static = _static_fields(inputs, lr, hr, pairing)
    sources = [*([lr] if lr.varying else []), *_predictor_fields(inputs)]
    targets = hr.varying
    whole = _align(sources, hr.pick(targets), pairing)
    features = Features(
        targets=tuple(targets),
        counterparts=tuple(t for t in targets if t in lr.varying),
        predictors=tuple(str(n) for n in whole.lr.data_vars if n not in targets),
        static=tuple(str(n) for n in static.data_vars),
    )
    train, validation = _hold_out(whole, inputs)
    state = _state(features, pairing, train, static, hr)
    if isinstance(inputs.validation, tuple):
        validation = _validation_pair(inputs, state)
    index = index_of(train.hr)
    ends = (0, train.hr.sizes[TIME] - 1) if index is None else (index[0], index[-1])
    return Prepared(
        state=state,
        static=state.static_input(state.static),
        train=_stacked(state, train),
        validation=None if validation is None else _stacked(state, validation),
        period=(str(ends[0]), str(ends[1])),
    )


def several(data: Data | Sequence[Data] | None) -> list[Data]:
    """None, one object or a sequence of them as a new list."""
    if data is None:
        return []
    return [data] if isinstance(data, (xr.Dataset, xr.DataArray)) else list(data)


def auxiliary(data: Data | Sequence[Data] | None, role: str) -> list[Fields]:
    """Each object in the inner form, on its own grid."""
    return [standardize(one, Dims(), role) for one in several(data)]


def _read_hr(inputs: Inputs) -> Fields:
    given = inputs.dims if inputs.lr is None else _those_of(inputs.hr, inputs.dims)
    hr = standardize(inputs.hr, given, "the HR data")
    if not hr.varying:
        raise VariableError(
            f"Expected the HR data to have a variable with a time dimension, got {list(hr.data)}"
            f" with the dimensions {list(hr.data.sizes)}. Pass time_dim= if samples lie along"
            " another dimension."
        )
    check_times(hr, "the HR data")
    return in_order(hr, "the HR data")


def _pair_grids(inputs: Inputs, hr: Fields, straight: str | None) -> tuple[Fields, Fields, Pairing]:
    if inputs.lr is None:
        if inputs.scale is None:
            raise GridError(
                "Expected `scale` for perfect prognosis or an HR target, got neither. Call"
                " hr.downscale.fit(scale=4) or lr.downscale.fit(hr)."
            )
        hr = trim_fields(hr, inputs.scale, trim=inputs.trim)
        lr = coarsened(hr.pick(hr.varying), inputs.scale)
        pairing = Pairing(
            scale=inputs.scale, method="nested", source=lr.grid, lr=lr.grid, hr=hr.grid
        )
        return lr, hr, pairing
    lr = standardize(inputs.lr, inputs.dims, "the LR data")
    check_times(lr, "the LR data")
    lr = in_order(lr, "the LR data")
    for name in set(lr.varying) & set(hr.varying):
        units = (v.data[name].attrs.get("units") for v in (hr, lr))
        require_units(name, *units, "the LR data", "the HR data")
    pairing, hr = pair(lr, hr, straight=straight, trim=inputs.trim)
    if inputs.scale is not None and inputs.scale != pairing.scale:
        raise GridError(
            f"Expected scale={pairing.scale}, which the LR and HR grids have, got"
            f" scale={inputs.scale}. Leave it out: it follows from the pair."
        )
    missing = [n for n in hr.varying if n not in lr.varying]
    if missing:
        logger.info(
            "LR has no %s: %s are predictors, and the target is learned without interpolation"
            " skip; rename the LR variable if it is the same quantity",
            missing,
            [n for n in lr.varying if n not in hr.varying],
        )
    return lr, hr, pairing


def _those_of(obj: Data, dims: Dims) -> Dims:
    """The given dimensions that this object has; the pair may name them differently."""
    kept = {k: v for k, v in dataclasses.asdict(dims).items() if v in obj.dims}
    return Dims(**kept)


def _check_patches(sampling: Sampling, pairing: Pairing) -> None:
    size, scale = sampling.patch_size, pairing.scale
    if size is None:
        return
    if size % scale or size < 2 * scale:
        raise GridError(
            f"Expected `patch_size` to be a multiple of the scale {scale}, at least {2 * scale},"
            f" got {size}. Use {max(2, round(size / scale)) * scale}."
        )
    if size > min(pairing.hr.shape):
        raise GridError(
            f"Expected `patch_size` to fit into the HR grid of {pairing.hr.shape} cells, got {size}."
            " Use a smaller one, or None for whole fields."
        )


def _static_fields(inputs: Inputs, lr: Fields, hr: Fields, pairing: Pairing) -> xr.Dataset:
    """Static fields on HR cells, in memory: of the HR data, of `static=`, and of the LR data."""
    found: dict[str, xr.DataArray] = {}
    sources = [(hr.pick(hr.static), "the static fields of the HR data")]
    for fields in auxiliary(inputs.static, "static="):
        if fields.varying:
            raise VariableError(
                f"Expected static= without a time dimension, got {fields.varying}."
                " Pass them as predictors=, or select one time."
            )
        sources.append((fields, "static="))
    for fields, role in sources:
        for name, variable in onto(fields, pairing.hr, role).items() if fields.static else ():
            if str(name) in found:
                raise VariableError(
                    f"Expected each static field once, got {name!r} twice. Rename or drop one."
                )
            found[str(name)] = variable.astype("f4")
    extra = [n for n in lr.static if n not in found] if inputs.lr is not None else []
    if extra:
        logger.info("static fields of the LR data are interpolated to HR cells: %s", extra)
        found |= {
            str(n): v.astype("f4")
            for n, v in onto(lr.pick(extra), pairing.hr, "static fields of the LR data").items()
        }
    clash = set(found) & {*hr.varying, *lr.varying}
    if clash:
        raise VariableError(
            f"Expected static fields with names of their own, got {sorted(clash)}, which vary in"
            " time too. Rename them."
        )
    (loaded,) = dask.compute(xr.Dataset(found))
    return loaded


def _predictor_fields(inputs: Inputs) -> list[Fields]:
    out = []
    for fields in auxiliary(inputs.predictors, "predictors="):
        if not fields.varying:
            raise VariableError(
                f"Expected predictors= with a time dimension, got {fields.static} without."
                " Pass them as static=."
            )
        check_times(fields, "predictors=")
        out.append(in_order(fields.pick(fields.varying), "predictors="))
    return out


def _align(sources: list[Fields], hr: Fields, pairing: Pairing) -> _Pair:
    """LR counterparts and predictors on the network's LR grid, and targets, at common times."""
    if not sources:
        raise VariableError(
            "Expected the LR data to have a variable with a time dimension, got none."
        )
    times: pd.Index | None = None
    for i, fields in enumerate(sources):
        role = "the LR data" if i == 0 else "predictors="
        common = common_times(fields, hr, role, "the HR data")
        if common is not None:
            times = common if times is None else times.intersection(common)
    if times is not None and len(times) == 0:
        raise TimeError("LR data, predictors and HR data have no time in common.")
    merged: dict[str, xr.DataArray] = {}
    for i, fields in enumerate(sources):
        picked = fields.pick(fields.varying)
        data = pairing.bring(picked) if i == 0 else onto(picked, pairing.lr, "predictors=")
        for name, variable in at_times(data, times).items():
            if str(name) in merged or (i and name in hr.data):
                raise VariableError(
                    f"Expected each predictor to have a name of its own, got {name!r} twice."
                    f" Rename it, for instance .rename({name}='{name}_lr')."
                )
            merged[str(name)] = variable
    targets = at_times(hr.data, times)
    lr = xr.Dataset({n: _same_time(v, targets) for n, v in merged.items()})
    order = [n for n in targets.data_vars if n in lr] + [n for n in lr if n not in targets]
    return _Pair(lr=lr[order], hr=targets)


def _same_time(variable: xr.DataArray, targets: xr.Dataset) -> xr.DataArray:
    """Steps already matched one by one: take over the targets' own time coordinate."""
    variable = variable.drop_vars(TIME, errors="ignore")
    return variable.assign_coords({TIME: targets[TIME]}) if TIME in targets.coords else variable


def _hold_out(pair: _Pair, inputs: Inputs) -> tuple[_Pair, _Pair | None]:
    """Cut the last share of time steps off; the earlier ones are for training."""
    share = inputs.validation
    if share is None or isinstance(share, tuple):
        return pair, None
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share < 1:
        raise ValueError(
            "Expected `validation` to be a share of the last time steps in [0, 1), an (lr, hr)"
            f" pair, or None, got {share!r}."
        )
    steps = pair.hr.sizes[TIME]
    held = max(1, round(share * steps)) if share else 0
    if held >= steps:
        raise TimeError(
            f"Expected at least two time steps to hold {share:.0%} out for validation, got {steps}."
            " Use more, or validation=None."
        )
    if not held:
        return pair, None
    return pair.steps(slice(0, steps - held)), pair.steps(slice(steps - held, steps))


def _state(
    features: Features, pairing: Pairing, train: _Pair, static: xr.Dataset, hr: Fields
) -> State:
    """Fit statistics and masks on the training part alone."""
    hr_scaler = Scaler.fit(train.hr, "the HR data")
    lr_scaler = Scaler.fit(train.lr, "the LR data")
    static_scaler = Scaler.fit(static, "the static fields") if len(static) else None
    features = dataclasses.replace(features, mask=lr_scaler.has_missing(features.lr_varying))
    scaler = lr_scaler.merge(hr_scaler)
    scaler = scaler if static_scaler is None else scaler.merge(static_scaler)
    (never,) = dask.compute(train.hr.isnull().all(TIME))
    everything = {**train.lr.data_vars, **static.data_vars, **train.hr.data_vars}
    return State(
        features=features,
        pairing=pairing,
        scaler=scaler,
        static=static,
        never=never,
        attrs={n: target_attrs(hr.data[n].attrs) for n in features.targets},
        units={str(n): v.attrs.get("units") for n, v in everything.items()},
    )


def _stacked(state: State, pair: _Pair) -> Stacked:
    targets = state.scaler.transform(pair.hr[list(state.features.targets)])
    if state.features.mask:
        for name in state.features.counterparts:
            hidden = state.masked_by_lr(pair.lr, name)
            assert hidden is not None
            targets[name] = targets[name].where(~hidden)
    return Stacked(
        lr=state.network_input(pair.lr, state.static),
        target=state.features.stack_targets(targets),
    )


def _validation_pair(inputs: Inputs, state: State) -> _Pair:
    """An explicit ``(lr, hr)`` pair on the grids of training."""
    assert isinstance(inputs.validation, tuple)
    if len(inputs.validation) != 2:
        raise ValueError(f"Expected an (lr, hr) pair, got {len(inputs.validation)} objects.")
    roles = "the LR validation data", "the HR validation data"
    lr, hr = (
        in_order(standardize(obj, _those_of(obj, inputs.dims), role), role)
        for obj, role in zip(inputs.validation, roles, strict=True)
    )
    wanted = {"lr": [n for n in state.features.counterparts], "hr": list(state.features.targets)}
    for fields, role, names in ((lr, roles[0], wanted["lr"]), (hr, roles[1], wanted["hr"])):
        check_times(fields, role)
        state.check_units(fields, role)
        missing = [n for n in names if n not in fields.varying]
        if missing:
            raise VariableError(f"Expected {role} to have {missing}, got {fields.varying}.")
    inner = window(hr.grid, state.pairing.hr)
    on_lr = lr.grid.same_cells(state.pairing.source) or lr.grid.same_cells(state.pairing.lr)
    if inner is None or not on_lr:
        raise GridError(
            f"Expected validation data on the training grids (LR {state.pairing.lr.extent}; HR"
            f" {state.pairing.hr.extent}), got LR {lr.grid.extent}; HR {hr.grid.extent}."
        )
    hr_data = hr.data[wanted["hr"]].isel(inner).assign_coords(state.pairing.hr.coords)
    hr = dataclasses.replace(hr, data=hr_data, grid=state.pairing.hr)
    keep = [n for n in lr.varying if n in state.features.lr_varying]
    return _align([lr.pick(keep), *_predictor_fields(inputs)], hr, state.pairing)


__all__ = ["Inputs", "Prepared", "Stacked", "X", "Y", "auxiliary", "prepare", "several"]

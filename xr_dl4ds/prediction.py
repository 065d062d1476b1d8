"""From the caller's LR data to a georeferenced prediction in the caller's layout, lazily."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import dask
import numpy as np
import xarray as xr

from xr_dl4ds.config import Network
from xr_dl4ds.config.choices import NOT_NEGATIVE
from xr_dl4ds.consistency import consistent
from xr_dl4ds.exceptions import GridError, TimeError
from xr_dl4ds.georeference import georeference
from xr_dl4ds.grid.conventions import one_variable
from xr_dl4ds.grid.discovery import holds_times
from xr_dl4ds.grid.extra import gather
from xr_dl4ds.grid.fields import (
    REALIZATION,
    TIME,
    Fields,
    X,
    Y,
    as_dataset,
    select,
)
from xr_dl4ds.grid.members import members_of
from xr_dl4ds.grid.placement import Placement, place
from xr_dl4ds.grid.timeline import (
    Windows,
    index_of,
    runs,
    windows_ending,
)
from xr_dl4ds.layout import Layout, beside_one_another, laid_out
from xr_dl4ds.request import ROLE, Request, lr_fields, predictors, static_fields
from xr_dl4ds.requirements import check_circle
from xr_dl4ds.sources import Data
from xr_dl4ds.state import State

#: ``(LR channels, inputs without time, windows, seed of a realization, whether columns go around)
#: -> HR output``, all stacked, see `inference.apply`.
Apply = Callable[
    [xr.DataArray, Mapping[str, xr.DataArray], Windows | None, int | None, bool], xr.DataArray
]


def predict(
    state: State,
    options: Mapping[str, Any],
    request: Request,
    apply: Apply,
    provenance: Mapping[str, Any],
) -> Data:
    """Check, stack, apply, unscale, constrain, mask, lay out, georeference.

    Parameters
    ----------
    state : State
        What was fitted.
    options : mapping
        Option objects by role: network, sampling, training.
    request : Request
        The caller's data; not changed.
    apply : callable
        Runs the network.
    provenance : mapping
        For the attributes of the result.

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        As the LR data were given, when there is one target.
    """
    source = as_dataset(request.lr, ROLE)
    _check_realizations(options["network"], request)
    bases = [n for n in state.bases(state.features.lr_varying) if n in source.data_vars]
    members = members_of(*([(select(source, bases), request.dims, ROLE)] if bases else []))
    if request.realizations is not None and REALIZATION in members.labels:
        raise ValueError(
            f"Expected {ROLE} without the dimension {REALIZATION!r} for"
            f" realizations={request.realizations}, got {len(members.labels[REALIZATION])} members."
            f" Rename it with .rename({REALIZATION}='member')."
        )
    parts = []
    for member in members:
        beside = members.pick(request.predictors, member)
        part = dataclasses.replace(request, lr=members.pick(source, member), predictors=beside)
        out, placed = _physical(state, options, part, apply)
        parts.append(laid_out(out, source, placed, members))
    out = beside_one_another(parts, members, source, placed, request.realizations is not None)
    if request.realizations is not None:  # with the model, all that it takes to make them again
        again = {"realizations": request.realizations, "realizations_seed": request.seed}
        provenance = {**provenance, **again}
    attrs = {base: state.attrs[name] for name, base in _targets(state).items()}
    result = georeference(out, placed.hr, attrs, source, provenance)
    if isinstance(request.lr, xr.DataArray) and len(attrs) == 1:
        target = one_variable(result, next(iter(attrs)))
        return target.assign_attrs({k: v for k, v in result.attrs.items() if k not in target.attrs})
    return result


def _targets(state: State) -> dict[str, str]:
    """Each target and the variable in the user's data of which it is a part."""
    return {name: state.bases([name])[0] for name in state.features.targets}


def _physical(
    state: State, options: Mapping[str, Any], request: Request, apply: Apply
) -> tuple[xr.Dataset, Layout]:
    """Targets in physical units on canonical cells, and how the caller's data lie."""
    network, sampling = options["network"], options["sampling"]
    source = as_dataset(request.lr, ROLE)
    fields = lr_fields(state, source, request)
    placement = place(state.pairing, fields.grid)
    circle = placement.lr.x.periodic
    check_circle(network, placement.lr, state.pairing.scale)
    if network.localized:
        _require_trained(state, placement, fields)
    varying = state.pairing.bring(fields, placement.lr)
    if TIME not in varying.sizes:
        date = _date(source, request.dims.time)
        varying = varying.expand_dims(TIME if date is None else {TIME: [date]})
    varying = varying.assign_coords(placement.lr.coords)
    varying = varying.merge(predictors(state, request, fields, placement), join="exact")
    static = static_fields(state, source, request, placement)
    windows = _windows(state, fields, sampling.time_window)
    channels = state.network_input(varying, static, placement.lr)
    # in memory, once for all members
    (fixed,) = dask.compute(state.fixed_inputs(static, placement.trained, placement.hr.shape))
    members = [
        apply(channels, fixed, windows, seed, circle)
        for seed in _seeds(request.realizations, request.seed)
    ]
    stacked = members[0] if request.realizations is None else xr.concat(members, REALIZATION)
    out = state.scaler.inverse(state.features.unstack(stacked))
    if network.output_activation in NOT_NEGATIVE:  # scaling back leaves -1e-7 of zero
        out = out.clip(min=0)
    if network.constraint is not None:
        out = _constrained(state, out, varying, placement, network.constraint)
    out = _masked(state, out, varying, placement)
    layout = Layout(dims=fields.dims, hr=placement.hr, order=placement.order)
    return gather(out, state.slices), layout


def _date(source: xr.Dataset, given: str | None) -> Any:
    """The date of fields of one time, which stands beside them as a scalar coordinate."""
    found = {str(n): c for n, c in source.coords.items() if c.ndim == 0 and holds_times(c)}
    cf = [n for n, c in found.items() if c.attrs.get("standard_name") == "time" or n == "time"]
    names = [n for n in (given, *cf, *(found if len(found) == 1 else ())) if n in found]
    return found[str(names[0])].to_numpy()[()] if names else None


def _check_realizations(network: Network, request: Request) -> None:
    n = request.realizations
    if n is not None and not network.monte_carlo:
        raise ValueError(
            f"Expected a model with Monte-Carlo dropout for realizations={n}, got"
            f" dropout={network.dropout!r}, monte_carlo=False, which has one answer. Fit it with"
            " dropout='vanilla', monte_carlo=True."
        )


def _seeds(realizations: int | None, seed: int) -> list[int | None]:
    """A seed for each member; the first n members of any ensemble with one seed are the same."""
    if realizations is None:
        return [None]
    return [
        int(np.random.SeedSequence([seed, member]).generate_state(1)[0])
        for member in range(realizations)
    ]


def _require_trained(state: State, placement: Placement, fields: Fields) -> None:
    if placement.trained is None:
        raise GridError(
            "Expected LR fields on the training domain"
            f" ({state.pairing.lr.extent}) or a part of it, because localized=True gives each of"
            f" its HR cells weights of its own, got {fields.grid.extent}. Fit with localized=False"
            " for other domains."
        )


def _windows(state: State, fields: Fields, window: int | None) -> Windows | None:
    """The window of each step, for a spatio-temporal model."""
    if window is None or state.step is None:
        return None
    if TIME not in fields.data.sizes:
        raise TimeError(
            f"Expected {ROLE} to have a time dimension, because the model sees windows of {window}"
            " steps, got none. Keep it with .isel(time=[i]), and pass the steps before it."
        )
    index = index_of(fields.data)
    if index is not None and not index.is_monotonic_increasing:
        at = next(i for i in range(len(index) - 1) if index[i] > index[i + 1])
        raise TimeError(
            f"Expected {ROLE} in order of time, because the model sees windows of {window} steps,"
            f" got {index[at]} followed by {index[at + 1]}. Use .sortby({fields.dims.time!r})."
        )
    return windows_ending(runs(fields.data, ROLE, state.step), window)


def _constrained(
    state: State, out: xr.Dataset, varying: xr.Dataset, placement: Placement, kind: str
) -> xr.Dataset:
    """Targets with an LR counterpart, equal to it in the mean of each LR cell."""
    moved = {}
    for name in state.features.counterparts:
        valid = None
        if placement.trained is not None and state.masked:
            valid = ~state.never[name].isel(placement.trained).drop_vars([Y, X])
        moved[name] = consistent(out[name], varying[name], valid, state.pairing.scale, kind)
    return out.assign(moved)


def _masked(state: State, out: xr.Dataset, varying: xr.Dataset, placement: Placement) -> xr.Dataset:
    """NaN where training never had a value, and where the LR counterpart has none."""
    masked = {}
    for name, variable in out.items():
        hidden = state.masked_by_lr(varying, str(name))
        if hidden is not None:
            variable = variable.where(~hidden)
        if placement.trained is not None:
            never = state.never[name].isel(placement.trained).drop_vars([Y, X])
            if bool(never.any()):
                variable = variable.where(~never)
        masked[name] = variable
    return xr.Dataset(masked)

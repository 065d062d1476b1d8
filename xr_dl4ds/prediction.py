"""From the caller's LR data to a georeferenced prediction in the caller's layout, lazily."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import dask
import xarray as xr

from xr_dl4ds.ensemble import MEMBERS_OF_MEAN, Draws, Ensemble, Sources, check
from xr_dl4ds.exceptions import GridError, TimeError
from xr_dl4ds.georeference import georeference, with_spread
from xr_dl4ds.grid.conventions import one_variable
from xr_dl4ds.grid.discovery import holds_times
from xr_dl4ds.grid.extra import gather
from xr_dl4ds.grid.fields import (
    REALIZATION,
    TIME,
    Fields,
    as_dataset,
    select,
)
from xr_dl4ds.grid.members import label_of, members_of
from xr_dl4ds.grid.placement import Placement, place
from xr_dl4ds.grid.timeline import (
    Windows,
    index_of,
    runs,
    windows_ending,
)
from xr_dl4ds.layout import Layout, beside_one_another, laid_out
from xr_dl4ds.noise import step_keys
from xr_dl4ds.physics import Physics
from xr_dl4ds.request import (
    ROLE,
    Request,
    check_tiles,
    lr_fields,
    predictors,
    static_fields,
)
from xr_dl4ds.requirements import check_circle
from xr_dl4ds.sources import Data
from xr_dl4ds.state import State


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stacked:
    """What a network is applied to, see `inference.apply`.

    Parameters
    ----------
    lr : xarray.DataArray
        LR channels ``(time, y, x, channel)``.
    fixed : mapping of xarray.DataArray
        Inputs without time, in memory.
    windows : Windows, optional
        For a spatio-temporal network, the window of each step.
    keys : xarray.DataArray
        ``(time,)``, of the random numbers of each step.
    circle : bool
        Whether columns go around.
    tile_size : int, optional
        HR cells along one edge of a tile, see `inference.tiles`.
    """

    lr: xr.DataArray
    fixed: Mapping[str, xr.DataArray]
    windows: Windows | None
    keys: xr.DataArray
    circle: bool
    tile_size: int | None = None


#: Runs the network on stacked input, in the realization of a seed or, for None, its one answer.
Apply = Callable[[Stacked, int | None], xr.DataArray]


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
    sources = Sources.of(state, options)
    attrs = {base: state.attrs[name] for name, base in _targets(state).items()}
    check(sources, request, options, attrs)
    check_tiles(request, state.pairing.scale)
    bases = [n for n in state.bases(state.features.lr_varying) if n in source.data_vars]
    members = members_of(*([(select(source, bases), request.dims, ROLE)] if bases else []))
    if request.realizations is not None and REALIZATION in members.labels:
        raise ValueError(
            f"Expected {ROLE} without the dimension {REALIZATION!r} for"
            f" realizations={request.realizations}, got {len(members.labels[REALIZATION])} members."
            f" Rename it with .rename({REALIZATION}='member')."
        )
    own = label_of(source)
    parts = []
    for member in members:
        beside = members.pick(request.predictors, member)
        part = dataclasses.replace(request, lr=members.pick(source, member), predictors=beside)
        ensemble, placed = _ensemble(state, options, sources, part, apply, {**own, **member})
        found = [gather(out, state.slices) for out in _asked(ensemble, request)]
        parts.append([laid_out(out, source, placed, members) for out in found])
    drawn = request.realizations is not None
    out, *spreads = (
        _regular(beside_one_another(list(one), members, source, placed, drawn), placed)
        for one in zip(*parts, strict=True)
    )
    for spread in spreads:
        out, attrs = with_spread(out, spread, attrs)
    provenance = {**provenance, **_again(sources, request)}
    result = georeference(out, placed.hr, attrs, source, provenance)
    if isinstance(request.lr, xr.DataArray) and len(attrs) == 1:
        target = one_variable(result, next(iter(attrs)))
        return target.assign_attrs({k: v for k, v in result.attrs.items() if k not in target.attrs})
    return result


def _regular(out: xr.Dataset, placed: Layout) -> xr.Dataset:
    """Chunks of one size along y and x, as Zarr asks for it, but for the last.

    In the caller's layout the smaller tile at the end may come first, and a globe may begin inside
    a tile.
    """
    found = {}
    for dim in (placed.hr.y.name, placed.hr.x.name):
        sizes = out.chunksizes.get(dim, (out.sizes[dim],))
        if len(set(sizes[:-1])) > 1 or sizes[-1] > sizes[0]:
            found[dim] = max(sizes)
    return out.chunk(found) if found else out


def _asked(ensemble: Ensemble, request: Request) -> tuple[xr.Dataset, ...]:
    """Members, the one answer, or that and the spread."""
    if request.realizations is not None:
        return (ensemble.realizations(request.realizations, request.seed),)
    if request.spread:
        return ensemble.mean_and_spread(request.seed)
    return (ensemble.mean(request.seed),)


def _again(sources: Sources, request: Request) -> dict[str, int]:
    """With the model, all that it takes to draw the same members again."""
    if request.realizations is not None:
        return {"realizations": request.realizations, "realizations_seed": request.seed}
    if sources.averaged or (request.spread and sources.network):
        return {"members_of_mean": MEMBERS_OF_MEAN, "realizations_seed": request.seed}
    return {}


def _targets(state: State) -> dict[str, str]:
    """Each target and the variable in the user's data of which it is a part."""
    return {name: state.bases([name])[0] for name in state.features.targets}


def _ensemble(
    state: State,
    options: Mapping[str, Any],
    sources: Sources,
    request: Request,
    apply: Apply,
    labels: Mapping[str, Any],
) -> tuple[Ensemble, Layout]:
    """The model on the caller's data in canonical order, and how they lie."""
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
    beside = predictors(state, request, fields, placement)
    varying = _in_step(varying.merge(beside, join="exact"))
    static = static_fields(state, source, request, placement)
    channels = state.network_input(varying, static, placement.lr)
    # in memory, once for all members
    (fixed,) = dask.compute(state.fixed_inputs(static, placement.trained, placement.hr.shape))
    keys = step_keys(channels, labels)
    stacked = Stacked(
        lr=channels,
        fixed=fixed,
        windows=_windows(state, fields, sampling.time_window),
        keys=keys,
        circle=circle,
        tile_size=request.tile_size,
    )
    draws = Draws(
        sources=sources,
        run=functools.partial(apply, stacked),
        keys=keys,
        valid=fixed["valid"],
        state=state,
        constrained=network.constraint is not None,
    )
    ensemble = Ensemble(
        draws=draws,
        physics=Physics(state=state, options=options, varying=varying, placement=placement),
    )
    return ensemble, Layout(dims=fields.dims, hr=placement.hr, order=placement.order)


def _in_step(varying: xr.Dataset) -> xr.Dataset:
    """All variables in the time chunks of the first, which the prediction then has too."""
    lazy = [v for v in varying.data_vars.values() if v.chunks is not None]
    if not lazy:
        return varying
    chunks = {TIME: lazy[0].chunksizes[TIME]}
    return varying.map(lambda v: v if v.chunks is None else v.chunk(chunks))


def _date(source: xr.Dataset, given: str | None) -> Any:
    """The date of fields of one time, which stands beside them as a scalar coordinate."""
    found = {str(n): c for n, c in source.coords.items() if c.ndim == 0 and holds_times(c)}
    cf = [n for n, c in found.items() if c.attrs.get("standard_name") == "time" or n == "time"]
    names = [n for n in (given, *cf, *(found if len(found) == 1 else ())) if n in found]
    return found[str(names[0])].to_numpy()[()] if names else None


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

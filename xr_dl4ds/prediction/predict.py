"""Lazy prediction, from the caller's LR data to a georeferenced result in the caller's layout."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator

import dask
import numpy as np
import xarray as xr

from xr_dl4ds.config import Json, Options
from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.data.auxiliary import PREDICTORS
from xr_dl4ds.data.checks import check_global_domain
from xr_dl4ds.data.counterparts import under_target_names
from xr_dl4ds.data.guess_choice import guess_of, require_whole_domain
from xr_dl4ds.data.plausibility import note_accumulations, note_fields, note_kinds
from xr_dl4ds.data.state import State
from xr_dl4ds.exceptions import GridError, TimeError
from xr_dl4ds.grid.cf.conventions import one_variable
from xr_dl4ds.grid.cf.extra_dims import gather
from xr_dl4ds.grid.cf.fields import Fields, as_dataset, select
from xr_dl4ds.grid.cf.georeference import georeference, with_spread
from xr_dl4ds.grid.cf.members import Members, label_of, members_of
from xr_dl4ds.grid.cf.time_axis import Windows, index_of, runs, usual_step, windows_ending
from xr_dl4ds.grid.cf.valid_times import scalar_date
from xr_dl4ds.grid.names import REALIZATION, TIME, Attrs, Data, X, Y
from xr_dl4ds.grid.regridding.placement import Placement, on_training_cells, place
from xr_dl4ds.grid.regridding.rectilinear import window
from xr_dl4ds.grid.regridding.surroundings import inner, known_share, widened
from xr_dl4ds.prediction.ensemble import MEMBERS_OF_MEAN, Draws, Ensemble, MemberSources, check
from xr_dl4ds.prediction.extrapolation import within_reach
from xr_dl4ds.prediction.layout import Layout, beside_one_another, laid_out
from xr_dl4ds.prediction.network_input import AppliesNetwork, NetworkInput
from xr_dl4ds.prediction.postprocess import Physics
from xr_dl4ds.prediction.random_numbers import step_keys
from xr_dl4ds.prediction.request import (
    ROLE,
    Request,
    check_tiles,
    lr_fields,
    predictors,
    static_fields,
)

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A model with the caller's data, before anything is predicted.

    Parameters
    ----------
    state : State
        State of the fitted model.
    options : Options
        The options of the model.
    request : Request
        The caller's data, decoded.
    source : xarray.Dataset
        The LR data, under the names of the targets.
    members : Members
        The members of the LR data.
    """

    state: State
    options: Options
    request: Request
    source: xr.Dataset
    members: Members

    @classmethod
    def of(cls, state: State, options: Options, request: Request) -> Task:
        """Read and check the arguments of a prediction."""
        request = request.decoded()
        source = under_target_names(as_dataset(request.lr, ROLE), state.counterparts)
        targets = state.bases(state.features.targets)
        check(MemberSources.of(state, options), request, options, targets)
        check_tiles(request, state.pairing.scale)
        bases = [n for n in state.bases(state.features.lr_varying) if n in source.data_vars]
        members = members_of(*([(select(source, bases), request.dims, ROLE)] if bases else []))
        if request.realizations is not None and REALIZATION in members.labels:
            raise ValueError(
                f"Expected {ROLE} without the dimension {REALIZATION!r} for"
                f" realizations={request.realizations}, got {len(members.labels[REALIZATION])}"
                f" members. Rename it with .rename({REALIZATION}='member')."
            )
        return cls(state=state, options=options, request=request, source=source, members=members)

    @property
    def sources(self) -> MemberSources:
        """Stochastic parts of the model."""
        return MemberSources.of(self.state, self.options)

    @property
    def attrs(self) -> dict[str, Attrs]:
        """Attributes of each predicted variable."""
        state = self.state
        return {state.bases([name])[0]: state.attrs[name] for name in state.features.targets}

    def ensembles(self, runner: AppliesNetwork) -> Iterator[tuple[Ensemble, Layout]]:
        """Combine the model with each member of the LR data, one after the other.

        Notes on suspicious values are logged once, and not for altered data.
        """
        request, own = self.request, label_of(self.source)
        for i, member in enumerate(self.members):
            lr, beside = (self.members.pick(x, member) for x in (self.source, request.predictors))
            part = dataclasses.replace(request, lr=lr, predictors=beside)
            note = i == 0 and request.alteration is None
            yield _ensemble(self, part, runner, {**own, **member}, note=note)


@with_expected_options
def predict(
    state: State,
    options: Options,
    request: Request,
    runner: AppliesNetwork,
    provenance: Json,
) -> Data:
    """Predict HR fields from the caller's LR data.

    The steps are: check the data, stack channels, apply the network, scale back, apply constraints
    and masks, restore the caller's layout, and georeference the result.

    Parameters
    ----------
    state : State
        State of the fitted model.
    options : Options
        The options of the model.
    request : Request
        The caller's data; not changed.
    runner : xr_dl4ds.inference.Runner
        Applies the network.
    provenance : mapping
        Provenance of the model, for the attributes of the result.

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        The prediction; a DataArray if the LR data are a DataArray and there is one target.
    """
    task = Task.of(state, options, request)
    request, source, members = task.request, task.source, task.members
    parts = []
    for ensemble, placed in task.ensembles(runner):
        found = [gather(out, state.slices) for out in _asked(ensemble, request)]
        parts.append([laid_out(out, source, placed, members) for out in found])
    drawn = request.realizations is not None
    out, *spreads = (
        _regular(beside_one_another(list(one), members, source, placed, drawn), placed)
        for one in zip(*parts, strict=True)
    )
    attrs = task.attrs
    for spread in spreads:
        out, attrs = with_spread(out, spread, attrs)
    provenance = {**provenance, **_draw_provenance(task.sources, request)}
    result = georeference(out, placed.hr, attrs, source, provenance)
    if isinstance(request.lr, xr.DataArray) and len(attrs) == 1:
        target = one_variable(result, next(iter(attrs)))
        return target.assign_attrs({k: v for k, v in result.attrs.items() if k not in target.attrs})
    return result


def _regular(out: xr.Dataset, placed: Layout) -> xr.Dataset:
    """Rechunk to chunks of one size along y and x, except the last, as Zarr requires.

    In the caller's layout the smaller tile at the end may come first, and a global domain may begin
    inside a tile.
    """
    found = {}
    for dim in (placed.hr.y.name, placed.hr.x.name):
        sizes = out.chunksizes.get(dim, (out.sizes[dim],))
        if len(set(sizes[:-1])) > 1 or sizes[-1] > sizes[0]:
            found[dim] = max(sizes)
    return out.chunk(found) if found else out


def _asked(ensemble: Ensemble, request: Request) -> tuple[xr.Dataset, ...]:
    """Return the guess, the members, the prediction, or the prediction and its spread."""
    guess = ensemble.draws.network_input.guess
    if request.first_guess_only:
        if ensemble.physics.state.from_mean:
            guess = ensemble.draws.run(None)
        assert guess is not None
        return (ensemble.physics.guesses.fields(guess),)
    if request.realizations is not None:
        return (ensemble.realizations(request.realizations, request.seed),)
    if request.spread:
        return ensemble.mean_and_spread(request.seed)
    return (ensemble.mean(request.seed),)


def _draw_provenance(sources: MemberSources, request: Request) -> dict[str, int]:
    """Return the number and the seed of the members, with which they can be drawn again."""
    if request.realizations is not None:
        return {"realizations": request.realizations, "realizations_seed": request.seed}
    if sources.averaged or (request.spread and sources.network):
        return {"members_of_mean": MEMBERS_OF_MEAN, "realizations_seed": request.seed}
    return {}


def _ensemble(
    task: Task, request: Request, runner: AppliesNetwork, labels: Json, *, note: bool
) -> tuple[Ensemble, Layout]:
    """Combine the model with one member of the LR data; return the ensemble and the layout.

    With `note`, suspicious values of data in memory are logged.
    """
    state, options = task.state, task.options
    source = as_dataset(request.lr, ROLE)
    given = lr_fields(state, source, request)
    fields = on_training_cells(given, state.pairing, ROLE, note=note)
    placement = _placement(state, options, fields, note=note)
    if note:  # of values before regridding, which averages marks with the values beside them
        _note_suspicions(state, given)
    varying, share = _varying(state, source, request, fields, placement, note=note)
    static = static_fields(state, source, request, placement, note=note)
    if request.alteration is not None:
        varying, static = request.alteration.varying(varying), request.alteration.static(static)
    grid = widened(placement.lr, state.pairing.context)
    assert grid is not None
    channels = state.network_input(varying, static, grid, share)
    guess = None
    if state.first_guess is not None or request.first_guess_only:
        require_whole_domain(state, placement.lr)
        guess = guess_of(state, channels, options.sampling.interpolation)
    # computed once for all members
    windows = None
    if not request.first_guess_only:  # which has no windows, whatever the steps
        windows = _windows(state, fields, options.sampling.time_window)
    (fixed,) = dask.compute(state.fixed_inputs(static, placement.trained, placement.hr.shape))
    draws = Draws(
        sources=task.sources,
        runner=runner,
        network_input=NetworkInput(
            lr=channels,
            fixed=fixed,
            windows=windows,
            keys=step_keys(channels, labels),
            global_domain=placement.lr.x.periodic,
            tile_size=request.tile_size,
            guess=guess,
            corner=_corner(state, placement),
            period=_period(state, placement),
        ),
    )
    inside = inner(varying, state.pairing.context)
    physics = Physics(state=state, options=options, varying=inside, placement=placement)
    layout = Layout(dims=fields.dims, hr=placement.hr, order=placement.order)
    return Ensemble(draws=draws, physics=physics), layout


def _corner(state: State, placement: Placement) -> tuple[int, int]:
    """Return row and column of the first HR cell, counted from that of the training domain."""
    if placement.trained is not None:
        return int(placement.trained[Y][0]), int(placement.trained[X][0])
    ours, training = placement.lr, state.pairing.lr
    apart = [
        round(float(a.canonical[0] - b.canonical[0]) / b.spacing) * cells
        for a, b, cells in zip(
            (ours.y, ours.x), (training.y, training.x), state.pairing.scale.edges, strict=True
        )
    ]
    return apart[0], apart[1]


def _period(state: State, placement: Placement) -> int | None:
    """Return the number of HR columns around the globe, if the domains of both go around it."""
    if placement.lr.x.periodic:
        return placement.lr.x.size * state.pairing.scale.x
    hr = state.pairing.hr
    return hr.x.size if hr.x.periodic else None


def _note_suspicions(state: State, fields: Fields) -> None:
    """Warn of suspicious values of LR data in memory, and of attributes unlike those of targets."""
    note_fields({str(n): v for n, v in fields.data[fields.varying].items()}, ROLE)
    note_accumulations(fields.in_memory, ROLE)
    for name in state.features.counterparts:
        if name in fields.data:
            note_kinds(name, fields.data[name].attrs, state.attrs[name], (ROLE, "training"))


def _placement(state: State, options: Options, fields: Fields, *, note: bool) -> Placement:
    """Find the position of the LR fields; raise if the network cannot be applied there."""
    placement = place(state.pairing, fields.grid)
    check_global_domain(options.network, placement.lr, state.pairing.scale)
    beyond = placement.trained is None and window(fields.grid, state.pairing.lr) is not None
    if note and beyond and state.masked:
        logger.warning(
            "%s lie beyond the training domain too (%s), so cells that never had a value in"
            " training are predicted: select the training domain to leave them out",
            *(ROLE, state.pairing.lr.extent),
        )
    if options.network.localized and placement.trained is None:
        raise GridError(
            f"Expected LR fields on the training domain ({state.pairing.lr.extent}) or a part of"
            " it, because localized=True gives each of its HR cells separate weights, got"
            f" {fields.grid.extent}. Fit with localized=False for other domains."
        )
    return placement


def _varying(
    state: State,
    source: xr.Dataset,
    request: Request,
    fields: Fields,
    placement: Placement,
    *,
    note: bool,
) -> tuple[xr.Dataset, xr.DataArray | None]:
    """Regrid LR fields and predictors to the LR cells that the network sees: ``(time, y, x)``.

    The second result is the share of them that have values in each cell; None for all. With `note`,
    suspicious values of predictors in memory are logged.
    """
    varying = state.pairing.lr_seen(fields, placement.lr)
    if TIME not in varying.sizes:
        date = scalar_date(source.coords, request.dims.time)
        at = {TIME: 1} if date is None else {TIME: [date.to_numpy()[()]]}
        varying = varying.expand_dims(at)
    beside, grids = predictors(state, request, fields, placement, note=note)
    around = state.pairing.context
    known = known_share([fields.grid, *grids], placement.lr, around)
    if (
        note
        and known is not None
        and not (state.features.surroundings and state.pairing.extends(fields.grid, placement.lr))
    ):
        logger.warning(
            "%s or predictors= have no values in %d of %d cells around the domain that the model"
            " sees (%d on each side): the outer values are repeated there; provide fields that"
            " extend farther",
            *(ROLE, int((known < 1).sum()), known.size - np.prod(placement.lr.shape), around),
        )
    roles = dict.fromkeys(varying, ROLE) | dict.fromkeys(beside, PREDICTORS)
    varying = _in_step(varying.merge(beside, join="exact"))
    if request.alteration is not None:  # the same data have been checked as they are
        return varying.map(lambda v: v.where(np.isfinite(v))), known
    return within_reach(varying, state, roles), known


def _in_step(varying: xr.Dataset) -> xr.Dataset:
    """Give all variables the time chunks of the first lazy variable, as the prediction has."""
    lazy = [v for v in varying.data_vars.values() if v.chunks is not None]
    if not lazy:
        return varying
    chunks = {TIME: lazy[0].chunksizes[TIME]}
    return varying.map(lambda v: v if v.chunks is None else v.chunk(chunks))


def _windows(state: State, fields: Fields, window: int | None) -> Windows | None:
    """Return the window of each step for a spatio-temporal model, else None."""
    if window is None or state.step is None:
        return None
    if TIME not in fields.data.sizes:
        raise TimeError(
            f"Expected {ROLE} to have a time dimension, because the model sees windows of {window}"
            f" steps, got {[fields.dims.y, fields.dims.x]}. Keep it with .isel(time=[i]), and pass"
            " the steps before it."
        )
    index = index_of(fields.data)
    if index is not None and not index.is_monotonic_increasing:
        at = next(i for i in range(len(index) - 1) if index[i] > index[i + 1])
        raise TimeError(
            f"Expected {ROLE} in order of time, because the model sees windows of {window} steps,"
            f" got {index[at]} followed by {index[at + 1]}. Use .sortby({fields.dims.time!r})."
        )
    found = runs(fields.data, ROLE, state.step)
    steps = fields.data.sizes[TIME]
    longest = max(run.stop - run.start for run in found)
    if longest == 1 < steps and (usual := usual_step(fields.data, ROLE)) < state.step:
        raise TimeError(
            f"Expected {ROLE} in steps of {state.step / 3600:g} hours, as in training, because the"
            f" model sees windows of {window} steps, got steps of {usual / 3600:g} hours. Select"
            " those, such as with .isel(time=slice(None, None, n)), or average them."
        )
    if longest < window <= steps:
        logger.warning(
            "%s have no %d steps of %g hours in a row, which the model saw as a window: shorter"
            " windows are used",
            *(ROLE, window, state.step / 3600),
        )
    return windows_ending(found, window)

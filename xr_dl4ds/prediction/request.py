"""The arguments of a prediction, and the fields that are read from them and checked."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Protocol

import xarray as xr

from xr_dl4ds.config import Scale, nearest
from xr_dl4ds.config.value_checks import flag, whole_number
from xr_dl4ds.data.auxiliary import (
    PREDICTORS,
    STATIC,
    Source,
    auxiliary,
    in_common,
    static_on,
    varying_on,
)
from xr_dl4ds.data.plausibility import note_fields
from xr_dl4ds.data.state import State
from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.grid.cf.decoding import decoded
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.extra_dims import CHANNELS
from xr_dl4ds.grid.cf.fields import Fields, select, standardize
from xr_dl4ds.grid.cf.time_axis import check_times, index_of
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import TIME, Data
from xr_dl4ds.grid.regridding.completion import with_rim
from xr_dl4ds.grid.regridding.placement import Placement
from xr_dl4ds.grid.regridding.regridder import regridder
from xr_dl4ds.prediction.extrapolation import check_static

ROLE = "the LR data"


class Alteration(Protocol):
    """A change of the fields that a model sees, in physical units and on the model's cells."""

    def varying(self, fields: xr.Dataset) -> xr.Dataset:
        """Return changed LR variables ``(time, y, x)``."""

    def static(self, fields: xr.Dataset) -> xr.Dataset:
        """Return changed static fields ``(y, x)``."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """Arguments of a prediction, see `xr_dl4ds.downscaler.Downscaler.predict`.

    `alteration` changes the fields that the model sees, to explain the model.
    """

    lr: Data
    static: Data | Sequence[Data] | None = None
    predictors: Data | Sequence[Data] | None = None
    realizations: int | None = None
    seed: int = 0
    spread: bool = False
    tile_size: int | None = None
    first_guess_only: bool = False
    dims: Dims = dataclasses.field(default_factory=Dims)
    alteration: Alteration | None = None

    def __post_init__(self) -> None:
        whole_number(self, "realizations", 1, optional=True)
        whole_number(self, "seed", 0)
        flag("spread", self.spread)
        whole_number(self, "tile_size", 1, optional=True)
        flag("first_guess_only", self.first_guess_only)
        if self.first_guess_only and (self.spread or self.realizations is not None):
            raise ValueError(
                "Expected neither `realizations` nor `spread` for first_guess_only=True, which is a"
                f" single field, got realizations={self.realizations!r} and spread={self.spread!r}."
                " Leave them out."
            )

    def decoded(self) -> Request:
        """Decode all data, see `xr_dl4ds.grid.cf.decoding`."""
        return dataclasses.replace(
            self,
            lr=decoded(self.lr, ROLE),
            static=decoded(self.static, STATIC),
            predictors=decoded(self.predictors, PREDICTORS),
        )


def check_tiles(request: Request, scale: Scale) -> None:
    """Raise a `ValueError` unless a tile is a whole number of LR cells."""
    size, whole = request.tile_size, math.lcm(*scale.edges)
    if size is not None and size % whole:
        least = max(size - size % whole, whole)
        raise ValueError(
            f"Expected `tile_size` to be a multiple of the scale {scale}, in HR cells, got {size}."
            f" Use {least}, or leave it out."
        )


def lr_fields(state: State, source: xr.Dataset, request: Request) -> Fields:
    """Check and return the LR variables that the model takes from the LR dataset itself."""
    wanted = list(state.features.lr_varying)
    beside = auxiliary(request.predictors, PREDICTORS, state.as_trained)
    offered = [n for p in beside for n in p.fields.varying if n in state.features.predictors]
    own = [n for n in wanted if n not in offered]
    bases = [n for n in state.bases(wanted) if n in source.data_vars]
    fields = None
    if bases:
        fields = standardize(select(source, bases), request.dims, ROLE)
        fields = state.as_trained(fields, ROLE)
        for name in (n for n in offered if n in fields.varying):
            base = fields.slices[name].of if name in fields.slices else name
            raise VariableError(
                f"Expected {name!r} once, got it in {ROLE} and in predictors=. Drop one of them,"
                f" such as with .drop_vars({base!r})."
            )
    present = [n for n in own if fields is not None and n in fields.data]
    missing = [n for n in own if n not in present]
    if missing:
        name = missing[0]
        slices = fields.slices if fields else {}
        spread = {piece.of for piece in slices.values()}
        seen = (*(n for n in source.data_vars if n not in spread), *slices)
        others = list(dict.fromkeys(map(str, seen)))
        hint = nearest(name, others)
        cure = "Add it, or rename the matching variable."
        if name in spread:
            along = next(iter(next(p for p in slices.values() if p.of == name).at))
            hint, cure = "", f"Select one entry along {along!r} with .isel({along}=0)."
        elif name in state.features.predictors:
            cure = "Pass it as predictors=."
        elif name in state.counterparts:
            cure = f"Add it; in training it had the name {state.counterparts[name]!r}."
        raise VariableError(
            f"Expected {ROLE} to have {missing}, which the model was fitted on, got {others}."
            f"{hint} {cure}"
        )
    if fields is None:
        raise VariableError(
            f"Expected {ROLE} to have one of {wanted}, got {list(source)}. Move a variable from"
            " predictors= to the LR data."
        )
    if fields.dims.time is None and len(state.features.lr_varying) > len(present):
        raise TimeError(
            f"Expected {ROLE} to have a time dimension, along which predictors are aligned, got"
            f" {list(source.sizes)}. Keep it when you select a single step: .isel(time=[0])."
        )
    check_times(fields, ROLE)
    return fields.pick(present)


def predictors(
    state: State, request: Request, fields: Fields, placement: Placement, *, note: bool
) -> tuple[xr.Dataset, list[Grid]]:
    """Regrid the data of ``predictors=`` to the network's LR cells and the times of the LR data.

    With `note`, suspicious values of data in memory are logged.

    Returns
    -------
    xarray.Dataset, list of Grid
        The fields, and the grid of each of the user's objects.
    """
    sources = []
    for source in auxiliary(request.predictors, PREDICTORS, state.as_trained):
        known = [n for n in source.fields.varying if n in state.features.predictors]
        if known:
            picked = source.fields.pick(known)
            check_times(picked, PREDICTORS)
            if note:
                note_fields({name: picked.data[name] for name in known}, PREDICTORS)
            sources.append(Source(fields=picked, role=PREDICTORS))
    sources, common = in_common(sources, Source(fields=fields, role=ROLE))
    times = index_of(fields.data)
    if common is not None and times is not None and len(common) < len(times):
        gone = times.difference(common)
        raise TimeError(
            f"Expected predictors= at all {len(times)} times of {ROLE}, got {len(common)} times,"
            f" without {gone[0]} for instance. Select the common times first."
        )
    found = xr.Dataset(varying_on(placement.lr, state.pairing.context, sources, times))
    if times is not None and found:
        found = found.assign_coords({TIME: fields.data[TIME]})
    return found, [source.fields.grid for source in sources]


def static_fields(
    state: State, source: xr.Dataset, request: Request, placement: Placement, *, note: bool
) -> xr.Dataset:
    """Load the static fields of the prediction on its HR cells; with `note`, check their values."""
    names = list(state.features.static)
    if not names:
        return xr.Dataset()
    sources = auxiliary(request.static, STATIC, state.as_trained)
    if placement.trained is not None and not sources:
        return state.static.isel(placement.trained)
    if not sources:
        bases = [name for name in state.bases(names) if name in source.data_vars]
        sources = [_static_field(state, source, name) for name in bases]
    for static in sources:
        _require_hr(state, static, placement.hr)
    found = static_on(placement.hr, sources, names)
    missing = [n for n in names if n not in found]
    if missing:
        raise VariableError(
            f"Expected static fields {missing} for a domain other than the training domain"
            f" ({state.pairing.domain.extent}), got {sorted(map(str, found))}. Pass them as"
            " static=, on HR cells."
        )
    loaded = xr.Dataset({name: found[name] for name in names}).compute()
    if note:
        own = request.static is None  # in the LR data
        check_static(
            loaded, state, [dataclasses.replace(s, role=ROLE) if own else s for s in sources]
        )
    return with_rim(loaded, placement.rim)


def _static_field(state: State, source: xr.Dataset, name: str) -> Source:
    """Read a static field that the LR dataset contains."""
    role = f"static field {name!r}"
    fields = standardize(select(source, [name]), Dims(unknown=CHANNELS), role)
    return Source(fields=state.as_trained(fields, role), role=role)


def _require_hr(state: State, source: Source, hr: Grid) -> None:
    """Raise a `GridError` if static fields are coarser than the HR cells."""
    picked = [n for n in source.fields.static if n in state.features.static]
    if not picked:
        return
    between = regridder(source.fields.grid, hr)
    between.require_overlap(STATIC, "the HR cells")
    for spacing, wanted in zip(between.spacing, (hr.y, hr.x), strict=True):
        if spacing > 1.5 * wanted.spacing:
            raise GridError(
                f"Expected static fields {picked} at the HR spacing {wanted.spacing:g} along"
                f" {wanted.name}, got {spacing:g}. Pass HR fields as static=."
            )

"""What a prediction is asked for, and the fields that it brings along, checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import xarray as xr

from xr_dl4ds.config import nearest
from xr_dl4ds.config.checks import flag, whole
from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.grid.discovery import Dims
from xr_dl4ds.grid.extra import CHANNELS
from xr_dl4ds.grid.fields import TIME, Fields, select, standardize
from xr_dl4ds.grid.nesting import require_overlap
from xr_dl4ds.grid.placement import Placement
from xr_dl4ds.grid.regrid import onto
from xr_dl4ds.grid.reprojection import spacing_in
from xr_dl4ds.grid.stamps import stamped_as
from xr_dl4ds.grid.timeline import at_times, check_times, common_times, index_of
from xr_dl4ds.sources import Data, auxiliary
from xr_dl4ds.state import State

ROLE = "the LR data"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What `predict` was called with, see `xr_dl4ds.downscaler.Downscaler.predict`."""

    lr: Data
    static: Data | Sequence[Data] | None = None
    predictors: Data | Sequence[Data] | None = None
    realizations: int | None = None
    seed: int = 0
    spread: bool = False
    tile_size: int | None = None
    dims: Dims = dataclasses.field(default_factory=Dims)

    def __post_init__(self) -> None:
        whole(self, "realizations", 1, optional=True)
        whole(self, "seed", 0)
        flag("spread", self.spread)
        whole(self, "tile_size", 1, optional=True)


def check_tiles(request: Request, scale: int) -> None:
    """Raise a `ValueError` for tiles that are no whole number of LR cells."""
    size = request.tile_size
    if size is not None and size % scale:
        least = max(size - size % scale, scale)
        raise ValueError(
            f"Expected `tile_size` to be a multiple of the scale {scale}, in HR cells, got {size}."
            f" Use {least}, or leave it out."
        )


def lr_fields(state: State, source: xr.Dataset, request: Request) -> Fields:
    """The LR variables that the model takes from the dataset itself, checked."""
    wanted = list(state.features.lr_varying)
    beside = auxiliary(request.predictors, "predictors=")
    offered = [n for p in beside for n in p.varying if n in state.features.predictors]
    own = [n for n in wanted if n not in offered]
    bases = [n for n in state.bases(own) if n in source.data_vars]
    fields = standardize(select(source, bases), request.dims, ROLE) if bases else None
    present = [n for n in own if fields is not None and n in fields.data]
    missing = [n for n in own if n not in present]
    if missing:
        name = missing[0]
        seen = (*source.data_vars, *(fields.slices if fields else ()))
        others = list(dict.fromkeys(map(str, seen)))
        hint = nearest(name, others)
        cure = "Add it, or rename the one that is meant."
        if name in state.features.predictors:
            cure = "Pass it as predictors=."
        raise VariableError(
            f"Expected {ROLE} to have {missing}, on which the model was fitted, got {others}."
            f"{hint} {cure}"
        )
    if fields is None:
        raise VariableError(
            f"Expected {ROLE} to have one of {wanted}, got {list(source)}. Move one of them here"
            " from predictors=."
        )
    if fields.dims.time is None and len(state.features.lr_varying) > len(present):
        raise TimeError(
            f"Expected {ROLE} to have a time dimension, along which predictors are aligned,"
            " got none. Keep it when selecting one step: .isel(time=[0])."
        )
    check_times(fields, ROLE)
    state.check_units(fields, ROLE)
    return fields.pick(present)


def predictors(state: State, request: Request, fields: Fields, placement: Placement) -> xr.Dataset:
    """Predictors passed beside the dataset, on the network's LR cells at the dataset's times."""
    merged = xr.Dataset()
    times = index_of(fields.data)
    for given in auxiliary(request.predictors, "predictors="):
        names = [n for n in given.varying if n in state.features.predictors]
        if not names:
            continue
        given = given.pick(names)
        check_times(given, "predictors=")
        state.check_units(given, "predictors=")
        given = stamped_as(given, fields, "predictors=", ROLE)
        common = common_times(given, fields, "predictors=", ROLE)
        if common is not None and times is not None and len(common) < len(times):
            gone = times.difference(common)
            raise TimeError(
                f"Expected predictors= at every time of {ROLE}, got none for {len(gone)}, such as"
                f" {gone[0]}. Select the common times first."
            )
        data = at_times(onto(given, placement.lr, "predictors="), times)
        if times is not None:
            data = data.assign_coords({TIME: fields.data[TIME]})
        merged = merged.merge(data.assign_coords(placement.lr.coords), join="exact")
    return merged


def static_fields(
    state: State, source: xr.Dataset, request: Request, placement: Placement
) -> xr.Dataset:
    """Static fields on the HR cells of the prediction."""
    names = list(state.features.static)
    if not names:
        return xr.Dataset()
    given = auxiliary(request.static, "static=")
    if placement.trained is not None and not given:
        return state.static.isel(placement.trained)
    hr = placement.hr
    with_it = [n for n in state.bases(names) if n in source.data_vars]
    if with_it and not given:
        dims = Dims(unknown=CHANNELS)
        given = [standardize(select(source, [n]), dims, f"static field {n!r}") for n in with_it]
    found = xr.Dataset()
    for fields in given:
        picked = [n for n in fields.static if n in names]
        if not picked:
            continue
        state.check_units(fields.pick(picked), "static=")
        require_overlap(fields.grid, hr, "static=", "the HR cells")
        for spacing, wanted in zip(spacing_in(fields.grid, hr), (hr.y, hr.x), strict=True):
            if spacing > 1.5 * wanted.spacing:
                raise GridError(
                    f"Expected static fields {picked} at the HR spacing {wanted.spacing:g} along"
                    f" {wanted.name}, got {spacing:g}. Pass HR fields as static=."
                )
        found = found.merge(onto(fields.pick(picked), hr, "static="), join="override")
    missing = [n for n in names if n not in found]
    if missing:
        raise VariableError(
            f"Expected static fields {missing} for a domain other than that of training"
            f" ({state.pairing.hr.extent}), got {sorted(map(str, found.data_vars))}. Pass them as"
            " static=, on HR cells."
        )
    return found[names]

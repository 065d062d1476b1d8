"""Reading what the user gave: standardized, paired, aligned in time, and checked on the way."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

import dask
import pandas as pd
import xarray as xr

from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.grid.coarsening import coarsened, trim_fields
from xr_dl4ds.grid.discovery import Dims
from xr_dl4ds.grid.extra import CHANNELS, require_one_level
from xr_dl4ds.grid.fields import TIME, Fields, as_dataset, standardize
from xr_dl4ds.grid.members import members_of
from xr_dl4ds.grid.pairing import Pairing, pair
from xr_dl4ds.grid.regrid import onto, window
from xr_dl4ds.grid.stamps import stamped_as
from xr_dl4ds.grid.timeline import at_times, check_times, common_times, in_order, span
from xr_dl4ds.state import State
from xr_dl4ds.units import require_units

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
    start: State | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """Physical LR fields as the network sees them, and HR targets at the same times.

    `made` says that LR counterparts are means of the targets: NaN only where all of these are.
    """

    lr: xr.Dataset
    hr: xr.Dataset
    made: bool = False

    def steps(self, part: slice) -> Pair:
        """The same pair at a part of the times."""
        lr, hr = (data.isel({TIME: part}) for data in (self.lr, self.hr))
        return dataclasses.replace(self, lr=lr, hr=hr)


def series(inputs: Inputs) -> list[Inputs]:
    """One for each member of the data, which are series of samples of their own; else one."""
    given = [(inputs.hr, inputs.dims, "the HR data")]
    if inputs.lr is not None:
        hr = as_dataset(inputs.hr, "the HR data")
        given = [(hr, inputs.dims.within(hr), "the HR data")]
        given += [(inputs.lr, inputs.dims, "the LR data")]
    found = members_of(*given)
    return [
        dataclasses.replace(
            inputs,
            hr=found.pick(inputs.hr, member),
            lr=found.pick(inputs.lr, member),
            predictors=found.pick(inputs.predictors, member),
        )
        for member in found
    ]


def several(data: Data | Sequence[Data] | None) -> list[Data]:
    """None, one object or a sequence of them as a new list."""
    if data is None:
        return []
    return [data] if isinstance(data, (xr.Dataset, xr.DataArray)) else list(data)


def auxiliary(data: Data | Sequence[Data] | None, role: str) -> list[Fields]:
    """Each object in the inner form, on its own grid."""
    dims = Dims(unknown=CHANNELS) if role == "static=" else Dims()
    return [_without_time(standardize(one, dims, role), role) for one in several(data)]


def _without_time(fields: Fields, role: str) -> Fields:
    """Static fields of files that store them as of one time, which is dropped."""
    if role != "static=" or fields.data.sizes.get(TIME) != 1:
        return fields
    logger.info("the one time of %s in static= is dropped", list(fields.data.data_vars))
    data = fields.data.isel({TIME: 0}, drop=True)
    return dataclasses.replace(fields, data=data)


def read_hr(inputs: Inputs) -> Fields:
    """The HR data in order of time; at least one variable varies."""
    ds = as_dataset(inputs.hr, "the HR data")
    given = inputs.dims if inputs.lr is None else inputs.dims.within(ds)
    hr = standardize(ds, given, "the HR data")
    if not hr.varying:
        raise VariableError(
            f"Expected the HR data to have a variable with a time dimension, got {list(hr.data)}"
            f" with the dimensions {list(hr.data.sizes)}. Pass time_dim= if samples lie along"
            " another dimension."
        )
    check_times(hr, "the HR data")
    return in_order(hr, "the HR data")


def pair_grids(inputs: Inputs, hr: Fields, straight: str | None) -> tuple[Fields, Fields, Pairing]:
    """LR fields, made from HR or given; HR fields on the common cells; and how they pair."""
    if inputs.lr is None:
        if inputs.scale is None:
            raise GridError(
                "Expected `scale` for perfect prognosis or an HR target, got neither. Call"
                " hr.downscale.fit(scale=4) or lr.downscale.fit(hr)."
            )
        hr = trim_fields(hr, inputs.scale, trim=inputs.trim)
        scale = int(inputs.scale)  # a NumPy integer is no JSON value
        lr = coarsened(hr.pick(hr.varying), scale)
        pairing = Pairing(scale=scale, method="nested", source=lr.grid, lr=lr.grid, hr=hr.grid)
        return lr, hr, pairing
    lr = standardize(inputs.lr, inputs.dims, "the LR data")
    check_times(lr, "the LR data")
    lr = in_order(lr, "the LR data")
    for name in set(lr.varying) & set(hr.varying):
        expected, got = (fields.data[name].attrs.get("units") for fields in (hr, lr))
        require_units(name, expected, got, "the LR data", "the HR data")
    require_one_level(as_dataset(inputs.lr, "the LR data"), as_dataset(inputs.hr, "the HR data"))
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


def another(inputs: Inputs, pairing: Pairing) -> Pair:
    """A further series of samples on the grids of the first one."""
    hr = read_hr(inputs)
    inner = window(hr.grid, pairing.hr)
    assert inner is not None  # one object, one grid
    cut = hr.data[hr.varying].isel(inner).assign_coords(pairing.hr.coords)
    hr = dataclasses.replace(hr, data=cut, grid=pairing.hr)
    if inputs.lr is None:
        lr = coarsened(hr, pairing.scale)
    else:
        lr = in_order(standardize(inputs.lr, inputs.dims, "the LR data"), "the LR data")
    sources = [*([lr] if lr.varying else []), *predictor_fields(inputs)]
    return align(sources, hr, pairing, made=inputs.lr is None)


def static_fields(
    inputs: Inputs, beside: list[Fields], lr: Fields, hr: Fields, pairing: Pairing
) -> xr.Dataset:
    """Static fields on HR cells, in memory: of the HR data, of `static=`, and of the LR data.

    `beside` is what was passed as `static=`, in the inner form.
    """
    found: dict[str, xr.DataArray] = {}
    sources = [(hr.pick(hr.static), "the static fields of the HR data")]
    for fields in beside:
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
    known = [n for n in lr.static if n in found] if inputs.lr is not None else []
    if known:
        logger.info("static fields of the LR data that HR has too are not used: %s", known)
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


def predictor_fields(inputs: Inputs) -> list[Fields]:
    """The time-varying variables of each object of ``predictors=``, in order of time."""
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


def align(sources: list[Fields], hr: Fields, pairing: Pairing, *, made: bool = False) -> Pair:
    """LR counterparts and predictors on the network's LR grid, and targets, at common times."""
    if not sources:
        raise VariableError(
            "Expected the LR data to have a variable with a time dimension, got none. Keep it when"
            " selecting one step: .isel(time=[0])."
        )
    times: pd.Index | None = None
    roles = ["the LR data", *["predictors="] * (len(sources) - 1)]
    sources = [
        stamped_as(fields, hr, role, "the HR data")
        for fields, role in zip(sources, roles, strict=True)
    ]
    for fields, role in zip(sources, roles, strict=True):
        common = common_times(fields, hr, role, "the HR data")
        if common is not None:
            times = common if times is None else times.intersection(common)
    if times is not None and len(times) == 0:
        each = [
            f"{r} with {span(f.data.indexes[TIME])}" for r, f in zip(roles, sources, strict=True)
        ]
        raise TimeError(
            "Expected times of the HR data that LR data and predictors= have in common, got"
            f" {', '.join(each)}. Select the same period of all."
        )
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
    return Pair(lr=lr[order], hr=targets, made=made)


def _same_time(variable: xr.DataArray, targets: xr.Dataset) -> xr.DataArray:
    """Steps already matched one by one: take over the targets' own time coordinate."""
    variable = variable.drop_vars(TIME, errors="ignore")
    return variable.assign_coords({TIME: targets[TIME]}) if TIME in targets.coords else variable

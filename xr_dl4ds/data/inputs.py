"""Reading of user data: standardization, pairing of grids, alignment in time, and checks."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence

import pandas as pd
import xarray as xr

from xr_dl4ds.config import Scale
from xr_dl4ds.data.auxiliary import (
    PREDICTORS,
    STATIC,
    Source,
    auxiliary,
    in_common,
    static_on,
    varying_on,
)
from xr_dl4ds.data.counterparts import find_counterparts, note_missing, under_target_names
from xr_dl4ds.data.state import State
from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.grid.cf.decoding import decoded
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.fields import Fields, as_dataset, standardize
from xr_dl4ds.grid.cf.members import members_of
from xr_dl4ds.grid.cf.time_axis import at_times, check_times, in_order, span
from xr_dl4ds.grid.cf.time_stamps import own_stamps
from xr_dl4ds.grid.names import TIME, Data
from xr_dl4ds.grid.regridding.coarsen import coarsened, trim_fields
from xr_dl4ds.grid.regridding.completion import with_rim
from xr_dl4ds.grid.regridding.cropping import cut
from xr_dl4ds.grid.regridding.pairing import Pairing, pair
from xr_dl4ds.grid.regridding.surroundings import inner, known_share

logger = logging.getLogger(__name__)

#: A name in messages for a model that training starts from.
START = "the model in start="


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inputs:
    """Data arguments of a call of `fit`, see `.downscale.fit`."""

    hr: Data
    lr: Data | None = None
    scale: int | tuple[int, int] | None = None
    static: Data | Sequence[Data] | None = None
    predictors: Data | Sequence[Data] | None = None
    validation: float | tuple[Data, Data] | None = 0.1
    trim: bool = False
    dims: Dims = dataclasses.field(default_factory=Dims)
    counterparts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    start: State | None = None

    def decoded(self) -> Inputs:
        """Decode all data, see `xr_dl4ds.grid.cf.decoding`."""
        validation = self.validation
        if isinstance(validation, tuple):
            validation = decoded(validation, "the validation data")
        return dataclasses.replace(
            self,
            hr=decoded(self.hr, "the HR data"),
            lr=decoded(self.lr, "the LR data"),
            static=decoded(self.static, STATIC),
            predictors=decoded(self.predictors, PREDICTORS),
            validation=validation,
        )

    def with_counterparts(self, hr: Fields) -> Inputs:
        """Give LR variables the names of their targets, see `xr_dl4ds.data.counterparts`."""
        if self.lr is None:
            if self.counterparts:
                raise VariableError(
                    f"Expected counterparts= beside LR data, got {dict(self.counterparts)} without."
                    " Call lr.downscale.fit(hr, counterparts=...), or leave it out."
                )
            return self
        bases = (hr.slices[n].of if n in hr.slices else n for n in hr.varying)
        given = self.counterparts
        if not given and self.start is not None:
            known = as_dataset(self.lr, "the LR data").data_vars
            given = {t: name for t, name in self.start.counterparts.items() if name in known}
        found = find_counterparts(self.lr, self.hr, given, list(dict.fromkeys(bases)))
        validation = self.validation
        if isinstance(validation, tuple):
            validation = (under_target_names(validation[0], found), *validation[1:])
        lr = under_target_names(self.lr, found)
        return dataclasses.replace(self, lr=lr, validation=validation, counterparts=found)

    def as_trained(self, fields: Fields, role: str) -> Fields:
        """Check and convert fields as the model in ``start=`` does, if there is one."""
        return fields if self.start is None else self.start.as_trained(fields, role, START)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """Physical LR fields as the network sees them, and HR targets at the same times.

    `synthetic_lr` is True if LR fields are means of the targets. An LR cell is then NaN only if all
    its HR cells are NaN. `lr_times` are the stamps of LR data in the user's file, by which features
    of time are computed; None where there are none. LR fields also have `context` cells around the
    domain, on each side; `known` is the share of them that have values there, None for all.
    """

    lr: xr.Dataset
    hr: xr.Dataset
    context: int = 0
    known: xr.DataArray | None = None
    synthetic_lr: bool = False
    lr_times: pd.Index | None = None

    @property
    def lr_inside(self) -> xr.Dataset:
        """LR fields without the cells around the domain."""
        return inner(self.lr, self.context)

    def steps(self, part: slice) -> Pair:
        """Select a part of the times."""
        lr, hr = (data.isel({TIME: part}) for data in (self.lr, self.hr))
        times = None if self.lr_times is None else self.lr_times[part]
        return dataclasses.replace(self, lr=lr, hr=hr, lr_times=times)


def split_members(inputs: Inputs) -> list[Inputs]:
    """Split the inputs by ensemble member, each a separate series; without members, keep one."""
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


def read_hr(inputs: Inputs) -> Fields:
    """Read the HR data, sorted by time; at least one variable must vary in time."""
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
    return in_order(inputs.as_trained(hr, "the HR data"), "the HR data")


def _read_lr(inputs: Inputs, hr: Fields) -> Fields:
    """Read the LR data, sorted by time, with counterparts of targets in the units of these."""
    assert inputs.lr is not None
    lr = standardize(inputs.lr, inputs.dims, "the LR data")
    check_times(lr, "the LR data")
    lr = in_order(inputs.as_trained(lr, "the LR data"), "the LR data")
    roles = "the LR data", "the HR data"
    lr = lr.named_as(hr.slices, hr.levels, *roles, single=False)
    _require_same_layout(lr, hr)
    return lr.in_units(hr.pick(hr.varying).units, *roles)


def _require_same_layout(lr: Fields, hr: Fields) -> None:
    """Raise a `VariableError` if a counterpart is an entry along levels in one of both alone."""
    for name in (n for n in lr.varying if n in hr.varying):
        along = [fields.slices[name].of if name in fields.slices else None for fields in (lr, hr)]
        if along[0] != along[1]:
            said = [f"an entry of {base!r}" if base else "a variable" for base in along]
            raise VariableError(
                f"Expected {name!r} alike in LR and HR, got {said[0]} in the LR data and {said[1]}"
                " in the HR data. Select the level of one of them, or rename it if it is another"
                " quantity."
            )


def pair_grids(
    inputs: Inputs, hr: Fields, direct_method: str | None
) -> tuple[Fields, Fields, Pairing]:
    """Return LR fields (given or made from HR), HR fields on common cells, and their pairing."""
    if inputs.lr is None:
        if inputs.scale is None:
            raise GridError(
                "Expected `scale` for synthetic pairs, or an HR target, got neither. Call"
                " hr.downscale.fit(scale=4) or lr.downscale.fit(hr)."
            )
        scale = Scale.asked(inputs.scale)
        hr = trim_fields(hr, scale, trim=inputs.trim)
        lr = coarsened(hr.pick(hr.varying), scale)
        pairing = Pairing(
            scale=scale, method="nested", source=lr.grid, lr=lr.grid, hr=hr.grid, domain=hr.grid
        )
        return lr, hr, pairing
    lr = _read_lr(inputs, hr)
    pairing, hr = pair(lr, hr, direct_method=direct_method, trim=inputs.trim)
    if inputs.scale is not None and Scale.of(inputs.scale) != pairing.scale:
        raise GridError(
            f"Expected scale={pairing.scale}, which the LR and HR grids have, got"
            f" scale={inputs.scale}. Leave it out: it follows from the pair."
        )
    note_missing(hr.varying, lr.varying)
    return lr, hr, pairing


def read_further_member(inputs: Inputs, pairing: Pairing) -> Pair:
    """Read a further series of samples on the grids of the first series."""
    hr = read_hr(inputs)
    found = pairing.on_hr_cells(hr.pick(hr.varying))
    assert found is not None  # all series of an object have the same grid
    hr = found
    lr = coarsened(hr, pairing.scale) if inputs.lr is None else _read_lr(inputs, hr)
    return align(lr, predictor_fields(inputs), hr, pairing, synthetic_lr=inputs.lr is None)


def static_fields(
    beside: list[Source], lr: Fields | None, hr: Fields, pairing: Pairing
) -> xr.Dataset:
    """Load the static fields on HR cells.

    Parameters
    ----------
    beside : list of Source
        The data passed as ``static=``.
    lr : Fields, optional
        LR data; their static fields are interpolated if HR has no field of the same name. None for
        synthetic pairs.
    hr : Fields
        HR data.
    pairing : Pairing
        The grids of samples.

    Returns
    -------
    xarray.Dataset
        ``(y, x)``, float32.
    """
    for source in beside:
        if source.fields.varying:
            raise VariableError(
                f"Expected static= without a time dimension, got {source.fields.varying}."
                " Pass them as predictors=, or select one time."
            )
    own = Source(fields=cut(hr.pick(hr.static), {**pairing.inner}), role="the HR data")
    found = static_on(pairing.domain, [own, *beside])
    if lr is not None:
        known = [n for n in lr.static if n in found]
        extra = [n for n in lr.static if n not in found]
        if known:
            logger.info("static fields of the LR data that HR has too are not used: %s", known)
        if extra:
            logger.info("static fields of the LR data are interpolated to HR cells: %s", extra)
            source = Source(fields=lr.pick(extra), role="static fields of the LR data")
            found |= static_on(pairing.domain, [source])
    clash = set(found) & {*hr.varying, *([] if lr is None else lr.varying)}
    if clash:
        raise VariableError(
            f"Static fields and variables that change in time share the names {sorted(clash)}."
            " Rename the static fields."
        )
    completed = with_rim(xr.Dataset(found), pairing.rim)
    return completed.assign_coords(pairing.hr.coords).compute()


def predictor_fields(inputs: Inputs) -> list[Source]:
    """Read the time-varying variables of each object in ``predictors=``, sorted by time."""
    out = []
    for source in auxiliary(inputs.predictors, PREDICTORS, inputs.as_trained):
        fields = source.fields
        if not fields.varying:
            raise VariableError(
                f"Expected predictors= with a time dimension, got {fields.static} without."
                " Pass them as static=."
            )
        check_times(fields, PREDICTORS)
        varying = in_order(fields.pick(fields.varying), PREDICTORS)
        out.append(Source(fields=varying, role=PREDICTORS))
    return out


def align(
    lr: Fields, predictors: list[Source], hr: Fields, pairing: Pairing, *, synthetic_lr: bool
) -> Pair:
    """Bring LR fields and predictors onto the network's LR grid, at the common times of all data.

    Parameters
    ----------
    lr : Fields
        LR fields; if none varies in time, the predictors alone are the input.
    predictors : list of Source
        Further time-varying fields.
    hr : Fields
        The targets.
    pairing : Pairing
        The grids of samples.
    synthetic_lr : bool
        Whether LR fields were made from HR fields.
    """
    own = [Source(fields=lr.pick(lr.varying), role="the LR data")] if lr.varying else []
    if not own and not predictors:
        raise VariableError(
            "No variable of the LR data has a time dimension. Keep the dimension when you select"
            " one step: .isel(time=[0])."
        )
    like = Source(fields=hr, role="the HR data")
    sources, times = in_common([*own, *predictors], like)
    if times is not None and len(times) == 0:
        each = [f"{one.role} with {span(one.fields.data.indexes[TIME])}" for one in sources]
        raise TimeError(
            "Expected times of the HR data that LR data and predictors= have in common, got"
            f" {', '.join(each)}. Select the same period of all."
        )
    found: dict[str, xr.DataArray] = {}
    for source in sources[: len(own)]:
        data = at_times(pairing.lr_seen(source.fields), times)
        found |= {str(n): v for n, v in data.items()}
    taken = {*found, *map(str, hr.data)}
    found |= varying_on(pairing.lr, pairing.context, sources[len(own) :], times, taken)
    targets = at_times(hr.data, times)
    inputs = xr.Dataset({n: _same_time(v, targets) for n, v in found.items()})
    order = [n for n in targets.data_vars if n in inputs]
    order += [n for n in inputs if n not in targets]
    stamps = None
    if own and times is not None:
        stamps = own_stamps(lr.data, sources[0].fields.data, times)
    return Pair(
        lr=inputs[order],
        hr=targets,
        context=pairing.context,
        known=known_share([one.fields.grid for one in sources], pairing.lr, pairing.context),
        synthetic_lr=synthetic_lr,
        lr_times=stamps,
    )


def _same_time(variable: xr.DataArray, targets: xr.Dataset) -> xr.DataArray:
    """Assign the time coordinate of the targets; the steps are already matched one by one."""
    variable = variable.drop_vars(TIME, errors="ignore")
    return variable.assign_coords({TIME: targets[TIME]}) if TIME in targets.coords else variable

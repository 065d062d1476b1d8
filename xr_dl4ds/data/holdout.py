"""Validation data: the last steps of the training data, or a separate pair."""

from __future__ import annotations

import dataclasses
import logging
import numbers

import xarray as xr

from xr_dl4ds.data.inputs import Inputs, Pair, align, predictor_fields, split_members
from xr_dl4ds.data.plausibility import about, note_fields, note_kinds, note_values
from xr_dl4ds.data.state import State
from xr_dl4ds.data.statistics import HoldOut
from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.grid.cf.fields import standardize
from xr_dl4ds.grid.cf.time_axis import check_times, in_order
from xr_dl4ds.grid.names import TIME, Data
from xr_dl4ds.grid.regridding.reprojection import same_place

logger = logging.getLogger(__name__)

#: Names, in messages, for LR and HR of explicit validation data.
ROLES = "the LR validation data", "the HR validation data"


def hold_out(
    pairs: list[Pair], share: float | tuple[Data, Data] | None, least: int
) -> tuple[list[Pair], list[Pair] | None]:
    """Split pairs into training pairs and validation pairs, which hold the last time steps.

    All pairs hold out the same number of steps: the share of the shortest pair, but at least
    `least` steps.
    """
    if share is None or isinstance(share, tuple):
        return pairs, None
    _check_share(share)
    steps = min(pair.hr.sizes[TIME] for pair in pairs)
    held = max(least, round(share * steps)) if share else 0
    if held >= steps:
        raise TimeError(
            f"Expected more time steps than validation={share:g} holds out, {held}"
            f"{' (at least a window)' if held == least > 1 else ''}, got {steps}."
            " Use more of them, a smaller share, or validation=None."
        )
    if not held:
        return pairs, None
    early, late = slice(0, -held), slice(-held, None)
    return [pair.steps(early) for pair in pairs], [pair.steps(late) for pair in pairs]


def _check_share(share: object) -> None:
    number = isinstance(share, numbers.Real) and not isinstance(share, bool)
    if number and 0 <= share < 1:  # type: ignore[operator]
        return
    got, cure = repr(share), "a share such as 0.1"
    if isinstance(share, (xr.Dataset, xr.DataArray, list)):
        got, cure = type(share).__name__, "(hr.downscale.coarsen(scale), hr)"
    raise ValueError(
        "Expected `validation` to be a share of the last time steps in [0, 1), an (lr, hr)"
        f" pair, or None, got {got}. Pass {cure}."
    )


def explicit_pairs(inputs: Inputs, state: State) -> list[Pair]:
    """Read explicit ``(lr, hr)`` validation data, one pair for each member."""
    assert isinstance(inputs.validation, tuple)
    if len(inputs.validation) != 2:
        raise ValueError(
            f"Expected `validation` to be an (lr, hr) pair, got {len(inputs.validation)} objects."
            " Pass two, or a share such as 0.1."
        )
    lr, hr = inputs.validation
    parts = split_members(dataclasses.replace(inputs, lr=lr, hr=hr))
    return [_validation_pair(one, state) for one in parts]


def note_lazy(pairs: list[Pair], held: HoldOut) -> None:
    """Warn of suspicious values of lazy validation data; those in memory have been read before."""
    for data, found, role in zip(
        (pairs[0].hr, pairs[0].lr), held.moments, ROLES[::-1], strict=True
    ):
        lazy = [str(name) for name, variable in data.items() if variable.chunks is not None]
        note_values({name: found[name] for name in lazy}, about(data[lazy]), role)


def _validation_pair(inputs: Inputs, state: State) -> Pair:
    """Read an explicit ``(lr, hr)`` pair on the training grids."""
    assert inputs.lr is not None
    lr, hr = (
        in_order(state.as_trained(standardize(obj, inputs.dims.within(obj), role), role), role)
        for obj, role in zip((inputs.lr, inputs.hr), ROLES, strict=True)
    )
    wanted = {"lr": list(state.features.counterparts), "hr": list(state.features.targets)}
    for fields, role, names in ((lr, ROLES[0], wanted["lr"]), (hr, ROLES[1], wanted["hr"])):
        check_times(fields, role)
        missing = [n for n in names if n not in fields.varying]
        if missing:
            raise VariableError(
                f"Expected {role} to have {missing}, got {fields.varying}. Add them, or rename"
                " those that are meant."
            )
        note_fields({name: fields.data[name] for name in names}, role)
        for name in names:
            note_kinds(name, fields.data[name].attrs, state.attrs[name], (role, "training"))
    on_hr = state.pairing.on_hr_cells(hr.pick(wanted["hr"]))
    on_lr = lr.grid.same_cells(state.pairing.source) or lr.grid.same_cells(state.pairing.lr)
    if on_hr is None or not (on_lr and same_place(lr.grid, state.pairing.source)):
        raise GridError(
            f"Expected validation data on the training grids (LR {state.pairing.lr.extent}; HR"
            f" {state.pairing.domain.extent}), got LR {lr.grid.extent}; HR {hr.grid.extent}."
            " Select the same region, and bring LR onto its grid with .downscale.interpolate."
        )
    if not state.pairing.extends(lr.grid, state.pairing.lr):
        logger.warning(
            "%s extend less far around the domain than those of training: the outer values are"
            " repeated in the %d cells on each side that the model sees, so the validation error"
            " may be larger; provide fields that extend farther",
            *(ROLES[0], state.pairing.context),
        )
    keep = [n for n in lr.varying if n in state.features.lr_varying]
    return align(lr.pick(keep), predictor_fields(inputs), on_hr, state.pairing, synthetic_lr=False)

"""Matching of prediction and truth to common cells and times."""

from __future__ import annotations

import dataclasses

from xr_dl4ds.exceptions import GridError, VariableError
from xr_dl4ds.grid.cf.decoding import decoded
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.fields import Fields, as_dataset, standardize
from xr_dl4ds.grid.cf.time_axis import at_times, check_times, common_times, in_order
from xr_dl4ds.grid.cf.time_stamps import stamped_as
from xr_dl4ds.grid.crs import label, metres_in
from xr_dl4ds.grid.names import TIME, Data
from xr_dl4ds.grid.regridding.rectilinear import window
from xr_dl4ds.grid.regridding.reprojection import same_place
from xr_dl4ds.grid.regridding.roll import roll_to_face


def read(obj: Data, dims: Dims, role: str, *, members: bool = False) -> Fields:
    """Return fields in order of time; `members` says whether they may be an ensemble."""
    ds = as_dataset(decoded(obj, role), role)
    fields = standardize(ds, dims.within(ds), role, members=members)
    check_times(fields, role)
    if not fields.varying:
        raise VariableError(
            f"Expected {role} to have a time dimension, got {list(fields.data)} without. Keep it"
            " when selecting one step: .isel(time=[0])."
        )
    return in_order(fields, role)


def in_common(prediction: Fields, truth: Fields) -> tuple[Fields, Fields]:
    """Return the variables that both have in common, in the units of the truth."""
    names = [n for n in prediction.varying if n in truth.varying]
    if not names:
        raise VariableError(
            f"Expected prediction and truth to have variables in common, got {prediction.varying}"
            f" and {truth.varying}. Rename one to the name of the other."
        )
    truth = truth.pick(names)
    return prediction.pick(names).in_units(truth.units, "the prediction", "the truth"), truth


def _cure_of_cells(prediction: Fields, truth: Fields) -> str:
    units = [str(fields.grid.y.attrs.get("units", "")) for fields in (prediction, truth)]
    metres = [metres_in(one) for one in units]
    if None in metres or metres[0] == metres[1]:
        return (
            "Select the cells that both have, or bring one to the cells of the other with"
            " .downscale.interpolate."
        )
    return (
        f"Bring the coordinates to one unit of length: they are in {units[0]!r} and {units[1]!r}."
    )


def on_common_cells(prediction: Fields, truth: Fields) -> tuple[Fields, Fields]:
    """Return prediction and truth on the cells of the prediction, at the times in common."""
    truth = stamped_as(
        roll_to_face(truth, prediction.grid), prediction, "the truth", "the prediction"
    )
    inner = window(truth.grid, prediction.grid)
    if inner is None:
        raise GridError(
            f"Expected the truth to cover the cells of the prediction ({prediction.grid.extent}),"
            f" got {truth.grid.extent}. {_cure_of_cells(prediction, truth)}"
        )
    if not same_place(truth.grid, prediction.grid):
        raise GridError(
            f"Expected prediction and truth in one CRS, got {label(prediction.grid)} and"
            f" {label(truth.grid)}. Bring the truth onto the cells of the prediction with"
            " truth.downscale.interpolate(prediction)."
        )
    times = common_times(prediction, truth, "the prediction", "the truth")
    truth_data = truth.data.isel(inner).assign_coords(prediction.grid.coords)
    data = at_times(prediction.data, times), at_times(truth_data, times)
    if TIME in data[0].coords:
        data = data[0], data[1].assign_coords({TIME: data[0][TIME]})
    return (
        dataclasses.replace(prediction, data=data[0]),
        dataclasses.replace(truth, data=data[1], grid=prediction.grid),
    )

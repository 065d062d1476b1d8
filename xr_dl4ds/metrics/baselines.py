"""Baselines for evaluation: interpolated LR fields, with which every prediction is compared."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import xarray as xr

from xr_dl4ds.config import Scale
from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.cf.time_axis import at_times, common_times
from xr_dl4ds.grid.cf.time_stamps import stamped_as
from xr_dl4ds.grid.names import TIME, Data
from xr_dl4ds.grid.regridding.coarsen import coarsened
from xr_dl4ds.grid.regridding.regridder import BEYOND_EDGES, regridder
from xr_dl4ds.metrics.matching import on_common_cells, read

#: Interpolation methods.
BASELINES = ("bilinear", "bicubic")


def interpolated(
    truth: Fields, lr: Fields | None, scale: Scale, names: list[str]
) -> dict[str, xr.Dataset]:
    """Interpolate LR fields to the cells and times of the truth.

    Parameters
    ----------
    truth : Fields
        The truth.
    lr : Fields, optional
        LR fields; by default the truth averaged by `scale`.
    scale : Scale
        HR cells along the edges of an LR cell.
    names : list of str
        The variables that are scored.

    Returns
    -------
    dict of xarray.Dataset
        The interpolated fields by method.
    """
    low = _averaged(truth, scale) if lr is None else _checked(lr, truth, names)
    between = regridder(low.grid, truth.grid)
    found = {method: between.regrid(low.data, method) for method in BASELINES}
    if TIME in truth.data.coords:
        found = {m: d.assign_coords({TIME: truth.data[TIME]}) for m, d in found.items()}
    return found


class HasFirstGuess(Protocol):
    """A model that predicts its first guess, such as a `Downscaler`."""

    def predict(self, lr: Data, *, first_guess_only: bool = ...) -> Data:
        """Return the prediction, or its first guess."""


def first_guess(
    model: HasFirstGuess, lr: Data | None, prediction: Fields, dims: Dims
) -> xr.Dataset:
    """Return the first guess of a model at the cells and times of a prediction.

    Raises
    ------
    ValueError
        If there are no LR fields.
    TimeError
        If the LR fields lack times of the prediction.
    """
    if lr is None:
        raise ValueError(
            "Expected lr= beside model=, which computes its first guess from LR fields, got"
            " model= alone. Pass the LR fields of the prediction as lr=."
        )
    guess = read(model.predict(lr, first_guess_only=True), dims, "the first guess")
    guess = on_common_cells(prediction, guess.pick(prediction.varying))[1]
    _require_all_times(guess.data.sizes[TIME], prediction)
    return guess.data


def _require_all_times(found: int, scored: Fields) -> None:
    """Raise a `TimeError` if a baseline has fewer times than are scored."""
    if found < scored.data.sizes[TIME]:
        raise TimeError(
            f"Expected the LR data at all {scored.data.sizes[TIME]} times that are scored, got"
            f" {found}. Select the common times first."
        )


def _averaged(truth: Fields, scale: Scale) -> Fields:
    """Average the truth over LR cells."""
    if any(n % cells for n, cells in zip(truth.grid.shape, scale.edges, strict=True)):
        raise GridError(
            f"Expected the cells that are scored to be a multiple of the scale {scale}, got"
            f" {truth.grid.shape}. Pass lr= for the baselines."
        )
    return coarsened(truth, scale)


def _checked(lr: Fields, truth: Fields, names: list[str]) -> Fields:
    """Return the LR variables that are scored, at the times of the truth."""
    roles = "the LR data", "the truth"
    lr = lr.named_as(truth.slices, truth.levels, *roles)
    missing = [n for n in names if n not in lr.varying]
    if missing:
        raise VariableError(
            f"Expected the LR data to have {missing} to interpolate, got {lr.varying}. Add"
            " them, or rename those that are meant."
        )
    _require_grid(lr, truth)
    lr = stamped_as(lr.pick(names).in_units(truth.units, *roles), truth, *roles)
    times = common_times(lr, truth, *roles)
    if times is not None:
        _require_all_times(len(times), truth)
    return dataclasses.replace(lr, data=at_times(lr.data, times))


def _require_grid(lr: Fields, truth: Fields) -> None:
    """Raise a `GridError` unless LR cells cover the truth and are larger than its cells."""
    between = regridder(lr.grid, truth.grid)
    between.require_overlap("the LR data", "the truth")
    between.require_cover("the LR data", BEYOND_EDGES)
    axes = truth.grid.y, truth.grid.x
    if all(s < 1.01 * axis.spacing for s, axis in zip(between.spacing, axes, strict=True)):
        raise GridError(
            f"Expected LR data coarser than the truth, got LR {lr.grid.extent} and truth"
            f" {truth.grid.extent}. Pass the input data of the prediction as lr=."
        )

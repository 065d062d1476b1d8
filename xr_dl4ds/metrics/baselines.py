"""Baselines for evaluation, with which every prediction is compared."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import xarray as xr

from xr_dl4ds.config import SAME, Scale, nearest
from xr_dl4ds.data.counterparts import under_target_names
from xr_dl4ds.data.plausibility import note_fields
from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.cf.time_axis import at_times, common_times, comparable, has_dates, index_of
from xr_dl4ds.grid.cf.time_stamps import stamped_as
from xr_dl4ds.grid.names import TIME, Data
from xr_dl4ds.grid.regridding.coarsen import coarsened
from xr_dl4ds.grid.regridding.regridder import BEYOND_EDGES, regridder
from xr_dl4ds.grid.regridding.weights import METHODS
from xr_dl4ds.metrics.asked_names import names_in
from xr_dl4ds.metrics.fitted_baselines import fitted
from xr_dl4ds.metrics.matching import on_common_cells, read

logger = logging.getLogger(__name__)

#: The baselines of `evaluate` if none are asked for.
INTERPOLATIONS = ("bilinear", "bicubic")
#: Baselines that are fitted to training data.
FITTED = ("climatology", "bias_corrected", "regression", "quantile_mapping")


def names_of(asked: Sequence[str] | None, training: tuple[Data, Data] | None) -> tuple[str, ...]:
    """Return the names of baselines; by default `INTERPOLATIONS`, and `FITTED` with training data.

    Raises
    ------
    TypeError
        If these are no names, or training data are no pair.
    ValueError
        If a name is unknown, or training data are missing or not used.
    """
    _require_pair(training)
    if asked is None:
        return (*INTERPOLATIONS, *(FITTED if training is not None else ()))
    names = names_in(asked, "baselines", INTERPOLATIONS[0])
    known = (*METHODS, *FITTED)
    for name in names:
        if name not in known:
            raise ValueError(
                f"Expected `baselines` to be among {', '.join(known)}, got {name!r}."
                f"{nearest(name, known)} Use some of these."
            )
    fit = [n for n in names if n in FITTED]
    if fit and training is None:
        raise ValueError(
            f"The baselines {fit} are fitted to data. Pass training=(lr, hr), at other times than"
            " those that are scored."
        )
    if training is not None and not fit:
        raise ValueError(
            f"The baselines {list(names)} use no training data. Leave out training=, or add some of"
            f" {', '.join(FITTED)}."
        )
    return names


def _require_pair(training: object) -> None:
    """Raise a `TypeError` for training data that are no pair."""
    several = len(training) if isinstance(training, (tuple, list)) else None
    if training is None or several == 2:
        return
    got = type(training).__name__ if several is None else f"{several} data"
    raise TypeError(
        f"Expected `training` to be a pair (lr, hr), got {got}. Pass training=(lr, hr)."
    )


class HasFirstGuess(Protocol):
    """A model that predicts its first guess, such as a `Downscaler`."""

    def predict(self, lr: Data, *, first_guess_only: bool = ...) -> Data:
        """Return the prediction, or its first guess."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Beside:
    """The baselines that are scored beside a prediction.

    Parameters
    ----------
    names : tuple of str
        Methods of interpolation, and baselines that are fitted.
    lr : xarray.Dataset or xarray.DataArray, optional
        LR fields; by default the truth averaged by `averaged`.
    counterparts : mapping
        Names of LR variables by target, where these differ.
    averaged : Scale
        HR cells along the edges of an LR cell.
    training : tuple, optional
        LR and HR data to which baselines are fitted.
    model : Downscaler, optional
        Model whose first guess is a baseline.
    dims : Dims
        Dimensions named by the caller.
    """

    names: tuple[str, ...]
    lr: Data | None
    counterparts: Mapping[str, str]
    averaged: Scale
    training: tuple[Data, Data] | None
    model: HasFirstGuess | None
    dims: Dims

    def low(self, truth: Fields) -> Fields | None:
        """Return the LR fields at the times that are scored; None if there are none."""
        names = truth.varying
        low = self._low(names)
        if low is not None:
            return _checked(low, truth, names)
        if self.lr is not None:
            return None
        if self.averaged == SAME:
            logger.warning(
                "the prediction has no note of its scale, so it is scored without baselines:"
                " pass lr=, the LR fields, or scale= for these"
            )
            return None
        return _averaged(truth, self.averaged)

    def products(
        self, prediction: Fields, truth: Fields, low: Fields | None
    ) -> dict[str, xr.Dataset]:
        """Return the fields of each baseline at the cells and times that are scored."""
        names = prediction.varying
        guess = {}
        if self.model is not None:
            guess["first_guess"] = first_guess(self.model, self.lr, prediction, self.dims)
        if low is None:
            return guess
        found = _interpolated(low, truth, [n for n in self.names if n in METHODS])
        if self.training is not None:
            kinds = [n for n in self.names if n in FITTED]
            found |= fitted(kinds, self._training(names), low, truth)
        if TIME in truth.data.coords:
            found = {m: d.assign_coords({TIME: truth.data[TIME]}) for m, d in found.items()}
        return {m: found[m] for m in self.names} | guess

    def _low(self, names: list[str]) -> Fields | None:
        """Return the LR fields; None if there are none to interpolate."""
        if self.lr is None:
            return None
        low = read(under_target_names(self.lr, self.counterparts), self.dims, "the LR data")
        if self.model is not None and not set(names) <= set(low.varying):
            logger.info(
                "the LR data have no %s to interpolate: the first guess is the baseline", names
            )
            return None
        return low

    def _training(self, names: list[str]) -> tuple[Fields, Fields]:
        assert self.training is not None
        lr, hr = self.training
        low = read(under_target_names(lr, self.counterparts), self.dims, "the LR data of training=")
        return low, read(hr, self.dims, "the HR data of training=").pick(names)

    def described(self, products: Mapping[str, xr.Dataset]) -> str:
        """Return text that says what the baselines are made from."""
        scale = self.averaged
        origin = (
            "lr" if self.lr is not None else f"the truth averaged over {scale.y} x {scale.x} cells"
        )
        said = [f"interpolation of {origin}"] * any(n in METHODS for n in products)
        said += [f"{kind} fitted to training=" for kind in FITTED if kind in products]
        said += ["the first guess of the model"] * ("first_guess" in products)
        return ", ".join(said) or "none"


def _interpolated(low: Fields, truth: Fields, methods: list[str]) -> dict[str, xr.Dataset]:
    between = regridder(low.grid, truth.grid)
    return {method: between.regrid(low.data[truth.varying], method) for method in methods}


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
    given = _at_scored_times(lr, prediction)
    guess = read(model.predict(given, first_guess_only=True), dims, "the first guess")
    guess = on_common_cells(prediction, guess.pick(prediction.varying))[1]
    _require_all_times(guess.data.sizes[TIME], prediction)
    return guess.data


def _at_scored_times(lr: Data, prediction: Fields) -> Data:
    """Return LR data at the times of a prediction; all of them where not all times are found."""
    index = index_of(prediction.data)
    if not isinstance(lr, (xr.Dataset, xr.DataArray)) or not has_dates(index):
        return lr
    for dim in (d for d in lr.dims if d in lr.indexes and has_dates(lr.indexes[d])):
        own = lr.indexes[dim]
        steps = np.flatnonzero(comparable(own, index).isin(comparable(index, own)))
        if steps.size == len(index):
            return lr.isel({dim: steps})
    return lr


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
    for name in names:
        if lr.data[name].chunks is None:
            note_fields({name: lr.data[name]}, roles[0])
    lr = stamped_as(lr.in_units(truth.units, *roles), truth, *roles)
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

"""Baselines that are fitted to training data: climatology, bias map, regression, quantiles."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import xarray as xr

from xr_dl4ds.data.channels import CHANNEL
from xr_dl4ds.data.first_guess import Fitter, Interpolator, guessed
from xr_dl4ds.data.guess_choice import has_years, seasons_of
from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.grid.cf.conventions import is_precipitation
from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.cf.time_axis import at_times, common_times, index_of
from xr_dl4ds.grid.cf.time_stamps import stamped_as
from xr_dl4ds.grid.names import TIME, X, Y
from xr_dl4ds.grid.regridding.rectilinear import window
from xr_dl4ds.grid.regridding.roll import roll_to_face
from xr_dl4ds.grid.regridding.weights import METHODS
from xr_dl4ds.metrics.quantile_mapping import quantile_mapped

QUANTILE_MAPPING = "quantile_mapping"

_ROLES = "the LR data of training=", "the HR data of training="


def fitted(
    kinds: Sequence[str], training: tuple[Fields, Fields], lr: Fields, truth: Fields
) -> dict[str, xr.Dataset]:
    """Fit baselines to training data, and apply them to the LR fields that are scored.

    The methods are those of `Network.first_guess`: "climatology" is the annual cycle of each cell,
    "bias_corrected" is the bilinear interpolation plus the annual cycle of its bias, a ratio for
    precipitation, and "regression" is a ridge regression on all LR variables and cells. In addition
    to these, "quantile_mapping" is the bilinear interpolation with the quantiles of HR fields.

    Parameters
    ----------
    kinds : sequence of {"climatology", "bias_corrected", "regression", "quantile_mapping"}
        The baselines.
    training : tuple of Fields
        LR and HR data, whose values are read.
    lr : Fields
        LR fields at the times that are scored.
    truth : Fields
        The truth.

    Returns
    -------
    dict of xarray.Dataset
        The fields by baseline, lazy if `lr` is.

    Raises
    ------
    TimeError
        If training data and scored data have times in common.
    GridError, VariableError
        If the training data do not match the scored data.
    """
    if not kinds:
        return {}
    low, high = _matched(training, lr, truth)
    amounts = {n: is_precipitation(n, high.data[n].attrs) for n in truth.varying}
    out = _first_guesses([k for k in kinds if k != QUANTILE_MAPPING], low, high, lr, truth, amounts)
    if QUANTILE_MAPPING in kinds:
        out[QUANTILE_MAPPING] = quantile_mapped(low, high, lr, truth, amounts)
    return out


def _first_guesses(
    kinds: Sequence[str],
    low: Fields,
    high: Fields,
    lr: Fields,
    truth: Fields,
    amounts: dict[str, bool],
) -> dict[str, xr.Dataset]:
    """Fit the methods of `Network.first_guess` to training data, and apply them to LR fields."""
    if not kinds:
        return {}
    names = truth.varying
    inputs = [*names, *(n for n in low.varying if n in lr.varying and n not in names)]
    of_targets = {n: _mean_and_std(high.data[n]) for n in names}
    # LR counterparts have the scale of their targets, as bias corrections need it
    scale = {n: of_targets[n] if n in names else _mean_and_std(low.data[n]) for n in inputs}
    train = _channels(low.data, scale)
    axes = (low.grid.y, truth.grid.y), (low.grid.x, truth.grid.x)
    wy, wx = (METHODS["bilinear"](*pair).astype("f4") for pair in axes)
    annual = has_years(train)
    fitter = Fitter(
        lr=train.fillna(0.0),
        target=_channels(high.data, of_targets).where(_complete(train)),
        seasons=seasons_of(train, annual=annual),
        interpolation=Interpolator(wy=wy, wx=wx, channels=tuple(range(len(names)))),
        varying=len(inputs),
        amounts=tuple(amounts.values()),
        zeros=tuple(-mean / std for mean, std in of_targets.values()),
    )
    known = high.data[names].notnull().any(TIME).compute()
    given = _channels(lr.data, scale).fillna(0.0)
    seasons = seasons_of(given, annual=annual)
    out = {}
    for kind in kinds:
        guess = guessed([fitter.fit(kind)[0]], fitter.interpolation, given, seasons)
        out[kind] = _physical(guess, of_targets, lr, truth).where(known)
    return out


def _matched(training: tuple[Fields, Fields], lr: Fields, truth: Fields) -> tuple[Fields, Fields]:
    """Return training data at common times, on the LR and HR cells that are scored."""
    low, high = training
    missing = [n for n in truth.varying if n not in low.varying or n not in high.varying]
    if missing:
        raise VariableError(
            f"Expected training= to have {missing} in both data, got {low.varying} in LR and"
            f" {high.varying} in HR. Add these, or leave out the baselines that are fitted."
        )
    low = _on(low.in_units(lr.units, _ROLES[0], "the LR data"), lr, _ROLES[0])
    high = _on(high.in_units(truth.units, _ROLES[1], "the truth"), truth, _ROLES[1])
    low = stamped_as(low, high, *_ROLES)
    times = common_times(low, high, *_ROLES)
    pair = [dataclasses.replace(one, data=at_times(one.data, times)) for one in (low, high)]
    scored, own = index_of(truth.data), index_of(pair[1].data)
    if scored is not None and own is not None and len(own.intersection(scored)):
        both = own.intersection(scored)
        raise TimeError(
            f"Expected training= without times that are scored, got {len(both)} in common, from"
            f" {both[0]} to {both[-1]}. Select other times for training."
        )
    return pair[0], pair[1]


def _on(fields: Fields, like: Fields, role: str) -> Fields:
    """Return fields on the cells of other fields."""
    fields = roll_to_face(fields, like.grid)
    inner = window(fields.grid, like.grid)
    if inner is None:
        raise GridError(
            f"Expected {role} on the cells that are scored ({like.grid.extent}), got"
            f" {fields.grid.extent}. Bring them to these cells with .downscale.interpolate."
        )
    data = fields.data.isel(inner).assign_coords(like.grid.coords)
    return dataclasses.replace(fields, data=data, grid=like.grid)


def _mean_and_std(values: xr.DataArray) -> tuple[float, float]:
    values = values.astype("f8")
    mean, std = float(values.mean()), float(values.std())
    if np.isnan(mean):
        raise VariableError(
            f"Expected values of {str(values.name)!r} in training=, got missing values alone."
            " Select times and cells with values."
        )
    return mean, std if std > 0 else 1.0


def _channels(data: xr.Dataset, scale: dict[str, tuple[float, float]]) -> xr.DataArray:
    """Return scaled variables as channels ``(time, y, x, channel)``."""
    parts = [
        ((data[name] - np.float32(mean)) / np.float32(std)).astype("f4")
        for name, (mean, std) in scale.items()
    ]
    return xr.concat(parts, CHANNEL, coords="minimal").transpose(TIME, Y, X, CHANNEL)


def _complete(lr: xr.DataArray) -> xr.DataArray:
    """Return the steps at which no LR cell is missing that has values at other steps."""
    missing = lr.isnull()
    odd = (missing & ~missing.all(TIME)).any((Y, X, CHANNEL)).compute()
    return ~odd if not odd.all() else xr.ones_like(odd)


def _physical(
    guess: xr.DataArray, scale: dict[str, tuple[float, float]], lr: Fields, truth: Fields
) -> xr.Dataset:
    """Return a guess in physical units, NaN at times when LR has no value."""
    out = {}
    for i, (name, (mean, std)) in enumerate(scale.items()):
        values = guess.isel({CHANNEL: i}) * np.float32(std) + np.float32(mean)
        known = lr.data[name].notnull().any((Y, X)).drop_vars(TIME, errors="ignore")
        out[name] = values.where(known).assign_coords(truth.grid.coords)
    return xr.Dataset(out)

"""Inputs far from the training data, on which a network extrapolates or which have other units."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import xarray as xr

from xr_dl4ds.data.auxiliary import Source
from xr_dl4ds.data.moments import moments_of
from xr_dl4ds.data.plausibility import About, note_mark, note_read
from xr_dl4ds.data.scaling import require_finite
from xr_dl4ds.data.state import State
from xr_dl4ds.data.trained_range import TrainedRange

logger = logging.getLogger(__name__)

#: Distance of a value, in standard deviations, beyond which the network extrapolates, and the share
#: of such values above which a warning is logged.
UNUSUAL, SHARE = 4.0, 1e-3


def within_reach(varying: xr.Dataset, state: State, roles: Mapping[Hashable, str]) -> xr.Dataset:
    """Check that inputs resemble the training data; lazy data are checked when they are computed.

    Parameters
    ----------
    varying : xarray.Dataset
        LR variables in the units of training.
    state : State
        State of the fitted model.
    roles : mapping
        A name for the data of each variable in messages.

    Returns
    -------
    xarray.Dataset
        The same fields, with NaN for infinite values. A warning is logged for missing and infinite
        values, and if many values lie beyond the range of training.

    Raises
    ------
    VariableError
        If the mean of a variable lies more than 10 standard deviations from that of training;
        for lazy data the mean of a chunk.
    """
    out, gaps = {}, state.features.mask
    for name, variable in varying.items():
        lazy = variable.chunks is not None
        given = _Given(role=roles[name], about=About.of(variable), gaps=gaps, unseen=lazy)
        trained = _trained(state, name)
        if not lazy:
            out[name] = variable.copy(data=_look(variable.to_numpy(), trained, given))
        else:
            out[name] = xr.apply_ufunc(
                _look,
                variable,
                kwargs={"trained": trained, "given": given},
                dask="parallelized",
                output_dtypes=[variable.dtype],
            ).assign_attrs(variable.attrs)
    return varying.assign(out)


def check_static(static: xr.Dataset, state: State, sources: Sequence[Source]) -> None:
    """Check that static fields resemble those of training.

    Warnings are logged for marks of missing values, for missing values that training did not have,
    and if many values lie beyond the range of training.

    Parameters
    ----------
    static : xarray.Dataset
        Static fields ``(y, x)`` in memory, in the units of training.
    state : State
        State of the fitted model.
    sources : sequence of Source
        The user's fields, from which they are regridded.

    Raises
    ------
    VariableError
        If a field has infinite values, or if its mean lies beyond the range of training by more
        than 10 standard deviations. A part of the training domain may have any mean in the range.
    """
    moments = moments_of(static)
    before = state.static.isel(state.pairing.inner)
    for source in sources:
        own = source.fields.data
        found = {n: one for n, one in moments.items() if n in source.fields.static}
        note_read(own, found, source.role)
        for name, one in found.items():
            require_finite(name, one, source.role)
            trained, values = _trained(state, name), static[name].to_numpy()
            valid = values[np.isfinite(values)]
            gaps = bool(before[name].isnull().any())
            given = _Given(role=source.role, about=About.of(own[name]), gaps=gaps)
            _note_missing(values, valid, trained, given)
            inside = valid.size and trained.min <= valid.mean(dtype="f8") <= trained.max
            _compare(valid, trained, given, refuse=not inside)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Given:
    """What is known of the values that are checked.

    `gaps` says that training had missing values, `unseen` that nobody has looked for marks of
    missing values, because the data are lazy.
    """

    role: str
    about: About
    gaps: bool
    unseen: bool = False


def _trained(state: State, name: Hashable) -> TrainedRange:
    """Return the range of a variable in training."""
    found = {n: state.scaler.of(name, n) for n in ("mean", "std", "min", "max")}
    return TrainedRange(name=str(name), **found)


def _look(values: np.ndarray, trained: TrainedRange, given: _Given) -> np.ndarray:
    """Return values after the check, NaN where infinite."""
    valid = values[np.isfinite(values)]
    infinite = _note_missing(values, valid, trained, given)
    _compare(valid, trained, given, refuse=True)
    if given.unseen and valid.size:
        ends, usual = (valid.min(), valid.max()), (trained.mean, trained.std)
        note_mark(trained.name, ends, usual, given.about, given.role)
    return np.where(np.isinf(values), values.dtype.type(np.nan), values) if infinite else values


def _note_missing(
    values: np.ndarray, valid: np.ndarray, trained: TrainedRange, given: _Given
) -> bool:
    """Warn of missing values that training did not have; return True if some are infinite."""
    if valid.size == values.size:
        return False
    infinite = int(np.isinf(values).sum())
    if not given.gaps:
        logger.warning(
            "%.3g %% of the values of %r of %s are %s, and none were in training: the training"
            " mean stands in for them, from which cells beside them suffer too; fill them before,"
            " such as with .interpolate_na, or fit on data with gaps",
            *(100 * (1 - valid.size / values.size), trained.name, given.role),
            "missing or infinite" if infinite else "missing",
        )
    elif infinite:
        logger.warning(
            "%.3g %% of the values of %r of %s are infinite, and count as missing: mask them, or"
            " check the calculation that made them",
            *(100 * infinite / values.size, trained.name, given.role),
        )
    return infinite > 0


def _compare(valid: np.ndarray, trained: TrainedRange, given: _Given, *, refuse: bool) -> None:
    """Warn of many values beyond the range of training; with `refuse`, raise if the mean is far."""
    if not valid.size or not trained.std:
        return
    if refuse:
        mean = float(valid.mean(dtype="f8"))
        roles = given.role, "training"
        trained.require_near(mean, valid.min(), valid.max(), roles, given.about)
    reach = UNUSUAL * trained.std
    low, high = min(trained.min, trained.mean - reach), max(trained.max, trained.mean + reach)
    share = float(((valid < low) | (valid > high)).mean())
    if share > SHARE:
        logger.warning(
            "%.2g %% of the values of %r of %s lie beyond those of training (%s) by far: the model"
            " extrapolates there",
            *(100 * share, trained.name, given.role, trained.text),
        )

"""Inputs far from the training data, on which a network extrapolates or which have other units."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping

import numpy as np
import xarray as xr

from xr_dl4ds.data.plausibility import note_fields
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
        trained, role = _trained(state, name), roles[name]
        if variable.chunks is None:
            out[name] = variable.copy(data=_look(variable.to_numpy(), trained, role, gaps))
        else:
            out[name] = xr.apply_ufunc(
                _look,
                variable,
                kwargs={"trained": trained, "role": role, "gaps": gaps},
                dask="parallelized",
                output_dtypes=[variable.dtype],
            ).assign_attrs(variable.attrs)
    return varying.assign(out)


def check_static(static: xr.Dataset, state: State, role: str) -> None:
    """Check that static fields resemble those of training.

    Warnings are logged for marks of missing values, for missing values that training did not have,
    and if many values lie beyond the range of training.

    Parameters
    ----------
    static : xarray.Dataset
        Static fields ``(y, x)`` in memory, in the units of training.
    state : State
        State of the fitted model.
    role : str
        A name for the data in messages.

    Raises
    ------
    VariableError
        If a field has infinite values, or if its mean lies beyond the range of training by more
        than 10 standard deviations. A part of the training domain may have any mean in the range.
    """
    moments = note_fields({str(n): v for n, v in static.items()}, role)
    before = state.static.isel(state.pairing.inner)
    for known, found in moments.items():
        require_finite(known, found, role)
    for name, variable in static.items():
        trained, values = _trained(state, name), variable.to_numpy()
        valid = values[np.isfinite(values)]
        _note_missing(values, valid, trained, role, gaps=bool(before[name].isnull().any()))
        inside = valid.size and trained.min <= valid.mean(dtype="f8") <= trained.max
        _compare(valid, trained, role, refuse=not inside)


def _trained(state: State, name: Hashable) -> TrainedRange:
    """Return the range of a variable in training."""
    found = {n: state.scaler.of(name, n) for n in ("mean", "std", "min", "max")}
    return TrainedRange(name=str(name), **found)


def _look(values: np.ndarray, trained: TrainedRange, role: str, gaps: bool) -> np.ndarray:
    """Return values after the check, NaN where infinite; `gaps`: training had missing values."""
    valid = values[np.isfinite(values)]
    infinite = _note_missing(values, valid, trained, role, gaps=gaps)
    _compare(valid, trained, role, refuse=True)
    return np.where(np.isinf(values), values.dtype.type(np.nan), values) if infinite else values


def _note_missing(
    values: np.ndarray, valid: np.ndarray, trained: TrainedRange, role: str, *, gaps: bool
) -> bool:
    """Warn of missing values that training did not have; return True if some are infinite."""
    if valid.size == values.size:
        return False
    infinite = int(np.isinf(values).sum())
    if not gaps:
        logger.warning(
            "%.3g %% of the values of %r of %s are %s, and none were in training: the training"
            " mean stands in for them, from which cells beside them suffer too; fill them before,"
            " such as with .interpolate_na, or fit on data with gaps",
            *(100 * (1 - valid.size / values.size), trained.name, role),
            "missing or infinite" if infinite else "missing",
        )
    elif infinite:
        logger.warning(
            "%.3g %% of the values of %r of %s are infinite, and count as missing: mask them, or"
            " check the calculation that made them",
            *(100 * infinite / values.size, trained.name, role),
        )
    return infinite > 0


def _compare(valid: np.ndarray, trained: TrainedRange, role: str, *, refuse: bool) -> None:
    """Warn of many values beyond the range of training; with `refuse`, raise if the mean is far."""
    if not valid.size or not trained.std:
        return
    if refuse:
        mean = float(valid.mean(dtype="f8"))
        trained.require_near(mean, valid.min(), valid.max(), (role, "training"))
    reach = UNUSUAL * trained.std
    low, high = min(trained.min, trained.mean - reach), max(trained.max, trained.mean + reach)
    share = float(((valid < low) | (valid > high)).mean())
    if share > SHARE:
        logger.warning(
            "%.2g %% of the values of %r of %s lie beyond those of training (%s) by far: the model"
            " extrapolates there",
            *(100 * share, trained.name, role, trained.text),
        )

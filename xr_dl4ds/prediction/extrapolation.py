"""Inputs far from the training data, on which a network extrapolates or which have other units."""

from __future__ import annotations

import logging

import numpy as np
import xarray as xr

from xr_dl4ds.data.state import State
from xr_dl4ds.data.trained_range import TrainedRange

logger = logging.getLogger(__name__)

#: Distance of a value, in standard deviations, beyond which the network extrapolates, and the share
#: of such values above which a warning is logged.
UNUSUAL, SHARE = 4.0, 1e-3


def within_reach(varying: xr.Dataset, state: State, role: str) -> xr.Dataset:
    """Check that inputs resemble the training data; lazy data are checked when they are computed.

    Parameters
    ----------
    varying : xarray.Dataset
        LR variables in the units of training.
    state : State
        State of the fitted model.
    role : str
        A name for the data in messages.

    Returns
    -------
    xarray.Dataset
        The same fields. A warning is logged if many values lie beyond the range of training.

    Raises
    ------
    VariableError
        If the mean of a variable lies more than 10 standard deviations from that of training;
        for lazy data the mean of a chunk.
    """
    out, gaps = {}, state.features.mask
    for name, variable in varying.items():
        found = {n: state.scaler.of(name, n) for n in ("mean", "std", "min", "max")}
        trained = TrainedRange(name=str(name), **found)
        if variable.chunks is None:
            _look(variable.to_numpy(), trained, role, gaps)
            out[name] = variable
        else:
            out[name] = xr.apply_ufunc(
                _look,
                variable,
                kwargs={"trained": trained, "role": role, "gaps": gaps},
                dask="parallelized",
                output_dtypes=[variable.dtype],
            ).assign_attrs(variable.attrs)
    return varying.assign(out)


def _look(values: np.ndarray, trained: TrainedRange, role: str, gaps: bool) -> np.ndarray:
    """Return the values after the check; `gaps` tells whether training had missing values."""
    valid = values[np.isfinite(values)]
    if valid.size < values.size and not gaps:
        logger.warning(
            "%.2g %% of the values of %r of %s are missing, and none were in training: the training"
            " mean stands in for them, from which cells beside them suffer too; fill them before,"
            " such as with .interpolate_na, or fit on data with gaps",
            *(100 * (1 - valid.size / values.size), trained.name, role),
        )
    if not valid.size or not trained.std:
        return values
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
    return values

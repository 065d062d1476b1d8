"""Inputs far from the training data, on which a network extrapolates or which have other units."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import xarray as xr

from xr_dl4ds.data.state import State
from xr_dl4ds.exceptions import VariableError

logger = logging.getLogger(__name__)

#: Distance of a mean from that of training, in standard deviations, that cannot be weather.
FAR = 10.0
#: Distance of a value, in standard deviations, beyond which the network extrapolates, and the share
#: of such values above which a warning is logged.
UNUSUAL, SHARE = 4.0, 1e-3

#: Usual mistakes in units: the factor and the offset that bring values to the units of training.
_MISTAKES = {
    "273.15 too large, as kelvin for degC": (1.0, -273.15),
    "273.15 too small, as degC for kelvin": (1.0, 273.15),
    "100 times too large, as Pa for hPa or % for 1": (0.01, 0.0),
    "100 times too small, as hPa for Pa or 1 for %": (100.0, 0.0),
    "1000 times too large, as mm for m": (0.001, 0.0),
    "1000 times too small, as m for mm": (1000.0, 0.0),
    "86400 times too small, as kg m-2 s-1 for mm/day": (86400.0, 0.0),
    "86400 times too large, as mm/day for kg m-2 s-1": (1 / 86400.0, 0.0),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedRange:
    """Statistics of a variable in training."""

    name: str
    mean: float
    std: float
    min: float
    max: float

    @property
    def text(self) -> str:
        """Statistics for messages."""
        return f"{self.min:.4g} to {self.max:.4g}, mean {self.mean:.4g}"


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
    out = {}
    for name, variable in varying.items():
        found = {n: state.scaler.of(name, n) for n in ("mean", "std", "min", "max")}
        trained = TrainedRange(name=str(name), **found)
        if variable.chunks is None:
            _look(variable.to_numpy(), trained, role)
            out[name] = variable
        else:
            out[name] = xr.apply_ufunc(
                _look,
                variable,
                kwargs={"trained": trained, "role": role},
                dask="parallelized",
                output_dtypes=[variable.dtype],
            ).assign_attrs(variable.attrs)
    return varying.assign(out)


def _look(values: np.ndarray, trained: TrainedRange, role: str) -> np.ndarray:
    """Return the values after the check."""
    valid = values[np.isfinite(values)]
    if not valid.size or not trained.std:
        return values
    mean = float(valid.mean(dtype="f8"))
    if abs(mean - trained.mean) > FAR * trained.std:
        raise VariableError(
            f"Expected {trained.name!r} of {role} near the values of training ({trained.text}), got"
            f" {valid.min():.4g} to {valid.max():.4g}, mean {mean:.4g}. {_cure(mean, trained)}"
        )
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


def _cure(mean: float, trained: TrainedRange) -> str:
    """Name the mistake in units that explains the values best, if there is one."""
    apart = {
        mistake: abs(mean * factor + offset - trained.mean)
        for mistake, (factor, offset) in _MISTAKES.items()
    }
    mistake = min(apart, key=lambda name: apart[name])
    if apart[mistake] <= 3 * trained.std:
        return (
            f"Set .attrs['units'] of {trained.name!r}, which are then converted: the values are"
            f" {mistake}."
        )
    return f"Check the units of {trained.name!r}, or use a model that was trained on such values."

"""Adapters: functions of scores with the arguments that `evaluate` passes."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import xarray as xr

from xr_dl4ds.grid.cf.conventions import is_precipitation
from xr_dl4ds.grid.cf.time_axis import has_dates, index_of
from xr_dl4ds.grid.names import REALIZATION, X, Y
from xr_dl4ds.grid.units import conversion_between
from xr_dl4ds.metrics import (
    categorical,
    distribution,
    events,
    field_scores,
    image,
    indices,
    neighbourhood,
    spectral,
    weighting,
)
from xr_dl4ds.metrics.pairs import Dimensions

#: Edges in cells of the neighbourhoods of the fractions skill score.
NEIGHBOURHOODS = (1, 3, 5, 9, 17, 33)
#: Edges in cells of the blocks of pooled scores.
BLOCKS = (2, 4, 8)
#: Amount of precipitation in mm that makes a day wet.
WET = 1.0
_DAY = 86400.0

Function = Callable[..., xr.DataArray]


def of_plane(function: Function) -> Function:
    """Return a score of fields, which is always taken over whole fields ``(y, x)``."""

    @functools.wraps(function)
    def of_fields(
        prediction: xr.DataArray,
        truth: xr.DataArray,
        dims: Dimensions,
        weights: xr.DataArray | None = None,
    ) -> xr.DataArray:
        return function(prediction, truth, (Y, X), weights=weights)

    return of_fields


def ms_ssim(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the MS-SSIM of fields ``(y, x)`` at as many scales as they have room for."""
    scales = image.fitting_scales((truth.sizes[Y], truth.sizes[X]))
    return image.ms_ssim_at(scales, prediction, truth, (Y, X), weights=weights)


def few_scales(truth: xr.DataArray) -> str:
    """Return a note on the scales of MS-SSIM; an empty text for all."""
    shape = truth.sizes[Y], truth.sizes[X]
    return image.note_of_scales(shape, image.fitting_scales(shape))


def fss(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    threshold: float,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
    *,
    periodic: bool,
) -> xr.DataArray:
    """Return the fractions skill score at a threshold, along ``neighbourhood``."""
    largest = max(truth.sizes[Y], truth.sizes[X])
    sizes = [n for n in NEIGHBOURHOODS if n <= largest]
    found = neighbourhood.fss_scales(
        prediction, truth, [threshold], sizes, (Y, X), periodic=periodic, weights=weights
    )
    return found.isel(threshold=0, drop=True).rename(size="neighbourhood")


def pooled(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the CRPS of means and maxima over blocks, along ``pool`` and ``block``."""
    sizes = [n for n in BLOCKS if n <= min(truth.sizes[Y], truth.sizes[X])]
    pools = ("mean", "max")
    rows = [
        xr.concat(
            [
                field_scores.pooled_crps(
                    prediction, truth, n, dims, weights=weights, plane=(Y, X), pool=pool
                )
                for n in sizes
            ],
            xr.Variable("block", np.array(sizes, "i4"), {"units": "1"}),
        )
        for pool in pools
    ]
    return xr.concat(rows, xr.Variable("pool", list(pools)))


def maxima_crps(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the CRPS of maxima over blocks of 4 x 4 cells, or of as many as fields have."""
    size = field_scores.edge_of_blocks((truth.sizes[Y], truth.sizes[X]))
    return field_scores.pooled_crps(
        prediction, truth, size, dims, weights=weights, plane=(Y, X), pool="max"
    )


def small_blocks(truth: xr.DataArray) -> str:
    """Return a note on blocks that are smaller than 4 x 4 cells; an empty text for full blocks."""
    size = field_scores.edge_of_blocks((truth.sizes[Y], truth.sizes[X]))
    if size == field_scores.BLOCK:
        return ""
    return (
        f"maxima_crps has blocks of {size} x {size} cells instead of {field_scores.BLOCK} x"
        f" {field_scores.BLOCK}, because the fields are smaller"
    )


def reliability(
    members: xr.DataArray,
    truth: xr.DataArray,
    threshold: float,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the reliability diagram, along ``curve`` and ``probability``."""
    found = events.reliability(members, truth, threshold, dims, weights=weights)
    return found.to_dataarray("curve")


def frequency_bias(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    threshold: float,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the frequency bias; for an ensemble that of all members together."""
    over = [*dims, *(d for d in prediction.dims if d == REALIZATION)]
    return categorical.frequency_bias(prediction, truth, threshold, over, weights)


def spectrum(
    field: xr.DataArray, dims: Dimensions, weights: xr.DataArray | None = None
) -> xr.DataArray:
    """Return the power spectrum of fields ``(y, x)``."""
    return spectral.spectrum(field, (Y, X))


def length(
    field: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
    *,
    periodic: bool,
) -> xr.DataArray:
    """Return the autocorrelation length of fields ``(y, x)``, in cells."""
    return neighbourhood.autocorrelation_length(field, (Y, X), periodic=periodic)


def annual_cycle(field: xr.DataArray, time: str) -> xr.DataArray:
    """Return the annual cycle along ``calendar_month``; ``by="month"`` has the name ``month``."""
    return indices.annual_cycle(field, time).rename({indices.MONTH: "calendar_month"})


def negative(
    field: xr.DataArray, dims: Dimensions, weights: xr.DataArray | None = None
) -> xr.DataArray:
    """Return the share of values below 0."""
    return weighting.mean((field < 0).where(field.notnull()), dims, weights)


def days_above(field: xr.DataArray, threshold: float, time: str) -> xr.DataArray:
    """Return the mean number of steps a year above a threshold."""
    return indices.days_above(field, time, threshold=threshold)


def days_below(field: xr.DataArray, threshold: float, time: str) -> xr.DataArray:
    """Return the mean number of steps a year below a threshold."""
    return indices.days_below(field, time, threshold=threshold)


def of_wet_days(function: Function) -> Function:
    """Return an index of wet days for fields in any unit of precipitation."""

    @functools.wraps(function)
    def index(field: xr.DataArray, time: str) -> xr.DataArray:
        return function(field, time, wet=_wet(str(field.attrs.get("units", ""))))

    return index


def wet_frequency(field: xr.DataArray, time: str, *, wet: float) -> xr.DataArray:
    """Return the share of wet days of each cell."""
    return distribution.wet_frequency(field, wet, [time])


def _wet(units: str) -> float | None:
    """Return the amount of a wet day in some units; None if these are none of precipitation."""
    found = (conversion_between(one, units) for one in ("mm/day", "mm"))
    factors = [one.factor for one in found if one is not None]
    return WET * factors[0] if factors else None


def daily_precipitation(truth: xr.DataArray) -> str:
    """Return what fields lack for indices of daily precipitation."""
    if not is_precipitation(str(truth.name), truth.attrs):
        return "precipitation. Set .attrs['standard_name'], such as 'precipitation_flux'"
    units = str(truth.attrs.get("units", ""))
    if _wet(units) is None:
        return f"precipitation in mm/day or mm, and not in {units!r}. Convert it"
    return dates(truth) or _days(truth)


def _days(truth: xr.DataArray) -> str:
    """Return what fields lack that have no daily steps."""
    index = index_of(truth.to_dataset(name="truth"))
    assert index is not None
    steps = np.diff(index) if len(index) > 1 else []
    step = np.median([_seconds(one) for one in steps]) if len(steps) else _DAY
    return "" if step == _DAY else "daily steps. Bring the data to days by .resample(time='D')"


def _seconds(step: object) -> float:
    """Return the seconds of a difference of dates, of numpy or of datetime."""
    return float(np.timedelta64(step, "s").astype("f8"))  # type: ignore[call-overload]


def dates(truth: xr.DataArray) -> str:
    """Return what fields lack that have no dates."""
    if has_dates(index_of(truth.to_dataset(name="truth"))):
        return ""
    return "dates along time. Assign them with .assign_coords(time=...)"

"""Two periods, and the change from the mean of the first to the mean of the second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from xr_dl4ds.exceptions import TimeError
from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.cf.time_axis import has_dates, index_of, positions_by_date, span
from xr_dl4ds.grid.names import TIME
from xr_dl4ds.grid.units import conversion_between
from xr_dl4ds.metrics.pairs import Dimensions
from xr_dl4ds.metrics.weighting import mean

#: Two periods; each is its first and its last date, such as ``("1981", "2000")``.
Periods = Sequence[Sequence[str]]

_EXAMPLE = "periods=(('1981', '2000'), ('2081', '2100'))"


def periods_of(asked: Periods | None, scored: Fields) -> xr.DataArray | None:
    """Return which steps lie in each of two periods.

    Parameters
    ----------
    asked : sequence of two pairs of str, optional
        First and last date of either period, both included; a date may be a year or a month.
    scored : Fields
        The prediction, at the times that are scored.

    Returns
    -------
    xarray.DataArray or None
        True for the steps of a period, ``(period, time)``, without coordinates; None if no periods
        are asked for.

    Raises
    ------
    ValueError
        If these are not two pairs of dates.
    TimeError
        If there are no dates along time, or none in a period.
    """
    if asked is None:
        return None
    pairs = list(asked) if isinstance(asked, (tuple, list)) else []
    if len(pairs) != 2 or not all(isinstance(p, (tuple, list)) and len(p) == 2 for p in pairs):
        raise ValueError(
            f"Expected `periods` to be two pairs of dates, got {asked!r}. Pass the first and the"
            f" last date of each, such as {_EXAMPLE}."
        )
    index = index_of(scored.data)
    if not has_dates(index):
        raise TimeError(
            "Expected dates along time for periods=, got steps without dates. Assign them with"
            " .assign_coords(time=...), or leave out periods=."
        )
    return xr.DataArray(
        [_inside(index, first, last) for first, last in pairs], dims=("period", TIME)
    )


def _inside(index: pd.Index, first: str, last: str) -> np.ndarray:
    """Return which dates lie in a period."""
    positions = positions_by_date(index)
    try:
        part = positions.sel({TIME: slice(first, last)}).to_numpy()
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"Expected `periods` to hold dates, got {first!r} and {last!r}. Pass text such as"
            f" {_EXAMPLE}."
        ) from error
    if not part.size:
        raise TimeError(
            f"Expected times that are scored from {first} to {last}, got {span(index)}. Select"
            " other periods, or longer data."
        )
    return np.isin(np.arange(len(index)), part)


def change(
    field: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
    *,
    periods: xr.DataArray,
) -> xr.DataArray:
    """Return the mean of the second period minus that of the first.

    Cells have equal weight whatever their number of values; those without values in one of both
    periods do not count.

    Parameters
    ----------
    field : xarray.DataArray
        Fields along ``time``.
    dims : sequence of hashable
        Dimensions to average over, with ``time``.
    weights : xarray.DataArray, optional
        Weights of cells.
    periods : xarray.DataArray
        See `periods_of`.
    """
    before, after = _means(field, dims, weights, periods)
    return after - before


def relative_change(
    field: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
    *,
    periods: xr.DataArray,
) -> xr.DataArray:
    """Return the change over the mean of the first period; NaN where that is 0.

    Over cells it is the ratio of the mean change to the mean of the first period. `change`
    describes the arguments.
    """
    before, after = _means(field, dims, weights, periods)
    return (after - before) / before.where(before != 0)


def _means(
    field: xr.DataArray, dims: Dimensions, weights: xr.DataArray | None, periods: xr.DataArray
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the means of both periods, over the cells that have both."""
    steps = (np.flatnonzero(one.to_numpy()) for one in periods)
    before, after = (field.isel({TIME: one}).astype("f8").mean(TIME) for one in steps)
    valid = before.notnull() & after.notnull()
    over = [d for d in dims if d != TIME]
    first, second = (mean(one.where(valid), over, weights) for one in (before, after))
    return first, second


def amounts(truth: xr.DataArray) -> str:
    """Return what temperatures lack for ratios; an empty text for other variables."""
    units = str(truth.attrs.get("units", ""))
    if conversion_between(units, "K") is None:
        return ""
    return f"a variable with a natural zero, and not one in {units!r}. Use 'change'"

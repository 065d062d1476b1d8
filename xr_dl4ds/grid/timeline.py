"""Time axes: checks, the steps that two of them have in common, and unbroken runs of steps.

Nothing is matched by nearness: xarray's inner join gives an empty result without an error for
calendars or hours that differ, and a training set must never shrink in silence.
"""

from __future__ import annotations

import logging

import pandas as pd
import xarray as xr

from xr_dl4ds.exceptions import TimeError
from xr_dl4ds.grid.fields import TIME, Fields

logger = logging.getLogger(__name__)


def index_of(data: xr.Dataset) -> pd.Index | None:
    """The index of the time dimension; None where it has no coordinate."""
    return data.indexes.get(TIME)


def calendar(index: pd.Index) -> str:
    """CF calendar of dates, "none" for other values; proleptic_gregorian counts as standard."""
    if isinstance(index, pd.DatetimeIndex):
        return "standard"
    if isinstance(index, xr.CFTimeIndex):
        name = str(index.calendar)
        return {"proleptic_gregorian": "standard", "gregorian": "standard"}.get(name, name)
    return "none"


def span(index: pd.Index) -> str:
    """Length, first and last step and calendar as text, for messages."""
    return f"{len(index)} steps from {index[0]} to {index[-1]} ({calendar(index)} calendar)"


def check_times(fields: Fields, role: str) -> None:
    """Raise a `TimeError` for an empty axis, missing or duplicated times."""
    if TIME in fields.data.sizes:
        check_index(index_of(fields.data), fields.data.sizes[TIME], fields.dims.time, role)


def check_index(index: pd.Index | None, size: int, name: str | None, role: str) -> None:
    """The same for the index, if any, of a time axis of `size` steps that the user calls `name`."""
    if size == 0:
        raise TimeError(
            f"Expected {role} to have at least one time step, got none. Select a period in which"
            " there are some."
        )
    if TIME not in fields.data.sizes:
        return
    if fields.data.sizes[TIME] == 0:
        raise TimeError(
            f"Expected {role} to have at least one time step, got none. Select a period in which"
            " there are some."
        )
    index = index_of(fields.data)

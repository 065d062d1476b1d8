"""Matching of time stamps at the start, middle or end of the same day or month.

A daily mean may be stamped 00:00 or 12:00; a monthly mean may be stamped on the 1st, the 15th or
the last day. These series are matched by day or by month, with a warning in the log. Neither
nearest times nor series of different frequencies are matched.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging

import numpy as np
import pandas as pd
import xarray as xr

from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.cf.time_axis import (
    AT_END,
    calendar,
    comparable,
    has_dates,
    index_of,
    seconds_between,
)
from xr_dl4ds.grid.names import TIME

logger = logging.getLogger(__name__)

_DAY = 86400.0
#: From the end of a step back into it.
_MOMENT = datetime.timedelta(seconds=1)

#: Format of the part of a date that identifies its period, by frequency of the series.
_KEYS = {"daily": "%Y-%m-%d", "monthly": "%Y-%m"}


def stamped_as(fields: Fields, like: Fields, role: str, like_role: str) -> Fields:
    """Give fields the time stamps of `like`, where both refer to the same days or months.

    Parameters
    ----------
    fields, like : Fields
        Two series with unique times.
    role, like_role : str
        Names for the series in the log.

    Returns
    -------
    Fields
        The fields; unchanged if exact times match as many steps, if calendars differ, or if the
        common frequency is not daily or monthly. Steps without a partner keep their own stamps.
    """
    mine, theirs = index_of(fields.data), index_of(like.data)
    if mine is None or theirs is None or not len(mine) or not len(theirs):
        return fields
    if calendar(mine) != calendar(theirs) or "none" in (calendar(mine), calendar(theirs)):
        return fields
    late = [_ends(one, other) for one, other in ((fields, like), (like, fields))]
    if any(late) and _exact(mine, theirs) == len(mine) == len(theirs):
        return fields  # the same stamps mean the same steps
    period = _common_frequency(mine, theirs)
    if period is None:
        if any(late):
            logger.warning(
                "%s have their times at the end of each step, as their bounds say, and %s have no"
                " bounds: if those are at the start, subtract a step from the former",
                *((role, like_role) if late[0] else (like_role, role)),
            )
        return fields
    begun = [
        index - _MOMENT if is_late else index
        for index, is_late in zip((mine, theirs), late, strict=True)
    ]
    keys = [pd.Index(index.strftime(_KEYS[period])) for index in begun]
    partner = keys[1].get_indexer(keys[0])
    matched = int((partner >= 0).sum())
    if not matched or (matched <= _exact(mine, theirs) and not any(late)):
        return fields
    logger.warning(
        "%s are matched with %s by the %s of their time stamps (%s and %s are one)",
        *(role, like_role, {"daily": "day", "monthly": "month"}[period]),
        *(mine[int((partner >= 0).argmax())], theirs[partner[partner >= 0][0]]),
    )
    # a step without a partner must not take the date of another one
    own = mine - _MOMENT if any(late) else mine
    numpy_dates = isinstance(theirs, pd.DatetimeIndex)
    if isinstance(own, pd.DatetimeIndex) != numpy_dates:  # numpy and cftime dates
        own = pd.DatetimeIndex(own.strftime("%Y-%m-%dT%H:%M:%S")) if numpy_dates else _cf(own)
    stamps = np.where(partner >= 0, theirs[partner], own)
    index = pd.DatetimeIndex(stamps) if numpy_dates else xr.CFTimeIndex(stamps)
    return dataclasses.replace(fields, data=fields.data.assign_coords({TIME: index}))


def own_stamps(data: xr.Dataset, stamped: xr.Dataset, times: pd.Index) -> pd.Index | None:
    """Return the stamps of `data` at the steps that `stamped` has at `times`; None without dates.

    Parameters
    ----------
    data, stamped : xarray.Dataset
        The same steps with their own and with other time stamps.
    times : pandas.Index
        Steps by their other time stamps.
    """
    own, other = data.indexes.get(TIME), stamped.indexes[TIME]
    if not has_dates(own):
        return None
    return own[comparable(other, times).get_indexer(comparable(times, other))]


def _ends(fields: Fields, other: Fields) -> bool:
    """Return True if bounds say that stamps are at the end of their steps, and the other has none.

    The end of a day is a date of the next one.
    """
    return other.stamp is None and fields.stamp is not None and fields.stamp >= AT_END


def frequency(index: pd.Index) -> str | None:
    """Return the frequency "daily" or "monthly" of dates, which may have gaps, or None.

    Examples
    --------
    >>> frequency(pd.date_range("2001-01-16", periods=5, freq="MS") + pd.Timedelta(days=14))
    'monthly'
    """
    if len(index) < 2:
        return None
    seconds = seconds_between(index.sort_values())
    usual = float(np.quantile(seconds, 0.25, method="lower"))
    if usual == _DAY and not (seconds % _DAY).any():
        return "daily"
    if 27.5 * _DAY < usual < 31.5 * _DAY and pd.Index(index.strftime("%Y-%m")).is_unique:
        return "monthly"
    return None


def _common_frequency(a: pd.Index, b: pd.Index) -> str | None:
    """Return the frequency of both series; a single step takes that of the other series."""
    found = frequency(a if len(a) > 1 else b), frequency(b if len(b) > 1 else a)
    if found[0] == found[1]:
        return found[0]
    if "monthly" in found and None in found and _some_months(a if found[0] is None else b):
        return "monthly"
    return None


def _some_months(index: pd.Index) -> bool:
    """Return True if these may be months picked from a monthly series; yearly steps are not."""
    days = seconds_between(index.sort_values()) / _DAY
    unique = pd.Index(index.strftime("%Y-%m")).is_unique
    return unique and bool((days > 27.5).all()) and bool((days < 360).any())


def _exact(a: pd.Index, b: pd.Index) -> int:
    """Count the times that occur in both."""
    if isinstance(a, pd.DatetimeIndex) == isinstance(b, pd.DatetimeIndex):
        return int(a.isin(b).sum())
    text = [pd.Index(i.strftime("%Y-%m-%dT%H:%M:%S")) for i in (a, b)]
    return int(text[0].isin(text[1]).sum())


def _cf(index: pd.DatetimeIndex) -> xr.CFTimeIndex:
    times = xr.DataArray(index, dims=TIME, coords={TIME: index})
    return times.convert_calendar("standard", use_cftime=True).indexes[TIME]

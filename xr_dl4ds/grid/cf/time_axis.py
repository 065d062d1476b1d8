"""Time axes: checks, common steps of two axes, runs of steps without gaps, and time windows.

Times must match exactly; nearest times are not matched. If calendars or hours differ, xarray's
inner join returns an empty result without an error. Here, a training set never shrinks without a
message.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
from typing import TypeGuard

import cftime
import numpy as np
import pandas as pd
import xarray as xr

from xr_dl4ds.exceptions import TimeError
from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.cf.indexing import take
from xr_dl4ds.grid.cf.storable import require_dates_of_files
from xr_dl4ds.grid.names import TIME, Attrs

logger = logging.getLogger(__name__)

#: Smallest difference between positions of time stamps in their bounds that matters, and the
#: position from which a stamp counts as the end of its bounds.
_APART, AT_END = 0.25, 0.999
#: Units to which times are rounded, with their seconds.
_ROUNDED = (("h", 3600), ("min", 60), ("s", 1))
_DAY = 86400
#: Number of dates from which a usual step is told.
_FEW = 100
#: Shortest steps of series by year and by month, in seconds, with the frequency of their starts.
_BEGINNINGS = ((360 * _DAY, "YS"), (28 * _DAY, "MS"))


def index_of(data: xr.Dataset) -> pd.Index | None:
    """Return the index of the time dimension; None if it has no coordinate."""
    return data.indexes.get(TIME)


def positions_by_date(index: pd.Index) -> xr.DataArray:
    """Return the positions of the steps ``(time,)``, in order of their dates, to select periods."""
    return xr.DataArray(np.arange(len(index)), {TIME: (TIME, index)}, TIME).sortby(TIME)


def calendar(index: pd.Index) -> str:
    """Return the CF calendar, "none" without dates; proleptic_gregorian counts as standard."""
    if isinstance(index, pd.DatetimeIndex):
        return "standard"
    if isinstance(index, xr.CFTimeIndex):
        name = str(index.calendar)
        return {"proleptic_gregorian": "standard", "gregorian": "standard"}.get(name, name)
    return "none"


def has_dates(index: pd.Index | None) -> TypeGuard[pd.Index]:
    """Return True for an index of dates; False for numbers, and for a dimension without index."""
    return index is not None and calendar(index) != "none"


def span(index: pd.Index) -> str:
    """Describe length, first and last step and calendar, for messages."""
    return f"{len(index)} steps from {index[0]} to {index[-1]} ({calendar(index)} calendar)"


def check_times(fields: Fields, role: str) -> None:
    """Raise a `TimeError` for an empty time axis, or for missing or duplicated times."""
    if TIME in fields.data.sizes:
        dates = None if fields.dates is None else str(fields.dates.name)
        names = str(fields.dims.time), dates
        check_index(index_of(fields.data), fields.data.sizes[TIME], names, role)


def check_index(
    index: pd.Index | None, size: int, names: tuple[str, str | None], role: str
) -> None:
    """Raise a `TimeError` as `check_times` does, given the index of a time axis.

    `size` is the number of steps, `names` are those of the time dimension and of its dates.
    """
    dim, dates = names[0], names[1] or names[0]
    if size == 0:
        raise TimeError(f"No time step is left in {role}. Select a period that has some.")
    if index is None:
        return
    require_dates_of_files(index, dim, dates, role)
    if index.hasnans:
        raise TimeError(
            f"Expected every time of {role} to be known, got {int(index.isna().sum())} missing"
            f" (NaT). Drop them with .isel({dim}=ds[{dates!r}].notnull())."
        )
    if not index.is_unique:
        twice = index[index.duplicated()].unique()
        shown = ", ".join(str(t) for t in twice[:3]) + (", ..." if len(twice) > 3 else "")
        raise TimeError(
            f"Expected every time of {role} once, got {len(twice)} duplicated: {shown}."
            f" Keep one of each with {_without_duplicates(dim, dates)}."
        )


def _without_duplicates(dim: str, dates: str) -> str:
    if dim == dates:
        return f".drop_duplicates({dim!r})"
    return f".isel({dim}=~ds[{dates!r}].to_index().duplicated())"


def in_order(fields: Fields, role: str) -> Fields:
    """Sort the fields by time, so that a share of the last steps can be held out."""
    index = index_of(fields.data)
    if index is None or index.is_monotonic_increasing:
        return fields
    logger.info("%s are sorted by time", role)
    return dataclasses.replace(fields, data=fields.data.sortby(TIME))


def common_times(a: Fields, b: Fields, a_role: str, b_role: str) -> pd.Index | None:
    """Return common times; None if neither has time coordinates and the lengths agree.

    Raises
    ------
    TimeError
        If only one has time coordinates, the calendars differ, or there are no common times.
        The message contains both ranges.
    """
    left, right = index_of(a.data), index_of(b.data)
    if left is None or right is None:
        sizes = a.data.sizes[TIME], b.data.sizes[TIME]
        if left is None and right is None and sizes[0] == sizes[1]:
            _require_same_dates(a, b, a_role, b_role)
            _require_same_labels(a, b, a_role, b_role)
            return None
        raise TimeError(
            f"Expected {a_role} and {b_role} both to have time coordinates, got"
            f" {_describe(left, sizes[0])} and {_describe(right, sizes[1])}."
            " Assign them with .assign_coords(time=...)."
        )
    if "none" in (calendar(left), calendar(right)) and calendar(left) != calendar(right):
        raise TimeError(
            f"Expected {a_role} and {b_role} both to have dates, got {span(left)} and"
            f" {span(right)}. Assign the dates that the numbers stand for:"
            " .assign_coords(time=('time', dates))."
        )
    _require_one_end(a, b, a_role, b_role)
    if calendar(left) != calendar(right):
        raise TimeError(
            f"Expected {a_role} and {b_role} in one calendar, got {span(left)} and {span(right)}."
            f" {_convert(left, right, a_role, b_role)}."
        )
    common = shared(left, right)
    if len(common) == 0:
        raise TimeError(
            f"Expected times in common, got {a_role} with {span(left)} and {b_role} with"
            f" {span(right)}. Select the same period of both, or {_shift(left, right)}."
        )
    kept = len(common)
    if kept < max(len(left), len(right)):
        # a difference in length is common, but a loss of steps on both sides is unusual
        level = logging.WARNING if kept < min(len(left), len(right)) else logging.INFO
        template = "%d times are common to %s (%d) and %s (%d); the others are left out"
        logger.log(level, template, kept, a_role, len(left), b_role, len(right))
        _note_shift(left, right, a_role, b_role)
        _note_means(a, b, a_role, b_role)
    return common


def _note_means(a: Fields, b: Fields, a_role: str, b_role: str) -> None:
    """Warn if fields with long steps, which may be means, are matched with moments.

    Daily means stamped 00 UTC have the times of hourly data at midnight, and are no such data.
    """
    steps = [_usual_seconds(index_of(fields.data)) for fields in (a, b)]
    if min(steps) == 0 or max(steps) < 2 * min(steps) or max(steps) % min(steps):
        return
    coarse, fine = (a, b) if steps[0] > steps[1] else (b, a)
    roles = (a_role, b_role) if coarse is a else (b_role, a_role)
    if all(_instantaneous(coarse.data[n].attrs) for n in coarse.varying):
        return
    every = max(steps) // min(steps)
    logger.warning(
        "%s have one time of %d of %s: if they are means or sums over their steps, bring the others"
        " to these steps, such as .resample(%s=%r).mean(); if they are instantaneous, say so with"
        " .attrs['cell_methods'] = 'time: point'",
        *(roles[0], every, roles[1], fine.dims.time, _frequency(max(steps))),
    )


def _instantaneous(attrs: Attrs) -> bool:
    """Return True if attributes say that values belong to an instant."""
    point = "time: point" in str(attrs.get("cell_methods", ""))
    return point or attrs.get("GRIB_stepType") == "instant"


def _usual_seconds(index: pd.Index | None) -> int:
    """Return the median step of some dates in whole seconds; 0 without dates or steps."""
    if not has_dates(index) or len(index) < 2:
        return 0
    return round(float(np.median(seconds_between(index[:_FEW]))))


def _frequency(seconds: int) -> str:
    """Return a step as a frequency of pandas."""
    for least, beginning in _BEGINNINGS:
        if seconds >= least:
            return beginning
    unit, length = next(one for one in (("D", _DAY), *_ROUNDED) if seconds % one[1] == 0)
    count = seconds // length
    return unit if count == 1 else f"{count}{unit}"


def _require_one_end(a: Fields, b: Fields, a_role: str, b_role: str) -> None:
    """Raise a `TimeError` if one has its times at the end of their bounds and the other not.

    The end of a day or month is a date of the next one, with which it must not be matched.
    """
    if a.stamp is None or b.stamp is None or abs(a.stamp - b.stamp) <= _APART:
        return
    late, early = (a, b) if a.stamp > b.stamp else (b, a)
    roles = (a_role, b_role) if late is a else (b_role, a_role)
    if late.dates is None or early.stamp is None or max(a.stamp, b.stamp) < AT_END:
        return
    where = "at the start" if early.stamp < _APART else "in the middle"
    name = late.dates.attrs.get("bounds") or late.dates.encoding.get("bounds")
    raise TimeError(
        f"Expected times at one end of their bounds, got {roles[0]} stamped at the end and"
        f" {roles[1]} {where}. Stamp both at the start:"
        f" .assign_coords({late.dates.name}="
        f"ds[{name!r}].min(set(ds[{name!r}].dims) - {set(late.dates.dims)}))."
    )


def _convert(left: pd.Index, right: pd.Index, a_role: str, b_role: str) -> str:
    """Return the cure for different calendars: which series to convert to which calendar.

    The target has fewer dates, because a date that a calendar lacks cannot be converted to it.
    """
    dates = {"360_day": 0, "noleap": 1, "standard": 3}  # others have more than noleap
    few, role = min(
        ((calendar(left), b_role), (calendar(right), a_role)), key=lambda p: dates.get(p[0], 2)
    )
    options = ", align_on='date'" if few == "360_day" else ""
    return f"Convert {role} with .convert_calendar({few!r}{options})"


def _shift(left: pd.Index, right: pd.Index) -> str:
    """Return the cure for times that differ by less than a step: round them, or their starts."""
    if calendar(left) == "none":
        return "assign the dates that the numbers stand for: .assign_coords(time=('time', dates))"
    step = min(filter(None, map(_usual_seconds, (left, right))), default=0)
    if step >= _BEGINNINGS[-1][0]:
        begins = _frequency(step)
        return (
            "stamp both at the start of their steps:"
            f" .assign_coords(time=ds.time.resample(time={begins!r}).first().time)"
        )
    unit, length = next((one for one in _ROUNDED if step >= one[1]), ("s", 1))
    apart = (_seconds(left[0]) - _seconds(right[0])) % step if step >= 1 else length
    if min(apart, abs(step - apart)) <= 0.1 * length:
        return f"round the times of one: .assign_coords(time=ds.time.dt.round({unit!r}))"
    return (
        "shift or floor one, such as hourly data stamped at half past:"
        f" .assign_coords(time=ds.time.dt.floor({_frequency(step) if step else 'h'!r}))"
    )


def _note_shift(left: pd.Index, right: pd.Index, a_role: str, b_role: str) -> None:
    """Warn of two series of equal length of which one begins a step later."""
    if len(left) != len(right) or len(left) < 3 or "none" in (calendar(left), calendar(right)):
        return
    mine, theirs = comparable(left, right), comparable(right, left)
    if mine[:-1].equals(theirs[1:]) or theirs[:-1].equals(mine[1:]):
        late, early = (a_role, b_role) if mine[0] == theirs[1] else (b_role, a_role)
        logger.warning(
            "%s have the times of %s, one step later: if they are means stamped at the end of each"
            " step, and the others at the start, subtract a step from their times",
            *(late, early),
        )


def _seconds(date: pd.Timestamp | cftime.datetime) -> float:
    """Return the seconds since 1970."""
    if isinstance(date, pd.Timestamp):
        return date.timestamp()
    return float(cftime.date2num(date, "seconds since 1970-01-01", calendar=date.calendar))


def _require_same_dates(a: Fields, b: Fields, a_role: str, b_role: str) -> None:
    """Raise a `TimeError` if samples, which are matched by position, have different dates."""
    if a.dates is None or b.dates is None:
        return
    left, right = a.dates.to_index(), b.dates.to_index()
    differ = np.flatnonzero(comparable(left, right) != comparable(right, left))
    if differ.size:
        at = int(differ[0])
        raise TimeError(
            f"Expected samples of {a_role} and {b_role} in one order, got the dates {left[at]} and"
            f" {right[at]} at position {at}. Sort both along {a.dims.time!r}."
        )


def _require_same_labels(a: Fields, b: Fields, a_role: str, b_role: str) -> None:
    """Raise a `TimeError` if samples, which are matched by position, have different labels."""
    for name in a.labels.keys() & b.labels.keys():
        differ = np.flatnonzero(a.labels[name] != b.labels[name])
        if differ.size:
            at = int(differ[0])
            got = [str(one.labels[name][at]) for one in (a, b)]
            raise TimeError(
                f"Expected samples of {a_role} and {b_role} in one order, got {got[0]} and {got[1]}"
                f" as {name!r} at position {at}. Sort both by .sortby({name!r}), or leave these"
                f" labels out with .drop_vars({name!r}) if they do not tell the samples apart."
            )


def shared(left: pd.Index, right: pd.Index) -> pd.Index:
    """Return the common times in order, as numpy dates if either index has those."""
    one, other = (right, left) if isinstance(left, xr.CFTimeIndex) else (left, right)
    return one[comparable(one, other).isin(comparable(other, one))].sort_values()


def at_times(data: xr.Dataset, times: pd.Index | None) -> xr.Dataset:
    """Select the steps at `times`, which must all exist; None selects all steps."""
    if times is None:
        return data
    index = data.indexes[TIME]
    positions = comparable(index, times).get_indexer(comparable(times, index))
    if (positions < 0).any():
        missing = times[int((positions < 0).argmax())]
        raise TimeError(f"The time {missing} is missing. Select the times in common.")
    return take(data, {TIME: positions})


#: A step longer than this multiple of the usual step is a gap. Months differ by a tenth; a missing
#: step doubles the length.
GAP = 1.5


def usual_step(fields: xr.Dataset, role: str) -> float:
    """Return the lower quartile of the step lengths in seconds, so that gaps may be frequent.

    Raises
    ------
    TimeError
        If there are no dates: neighbours in the file may then not be neighbours in time.
    """
    seconds = step_lengths(fields, role)
    return float(np.quantile(seconds, 0.25, method="lower")) if seconds.size else 0.0


def runs(fields: xr.Dataset, role: str, step: float) -> list[slice]:
    """Return the parts of the time axis in steps of the usual length, in order.

    Parameters
    ----------
    fields : xarray.Dataset
        Fields in order of time.
    role : str
        A name for the data in messages.
    step : float
        Usual step in seconds, see `usual_step`.

    Raises
    ------
    TimeError
        If there are no dates.
    """
    seconds = step_lengths(fields, role)
    # steps of another length, longer or shorter, do not belong into one window
    breaks = np.flatnonzero((seconds > GAP * step) | (seconds < step / GAP)) + 1
    edges = [0, *(int(b) for b in breaks), fields.sizes[TIME]]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def step_lengths(fields: xr.Dataset, role: str) -> np.ndarray:
    """Return the seconds from each step to the next.

    Raises
    ------
    TimeError
        If there are no dates.
    """
    index = index_of(fields)
    if not has_dates(index):
        raise TimeError(
            f"Expected {role} to have dates for a model of time windows (time_window=), got"
            f" {_describe(index, fields.sizes[TIME])}. Assign them with .assign_coords(time=...)."
        )
    return seconds_between(index)


def seconds_between(index: pd.Index) -> np.ndarray:
    """Return the seconds from each date to the next, ``(time - 1,)``."""
    return np.diff(index).astype("timedelta64[us]").astype("i8") / 1e6


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """Windows of time steps from which each time step is predicted.

    Parameters
    ----------
    start, length : numpy.ndarray
        First step and number of steps of each window, ``(time,)``.
    offset : int
        Index of the first predicted step, in the numbering of `start`.
    """

    start: np.ndarray
    length: np.ndarray
    offset: int = 0

    @property
    def place(self) -> np.ndarray:
        """Position of each step in its window."""
        return np.arange(self.start.size) + self.offset - self.start


def windows_ending(parts: list[slice], window: int) -> Windows:
    """Return the window that ends at each step.

    The first steps of a run use the first window of the run. A run that is shorter than a window
    is one short window.

    Examples
    --------
    >>> found = windows_ending([slice(0, 4), slice(4, 6)], 3)
    >>> found.start, found.length, found.place
    (array([0, 0, 0, 1, 4, 4]), array([3, 3, 3, 3, 2, 2]), array([0, 1, 2, 2, 0, 1]))
    """
    start, length = [], []
    for part in parts:
        steps = np.arange(part.start, part.stop)
        start.append(np.maximum(steps - window + 1, part.start))
        length.append(np.full(steps.size, min(window, steps.size)))
    return Windows(start=np.concatenate(start), length=np.concatenate(length))


def comparable(index: pd.Index, other: pd.Index) -> pd.Index:
    """Return values to compare: dates of two types or calendars as text, others unchanged."""
    kinds = [getattr(one, "calendar", type(one)) for one in (index, other)]
    if kinds[0] == kinds[1]:
        return index
    return pd.Index(index.strftime("%Y-%m-%dT%H:%M:%S"))


def _describe(index: pd.Index | None, size: int) -> str:
    return f"{size} steps without coordinates" if index is None else span(index)

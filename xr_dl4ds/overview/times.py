"""The time axis of an overview."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.time_axis import calendar, check_index, runs, step_lengths, usual_step
from xr_dl4ds.grid.cf.time_stamps import frequency
from xr_dl4ds.grid.cf.valid_times import dates_along
from xr_dl4ds.grid.names import TIME
from xr_dl4ds.overview.findings import Findings

_DAY = 86400
#: Units of time steps, with their seconds; a unit is used for steps of at least this length.
_UNITS = ((_DAY, "d"), (3600, "h"), (60, "min"), (1, "s"))
#: Tolerance, in usual steps, within which another step counts as one or several usual steps.
_SLACK = 0.01


@dataclasses.dataclass(frozen=True, kw_only=True)
class Times:
    """Properties of a time axis, see `xr_dl4ds.overview.Overview`."""

    calendar: str | None = None
    period: tuple[str, str] | None = None
    frequency: str | None = None
    n_times: int | None = None


def times_of(
    ds: xr.Dataset, fields: Mapping[Hashable, Dims], name: str | None, role: str, told: Findings
) -> Times:
    """Return the properties of the time axis `name`, and add its problems and notes to `told`.

    `fields` are the dimensions of each variable on the grid.
    """
    if name is None or name not in ds.sizes or math.isnan(ds.sizes[name]):
        return Times()
    size = ds.sizes[name]
    index, dates = ds.indexes.get(name), None
    varying = next((n for n in fields if name in ds[n].dims), None)
    with told.step():
        is_time = varying is not None and fields[varying].time == name
        dates = dates_along(ds[varying], name, role) if is_time else None
    if dates is not None and dates.name != name:
        told.notes.append(f"the dates along {name!r} are those of {dates.name!r}")
        index = dates.to_index()
    with told.step():
        check_index(index, size, (name, None if dates is None else str(dates.name)), role)
    with told.step():
        return _described(index, size, name, role, told)
    return Times(n_times=size)


def _described(index: pd.Index | None, size: int, name: str, role: str, told: Findings) -> Times:
    if index is None:
        told.notes.append(f"{name!r} has no coordinate: its steps are taken in the file's order")
        return Times(n_times=size)
    if calendar(index) == "none":
        told.notes.append(
            f"{name!r} holds {index.dtype} and no dates: calendar and frequency are unknown"
        )
        return Times(n_times=size)
    if not index.is_monotonic_increasing:
        told.notes.append(f"the steps along {name!r} are not in order: fit sorts them")
    index = index[~index.isna()].unique().sort_values()
    found = Times(calendar=calendar(index), n_times=size)
    if not len(index):
        return found
    period = str(index[0]), str(index[-1])
    return dataclasses.replace(found, period=period, frequency=_frequency(index, name, role, told))


def _frequency(index: pd.Index, name: str, role: str, told: Findings) -> str | None:
    """Return the frequency as text, and note gaps."""
    if len(index) < 2:
        return None
    data = xr.Dataset(coords={TIME: (TIME, index)})
    usual = usual_step(data, role)
    gaps = len(runs(data, role, usual)) - 1
    found = frequency(index) or _yearly(index, usual) or _regular(step_lengths(data, role), usual)
    if gaps and found != "irregular":
        told.notes.append(
            f"{name!r} has {gaps} gap{'s' * (gaps > 1)}, which no window of time steps"
            " (time_window=) goes across"
        )
    return found


def _yearly(index: pd.Index, usual: float) -> str | None:
    years = pd.Index(index.strftime("%Y"))
    return "yearly" if 359.5 * _DAY < usual < 366.5 * _DAY and years.is_unique else None


def _regular(seconds: np.ndarray, usual: float) -> str:
    """Return text such as "6 h" if all steps are one or several times as long, else "irregular"."""
    count = seconds / usual
    if (np.abs(count - np.round(count)) > _SLACK).any():
        return "irregular"
    unit, text = next(((u, t) for u, t in _UNITS if usual >= u and usual % u == 0), (1, "s"))
    return f"{usual / unit:g} {text}"

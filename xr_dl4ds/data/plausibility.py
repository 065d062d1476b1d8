"""Values that usually mean a mistake in the data: they are logged as warnings, not refused."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from xr_dl4ds.data.moments import HUGE, Moments, moments_of
from xr_dl4ds.grid.cf.conventions import is_precipitation
from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.cf.time_axis import has_dates, index_of
from xr_dl4ds.grid.names import TIME, Attrs, X, Y
from xr_dl4ds.grid.units import conversion_between, is_kelvin

logger = logging.getLogger(__name__)

#: Values by which files mark missing cells without saying so, below and above all other values.
_LOW_MARKS = (-32768.0, -32767.0, -9999.9, -9999.0, -8888.0, -999.9, -999.0, -99.9, -99.0)
_HIGH_MARKS = (9999.0, 9999.9, 32767.0, 65535.0, 99999.0)
#: Number of standard deviations from the mean beyond which a small mark is suspicious.
_FAR = 3.0
#: Magnitude from which a mark is suspicious at any distance from the mean.
_LARGE = 200.0

#: Mean temperature in K above which 0 marks missing cells; differences of temperatures are below.
_KELVIN = 100.0

#: Negative amounts up to this share of the largest amount are rounding.
_ROUNDING = 0.01

#: Percentages beyond this value are those of another unit.
_MOST_PERCENT = 1000.0

#: Ratio of standard deviations beyond which values may be in another unit.
_FACTOR = 50.0

#: Difference of one temperature in degC and in K, the largest bias beside it, and the largest
#: standard deviation of temperatures.
_ZERO_CELSIUS, _BIAS, _SPREAD = 273.15, 10.0, 50.0

#: Number of days that are read to recognize accumulations, and their longest step in hours.
_DAYS, _LONGEST_STEP = 3, 3
_DAY = 86400


def note_values(found: Mapping[str, Moments], attrs: Mapping[str, Attrs], role: str) -> list[str]:
    """Warn of values that usually mark missing cells, or that do not fit the units.

    Parameters
    ----------
    found : mapping
        Statistics by variable.
    attrs : mapping
        Attributes by variable.
    role : str
        A name for the data in messages.

    Returns
    -------
    list of str
        Variables with such marks.
    """
    marked = []
    for name, one in found.items():
        about = attrs.get(name, {})
        water = is_precipitation(name, about)
        kelvin = one.mean > _KELVIN and is_kelvin(str(about.get("units", "")))
        mark = mark_of_missing(
            one.low, one.high, mean=one.mean, std=one.std, water=water, kelvin=kelvin
        )
        if mark is not None:
            marked.append(name)
            logger.warning(
                "the %s value of %r of %s is %g, which often marks missing values: mask them"
                " with %s",
                *("least" if mark <= 0 else "largest", name, role, mark, masking(name, mark)),
            )
        elif one.low < 0 and water:
            small = -one.low <= _ROUNDING * one.high
            logger.warning(
                "%r of %s has negative amounts, down to %g: %s",
                *(name, role, one.low),
                "cut them off with .clip(min=0)"
                if small
                else f"mask them with .where(ds[{name!r}] >= 0)",
            )
        _note_percentages(name, one, about, role)
    return marked


def _note_percentages(name: str, found: Moments, attrs: Attrs, role: str) -> None:
    """Warn of percentages that may be fractions, or fractions that were taken as percentages."""
    if not _in_percent(attrs) or found.low < 0:
        return
    if 0 < found.high <= 1:
        logger.warning(
            "%r of %s has units of %r, and no value above %g: it may be a fraction, whose unit"
            " is '1'",
            *(name, role, attrs.get("units"), found.high),
        )
    elif found.high > _MOST_PERCENT:
        logger.warning(
            "%r of %s has values up to %g %%: its unit may be '%%' and not '1'",
            *(name, role, found.high),
        )


def note_factor(name: str, mine: Moments, other: Moments, roles: tuple[str, str]) -> None:
    """Warn if values of one quantity differ as in two units: by a factor, or as degC and K."""
    low, high = sorted((mine.std, other.std))
    if high > _FACTOR * low > 0:
        logger.warning(
            "%r has a standard deviation of %.3g in %s and of %.3g in %s, which may be in two"
            " units: set .attrs['units'] of both",
            *(name, mine.std, roles[0], other.std, roles[1]),
        )
    elif abs(abs(mine.mean - other.mean) - _ZERO_CELSIUS) < _BIAS and high < _SPREAD:
        logger.warning(
            "%r has a mean of %.4g in %s and of %.4g in %s, as of degC and K: set"
            " .attrs['units'] of each to the unit of its values",
            *(name, mine.mean, roles[0], other.mean, roles[1]),
        )


def note_kinds(name: str, mine: Attrs, other: Attrs, roles: tuple[str, str]) -> None:
    """Warn if attributes say that two variables of one name are two quantities."""
    if is_precipitation(name, mine) and is_precipitation(name, other):
        return  # a sum in mm and a mean flux are one quantity
    names = (one.get("standard_name") for one in (mine, other))
    for what, one, another in (
        ("standard_name", *(None if n == "unknown" else n for n in names)),
        ("statistic over time (cell_methods)", _over_time(mine), _over_time(other)),
    ):
        if one and another and one != another:
            logger.warning(
                "%r has the %s %r in %s and %r in %s: rename one of them if it is another quantity",
                *(name, what, one, roles[0], another, roles[1]),
            )


def _over_time(attrs: Attrs) -> str | None:
    """Return the statistic over time of CF cell methods, such as "mean" or "maximum"."""
    found = re.search(r"\btime: (\w+)", str(attrs.get("cell_methods", "")))
    return None if found is None else found[1]


def note_fields(variables: Mapping[str, xr.DataArray], role: str) -> dict[str, Moments]:
    """Warn of suspicious values of fields in memory, and return their statistics.

    Lazy variables, which are not read, and variables without values have no statistics.
    """
    ready = {n: v.drop_vars(v.coords) for n, v in variables.items() if v.chunks is None}
    each = {n: moments_of(v.to_dataset(name=n))[n] for n, v in ready.items()}
    found = {name: one for name, one in each.items() if one.valid}
    note_values(found, {n: v.attrs for n, v in ready.items()}, role)
    return found


def mark_of_missing(
    low: float, high: float, *, mean: float, std: float, water: bool = False, kelvin: bool = False
) -> float | None:
    """Return the least or the largest value if it usually marks missing values, else None.

    Parameters
    ----------
    low, high : float
        Least and largest value.
    mean, std : float
        Mean and standard deviation of usual values, from which a small mark must lie far.
    water : bool
        True for amounts of water, which are never negative.
    kelvin : bool
        True for temperatures in kelvin, which are never 0.
    """
    for value, marks in ((low, _LOW_MARKS), (high, _HIGH_MARKS)):
        if abs(value) >= HUGE:
            return value
        if kelvin and value == 0:  # no weather is at 0 K
            return value
        for mark in marks:
            if np.isclose(value, mark, rtol=1e-6, atol=0):
                far = abs(mark) >= _LARGE or abs(mean - mark) > _FAR * std
                return mark if far or (water and mark < 0) else None
    return None


def masking(name: str, mark: float) -> str:
    """Return the call that masks a mark of missing values, for messages.

    Examples
    --------
    >>> masking("t2m", -9999.0), masking("t2m", 1e20)
    (".where(ds['t2m'] != -9999)", ".where(abs(ds['t2m']) < 1e+19)")
    """
    if abs(mark) >= HUGE:
        return f".where(abs(ds[{name!r}]) < {HUGE:g})"
    return f".where(ds[{name!r}] != {mark:g})"


def _in_percent(attrs: Attrs) -> bool:
    units = attrs.get("units")
    conversion = None if units is None else conversion_between(str(units), "%")
    return conversion is not None and conversion.identity


def note_accumulations(fields: Fields, role: str) -> None:
    """Warn if amounts grow through each day and start again, as accumulations since 00 UTC do.

    ERA5-Land stores precipitation, radiation and fluxes in this way. A few days are read.
    """
    index = index_of(fields.data)
    days = _days(index) if has_dates(index) else []
    for name in fields.varying if days else ():
        if not _accumulates(fields.units[name]):
            continue
        means = [fields.data[name].isel({TIME: day}).mean([Y, X]).to_numpy() for day in days]
        wet = [mean for mean in means if np.ptp(mean) > 0]
        if wet and all(_starts_again(mean) for mean in wet):
            logger.warning(
                "%r of %s grows through each day and starts again after 00 UTC, as accumulations"
                " of ERA5-Land do: if it is one, take differences to get amounts of one step",
                *(name, role),
            )


def _days(index: pd.Index) -> list[slice]:
    """Return the steps of some days, from the first after 00 UTC to the first of the next day."""
    seconds = (index[1] - index[0]).total_seconds() if len(index) > 1 else 0
    if not 0 < seconds <= 3600 * _LONGEST_STEP or _DAY % seconds:
        return []
    steps = round(_DAY / seconds)
    last = len(index) - steps
    found = {}
    for begin in np.linspace(0, max(last - steps, 0), _DAYS).astype(int):
        for at in range(begin, min(begin + steps, last)):
            time, after = index[at], index[at + steps]
            of_day = 3600 * time.hour + 60 * time.minute + time.second
            if of_day == seconds and (after - time).total_seconds() == _DAY:
                found[at] = slice(at, at + steps + 1)
    return list(found.values())


def _starts_again(values: np.ndarray) -> bool:
    """Return True if the values of a day never fall, except after its last step."""
    growth = np.diff(values)
    return bool((growth[:-1] >= 0).all() and growth[:-1].any() and growth[-1] < 0)


def _accumulates(units: str | None) -> bool:
    """Return True for units of amounts: heights of water, mass or energy per area; and for none."""
    return not units or any(conversion_between(units, one) for one in ("mm", "J m-2"))

"""Values that usually mean a mistake in the data: they are logged as warnings, not refused."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from xr_dl4ds.data.moments import HUGE, Moments, moments_of
from xr_dl4ds.grid.cf.conventions import is_precipitation
from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.cf.missing_values import unwritten_of
from xr_dl4ds.grid.cf.time_axis import has_dates, index_of
from xr_dl4ds.grid.names import TIME, Attrs, X, Y
from xr_dl4ds.grid.units import Conversion, conversion_between, conversion_of, is_kelvin

logger = logging.getLogger(__name__)

#: Values by which files mark missing cells without saying so, below and above all other values.
_LOW_MARKS = (
    *(-2147483648.0, -32768.0, -32767.0, -9999.9, -9999.0, -8888.0, -999.9, -999.0),
    *(-99.9, -99.0),
)
_HIGH_MARKS = (9999.0, 9999.9, 32767.0, 65535.0, 99999.0, 2147483647.0)
#: Number of standard deviations from the mean beyond which a small mark is suspicious.
_FAR = 3.0
#: Magnitude from which a mark is suspicious at any distance from the mean.
_LARGE = 200.0

#: Temperature in K that differences of temperatures do not reach. Beside one that is higher, 0 and
#: negative values mark missing cells, whatever their share.
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class About:
    """What is known of a variable beside its values.

    Parameters
    ----------
    attrs : mapping
        Its attributes.
    conversion : Conversion
        The conversion of units from the user's data, in whose numbers marks are.
    unwritten : float, optional
        The value of unwritten cells of packed data that no attribute marks.
    """

    attrs: Attrs = dataclasses.field(default_factory=dict)
    conversion: Conversion = dataclasses.field(default_factory=Conversion)
    unwritten: float | None = None

    @classmethod
    def of(cls, variable: xr.DataArray) -> About:
        """Return what attributes and encoding say."""
        return cls(
            attrs=variable.attrs,
            conversion=conversion_of(variable),
            unwritten=unwritten_of(variable),
        )


def about(data: xr.Dataset) -> dict[str, About]:
    """Return what is known of each variable of a dataset."""
    return {str(name): About.of(variable) for name, variable in data.items()}


def note_values(found: Mapping[str, Moments], about: Mapping[str, About], role: str) -> list[str]:
    """Warn of values that usually mark missing cells, or that do not fit the units.

    Parameters
    ----------
    found : mapping
        Statistics by variable; those without values are left out.
    about : mapping
        What else is known of them.
    role : str
        A name for the data in messages.

    Returns
    -------
    list of str
        Variables with such marks.
    """
    marked = []
    for name, one in found.items():
        its = about.get(name, About())
        if not one.valid:
            continue
        if note_mark(name, (one.low, one.high), (one.mean, one.std), its, role):
            marked.append(name)
        elif one.low < 0 and is_precipitation(name, its.attrs):
            small = -one.low <= _ROUNDING * one.high
            logger.warning(
                "%r of %s has negative amounts, down to %g: %s",
                *(name, role, one.low),
                "cut them off with .clip(min=0)"
                if small
                else f"mask them with .where(ds[{name!r}] >= 0)",
            )
        _note_percentages(name, one, its.attrs, role)
    return marked


def note_mark(
    name: str,
    ends: tuple[float, float],
    usual: tuple[float, float],
    about: About,
    role: str,
) -> bool:
    """Warn if the least or the largest value usually marks missing values; return whether it does.

    Parameters
    ----------
    name : str
        The variable.
    ends, usual : tuple of float
        Least and largest value; mean and standard deviation of usual values.
    about : About
        What else is known of the variable.
    role : str
        A name for the data in messages.
    """
    mark = mark_of_missing(*ends, mean=usual[0], std=usual[1], about=about, name=name)
    if mark is None:
        return False
    least = np.isclose(mark, about.conversion.undone(ends[0]), rtol=1e-5)
    logger.warning(
        "the %s value of %r of %s is %g, which %s: mask them with %s",
        *("least" if least else "largest", name, role, mark),
        "is what NetCDF holds in unwritten cells, unpacked"
        if about.unwritten is not None and np.isclose(mark, about.unwritten)
        else "often marks missing values",
        masking(name, mark),
    )
    return True


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


def note_read(data: xr.Dataset, found: Mapping[str, Moments], role: str) -> list[str]:
    """Warn of suspicious values of the user's fields, of which statistics are known.

    Regridding averages marks of missing values with the values beside them. Fields in memory are
    therefore read as they are; of lazy fields the statistics serve alone.

    Parameters
    ----------
    data : xarray.Dataset
        The user's fields.
    found : mapping
        Statistics of these variables after regridding, of all members and times.
    role : str
        A name for the data in messages.

    Returns
    -------
    list of str
        Variables with marks of missing values.
    """
    mine = data[[name for name in data if name in found]]
    ready = mine[[name for name, variable in mine.items() if variable.chunks is None]]
    own = moments_of(ready.drop_vars(ready.coords))
    both = {name: _widest(own.get(name, one), one) for name, one in found.items() if name in mine}
    return note_values(both, about(mine), role)


def _widest(one: Moments, *others: Moments) -> Moments:
    """Return statistics with the least and the largest value of others too."""
    every = (one, *others)
    first = next((each for each in every if each.valid), one)
    low, high = (
        reduce([getattr(each, end) for each in every])
        for end, reduce in (("low", np.fmin.reduce), ("high", np.fmax.reduce))
    )
    return dataclasses.replace(first, low=float(low), high=float(high))


def widest(found: Mapping[str, Moments], *others: Mapping[str, Moments]) -> dict[str, Moments]:
    """Return statistics with the least and the largest value of those of the same names too."""
    return {n: _widest(one, *(o[n] for o in others if n in o)) for n, one in found.items()}


def note_fields(variables: Mapping[str, xr.DataArray], role: str) -> dict[str, Moments]:
    """Warn of suspicious values of fields in memory, and return their statistics.

    Lazy variables, which are not read, and variables without values have no statistics.
    """
    ready = {n: v.drop_vars(v.coords) for n, v in variables.items() if v.chunks is None}
    each = {n: moments_of(v.to_dataset(name=n))[n] for n, v in ready.items()}
    found = {name: one for name, one in each.items() if one.valid}
    note_values(found, {n: About.of(v) for n, v in ready.items()}, role)
    return found


def mark_of_missing(
    low: float,
    high: float,
    *,
    mean: float,
    std: float,
    about: About | None = None,
    name: str = "",
) -> float | None:
    """Return the least or the largest value if it usually marks missing values, else None.

    Parameters
    ----------
    low, high : float
        Least and largest value.
    mean, std : float
        Mean and standard deviation of usual values, from which a small mark must lie far.
    about : About, optional
        What else is known of the variable. Amounts of water are never negative, and temperatures in
        kelvin never 0 or negative.
    name : str
        The variable.

    Returns
    -------
    float or None
        The value in the numbers of the user's data, before the conversion of units.
    """
    its = about or About()
    undone, std = its.conversion.undone, std / abs(its.conversion.factor)
    ends = sorted((undone(low), undone(high)))
    unwritten = its.unwritten
    if unwritten is not None:
        for value in ends:
            if np.isclose(value, unwritten, rtol=1e-6, atol=1e-6 * std):
                return value
    mark = _known_mark(ends, undone(mean), std, water=is_precipitation(name, its.attrs))
    kelvin = high > _KELVIN and is_kelvin(str(its.attrs.get("units", "")))
    if mark is None and kelvin and low <= 0:  # no weather is at 0 K
        return undone(low)
    return mark


def _known_mark(ends: Sequence[float], mean: float, std: float, *, water: bool) -> float | None:
    """Return the least or the largest value if it is a usual mark, and far enough from others."""
    for value, marks in zip(ends, (_LOW_MARKS, _HIGH_MARKS), strict=True):
        if abs(value) >= HUGE:
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
    if np.float32(f"{mark:g}") != np.float32(mark):  # of more digits than are shown
        sign = "+" if mark < 0 else "-"
        return f".where(abs(ds[{name!r}] {sign} {abs(mark):g}) > {1e-5 * abs(mark):.1g})"
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

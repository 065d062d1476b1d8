"""Climate indices of a field over time: rain, extremes and variability in each cell.

Most definitions are those of the Expert Team on Climate Change Detection and Indices (ETCCDI; Zhang
et al. 2011, doi:10.1002/wcc.147). ETCCDI defines them for daily data; here they count steps of any
length.

Yearly indices are averaged over the calendar years of the time coordinate (numpy or cftime dates).
Without dates, all steps count as a single year. Years without valid values are left out, but every
other year counts fully, even if it is incomplete: select complete years first.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial

import numpy as np
import xarray as xr

from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.exceptions import TimeError
from xr_dl4ds.grid.cf.dimensions import holds_times
from xr_dl4ds.metrics import reductions
from xr_dl4ds.metrics.pair_statistics import PairStatistics

#: The dimension of the annual cycle.
MONTH = "month"
_YEAR = "__year__"  # fields may have a dimension "year"

#: Function of the field of one year.
OfYear = Callable[[xr.DataArray], xr.DataArray]


@with_expected_options
def sdii(field: xr.DataArray, time: Hashable = "time", *, wet: float = 1.0) -> xr.DataArray:
    """Return the simple daily intensity index, which is the mean amount of wet days.

    The mean is taken over the wet days of the whole record (ETCCDI's SDII, Zhang et al. 2011,
    doi:10.1002/wcc.147), so that wet years count more than dry years.

    Parameters
    ----------
    field : xarray.DataArray
        Daily amounts, such as precipitation in mm/day.
    time : hashable
        Name of the time dimension.
    wet : float
        Smallest amount of a wet day, in units of the field.

    Returns
    -------
    xarray.DataArray
        Mean in units of the field, without the time dimension; NaN without wet days. Lazy if the
        field is.

    Examples
    --------
    >>> float(sdii(xr.DataArray([0.0, 0.5, 2.0, 4.0], dims="time")))
    3.0
    """
    _require_steps(field, time)
    return field.where(field >= float(wet)).astype("f8").mean([time])


@with_expected_options
def wet_quantile(
    field: xr.DataArray, time: Hashable = "time", *, q: float = 0.98, wet: float = 1.0
) -> xr.DataArray:
    """Return a quantile of the amounts of wet days, such as the 98th percentile.

    The base are wet days, as for ETCCDI's R95p and R99p (Zhang et al. 2011, doi:10.1002/wcc.147),
    so a field with more drizzle has a lower quantile although its heavy rain is the same.

    Parameters
    ----------
    field : xarray.DataArray
        Daily amounts, such as precipitation in mm/day.
    time : hashable
        Name of the time dimension.
    q : float
        The quantile, 0 to 1, by linear interpolation between two values.
    wet : float
        Smallest amount of a wet day, in units of the field.

    Returns
    -------
    xarray.DataArray
        Quantile in units of the field, without the time dimension; NaN without wet days. Lazy if
        the field is.

    Examples
    --------
    >>> float(wet_quantile(xr.DataArray([0.0, 0.5, 2.0, 4.0], dims="time"), q=0.5))
    3.0
    """
    if not 0 <= q <= 1:
        raise ValueError(f"Expected a quantile q from 0 to 1, got {q}. Use 0.98.")
    _require_steps(field, time)
    return reductions.of_series(partial(reductions.wet_quantile, q=q, wet=float(wet)), field, time)


@with_expected_options
def rx1day(field: xr.DataArray, time: Hashable = "time") -> xr.DataArray:
    """Return the mean over years of the largest daily amount of the year.

    It is ETCCDI's RX1day for years (Zhang et al. 2011, doi:10.1002/wcc.147), and the same number as
    `txx` of daily amounts. Sum data of shorter steps to days first.

    Parameters
    ----------
    field : xarray.DataArray
        Daily amounts, such as precipitation in mm/day.
    time : hashable
        Name of the time dimension.

    Returns
    -------
    xarray.DataArray
        Mean maximum in units of the field, without the time dimension; NaN without valid values.
        Lazy if the field is.

    Examples
    --------
    >>> days = xr.date_range("2001-12-30", periods=4)  # two days in each of two years
    >>> float(rx1day(xr.DataArray([3.0, 1.0, 5.0, 0.0], {"time": days}, dims="time")))
    4.0
    """
    return txx(field, time)


@with_expected_options
def cdd(field: xr.DataArray, time: Hashable = "time", *, wet: float = 1.0) -> xr.DataArray:
    """Return the mean over years of the longest dry spell of the year, in steps.

    It is ETCCDI's CDD, the consecutive dry days (Zhang et al. 2011, doi:10.1002/wcc.147). Spells
    are counted within calendar years: a spell over the turn of the year is split, which matters
    where the dry season includes January. A missing step ends a spell; a step that is absent from
    the time axis does not.

    Parameters
    ----------
    field : xarray.DataArray
        Daily amounts in order of time, such as precipitation in mm/day.
    time : hashable
        Name of the time dimension.
    wet : float
        Steps below this amount are dry, in units of the field.

    Returns
    -------
    xarray.DataArray
        Mean number of steps, without the time dimension; years without dry steps count 0; NaN
        without valid values. Lazy if the field is.

    Examples
    --------
    >>> float(cdd(xr.DataArray([0.0, 2.0, 0.0, 0.5, 0.0, 3.0], dims="time")))
    3.0
    """
    longest = partial(reductions.dry_spell, wet=float(wet))
    return _of_years(lambda year: reductions.of_series(longest, year, time), field, time).mean(
        _YEAR
    )


@with_expected_options
def cwd(field: xr.DataArray, time: Hashable = "time", *, wet: float = 1.0) -> xr.DataArray:
    """Return the mean over years of the longest wet spell of the year, in steps.

    It is ETCCDI's CWD, the consecutive wet days (Zhang et al. 2011, doi:10.1002/wcc.147). Spells
    are counted within calendar years: a spell over the turn of the year is split. A missing step
    ends a spell; a step that is absent from the time axis does not.

    Parameters
    ----------
    field : xarray.DataArray
        Daily amounts in order of time, such as precipitation in mm/day.
    time : hashable
        Name of the time dimension.
    wet : float
        Steps at or above this amount are wet, in units of the field.

    Returns
    -------
    xarray.DataArray
        Mean number of steps, without the time dimension; years without wet steps count 0; NaN
        without valid values. Lazy if the field is.

    Examples
    --------
    >>> float(cwd(xr.DataArray([0.0, 2.0, 1.0, 0.5, 0.0, 3.0], dims="time")))
    2.0
    """
    longest = partial(reductions.wet_spell, wet=float(wet))
    return _of_years(lambda year: reductions.of_series(longest, year, time), field, time).mean(
        _YEAR
    )


@with_expected_options
def txx(field: xr.DataArray, time: Hashable = "time") -> xr.DataArray:
    """Return the mean over years of the maximum of the year.

    For daily maximum temperature it is ETCCDI's TXx, for daily minimum temperature TNx (Zhang et
    al. 2011, doi:10.1002/wcc.147).

    Parameters
    ----------
    field : xarray.DataArray
        Field over time, such as daily maximum temperature.
    time : hashable
        Name of the time dimension.

    Returns
    -------
    xarray.DataArray
        Mean maximum in units of the field, without the time dimension; NaN without valid values.
        Lazy if the field is.

    Examples
    --------
    >>> days = xr.date_range("2001-12-30", periods=4)  # two days in each of two years
    >>> float(txx(xr.DataArray([283.0, 281.0, 285.0, 280.0], {"time": days}, dims="time")))
    284.0
    """
    return _of_years(lambda year: year.astype("f8").max([time]), field, time).mean(_YEAR)


@with_expected_options
def tnn(field: xr.DataArray, time: Hashable = "time") -> xr.DataArray:
    """Return the mean over years of the minimum of the year.

    For daily minimum temperature it is ETCCDI's TNn, for daily maximum temperature TXn (Zhang et
    al. 2011, doi:10.1002/wcc.147).

    Parameters
    ----------
    field : xarray.DataArray
        Field over time, such as daily minimum temperature.
    time : hashable
        Name of the time dimension.

    Returns
    -------
    xarray.DataArray
        Mean minimum in units of the field, without the time dimension; NaN without valid values.
        Lazy if the field is.

    Examples
    --------
    >>> days = xr.date_range("2001-12-30", periods=4)  # two days in each of two years
    >>> float(tnn(xr.DataArray([283.0, 281.0, 285.0, 279.0], {"time": days}, dims="time")))
    280.0
    """
    return _of_years(lambda year: year.astype("f8").min([time]), field, time).mean(_YEAR)


@with_expected_options
def days_above(field: xr.DataArray, time: Hashable = "time", *, threshold: float) -> xr.DataArray:
    """Return the mean number of steps a year strictly above a threshold.

    For daily maximum temperature above 25 °C these are ETCCDI's summer days, SU (Zhang et al. 2011,
    doi:10.1002/wcc.147). Missing steps are not counted, so the numbers of fields with different
    gaps cannot be compared.

    Parameters
    ----------
    field : xarray.DataArray
        Field over time, such as daily maximum temperature.
    time : hashable
        Name of the time dimension.
    threshold : float
        Threshold in units of the field: 25 °C is 298.15 for a field in K.

    Returns
    -------
    xarray.DataArray
        Mean number of steps, without the time dimension; NaN without valid values. Lazy if the
        field is.

    Examples
    --------
    >>> float(days_above(xr.DataArray([26.0, 25.0, 24.0, 30.0], dims="time"), threshold=25.0))
    2.0
    """
    return _of_years(lambda year: (year > float(threshold)).sum([time]), field, time).mean(_YEAR)


@with_expected_options
def days_below(field: xr.DataArray, time: Hashable = "time", *, threshold: float) -> xr.DataArray:
    """Return the mean number of steps a year strictly below a threshold.

    For daily minimum temperature below 0 °C these are ETCCDI's frost days, FD (Zhang et al. 2011,
    doi:10.1002/wcc.147). Missing steps are not counted, so the numbers of fields with different
    gaps cannot be compared.

    Parameters
    ----------
    field : xarray.DataArray
        Field over time, such as daily minimum temperature.
    time : hashable
        Name of the time dimension.
    threshold : float
        Threshold in units of the field: 0 °C is 273.15 for a field in K.

    Returns
    -------
    xarray.DataArray
        Mean number of steps, without the time dimension; NaN without valid values. Lazy if the
        field is.

    Examples
    --------
    >>> float(days_below(xr.DataArray([-1.0, 0.0, 2.0, -3.0], dims="time"), threshold=0.0))
    2.0
    """
    return _of_years(lambda year: (year < float(threshold)).sum([time]), field, time).mean(_YEAR)


@with_expected_options
def annual_cycle(field: xr.DataArray, time: Hashable = "time") -> xr.DataArray:
    """Return the mean of each calendar month over all years.

    Every valid step counts equally, so a month with more valid steps counts more than the same
    month of another year.

    Parameters
    ----------
    field : xarray.DataArray
        Field over time, with numpy or cftime dates as its time coordinate.
    time : hashable
        Name of the time dimension.

    Returns
    -------
    xarray.DataArray
        Means in units of the field along ``month``, 1 to 12, as the last dimension; NaN for months
        without valid values. Lazy if the field is.

    Examples
    --------
    >>> days = xr.date_range("2001-01-30", periods=4)  # two days in January, two in February
    >>> field = xr.DataArray([1.0, 3.0, 4.0, 6.0], {"time": days}, dims="time")
    >>> annual_cycle(field).sel(month=[1, 2, 3]).to_numpy()
    array([ 2.,  5., nan])
    """
    _require_steps(field, time)
    months = _part_of_dates(field, time, "month")
    if months is None:
        raise TimeError(f"The steps along {time!r} have no dates. Assign them as its coordinate.")
    found = np.unique(months)
    means = [field.isel({time: months == one}).astype("f8").mean([time]) for one in found]
    numbers = np.arange(1, 13, dtype="i4")  # CF-1.8 has no 64-bit integers
    along = xr.Variable(MONTH, found.astype("i4"))
    out = xr.concat(means, along).reindex({MONTH: numbers}).transpose(..., MONTH)
    return out.assign_coords({MONTH: (MONTH, numbers, {"units": "1", "long_name": "month"})})


@with_expected_options
def lag1_autocorrelation(field: xr.DataArray, time: Hashable = "time") -> xr.DataArray:
    """Return the correlation of each step with the next one.

    It is the Pearson correlation of all pairs of consecutive steps that are both valid (Wilks 2011,
    Statistical Methods in the Atmospheric Sciences, section 3.5). The annual cycle raises it: for
    the memory of the weather, subtract the annual cycle first.

    Parameters
    ----------
    field : xarray.DataArray
        Field over time, in equal steps and in order of time.
    time : hashable
        Name of the time dimension.

    Returns
    -------
    xarray.DataArray
        Correlation (1), -1 to 1, without the time dimension; NaN for constant values and fewer than
        two pairs. Lazy if the field is.

    Examples
    --------
    >>> float(lag1_autocorrelation(xr.DataArray([1.0, 2.0, 1.0, 2.0], dims="time")).round(6))
    -1.0
    """
    _require_steps(field, time)
    plain = field.drop_vars([time], errors="ignore")
    first, second = plain.isel({time: slice(None, -1)}), plain.isel({time: slice(1, None)})
    return PairStatistics.of(first, second, [time]).correlation


@with_expected_options
def interannual_std(field: xr.DataArray, time: Hashable = "time") -> xr.DataArray:
    """Return the standard deviation of the yearly means, with the number of years minus 1.

    Incomplete years distort it by the annual cycle: select complete years first. Trends count too.

    Parameters
    ----------
    field : xarray.DataArray
        Field over time, with numpy or cftime dates as its time coordinate.
    time : hashable
        Name of the time dimension.

    Returns
    -------
    xarray.DataArray
        Standard deviation in units of the field, without the time dimension; NaN if fewer than two
        years have valid values, and without dates. Lazy if the field is.

    Examples
    --------
    >>> days = xr.date_range("2001-12-30", periods=4)  # means 2 and 4: sqrt(1 + 1)
    >>> field = xr.DataArray([1.0, 3.0, 4.0, 4.0], {"time": days}, dims="time")
    >>> float(interannual_std(field).round(4))
    1.4142
    """
    means = _of_years(lambda year: year.astype("f8").mean([time]), field, time)
    n = means.notnull().sum(_YEAR)
    variance = PairStatistics.of(means, means, [_YEAR]).variances[0]
    return (variance * n / (n - 1).where(n > 1)) ** 0.5


def _require_steps(field: xr.DataArray, time: Hashable) -> None:
    if not field.sizes.get(time):
        raise TimeError(
            f"Expected a field with steps along {time!r}, got the sizes {dict(field.sizes)}. Pass"
            " time=, the name of its time dimension."
        )


def _of_years(of_year: OfYear, field: xr.DataArray, time: Hashable) -> xr.DataArray:
    """Return a statistic of each calendar year, NaN in cells without valid values."""
    _require_steps(field, time)
    years = _part_of_dates(field, time, "year")
    if years is None:
        years = np.zeros(field.sizes[time], int)
    found = []
    for year in np.unique(years):
        part = field.isel({time: years == year})
        found.append(of_year(part).astype("f8").where(part.notnull().any([time])))
    return xr.concat(found, _YEAR, coords="minimal", compat="override")


def _part_of_dates(field: xr.DataArray, time: Hashable, part: str) -> np.ndarray | None:
    """Return the year or month of each step, None without dates."""
    if time not in field.coords or not holds_times(field[time]):
        return None
    return np.asarray(getattr(field[time].dt, part))

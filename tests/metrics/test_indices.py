import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis.extra.numpy import arrays

from tests.conftest import no_compute
from xr_dl4ds.exceptions import TimeError
from xr_dl4ds.metrics.indices import (
    annual_cycle,
    cdd,
    cwd,
    days_above,
    days_below,
    interannual_std,
    lag1_autocorrelation,
    rx1day,
    sdii,
    tnn,
    txx,
    wet_quantile,
)

DIMS = ("time", "y", "x")
#: Every index, with every option at another value than its default.
INDICES = {
    "sdii": (sdii, {"wet": 0.5}),
    "wet_quantile": (wet_quantile, {"q": 0.3, "wet": 0.5}),
    "rx1day": (rx1day, {}),
    "cdd": (cdd, {"wet": 2.5}),
    "cwd": (cwd, {"wet": 0.5}),
    "txx": (txx, {}),
    "tnn": (tnn, {}),
    "days_above": (days_above, {"threshold": 3.0}),
    "days_below": (days_below, {"threshold": 1.5}),
    "annual_cycle": (annual_cycle, {}),
    "lag1_autocorrelation": (lag1_autocorrelation, {}),
    "interannual_std": (interannual_std, {}),
}


def rain(years=3):
    """Daily rain; the first cell is dry for twenty of forty days."""
    rng = np.random.default_rng(5)
    time = xr.date_range("2001-01-01", periods=365 * years)
    values = rng.gamma(0.4, 5.0, (time.size, 2, 3))
    values[:, 0, 0] *= np.arange(time.size) // 20 % 2
    return xr.DataArray(values, {"time": time}, dims=DIMS)


def temperature(years=3):
    rng = np.random.default_rng(6)
    time = xr.date_range("2001-01-01", periods=365 * years)
    values = 283 + 10 * np.sin(2 * np.pi * np.arange(time.size) / 365.25)[:, None, None]
    values = values + 4 * rng.standard_normal((time.size, 2, 3))
    return xr.DataArray(values, {"time": time}, dims=DIMS)


def short(dtype="f8", missing=0.2, calendar="standard"):
    """Rain of 40 days in each of four years; one cell and one year of another have no values."""
    rng = np.random.default_rng(1)
    starts = [f"{year}-01-10" for year in (1999, 2000, 2001, 2003)]
    times = [xr.date_range(s, periods=40, calendar=calendar, use_cftime=True) for s in starts]
    time = np.concatenate([t.to_numpy() for t in times])
    if calendar == "standard":
        time = xr.CFTimeIndex(time).to_datetimeindex(time_unit="ns")
    values = rng.gamma(0.4, 5.0, (160, 2, 3)).round(2)
    values[rng.random(values.shape) < missing] = np.nan
    values[:, 1, 2] = values[40:80, 0, 1] = np.nan
    return xr.DataArray(values.astype(dtype), {"time": time}, dims=DIMS)


def steps(*values, start=None):
    """Daily values, from a date or without dates."""
    coords = {} if start is None else {"time": xr.date_range(start, periods=len(values))}
    return xr.DataArray(np.array(values, "f8"), coords, dims="time")


# --- plain loops ----------------------------------------------------------------------------------


def longest(counted):
    most = run = 0
    for one in counted:
        run = run + 1 if one else 0
        most = max(most, run)
    return most


def over_years(of_year):
    def index(values, dates, **options):
        found = []
        for year in sorted({d.year for d in dates}):
            chosen = [v for v, d in zip(values, dates, strict=True) if d.year == year]
            if not all(np.isnan(chosen)):
                found.append(of_year(chosen, **options))
        return np.mean(found) if found else np.nan

    return index


def looped_cycle(values, dates):
    months = [[v for v, d in zip(values, dates, strict=True) if d.month == m] for m in range(1, 13)]
    valid = [[v for v in month if not np.isnan(v)] for month in months]
    return [np.mean(month) if month else np.nan for month in valid]


def looped_std(values, dates):
    means = []
    for year in sorted({d.year for d in dates}):
        valid = [v for v, d in zip(values, dates, strict=True) if d.year == year and v == v]
        means += [np.mean(valid)] if valid else []
    return np.std(means, ddof=1) if len(means) > 1 else np.nan


def wet_values(values, wet):
    return [v for v in values if v >= wet]


LOOPED = {
    "sdii": lambda v, d, wet: np.mean(wet_values(v, wet) or [np.nan]),
    "wet_quantile": lambda v, d, q, wet: np.quantile(wet_values(v, wet) or [np.nan], q),
    "rx1day": over_years(np.nanmax),
    "cdd": over_years(lambda v, wet: longest([x < wet for x in v])),
    "cwd": over_years(lambda v, wet: longest([x >= wet for x in v])),
    "txx": over_years(np.nanmax),
    "tnn": over_years(np.nanmin),
    "days_above": over_years(lambda v, threshold: sum(x > threshold for x in v)),
    "days_below": over_years(lambda v, threshold: sum(x < threshold for x in v)),
    "annual_cycle": looped_cycle,
    "lag1_autocorrelation": lambda v, d: pd.Series(v).autocorr(1),
    "interannual_std": looped_std,
}


@pytest.mark.filterwarnings("error:::xr_dl4ds")
@pytest.mark.parametrize("name", INDICES)
@pytest.mark.parametrize(
    ("dtype", "calendar"), [("f8", "standard"), ("f4", "noleap"), ("f4", "360_day")]
)
def test_equal_to_loops(name, dtype, calendar):
    index, options = INDICES[name]
    field = short(dtype, calendar=calendar)
    actual = index(field, **options)
    assert actual.dims == (("y", "x", "month") if name == "annual_cycle" else ("y", "x"))
    assert actual.dtype == np.float64
    dates = field.time.to_index()
    for y, x in np.ndindex(2, 3):
        values = field[:, y, x].to_numpy().astype("f8")
        expected = LOOPED[name](values, dates, **options)
        np.testing.assert_allclose(actual[y, x], expected, rtol=1e-6, atol=1e-12)
    assert actual[1, 2].isnull().all()


# --- libraries ------------------------------------------------------------------------------------


def test_equal_to_xclim():
    # xclim 0.62.0, yearly values of the first row, averaged; daily_pr_intensity weighted by wetdays
    field = rain().isel(y=0)
    found = {f.__name__: f(field) for f in (cdd, cwd, rx1day, sdii)}
    np.testing.assert_allclose(found["cdd"], [76 / 3, 29 / 3, 32 / 3])
    np.testing.assert_allclose(found["cwd"], [23 / 3, 6, 8])
    np.testing.assert_allclose(found["rx1day"], [16.72449383, 22.68490228, 32.86621471], rtol=1e-8)
    np.testing.assert_allclose(found["sdii"], [4.11409572, 4.12229201, 4.36255585], rtol=1e-8)
    field = temperature().isel(y=0)
    np.testing.assert_allclose(txx(field), [302.80406693, 301.7665729, 302.85894777], rtol=1e-10)
    np.testing.assert_allclose(tnn(field), [264.40789796, 265.86295164, 262.84884843], rtol=1e-10)
    # tx_days_above at 25 degC and frost_days
    np.testing.assert_allclose(days_above(field, threshold=298.15), [18 / 3, 17 / 3, 28 / 3])
    np.testing.assert_allclose(days_below(field, threshold=273.15), [129 / 3, 130 / 3, 135 / 3])


def test_equal_to_xarray():
    field = temperature()
    cycle = field.groupby("time.month").mean()
    xr.testing.assert_allclose(annual_cycle(field).drop_attrs(), cycle.transpose(..., "month"))
    yearly = field.groupby("time.year").mean()
    xr.testing.assert_allclose(interannual_std(field), yearly.std("year", ddof=1))
    both = field.isel(time=slice(-1)).drop_vars("time"), field.isel(time=slice(1, None))
    expected = xr.corr(both[0], both[1].drop_vars("time"), "time")
    xr.testing.assert_allclose(lag1_autocorrelation(field), expected)
    wet = rain().where(rain() >= 1)
    expected = wet.quantile(0.98, "time").drop_vars("quantile")
    xr.testing.assert_allclose(wet_quantile(rain()), expected)


# --- numbers by hand ------------------------------------------------------------------------------


def test_spells_by_hand():
    field = steps(0, 0, 1, 5, 2, 0.9, 0, 0, 3)
    assert float(cdd(field)) == 3  # 0.9 is dry
    assert float(cwd(field)) == 3  # 1 is wet
    assert float(cdd(field, wet=0.5)) == 2
    assert float(cwd(field, wet=0.5)) == 4


def test_spells_are_split_at_the_turn_of_the_year():
    # dry for 6 days, of which 2 are in 2001
    dry = steps(5, 0, 0, 0, 0, 0, 0, 5, start="2001-12-29")
    assert float(cdd(dry)) == (2 + 4) / 2
    assert float(cdd(dry.drop_vars("time"))) == 6
    assert float(cwd(dry)) == 1


def test_missing_steps_end_a_spell():
    field = steps(0, 0, np.nan, 0, 0, 0, 7, 7, np.nan, 7)
    assert float(cdd(field)) == 3
    assert float(cwd(field)) == 2
    # as a step that is absent from the axis does not
    assert float(cdd(field.dropna("time"))) == 5


def test_years_without_dry_steps_count_0():
    field = steps(5, 5, 0, 0, start="2001-12-30")
    assert float(cdd(field)) == 1
    assert float(cwd(field)) == 1


def test_years_without_valid_values_are_left_out():
    field = steps(5, 3, np.nan, np.nan, start="2001-12-30")
    for index, expected in ((cdd, 0), (cwd, 2), (rx1day, 5), (txx, 5), (tnn, 3)):
        assert float(index(field)) == expected
    assert float(days_above(field, threshold=3.0)) == 1
    assert float(days_below(field, threshold=4.0)) == 1
    assert np.isnan(interannual_std(field))


def test_thresholds_are_strict_for_days_and_not_for_wet_days():
    field = steps(1, 2, 3)
    assert float(days_above(field, threshold=2)) == 1
    assert float(days_below(field, threshold=2)) == 1
    assert float(sdii(field, wet=2)) == 2.5
    assert float(cwd(field, wet=2)) == 2


@pytest.mark.parametrize("number", [float, np.float64])
def test_thresholds_have_the_precision_of_the_data(number):
    # float32(0.7) is 0.69999998
    field = steps(0.7, 0.7).astype("f4")
    threshold = number(0.7)
    assert float(cwd(field, wet=threshold)) == 2
    assert float(cdd(field, wet=threshold)) == 0
    assert float(days_below(field, threshold=threshold)) == 0
    assert float(sdii(field, wet=threshold)) == pytest.approx(0.7)


def test_years_count_equally_for_extremes_and_days_for_intensity():
    # 1 day in 2001, 3 days in 2002
    field = steps(9, 1, 1, 5, start="2001-12-31")
    assert float(rx1day(field)) == 7
    assert float(sdii(field)) == 4


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day"])
def test_annual_cycle_has_twelve_months(calendar):
    time = xr.date_range("2001-02-27", periods=4, calendar=calendar, use_cftime=True)
    cycle = annual_cycle(xr.DataArray([1.0, 3, 4, 6], {"time": time}, dims="time"))
    assert cycle.month.dtype == np.int32
    assert list(cycle.month.to_numpy()) == list(range(1, 13))
    expected = {2: 3.5, 3: np.nan} if calendar == "360_day" else {2: 2.0, 3: 5.0}
    if calendar == "360_day":  # 27 to 30 February
        assert cycle.notnull().sum() == 1
    np.testing.assert_equal(cycle.sel(month=[2, 3]).to_numpy(), list(expected.values()))


@pytest.mark.parametrize("size", [1, 2, 3, 11])
@pytest.mark.parametrize("value", [0.0, 0.1, 280.1])
@pytest.mark.filterwarnings("error")
def test_autocorrelation_of_a_constant_is_nan(size, value):
    assert np.isnan(lag1_autocorrelation(steps(*[value] * size)))


@pytest.mark.filterwarnings("error")
def test_autocorrelation_skips_pairs_with_a_gap():
    # the pairs (1, 2), (2, 3), (5, 4): deviations -5/3, -2/3, 7/3 and -1, 0, 1
    found = float(lag1_autocorrelation(steps(1, 2, 3, np.nan, 5, 4)))
    assert found == pytest.approx((5 / 3 + 7 / 3) / (78 / 9 * 2) ** 0.5)
    assert np.isnan(lag1_autocorrelation(steps(1, np.nan, 3, np.nan, 5)))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", INDICES)
def test_nothing_valid_is_nan_without_a_warning(name):
    index, options = INDICES[name]
    assert index(short() * np.nan, **options).isnull().all()


@pytest.mark.parametrize("name", INDICES)
@pytest.mark.parametrize("dtype", ["u1", "i2"])
def test_integers_do_not_wrap(name, dtype):
    index, options = INDICES[name]
    field = short(missing=0).fillna(0).clip(max=200).round()
    expected = index(field, **options)
    np.testing.assert_allclose(index(field.astype(dtype), **options), expected, rtol=1e-12)


def test_float32_sums_do_not_lose_digits():
    field = xr.DataArray(np.full(2_000_000, 1 / 3, "f4"), dims="time")
    assert float(sdii(field, wet=0.1)) == pytest.approx(float(np.float32(1 / 3)), rel=1e-9)


# --- identities -----------------------------------------------------------------------------------


@given(arrays("f4", (2, 12), elements=st.floats(0, 50, width=16)), st.integers(1, 12))
def test_identities(values, first):
    time = xr.date_range("2001-12-25", periods=12)
    field = xr.DataArray(values.astype("f8"), {"time": time}, dims=("x", "time"))
    assert (wet_quantile(field, q=0.2).fillna(0) <= wet_quantile(field, q=0.9).fillna(0)).all()
    xr.testing.assert_allclose(wet_quantile(field, q=1), field.where(field >= 1).max("time"))
    xr.testing.assert_allclose(tnn(field), -txx(-field))
    xr.testing.assert_allclose(cdd(field, wet=2), cwd(-field, wet=-1.9999))
    counted = days_above(field, threshold=7) + days_below(field, threshold=7)
    assert (counted <= 6).all()  # the mean length of the years
    xr.testing.assert_allclose(annual_cycle(field + 3), annual_cycle(field) + 3)
    xr.testing.assert_allclose(interannual_std(2 * field + 3), 2 * interannual_std(field))
    assert float(abs(lag1_autocorrelation(field)).fillna(0).max()) <= 1 + 1e-12


# --- dask and coordinates -------------------------------------------------------------------------


@pytest.mark.parametrize("name", INDICES)
@pytest.mark.parametrize("chunks", [{"time": 30}, {"time": -1, "x": 2}], ids=str)
def test_lazy_in_lazy_out(name, chunks):
    index, options = INDICES[name]
    field = short()
    with no_compute():
        actual = index(field.chunk(chunks), **options)
    assert actual.chunks is not None
    # sums of arrays in another layout of memory differ by roundings
    xr.testing.assert_allclose(actual.compute(), index(field, **options), rtol=1e-12)


@pytest.mark.parametrize("name", INDICES)
def test_dimensions_in_any_order_and_of_any_name(name):
    index, options = INDICES[name]
    field = short()
    kept = field.copy(deep=True)
    renamed = field.transpose("y", "x", "time").rename(time="valid")
    actual = index(renamed, "valid", **options)
    xr.testing.assert_allclose(actual, index(field, **options), rtol=1e-12)
    xr.testing.assert_identical(field, kept)


@pytest.mark.parametrize("name", INDICES)
def test_single_series(name):
    index, options = INDICES[name]
    field = short()
    actual = index(field.isel(y=0, x=0), **options)
    xr.testing.assert_allclose(actual, index(field, **options).isel(y=0, x=0))


@pytest.mark.parametrize("coordinate", [None, np.arange(160)], ids=["none", "numbers"])
def test_steps_without_dates_are_a_single_year(coordinate):
    field = short().drop_vars("time")
    field = field if coordinate is None else field.assign_coords(time=coordinate)
    in_one_year = short().assign_coords(time=xr.date_range("2001-01-01", periods=160))
    for name in ("rx1day", "cdd", "cwd", "txx", "tnn", "days_above", "days_below"):
        index, options = INDICES[name]
        xr.testing.assert_identical(index(field, **options), index(in_one_year, **options))
    assert interannual_std(field).isnull().all()
    with pytest.raises(TimeError, match=r"The steps along 'time' have no dates"):
        annual_cycle(field)


@pytest.mark.parametrize("name", INDICES)
def test_field_without_steps_is_told(name):
    index, options = INDICES[name]
    with pytest.raises(TimeError, match=r"steps along 'day', got the sizes {'time': 160,"):
        index(short(), "day", **options)
    with pytest.raises(TimeError, match=r"steps along 'time', got the sizes {'time': 0,"):
        index(short().isel(time=slice(0)), **options)


@pytest.mark.parametrize("q", [-0.1, 98, np.nan])
def test_quantile_out_of_range_is_told(q):
    with pytest.raises(ValueError, match=rf"from 0 to 1, got {q}"):
        wet_quantile(short(), q=q)


def test_a_dimension_named_year_is_kept():
    days = xr.date_range("2001-12-30", periods=4)
    one = xr.DataArray([3.0, 1.0, 5.0, 0.0], {"time": days}, dims="time")
    both = xr.concat([one, one + 1], xr.Variable("year", [1, 2]))
    np.testing.assert_allclose(txx(both), [4, 5])
    np.testing.assert_allclose(interannual_std(both), np.repeat(float(interannual_std(one)), 2))

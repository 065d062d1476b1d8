import pyproj
import dask.array
import numpy as np
import pandas as pd
import pytest
import rioxarray  # noqa: F401  registers .rio
import xarray as xr

from tests.conftest import analytic, no_compute, real
from tests.grid import LAYOUTS, lat, lon, plane
from xr_dl4ds.config import choices
from xr_dl4ds.data.time_and_place import (
    COORDINATE_FEATURES,
    TIME_FEATURES,
    channel_names,
    forcings,
    solar_position,
)
from xr_dl4ds.exceptions import GridError, TimeError
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.fields import standardize
from xr_dl4ds.grid.grid import Grid

UK = Grid(y=lat(50, 52, 54), x=lon(-4, -2, 0, 2))
ALL = tuple(TIME_FEATURES), tuple(COORDINATE_FEATURES)


def template(times, grid=UK, chunks=None):
    """An LR variable in the inner form; its values are NaN, which no channel may take on."""
    shape = (len(times), *grid.shape)
    field = xr.DataArray(
        np.full(shape, np.nan, "f4"), {"time": times, **grid.coords}, ("time", "y", "x")
    )
    return field if chunks is None else field.chunk(chunks)


def hourly(start, hours=24, step="1h"):
    return pd.date_range(start, periods=hours, freq=step)


def series(feature, times):
    """The channels of a feature of time alone, ``(channel, time)``, float64."""
    found = forcings([feature], [], template(times), UK, UK)
    for channel in found.values():
        assert (channel == channel[:, :1, :1]).all()
    return np.stack([c[:, 0, 0] for c in found.values()]).astype("f8")


def sky(times, latitude, longitude=0.0, feature="solar_zenith"):
    """The one channel of a solar feature over a place, ``(time,)``."""
    grid = Grid(y=lat(latitude - 1, latitude), x=lon(longitude, longitude + 1))
    (channel,) = forcings([feature], [], template(times, grid), grid, grid).values()
    return channel[:, 1, 0].to_numpy().astype("f8")


def fixed(feature, grid, trained=None):
    """The channels of a feature of place, ``(y, x)`` each."""
    field = template(hourly("2001-01-01", 2), grid)
    found = forcings([], [feature], field, grid, trained or grid).values()
    for channel in found:
        np.testing.assert_array_equal(channel[0], channel[1])
    return [channel[0] for channel in found]


# --- names ----------------------------------------------------------------------------------------


def test_names_are_those_of_the_options():
    assert ALL == (choices.TIME_FEATURES, choices.COORDINATE_FEATURES)


def test_channel_names_are_in_the_order_asked_for():
    actual = channel_names(["toa_insolation", "hour_of_day"], ["y", "longitude", "x"])
    assert actual == (
        "toa_insolation",
        "hour_of_day_sin",
        "hour_of_day_cos",
        "y_position",
        "longitude_sin",
        "longitude_cos",
        "x_position",
    )


@pytest.mark.parametrize("wanted", [ALL, (["solar_zenith", "day_of_year"], ["y", "x"]), ([], [])])
def test_channels_are_those_named(wanted):
    actual = forcings(*wanted, template(hourly("2001-01-01", 2)), UK, UK)
    assert tuple(actual) == channel_names(*wanted)


def test_channels_can_stand_in_one_dataset():
    data = xr.Dataset(forcings(*ALL, template(hourly("2001-01-01", 2)), UK, UK))
    assert tuple(data.data_vars) == channel_names(*ALL)
    assert dict(data.sizes) == {"time": 2, "y": 3, "x": 4}


@pytest.mark.parametrize("wanted", [(["latitude"], []), ([], ["day_of_year"])])
def test_unknown_name(wanted):
    with pytest.raises(KeyError, match=(wanted[0] + wanted[1])[0]):
        forcings(*wanted, template(hourly("2001-01-01", 2)), UK, UK)


# --- season and hour ------------------------------------------------------------------------------

#: Calendar, date, share of the year that is over: worked by hand.
SHARES = [
    ("numpy", "2001-01-01T00:00:00", 0),
    ("numpy", "2001-07-02T12:00:00", 1 / 2),  # 182.5 of 365 days
    ("numpy", "2004-07-02T00:00:00", 1 / 2),  # 183 of 366
    ("numpy", "1900-07-02T12:00:00", 1 / 2),  # no leap year
    ("numpy", "2000-07-02T00:00:00", 1 / 2),  # a leap year
    ("numpy", "2001-04-02T06:00:00", 1 / 4),  # 91.25 of 365
    ("numpy", "2001-12-31T23:59:59", 1 - 1 / (365 * 86400)),
    ("standard", "2004-07-02T00:00:00", 1 / 2),
    ("proleptic_gregorian", "2004-07-02T00:00:00", 1 / 2),
    ("julian", "1900-07-02T00:00:00", 1 / 2),  # a leap year there
    ("noleap", "2004-07-02T12:00:00", 1 / 2),
    ("all_leap", "2001-07-02T00:00:00", 1 / 2),
    ("360_day", "2001-07-01T00:00:00", 1 / 2),
    ("360_day", "2001-04-01T00:00:00", 1 / 4),
    ("360_day", "2001-02-30T18:00:00", 59.75 / 360),
]


@pytest.mark.parametrize(("calendar", "date", "share"), SHARES)
def test_day_of_year(calendar, date, share):
    if calendar == "numpy":
        times = pd.DatetimeIndex([date])
    else:
        times = xr.date_range(date, periods=1, calendar=calendar, use_cftime=True)
    actual = series("day_of_year", times)[:, 0]
    expected = np.sin(2 * np.pi * share), np.cos(2 * np.pi * share)
    # near the turn of the year a second is 2e-7, which float32 shares of a year would lose
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("calendar", ["numpy", "standard", "noleap", "360_day"])
@pytest.mark.parametrize(
    ("time", "sine", "cosine"),
    [
        ("00:00:00", 0, 1),
        ("06:00:00", 1, 0),
        ("15:00:00", -(0.5**0.5), -(0.5**0.5)),
        ("01:30:00", np.sin(np.pi / 8), np.cos(np.pi / 8)),
        ("00:00:30", np.sin(np.pi / 1440), np.cos(np.pi / 1440)),
        ("23:59:59", -np.sin(np.pi / 43200), np.cos(np.pi / 43200)),
        ("23:59:59.999500", -np.sin(np.pi * 0.0005 / 43200), 1),
    ],
)
def test_hour_of_day(calendar, time, sine, cosine):
    date = pd.DatetimeIndex([f"2001-03-30T{time}"])
    if calendar != "numpy":
        text = f"2001-03-30T{time}"
        date = xr.date_range(text, periods=1, calendar=calendar, use_cftime=True)
    actual = series("hour_of_day", date)[:, 0]
    np.testing.assert_allclose(actual, (sine, cosine), rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_resolution_of_the_dates_does_not_matter(unit):
    expected = forcings(*ALL, template(hourly("2001-03-30T05:17:31", 3)), UK, UK)
    times = hourly("2001-03-30T05:17:31", 3).as_unit(unit)
    actual = forcings(*ALL, template(times), UK, UK)
    for name, channel in actual.items():
        np.testing.assert_array_equal(channel, expected[name])


def test_hours_are_utc_whatever_the_time_zone():
    times = hourly("2001-03-30T02:00", 3).tz_localize("Asia/Tokyo")  # 9 hours ahead
    utc = hourly("2001-03-29T17:00", 3)
    for name in TIME_FEATURES:
        actual, expected = (forcings([name], [], template(t), UK, UK) for t in (times, utc))
        for channel in expected:
            np.testing.assert_array_equal(actual[channel], expected[channel])


# --- the sun --------------------------------------------------------------------------------------


def meeus(times):
    """Right ascension less sidereal time, declination (radians), distance, after Meeus (1998).

    Chapters 12, 22 and 25, with nutation and aberration: what NOAA's calculator is made of.
    """
    n = ((times - pd.Timestamp("2000-01-01T12")) / pd.Timedelta(days=1)).to_numpy()
    t = n / 36525
    mean = 280.46646 + 36000.76983 * t + 0.0003032 * t**2
    anomaly = np.deg2rad(357.52911 + 35999.05029 * t - 0.0001537 * t**2)
    eccentricity = 0.016708634 - 0.000042037 * t - 0.0000001267 * t**2
    centre = (1.914602 - 0.004817 * t - 0.000014 * t**2) * np.sin(anomaly)
    centre += (0.019993 - 0.000101 * t) * np.sin(2 * anomaly) + 0.000289 * np.sin(3 * anomaly)
    node = np.deg2rad(125.04 - 1934.136 * t)
    longitude = np.deg2rad(mean + centre - 0.00569 - 0.00478 * np.sin(node))
    tilt = np.deg2rad(23.4392911 - 0.0130042 * t + 0.00256 * np.cos(node))
    ascension = np.arctan2(np.cos(tilt) * np.sin(longitude), np.cos(longitude))
    declination = np.arcsin(np.sin(tilt) * np.sin(longitude))
    sidereal = np.deg2rad(280.46061837 + 360.98564736629 * n + 0.000387933 * t**2)
    true_anomaly = anomaly + np.deg2rad(centre)
    distance = 1.000001018 * (1 - eccentricity**2) / (1 + eccentricity * np.cos(true_anomaly))
    return ascension - sidereal, declination, distance


@pytest.mark.parametrize(
    ("first", "last", "degrees"), [(1950, 2050, 0.01), (1850, 1950, 0.02), (2050, 2150, 0.02)]
)
def test_zenith_and_insolation_beside_an_independent_almanac(first, last, degrees):
    # some hour of every 37th day, here and there
    times = hourly(f"{first}-01-01", (last - first) * 10, "877h")
    assert times[-1].year == last - 1
    east, declination, distance = meeus(times)
    for latitude, longitude in ((0.0, 0.0), (51.5, -0.1), (-33.9, 151.2), (78.2, 15.6), (21, -158)):
        phi, hour = np.deg2rad(latitude), np.deg2rad(longitude) - east
        expected = np.sin(phi) * np.sin(declination)
        expected += np.cos(phi) * np.cos(declination) * np.cos(hour)
        actual = sky(times, latitude, longitude)
        np.testing.assert_allclose(actual, expected, rtol=0, atol=np.deg2rad(degrees))
        actual = sky(times, latitude, longitude, "toa_insolation")
        expected = np.maximum(expected, 0) / distance**2
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1.05 * np.deg2rad(degrees))


def test_published_zenith_angle():
    # Reda and Andreas (2004, doi:10.1016/j.solener.2003.12.003), table A5.1: 2003-10-17 12:30:30
    # at UTC-7, declination -9.31434 and hour angle 11.105902 degrees, distance 0.9965422974
    phi, declination, hour = np.deg2rad([39.742476, -9.31434, 11.105902])
    expected = np.sin(phi) * np.sin(declination)
    expected += np.cos(phi) * np.cos(declination) * np.cos(hour)
    place = pd.DatetimeIndex(["2003-10-17T19:30:30"]), 39.742476, -105.1786
    np.testing.assert_allclose(sky(*place), expected, atol=np.deg2rad(0.01))
    expected = expected / 0.9965422974**2
    np.testing.assert_allclose(sky(*place, "toa_insolation"), expected, atol=2e-4)


def test_published_position_of_the_sun():
    # Meeus (1998), examples 25.a and 28.b: 1992-10-13 0h TD, 59 s earlier in UT: declination
    # -7.78507, equation of time 13 min 42.6 s, distance 0.99766
    seconds = -59.0
    days = np.array([-2636.5 + seconds / 86400])  # JD 2448908.5 less 2451545.0
    (direction,), distance = solar_position(days, days % 1 + 0.5)
    east = 180 - 15 * (seconds + 13 * 60 + 42.6) / 3600
    actual = np.arcsin(direction[2]), np.arctan2(direction[1], direction[0])
    np.testing.assert_allclose(np.rad2deg(actual), (-7.78507, east), atol=0.01)
    np.testing.assert_allclose(distance, 0.99766, atol=2e-5)
    np.testing.assert_allclose(np.linalg.norm(direction), 1, rtol=1e-14)


@pytest.mark.parametrize("date", ["2000-03-20T07:35", "2000-09-22T17:28", "2024-03-20T03:06"])
def test_equinox(date):
    # over the pole the sun stands in the horizon (US Naval Observatory's instants)
    np.testing.assert_allclose(sky(pd.DatetimeIndex([date]), 90), 0, atol=np.deg2rad(0.01))


def test_sun_in_the_zenith_at_noon():
    # 23.44 N at the June solstice; the equator at the March equinox, 0.2 degrees off at noon
    assert sky(hourly("2001-06-21", 1440, "1min"), 23.44).max() == pytest.approx(1, abs=2e-6)
    assert sky(hourly("2001-03-20", 1440, "1min"), 0).max() == pytest.approx(1, abs=2e-5)


def test_sun_of_the_polar_day_and_night():
    december, june = hourly("2001-12-21"), hourly("2001-06-21")
    assert (sky(december, 85) < np.cos(np.deg2rad(90 + 18))).all()  # 23.4 - 5 below the horizon
    assert (sky(june, 85) > np.cos(np.deg2rad(90 - 18))).all()
    assert (sky(december, 85, feature="toa_insolation") == 0).all()
    assert (sky(june, 85, feature="toa_insolation") > 0).all()


@pytest.mark.parametrize("latitude", [-60.0, 0.0, 45.0])
def test_sun_rises_at_six_solar_time_at_the_equinox(latitude):
    # on 20 March the sun is 7 min 24 s late; 30 E is two hours ahead
    times = pd.DatetimeIndex(["2001-03-20T04:07:24", "2001-03-20T16:07:24"])
    np.testing.assert_allclose(sky(times, latitude, 30), 0, atol=0.003)
    assert (np.sign(sky(times + pd.Timedelta("1h"), latitude, 30)) == [1, -1]).all()


def test_sun_is_symmetric_about_solar_noon():
    # on 21 June 2001 it is 1 min 46 s late (equation of time), and hardly moves north or south
    noon = pd.Timestamp("2001-06-21T12:01:46")
    away = pd.to_timedelta(np.arange(1, 12), unit="h")
    np.testing.assert_allclose(sky(noon - away, 48.0), sky(noon + away, 48.0), atol=2e-4)
    assert (np.diff(sky(noon + away, 48.0)) < 0).all()


def test_clock_of_the_sun_runs_west():
    # 15 degrees further east the same comes an hour earlier, but for the sun's own way of 1 degree
    # a day
    times = hourly("2001-10-05")
    later = sky(times + pd.Timedelta("1h"), 40.0, 0.0)
    np.testing.assert_allclose(sky(times, 40.0, 15.0), later, atol=5e-4)
    np.testing.assert_array_equal(sky(times, 40.0, 285.0), sky(times, 40.0, -75.0))


@pytest.mark.parametrize(
    ("date", "distance"),
    # perihelion and aphelion of 2000 (Astronomical Almanac)
    [("2000-01-03T05:00", 0.98332), ("2000-07-04T00:00", 1.01674)],
)
def test_the_globe_receives_a_quarter_of_the_solar_constant(date, distance):
    # the cross section of a sphere is a quarter of its surface, whatever the hour
    grid = Grid(y=lat(*np.arange(-89.0, 90, 2)), x=lon(*np.arange(1.0, 360, 2)))
    times = hourly(date, 3, "7h")
    (toa,) = forcings(["toa_insolation"], [], template(times, grid), grid, grid).values()
    area = xr.DataArray(np.cos(np.deg2rad(grid.y.canonical)), dims="y")
    actual = toa.astype("f8").weighted(area).mean(["y", "x"])
    np.testing.assert_allclose(actual, 0.25 / distance**2, rtol=4e-4)


# --- calendars ------------------------------------------------------------------------------------


@pytest.mark.parametrize("calendar", ["standard", "proleptic_gregorian"])
def test_dates_of_cftime_are_those_of_numpy(calendar):
    ours = hourly("1999-12-31T22:30:10", 4)
    theirs = xr.date_range(ours[0], periods=4, freq="1h", calendar=calendar, use_cftime=True)
    expected = forcings(*ALL, template(ours), UK, UK)
    for name, channel in forcings(*ALL, template(theirs), UK, UK).items():
        np.testing.assert_allclose(channel, expected[name], rtol=0, atol=1e-7)


def test_dates_before_the_reform_of_the_calendar():
    # the standard calendar is the Julian one before 1582: six days apart in the year 1000
    new, old = (
        xr.date_range(date, periods=24, freq="1h", calendar=calendar, use_cftime=True)
        for calendar, date in (("proleptic_gregorian", "1000-03-21"), ("standard", "1000-03-15"))
    )
    np.testing.assert_array_equal(sky(old, 45), sky(new, 45))
    assert np.abs(sky(new, 90)).min() < 0.005  # the equinox of that year is near


@pytest.mark.parametrize("calendar", ["noleap", "all_leap", "360_day", "julian"])
def test_seasons_of_models_stay_where_they_are(calendar):
    early, late = (
        xr.date_range(f"{year}-05-05", periods=9, freq="5h", calendar=calendar, use_cftime=True)
        for year in ("0004", "2004")
    )
    for name in TIME_FEATURES:
        actual, expected = (forcings([name], [], template(t), UK, UK) for t in (late, early))
        for channel in expected:
            np.testing.assert_array_equal(actual[channel], expected[channel])


@pytest.mark.parametrize(
    ("calendar", "date"),
    # the equinox of 2000 is 79.316 of 365.2422 days after 1 January 0 UT
    [
        ("noleap", "2001-03-21T06:20"),  # 79.264 of 365 days
        ("all_leap", "2001-03-20T11:33"),  # 79.481 of 366
        ("360_day", "2001-03-19T04:15"),  # 78.177 of 360
    ],
)
def test_equinox_of_models(calendar, date):
    times = xr.date_range(date, periods=1, calendar=calendar, use_cftime=True)
    np.testing.assert_allclose(sky(times, 90), 0, atol=3e-4)


@pytest.mark.parametrize("calendar", ["noleap", "all_leap", "360_day", "julian"])
def test_sun_of_models_is_near_the_real_one(calendar):
    # in declination a day is worth 0.4 degrees at most
    year = {"noleap": 365, "all_leap": 366, "360_day": 360, "julian": 365}[calendar]
    days = np.arange(0, year, 7)
    every = xr.date_range("2001-01-01T09:00", periods=year, calendar=calendar, use_cftime=True)
    expected = hourly("2001-01-01T09:00", 365, "1D")[np.round(days * 365 / year).astype(int)]
    np.testing.assert_allclose(sky(every[days], 52, 20), sky(expected, 52, 20), atol=0.01)


# --- places ---------------------------------------------------------------------------------------


def test_latitude_and_longitude():
    grid = Grid(y=lat(-90, 30, 90), x=lon(0, 90, 180, 270))
    (sine,) = fixed("latitude", grid)
    np.testing.assert_allclose(sine, np.array([-1, 0.5, 1])[:, None] * np.ones(4), atol=1e-7)
    sine, cosine = fixed("longitude", grid)
    np.testing.assert_allclose(sine, np.ones((3, 1)) * [0, 1, 0, -1], atol=1e-7)
    np.testing.assert_allclose(cosine, np.ones((3, 1)) * [1, 0, -1, 0], atol=1e-7)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_of_the_grid_does_not_matter(layout):
    run = np.arange(-6.0, 8, 2)
    expected_grid = Grid(y=lat(50, 52, 54), x=lon(*run))
    grid = Grid(y=lat(54, 52, 50), x=lon(*LAYOUTS[layout](run)))
    times = hourly("2001-05-05", 5, "5h")
    expected = forcings(*ALL, template(times, expected_grid), expected_grid, expected_grid)
    for name, channel in forcings(*ALL, template(times, grid), grid, expected_grid).items():
        np.testing.assert_allclose(channel, expected[name], rtol=0, atol=2e-7)


def test_positions_run_over_the_training_domain():
    np.testing.assert_allclose(fixed("x", UK)[0], np.ones((3, 1)) * [-1, -1 / 3, 1 / 3, 1])
    np.testing.assert_allclose(fixed("y", UK)[0], np.array([-1, 0, 1])[:, None] * np.ones(4))


def test_positions_of_another_domain_go_on():
    # trained on -4..2 and 50..54; finer cells further north-east
    other = Grid(y=lat(54, 55, 56), x=lon(2, 3.5))
    np.testing.assert_allclose(fixed("x", other, UK)[0], np.ones((3, 1)) * [1, 1.5])
    np.testing.assert_allclose(fixed("y", other, UK)[0], np.array([[1], [1.5], [2]]) * np.ones(2))


def test_positions_on_planes():
    trained, other = plane(3, 5, step=1000.0), plane(2, 3, step=1000.0, x0=4000.0, y0=-2000.0)
    # centres 500..4500 against 4500, 5500, 6500; 500..2500 against -1500, -500
    np.testing.assert_allclose(fixed("x", other, trained)[0], np.ones((2, 1)) * [1, 1.5, 2])
    np.testing.assert_allclose(fixed("y", other, trained)[0], np.array([[-3], [-2]]) * np.ones(3))


@pytest.mark.parametrize(
    ("trained", "other", "expected"),
    [
        # east of the date line a run may begin a turn away
        ([170, 172, 174], [-186, -184, -182], [1, 2, 3]),
        ([170, 172, 174], [-176, -174], [6, 7]),
        ([-176, -174], [174, 176], [-11, -9]),
        # the whole globe, cut elsewhere
        ([-30, 0, 30], [0, 90, 180, 270], [0, 3, -6, -3]),
        ([0, 90, 180, 270], [-90, 0, 90, 180], [1, -1, -1 / 3, 1 / 3]),
    ],
)
def test_positions_go_the_shorter_way_round(trained, other, expected):
    trained, other = (Grid(y=lat(0, 1), x=lon(*run)) for run in (trained, other))
    np.testing.assert_allclose(fixed("x", other, trained)[0][0], expected, rtol=1e-6)


# --- projected and rotated grids ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "variable"),
    [
        ("originals/test_lcc.nc", "tas"),
        ("originals/tmean_1910_1910.nc", "tmean"),  # its rows go south
        ("cordex_iberia_hist.nc", "tas"),
    ],
)
@pytest.mark.parametrize("flip", [False, True])
def test_places_of_real_files(file, variable, flip):
    ds = real(file).isel(time=slice(0, 1))
    y, x = ds.lat.dims
    fields = standardize(ds.isel({y: slice(None, None, -1)}) if flip else ds, Dims(), "a file")
    found = forcings(*ALL, fields.data[variable], fields.grid, fields.grid)
    latitude, longitude = (np.deg2rad(ds[n].sortby([y, x])) for n in ("lat", "lon"))
    expected = {
        "latitude_sin": np.sin(latitude),
        "longitude_sin": np.sin(longitude),
        "longitude_cos": np.cos(longitude),
    }
    east, declination, _ = meeus(fields.data.indexes["time"])
    sun = np.sin(latitude) * np.sin(declination)
    sun = sun + np.cos(latitude) * np.cos(declination) * np.cos(longitude - east)
    # the file's own longitudes are 0.003 degrees off in the Lambert one
    for name, field in expected.items():
        np.testing.assert_allclose(found[name][0], field, atol=1e-4)
    np.testing.assert_allclose(found["solar_zenith_cos"][0], sun, atol=3e-4)
    assert all(np.isfinite(channel).all() for channel in found.values())


def test_north_pole_of_a_rotated_grid():
    # the equator of the rotated grid meets its zero meridian a quarter turn from its pole
    mapping = {
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_latitude": 39.25,
        "grid_north_pole_longitude": -162.0,
    }
    grid = plane(3, 3, x0=-1.5, y0=-1.5)
    grid = Grid(y=grid.y, x=grid.x, mapping_name="rotated", mapping=mapping)
    assert fixed("latitude", grid)[0][1, 1] == pytest.approx(np.sin(np.deg2rad(90 - 39.25)))
    assert fixed("longitude", grid)[0][1, 1] == pytest.approx(np.sin(np.deg2rad(18)), abs=1e-6)


def metres(lazy=False):
    """One step on a plane of 4 x 5 cells of 1 km near the middle of Europe in EPSG:3035."""
    grid = plane(4, 5, step=1000.0, y0=3_208_000.0, x0=4_318_500.0)
    ds = analytic(time=2, y=4, x=5)[["t2m"]].rename(latitude="y", longitude="x")
    ds = ds.assign_coords(y=grid.y.canonical, x=grid.x.canonical)
    return ds.chunk(time=1, x=2) if lazy else ds


GEOGRAPHIC = [
    (["solar_zenith"], []),
    (["toa_insolation"], []),
    ([], ["latitude"]),
    ([], ["longitude"]),
]


@pytest.mark.parametrize("wanted", GEOGRAPHIC)
def test_planes_without_a_crs_are_refused(wanted):
    fields = standardize(metres(), Dims(), "the data")
    names = wanted[0] + wanted[1]
    with pytest.raises(GridError, match=r"planar axes without a\s+CRS: y .* Set it with") as error:
        forcings(*wanted, fields.data.t2m, fields.grid, fields.grid)
    assert str(names) in str(error.value)
    assert "or leave these features out" in str(error.value)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("wanted", GEOGRAPHIC)
def test_the_cure_for_planes_without_a_crs(wanted, lazy):
    fields = standardize(metres(lazy).rio.write_crs("EPSG:3035"), Dims(), "the data")
    with no_compute():
        found = forcings(*wanted, fields.data.t2m, fields.grid, fields.grid)
    # the false origin of EPSG:3035, 52 N 10 E, is at x 4 321 000 and y 3 210 000: the middle of the
    # edge between two cells. Its sun is below the horizon on 1 January at 0 UT
    (east,), (declination,), _ = meeus(pd.DatetimeIndex(["2001-01-01"]))
    phi, hour = np.deg2rad(52), np.deg2rad(10) - east
    expected = {
        "solar_zenith_cos": np.sin(phi) * np.sin(declination)
        + np.cos(phi) * np.cos(declination) * np.cos(hour),
        "toa_insolation": 0,
        "latitude_sin": np.sin(phi),
        "longitude_sin": np.sin(np.deg2rad(10)),
        "longitude_cos": np.cos(np.deg2rad(10)),
    }
    for name, channel in found.items():
        np.testing.assert_allclose(channel[0, 1:3, 2].mean(), expected[name], atol=2e-4)


def test_x_and_y_and_hours_need_no_crs():
    fields = standardize(metres(), Dims(), "the data")
    assert fields.grid.mapping_name is None
    found = forcings(["hour_of_day"], ["x", "y"], fields.data.t2m, fields.grid, fields.grid)
    assert all(np.isfinite(channel).all() for channel in found.values())


def test_cells_off_the_earth_are_refused():
    # a geostationary view, of which the corners look past the Earth
    crs = pyproj.CRS.from_proj4("+proj=geos +h=35785831 +lon_0=0 +sweep=y +ellps=WGS84")
    grid = plane(3, 3, step=5.0e6, y0=-7.5e6, x0=-7.5e6)
    grid = Grid(y=grid.y, x=grid.x, mapping_name="crs", mapping=crs.to_cf())
    field = template(hourly("2001-01-01", 2), grid)
    message = r"for \['solar_zenith', 'latitude'\], got 4 cells of y .* that lie off the Earth"
    with pytest.raises(GridError, match=message):
        forcings(["solar_zenith"], ["latitude", "x"], field, grid, grid)
    assert fixed("x", grid)[0][0, 0] == -1


# --- dates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("feature", TIME_FEATURES)
@pytest.mark.parametrize(
    ("times", "got"),
    [
        (None, "2 steps without coordinates"),
        ([3, 9], r"2 steps from 3 to 9 \(none calendar\)"),
        (pd.period_range("2001-01", periods=2, freq="M"), r"2 steps from 2001-01 to 2001-02"),
    ],
)
def test_times_without_dates_are_refused(feature, times, got):
    field = template(hourly("2001-01-01", 2))
    field = field.drop_vars("time") if times is None else field.assign_coords(time=times)
    message = (
        rf"Expected dates along the time axis for \['{feature}'\], got {got}.* Decode numbers with"
        r" xarray.decode_cf\(ds\), assign dates with .assign_coords\(time=...\), or leave"
        r" time_features out"
    )
    with pytest.raises(TimeError, match=message):
        forcings([feature], ["latitude"], field, UK, UK)
    assert set(forcings([], ["latitude"], field, UK, UK)) == {"latitude_sin"}


# --- form, and laziness ---------------------------------------------------------------------------

CHUNKS = [{"time": 2}, {"time": 2, "y": 2, "x": 3}, {"time": (1, 3, 1), "x": (1, 3)}]


@pytest.mark.parametrize("chunks", [None, *CHUNKS], ids=str)
@pytest.mark.parametrize("calendar", ["numpy", "360_day"])
def test_channels_have_the_form_of_the_template(chunks, calendar):
    times = hourly("2001-01-01", 5)
    if calendar != "numpy":
        times = xr.date_range("2001-01-01", periods=5, freq="7h", calendar=calendar)
    field = template(times, chunks=chunks)
    before = field.copy(deep=True)
    with no_compute():
        found = forcings(*ALL, field, UK, UK)
    for channel in found.values():
        assert channel.dims == ("time", "y", "x")
        assert channel.shape == field.shape
        assert channel.dtype == np.float32
        assert channel.chunks == field.chunks
        assert isinstance(channel.data, np.ndarray if chunks is None else dask.array.Array)
        xr.testing.assert_identical(channel.coords.to_dataset(), field.coords.to_dataset())
        assert np.isfinite(channel).all()
    xr.testing.assert_identical(field, before)


@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
def test_dask_equals_numpy(chunks):
    times = hourly("2001-08-30T05:17", 5, "5h")
    expected = forcings(*ALL, template(times), UK, UK)
    actual = forcings(*ALL, template(times, chunks=chunks), UK, UK)
    for name, channel in actual.items():
        assert channel.std() > 0 or name == "day_of_year_sin"
        np.testing.assert_allclose(channel, expected[name], rtol=0, atol=3e-7)


@pytest.mark.filterwarnings("error")  # such as dask's of products with many chunks
def test_no_array_of_full_size_is_made():
    # 20 000 steps of 1000 x 1000 cells: 80 GB for each channel
    run = np.arange(1000) / 100
    grid = Grid(y=lat(*run), x=lon(*run))
    times = hourly("2001-01-01", 20_000)
    zeros = dask.array.zeros((20_000, 1000, 1000), chunks=(500, 250, 250), dtype="f4")
    field = xr.DataArray(zeros, {"time": times, **grid.coords}, ("time", "y", "x"))
    with no_compute():
        found = forcings(*ALL, field, grid, grid)
    # across the edge of two chunks
    part = {"time": slice(12_011, 12_013), "y": slice(499, 501), "x": slice(0, 2)}
    small = Grid(y=lat(*run[499:501]), x=lon(*run[:2]))
    wanted = ["day_of_year", "solar_zenith"], ["latitude"]
    expected = forcings(*wanted, template(times[12_011:12_013], small), small, small)
    for name, channel in expected.items():
        np.testing.assert_allclose(found[name].isel(part), channel, rtol=0, atol=3e-7)

"""Where the dates of a time axis stand, and the valid times of forecasts."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xr_dl4ds.exceptions import TimeError
from xr_dl4ds.grid.cf.valid_times import (
    dates_along,
    is_reference,
    is_valid_time,
    scalar_date,
    stamp_of,
    with_valid_time,
)

DAYS = pd.date_range("2001-01-01", periods=3)
HOUR = np.timedelta64(1, "h")


def field(dim="time", **coords):
    return xr.DataArray(np.zeros((3, 2)), dims=(dim, "y"), coords=coords, name="t")


def forecast(reference="init", lead="lead", steps=(0 * HOUR, 6 * HOUR), **attrs):
    ds = xr.Dataset({"t": ((reference, lead, "y"), np.zeros((3, len(steps), 2)))})
    return ds.assign_coords({reference: DAYS, lead: (lead, list(steps), attrs)})


@pytest.mark.parametrize(
    ("coords", "expected"),
    [
        ({"time": DAYS}, "time"),
        ({}, None),
        ({"time": [1, 2, 3]}, None),
        ({"XTIME": ("time", DAYS)}, "XTIME"),
        ({"time": [1, 2, 3], "date": ("time", DAYS)}, "date"),
        ({"time": DAYS, "valid_time": ("time", DAYS + pd.Timedelta("1D"))}, "valid_time"),
        ({"time": DAYS, "verif": ("time", DAYS, {"standard_name": "time"})}, "verif"),
        ({"time": DAYS, "published": ("time", DAYS)}, "time"),
        (
            {"time": ("time", DAYS, {"standard_name": "time"}), "valid_time": ("time", DAYS)},
            "time",
        ),
        (
            {
                "time": ("time", DAYS, {"standard_name": "forecast_reference_time"}),
                "when": ("time", DAYS, {"standard_name": "time"}),
            },
            "when",
        ),
    ],
)
def test_the_coordinate_of_the_dates(coords, expected):
    found = dates_along(field(**coords), "time", "the HR data")
    assert (None if found is None else found.name) == expected


def test_dates_that_cannot_be_told_apart():
    coords = {"a": ("time", DAYS), "b": ("time", DAYS)}
    with pytest.raises(TimeError, match=r"got \['a', 'b'\].*swap_dims\(time='a'\)"):
        dates_along(field(**coords), "time", "the HR data")
    ds = with_valid_time(forecast(), "the LR data")
    with pytest.raises(TimeError, match=r"'valid_time' along \('init', 'lead'\).*extra_dims="):
        dates_along(ds.t, "init", "the LR data")
    assert dates_along(ds.t.isel(lead=1), "init", "the LR data").name == "valid_time"


@pytest.mark.parametrize(
    ("steps", "attrs"),
    [
        ((0 * HOUR, 6 * HOUR), {}),
        ((0, 6), {"units": "hours"}),
        ((0.0, 0.25), {"units": "days"}),
        ((0, 6), {"units": "h", "standard_name": "forecast_period"}),
    ],
)
@pytest.mark.parametrize("calendar", [None, "noleap"])
def test_valid_times_are_initialization_plus_lead_time(steps, attrs, calendar):
    ds = forecast(steps=steps, **attrs)
    if calendar:
        ds = ds.convert_calendar(calendar, dim="init", use_cftime=True)
    found = with_valid_time(ds, "the LR data").valid_time
    assert found.dims == ("init", "lead")
    text = found.dt.strftime("%d %H").values
    assert text.tolist() == [["01 00", "01 06"], ["02 00", "02 06"], ["03 00", "03 06"]]
    assert found.attrs["standard_name"] == "time"
    assert "valid_time" not in ds.coords


@pytest.mark.parametrize("name", ["tau", "fhour"])
def test_lead_times_of_any_name(name):
    for ds in (forecast(), forecast().isel(lead=1)):
        found = with_valid_time(ds.rename(lead=name), "the LR data").valid_time
        expected = with_valid_time(ds, "the LR data").valid_time
        np.testing.assert_array_equal(found, expected)
    number = forecast().isel(lead=1).drop_vars("lead")
    number = number.assign_coords({name: ((), 6, {"units": "hours"})})
    found = with_valid_time(number, "the LR data").valid_time
    np.testing.assert_array_equal(found, DAYS + pd.Timedelta("6h"))


def test_durations_that_are_no_lead_times():
    along = forecast().isel(lead=1, drop=True)
    for one in (
        along.assign_coords(elapsed=("init", DAYS - DAYS[0])),
        along.assign_coords(height=((), 2.0, {"units": "m"})),
        along.assign_coords(period=((), 6, {"units": "hours", "standard_name": "sea_wave_period"})),
    ):
        assert with_valid_time(one, "the LR data").identical(one)


def test_one_lead_time():
    ds = forecast().isel(lead=1)
    found = with_valid_time(ds, "the LR data").valid_time
    np.testing.assert_array_equal(found, DAYS + pd.Timedelta("6h"))
    ds = ds.isel(init=2)
    assert with_valid_time(ds, "the LR data").valid_time.values == DAYS[2] + pd.Timedelta("6h")


@pytest.mark.parametrize(
    "ds",
    [
        xr.Dataset({"t": field(time=DAYS)}),
        forecast().drop_vars("lead"),
        forecast(steps=(0, 6)),  # numbers without a unit may be anything
        forecast().assign_coords(valid_time=(("init", "lead"), np.array([DAYS, DAYS]).T)),
        forecast("time").assign_coords(time=("time", DAYS, {"standard_name": "time"})),
    ],
)
def test_nothing_is_added_where_nothing_is_missing(ds):
    assert with_valid_time(ds, "the LR data").identical(ds)


def test_dates_that_may_be_either_are_asked_for():
    with pytest.raises(TimeError, match=r"dates in 'time' and lead times in 'lead'.*valid_time=ds"):
        with_valid_time(forecast("time"), "the LR data")


def test_one_lead_time_beside_dates_that_may_be_either(caplog):
    ds = forecast("time")
    with_valid_time(ds.isel(lead=0), "the LR data")  # an analysis: both are the same
    assert not caplog.records
    found = with_valid_time(ds.isel(lead=1), "the LR data")
    assert "valid_time" not in found.coords
    assert (
        "dates in 'time' and lead times in 'lead'. Assign .assign_coords(valid_time" in caplog.text
    )


def test_lead_times_of_changing_length():
    with pytest.raises(TimeError, match=r"fixed length such as 'days', got 'months'.*valid_time="):
        with_valid_time(forecast(steps=(0, 1), units="months"), "the LR data")


def test_kinds_of_dates():
    named = {n: xr.DataArray(DAYS, dims="x", name=n) for n in ("init", "time", "valid_time", "t0")}
    assert [n for n, c in named.items() if is_reference(c)] == ["init"]
    assert [n for n, c in named.items() if is_valid_time(c)] == ["valid_time"]
    stated = named["t0"].assign_attrs(standard_name="forecast_reference_time")
    assert is_reference(stated)
    assert is_valid_time(named["t0"].assign_attrs(standard_name="time"))


def test_the_date_of_a_single_field():
    both = {"time": DAYS[0], "valid_time": DAYS[1]}
    coords = xr.Dataset(coords=both).coords
    assert scalar_date(coords).values == DAYS[1]
    assert scalar_date(coords, "time").values == DAYS[0]
    assert scalar_date(xr.Dataset(coords={"when": DAYS[2]}).coords).values == DAYS[2]
    assert scalar_date(xr.Dataset(coords={"a": DAYS[0], "b": DAYS[1]}).coords) is None


@pytest.mark.parametrize(("shift", "expected"), [(0, 0), (12, 0.5), (24, 1)])
@pytest.mark.parametrize("turned", [False, True])
def test_the_position_of_stamps_in_their_bounds(shift, expected, turned):
    times = DAYS + pd.Timedelta(hours=shift)
    edges = np.stack([DAYS, DAYS + pd.Timedelta("1D")], axis=1)
    ds = xr.Dataset(
        coords={
            "time": ("time", times, {"bounds": "time_bnds"}),
            "time_bnds": (("time", "bnds"), edges[:, ::-1] if turned else edges),
        }
    )
    assert stamp_of(ds, ds.time) == expected
    assert stamp_of(ds.drop_vars("time_bnds"), ds.time) is None

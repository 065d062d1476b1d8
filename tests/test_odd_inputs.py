"""Inputs of kinds that users of other packages stumble over: the same result as on plain data.

Where that cannot be, an error or a warning names the variable and a cure, before training. The
errors and their cures stand in `tests/errors` too.
"""

import json
import logging
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import analytic
from tests.errors import data as d
from tests.errors import reading
from tests.errors.case import TrainingBeganError, untrained
from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.model import storage

HOUR = np.timedelta64(1, "h")


def model():
    return d.fitted("not localized")


def began(hr, lr=None, **options):
    """Prepare a fit up to its training."""
    with untrained(), pytest.raises(TrainingBeganError):
        d.perfect(hr, **options) if lr is None else d.mos(lr, hr, **options)


def warnings(caplog):
    return "\n".join(r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING)


def equal(actual, expected, **tolerance):
    if tolerance:
        np.testing.assert_allclose(actual.values, expected.values, **tolerance)
    else:
        np.testing.assert_array_equal(actual.values, expected.values)


# --- order and direction --------------------------------------------------------------------------


def test_exchanged_dimensions_of_a_square_change_nothing():
    hr = d.hr(y=8, x=8)[["t2m"]]
    lr = hr.downscale.coarsen(2)
    expected = model().predict(lr).t2m
    turned = model().predict(lr.transpose("longitude", "time", "latitude", ...)).t2m
    assert turned.dims == ("longitude", "time", "latitude")
    equal(turned.transpose(*expected.dims), expected)
    scores = [sr.to_dataset().downscale.evaluate(hr, scale=2).rmse for sr in (turned, expected)]
    equal(scores[0], scores[1], rtol=1e-6)


@pytest.mark.parametrize("spoil", [lambda ds: ds, d.plane], ids=["degrees", "plane"])
def test_transposed_values_of_a_square_are_noted(spoil, caplog):
    hr = spoil(d.hr(y=8, x=8)[["t2m"]])
    lr = hr.downscale.coarsen(2)
    turned = lr.assign(t2m=(lr.t2m.dims, lr.t2m.values.transpose(0, 2, 1), lr.t2m.attrs))
    began(hr, lr)
    lr.downscale.evaluate(lr, scale=2)
    assert "transposed" not in caplog.text
    began(hr, turned)
    assert "'t2m' of the LR data resembles that of the HR data when it is transposed" in caplog.text
    caplog.clear()
    turned.downscale.evaluate(lr, scale=2)
    assert "'t2m' of the prediction resembles that of the truth when it is transp" in caplog.text


def test_fields_upside_down_are_noted(caplog):
    hr = d.hr()[["t2m"]] + 0.5 * xr.DataArray(np.arange(8.0) ** 2, dims="latitude")
    lr = hr.downscale.coarsen(2)
    began(hr, lr.assign(t2m=lr.t2m.copy(data=lr.t2m.values[:, ::-1])))
    assert "when it is turned upside down" in warnings(caplog)


@pytest.mark.parametrize("tile_size", [None, 4])
@pytest.mark.parametrize("dims", [["latitude"], ["longitude"], ["latitude", "longitude"]])
def test_axes_in_the_other_direction_in_tiles(dims, tile_size):
    turn = dict.fromkeys(dims, slice(None, None, -1))
    expected = model().predict(d.lr(), tile_size=tile_size)
    actual = model().predict(d.lr().isel(turn), tile_size=tile_size).isel(turn)
    equal(actual.t2m, expected.t2m)
    for dim in dims:
        equal(actual[dim], expected[dim])


# --- times ----------------------------------------------------------------------------------------


def winter():
    """Daily fields from 27 February to 5 March 2004, a leap year."""
    times = pd.date_range("2004-02-27", periods=8)
    return d.hr()[["t2m"]].assign_coords(time=times)


@pytest.mark.parametrize("side", ["prediction", "truth"])
def test_a_leap_day_on_one_side(side):
    leap = winter()
    without = leap.convert_calendar("noleap")
    assert without.sizes["time"] == 7
    sr, hr = (leap + 1, without) if side == "prediction" else (without + 1, leap)
    with pytest.raises(
        TimeError, match=r"noleap calendar.*Convert .* with \.convert_calendar\('noleap'\)"
    ):
        sr.downscale.evaluate(hr, scale=2)
    sr, hr = (one.convert_calendar("noleap") for one in (sr, hr))
    bias = sr.downscale.evaluate(hr, scale=2).bias.sel(product="prediction")
    assert float(bias.squeeze()) == pytest.approx(1, abs=1e-4)


def rain(days=4, step=1, seed=0):
    """Amounts of each step."""
    n = days * 24 // step
    hr = analytic(time=n)[["t2m"]].rename(t2m="tp")
    amounts = np.random.default_rng(seed).gamma(0.3, 1e-3, hr.tp.shape)
    times = pd.date_range("2001-01-01", periods=n, freq=f"{step}h") + pd.Timedelta(hours=step)
    return hr.assign(tp=(hr.tp.dims, amounts.astype("f4"), {"units": "m"})).assign_coords(
        time=times
    )


def accumulated(ds):
    """Amounts since 00 UTC, stamped at the end of each step."""
    day = (ds.time - np.timedelta64(1, "m")).dt.floor("D")
    total = ds.tp.groupby(day.rename("day")).cumsum().assign_attrs(ds.tp.attrs)
    return ds.assign(
        tp=total.astype("f4").assign_coords(time=ds.time).drop_vars("day", errors="ignore")
    )


@pytest.mark.parametrize("step", [1, 3])
@pytest.mark.parametrize("chunks", [None, {"time": 8}])
def test_accumulations_since_midnight_are_noted(step, chunks, caplog):
    ds = accumulated(rain(step=step))
    began(ds.chunk(chunks) if chunks else ds)
    assert "'tp' of the HR data grows through each day and starts again after 00 U" in caplog.text


def test_accumulations_after_dry_days_and_without_units_are_noted(caplog):
    wet = rain(days=8)
    dry = wet.assign(tp=wet.tp.where(wet.time.dt.dayofyear > 5, 0))
    began(accumulated(dry).assign(tp=lambda ds: ds.tp.drop_attrs()))
    assert "grows through each day" in caplog.text


def test_amounts_of_each_step_are_not_accumulations(caplog):
    for step in (1, 3, 6):
        began(rain(step=step))
    assert "grows through each day" not in caplog.text


def means(at, hours=1, bounds=True):
    """Means of each step, stamped at a position in it."""
    ds = d.hr()[["t2m"]]
    starts = np.datetime64("2001-01-01", "ns") + np.arange(8) * hours * HOUR
    ds = ds.assign_coords(time=starts + np.timedelta64(int(hours * 60 * at), "m"))
    if not bounds:
        return ds
    edges = np.stack([starts, starts + hours * HOUR], axis=1)
    ds = ds.assign_coords(edges=(("time", "nv"), edges))
    ds["time"].attrs["bounds"] = "edges"
    return ds


@pytest.mark.parametrize("hours", [1, 24])
@pytest.mark.parametrize(("one", "other"), [(0, 1), (1, 0), (0.5, 1), (1, 0.5)])
def test_means_at_the_end_and_elsewhere_are_told_by_their_bounds(one, other, hours):
    lr, hr = means(one, hours).downscale.coarsen(2), means(other, hours)
    with pytest.raises(TimeError, match=r"at the end.*\.assign_coords\(time=ds\['edges'\]\.min"):
        began(hr, lr)
    lr, hr = (
        ds.assign_coords(time=ds["edges"].min(set(ds["edges"].dims) - {"time"})) for ds in (lr, hr)
    )
    equal(lr.time, hr.time)
    began(hr, lr)


@pytest.mark.parametrize("use_cftime", [False, True])
def test_the_start_of_bounds_in_reverse(use_cftime):
    lr, hr = means(1, 24).downscale.coarsen(2), means(0, 24)
    lr = lr.assign_coords(edges=lr.edges[:, ::-1])
    if use_cftime:
        lr = lr.convert_calendar("standard", use_cftime=True)
        pairs = xr.CFTimeIndex(lr.indexes["time"])
        starts = pairs.shift(-1, "D")
        lr = lr.drop_vars("edges").assign_coords(edges=(("nv", "time"), np.stack([pairs, starts])))
        lr.time.attrs["bounds"] = "edges"
    with pytest.raises(
        TimeError, match=r"\(time=ds\['edges'\]\.min\(set\(ds\['edges'\]\.dims\) - {"
    ):
        began(hr, lr)
    cured = lr.assign_coords(time=lr["edges"].min(set(lr["edges"].dims) - {"time"}))
    assert [str(t)[:10] for t in cured.indexes["time"]] == [str(t)[:10] for t in hr.time.values]
    began(hr, cured)


@pytest.mark.parametrize("hours", [6, 24])
def test_means_beside_moments_are_noted(hours, caplog):
    fine = d.hr(time=48)[["t2m"]]
    del fine.t2m.attrs["cell_methods"]
    fine = fine.assign_coords(time=np.datetime64("2001-01-01", "ns") + np.arange(48) * HOUR)
    lr = fine.downscale.coarsen(2)
    every = {6: "6h", 24: "D"}[hours]
    daily = lr.resample(time=every).mean()
    began(fine, daily, epochs=1)
    assert (
        f"the LR data have one time of {hours} of the HR data: if they are means or sums over"
        f" their steps, bring the others to these steps, such as .resample(time={every!r}).mean()"
    ) in caplog.text
    caplog.clear()
    began(fine.resample(time=every).mean(), daily)
    daily.t2m.attrs["cell_methods"] = "time: point"
    began(fine, daily)
    assert not warnings(caplog)


def test_means_one_step_later_without_bounds_are_noted(caplog):
    began(means(0, bounds=False), means(1, bounds=False).downscale.coarsen(2))
    assert "the LR data have the times of the HR data, one step later" in caplog.text


def test_months_one_step_later_are_noted(caplog):
    hr = d.hr()[["t2m"]].assign_coords(time=pd.date_range("2001-01-01", periods=8, freq="MS"))
    later = pd.date_range("2001-02-01", periods=8, freq="MS")
    began(hr, hr.downscale.coarsen(2).assign_coords(time=later))
    assert "the LR data have the times of the HR data, one step later" in caplog.text


@pytest.mark.parametrize(("shift", "unit"), [(37, "s"), (-1, "s"), (3, "us")])
def test_times_a_little_off_are_rounded(shift, unit):
    hr = means(0, bounds=False)
    lr = hr.downscale.coarsen(2)
    lr = lr.assign_coords(time=lr.time + np.timedelta64(shift, unit))
    with pytest.raises(TimeError, match=r"round the times of one: .*\.dt\.round\('h'\)"):
        began(hr, lr)
    rounded = lr.assign_coords(time=lr.time.dt.round("h"))
    equal(rounded.time, hr.time)
    began(hr, rounded)


YEARS = {
    "cftime 2500": xr.date_range("2500-01-01", periods=8, use_cftime=True),
    "cftime 1500, noleap": xr.date_range(
        "1500-01-01", periods=8, calendar="noleap", use_cftime=True
    ),
    "numpy 2500": np.datetime64("2500-01-01", "us") + 24 * HOUR * np.arange(8),
    "across 2262": np.datetime64("2262-04-08", "us") + 24 * HOUR * np.arange(8),
    "numpy 1500": np.datetime64("1500-01-01", "us") + 24 * HOUR * np.arange(8),
}


@pytest.mark.parametrize("name", YEARS)
def test_years_that_nanoseconds_cannot_count_in_every_writer(name, tmp_path):
    lr = d.lr().assign_coords(time=("time", YEARS[name]))
    expected = [str(t)[:10] for t in lr.indexes["time"].strftime("%Y-%m-%d")]
    sr = model().predict(lr)
    sr.to_netcdf(tmp_path / "a.nc")
    sr.to_netcdf(tmp_path / "b.nc", engine="scipy")
    model().predict(lr.chunk(time=4)).downscale.to_zarr(tmp_path / "c.zarr")
    for file, engine in (("a.nc", "netcdf4"), ("b.nc", "scipy"), ("c.zarr", "zarr")):
        with xr.open_dataset(tmp_path / file, engine=engine) as ds:
            assert list(ds.indexes["time"].strftime("%Y-%m-%d")) == expected
    assert np.isfinite(sr.downscale.evaluate(sr, scale=2).rmse).all()


ENCODINGS = {
    "packed": {"units": "hours since 2001-01-01", "scale_factor": 6.0, "dtype": "int16"},
    "37 seconds": {"units": "seconds since 2001-01-01 00:00:37", "dtype": "int64"},
    "whole days": {"units": "days since 2001-01-01", "dtype": "int32"},
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_encodings_of_times_lose_none(name, tmp_path):
    lr = d.lr()
    lr.time.encoding = dict(ENCODINGS[name])
    if name != "whole days":
        lr.to_netcdf(tmp_path / "lr.nc")
        lr = xr.open_dataset(tmp_path / "lr.nc", engine="netcdf4")
    model().predict(lr).to_netcdf(tmp_path / "sr.nc")
    model().predict(lr.chunk(time=4)).downscale.to_zarr(tmp_path / "sr.zarr")
    for file, engine in (("sr.nc", "netcdf4"), ("sr.zarr", "zarr")):
        with xr.open_dataset(tmp_path / file, engine=engine) as ds:
            equal(ds.time, d.lr().time)


def test_times_that_nobody_decoded(tmp_path):
    lr = d.lr()
    lr.time.encoding = dict(ENCODINGS["packed"])
    lr.to_netcdf(tmp_path / "lr.nc")
    for how in ({"decode_times": False}, {"decode_cf": False}):
        ds = xr.open_dataset(tmp_path / "lr.nc", engine="netcdf4", **how)
        with pytest.raises(TimeError, match=r"'time' of the LR data .*decode_cf\(ds\)"):
            model().predict(ds)
        assert any("decode_cf(ds)" in text for text in ds.downscale.grid.problems)
        equal(xr.decode_cf(ds).time, d.lr().time)


def test_months_that_xarray_cannot_decode_are_to_be_assigned():
    hr = d.hr().assign_coords(time=("time", np.arange(8), {"units": "months since 2001-01-01"}))
    with pytest.raises(TimeError, match=r"'months since .*\. Assign the dates"):
        began(hr)


# --- values ---------------------------------------------------------------------------------------


def daily_rain(**about):
    """Rain of which the least amount is 0.01."""
    hr = rain(days=1, step=3).isel(time=slice(0, 8)).rename(tp="pr")
    return hr.assign(pr=(1000 * hr.pr + 0.01).assign_attrs(units="mm", **about))


def with_cells(ds, value, cells=3):
    values = ds.pr.values.copy()
    values[:, :, :cells] = value
    return ds.assign(pr=(ds.pr.dims, values, ds.pr.attrs))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (-99.0, r".where(ds['pr'] != -99)"),
        (-0.001, ".clip(min=0)"),
        (-1.0, ".where(ds['pr'] >= 0)"),
        (9999.0, r".where(ds['pr'] != 9999)"),
    ],
)
def test_marks_and_negative_rain_are_noted(value, says, caplog):
    hr = daily_rain()
    began(with_cells(hr, value))
    assert "'pr' of the HR data" in warnings(caplog)
    assert says in warnings(caplog)
    caplog.clear()
    began(hr, with_cells(hr.downscale.coarsen(2), value))
    assert "'pr' of the LR data" in warnings(caplog)
    assert says in warnings(caplog)


def test_marks_in_static_fields_are_noted(caplog):
    hr = d.hr()
    began(hr.assign(orog=hr.orog.where(hr.latitude < 49.5, -999).assign_attrs(hr.orog.attrs)))
    assert "the least value of 'orog' of the HR data is -999" in warnings(caplog)


def test_plain_values_are_not_noted(caplog):
    began(daily_rain())
    model().predict(d.lr())
    assert warnings(caplog) == ""


def test_suspicious_values_of_a_prediction_are_noted(caplog):
    lr = d.lr()
    cell = (lr.latitude == lr.latitude[0]) & (lr.longitude == lr.longitude[0])
    model().predict(lr.assign(t2m=lr.t2m.where(~cell, -99).assign_attrs(units="K")))
    assert "the least value of 't2m' of the LR data is -99" in warnings(caplog)
    caplog.clear()
    model().predict((lr - 273.15).chunk(time=4))  # lazy data are not read
    assert warnings(caplog) == ""


def test_percentages_and_fractions(caplog):
    hr = d.hr()[["t2m"]].rename(t2m="hurs")
    share = (hr.hurs - 250) / 60
    percent = hr.assign(hurs=(100 * share).assign_attrs(units="%"))
    wrong = hr.assign(hurs=share.assign_attrs(units="%")).downscale.coarsen(2)
    began(percent, wrong)
    assert "'hurs' of the LR data has units of '%', and no value above" in warnings(caplog)
    caplog.clear()
    with pytest.raises(VariableError, match=r"100 times too large, as Pa for hPa or % for 1"):
        began(percent, hr.assign(hurs=(100 * share).assign_attrs(units="1")).downscale.coarsen(2))
    assert "'hurs' of the LR data has values up to" in warnings(caplog)
    caplog.clear()
    began(percent, hr.assign(hurs=share.assign_attrs(units="1")).downscale.coarsen(2))
    assert "it may be" not in warnings(caplog)


def test_a_column_of_land_stays_land():
    hr = d.hr()[["t2m"]]
    sea = hr.where((hr.longitude < hr.longitude[4]) | (hr.longitude > hr.longitude[6]))
    fitted = d.perfect(sea)
    sr = fitted.predict(sea.downscale.coarsen(2))
    np.testing.assert_array_equal(sr.t2m.isnull(), sea.t2m.isnull())
    assert np.isfinite(sr.downscale.evaluate(sea).rmse).all()


def test_missing_cells_of_single_members(caplog):
    hr = d.hr()[["t2m"]]
    members = xr.concat([hr + i for i in range(4)], "realization", coords="minimal")
    some = members.copy(deep=True)
    some.t2m.loc[{"realization": 1, "time": hr.time[2], "latitude": 50.0}] = np.nan
    score = some.downscale.evaluate(hr, scale=2)
    whole = hr.where((hr.time != hr.time[2]) | (hr.latitude != 50.0))
    expected = members.downscale.evaluate(whole, scale=2)
    scores = (one.crps.sel(product="prediction") for one in (score, expected))
    equal(*scores, rtol=1e-6)
    equal(score.rank_histogram, expected.rank_histogram, rtol=1e-6)
    assert "1.56 % of the cells of 't2m' of the prediction are missing in some" in warnings(caplog)
    none = members.where(xr.DataArray(np.arange(4) != 1, dims="realization"))
    none.downscale.evaluate(hr, scale=2)
    assert "1 of 4 members of 't2m' of the prediction have no values" in warnings(caplog)
    cured = none.dropna("realization", how="all").downscale.evaluate(hr, scale=2)
    assert np.isfinite(cured.crps).all()


@pytest.mark.parametrize(
    "options", [{}, {"scaling": "minmax"}, {"loss": "bernoulli_gamma_nll"}], ids=str
)
def test_one_huge_event_beside_zeros(options):
    hr = daily_rain(standard_name="precipitation_amount")
    values = np.zeros(hr.pr.shape, "f4")
    values[3, 4, 5] = 480
    hr = hr.assign(pr=(hr.pr.dims, values, hr.pr.attrs))
    fitted = d.perfect(hr, validation=None, **options)
    sr = fitted.predict(hr.downscale.coarsen(2))
    assert np.isfinite(sr.pr).all()
    assert float(sr.pr.min()) >= 0
    scores = sr.downscale.evaluate(hr)
    assert np.isfinite(scores[["rmse", "mae", "bias", "rmse_skill", "ralsd"]]).to_array().all()


# --- grids ----------------------------------------------------------------------------------------

#: Edges of Gaussian latitudes, which do not lie halfway between them.
EDGES = np.array([60.0, 57.2, 54.3, 51.6, 48.7, 46.0, 43.1, 40.4, 37.5])


def gaussian(dims=("latitude", "nv"), change=lambda b: b):
    centres = np.array([58.7, 55.6, 53.0, 50.0, 47.5, 44.4, 41.8, 38.9])
    centres[[0, -1]] = (EDGES[0] + EDGES[1]) / 2, (EDGES[-2] + EDGES[-1]) / 2
    hr = d.hr()[["t2m"]].assign_coords(latitude=centres)
    hr["latitude"].attrs = {"units": "degrees_north", "bounds": "edges"}
    return hr.assign_coords(edges=(dims, change(np.stack([EDGES[:-1], EDGES[1:]], axis=1))))


BOUNDS = {
    "reversed": gaussian(change=lambda b: b[:, ::-1]),
    "transposed": gaussian(("nv", "latitude"), np.transpose),
    "missing at the rim": gaussian(change=lambda b: np.where(np.arange(8)[:, None] % 7, b, np.nan)),
    "one missing at the rim": gaussian(change=lambda b: np.r_[[[np.nan, b[0, 1]]], b[1:]]),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_in_another_order_or_missing_at_the_rim(name, caplog):
    plain, odd = (ds.downscale.coarsen(2) for ds in (gaussian(), BOUNDS[name]))
    equal(odd.latitude_bnds, plain.latitude_bnds, atol=1e-9)
    equal(odd.t2m, plain.t2m, rtol=1e-6)
    assert warnings(caplog) == ""
    assert not any("bounds" in note for note in BOUNDS[name].downscale.grid.notes)


def test_coordinates_that_are_all_zero_are_shown():
    problems = reading.empty_axes(d.hr()).downscale.grid.problems
    assert any("assign_coords(y=np.arange(8), x=np.arange(12))" in text for text in problems)
    bare = d.plane(d.hr()).assign_coords(y=np.zeros(8), x=np.full(12, np.nan))
    assert [t.split(". ")[1] for t in bare.downscale.grid.problems[:2]] == [
        "Assign the cell centres with .assign_coords(y=...).",
        "Assign the cell centres with .assign_coords(x=...).",
    ]


def test_places_that_are_all_zero_are_not_used(caplog):
    ds = d.plane(d.hr()[["t2m"]])
    zeros = (("y", "x"), np.zeros((8, 12)))
    began(ds.assign_coords(lat=zeros, lon=zeros))
    assert "('lat', 'lon') are not used: all cells have the latitude 0" in warnings(caplog)


def at_longitudes(ds, first, turn=lambda v: v):
    values = first + 0.25 * np.arange(ds.sizes["longitude"])
    return d.bare(ds).assign_coords(longitude=("longitude", turn(values), ds.longitude.attrs))


def in_360(values):
    return values % 360


@pytest.mark.parametrize("order", ["as they are", "sorted"])
def test_longitudes_west_of_greenwich_on_the_side_of_360(order):
    hr = d.hr()[["t2m"]]
    west, odd = at_longitudes(hr, -1.5), at_longitudes(hr, -1.5, in_360)
    odd = odd.sortby("longitude") if order == "sorted" else odd
    expected = model().predict(west.downscale.coarsen(2))
    actual = model().predict(odd.downscale.coarsen(2))
    places = in_360(west.longitude.values)
    found = actual.assign_coords(longitude=in_360(actual.longitude.values)).sel(longitude=places)
    equal(found.t2m, expected.t2m)
    equal(
        actual.downscale.evaluate(west, scale=2).rmse,
        expected.downscale.evaluate(west, scale=2).rmse,
    )


def test_longitudes_without_units_get_the_cure():
    odd = at_longitudes(d.hr(), -1.5, in_360).rename(longitude="x", latitude="y")
    odd["x"].attrs, odd["y"].attrs = {}, {}
    (text,) = odd.downscale.grid.problems
    assert "got 1.25 followed by 1" in text
    assert text.endswith("Set ds['x'].attrs['units'] = 'degrees_east' if it is a longitude.")


@pytest.mark.parametrize("turn", [lambda v: v, in_360], ids=["180", "360"])
def test_static_fields_larger_than_the_domain_on_either_side(turn):
    wide = analytic(y=16, x=32)[["orog"]]
    wide = wide.assign_coords(latitude=("latitude", 51 - 0.25 * np.arange(16), wide.latitude.attrs))
    wide = at_longitudes(wide, -4.0, turn)
    hr = at_longitudes(d.hr()[["t2m"]], -1.5)
    fitted = d.perfect(hr, static=wide)
    expected = wide.orog.values[4:12, 10:22]
    np.testing.assert_array_equal(fitted.state.static.orog.values, expected[::-1])


@pytest.mark.parametrize("types", ["f4 f4", "f4 f8", "f8 f4"])
def test_coordinates_of_a_fine_grid_in_single_precision(types, caplog):
    ds = analytic(time=2, y=120, x=120)[["t2m"]]
    places = {
        "latitude": -30 - (np.arange(120) + 0.5) / 120,
        "longitude": 140 + (np.arange(120) + 0.5) / 120,
    }
    hr = ds.assign_coords({n: (n, v, ds[n].attrs) for n, v in places.items()})
    lr = d.bare(hr.downscale.coarsen(4))
    lr, hr = (
        one.assign_coords({n: (n, one[n].values.astype(t), one[n].attrs) for n in places})
        for one, t in zip((lr, hr), types.split(), strict=True)
    )
    began(hr, lr, validation=None)
    assert "do not nest" not in caplog.text
    assert "cells are left out" not in caplog.text
    assert all(hr.downscale.grid.even.values())


def test_variables_with_the_names_of_dimensions():
    named = d.hr()[["t2m"]].rename(t2m="bnds")
    with pytest.raises(VariableError, match=r"got 'bnds'\. Rename it"):
        named.downscale.coarsen(2)
    assert any("Rename it" in text for text in named.downscale.grid.problems)
    fields = d.hr()[["t2m"]].rename(t2m="member")
    sr = d.perfect(fields).predict(fields.downscale.coarsen(2))
    assert sr.member.dims == fields.member.dims


# --- files and machines ---------------------------------------------------------------------------


def test_many_files_opened_at_once_in_threads(tmp_path):
    hr, lr = d.hr()[["t2m"]], d.lr()
    for i in range(4):
        lr.isel(time=slice(2 * i, 2 * i + 2)).to_netcdf(tmp_path / f"lr{i}.nc")
    expected = model().predict(lr)
    with xr.open_mfdataset(str(tmp_path / "lr*.nc"), engine="netcdf4") as files:
        began(hr, files)
        lazy = model().predict(files)
        with ThreadPoolExecutor(4) as pool:
            for found in pool.map(lambda _: lazy.t2m.compute(), range(4)):
                equal(found, expected.t2m)
        lazy.to_netcdf(tmp_path / "sr.nc")


def swapped(path, target):
    """Copy a NetCDF file in the other byte order."""
    with netCDF4.Dataset(path) as old, netCDF4.Dataset(target, "w") as new:
        new.setncatts({k: old.getncattr(k) for k in old.ncattrs()})
        for name, dim in old.dimensions.items():
            new.createDimension(name, len(dim))
        old.set_auto_mask(False)
        for name, variable in old.variables.items():
            attrs = {k: variable.getncattr(k) for k in variable.ncattrs()}
            fill = attrs.pop("_FillValue", None)
            numbers = variable.dtype != str and variable.dtype.kind in "if"
            order = {"endian": "big"} if numbers else {}
            made = new.createVariable(
                name, variable.dtype, variable.dimensions, fill_value=fill, **order
            )
            made.setncatts(attrs)
            made[...] = variable[...]


def test_a_model_in_the_byte_order_of_another_machine(tmp_path):
    fitted = d.fitted("plain")
    fitted.save(tmp_path / "model")
    state = tmp_path / "model" / storage.STATE
    swapped(state, tmp_path / "state.nc")
    (tmp_path / "state.nc").replace(state)
    path = tmp_path / "model" / storage.CONFIG
    config = json.loads(path.read_text("utf-8"))
    config["sha256"][storage.STATE] = storage._digest(state)
    config["sha256"][storage.CONFIG] = storage._own_digest(config)
    path.write_text(json.dumps(config), "utf-8")
    equal(xd.load(tmp_path / "model").predict(d.lr()).t2m, fitted.predict(d.lr()).t2m)


@pytest.mark.parametrize("chunks", [None, {"time": 4}])
def test_data_in_the_byte_order_of_another_machine(chunks):
    lr, hr = d.lr(), d.hr()[["t2m"]]
    lr = lr.assign(t2m=lr.t2m.astype(">f4")).assign_coords(
        longitude=("longitude", lr.longitude.values.astype(">f8"), lr.longitude.attrs)
    )
    began(hr.assign(t2m=hr.t2m.astype(">f4")), lr)
    equal(model().predict(lr.chunk(chunks) if chunks else lr).t2m, model().predict(d.lr()).t2m)


PROGRAM = """
import hashlib
from tests.errors import data as d
fitted = d.hr()[["t2m"]].downscale.fit(
    scale=2, dropout="vanilla", monte_carlo=True, seed=3, validation=None, **d.TINY
)
members = fitted.predict(d.lr(), realizations=2, seed=7).t2m
differ = float(abs(members.diff("realization")).max()) > 0
print(hashlib.sha256(members.values.tobytes()).hexdigest(), differ)
"""


@pytest.mark.slow
def test_one_seed_in_two_processes():
    found = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PROGRAM],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    assert found.pop().endswith("True\n")


def test_scores_of_two_units_of_length_tell_them():
    hr = d.in_europe(d.hr())
    km = {c: (c, hr[c].data / 1000, {"units": "km"}) for c in ("y", "x")}
    with pytest.raises(GridError, match=r"to one unit of length: they are in 'm' and 'km'"):
        hr.downscale.evaluate(hr.assign_coords(km), scale=2)


def test_a_list_is_no_pair_of_validation_data():
    with pytest.raises(
        ValueError, match=r"got list\. Pass \(hr\.downscale\.coarsen\(scale\), hr\)"
    ):
        d.perfect(d.hr(), validation=[d.lr(), d.hr()])


# --- what a breaker found -------------------------------------------------------------------------


def test_initialization_times_beside_valid_times_do_not_become_these(tmp_path):
    hr = d.hr(time=16)[["t2m"]]
    late = hr.assign_coords(valid_time=("time", hr.time.values))
    late = late.assign_coords(time=hr.time.values - 24 * HOUR)
    lr = late.downscale.coarsen(2)
    assert "standard_name" not in lr.time.attrs
    fitted = d.mos(lr, hr)
    assert fitted.provenance["period"][0].startswith("2001-01-01 00:00")
    out = fitted.predict(lr)
    plain = hr.downscale.coarsen(2)
    equal(out.downscale.evaluate(hr).rmse, fitted.predict(plain).downscale.evaluate(hr).rmse)


@pytest.mark.parametrize("kind", ["levels", "labels"])
def test_samples_in_another_order_are_told_by_their_labels(kind):
    hr = d.hr()[["t2m"]].drop_vars("time")
    if kind == "levels":
        index = pd.MultiIndex.from_product([[2001, 2002], [1, 4, 7, 10]], names=["year", "month"])
        hr = hr.assign_coords(xr.Coordinates.from_pandas_multiindex(index, "time"))
    else:
        hr = hr.assign_coords(case=("time", [f"storm {i}" for i in range(8)]))
    lr = d.lr().drop_vars("time").assign_coords({n: hr[n] for n in hr.coords if "l" not in n[:1]})
    began(hr, lr)
    turned = lr.isel(time=slice(None, None, -1))
    with pytest.raises(TimeError, match=r"samples of the LR data and .* in one order, got"):
        began(hr, turned)
    with pytest.raises(TimeError, match=r"as '(year|month|case)' at position 0\. Sort both"):
        hr.isel(time=slice(None, None, -1)).downscale.evaluate(hr, scale=2)


@pytest.mark.parametrize("several", [True, False])
def test_a_target_with_the_name_of_a_scalar_coordinate_of_lr(several):
    height = (d.hr().t2m * 10).assign_attrs(units="m").rename("height").to_dataset()
    hr = height.assign(t2m=d.hr().t2m) if several else height
    lr = hr.downscale.coarsen(2).rename(height="zg").assign_coords(height=2.0)
    fitted = d.mos(lr, hr, counterparts={"height": "zg"})
    out = fitted.predict(lr)
    assert set(out.data_vars) == set(hr.data_vars)
    assert out.height.dims == hr.height.dims
    assert np.isfinite(out.height).all()
    bare = lr.drop_vars("height")
    equal(out.height, fitted.predict(bare).height)


def test_a_spread_with_the_name_of_a_coordinate():
    fitted = d.perfect(d.hr()[["t2m"]], loss="gaussian_nll")
    out = fitted.predict(d.lr().assign_coords(t2m_spread=3.0), spread=True)
    assert out.t2m_spread.dims == out.t2m.dims


def test_windows_of_steps_of_another_length(caplog):
    fitted = d.perfect(d.hr(time=24)[["t2m"]], time_window=2)  # 6 hours
    lr = d.lr(time=24)

    def every(hours):
        return lr.assign_coords(time=lr.time.values[0] + hours * HOUR * np.arange(24))

    with pytest.raises(TimeError, match=r"in steps of 6 hours, as in .*, got steps of 1 hours\."):
        fitted.predict(every(1))
    fitted.predict(every(1).isel(time=[0]))  # a single step has no step length
    assert not warnings(caplog)
    fitted.predict(every(24))
    assert "the LR data have no 2 steps of 6 hours in a row" in warnings(caplog)


def test_a_window_that_is_never_full_is_noted(caplog):
    fitted = d.perfect(d.hr(time=24)[["t2m"]], time_window=3)
    lr = d.lr(time=24).isel(time=[0, 1, 4, 5, 8, 9])
    fitted.predict(lr)
    assert "the LR data have no 3 steps of 6 hours in a row" in caplog.text


@pytest.mark.parametrize("units", [None, "K"])
def test_lr_in_another_unit_than_stated_is_refused_by_fit(units, caplog):
    hr = d.hr()[["t2m"]]
    lr = d.lr().assign(t2m=d.lr().t2m - 273.15)
    lr.t2m.attrs = {} if units is None else {"units": units}
    with pytest.raises(VariableError, match=r"'t2m' of the LR data near the values of the HR data"):
        began(hr, lr)
    with pytest.raises(VariableError, match=r"'t2m' of the LR validation data near the values"):
        began(hr, d.lr(), validation=(lr, hr))
    factor = d.lr().assign(t2m=((d.lr().t2m - d.lr().t2m.mean()) * 1e-3 + 280).drop_attrs())
    began(hr, factor)
    assert "'t2m' has a standard deviation of" in caplog.text


@pytest.mark.parametrize("lazy", [False, True])
def test_celsius_labelled_as_kelvin_in_evaluate_is_told(lazy, caplog):
    truth = d.hr()[["t2m"]]
    prediction = (truth - 273.15).assign(t2m=lambda ds: ds.t2m.assign_attrs(units="K"))
    mine = prediction.chunk(time=4) if lazy else prediction
    mine.downscale.evaluate(truth)
    told = "'t2m' has a mean of .* in the prediction and of .* in the truth, as of degC and K"
    assert bool(re.search(told, caplog.text)) is not lazy  # lazy data are not read
    caplog.clear()
    (truth + 5.0).downscale.evaluate(truth)
    assert "as of degC and K" not in caplog.text


@pytest.mark.parametrize("stamp", ["00", "12"])
def test_days_stamped_at_their_end_beside_days_without_bounds(stamp, caplog):
    days = pd.date_range("2001-01-01", periods=8)
    hr = d.hr()[["t2m"]].assign_coords(time=days + pd.Timedelta(f"{stamp}h"))
    lr = hr.downscale.coarsen(2)
    edges = np.stack([days, days + pd.Timedelta("1D")], axis=1)
    late = lr.assign_coords(time=days + pd.Timedelta("1D"), edges=(("time", "nv"), edges))
    late["time"].attrs["bounds"] = "edges"
    fitted, plain = d.mos(late, hr, validation=None), d.mos(lr, hr, validation=None)
    assert "are matched with the HR data by the day of their time stamps" in caplog.text
    for mine, other in zip(fitted.network.weights, plain.network.weights, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_two_targets_of_one_standard_name_share_no_counterpart(caplog):
    hr = d.hr()[["t2m"]].rename(t2m="tasmax")
    hr = hr.assign(tasmin=hr.tasmax - 5)
    hr.tasmin.attrs = hr.tasmax.attrs
    began(hr, d.lr().rename(t2m="tas"))
    assert "is taken as the counterpart" not in caplog.text
    assert "LR has no ['tasmax', 'tasmin']" in caplog.text


def test_levels_are_no_counterpart_of_a_field_without():
    hr, lr = d.hr()[["t2m"]], d.levels(d.lr()).rename(t2m="ta")
    with untrained(), pytest.raises(TrainingBeganError):
        d.mos(lr, hr)
    with pytest.raises(VariableError, match=r"'ta' of the LR data to have as many dimensions"):
        d.mos(lr, hr, counterparts={"t2m": "ta"})
    began(hr, lr.isel(level=0), counterparts={"t2m": "ta"})


def test_another_level_at_prediction_and_in_scores(tmp_path):
    def at(ds, level):
        return ds.assign_coords(plev=((), level, {"units": "hPa"}))

    hr, lr = at(d.hr()[["t2m"]], 500.0), at(d.lr(), 500.0)
    model = d.mos(lr, hr)
    model.save(tmp_path / "model")
    for one in (model, xd.load(tmp_path / "model")):
        out = one.predict(lr)
        with pytest.raises(VariableError, match=r"LR data at pressure 500 hPa as in training"):
            one.predict(at(lr, 850.0))
    with pytest.raises(VariableError, match=r"'t2m' of the prediction at pressure 850 hPa as"):
        out.downscale.evaluate(at(hr, 850.0))
    out.downscale.evaluate(hr)


@pytest.mark.parametrize(
    ("attrs", "says"),
    [
        ({"standard_name": "wind_from_direction"}, "holds a direction: average its components"),
        ({"flag_values": [1, 2]}, "holds classes: average the share"),
        ({"cell_methods": "area: sum time: mean"}, "holds a sum over each cell: divide it by"),
    ],
)
def test_what_has_no_mean_is_noted(attrs, says, caplog):
    odd = d.hr()[["t2m"]].assign(t2m=d.hr().t2m.drop_attrs().assign_attrs(attrs))
    odd.downscale.coarsen(2)
    odd.downscale.interpolate(d.lr(), method="bilinear")
    began(odd, scale=2)
    assert caplog.text.count(says) == 3
    caplog.clear()
    odd.downscale.interpolate(d.lr(), method="nearest")
    assert says not in caplog.text


def test_one_name_for_two_statistics_is_noted(caplog):
    hr, lr = d.hr()[["t2m"]], d.lr()
    hr.t2m.attrs["cell_methods"] = "time: maximum"
    lr.t2m.attrs["cell_methods"] = "time: mean"
    began(hr, lr)
    assert "cell_methods) 'mean' in the LR data and 'maximum' in the HR data" in caplog.text


def test_zero_kelvin_is_a_mark(caplog):
    hr = d.hr()[["t2m"]]
    began(hr.where(hr.latitude < 50, 0.0), scale=2)
    assert "the least value of 't2m' of the HR data is 0, which often marks missing" in caplog.text


def test_quantities_of_pint_are_to_become_numbers():
    class Quantity(np.ndarray):
        magnitude, units = 1, "degC"

    hr = d.hr()[["t2m"]]
    quantity = hr.t2m.copy(data=hr.t2m.values).variable
    quantity._data = hr.t2m.values.view(Quantity)
    odd = hr.assign(t2m=(hr.t2m.dims, quantity._data, {}))
    odd.t2m.variable._data = quantity._data
    with pytest.raises(VariableError, match=r"plain numbers .*Use \.pint\.dequantize\(\)"):
        odd.downscale.coarsen(2)


def test_axes_in_km_for_a_model_in_metres():
    hr = d.plane(d.hr()[["t2m"]])
    model = d.perfect(hr)
    lr = hr.downscale.coarsen(2)
    km = d.bare(lr).drop_vars(["y_bnds", "x_bnds"], errors="ignore")
    km = km.assign_coords({n: (n, lr[n].values / 1000, {"units": "km"}) for n in ("y", "x")})
    with pytest.raises(GridError, match=r"the LR data and the training data in one unit of length"):
        model.predict(km)


def test_points_in_a_search_tree():
    from xarray.indexes import NDPointIndex

    hr = d.hr()[["t2m"]]
    lat, lon = np.meshgrid(hr.latitude, hr.longitude, indexing="ij")
    two = hr.assign_coords(la=(("latitude", "longitude"), lat), lo=(("latitude", "longitude"), lon))
    odd = two.set_xindex(("la", "lo"), NDPointIndex)
    xr.testing.assert_equal(odd.downscale.coarsen(2).t2m, two.downscale.coarsen(2).t2m)


def zone(ds, number):
    """The same numbers of metres in a zone of UTM."""
    return d.mapped(d.plane(ds, 10e3, 5.5e6, 4e5), d.cf_only(f"EPSG:{number}"))


def test_the_same_numbers_in_another_crs_are_another_place():
    hr = d.hr()[["t2m"]]
    here, there = zone(hr, 25832), zone(hr, 25833)
    model = d.mos(here.downscale.coarsen(2), here)
    out = model.predict(here.downscale.coarsen(2))
    with pytest.raises(GridError, match=r"overlap|to cover the training domain"):
        model.predict(there.downscale.coarsen(2))
    with pytest.raises(GridError, match=r"prediction and truth in one CRS, got transverse_merc"):
        out.downscale.evaluate(there, scale=2)
    lr, other = here.downscale.coarsen(2), (there.downscale.coarsen(2), there)
    with pytest.raises(GridError, match=r"validation data on the training grids"):
        d.mos(lr, here, validation=other)
    localized = d.mos(here.downscale.coarsen(2), here, localized=True)
    with pytest.raises(GridError, match=r"the HR cells of the model in start="):
        d.mos(there.downscale.coarsen(2), there, localized=True, start=localized)


@pytest.mark.parametrize("feature", ["hour_of_day", "solar_zenith"])
def test_features_of_time_follow_the_stamps_of_lr_in_training_too(feature, monkeypatch):
    days = pd.date_range("2001-01-01", periods=8)
    hr = d.hr()[["t2m"]].assign_coords(time=days)
    lr = hr.downscale.coarsen(2).assign_coords(time=days + pd.Timedelta("12h"))
    from xr_dl4ds.data import state

    seen = []
    compute = state.forcings

    def spy(times, places, template, *grids):
        seen.append(template.indexes["time"])
        return compute(times, places, template, *grids)

    monkeypatch.setattr(state, "forcings", spy)
    model = d.mos(lr, hr, time_features=[feature], validation=None)
    model.predict(lr)
    assert seen[0].equals(seen[-1])
    assert (seen[0].hour == 12).all()


def ends(ds, step="1D"):
    """Stamped at the end of bounds."""
    times = ds.indexes["time"]
    edges = np.stack([times, times + pd.Timedelta(step)], axis=1)
    out = ds.assign_coords(time=edges[:, 1], edges=(("time", "nv"), edges))
    out["time"].attrs["bounds"] = "edges"
    return out


def test_ends_of_days_with_gaps_and_of_short_steps(caplog):
    days = pd.date_range("2001-01-01", periods=8)
    hr = d.hr()[["t2m"]].assign_coords(time=days)
    lr = hr.downscale.coarsen(2)
    some, others = [0, 1, 3, 4, 5, 6, 7], [0, 2, 3, 4, 5, 6, 7]
    scores = [
        one.isel(time=some).downscale.evaluate(hr.isel(time=others), scale=2).rmse
        for one in (ends(hr + 1), hr + 1)
    ]
    equal(*scores)
    early = ends(lr), hr.isel(time=slice(2, 8))
    began(early[1], early[0])  # LR that begins earlier
    began(ends(hr).drop_vars("edges"), ends(lr))  # the same stamps, of which one side has bounds
    caplog.clear()
    hours = d.hr()[["t2m"]]
    began(hours, ends(hours.downscale.coarsen(2), "6h"))
    assert "have their times at the end of each step, as their bounds say" in caplog.text


def test_bounds_in_the_former_calendar_are_not_used():
    hr = ends(d.hr()[["t2m"]], "6h").convert_calendar("noleap")
    began(hr, scale=2)
    assert not hr.downscale.grid.problems


def test_cells_beyond_the_training_domain_lose_its_mask_with_a_warning(caplog):
    lr, hr = d.bare(d.lr()), d.hr()[["t2m"]]
    part = lr.isel(latitude=slice(0, 3))
    masked = hr.where(hr.longitude < 6.5).isel(latitude=slice(0, 6))
    model = d.mos(part, masked)
    assert int(model.predict(part).t2m.isnull().sum()) > 0
    assert "lie beyond the training domain" not in caplog.text
    model.predict(lr)
    assert "cells that never had a value in training are predicted" in caplog.text


def test_levels_of_predictors_are_compared():
    def at(level):
        low = d.lr().rename(t2m="q").assign_coords(plev=((), level, {"units": "hPa"}))
        return low

    model = d.mos(d.lr(), d.hr(), predictors=at(500.0))
    model.predict(d.lr(), predictors=at(500.0))
    with pytest.raises(VariableError, match=r"'q' of predictors= at pressure 500 hPa as in"):
        model.predict(d.lr(), predictors=at(850.0))


def test_another_statistic_at_prediction_is_noted(caplog):
    hr, lr = d.hr()[["t2m"]], d.lr()
    for ds in (hr, lr):
        ds.t2m.attrs["cell_methods"] = "time: maximum"
    model = d.mos(lr, hr)
    model.predict(lr)
    assert "cell_methods" not in caplog.text
    lr.t2m.attrs["cell_methods"] = "time: minimum"
    model.predict(lr)
    assert "cell_methods) 'minimum' in the LR data and 'maximum' in training" in caplog.text


def test_unknown_standard_names_and_sums_and_fluxes_raise_no_alarm(caplog):
    hr, lr = d.hr()[["t2m"]], d.lr()
    for ds in (hr, lr):
        ds.t2m.attrs["standard_name"] = "unknown"
    began(hr, lr.rename(t2m="d2m"))
    assert "is taken as the counterpart" not in caplog.text
    caplog.clear()
    rain = daily_rain()
    low = rain.downscale.coarsen(2)
    rain.pr.attrs |= {"standard_name": "lwe_precipitation_rate", "cell_methods": "time: sum"}
    low.pr.attrs |= {"standard_name": "precipitation_flux", "cell_methods": "time: mean"}
    began(rain, low)
    assert "rename one of them" not in caplog.text


@pytest.mark.parametrize("units", ["K", "Kelvin", "deg_K"])
def test_zero_kelvin_in_any_spelling(units, caplog):
    hr = d.in_units(d.hr()[["t2m"]], units)
    began(hr.where(hr.latitude < 50, 0.0), scale=2)
    assert "the least value of 't2m' of the HR data is 0" in caplog.text


def at_levels(ds, labels, units, name="t2m"):
    """Two levels; None for a dimension without labels."""
    out = d.levels(d.bare(ds)[[name]], "level", labels or (0, 1), name=name)
    if labels is None:
        return out.drop_vars("level")
    out["level"].attrs["units"] = units
    return out


def test_levels_of_two_quantities_do_not_pair(caplog):
    lr, hr = at_levels(d.lr(), (10, 20), "m"), at_levels(d.hr(), (10, 20), "hPa")
    with pytest.raises(VariableError, match=r"'t2m_10' of the LR data at pressure 10 hPa as in"):
        d.mos(lr, hr)
    with pytest.raises(VariableError, match=r"at level 0 \(without label\) as in .* got level 0 m"):
        d.mos(at_levels(d.lr(), (0, 1), "m"), at_levels(d.hr(), None, ""))
    model = d.mos(at_levels(d.lr(), (10, 20), "hPa"), hr)
    with pytest.raises(VariableError, match=r"'t2m_10' of the LR data at pressure 10 hPa as in tr"):
        model.predict(lr)
    with pytest.raises(VariableError, match=r"'t2m_10' of the prediction at pressure 10 hPa as in"):
        at_levels(d.hr(), (10, 20), "m").downscale.evaluate(hr, scale=2)


def test_levels_in_another_unit_are_the_same_levels():
    model = d.mos(at_levels(d.lr(), (500, 850), "hPa"), at_levels(d.hr(), (500, 850), "hPa"))
    expected = model.predict(at_levels(d.lr(), (500, 850), "hPa"))
    actual = model.predict(at_levels(d.lr(), (50000.0, 85000.0), "Pa"))
    xr.testing.assert_equal(actual, expected)
    assert list(actual.level) == [500, 850]


@pytest.mark.parametrize("side", ["LR", "HR"])
def test_validation_pairs_and_data_for_start_are_compared_with_training(side, caplog):
    lr, hr = d.bare(d.lr()), d.hr()[["t2m"]]
    screen = {"height": ((), 2.0, {"units": "m"})}
    lr, hr = lr.assign_coords(screen), hr.assign_coords(screen)
    for ds in (lr, hr):
        ds.t2m.attrs["cell_methods"] = "time: mean"
    tower = {"height": ((), 100.0, {"units": "m"})}
    high = [lr.assign_coords(tower), hr] if side == "LR" else [lr, hr.assign_coords(tower)]
    with pytest.raises(VariableError, match=f"the {side} validation data at height 2 m as in tr"):
        d.mos(lr, hr, validation=tuple(high))
    greatest = [ds.copy() for ds in (lr, hr)]
    for ds in greatest:
        ds["t2m"] = ds.t2m.assign_attrs(cell_methods="time: maximum")
    d.mos(lr, hr, validation=tuple(greatest))
    assert f"'maximum' in the {side} validation data and 'mean' in training" in caplog.text
    model = d.mos(lr, hr)
    with pytest.raises(VariableError, match=r"at height 2 m as in the model in start="):
        d.mos(lr.assign_coords(tower), hr.assign_coords(tower), start=model)
    caplog.clear()
    d.mos(*greatest, start=model)
    assert "'maximum' in the HR data and 'mean' in the model in start=" in caplog.text


def test_data_without_units_are_told(caplog):
    bare = d.lr().drop_attrs()
    model().predict(bare)
    assert "'t2m' has no units in the LR data, and is taken to be in 'K', as in tr" in caplog.text
    caplog.clear()
    began(d.hr()[["t2m"]], bare)
    assert (
        "'t2m' has no units in the LR data, and is taken to be in 'K', as in the HR" in caplog.text
    )
    caplog.clear()
    began(d.hr()[["t2m"]].drop_attrs(deep=True), d.lr())
    assert "'t2m' has no units in the HR data" in caplog.text


def in_pascal(ds, name="t2m", labels=(50000.0, 85000.0)):
    return at_levels(ds, labels, "Pa", name)


def in_hectopascal(ds, name="t2m", labels=(500, 850)):
    return at_levels(ds, labels, "hPa", name)


def test_units_of_lr_count_where_hr_has_none(caplog):
    hr = daily_rain()
    hr.pr.attrs["units"] = "mm d-1"
    lr = hr.downscale.coarsen(2)
    model = d.mos(lr, hr.assign(pr=hr.pr.drop_attrs(deep=False)), validation=None)
    caplog.clear()
    expected = model.predict(lr).pr
    assert expected.attrs["units"] == hr.pr.attrs["units"]
    assert "no units" not in caplog.text
    flux = lr.assign(pr=(lr.pr / 86400).assign_attrs(lr.pr.attrs | {"units": "kg m-2 s-1"}))
    equal(model.predict(flux).pr, expected, rtol=1e-4, atol=1e-5)


def test_levels_of_the_baselines_are_compared():
    low = {"plev": ((), 500.0, {"units": "hPa"})}
    lr, hr = d.bare(d.lr()).assign_coords(low), d.hr()[["t2m"]].assign_coords(low)
    high = lr.assign_coords(plev=((), 850.0, {"units": "hPa"}))
    with pytest.raises(VariableError, match=r"'t2m' of the LR data at pressure 500 hPa as in the"):
        hr.downscale.evaluate(hr, lr=high)
    scores = [
        in_hectopascal(d.hr()).downscale.evaluate(truth, lr=lr).rmse
        for truth in (in_hectopascal(d.hr()), in_pascal(d.hr()))
        for lr in (in_hectopascal(d.lr()), in_pascal(d.lr()))
    ]
    assert all(np.array_equal(scores[0], one) for one in scores)


def test_the_height_of_screens_is_no_depth_of_soil():
    def soil(depths):
        return at_levels(d.lr().rename(t2m="q"), depths, "m", "q").rename(level="depth")

    model = d.mos(d.lr(), d.hr(), predictors=soil((0.5, 1.25)))
    with pytest.raises(VariableError, match=r"Expected .* 'q_1.25'|'q_1.25'"):
        model.predict(d.lr(), predictors=soil((0.5, 2.0)))
    one = {"depth": ((), 1.25, {"units": "m"})}
    other = {"depth": ((), 2.0, {"units": "m"})}
    model = d.mos(d.lr().assign_coords(one), d.hr().assign_coords(one))
    with pytest.raises(VariableError, match=r"at depth 1.25 m as in training, got depth 2 m"):
        model.predict(d.lr().assign_coords(other))
    heights = [{"height": ((), value, {"units": "m"})} for value in (1.5, 2.0)]
    model = d.mos(d.lr().assign_coords(heights[0]), d.hr().assign_coords(heights[0]))
    model.predict(d.lr().assign_coords(heights[1]))


def test_two_variables_for_one_level():
    model = d.mos(in_hectopascal(d.lr()), in_hectopascal(d.hr()))
    beside = d.mos(d.lr(), d.hr(), predictors=in_hectopascal(d.lr().rename(t2m="q"), "q"))
    odd = in_pascal(d.lr().rename(t2m="q"), "q").assign(q_500=d.bare(d.lr()).t2m + 3)
    with pytest.raises(VariableError, match=r"for 'q_500', got \['q_50000', 'q_500'\], which"):
        beside.predict(d.lr(), predictors=odd)
    near = at_levels(d.lr(), (50000.0, 50000.1), "Pa")
    with pytest.raises(VariableError, match=r"one variable of the LR data for 't2m_500', got"):
        model.predict(near)


def test_levels_whose_numbers_occur_in_both_units():
    model = d.mos(*(in_hectopascal(ds, labels=(1, 100)) for ds in (d.lr(), d.hr())))
    expected = model.predict(in_hectopascal(d.lr(), labels=(1, 100)))
    xr.testing.assert_equal(model.predict(in_pascal(d.lr(), labels=(100.0, 10000.0))), expected)


def test_levels_close_to_one_another_in_two_units():
    lr, hr = (at_levels(ds, (1.5, 2.0), "m").rename(level="height") for ds in (d.lr(), d.hr()))
    model = d.mos(lr, hr)
    centimetres = at_levels(d.lr(), (150.0, 200.0), "cm").rename(level="height")
    xr.testing.assert_equal(model.predict(centimetres), model.predict(lr))


def test_levels_of_bands_in_another_unit():
    def bands(ds):
        return xr.concat([ds, ds + 5], "band", coords="minimal").assign_coords(band=["a", "b"])

    roles = {"extra_dims": {"band": "channels"}}
    lr, hr = (bands(in_hectopascal(ds)) for ds in (d.lr(), d.hr()))
    model = d.mos(lr, hr, **roles)
    actual = model.predict(bands(in_pascal(d.lr())), **roles)
    xr.testing.assert_equal(actual, model.predict(lr, **roles))


def test_levels_of_lr_and_hr_in_two_units(tmp_path):
    hr = in_hectopascal(d.hr())
    expected = d.mos(in_hectopascal(d.lr()), hr).predict(in_hectopascal(d.lr()))
    model = d.mos(in_pascal(d.lr()), hr)
    model.save(tmp_path / "model")
    for one in (model, xd.load(tmp_path / "model")):
        xr.testing.assert_equal(one.predict(in_pascal(d.lr())), expected)
        xr.testing.assert_equal(one.predict(in_hectopascal(d.lr())), expected)
    tuned = d.mos(in_pascal(d.lr()), hr, start=model)
    assert list(tuned.predict(in_hectopascal(d.lr())).level) == [500, 850]


def test_an_entry_along_levels_beside_a_variable():
    with pytest.raises(VariableError, match=r"an entry of 't2m' in the LR data and a variable in"):
        d.mos(in_hectopascal(d.lr()), d.hr()[["t2m"]].rename(t2m="t2m_500"))
    single = in_hectopascal(d.lr()).isel(level=0)
    out = d.mos(single, in_hectopascal(d.hr())).predict(single)
    assert dict(out.t2m.sizes)["level"] == 2
    assert list(out.level) == [500, 850]


def test_units_and_calendar_in_the_attributes_of_dates(tmp_path):
    # xarray refuses to write these attributes of decoded dates
    model, odd = d.mos(d.lr(), d.hr()), d.lr()
    odd.time.attrs = {"units": "m", "calendar": "noleap"}
    odd.time.encoding = {"units": "x", "calendar": None}
    model.predict(odd).to_netcdf(tmp_path / "sr.nc", engine="netcdf4")
    with xr.open_dataset(tmp_path / "sr.nc", engine="netcdf4") as found:
        assert found.time.to_index().equals(odd.time.to_index())

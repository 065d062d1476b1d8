"""Inputs of kinds that public bug reports describe: right, converted with a warning, or refused.

The sources are threads of xclim, xarray, rioxarray, cfgrib, climpred, xwrf and regionmask; the
inputs are our own. Errors alone are in `tests/errors`.
"""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import analytic
from xr_dl4ds.exceptions import GridError, TimeError

TINY = {"n_blocks": 1, "n_filters": 4, "epochs": 1, "verbose": False, "seed": 0}


def hindcast(truth, initializations, leads):
    """Perfect LR forecasts of the truth: (init, lead, latitude, longitude)."""
    valid = initializations.values[:, None] + leads.values[None]
    lr = truth.downscale.coarsen(4).t2m
    lr = lr.sel(time=xr.DataArray(valid, dims=("init", "lead"))).drop_vars("time")
    lr = lr.assign_coords(init=initializations, lead=leads).to_dataset(name="t2m")
    return lr.transpose("init", "lead", ...), valid


@pytest.mark.parametrize("stated", [True, False])
def test_forecasts_are_paired_with_the_truth_at_their_valid_times(stated):
    truth = analytic(time=100)[["t2m"]]
    days = xr.DataArray(np.arange(100) / 2, dims="time", coords={"time": truth.time})
    truth["t2m"] = (truth.t2m + days).astype("f4").transpose("time", ...)
    truth["t2m"].attrs["units"] = "K"
    start = pd.Timestamp(truth.time.values[0])
    lr, valid = hindcast(
        truth, pd.date_range(start, periods=30, freq="12h"), pd.to_timedelta([48, 54], "h")
    )
    if stated:
        lr = lr.assign_coords(valid_time=(("init", "lead"), valid))
    roles = {"extra_dims": {"lead": "samples"}}
    model = lr.downscale.fit(truth, **roles, **{**TINY, "epochs": 8, "learning_rate": 1e-2})
    sr = lr.downscale.predict(model, **roles)
    np.testing.assert_array_equal(sr.valid_time.transpose("init", "lead"), valid)
    assert sr.init.attrs["standard_name"] == "forecast_reference_time"
    assert sr.valid_time.attrs["standard_name"] == "time"
    wanted = truth.t2m.sel(time=xr.DataArray(valid, dims=("init", "lead")))
    assert abs(float((sr.t2m - wanted).mean())) < 0.5  # at init, the truth is 4 K colder
    scores = sr.isel(lead=1).downscale.evaluate(truth)
    assert abs(float(scores.bias.sel(product="prediction"))) < 0.5
    assert abs(float(scores.bias.sel(product="bilinear"))) < 0.1


def wrf(ds):
    """Steps without an index, whose dates are in another coordinate."""
    return ds.swap_dims(time="Time").rename(time="XTIME")


def test_dates_beside_the_time_dimension_are_the_time_axis():
    hr = wrf(analytic(time=24)[["t2m"]])
    lr = hr.downscale.coarsen(4)
    late = lr.assign_coords(XTIME=lr.XTIME + np.timedelta64(30, "D"))
    with pytest.raises(TimeError, match="times in common, got the LR data with 24 steps from 2001"):
        late.downscale.fit(hr, **TINY)
    shifted = lr.isel(Time=slice(4, None))  # by position, it would be paired with other steps
    model = shifted.downscale.fit(hr, **TINY)
    assert model.provenance["period"][0] == str(pd.Timestamp(hr.XTIME.values[4]))
    sr = shifted.downscale.predict(model)
    assert sr.t2m.dims == ("Time", "latitude", "longitude")
    np.testing.assert_array_equal(sr.XTIME, shifted.XTIME)
    expected = shifted.swap_dims(Time="XTIME").rename(XTIME="time").downscale.predict(model)
    np.testing.assert_array_equal(sr.t2m, expected.t2m)
    scores = sr.downscale.evaluate(hr, lr=lr)
    plain = [ds.swap_dims(Time="XTIME").rename(XTIME="time") for ds in (sr, hr, lr)]
    expected = plain[0].downscale.evaluate(plain[1], lr=plain[2])
    np.testing.assert_array_equal(scores.rmse, expected.rmse)
    assert "the dates along 'Time' are those of 'XTIME'" in " ".join(hr.downscale.grid.notes)


@pytest.mark.parametrize("key", ["_FillValue", "missing_value"])
def test_missing_values_that_attributes_mark(key, caplog):
    hr = analytic()[["t2m"]]
    sea = (hr.latitude < 49.5) & (hr.longitude > 6)
    right = hr.where(~sea)
    marked = hr.assign(t2m=hr.t2m.where(~sea, np.float32(-9999)))
    marked.t2m.attrs = {"units": "K", key: np.float32(-9999)}
    model = marked.downscale.fit(scale=4, **TINY)
    assert f"-9999 ({key}): they are masked" in caplog.text
    lr = marked.downscale.coarsen(4)
    xr.testing.assert_equal(lr.t2m, right.downscale.coarsen(4).t2m)
    sr = lr.downscale.predict(model)
    np.testing.assert_array_equal(sr.t2m.isnull(), right.t2m.isnull())
    assert float(sr.downscale.evaluate(marked).rmse.sel(product="prediction")) < 20
    assert any("marks missing values by -9999" in n for n in marked.downscale.grid.notes)


def tripolar(ny=24, nx=36):
    """Ellipses around the pole: the last row is folded."""
    j, i = np.meshgrid(np.arange(ny), np.arange(nx), indexing="ij")
    angle, height = 2 * np.pi * (i + 0.5) / nx, 1.5 * (ny - 1 - j) / ny
    x, y = 20 * np.cosh(height) * np.cos(angle), 20 * np.sinh(height) * np.sin(angle)
    ds = analytic(y=ny, x=nx).rename(latitude="j", longitude="i")
    ds = ds.drop_vars(["latitude_bnds", "longitude_bnds"], errors="ignore")
    lat, lon = 90 - np.hypot(x, y), np.rad2deg(np.arctan2(y, x)) % 360
    return ds.assign_coords(
        j=np.arange(ny),
        i=np.arange(nx),
        latitude=(("j", "i"), lat, {"units": "degrees_north"}),
        longitude=(("j", "i"), lon, {"units": "degrees_east"}),
    )


def test_a_curvilinear_grid_and_its_block_means_are_one_grid(caplog):
    hr = tripolar()
    lr = hr[["t2m"]].downscale.coarsen(3)
    model = lr.downscale.fit(hr, **TINY)
    assert model.state.pairing.method == "nested"
    sr = lr.downscale.predict(model)
    assert sr.t2m.shape == hr.t2m.shape
    assert list(model.state.static) == ["orog"]
    np.testing.assert_array_equal(model.state.static.orog, hr.orog)
    assert "regridded" not in caplog.text
    sr.downscale.evaluate(hr[["t2m"]], lr=lr)


def test_a_shifted_curvilinear_grid_is_another_one(caplog):
    hr = tripolar()[["t2m"]]
    lr = hr.downscale.coarsen(3)
    moved = lr.assign_coords(latitude=lr.latitude - 5, longitude=(lr.longitude + 10) % 360)
    assert moved.downscale.fit(hr, **TINY).state.pairing.method.startswith("reprojected")
    assert "cells are left out" in caplog.text


@pytest.mark.parametrize(
    ("north", "east"),
    [
        ("degrees north", "degrees east"),
        ("deg", "deg"),
        ("°N", "°E"),
        ("Degrees_N.", "Degrees_E."),
    ],
)
def test_degrees_in_any_spelling(north, east):
    hr = analytic(y=12, x=24)[["t2m"]]
    hr = hr.drop_vars(["latitude_bnds", "longitude_bnds"], errors="ignore").assign_coords(
        latitude=82.5 - 15.0 * np.arange(12), longitude=15.0 * np.arange(24)
    )

    def stated(units):
        return hr.assign_coords(
            {
                n: hr[n].assign_attrs(units=u)
                for n, u in zip(("latitude", "longitude"), units, strict=True)
            }
        )

    right, ds = stated(("degrees_north", "degrees_east")), stated((north, east))
    expected = right.downscale.coarsen(2).downscale.interpolate(right)
    actual = ds.downscale.coarsen(2).downscale.interpolate(ds)
    np.testing.assert_array_equal(actual.t2m, expected.t2m)
    assert ds.downscale.grid.kind == "latitude-longitude"


@pytest.mark.parametrize("act", ["coarsen", "fit", "predict"])
def test_latitudes_in_other_units_are_told(act, caplog):
    hr = analytic()[["t2m"]]
    hr = hr.assign_coords(latitude=hr.latitude.drop_attrs().assign_attrs(units="rad"))
    lr = hr.downscale.coarsen(4)
    if act == "fit":
        hr.downscale.fit(scale=4, **TINY)
    if act == "predict":
        model = hr.downscale.fit(scale=4, **TINY)
        caplog.clear()
        lr.downscale.predict(model)
    assert "'latitude' of" in caplog.text
    assert "has units of 'rad', which are not degrees" in caplog.text


def test_a_model_in_kelvin_takes_degrees_celsius(caplog):
    hr = analytic()[["t2m"]]
    model = hr.downscale.fit(scale=4, **TINY)
    lr = hr.downscale.coarsen(4)
    celsius = lr.assign(t2m=(lr.t2m - 273.15).assign_attrs(units="degrees C"))
    sr = celsius.downscale.predict(model)
    np.testing.assert_allclose(sr.t2m, lr.downscale.predict(model).t2m, atol=1e-3)
    assert sr.t2m.attrs["units"] == "K"
    assert "'t2m' of the LR data is converted from 'degrees C' to 'K'" in caplog.text


def test_fine_tuning_converts_units_to_those_of_the_model(caplog):
    hr = analytic()[["t2m"]]
    model = hr.downscale.fit(scale=4, **TINY)
    celsius = hr.assign(t2m=(hr.t2m - 273.15).assign_attrs(units="degC"))
    tuned = celsius.downscale.fit(scale=4, start=model, **TINY)
    expected = hr.downscale.fit(scale=4, start=model, **TINY)
    for one, other in zip(tuned.network.get_weights(), expected.network.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    assert tuned.state.units["t2m"] == "K"


@pytest.mark.parametrize(
    "options",
    [{"keep_attrs": False}, {"arithmetic_broadcast": False}, {"arithmetic_join": "exact"}],
)
def test_global_options_of_xarray_change_nothing(options):
    hr = analytic()[["t2m"]]

    def results():
        lr = hr.downscale.coarsen(4)
        model = hr.downscale.fit(scale=4, **TINY)
        sr = lr.downscale.predict(model)
        return lr, sr, lr.downscale.interpolate(hr), sr.downscale.evaluate(hr, lr=lr)

    expected = results()
    with xr.set_options(**options):
        actual = results()
    for one, other in zip(actual, expected, strict=True):
        for attrs in (one.attrs, other.attrs):
            attrs.pop("history", None)
        xr.testing.assert_identical(one, other)


def test_a_tree_is_refused_in_a_line():
    tree = xr.DataTree.from_dict({"/": analytic(), "/other": analytic()})
    with pytest.raises(TypeError, match=r"groups \['\.', 'other'\]\. Pass one .*to_dataset") as of:
        tree.downscale.fit(scale=4)
    assert len(str(of.value)) < 200


def test_raw_wrf_is_told_what_is_in_it():
    hr = wrf(analytic()[["t2m"]]).rename(latitude="south_north", longitude="west_east")
    hr = hr.drop_vars(
        ["south_north", "west_east", "latitude_bnds", "longitude_bnds"], errors="ignore"
    )
    j, i = np.meshgrid(np.arange(8), np.arange(12), indexing="ij")
    dims = ("Time", "south_north", "west_east")
    lat, lon = 40 + 0.1 * j, -100 + 0.1 * i
    hr = hr.assign_coords(
        XLAT=(dims, np.broadcast_to(lat, (8, 8, 12))),
        XLONG=(dims, np.broadcast_to(lon, (8, 8, 12))),
    )
    cure = (
        ".assign_coords(south_north=np.arange(8), west_east=np.arange(12),"
        " XLAT=ds['XLAT'].isel(Time=0), XLONG=ds['XLONG'].isel(Time=0))"
    )
    with pytest.raises(GridError) as of:
        hr.downscale.fit(scale=4, **TINY)
    assert cure in str(of.value)
    assert cure in hr.downscale.grid.problems[0]
    cured = eval(f"ds{cure}", {"ds": hr, "np": np})
    sr = cured.downscale.coarsen(4).downscale.predict(cured.downscale.fit(scale=4, **TINY))
    np.testing.assert_allclose(sr.lat, lat, atol=1e-3)
    np.testing.assert_allclose(sr.lon, lon, atol=1e-3)


def test_the_sizes_of_chunks_must_be_known():
    hr = analytic().chunk(time=4)
    lazy = hr.t2m.data[hr.t2m.data.mean((1, 2)) > 0]
    ds = xr.Dataset({"t2m": (hr.t2m.dims, lazy)}, {n: hr[n] for n in ("latitude", "longitude")})
    assert "compute_chunk_sizes()" in ds.downscale.grid.problems[0]


@pytest.mark.parametrize(
    "times",
    [
        pd.date_range("2001-01-01", periods=8, tz="Europe/Berlin"),
        pd.period_range("2001-01", periods=8, freq="M"),
    ],
)
def test_the_overview_tells_dates_that_no_file_holds(times):
    ds = analytic().assign_coords(time=times)
    assert "as dates that files can hold" in ds.downscale.grid.problems[0]


def test_hourly_accumulations_are_told(caplog):
    hours = pd.date_range("2001-01-01T01", periods=72, freq="h")
    since = ((hours.hour - 1) % 24 + 1).to_numpy()
    hr = analytic(time=72)[["t2m"]].rename(t2m="tp").assign_coords(time=hours)
    rain = abs(hr.tp.values - hr.tp.values.mean())[:1] + 0.1
    hr["tp"] = hr.tp.copy(data=(rain * since[:, None, None]).astype("f4"))
    hr.tp.attrs["units"] = "m"
    hr.downscale.fit(scale=4, **TINY)
    assert "'tp' of the HR data grows through each day and starts again" in caplog.text
    caplog.clear()
    hourly = hr.assign(tp=abs(hr.tp.diff("time")).assign_attrs(units="m"))
    hourly.downscale.fit(scale=4, **TINY)
    assert "grows through each day" not in caplog.text


def test_names_are_checked_before_training():
    ds = analytic()[["t2m"]].rename(longitude="grid/lon")
    with pytest.raises(xd.exceptions.VariableError, match=r"the variables .*'grid/lon'\. Rename"):
        ds.downscale.fit(scale=4, **TINY)

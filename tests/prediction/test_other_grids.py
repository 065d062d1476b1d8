"""LR data of another spacing, CRS or calendar than in training, as of a climate model."""

import dask
import numpy as np
import pytest
import xarray as xr

from tests.conftest import no_compute
from tests.errors import data as d
from xr_dl4ds.exceptions import GridError, VariableError

#: LR cells of training are 1 degree wide, from 46 to 50 north and 5 to 11 east.
SCALE = 4


def high():
    return d.hr(y=16, x=24)[["t2m"]]


def fields(step, south=40.0, west=0.0, size=20, calendar="360_day"):
    """A plane of temperatures on cells of another size, in the calendar of a climate model."""
    about = {"latitude": "degrees_north", "longitude": "degrees_east"}
    n = round(size / step)
    at = {"latitude": south + step * np.arange(n), "longitude": west + step * np.arange(n)}
    axes = {k: xr.DataArray(v, dims=k, attrs={"units": about[k]}) for k, v in at.items()}
    times = xr.date_range("2001-01-01", periods=4, calendar=calendar, use_cftime=True)
    values = (
        260
        + 0.4 * axes["latitude"]
        - 0.2 * axes["longitude"]
        + xr.zeros_like(xr.DataArray(np.arange(4.0), dims="time"))
    )
    ds = values.transpose("time", ...).astype("f4").to_dataset(name="t2m")
    ds = ds.assign_coords(time=times, **axes)
    ds.t2m.attrs = {"units": "K", "standard_name": "air_temperature"}
    return ds


MODELS = {
    "nested": {},
    "interpolated first": {"upsampling": "interpolation"},
}


def model(kind):
    return d.perfect(high(), scale=SCALE, **MODELS[kind])


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(("step", "how"), [(1.4, "bilinear"), (0.25, "conservative")])
def test_a_climate_model_on_its_own_grid(kind, step, how, caplog):
    fitted, gcm = model(kind), fields(step)
    on_training = gcm.downscale.interpolate(high().downscale.coarsen(SCALE), method=how)
    expected = fitted.predict(on_training).t2m
    caplog.clear()
    with no_compute():
        lazy = fitted.predict(gcm.chunk(time=1))
    assert f"the LR data are regridded ({how}) from latitude 40 to" in caplog.text
    assert "to the LR cells of training, latitude" in caplog.text
    np.testing.assert_allclose(lazy.t2m, expected, atol=1e-4)
    np.testing.assert_allclose(fitted.predict(gcm.t2m), expected, atol=1e-4)
    np.testing.assert_array_equal(lazy.latitude, high().latitude)
    assert lazy.time.dt.calendar == "360_day"
    assert lazy.t2m.dims == gcm.t2m.dims


def test_the_spacing_of_training_keeps_its_cells(caplog):
    out = model("nested").predict(fields(1.0))
    assert out.t2m.shape == (4, 80, 80)
    assert "regridded" not in caplog.text


@pytest.mark.parametrize("kind", MODELS)
def test_a_pair_that_does_not_nest(kind, caplog):
    lr = fields(0.7, calendar="standard").isel(time=slice(0, 4))
    hr = fields(0.25, 46.1, 5.1, 4.5, calendar="standard")
    fitted = d.mos(lr, hr, validation=None, **MODELS[kind])
    assert fitted.state.pairing.method != "nested"
    caplog.clear()
    expected = fitted.predict(lr).t2m
    assert "regridded" not in caplog.text
    gcm = fields(1.1, 39.0, -1.0, 22)
    actual = fitted.predict(gcm).t2m
    assert "the LR data are regridded (bilinear)" in caplog.text
    np.testing.assert_array_equal(actual.latitude, expected.latitude)
    # a plane is the same on any cells
    np.testing.assert_allclose(actual.values, expected.values, atol=0.05)


def test_a_pair_of_two_projections():
    fitted = d.fitted("another CRS")
    lr = d.around_europe()
    expected = fitted.predict(lr).t2m
    wider = d.around_europe(12, 0.2).assign_coords(time=lr.time)
    flat = wider.assign(t2m=xr.full_like(wider.t2m, 280.0))
    actual = fitted.predict(flat).t2m
    np.testing.assert_array_equal(actual.y, expected.y)
    even = fitted.predict(lr.assign(t2m=xr.full_like(lr.t2m, 280.0))).t2m
    np.testing.assert_allclose(actual, even, atol=1e-3)


def test_predictors_on_another_grid_beside():
    fitted = d.mos(d.winds(high().downscale.coarsen(SCALE)), high())
    about = {"units": "m s-1"}
    wind = (fields(1.4).t2m - 278).assign_attrs(about)
    gcm = xr.Dataset({"u": wind, "v": 2 * wind.assign_attrs(about)})
    gcm["v"].attrs = about
    out = fitted.predict(gcm[["u"]], predictors=gcm[["v"]])
    np.testing.assert_allclose(out.t2m, fitted.predict(gcm).t2m, atol=1e-4)


def test_what_does_not_cover_the_region(caplog):
    fitted = model("nested")
    seen = r"spacing of training \(1 by 1\), got 1\.4 by 1\.4, which does not cover .*46\.625"
    for gcm in (fields(1.4, 47.5), fields(1.4, 0.0)):
        with pytest.raises(GridError, match=seen):
            fitted.predict(gcm)


def test_values_far_from_training_are_refused_when_they_are_computed():
    gcm = fields(1.4).chunk(time=1)
    celsius = (gcm - 273.15).drop_attrs(deep=False)
    celsius = celsius.assign_coords(gcm.coords)
    out = model("nested").predict(celsius)
    with pytest.raises(VariableError, match=r"273\.15 too small"):
        dask.compute(out)

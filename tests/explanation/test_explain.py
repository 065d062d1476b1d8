"""The dataset of an explanation: targets, layout, coordinates and units."""

import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic
from tests.errors import data as d
from tests.untrained import untrained

QUICK = {"repeats": 1, "steps": 1}


def two():
    hr = d.winds(analytic(time=4)).drop_vars("orog")
    hr["v"] = hr.v.assign_attrs(units="degC")
    return hr


@pytest.fixture(scope="module")
def model():
    return untrained(two(), scale=2)


def test_targets_lie_along_variable(model):
    hr = two()
    lr = hr.downscale.coarsen(2)
    found = model.explain(lr, hr, **QUICK)
    assert found.saliency.dims == ("variable", "predictor", "latitude", "longitude")
    assert found.rmse_increase.dims == ("variable", "predictor")
    assert found.units.to_numpy().tolist() == ["m s-1", "degC"]
    assert "units" not in found.rmse.attrs
    for given in ({"hr": hr, "variable": "v"}, {"hr": hr[["v"]]}, {"hr": hr.v}):
        one = model.explain(lr, **given, **QUICK)
        assert one["variable"].item() == "v"
        assert one.saliency.dims == ("predictor", "latitude", "longitude")
        np.testing.assert_allclose(one.saliency, found.saliency.sel(variable="v"), atol=1e-6)
        np.testing.assert_allclose(one.rmse, found.rmse.sel(variable="v"), rtol=1e-6)
        assert one.rmse.attrs["units"] == "degC"
        assert one.saliency.attrs["units"] == "K"  # of a difference
        assert one.region_mean.attrs["units"] == "degC"
        assert all(v.attrs["long_name"] for v in one.data_vars.values())


def test_a_dataarray_in_its_layout():
    hr = analytic(time=4)[["t2m"]]
    model = untrained(hr, scale=2, noise=0.3)
    lr = hr.downscale.coarsen(2)
    expected = model.explain(lr, hr, **QUICK)
    turned = d.bare(lr).isel(latitude=slice(None, None, -1)).transpose("longitude", ...)
    turned = turned.rename(latitude="row").t2m
    actual = model.explain(turned, hr.t2m, **QUICK)
    assert actual.saliency.dims == ("predictor", "row", "longitude")
    np.testing.assert_array_equal(actual.row, turned.row)
    np.testing.assert_allclose(
        actual.saliency, expected.saliency.isel(latitude=slice(None, None, -1)), atol=1e-5
    )
    assert actual.row.attrs["standard_name"] == "latitude"
    assert float(actual.rmse) == pytest.approx(float(expected.rmse), rel=1e-6)


def test_predictors_have_the_names_of_the_lr_data():
    hr = analytic(time=4)[["t2m"]]
    lr = hr.downscale.coarsen(2).rename(t2m="tas")
    model = untrained(lr, hr, counterparts={"t2m": "tas"})
    found = model.explain(lr, hr, **QUICK)
    assert found.predictor.to_numpy().tolist() == ["tas"]
    assert found.kind.to_numpy().tolist() == ["counterpart"]


def test_each_level_is_a_predictor():
    hr = analytic(time=4)[["t2m"]]
    lr = hr.downscale.coarsen(2)
    lr = lr.merge(d.levels(d.bare(lr).rename(t2m="q"), name="q"))
    model = untrained(lr, hr, noise=0.3)
    found = model.explain(lr, hr, **QUICK)
    assert found.sizes["predictor"] == 3
    assert (found.rmse_increase != 0).all()


def test_a_projected_grid_keeps_its_crs():
    hr = d.in_europe(analytic(time=4)[["t2m"]])
    model = untrained(hr, scale=2)
    found = model.explain(hr.downscale.coarsen(2), hr, **QUICK)
    assert found.saliency.dims == ("predictor", "y", "x")
    mapping = found[found.saliency.attrs["grid_mapping"]]
    assert mapping.attrs["grid_mapping_name"] == "lambert_azimuthal_equal_area"
    assert {"lat", "lon"} <= set(found.coords)


def test_it_can_be_written_and_read(model, tmp_path):
    hr = two()
    found = model.explain(hr.downscale.coarsen(2), hr, **QUICK)
    found.to_netcdf(tmp_path / "explanation.nc")
    with xr.open_dataset(tmp_path / "explanation.nc") as read:
        np.testing.assert_allclose(read.saliency, found.saliency, rtol=1e-6)


def test_arguments_are_kept(model):
    hr = two()
    lr = hr.downscale.coarsen(2)
    before = lr.copy(deep=True), hr.copy(deep=True)
    model.explain(lr, hr, region=hr.latitude + 0 * hr.longitude > 49, **QUICK)
    xr.testing.assert_identical(lr, before[0])
    xr.testing.assert_identical(hr, before[1])


@pytest.mark.parametrize("option", ["repeats", "steps"])
@pytest.mark.parametrize("value", [0, 1.5, True])
def test_numbers_are_whole(model, option, value):
    hr = two()
    with pytest.raises(ValueError, match=f"Expected `{option}` to be a whole number >= 1, got"):
        model.explain(hr.downscale.coarsen(2), hr, **{option: value})

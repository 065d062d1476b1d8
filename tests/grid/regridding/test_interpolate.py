"""Interpolation of user data: values against loops and scipy, layouts, and what comes along."""

import itertools
import warnings

import numpy as np
import pytest
import xarray as xr
from scipy.interpolate import RegularGridInterpolator

import xr_dl4ds  # noqa: F401  registers .downscale
from tests.conftest import analytic, era5_uk, no_compute, real
from tests.grid import LAYOUTS, field
from xr_dl4ds.exceptions import GridError, VariableError
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.regridding.interpolate import interpolate
from xr_dl4ds.grid.regridding.weights import METHODS

ALL = sorted(METHODS)
GRID = ("latitude", "longitude")


def lr_and_hr(**kwargs):
    hr = analytic(**kwargs)
    return hr.downscale.coarsen(4), hr


def keys_cubic(block, scale):
    """Keys's cubic convolution with a = -0.75 of ``(y, x)``, borders replicated, by loops."""
    for axis in (0, 1):
        size = block.shape[axis]
        rows = []
        for k in range(size * scale):
            at = (k + 0.5) / scale - 0.5
            row = 0.0
            for tap in range(int(np.floor(at)) - 1, int(np.floor(at)) + 3):
                d, a = abs(at - tap), -0.75
                near = (a + 2) * d**3 - (a + 3) * d**2 + 1
                weight = near if d <= 1 else a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
                row = row + weight * np.take(block, min(max(tap, 0), size - 1), axis)
            rows.append(row)
        block = np.stack(rows, axis)
    return block


# --- values ---------------------------------------------------------------------------------


def test_bilinear_by_hand():
    # LR centres 0 and 2; at 0.5 a quarter of the way: 0.75 * 0 + 0.25 * 8 = 2; at -0.5 constant
    lr = field([0, 2], [0, 2], [[[0, 8], [0, 8]]], time=1).astype("f8")
    like = field([-0.5, 0.5, 1.5, 2.5], [-0.5, 0.5, 1.5, 2.5])
    actual = interpolate(lr, like, "bilinear", Dims())
    np.testing.assert_allclose(actual.t[0], [[0, 2, 6, 8]] * 4)  # extrapolated: -2 and 10


def test_bilinear_equals_scipy_with_clipped_positions():
    lr, hr = lr_and_hr(y=16, x=20)
    actual = interpolate(lr, hr, "bilinear", Dims()).t2m
    axes = [lr.latitude.values[::-1], lr.longitude.values]
    points = [np.clip(hr[d].values, lr[d].min().item(), lr[d].max().item()) for d in GRID]
    mesh = np.stack(np.meshgrid(*points, indexing="ij"), -1)
    for step in (0, 5):
        block = lr.t2m.values[step, ::-1].astype("f8")
        expected = RegularGridInterpolator(axes, block, method="linear")(mesh)
        np.testing.assert_allclose(actual[step], expected, rtol=2e-6)


@pytest.mark.parametrize("scale", [2, 4])
def test_bicubic_equals_keys_with_replicated_borders(scale):
    hr = analytic(time=2, y=16, x=12)
    lr = hr.downscale.coarsen(scale)
    actual = interpolate(lr, hr, "bicubic", Dims())
    for step in (0, 1):
        expected = keys_cubic(lr.t2m.values[step].astype("f8"), scale)
        np.testing.assert_allclose(actual.t2m[step], expected, rtol=2e-6)
    expected = keys_cubic(lr.orog.values.astype("f8"), scale)
    np.testing.assert_allclose(actual.orog, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("method", ["nearest", "conservative"])
def test_nested_cells_are_repeated(method):
    lr, hr = lr_and_hr()
    actual = interpolate(lr, hr, method, Dims()).t2m
    expected = lr.t2m.values.repeat(4, axis=1).repeat(4, axis=2)
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


@pytest.mark.parametrize(("method", "expected"), [("bilinear", 0.763), ("bicubic", 0.691)])
def test_the_anchor_on_era5(method, expected):
    hr, _ = era5_uk()
    hr = hr.isel(time=slice(-72, None))
    base = hr.downscale.coarsen(4).downscale.interpolate(hr, method=method)
    actual = float(np.sqrt(((base.t2m - hr.t2m) ** 2).mean()))
    assert actual == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("method", ALL)
def test_a_real_land_mask_stays_where_it_is(method):
    hr = real("java_chirps_hr.nc")[["pr"]].isel(time=slice(0, 2))
    lr = hr.downscale.coarsen(2)  # missing where all four cells are
    actual = interpolate(lr, hr, method, Dims()).pr
    missing = np.isnan(lr.pr.values).repeat(2, axis=1).repeat(2, axis=2)
    assert 0.4 < missing.mean() < 0.7
    np.testing.assert_array_equal(np.isnan(actual), missing)


def test_cells_beyond_the_data_are_counted(caplog):
    small = field(40.0 + np.arange(4), np.arange(6.0))
    inside = field(39.75 + 0.5 * np.arange(8), -0.25 + 0.5 * np.arange(12))
    interpolate(small, inside, "bilinear", Dims())
    assert not caplog.records
    large = field(40.0 + np.arange(8), np.arange(12.0))
    actual = interpolate(small, large, "bilinear", Dims()).t
    np.testing.assert_array_equal(actual.isel(lat=slice(4, 8)), actual.isel(lat=[3] * 4))
    assert "72 of 96 cells of the target grid, lat 40 to 47" in caplog.text


# --- layouts --------------------------------------------------------------------------------


@pytest.mark.parametrize("source_layout", sorted(LAYOUTS))
@pytest.mark.parametrize("target_layout", sorted(LAYOUTS))
def test_layouts_of_longitudes_change_the_order_and_not_the_values(source_layout, target_layout):
    lr = field(40.0 + 4 * np.arange(3), -6.0 + 4 * np.arange(6))
    hr = field(37.5 + np.arange(12), -7.5 + np.arange(24))
    plain = interpolate(lr, hr, "bilinear", Dims()).t
    laid_out = []
    for ds, layout in ((lr, source_layout), (hr, target_layout)):
        columns = LAYOUTS[layout](ds.lon.values)
        by_place = {v % 360: i for i, v in enumerate(ds.lon.values)}
        ds = ds.isel(lon=[by_place[v % 360] for v in columns], lat=slice(None, None, -1))
        laid_out.append(ds.assign_coords(lon=("lon", columns, ds.lon.attrs)))
    source, target = laid_out
    actual = interpolate(source, target, "bilinear", Dims()).t
    np.testing.assert_array_equal(actual.lon, target.lon)
    by_place = {v % 360: i for i, v in enumerate(hr.lon.values)}
    expected = plain.values[:, ::-1, [by_place[v % 360] for v in target.lon.values]]
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


@pytest.mark.parametrize("convention", [0.0, -180.0])
def test_a_global_model_on_a_region_across_greenwich(convention):
    # a GCM on 0..360 for Europe: without wrapping everything west of 0 is one constant column
    gcm = field(np.arange(-88.0, 90, 4), convention + np.arange(0, 360, 4.0))
    europe = field(np.arange(40.5, 60), np.arange(-19.5, 30))
    actual = interpolate(gcm, europe, "bilinear", Dims()).t
    np.testing.assert_allclose(actual, europe.t, atol=2e-3)


@pytest.mark.parametrize("order", list(itertools.permutations(["time", "latitude", "longitude"])))
def test_dimensions_keep_the_order_of_the_data(order):
    lr, hr = lr_and_hr(time=2)
    expected = interpolate(lr, hr, "bilinear", Dims())
    actual = interpolate(lr.transpose(*order, ...), hr, "bilinear", Dims())
    assert actual.t2m.dims == order
    xr.testing.assert_allclose(actual.transpose(*expected.t2m.dims), expected)


# --- what comes along -----------------------------------------------------------------------


@pytest.mark.parametrize("method", ALL)
def test_lazy_data_stay_lazy_and_inputs_unchanged(hr_any, method):
    lr = hr_any.downscale.coarsen(4)
    before = lr.copy(deep=True), hr_any.copy(deep=True)
    with no_compute():
        actual = interpolate(lr, hr_any, method, Dims())
    xr.testing.assert_identical(lr, before[0])
    xr.testing.assert_identical(hr_any, before[1])
    assert (actual.t2m.chunks is None) == (lr.t2m.chunks is None)
    expected = interpolate(lr.compute(), hr_any.compute(), method, Dims())
    xr.testing.assert_allclose(actual.compute(), expected, rtol=1e-6)
    assert not actual.t2m.isnull().any()  # a fifth of the field in xarray's own .interp


def test_spatial_coordinates_come_from_like_and_all_else_from_the_data():
    lr, hr = lr_and_hr(time=2)
    lr = lr.assign_coords(height=2.0, month=("time", [1, 2]), zone=("latitude", [1, 2]))
    lr.time.attrs["note"] = "kept"
    like = hr.rename(latitude="lat", longitude="lon").isel(time=0)
    like = like.assign_coords(lat=like.lat.astype("f4"))
    actual = interpolate(lr, like, "bicubic", Dims())
    assert actual.t2m.dims == ("time", "lat", "lon")
    assert actual.orog.dims == ("lat", "lon")
    assert set(actual.coords) == {"time", "height", "month", "lat", "lon"}
    for name in ("lat", "lon"):
        assert actual[name].dtype == like[name].dtype
        xr.testing.assert_identical(actual[name].variable, like[name].variable)
    xr.testing.assert_identical(actual.time.variable, lr.time.variable)
    assert actual.attrs == lr.attrs
    assert actual.t2m.attrs == lr.t2m.attrs


def test_like_may_be_coordinates_alone_or_an_unnamed_array():
    # "Anything on the wanted grid; only its coordinates count"
    lr, hr = lr_and_hr(time=2)
    expected = interpolate(lr, hr, "bilinear", Dims())
    xr.testing.assert_identical(interpolate(lr, hr.orog, "bilinear", Dims()), expected)
    unnamed = hr.orog.rename(None)
    xr.testing.assert_identical(interpolate(lr, unnamed, "bilinear", Dims()), expected)
    bare = hr[list(GRID)]
    xr.testing.assert_identical(interpolate(lr, bare, "bilinear", Dims()), expected)


def test_any_other_dimensions_pass_through():
    lr, hr = lr_and_hr(time=3)
    both = xr.concat([lr.t2m, lr.t2m + 1], "realization").transpose("realization", ..., "time")
    actual = interpolate(both.to_dataset(), hr, "bicubic", Dims()).t2m
    assert actual.dims == ("realization", "latitude", "longitude", "time")
    expected = interpolate(lr, hr, "bicubic", Dims()).t2m
    for member in (0, 1):
        one = actual.isel(realization=member).transpose(*expected.dims) - member
        np.testing.assert_allclose(one, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["x", "y"])
def test_variables_named_like_the_inner_dimensions_are_not_dropped(name):
    lr, hr = lr_and_hr(time=2)
    with pytest.raises(VariableError, match=rf"{name!r}.*\.rename\({name}="):
        interpolate(lr.rename(t2m=name), hr, "nearest", Dims())


def test_dimensions_named_the_other_way_round():
    lr, hr = lr_and_hr(time=2)
    expected = interpolate(lr, hr, "nearest", Dims()).t2m.values
    swapped = (ds.t2m.rename(latitude="x", longitude="y") for ds in (lr, hr))
    actual = interpolate(*swapped, "nearest", Dims()).t2m
    assert actual.dims == ("time", "x", "y")
    np.testing.assert_array_equal(actual, expected)


def test_like_may_have_further_dimensions():
    lr, hr = lr_and_hr(time=2)
    like = hr.t2m.expand_dims(realization=3)
    assert interpolate(lr, like, "bilinear", Dims()).t2m.shape == hr.t2m.shape


def test_named_dimensions_hold_for_like_too():
    lr, hr = (
        ds.rename(latitude="rows", longitude="cols").drop_vars(
            ["latitude_bnds", "longitude_bnds"], errors="ignore"
        )
        for ds in lr_and_hr(time=2)
    )
    for ds in (lr, hr):
        ds.rows.attrs, ds.cols.attrs = {}, {}
    with pytest.raises(GridError, match="Pass y_dim="):
        interpolate(lr, hr, "nearest", Dims())
    actual = interpolate(lr, hr, "nearest", Dims(y="rows", x="cols"))
    assert actual.t2m.shape == hr.t2m.shape


@pytest.mark.parametrize("as_coordinate", [True, False])
def test_no_link_to_a_grid_mapping_that_is_not_there(as_coordinate):
    # opened plainly, the mapping is a data variable; opened with decode_coords="all", a coordinate
    lr, hr = lr_and_hr(time=2)
    lr = lr.assign(crs=((), 0, {"grid_mapping_name": "latitude_longitude"}))
    lr = lr.set_coords("crs") if as_coordinate else lr
    lr.t2m.attrs["grid_mapping"] = "crs"
    actual = interpolate(lr, hr, "bilinear", Dims())
    assert actual.t2m.attrs.get("grid_mapping") in {None, *actual.variables}
    assert lr.t2m.attrs["grid_mapping"] == "crs"


# --- messages -------------------------------------------------------------------------------


def test_an_unknown_method_is_named_with_the_nearest():
    lr, hr = lr_and_hr(time=2)
    with pytest.raises(ValueError, match=r"one of bicubic, .*got 'bicubik'\. Did you mean 'bicub"):
        interpolate(lr, hr, "bicubik", Dims())


def test_grids_apart_are_refused():
    lr, hr = lr_and_hr(time=2)
    far = hr.assign_coords(longitude=hr.longitude + 90)
    with pytest.raises(
        GridError, match=r"grids that overlap, got the data on .* and the target grid on"
    ):
        interpolate(lr, far, "bilinear", Dims())


def test_text_cannot_be_interpolated():
    lr, hr = lr_and_hr(time=2)
    with pytest.raises(VariableError, match="'name' of the data to hold numbers"):
        interpolate(lr.assign(name=lr.orog.astype(str)), hr, "bilinear", Dims())


def test_messages_tell_the_data_from_the_target():
    lr, hr = lr_and_hr(time=2)
    with pytest.raises(VariableError, match="given as the data has no name"):
        interpolate(lr.t2m.rename(None), hr, "bilinear", Dims())
    with pytest.raises(TypeError, match="the target grid to be an xarray"):
        interpolate(lr, hr.t2m.values, "bilinear", Dims())


def test_a_target_with_coordinates_of_half_precision():
    lr, hr = lr_and_hr()
    target = hr.isel(latitude=slice(0, 4), longitude=slice(0, 4))
    half = target.drop_vars("latitude").assign_coords(
        latitude=xr.Variable("latitude", target.latitude.to_numpy().astype("f2"))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        out = lr.downscale.interpolate(half, method="nearest")
    assert out.latitude.dtype == "f4"

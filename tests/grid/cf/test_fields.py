"""The inner form: the same canonical data from any layout, lazily, and the messages on the way."""

import itertools

import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic, no_compute, real
from tests.grid import LAYOUTS, field, fields, lat, lon, plane
from xr_dl4ds.exceptions import GridError, VariableError
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.fields import as_dataset, gridded, standardize
from xr_dl4ds.grid.grid import Grid

# --- the canonical form ---------------------------------------------------------------------


def test_canonical_fields_by_hand():
    # rows 50, 49 (descending) and columns 359, 0: canonical rows 49, 50 and columns -1, 0
    ds = field([50, 49], [359, 0], [[[1, 2], [3, 4]]], time=1)
    actual = fields(ds)
    np.testing.assert_array_equal(actual.data.t, [[[3, 4], [1, 2]]])
    assert actual.data.t.dims == ("time", "y", "x")
    np.testing.assert_array_equal(actual.data.y, [49, 50])
    np.testing.assert_array_equal(actual.data.x, [-1, 0])
    assert actual.dims == Dims(y="lat", x="lon", time="time")
    np.testing.assert_array_equal(actual.grid.y.values, [50, 49])
    np.testing.assert_array_equal(actual.grid.x.values, [359, 0])


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("falls", [True, False])
@pytest.mark.parametrize("order", list(itertools.permutations(["time", "lat", "lon"])))
def test_any_layout_gives_the_same_canonical_fields(layout, falls, order):
    plain = field(40.0 + np.arange(4), -3.0 + np.arange(7))
    by_value = {v % 360: v for v in plain.lon.values}
    columns = [by_value[v % 360] for v in LAYOUTS[layout](plain.lon.values)]
    ds = plain.sel(lon=columns).assign_coords(
        lon=("lon", LAYOUTS[layout](plain.lon.values), plain.lon.attrs)
    )
    ds = ds.isel(lat=slice(None, None, -1 if falls else 1)).transpose(*order)
    actual = fields(ds).data
    expected = plain.rename(lat="y", lon="x")
    np.testing.assert_array_equal(actual.t, expected.t)
    np.testing.assert_array_equal(actual.x, expected.x)
    np.testing.assert_array_equal(actual.y, expected.y)
    assert actual.t.dims == ("time", "y", "x")


def test_nothing_is_computed_and_nothing_changed(hr_any):
    before = hr_any.copy(deep=True)
    with no_compute():
        actual = fields(hr_any)
    xr.testing.assert_identical(hr_any, before)
    assert (actual.data.t2m.chunks is None) == (hr_any.t2m.chunks is None)
    expected = hr_any.t2m.values[:, ::-1]
    np.testing.assert_array_equal(actual.data.t2m, expected)


def test_attributes_stay_and_other_coordinates_go():
    ds = analytic(time=2).assign_coords(
        height=2.0, month=("time", [1, 2]), lat2d=(("latitude", "longitude"), np.zeros((8, 12)))
    )
    ds.latitude.attrs["bounds"] = "latitude_bnds"
    actual = fields(ds)
    assert set(actual.data.coords) == {"time", "y", "x"}
    assert actual.data.t2m.attrs == ds.t2m.attrs
    assert actual.data.attrs == ds.attrs
    assert actual.grid.y.attrs == {"standard_name": "latitude", "units": "degrees_north"}


def test_static_and_varying_variables_and_pick():
    actual = fields(analytic(time=2)[["orog", "t2m"]])
    assert (actual.static, actual.varying) == (["orog"], ["t2m"])
    assert actual.dims.time == "time"  # though the first variable has none
    assert actual.data.orog.dims == ("y", "x")
    picked = actual.pick(["orog"])
    assert list(picked.data.data_vars) == ["orog"]
    assert picked.grid is actual.grid


def test_bounds_mappings_and_series_are_not_fields():
    ds = analytic(time=2).assign(
        time_bnds=(("time", "nv"), np.zeros((2, 2))),
        crs=((), 0, {"grid_mapping_name": "latitude_longitude"}),
        nao=("time", [0.1, 0.2]),
    )
    ds.time.attrs["bounds"] = "time_bnds"
    ds.t2m.attrs["grid_mapping"] = "crs"
    actual = fields(ds)
    assert list(actual.data.data_vars) == ["t2m", "orog"]
    assert actual.grid.mapping_name == "crs"
    assert actual.grid.mapping == {"grid_mapping_name": "latitude_longitude"}


def test_dimensions_named_the_other_way_round():
    ds = analytic(time=2).rename(latitude="x", longitude="y")
    actual = fields(ds)
    assert dict(actual.data.sizes) == {"time": 2, "y": 8, "x": 12}
    np.testing.assert_array_equal(actual.data.y, np.sort(ds.x))
    actual = fields(ds.drop_attrs(), y="x", x="y")
    assert actual.data.t2m.shape == (2, 8, 12)


@pytest.mark.parametrize("name", ["y", "x", "time"])
def test_variables_named_like_the_inner_dimensions_are_not_dropped(name):
    # assign_coords over a variable `y` drops it without a word
    ds = analytic(time=2).rename(t2m=name, time="date")
    with pytest.raises(VariableError, match=rf"{name!r}.*\.rename\({name}="):
        fields(ds)


def test_samples_without_coordinates_lie_along_time():
    ds = field([1, 2], [3, 4], np.ones((3, 2, 2), "i4"), time=3).drop_vars("time")
    actual = fields(ds.rename(time="sample"), time="sample")
    assert actual.dims.time == "sample"
    assert actual.data.t.dims == ("time", "y", "x")
    assert "time" not in actual.data.coords
    assert actual.data.t.dtype == np.int32


@pytest.mark.parametrize(
    ("name", "attrs", "expected"),
    [
        ("lat", {}, "latitude"),
        ("Latitude", {}, "latitude"),
        ("nav_lat", {}, "latitude"),
        ("y", {}, "planar"),
        ("rlat", {"standard_name": "grid_latitude", "units": "degrees"}, "planar"),
        ("lat", {"standard_name": "projection_y_coordinate", "units": "m"}, "planar"),
        ("y", {"standard_name": "latitude"}, "latitude"),
        ("y", {"units": "degreesN"}, "latitude"),
        ("y", {"units": "Degree_North"}, "latitude"),
        ("lat", {"units": "degrees"}, "latitude"),
        ("y", {"units": "m"}, "planar"),
    ],
)
def test_what_the_rows_measure(name, attrs, expected):
    ds = xr.Dataset({"t": ((name, "x"), np.zeros((2, 2)))}, {name: [1.0, 2.0], "x": [1.0, 2.0]})
    ds[name].attrs = attrs
    assert fields(ds).grid.y.kind == expected


@pytest.mark.parametrize(
    ("name", "attrs", "expected"),
    [
        ("lon", {}, "longitude"),
        ("LON", {}, "longitude"),
        ("nav_lon", {}, "longitude"),
        ("rlon", {}, "planar"),
        ("x", {"units": "degree_E"}, "longitude"),
        ("x", {"standard_name": "longitude", "units": "degrees"}, "longitude"),
        ("lon", {"units": "m"}, "planar"),
    ],
)
def test_what_the_columns_measure(name, attrs, expected):
    ds = xr.Dataset({"t": (("y", name), np.zeros((2, 2)))}, {"y": [1.0, 2.0], name: [1.0, 2.0]})
    ds[name].attrs = attrs
    assert fields(ds).grid.x.kind == expected


# --- grids ----------------------------------------------------------------------------------


def test_grid_shape_extent_and_coords():
    grid = Grid(y=lat(50, 49.5, 49), x=lon(359, 0))
    assert grid.shape == (3, 2)
    assert grid.extent == "lat 49 to 50 by 0.5, lon -1 to 0 by 1"
    np.testing.assert_array_equal(grid.coords["y"], [49, 49.5, 50])
    np.testing.assert_array_equal(grid.coords["x"], [-1, 0])
    assert grid.same_cells(Grid(y=lat(49, 49.5, 50), x=lon(-1, 0)))
    assert not grid.same_cells(Grid(y=lat(49, 49.5, 50), x=lon(0, 1)))
    assert not grid.same_cells(Grid(y=lat(49, 50, 51), x=lon(-1, 0)))
    assert not plane(2, 3).same_cells(plane(3, 3))


# --- messages -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "cure"),
    [
        (lambda ds: ds.t2m.values, TypeError, "the data to be an xarray .* got ndarray"),
        (lambda ds: ds.t2m.rename(None), VariableError, r"Give it one with \.rename\('t2m'\)"),
        (lambda ds: ds.latitude, VariableError, r"the name of its coordinate.*\.rename\('t2m'\)"),
        (lambda ds: ds[[]], VariableError, "a variable on a grid, got \\[\\]"),
        (lambda ds: ds.mean(["latitude", "time"]), VariableError, "a variable on a grid, got"),
        (lambda ds: ds.mean("latitude"), GridError, "one y dimension of 't2m'.*Pass y_dim="),
        (
            lambda ds: ds.assign(coarse=(("lat", "lon"), np.zeros((2, 2)))),
            GridError,
            "Select those of one grid, and pass the others as static= or predictors=",
        ),
        (
            lambda ds: ds.assign(other=ds.t2m.rename(time="date")),
            GridError,
            "on the same dimensions.*Select those of one grid",
        ),
        (lambda ds: ds.expand_dims(band=2), GridError, r"'band' too.*\.isel\(band=0\).*'channels'"),
        (lambda ds: ds.expand_dims(member=2), GridError, r"got 2 along 'member'.*\.isel\(member=0"),
        (
            lambda ds: ds.drop_vars("latitude"),
            GridError,
            r"no coordinate along 'latitude'.*\.assign_coords\(latitude=",
        ),
        (lambda ds: ds.isel(longitude=[0]), GridError, "'longitude'.*Select a larger region"),
        (lambda ds: ds.isel(latitude=[2, 0, 1]), GridError, r"\.sortby\('latitude'\)"),
        (
            lambda ds: ds.assign(name=ds.orog.astype(str)),
            VariableError,
            "'name' of the data to hold numbers, got dtype <U.*selecting the other variables",
        ),
        (lambda ds: ds.assign(t2m=ds.t2m.astype("c8")), VariableError, "'t2m'.*complex64"),
    ],
)
def test_data_that_cannot_be_used(change, error, cure):
    with pytest.raises(error, match=cure):
        standardize(change(analytic(time=2)), Dims(), "the data")


def test_a_zonal_mean_beside_the_fields_is_to_be_left_out():
    # "Pass x_dim=" leads on to "Expected x_dim='longitude' to be a dimension of 'zonal'"
    ds = analytic(time=2)
    with pytest.raises(GridError, match=r"'zonal'.*(Leave it out|selecting the other variables)"):
        fields(ds.assign(zonal=ds.t2m.mean("longitude")))


def test_a_time_dimension_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="time_dim='tiem'"):
        fields(analytic(time=2), time="tiem")


def test_as_dataset_takes_named_arrays_and_datasets_as_they_are(hr):
    assert as_dataset(hr, "the data") is hr
    xr.testing.assert_identical(as_dataset(hr.t2m, "the data").t2m, hr.t2m)


def test_gridded_names_the_dimensions_of_each_variable(hr):
    actual = gridded(hr, Dims(), "the data")
    assert actual == {
        "t2m": Dims(y="latitude", x="longitude", time="time"),
        "orog": Dims(y="latitude", x="longitude"),
    }


# --- real files -----------------------------------------------------------------------------


def test_a_rotated_grid():
    actual = fields(real("cordex_iberia_hist.nc"))
    assert actual.grid.shape == (28, 30)
    assert (actual.grid.y.kind, actual.grid.x.kind) == ("planar", "planar")
    assert actual.grid.mapping["grid_mapping_name"] == "rotated_latitude_longitude"
    assert set(actual.varying) == {"tas", "pr"}
    assert set(actual.static) == {"orog", "orog_std", "land_fraction"}
    assert set(actual.data.coords) == {"time", "y", "x"}


def test_samples_of_patches():
    actual = fields(real("mrms_patches_002deg.nc"), time="sample")
    assert dict(actual.data.sizes) == {"time": 796, "y": 64, "x": 64}


def test_a_global_grid_with_poles():
    actual = fields(real("originals/eraint_uvz.nc").isel(month=0, level=0))
    assert actual.grid.shape == (241, 480)
    assert actual.grid.x.periodic
    np.testing.assert_array_equal(actual.grid.y.edges[[0, -1]], [-90, 90])
    assert actual.static == ["z", "u", "v"]


# --- members ------------------------------------------------------------------------------------


def ensemble(members=3, dim="realization"):
    """`t2m` in K, more by a kelvin for each member, and `orog` without them."""
    ds = analytic()
    warmer = ds.t2m + xr.DataArray(np.arange(members, dtype="f4"), dims=dim)
    return ds.assign(t2m=warmer.assign_attrs(ds.t2m.attrs))


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("dim", ["realization", "number"])
def test_members_are_kept_before_the_others_where_asked(members, dim):
    ds = ensemble(members, dim)
    plain = standardize(analytic(), Dims(), "the data")
    with no_compute():
        actual = standardize(ds.chunk({dim: 1, "time": 3}), Dims(), "the data", members=True)
    assert actual.data.t2m.dims == ("realization", "time", "y", "x")
    assert actual.data.orog.dims == ("y", "x")
    assert set(actual.data.coords) == {"time", "y", "x"}
    assert actual.dims == plain.dims
    for i in range(members):
        np.testing.assert_allclose(actual.data.t2m[i], plain.data.t2m + i, atol=1e-4)


def test_data_without_members_are_as_ever_where_members_are_asked():
    expected = standardize(analytic(), Dims(), "the data")
    actual = standardize(analytic(), Dims(), "the data", members=True)
    xr.testing.assert_identical(actual.data, expected.data)


def test_members_are_not_the_sample_axis_where_they_are_asked():
    ds = ensemble().isel(time=0)
    assert standardize(ds, Dims(), "the data").data.t2m.dims == ("time", "y", "x")
    kept = standardize(ds, Dims(), "the data", members=True)
    assert kept.data.t2m.dims == ("realization", "y", "x")
    assert kept.dims.time is None


def test_a_dimension_that_the_caller_calls_samples_holds_members():
    ds = ensemble(dim="run")
    actual = standardize(ds, Dims(extra={"run": "samples"}), "the data", members=True)
    assert actual.data.t2m.dims == ("realization", "time", "y", "x")
    with pytest.raises(GridError, match=r"the data without members, got 3 along 'run'"):
        standardize(ds, Dims(extra={"run": "samples"}), "the data")


def test_two_dimensions_of_members_are_told():
    ds = ensemble().expand_dims(number=2)
    with pytest.raises(GridError, match=r"one dimension of members, got \['number', 'realization'"):
        standardize(ds[["t2m"]], Dims(), "the data", members=True)


def test_coordinates_without_an_index_get_one(hr):
    bare = hr.drop_indexes(["time", "latitude", "longitude"])
    found = as_dataset(bare, "the data")
    assert set(found.xindexes) == {"time", "latitude", "longitude"}
    assert not bare.xindexes
    late = bare.isel(time=slice(None, None, -1))  # matched by date, not by position
    low = hr.downscale.coarsen(2)
    xr.testing.assert_equal(
        standardize(late, Dims(), "r").data.sortby("time"), standardize(hr, Dims(), "r").data
    )
    xr.testing.assert_equal(
        low.drop_indexes("longitude").downscale.interpolate(bare), low.downscale.interpolate(hr)
    )

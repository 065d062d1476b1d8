"""Block means against xarray's, their CF metadata, what is left over, and odd coordinates."""

import itertools
import logging

import numpy as np
import pytest
import xarray as xr

from tests.conftest import DATA, analytic, era5_uk, no_compute, real
from tests.grid import LAYOUTS, field, fields, lat, lon
from xr_dl4ds.config import Scale
from xr_dl4ds.exceptions import GridError, VariableError
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.regridding.coarsen import (
    block_mean,
    coarsen,
    coarsened,
    coarser,
    leftover_free,
    trim_fields,
    trimmed,
    with_area_mean,
)

BLOCKS = {"latitude": 4, "longitude": 4}


# --- values ---------------------------------------------------------------------------------


def test_block_means_by_hand():
    ds = field([50, 49, 48, 47], [1, 2, 3, 4], np.arange(16.0).reshape(1, 4, 4), time=1)
    ds.t[0, 0, 0] = ds.t[0, 1, 1] = np.nan
    ds.t[0, 2:, 2:] = np.nan
    actual = coarsen(ds, 2)
    # valid 1 and 4: 2.5 (with NaN as 0: 1.25); (2+3+6+7)/4 = 4.5; (8+9+12+13)/4 = 10.5; none valid
    np.testing.assert_array_equal(actual.t, [[[2.5, 4.5], [10.5, np.nan]]])
    np.testing.assert_array_equal(actual.lat, [49.5, 47.5])
    np.testing.assert_array_equal(actual.lon, [1.5, 3.5])
    np.testing.assert_array_equal(actual.lat_bnds, [[50.5, 48.5], [48.5, 46.5]])
    np.testing.assert_array_equal(actual.lon_bnds, [[0.5, 2.5], [2.5, 4.5]])


@pytest.mark.parametrize("scale", [2, 4])
def test_means_equal_those_of_xarray_and_stay_lazy(hr_any, scale):
    before = hr_any.copy(deep=True)
    with no_compute():
        actual = coarsen(hr_any, scale)
    xr.testing.assert_identical(hr_any, before)
    assert (actual.t2m.chunks is None) == (hr_any.t2m.chunks is None)
    expected = hr_any.compute().coarsen(latitude=scale, longitude=scale).mean()
    for name in ("t2m", "orog"):
        np.testing.assert_allclose(actual[name], expected[name], rtol=1e-6)
        assert actual[name].dtype == np.float32
        assert actual[name].dims == hr_any[name].dims
    np.testing.assert_array_equal(actual.latitude, expected.latitude)
    np.testing.assert_array_equal(actual.time, hr_any.time)


@pytest.mark.parametrize("order", list(itertools.permutations(["time", "latitude", "longitude"])))
def test_the_order_of_dimensions_stays(order):
    ds = analytic(time=3).transpose(*order)
    actual = coarsen(ds, 4)
    assert actual.t2m.dims == order
    assert actual.orog.dims == tuple(d for d in order if d != "time")
    expected = ds.t2m.coarsen(BLOCKS).mean()
    np.testing.assert_allclose(actual.t2m, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "expected"), [("f8", "f8"), ("f4", "f4"), ("i4", "f4"), ("u1", "f4"), ("?", "f4")]
)
def test_floating_types_stay_and_whole_numbers_become_float32(dtype, expected):
    values = np.arange(16).reshape(4, 4) % 2
    ds = xr.Dataset({"t": (("lat", "lon"), values.astype(dtype))}, {"lat": range(4)}).assign_coords(
        lon=range(4)
    )
    for data in (ds, ds.chunk()):
        actual = coarsen(data, 2).t
        assert actual.dtype == expected
        np.testing.assert_array_equal(actual, np.full((2, 2), 0.5))  # as integers: 0


def test_arrays_and_named_dimensions():
    array = analytic(time=2).t2m.rename(latitude="rows", longitude="cols").drop_attrs()
    with pytest.raises(GridError, match="Pass y_dim="):
        coarsen(array, 4)
    actual = coarsen(array, 4, dims=Dims(y="rows", x="cols"))
    assert dict(actual.sizes) == {"time": 2, "rows": 2, "cols": 3, "bnds": 2}


def test_any_other_dimensions_pass_through():
    ds = analytic(time=3)
    both = xr.concat([ds.t2m, ds.t2m + 1], "realization").transpose(..., "realization")
    actual = coarsen(both.to_dataset(), 4)
    assert actual.t2m.dims == (*ds.t2m.dims, "realization")
    np.testing.assert_allclose(actual.t2m[..., 1] - 1, ds.t2m.coarsen(BLOCKS).mean(), rtol=1e-6)
    samples = ds.t2m.rename(time="sample").drop_vars("sample")
    assert coarsen(samples, 4).t2m.dims == ("sample", "latitude", "longitude")


def test_no_time_steps_give_none():
    assert coarsen(analytic(time=2).isel(time=slice(0)), 4).t2m.shape == (0, 2, 3)


# --- metadata -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, "area: mean"),
        ({"cell_methods": "time: point"}, "time: point area: mean"),
        ({"cell_methods": "area: mean time: max"}, "area: mean time: max"),
        ({"cell_methods": " ", "units": "K"}, "area: mean"),
    ],
)
def test_area_mean_follows_other_cell_methods_once(before, after):
    given = dict(before)
    assert with_area_mean(given) == {**before, "cell_methods": after}
    assert given == before


def test_attributes_of_variables_axes_and_the_dataset():
    ds = analytic(time=2).assign(note=((), 7), nao=("time", [1, 2]))
    ds.latitude.attrs["bounds"] = "latitude_edges"
    actual = coarsen(ds, 4)
    assert actual.attrs == ds.attrs
    assert actual.t2m.attrs == {**ds.t2m.attrs, "cell_methods": "time: point area: mean"}
    for name, axis in (("latitude", "Y"), ("longitude", "X")):
        expected = {**ds[name].attrs, "axis": axis, "bounds": f"{name}_bnds"}
        assert actual[name].attrs == expected
    xr.testing.assert_identical(
        actual[["note", "nao"]].drop_attrs(), ds[["note", "nao"]].drop_attrs()
    )


@pytest.fixture
def cf_file(tmp_path):
    """Time bounds, a grid mapping and bounds of latitude, as they stand in files."""
    ds = analytic(time=3)
    ds["crs"] = ((), 0, {"grid_mapping_name": "latitude_longitude"})
    ds["time_bnds"] = (("time", "nv"), np.stack([ds.time, ds.time + np.timedelta64(6, "h")], 1))
    ds["lat_edges"] = (("latitude", "nv"), ds.latitude.values[:, None] + [0.125, -0.125])
    ds.t2m.attrs["grid_mapping"] = "crs"
    ds.time.attrs["bounds"] = "time_bnds"
    ds.latitude.attrs["bounds"] = "lat_edges"
    units = {"units": "hours since 2001-01-01"}
    ds.to_netcdf(tmp_path / "cf.nc", encoding={"time": units, "time_bnds": units})
    return tmp_path / "cf.nc"


@pytest.mark.parametrize("decode_coords", [True, "all"])
def test_what_was_opened_either_way_can_be_written_and_read(cf_file, tmp_path, decode_coords):
    with xr.open_dataset(cf_file, engine="netcdf4", decode_coords=decode_coords) as ds:
        out = coarsen(ds, 4)
        out.to_netcdf(tmp_path / "lr.nc")  # grid_mapping in attributes and encoding: ValueError
    with xr.open_dataset(tmp_path / "lr.nc", engine="netcdf4", decode_coords=False) as actual:
        assert actual.t2m.attrs["grid_mapping"] == "crs"
        assert actual.crs.attrs == {"grid_mapping_name": "latitude_longitude"}
        assert actual.latitude.attrs["bounds"] == "latitude_bnds"
        assert actual.time.attrs["bounds"] == "time_bnds"
        assert actual.time_bnds.shape == (3, 2)
        assert "lat_edges" not in actual


def test_means_are_not_packed_like_their_source(tmp_path):
    # 280 and 280.5 in steps of 0.5: the mean 280.25 would be written as 280
    values = np.full((1, 4, 4), 280.0)
    values[..., ::2] = 280.5
    packing = {"t": {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -999}}
    field(range(4), range(4), values, time=1).to_netcdf(tmp_path / "hr.nc", encoding=packing)
    with xr.open_dataset(tmp_path / "hr.nc", engine="netcdf4") as ds:
        coarsen(ds, 2).to_netcdf(tmp_path / "lr.nc")
    with xr.open_dataset(tmp_path / "lr.nc", engine="netcdf4") as actual:
        np.testing.assert_array_equal(actual.t, np.full((1, 2, 2), 280.25))


@pytest.mark.parametrize(
    ("name", "attrs"),
    [
        ("lon", {"standard_name": "longitude", "units": "degrees_east"}),
        ("nav_lon", {}),
        ("XLONG", {"units": "degree_east"}),
    ],
)
def test_two_dimensional_longitudes_across_the_seam(name, attrs):
    # rlon -5.5 ... 5.5 has longitudes 354.5 ... 359.5, 0.5 ... 5.5: the block
    # -1.5 ... 1.5 has its mean at 0 and not at (358.5 + 359.5 + 0.5 + 1.5) / 4 = 180
    ds = analytic(time=2).rename(latitude="rlat", longitude="rlon").drop_attrs()
    ds = ds.assign_coords(rlat=np.arange(8.0), rlon=np.arange(12) - 5.5)
    both = np.broadcast_to(ds.rlon % 360, (8, 12))
    actual = coarsen(ds.assign_coords({name: (("rlat", "rlon"), both, attrs)}), 4)
    expected = np.array([-4, 0, 4]) % 360
    off = (actual[name][0] - expected + 180) % 360 - 180
    np.testing.assert_allclose(off, np.zeros(3), atol=1e-9)


@pytest.mark.parametrize("names", [("lat", "lon"), ("nav_lat", "nav_lon")])
@pytest.mark.parametrize("chunks", [None, {"y": 2}])
def test_places_at_a_pole_and_at_a_fold_are_means_on_the_sphere(names, chunks):
    # four cells around the pole, and four cells to both sides of the fold of a tripolar grid
    lat = [[89.0, 89.0, 66.0, 66.0], [89.0, 89.0, 66.0, 66.0]]
    lon = [[0.0, 90.0, 73.0, 253.0], [270.0, 180.0, 73.0, 253.0]]
    t = np.ones((1, 4, 4), "f4")
    ds = xr.Dataset({"t": (("time", "y", "x"), t)}, {"y": np.arange(4.0), "x": np.arange(4.0)})
    places = {n: (("y", "x"), np.tile(v, (2, 1))) for n, v in zip(names, (lat, lon), strict=True)}
    ds = ds.assign_coords(places)
    actual = coarsen(ds if chunks is None else ds.chunk(chunks), 2)
    # the mean of places at 66 N on opposite meridians is the pole
    np.testing.assert_allclose(actual[names[0]], np.full((2, 2), 90.0), atol=1e-5)
    assert actual[names[1]].dtype == ds[names[1]].dtype


def test_coordinates_without_a_mean_do_not_stop_it():
    ds = analytic(time=2).assign_coords(
        zone=("latitude", list("aabbccdd")), day=("time", ["mon", "tue"])
    )
    actual = coarsen(ds, 4)
    assert actual.t2m.shape == (2, 2, 3)
    assert list(actual.day.values) == ["mon", "tue"]


def test_text_has_no_mean():
    ds = analytic(time=2)
    with pytest.raises(VariableError, match="'name' of the data to coarsen to hold numbers"):
        coarsen(ds.assign(name=ds.orog.astype(str)), 4)


# --- what is left over ----------------------------------------------------------------------


def test_left_over_cells_are_named_with_both_cures():
    ds = analytic(time=2, y=9, x=14)
    cure = (
        r"scale 4 divides, got latitude has 9 cells, 1 too many \(48\); longitude has 14 cells, 2"
        r" too many \(8, 8\.25\)\. Drop them with \.isel\(latitude=slice\(0, 8\),"
        r" longitude=slice\(0, 12\)\) or pass trim=True"
    )
    with pytest.raises(GridError, match=cure):
        coarsen(ds, 4)


def test_trim_drops_the_last_rows_and_columns_of_the_user(caplog):
    ds = analytic(time=2, y=9, x=14)
    with caplog.at_level(logging.INFO, "xr_dl4ds.grid.regridding.coarsen"):
        actual = coarsen(ds, 4, trim=True)
    expected = coarsen(ds.isel(latitude=slice(0, 8), longitude=slice(0, 12)), 4)
    xr.testing.assert_identical(actual, expected)
    assert "latitude has 9 cells, 1 too many (48)" in caplog.text
    caplog.clear()
    xr.testing.assert_identical(coarsen(analytic(), 4, trim=True), coarsen(analytic(), 4))
    assert not caplog.records


@pytest.mark.parametrize("scale", [1, 0, -2, 2.0, True, "2", None, np.float64(2)])
def test_scale_must_be_a_whole_number_from_two(scale):
    with pytest.raises(
        GridError, match=r"`scale` to be a whole number >= 2, or a pair \(y, x\) of them, got"
    ):
        coarsen(analytic(time=2), scale)


def test_scale_may_be_a_numpy_integer():
    xr.testing.assert_identical(coarsen(analytic(), np.int64(4)), coarsen(analytic(), 4))


def test_less_than_two_blocks_are_refused():
    cure = "two blocks of 5 cells along latitude, got 8 cells. Use a smaller scale or a larger"
    with pytest.raises(GridError, match=cure):
        coarsen(analytic(time=2), 5, trim=True)


# --- canonical fields and grids -------------------------------------------------------------


def test_coarser_trimmed_and_leftover_free_grids():
    grid = Grid(y=lat(*np.arange(54, 45, -1)), x=lon(358, 359, 0, 1), mapping_name="crs")
    actual = leftover_free(grid, Scale.of(2), trim=True)
    assert actual == {"y": slice(0, 8), "x": slice(0, 4)}
    actual = trimmed(grid, Scale.of(2), trim=True)
    np.testing.assert_array_equal(actual.y.values, np.arange(54, 46, -1))
    actual = coarser(actual, Scale.of(2))
    np.testing.assert_array_equal(actual.y.values, [53.5, 51.5, 49.5, 47.5])
    np.testing.assert_allclose(actual.x.values, [358.5, 0.5], atol=1e-9)
    assert actual.mapping_name == "crs"
    with pytest.raises(GridError, match="pass trim=True"):
        trimmed(grid, Scale.of(2), trim=False)


def test_block_mean_takes_gridded_variables_and_passes_others_on():
    ds = xr.Dataset({"t": (("y", "x"), [[1, 2], [3, 6]]), "s": ("n", [1])})
    actual = block_mean(ds, {"y": 2, "x": 2})
    assert float(actual.t[0, 0]) == 3
    np.testing.assert_array_equal(actual.s, [1])


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("first", [-4, -2, 30, 176])
def test_blocks_are_made_of_neighbours_in_any_layout(layout, first):
    # first = -2, sorted: columns 0 ... 9, 358, 359; by position the last block of 4 would be
    # 8, 9, -2, -1, ten degrees wide
    plain = field(40.0 + np.arange(8), first + 0.5 + np.arange(12))
    columns = LAYOUTS[layout](plain.lon.values)
    by_place = {v % 360: i for i, v in enumerate(plain.lon.values)}
    ds = plain.isel(lon=[by_place[v % 360] for v in columns])
    ds = ds.assign_coords(lon=("lon", columns, plain.lon.attrs))
    expected = plain.coarsen(lat=4, lon=4).mean().t.values
    inner = coarsened(fields(ds), Scale.of(4))
    np.testing.assert_allclose(inner.data.t, expected, atol=1e-12)
    centres = first + np.array([2, 6, 10])
    off = (inner.data.x - centres + 180) % 360 - 180
    np.testing.assert_allclose(off, np.zeros(3), atol=1e-9)
    np.testing.assert_allclose(fields(coarsen(ds, 4)).data.t, expected, atol=1e-12)


@pytest.mark.parametrize("layout", ["0..360, sorted", "0..360, sorted, descending"])
def test_trim_leaves_no_hole_where_longitudes_are_rolled(layout):
    # 13 columns -3.5 ... 8.5; the last by position, 359.5 or 0.5, lies in the middle of the region
    ds = field(40.0 + np.arange(8), LAYOUTS[layout](np.arange(-3.5, 9)))
    actual = trim_fields(fields(ds), Scale.of(4), trim=True)
    np.testing.assert_allclose(np.diff(actual.data.x), np.ones(11))
    expected = fields(coarsen(ds, 4, trim=True)).data
    xr.testing.assert_allclose(coarsened(actual, Scale.of(4)).data, expected)


@pytest.mark.parametrize("falls", [True, False])
def test_trim_fields_drops_what_is_last_in_the_users_layout(falls):
    ds = analytic(time=2, y=9, x=14)
    ds = ds if falls else ds[{"latitude": slice(None, None, -1)}]
    actual = trim_fields(fields(ds), Scale.of(4), trim=True)
    expected = fields(ds.isel(latitude=slice(0, 8), longitude=slice(0, 12)))
    xr.testing.assert_identical(actual.data, expected.data)
    assert actual.grid.same_cells(expected.grid)
    assert trim_fields(expected, Scale.of(4), trim=False).data.identical(expected.data)
    with pytest.raises(GridError, match="pass trim=True"):
        trim_fields(fields(ds), Scale.of(4), trim=False)


def test_coarsened_canonical_fields_carry_area_means():
    actual = coarsened(fields(analytic(time=2)), Scale.of(4))
    assert actual.data.t2m.attrs["cell_methods"] == "time: point area: mean"
    np.testing.assert_array_equal(actual.data.y, actual.grid.y.canonical)
    np.testing.assert_array_equal(actual.grid.y.values, [49.625, 48.625])


# --- real files -----------------------------------------------------------------------------


def test_era5_in_blocks_of_four():
    hr, _ = era5_uk()
    hr = hr.isel(time=slice(0, 5))
    actual = coarsen(hr, 4)
    np.testing.assert_allclose(actual.t2m, hr.t2m.coarsen(BLOCKS).mean(), rtol=1e-6)
    np.testing.assert_array_equal(actual.latitude[:2], [57.625, 56.625])
    expected = hr.longitude.values.reshape(-1, 4).mean(axis=1)  # -9.625, -8.625, ... to the bit
    np.testing.assert_array_equal(actual.longitude, expected)


@pytest.mark.parametrize("decode_coords", [True, "all"])
def test_a_rotated_grid_keeps_its_mapping_and_geographic_coordinates(decode_coords):
    file = "cordex_iberia_hist.nc"
    real(file).close()
    with xr.open_dataset(DATA / file, engine="netcdf4", decode_coords=decode_coords) as ds:
        ds = ds.isel(time=slice(0, 3)).load()
    actual = coarsen(ds, 2)
    assert actual.tas.attrs["grid_mapping"] == "rotated_pole"
    assert actual.rotated_pole.attrs["grid_mapping_name"] == "rotated_latitude_longitude"
    lat, lon = (np.deg2rad(ds[n].astype("f8")) for n in ("lat", "lon"))
    vectors = np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)
    means = np.array([v.coarsen(rlat=2, rlon=2).mean() for v in vectors])
    expected = np.rad2deg(np.arcsin(means[2] / np.linalg.norm(means, axis=0)))
    np.testing.assert_allclose(actual.lat, expected, rtol=1e-6)
    np.testing.assert_allclose(actual.lat, ds.lat.coarsen(rlat=2, rlon=2).mean(), atol=1e-3)


@pytest.mark.parametrize("name", ["bnds", "latitude_bnds"])
def test_the_names_of_bounds_may_be_taken(name):
    ds = analytic()
    expected = ds.downscale.coarsen(2)
    for odd in (
        ds.assign_coords({name: 3}),
        ds.assign({name: 3}),
        ds.assign({name: ("time", ds.time.data)}),
        ds.assign_coords({name: ("time", ds.time.data)}),
    ):
        out = odd.downscale.coarsen(2)
        xr.testing.assert_equal(out[name].variable, odd[name].variable)
        xr.testing.assert_equal(out.t2m.drop_vars(name, errors="ignore"), expected.t2m)
        bounds = out[out.latitude.attrs["bounds"]]
        np.testing.assert_array_equal(bounds, expected.latitude_bnds)


def test_a_dimension_may_be_called_as_that_of_bounds():
    out = analytic().rename(latitude="bnds").downscale.coarsen(2)
    assert out[out.bnds.attrs["bounds"]].dims == ("bnds", "bnds_")

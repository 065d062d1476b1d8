import pyproj
import numpy as np
import pytest
import xarray as xr

from tests.cf import NOTE, TINY, cf_problems, like_a_file, written_problems
from tests.conftest import analytic
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.fields import standardize
from xr_dl4ds.grid.cf.georeference import georeference
from xr_dl4ds.grid.grid import Grid


def at_longitude(ds, west):
    shifted = west + 0.25 * np.arange(ds.sizes["longitude"])
    return ds.assign_coords(longitude=("longitude", shifted, ds.longitude.attrs))


@pytest.fixture(scope="module")
def model():
    return like_a_file().downscale.fit(**TINY)


@pytest.fixture
def lr():
    return like_a_file()[["t2m"]].downscale.coarsen(4)


# --- what compliance-checker says -----------------------------------------------------------------


def test_checker_can_complain(tmp_path):
    wrong = like_a_file().assign_attrs(Conventions="none")
    wrong.t2m.attrs["units"] = "degrees_of_warmth"
    problems = " ".join(written_problems(wrong, tmp_path))
    assert "degrees_of_warmth" in problems
    assert written_problems(like_a_file(), tmp_path, "right.nc") == []


SCALARS = {
    "height": ((), 2.0, {"standard_name": "height", "units": "m", "positive": "up", "axis": "Z"}),
    # as cfgrib gives them: CF-1.8 has no int64, and xarray writes timedelta64 as that
    "number": ((), 0, {"standard_name": "realization", "units": "1"}),
    "step": ((), np.timedelta64(6, "h"), {"standard_name": "forecast_period"}),
    "member": ((), "r1i1p1f1", {"long_name": "name of the ensemble member"}),
}
LAYOUTS = {
    "descending": lambda lr: lr,
    "ascending": lambda lr: lr.sortby("latitude"),
    "noleap": lambda lr: lr.convert_calendar("noleap"),
    "360_day": lambda lr: lr.convert_calendar("360_day", align_on="date"),
    "chunked": lambda lr: lr.chunk(time=3),
    "one_step": lambda lr: lr.isel(time=[5]),
    "scalar_time": lambda lr: lr.isel(time=5),
    "bare_time": lambda lr: lr.assign_coords(time=lr.time.drop_attrs()),
    "bare_scalar_time": lambda lr: lr.isel(time=5).assign_coords(time=lr.time[5].drop_attrs()),
    "reference_time": lambda lr: lr.assign_coords(
        time=lr.time.assign_attrs(standard_name="forecast_reference_time")
    ),
    "beside_time": lambda lr: lr.assign_coords(
        day=("time", lr.time.dt.day.data, {"long_name": "day of the month"})
    ),
    **{n: (lambda lr, n=n, v=v: lr.assign_coords({n: v})) for n, v in SCALARS.items()},
}


@pytest.mark.sparse(2)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_prediction_passes_the_checker(model, lr, tmp_path, layout):
    given_lr = LAYOUTS[layout](lr)
    assert written_problems(given_lr.downscale.predict(model), tmp_path) == []


def test_two_targets_pass_the_checker(tmp_path):
    hr = like_a_file().drop_vars("orog")
    dew = (hr.t2m - 4).assign_attrs(standard_name="dew_point_temperature", units="K")
    hr = hr.assign(d2m=dew)
    prediction = hr.downscale.coarsen(4).downscale.predict(hr.downscale.fit(**TINY))
    assert written_problems(prediction, tmp_path) == []
    assert prediction.d2m.attrs["standard_name"] == "dew_point_temperature"


@pytest.mark.parametrize("chosen", ["dataarray in", "variable of a dataset"])
def test_dataarray_passes_but_for_what_a_file_says_of_itself(model, lr, tmp_path, chosen):
    if chosen == "dataarray in":
        prediction = lr.t2m.downscale.predict(model)
    else:
        prediction = lr.downscale.predict(model).t2m
    assert isinstance(prediction, xr.DataArray)
    problems = written_problems(prediction, tmp_path)
    # xarray writes no global attributes of a DataArray: title, history, Conventions; no more
    assert [p for p in problems if "2.6" not in p] == []


def test_dataarray_names_no_bounds_that_it_cannot_hold(model, lr):
    prediction = lr.t2m.downscale.predict(model)
    assert [d for d in prediction.dims if "bounds" in prediction[d].attrs] == []


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8"])
def test_coordinates_of_any_dtype_pass(tmp_path, dtype):
    hr = like_a_file()
    hr = hr.assign_coords(
        latitude=("latitude", np.arange(30, 22, -1).astype(dtype), hr.latitude.attrs),
        longitude=("longitude", np.arange(12).astype(dtype), hr.longitude.attrs),
    )
    grid = standardize(hr, Dims(), "HR").grid
    prediction = georeference(hr[["t2m"]], grid, {"t2m": hr.t2m.attrs}, hr, NOTE)
    np.testing.assert_array_equal(prediction.latitude, hr.latitude)
    assert written_problems(prediction, tmp_path) == []


def test_stale_range_of_a_coordinate_is_left_out(model, tmp_path):
    # NOAA's files say `actual_range` of a coordinate; of a part of the domain it is another one
    hr = like_a_file()
    hr.latitude.attrs["actual_range"] = np.array([50.0, 48.25])
    grid = standardize(hr, Dims(), "HR").grid
    part = Grid(y=grid.y.replace(grid.y.values[:4]), x=grid.x)
    prediction = georeference(
        hr[["t2m"]].isel(latitude=slice(0, 4)), part, {"t2m": hr.t2m.attrs}, hr, NOTE
    )
    assert written_problems(prediction, tmp_path) == []


# --- the grid mapping, and what GDAL reads -------------------------------------------------------


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize(("west", "expected"), [(5.0, 5.0), (-5.0, -5.0), (355.0, -5.0)])
def test_rasterio_reads_crs_transform_and_values(model, tmp_path, west, expected, ascending):
    rasterio = pytest.importorskip("rasterio")
    hr = at_longitude(like_a_file(), west)
    hr = hr.sortby("latitude") if ascending else hr
    lr = hr[["t2m"]].downscale.coarsen(4)
    prediction = lr.downscale.predict(model, static=hr[["orog"]])
    np.testing.assert_array_equal(prediction.longitude, hr.longitude)
    assert written_problems(prediction, tmp_path) == []
    with rasterio.open(f"netcdf:{tmp_path / 'out.nc'}:t2m") as raster:
        assert raster.crs.to_epsg() == 4326
        # west edge: half a cell beyond the first centre; north edge 50 + 0.125. GDAL turns both
        # longitudes and rows to -180..180 and north up
        assert raster.transform[:6] == (0.25, 0, expected - 0.125, 0, -0.25, 50.125)
        actual = raster.read()
    north_up = prediction.t2m.sortby("latitude", ascending=False)
    np.testing.assert_array_equal(actual, north_up)


@pytest.mark.parametrize("decode_coords", [True, "all"])
def test_grid_mapping_of_the_source_is_carried_on(tmp_path, decode_coords):
    rasterio = pytest.importorskip("rasterio")
    hr = like_a_file().assign(sphere=((), np.int32(0)))
    hr.sphere.attrs = {
        "grid_mapping_name": "latitude_longitude",
        "earth_radius": 6371229.0,
        "GeoTransform": "0 1 0 0 0 1",  # rioxarray's, of another grid
    }
    for name in ("t2m", "orog"):
        hr[name].attrs["grid_mapping"] = "sphere"
    hr.to_netcdf(tmp_path / "hr.nc", engine="netcdf4")
    assert cf_problems(tmp_path / "hr.nc") == []
    with xr.open_dataset(
        tmp_path / "hr.nc", engine="netcdf4", decode_coords=decode_coords
    ) as opened:
        before = opened.copy(deep=True)
        model = opened.downscale.fit(**TINY)
        prediction = opened.downscale.coarsen(4).downscale.predict(model)
        xr.testing.assert_identical(opened, before)
    assert prediction.t2m.attrs["grid_mapping"] == "sphere"
    assert prediction.sphere.attrs["earth_radius"] == 6371229.0
    assert "GeoTransform" not in prediction.sphere.attrs
    assert "crs" not in prediction.coords
    assert written_problems(prediction, tmp_path) == []
    with rasterio.open(f"netcdf:{tmp_path / 'out.nc'}:t2m") as raster:
        ellipsoid = pyproj.CRS(raster.crs.to_wkt()).ellipsoid
    assert ellipsoid.semi_major_metre == ellipsoid.semi_minor_metre == 6371229.0


LAEA = pyproj.CRS.from_epsg(3035).to_cf()
ROTATED = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_latitude": 39.25,
    "grid_north_pole_longitude": -162.0,
    "earth_radius": 6371229.0,
}
PLANAR = {
    "projected": (LAEA, 1000.0, ("projection_y_coordinate", "projection_x_coordinate"), "m"),
    "rotated": (ROTATED, 0.25, ("grid_latitude", "grid_longitude"), "degrees"),
    # coordinates that say nothing: CF and GDAL want names and units, which the mapping knows
    "projected, bare": (LAEA, 1000.0, None, None),
}


@pytest.mark.sparse(2)
@pytest.mark.parametrize("kind", PLANAR)
def test_planar_grids_pass_the_checker(tmp_path, kind):
    rasterio = pytest.importorskip("rasterio")
    mapping, step, names, units = PLANAR[kind]
    attrs = [{} if names is None else {"standard_name": n, "units": units} for n in names or "yx"]
    hr = like_a_file().rename(latitude="y", longitude="x")
    hr = hr.assign_coords(
        y=("y", step * np.arange(8), attrs[0]), x=("x", step * np.arange(12), attrs[1])
    )
    hr = hr.assign_coords(place=((), np.int32(0), mapping))
    hr.t2m.attrs["grid_mapping"] = "place"
    lr = hr.drop_vars("orog").downscale.coarsen(4)
    prediction = lr.downscale.predict(hr.drop_vars("orog").downscale.fit(**TINY))
    problems = written_problems(prediction, tmp_path)
    with rasterio.open(f"netcdf:{tmp_path / 'out.nc'}:t2m") as raster:
        assert (
            pyproj.CRS(raster.crs.to_wkt()).to_cf()["grid_mapping_name"]
            == (mapping["grid_mapping_name"])
        )
        # the first row is y = 0, GDAL's first is y = 7: the north edge is 7.5 cells up
        assert raster.transform[:6] == (step, 0, -0.5 * step, 0, -step, 7.5 * step)
    assert problems == []


def test_rioxarray_finds_the_crs_and_writes_a_raster(model, lr, tmp_path):
    rasterio = pytest.importorskip("rasterio")
    prediction = lr.downscale.predict(model)
    assert prediction.t2m.rio.crs.to_epsg() == 4326
    with xr.set_options(keep_attrs=True):  # an encoding would be lost on the way
        assert (prediction - 273.15).mean("time").t2m.rio.crs.to_epsg() == 4326
    prediction.t2m.isel(time=3).rio.to_raster(tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as raster:
        assert raster.crs.to_epsg() == 4326
        np.testing.assert_array_equal(raster.read(1), prediction.t2m.isel(time=3))


def test_planar_grid_without_a_crs_claims_none():
    hr = analytic(time=2).drop_vars("orog").rename(latitude="y", longitude="x")
    for name in "yx":
        hr[name].attrs = {"standard_name": f"projection_{name}_coordinate", "units": "m"}
    grid = standardize(hr, Dims(), "HR").grid
    actual = georeference(hr, grid, {"t2m": hr.t2m.attrs}, hr, NOTE)
    assert "grid_mapping" not in actual.t2m.attrs
    assert set(actual.coords) == {"time", "y", "x", "y_bnds", "x_bnds"}

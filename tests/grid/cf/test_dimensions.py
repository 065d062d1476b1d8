"""Which dimension is which: explicit names, CF attributes, usual names, and no guessing."""

import numpy as np
import pytest
import xarray as xr

from tests.conftest import DATA, analytic, real
from xr_dl4ds.exceptions import GridError, TimeError
from xr_dl4ds.grid.cf.dimensions import Dims, auxiliary_names, find_dims, grid_mapping, holds_times

TIMES = np.datetime64("2001-01-01", "ns") + np.arange(2) * np.timedelta64(1, "D")


def bare(*dims, **coords):
    """A variable `t` without attributes, with integer coordinates unless others are given."""
    coords = {d: np.arange(2) for d in dims} | coords
    return xr.DataArray(np.zeros([2] * len(dims)), coords, dims, name="t")


# --- spatial dimensions ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "x"),
    [
        ("lat", "lon"),
        ("latitude", "longitude"),
        ("nav_lat", "nav_lon"),
        ("y", "x"),
        ("rlat", "rlon"),
        ("nlat", "nlon"),
        ("j", "i"),
        ("yc", "xc"),
        ("south_north", "west_east"),
        ("northing", "easting"),
        ("grid_latitude", "grid_longitude"),
        ("projection_y_coordinate", "projection_x_coordinate"),
        ("Lat", "LON"),
        ("Y", "X"),
    ],
)
def test_usual_names_are_found_in_any_order(y, x):
    assert find_dims(bare("time", y, x, time=TIMES), Dims()) == Dims(y=y, x=x, time="time")
    assert find_dims(bare(x, "time", y, time=TIMES), Dims()) == Dims(y=y, x=x, time="time")


def test_names_without_coordinates_are_found_too():
    assert find_dims(bare("y", "x").drop_vars(["y", "x"]), Dims()) == Dims(y="y", x="x")


@pytest.mark.parametrize("key", ["axis", "standard_name"])
def test_cf_axes_win_over_names(key):
    # by name `i` is x and `y` is y; by attributes it is the other way round
    array = bare("i", "y")
    named = {"axis": "YX", "standard_name": ["projection_y_coordinate", "projection_x_coordinate"]}
    array["i"].attrs[key], array["y"].attrs[key] = named[key]
    assert find_dims(array, Dims()) == Dims(y="i", x="y")


@pytest.mark.parametrize("attrs", ["standard_name", "units"])
def test_cf_latitude_and_longitude_are_found_under_any_name(attrs):
    array = bare("north", "east")
    both = {"standard_name": ("latitude", "longitude"), "units": ("degrees_north", "degrees_east")}
    array["north"].attrs[attrs], array["east"].attrs[attrs] = both[attrs]
    assert find_dims(array, Dims()) == Dims(y="north", x="east")


def test_latitudes_in_two_dimensions_are_not_dimensions():
    array = bare("south_north", "west_east").assign_coords(
        lat=(("south_north", "west_east"), np.zeros((2, 2)), {"standard_name": "latitude"}),
        lon=(("south_north", "west_east"), np.zeros((2, 2)), {"standard_name": "longitude"}),
    )
    assert find_dims(array, Dims()) == Dims(y="south_north", x="west_east")


def test_the_caller_wins():
    array = bare("lat", "lon", "a", "b")
    assert find_dims(array, Dims(y="a", x="b")) == Dims(y="a", x="b")
    assert find_dims(array, Dims(y="lon", x="lat")) == Dims(y="lon", x="lat")
    array = bare("rows", "lon")
    assert find_dims(array, Dims(y="rows")) == Dims(y="rows", x="lon")


@pytest.mark.parametrize(
    ("dims", "given", "cure"),
    [
        (("a", "lon"), {}, r"one y dimension of 't'.*'a', 'lon'.*no candidate\. Pass y_dim="),
        (("lat", "b"), {}, r"one x dimension of 't'.*no candidate\. Pass x_dim="),
        (("lat", "y", "x"), {}, r"candidates \['lat', 'y'\]\. Pass y_dim="),
        (("lat", "lon"), {"y": "rows"}, "y_dim='rows' to be a dimension.*'lat', 'lon'"),
        (("lat", "lon"), {"x": "cols"}, "x_dim='cols' to be a dimension"),
        (("lat", "lon"), {"y": "lon"}, "'lon' for both. Pass x_dim= and y_dim="),
    ],
)
def test_what_cannot_be_told_is_asked_for(dims, given, cure):
    with pytest.raises(GridError, match=cure):
        find_dims(bare(*dims), Dims(**given))


def test_nothing_is_guessed_from_prefixes():
    # cf_xarray's guess_coord_axis calls `init_time` and `iteration` X axes and `year` time
    array = bare("init_time", "iteration", "lat", "lon")
    assert find_dims(array, Dims()) == Dims(y="lat", x="lon")
    assert find_dims(bare("year", "lat", "lon"), Dims()).time is None


# --- time -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "times",
    [
        TIMES,
        TIMES.astype("M8[s]"),
        xr.date_range("2001-02-27", periods=2, calendar="noleap", use_cftime=True),
        xr.date_range("2001-02-29", periods=2, calendar="360_day", use_cftime=True),
    ],
    ids=["ns", "s", "noleap", "360_day"],
)
def test_time_is_the_dimension_that_holds_dates(times):
    array = bare("level", "valid", "lat", "lon", valid=times)
    assert find_dims(array, Dims()).time == "valid"
    assert holds_times(array["valid"])
    assert not holds_times(array["level"])


def test_time_without_dates_is_found_by_its_name_alone():
    assert find_dims(bare("Time", "lat", "lon"), Dims()).time == "Time"
    assert find_dims(bare("time", "lat", "lon").drop_vars("time"), Dims()).time == "time"
    assert find_dims(bare("sample", "lat", "lon"), Dims()).time is None
    assert find_dims(bare("sample", "lat", "lon"), Dims(time="sample")).time == "sample"
    # dates win over the name
    assert find_dims(bare("time", "day", "lat", "lon", day=TIMES), Dims()).time == "day"


def test_a_variable_without_the_time_named_is_static():
    assert find_dims(bare("lat", "lon"), Dims(time="time")).time is None


def test_two_time_dimensions_are_refused():
    array = bare("init", "valid", "lat", "lon", init=TIMES, valid=TIMES)
    with pytest.raises(TimeError, match=r"\['init', 'valid'\]\. Pass time_dim="):
        find_dims(array, Dims())
    assert find_dims(array, Dims(time="valid")).time == "valid"


def test_strings_and_an_empty_axis_hold_no_times():
    assert not holds_times(xr.DataArray(np.array(["a", "b"], object), dims="n"))
    assert not holds_times(xr.DataArray(np.array([], object), dims="n"))
    assert holds_times(xr.DataArray(TIMES[:0], dims="n"))


# --- bounds and grid mappings ---------------------------------------------------------------


def test_auxiliary_names_come_from_attributes_and_encodings():
    ds = analytic(time=2).assign(
        time_bnds=(("time", "nv"), np.zeros((2, 2))),
        lat_edges=(("latitude", "nv"), np.zeros((8, 2))),
        clim=(("time", "nv"), np.zeros((2, 2))),
        crs=((), 0),
        lonely=((), 0, {"grid_mapping_name": "latitude_longitude"}),
    )
    ds.time.attrs["bounds"] = "time_bnds"
    ds.latitude.encoding["bounds"] = "lat_edges"
    ds.longitude.attrs["climatology"] = "clim"
    ds.t2m.encoding["grid_mapping"] = "crs: latitude longitude"
    ds.orog.attrs["grid_mapping"] = "not_there"
    actual = auxiliary_names(ds)
    assert actual == {"time_bnds", "lat_edges", "clim", "crs", "lonely", "latitude", "longitude"}


@pytest.mark.parametrize("text", ["crs", "crs: x y", "crs: x y other: latitude longitude"])
@pytest.mark.parametrize("place", ["attrs", "encoding"])
@pytest.mark.parametrize("as_coordinate", [True, False])
def test_grid_mapping_is_found_wherever_it_stands(text, place, as_coordinate):
    attrs = {"grid_mapping_name": "latitude_longitude"}
    ds = analytic(time=2).assign(crs=((), 0, attrs))
    ds = ds.set_coords("crs") if as_coordinate else ds
    getattr(ds.t2m, place)["grid_mapping"] = text
    assert grid_mapping(ds, "t2m") == ("crs", attrs)
    assert grid_mapping(ds, "orog") == (None, {})


@pytest.mark.parametrize("name", ["spatial_ref", "crs"])
def test_the_crs_of_rioxarray_is_found_without_a_link(name):
    ds = analytic(time=2).assign_coords({name: ((), 0, {"crs_wkt": "GEOGCS[...]"})})
    assert grid_mapping(ds, "t2m") == (name, {"crs_wkt": "GEOGCS[...]"})
    ds.t2m.attrs["grid_mapping"] = "lost"
    assert grid_mapping(ds, "t2m")[0] == name


def test_without_a_grid_mapping_there_is_none():
    ds = analytic(time=2).assign_coords(crs=((), 0, {"note": "no WKT here"}))
    assert grid_mapping(ds, "t2m") == (None, {})


def test_a_blank_link_is_none():
    ds = analytic(time=2).assign(crs=((), 0, {"grid_mapping_name": "latitude_longitude"}))
    ds.t2m.attrs["grid_mapping"] = "  "
    assert grid_mapping(ds, "t2m") == (None, {})


def test_the_attributes_returned_are_a_copy():
    ds = analytic(time=2).assign(crs=((), 0, {"grid_mapping_name": "latitude_longitude"}))
    ds.t2m.attrs["grid_mapping"] = "crs"
    _, attrs = grid_mapping(ds, "t2m")
    attrs["grid_mapping_name"] = "changed"
    assert ds.crs.attrs == {"grid_mapping_name": "latitude_longitude"}


# --- real files -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "variable", "expected", "mapping"),
    [
        ("cordex_iberia_hist.nc", "tas", ("rlat", "rlon", "time"), "rotated_pole"),
        ("originals/test_lcc.nc", "tas", ("y", "x", "time"), "lambert_conformal_conic"),
        ("originals/tmean_1910_1910.nc", "tmean", ("y", "x", "time"), "crs"),
        ("era5_uk_t2m_hourly.nc", "t2m", ("latitude", "longitude", "time"), None),
        ("uk_static_005.nc", "orog", ("latitude", "longitude", None), None),
        ("java_chirps_hr.nc", "pr", ("lat", "lon", "time"), None),
    ],
)
@pytest.mark.parametrize("decode_coords", [True, "all"])
def test_real_files_opened_either_way(file, variable, expected, mapping, decode_coords):
    real(file).close()  # skips where the file is absent
    with xr.open_dataset(DATA / file, engine="netcdf4", decode_coords=decode_coords) as ds:
        y, x, time = expected
        assert find_dims(ds[variable], Dims()) == Dims(y=y, x=x, time=time)
        name, attrs = grid_mapping(ds, variable)
        assert name == mapping
        assert ("grid_mapping_name" in attrs) == (mapping is not None)

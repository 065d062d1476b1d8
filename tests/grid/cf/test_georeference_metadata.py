"""What `georeference` says of a prediction: time, bounds, history, provenance, encodings."""

import hashlib
import json
import re

import hypothesis.strategies as st
import netCDF4
import numpy as np
import pytest
import xarray as xr
from hypothesis import given

from tests.cf import NOTE, TINY, cf_problems, like_a_file, written_problems
from tests.conftest import no_compute
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.cf.georeference import PROVENANCE, georeference, provenance_of, target_attrs
from xr_dl4ds.grid.grid import Grid

LINE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ: xr_dl4ds \S+ downscaled t2m by 4 \(resnet .*\)"


@pytest.fixture(scope="module")
def model():
    return like_a_file().downscale.fit(**TINY, seed=7, loss={"mae": 0.8, "mse": 0.2})


@pytest.fixture
def lr():
    return like_a_file()[["t2m"]].downscale.coarsen(4)


def test_inputs_are_not_changed(model, lr):
    before = lr.copy(deep=True)
    encodings = {n: dict(v.encoding) for n, v in lr.variables.items()}
    lr.downscale.predict(model)
    xr.testing.assert_identical(lr, before)
    assert {n: dict(v.encoding) for n, v in lr.variables.items()} == encodings


def test_nothing_is_computed(model, lr):
    with no_compute():
        actual = lr.chunk(time=3).downscale.predict(model)
    assert actual.t2m.chunks[0] == (3, 3, 2)
    actual, expected = actual.compute(), lr.downscale.predict(model)
    np.testing.assert_allclose(actual.t2m, expected.t2m, rtol=0, atol=1e-4)
    actual.attrs["history"] = expected.attrs["history"]  # the time of day may be another
    xr.testing.assert_identical(actual.drop_vars("t2m"), expected.drop_vars("t2m"))


# --- time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day"])
def test_time_keeps_units_and_calendar_of_the_source(model, lr, tmp_path, calendar):
    align = {"align_on": "date"} if calendar == "360_day" else {}
    lr = lr if calendar == "standard" else lr.convert_calendar(calendar, **align)
    lr.time.encoding = {"units": "days since 1850-01-01", "calendar": calendar, "dtype": "i8"}
    lr.downscale.predict(model).to_netcdf(tmp_path / "out.nc", engine="netcdf4")
    with netCDF4.Dataset(tmp_path / "out.nc") as raw:
        time = raw["time"]
        assert (time.units, time.calendar) == ("days since 1850-01-01", calendar)
        assert (time.standard_name, time.axis) == ("time", "T")
        # CF-1.8 has no int64, and a quarter of a day is no whole number
        assert time.dtype == np.float64
        np.testing.assert_array_equal(np.diff(time[:]), 0.25)
    with xr.open_dataset(tmp_path / "out.nc", engine="netcdf4") as back:
        np.testing.assert_array_equal(back.time, lr.time)


def with_time_bounds(ds, key):
    """Mean values of the six hours before each time, as a file says it."""
    ends = np.stack([ds.time.data - np.timedelta64(6, "h"), ds.time.data], axis=1)
    ds = ds.assign({f"time_{key}": (("time", "bnds"), ends)})
    ds["time"].attrs[key] = f"time_{key}"
    ds[f"time_{key}"].encoding = dict(ds.time.encoding)
    return ds


@pytest.mark.parametrize("decode_coords", [True, "all"])
def test_bounds_of_time_stay_with_it(model, tmp_path, decode_coords):
    source = with_time_bounds(like_a_file(), "bounds")
    assert written_problems(source, tmp_path, "lr.nc") == []
    with xr.open_dataset(
        tmp_path / "lr.nc", engine="netcdf4", decode_coords=decode_coords
    ) as opened:
        prediction = opened.downscale.coarsen(4).downscale.predict(model)
    assert written_problems(prediction, tmp_path) == []
    with netCDF4.Dataset(tmp_path / "out.nc") as raw:
        assert raw["time"].bounds == "time_bounds"
        hours = raw["time_bounds"][:]
        np.testing.assert_array_equal(hours[:, 1] - hours[:, 0], 6)
        np.testing.assert_array_equal(hours[:, 1], raw["time"][:])


def test_climatology_is_not_claimed_without_its_bounds(model, tmp_path):
    source = with_time_bounds(like_a_file(), "climatology")
    prediction = source.downscale.coarsen(4).downscale.predict(model)
    assert "the checker crashed" not in written_problems(prediction, tmp_path)
    claimed = prediction.time.attrs.get("climatology")
    assert claimed is None or claimed in prediction.variables


# --- space --------------------------------------------------------------------------------------


def test_axes_have_what_cf_and_gdal_ask_for(model, lr, tmp_path):
    lr.downscale.predict(model).to_netcdf(tmp_path / "out.nc", engine="netcdf4")
    with netCDF4.Dataset(tmp_path / "out.nc") as raw:
        for name, letter, units in (
            ("latitude", "Y", "degrees_north"),
            ("longitude", "X", "degrees_east"),
        ):
            expected = {
                "standard_name": name,
                "units": units,
                "axis": letter,
                "bounds": f"{name}_bnds",
            }
            assert raw[name].__dict__ == expected  # no _FillValue among them
            assert raw[f"{name}_bnds"].__dict__ == {}
        # 50 and 49.75 are the first centres from the north, 5 from the west
        np.testing.assert_array_equal(
            raw["latitude_bnds"][:2], [[50.125, 49.875], [49.875, 49.625]]
        )
        np.testing.assert_array_equal(raw["longitude_bnds"][0], [4.875, 5.125])


@given(
    south=st.floats(-89, 60),
    west=st.floats(-180, 360),
    step=st.sampled_from([0.1, 0.25, 1.0, 2.5]),
    shape=st.tuples(st.integers(2, 9), st.integers(2, 9)),
    descending=st.booleans(),
    dtype=st.sampled_from(["f4", "f8"]),
)
def test_bounds_enclose_centres_and_meet(south, west, step, shape, descending, dtype):
    lat = (south + step * np.arange(shape[0]))[:: -1 if descending else 1].astype(dtype)
    lon = (west + step * np.arange(shape[1])).astype(dtype)
    grid = Grid(
        y=Axis(name="lat", values=lat, kind="latitude"),
        x=Axis(name="lon", values=lon, kind="longitude"),
    )
    data = xr.Dataset({"a": (("lat", "lon"), np.zeros(shape, "f4"))})
    out = georeference(data, grid, {"a": {}}, xr.Dataset(), NOTE)
    for centres, bounds in ((lat, out.lat_bnds.to_numpy()), (lon, out.lon_bnds.to_numpy())):
        low, high = np.sort(bounds, axis=1).T
        assert ((low < centres) & (centres < high)).all()
        np.testing.assert_allclose(bounds[1:, 0], bounds[:-1, 1], rtol=0, atol=1e-4 * step)
    assert np.abs(out.lat_bnds).max() <= 90
    # coordinates are the grid's own, to the bit
    assert out.lat.dtype == out.lon.dtype == dtype
    np.testing.assert_array_equal(out.lat, lat)
    np.testing.assert_array_equal(out.lon, lon)


# --- the file -----------------------------------------------------------------------------------


def test_packing_of_the_source_is_not_inherited(model, lr, tmp_path):
    # int16 steps of 0.5 K around 280 K: written so, a prediction would be off by up to 0.25 K
    packed = {"dtype": "i2", "scale_factor": 0.5, "add_offset": 280.0, "_FillValue": -1}
    lr.to_netcdf(tmp_path / "lr.nc", engine="netcdf4", encoding={"t2m": packed})
    with xr.open_dataset(tmp_path / "lr.nc", engine="netcdf4") as opened:
        assert opened.t2m.encoding["scale_factor"] == 0.5
        prediction = opened.downscale.predict(model)
    prediction.to_netcdf(tmp_path / "out.nc", engine="netcdf4")
    with netCDF4.Dataset(tmp_path / "out.nc") as raw:
        t2m = raw["t2m"]
        assert t2m.dtype == np.float32
        assert t2m.filters()["zlib"]
        assert np.isnan(t2m._FillValue)
        assert not {"scale_factor", "add_offset", "missing_value"} & set(t2m.ncattrs())
    with xr.open_dataset(tmp_path / "out.nc", engine="netcdf4", decode_coords="all") as back:
        xr.testing.assert_equal(back, prediction)


@pytest.mark.parametrize("decode_coords", [True, "all"])
def test_coarsened_passes_the_checker_unpacked(tmp_path, decode_coords):
    # values in steps of 1 K, packed as int16 with that step: block means have 1/16 K
    source = like_a_file().assign(
        crs=((), np.int32(0), {"grid_mapping_name": "latitude_longitude"})
    )
    source["t2m"] = source.t2m.round().assign_attrs(grid_mapping="crs")
    packed = {"dtype": "i2", "scale_factor": 1.0, "add_offset": 280.0, "_FillValue": -99}
    source.to_netcdf(tmp_path / "hr.nc", engine="netcdf4", encoding={"t2m": packed})
    assert cf_problems(tmp_path / "hr.nc") == []
    with xr.open_dataset(
        tmp_path / "hr.nc", engine="netcdf4", decode_coords=decode_coords
    ) as opened:
        lr = opened.downscale.coarsen(4)
        assert written_problems(lr, tmp_path, "lr.nc") == []
    first = float(source.t2m[0, :4, :4].astype("f8").mean())
    assert first != round(first)
    with xr.open_dataset(tmp_path / "lr.nc", engine="netcdf4") as back:
        assert float(back.t2m[0, 0, 0]) == pytest.approx(first, abs=1e-4)
        assert back.t2m.attrs["cell_methods"] == "time: point area: mean"


def test_zarr_round_trip(model, lr, tmp_path):
    pytest.importorskip("zarr")
    prediction = lr.downscale.predict(model)
    prediction.to_zarr(tmp_path / "out.zarr")
    with xr.open_zarr(tmp_path / "out.zarr", decode_coords="all") as back:
        xr.testing.assert_equal(back.compute(), prediction)
        assert back.t2m.rio.crs.to_epsg() == 4326


# --- where it comes from ------------------------------------------------------------------------


def test_history_is_continued(model, lr):
    actual = lr.downscale.predict(model).attrs["history"]
    assert re.fullmatch(LINE + "\n2020-01-01: observed", actual)
    without = lr.drop_attrs().assign(t2m=lr.t2m)
    assert re.fullmatch(LINE, without.downscale.predict(model).attrs["history"])


def test_global_attributes(model, lr):
    given_lr = lr.assign_attrs(license="CC BY", source="some model", comment="of the LR file")
    attrs = given_lr.downscale.predict(model).attrs
    assert attrs["Conventions"] == "CF-1.8"
    assert attrs["title"] == "analytic test field, downscaled"
    assert (attrs["institution"], attrs["license"]) == ("Here", "CC BY")
    assert re.fullmatch(r"xr_dl4ds \S+; input: some model", attrs["source"])
    assert "comment" not in attrs


def test_provenance_is_json_and_survives_the_file(model, lr, tmp_path):
    lr.downscale.predict(model).to_netcdf(tmp_path / "out.nc", engine="netcdf4")
    with xr.open_dataset(tmp_path / "out.nc", engine="netcdf4") as back:
        note = json.loads(back.attrs[PROVENANCE])
        assert provenance_of(back) == note
    weights = hashlib.sha256(b"".join(w.tobytes() for w in model.network.get_weights()))
    expected = {
        "model": weights.hexdigest(),
        "scale": 4,
        "pairing": "nested",
        "targets": ["t2m"],
        "predictors": [],
        "static": ["orog"],
        "loss": {"mae": 0.8, "mse": 0.2},
        "seed": 7,
        "best_epoch": 1,
        # 8 steps of 6 h, the last of which is held out for validation
        "period": ["2001-01-01 00:00:00", "2001-01-02 12:00:00"],
    }
    assert {k: note[k] for k in expected} == expected
    assert note["network"]["n_filters"] == 4
    assert note["summary"] in back.attrs["history"]


@pytest.mark.parametrize("text", ["{half", "3", "[1]"])
def test_unreadable_provenance_says_what_to_do(text):
    with pytest.raises(GridError, match="Remove it and pass lr= or scale="):
        provenance_of(xr.Dataset(attrs={PROVENANCE: text}))


def test_no_provenance_is_none():
    assert provenance_of(xr.Dataset(attrs={"title": "x"})) == {}


def test_target_attrs_keep_what_a_variable_is():
    kept = {"long_name": "t", "units": "K", "cell_methods": "time: mean", "comment": "c"}
    stored = {
        "_FillValue": -1, "GRIB_paramId": 167, "actual_range": [0, 1], "valid_min": 0,
        "missing_value": -9, "grid_mapping": "crs", "coordinates": "lat lon", "history": "h",
        "standard_name": "unknown",  # cfgrib's, of parameters without one
    }  # fmt: skip
    attrs = {**stored, **kept}
    assert target_attrs(attrs) == kept
    assert attrs == {**stored, **kept}
    assert target_attrs({"standard_name": "air_temperature"}) == {
        "standard_name": "air_temperature"
    }


@pytest.mark.parametrize("form", ["chunked", "text", "chunked dates"])
def test_any_bounds_and_dates_along_time_can_be_written(model, tmp_path, form):
    lr = with_time_bounds(like_a_file(), "bounds").downscale.coarsen(4)
    lr["time"].encoding = {}  # no units are given
    lr = with_time_bounds(lr, "bounds").assign_coords(run=("time", lr.time.data))
    if form == "text":
        lr["time_bounds"] = lr.time_bounds.astype(str)
    else:
        lr = lr.chunk(time=3) if form == "chunked" else lr.assign_coords(run=lr.run.chunk(time=3))
    prediction = lr.downscale.predict(model)
    assert ("time_bounds" in prediction.coords) == (form != "text")
    prediction.to_netcdf(tmp_path / "out.nc", engine="netcdf4")


@pytest.mark.parametrize("dtype", ["f2", np.longdouble])
def test_coordinates_of_types_that_netcdf_lacks_can_be_written(model, lr, tmp_path, dtype):
    odd = lr.assign_coords(height=np.array(2, dtype), part=("time", np.zeros(lr.time.size, dtype)))
    odd.downscale.predict(model).to_netcdf(tmp_path / "out.nc", engine="netcdf4")
    with xr.open_dataset(tmp_path / "out.nc", engine="netcdf4") as found:
        assert found.height == 2

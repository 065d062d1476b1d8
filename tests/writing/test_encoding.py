"""What is on disk, beside what xarray's own `to_zarr` puts there, also after an interruption."""

import dask.array as da
import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from zarr.storage import MemoryStore

import xr_dl4ds  # noqa: F401  registers .downscale
from tests.writing import killed_after, note_of, read
from xr_dl4ds.writing import write

STEPS = 12
TIME = pd.date_range("2001-01-01", periods=STEPS, freq="6h")


def series(values, attrs=None, encoding=None):
    """A lazy variable of three chunks in time, beside a static one."""
    values = np.asarray(values)
    dims = ("time", "y", "x")[: values.ndim]
    ds = xr.Dataset({"a": (dims, da.from_array(values, chunks=(4, *values.shape[1:])), attrs)})
    ds["a"].encoding = dict(encoding or {})
    return ds.assign_coords(time=TIME)


def normal(dtype="f4", scale=10.0, offset=0.0):
    return (np.random.default_rng(0).normal(size=(STEPS, 3, 5)) * scale + offset).astype(dtype)


def with_gaps(dtype="f4"):
    values = normal(dtype, offset=280)
    values[2, 0, 0] = values[5, 1] = np.nan
    return values


def infinite():
    values = with_gaps()
    values[4, 2, 2], values[7, 0, 1] = np.inf, -np.inf
    return values


PACKED = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -32768}
CASES = {
    **{t: series(np.arange(STEPS, dtype=t)) for t in ("i1", "u2", "i8", "f2", "f8", ">f4", "c16")},
    "bool": series(np.arange(STEPS) % 3 == 0),
    "texts of a length": series(np.array(["abc", "de", "f"] * 4)),
    "bytes": series(np.array([b"abc", b"de", b"f"] * 4)),
    "gaps": series(with_gaps()),
    "infinite": series(infinite()),
    "packed": series(with_gaps(), encoding=PACKED),
    "packed, out of range": series(normal(offset=900), encoding=PACKED),
    "packed, unsigned": series(
        normal(offset=280).clip(250, 300),
        encoding={"dtype": "u1", "scale_factor": 0.5, "add_offset": 200.0},
    ),
    "half precision": series(with_gaps(), encoding={"dtype": "float16"}),
    "a fill value that occurs": series(normal().round(), encoding={"_FillValue": np.float32(0)}),
    "no fill value": series(normal(), encoding={"_FillValue": None}),
    "missing value alone": series(with_gaps(), encoding={"missing_value": np.float32(-9999)}),
    "both": series(
        with_gaps(),
        encoding={"missing_value": np.float32(-9999), "_FillValue": np.float32(-9999)},
    ),
    "raw, scaled": series(normal(), attrs={"scale_factor": 0.1}),
    "raw, shifted": series(normal(), attrs={"add_offset": 100.0}),
    "raw, packed": series(
        np.arange(STEPS, dtype="i2"),
        attrs={"scale_factor": 0.1, "add_offset": 5.0, "_FillValue": np.int16(3)},
    ),
    "raw, unsigned": series(np.arange(STEPS).astype("i1"), attrs={"_Unsigned": "true"}),
    "raw times": series(np.arange(STEPS), attrs={"units": "days since 2000-01-01"}),
    "raw durations": series(np.arange(STEPS), attrs={"units": "hours", "dtype": "timedelta64[ns]"}),
    "times": series(TIME.values.astype("M8[ns]")),
    "times in hours": series(
        TIME.values, encoding={"units": "hours since 2000-01-01", "dtype": "int32"}
    ),
    "times with gaps": series(np.where(np.arange(STEPS) == 5, np.datetime64("NaT"), TIME.values)),
    "times in floating-point days, with gaps": series(
        np.where(np.arange(STEPS) == 5, np.datetime64("NaT"), TIME.values),
        encoding={"units": "days since 2000-01-01", "dtype": "float64"},
    ),
    "complex, with a fill value": series(normal("c8"), encoding={"_FillValue": np.complex64(1j)}),
    "durations": series((TIME - TIME[0]).to_numpy()),
    "durations in hours": series(
        (TIME - TIME[0]).to_numpy(), encoding={"units": "hours", "dtype": "int64"}
    ),
    "named coordinates": series(normal(), encoding={"coordinates": "height"}).assign_coords(
        height=2.0
    ),
    "grid mapping": series(normal(), encoding={"grid_mapping": "crs"}).assign_coords(
        crs=((), 0, {"grid_mapping_name": "latitude_longitude"})
    ),
    "attributes": series(
        normal(),
        attrs={"n": np.float32(2.5), "valid": np.array([1, 2]), "nan": np.nan, "name": "é"},
    ),
    "numbers and texts as names of attributes": series(normal(), {1: 2, "a": 3}),
    "in a group": series(normal()).rename(a="b/a"),
}


def stopped(ds, path, monkeypatch):
    """A store of two regions of three."""
    killed_after(2, ds, path, monkeypatch)
    assert note_of(path)["written"] == 2


@pytest.mark.sparse(2)
@pytest.mark.filterwarnings("ignore")  # xarray's, of what is packed, and Zarr's, of types
@pytest.mark.parametrize("case", CASES)
def test_it_is_that_of_xarray_at_once_and_after_an_interruption(tmp_path, monkeypatch, case):
    ds = CASES[case]
    group = "b" if case == "in a group" else None
    ds.to_zarr(tmp_path / "plain.zarr", zarr_format=3, consolidated=False)
    write(ds, tmp_path / "ours.zarr", progress=False)
    stopped(ds, tmp_path / "stopped.zarr", monkeypatch)
    write(ds, tmp_path / "stopped.zarr", progress=False)
    for decode in (True, False):
        expected = read(tmp_path / "plain.zarr", decode_cf=decode, group=group)
        for name in ("ours.zarr", "stopped.zarr"):
            found = read(tmp_path / name, decode_cf=decode, group=group)
            xr.testing.assert_identical(found, expected)
            assert {n: v.dtype for n, v in found.variables.items()} == {
                n: v.dtype for n, v in expected.variables.items()
            }


@pytest.mark.parametrize("options", [{"mask_and_scale": False}, {"decode_cf": False}, {}])
def test_a_packed_file_however_it_was_opened(tmp_path, options):
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        file.createDimension("time", STEPS)
        packed = file.createVariable("a", "i2", ("time",), fill_value=-32767)
        packed.scale_factor, packed.add_offset = 0.01, 5.0
        packed[:] = np.ma.masked_equal(np.arange(STEPS) / 7, 3 / 7)
        old = file.createVariable("old", "f4", ("time",))
        old.missing_value = np.float32(-9999)
        old[:] = np.arange(STEPS)
    with xr.open_dataset(tmp_path / "a.nc", chunks={"time": 4}, **options) as ds:
        ds.to_zarr(tmp_path / "plain.zarr", zarr_format=3)
        write(ds, tmp_path / "ours.zarr", progress=False)
    for decode in (True, False):
        expected = read(tmp_path / "plain.zarr", decode_cf=decode)
        xr.testing.assert_identical(read(tmp_path / "ours.zarr", decode_cf=decode), expected)


def test_times_that_their_units_cannot_hold_are_an_error_and_cured(tmp_path):
    """Once counted in hours, and said to be days."""
    encoding = {"units": "days since 2000-01-01", "dtype": "int64"}
    ds, path = series(TIME.values, encoding=encoding).rename(a="when"), tmp_path / "a.zarr"
    with pytest.raises(ValueError, match="can't be serialized faithfully") as raised:
        write(ds, path, progress=False)
    (note,) = raised.value.__notes__
    assert note.startswith("This was region 1 of 3, of the variables when;")
    ds.when.encoding = {}
    write(ds, path, progress=False)  # nothing of the other was kept: it needs no overwrite=True
    np.testing.assert_array_equal(read(path).when, TIME)


def test_a_packing_asked_for_anew_is_another_store(tmp_path, monkeypatch):
    ds, path = series(with_gaps()), tmp_path / "a.zarr"
    stopped(ds, path, monkeypatch)
    ds.a.encoding = PACKED
    with pytest.raises(FileExistsError, match=r"unfinished store at .* to contain this pred"):
        write(ds, path, progress=False)
    assert read(path).a.dtype == np.float32


def test_lazy_coordinates_of_dimensions(tmp_path, monkeypatch):
    whole = xr.Dataset({"a": ("time", np.arange(12.0))}, {"time": TIME})
    whole.chunk(time=4).to_zarr(tmp_path / "lr.zarr", zarr_format=3)
    with xr.open_zarr(tmp_path / "lr.zarr", create_default_indexes=False, chunks={"time": 4}) as ds:
        assert ds.time.chunks is not None
        stopped(ds, tmp_path / "a.zarr", monkeypatch)
        write(ds, tmp_path / "a.zarr", progress=False)
    xr.testing.assert_equal(read(tmp_path / "a.zarr"), whole)


def test_chunks_of_unknown_sizes(tmp_path):
    ds = series(np.arange(12.0)).drop_vars("time")
    unknown = ds.a.data[ds.a.data > 3]
    with pytest.raises(ValueError, match=r"known sizes, got unknown .* 'a'.*chunk_sizes\(\)"):
        write(xr.Dataset({"a": ("time", unknown)}), tmp_path / "a.zarr", progress=False)


def test_a_slash_before_a_name_stays_in_the_store(tmp_path):
    path = write(series(np.arange(12.0)).rename(a="/q"), tmp_path / "a.zarr", progress=False)
    np.testing.assert_array_equal(read(path).q, np.arange(12.0))


@pytest.mark.filterwarnings("ignore:Duplicate dimension names")
def test_a_dimension_twice(tmp_path):
    square = da.from_array(np.arange(16.0).reshape(4, 4), chunks=2)
    ds = series(normal()).assign(c=(("x2", "x2"), square))
    write(ds, tmp_path / "a.zarr", progress=False)
    np.testing.assert_array_equal(read(tmp_path / "a.zarr").c, square)
    write(ds[["c"]], tmp_path / "b.zarr", progress=False)
    np.testing.assert_array_equal(read(tmp_path / "b.zarr").c, square)


REFUSED = {
    "'s'": series(normal()).assign(s=("time", pd.array(range(STEPS), dtype="Int64"))),
    "'a'": series(normal(np.longdouble)),
    "'time'": series(normal()).assign_coords(time=TIME.tz_localize("UTC")),
    "5": series(normal()).rename(a=5),
    r"'\.\./a'": series(normal()).rename(a="../a"),
    "this dataset": series(normal()).assign({"a/b": series(normal()).a}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_variables_that_have_no_place_are_named_and_nothing_is_removed(tmp_path, name):
    """Once the old store of an object store was removed first."""
    message = rf"variables that Zarr can store, got {name}: .*[^.]\. Rename or convert"
    with pytest.raises(TypeError, match=message):
        write(REFUSED[name], tmp_path / "a.zarr", progress=False)
    assert not list(tmp_path.iterdir())
    store = MemoryStore()
    write(series(normal()), store, progress=False)
    with pytest.raises(TypeError, match=message):
        write(REFUSED[name], store, overwrite=True, progress=False)
    xr.testing.assert_equal(read(store), series(normal()).compute())


def test_names_of_attributes_that_have_no_place(tmp_path):
    ds = series(normal()).assign_attrs({1: 2})
    with pytest.raises(TypeError, match="attribute names to be strings, got 1 in the dataset"):
        write(ds, tmp_path / "a.zarr", progress=False)
    assert not list(tmp_path.iterdir())


ODD = [
    1j,
    pd.Timestamp("2001"),
    np.datetime64("2001"),
    b"a",
    {1},
    [np.float32(1)],
    {"a": np.ones(1)},
]


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("owner", ["the dataset", "'a'"])
def test_attributes_that_have_no_place_are_named(tmp_path, value, owner):
    ds = series(normal())
    (ds if owner == "the dataset" else ds.a).attrs["when"] = value
    message = rf"Zarr can store .* got 'when' of {owner}: {type(value).__name__} .*str\("
    with pytest.raises(TypeError, match=message):
        write(ds, tmp_path / "a.zarr", progress=False)
    assert not list(tmp_path.iterdir())

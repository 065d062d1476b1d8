"""Values that attributes mark as missing are masked; packed values are unpacked; both are said."""

import numpy as np
import pytest
import xarray as xr

from tests.conftest import no_compute
from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.grid.cf.missing_values import notes_on_marks, unwritten_of, with_missing_masked

VALUES = np.array([[1.0, -9999.0, 3.0, 4.0]])


def data(values=VALUES, dtype="f4", **attrs):
    return xr.Dataset({"t": (("y", "x"), np.asarray(values).astype(dtype), attrs)})


@pytest.mark.parametrize("key", ["_FillValue", "missing_value"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "i4"])
def test_marks_become_nan(key, dtype, caplog):
    ds = data(dtype=dtype, units="K", **{key: np.array(-9999, dtype)})
    found = with_missing_masked(ds, "the HR data").t
    np.testing.assert_array_equal(found, [[1, np.nan, 3, 4]])
    assert found.attrs == {"units": "K"}
    assert f"25 % of the values of 't' of the HR data are -9999 ({key}): they are masked" in (
        caplog.text
    )
    assert ds.t.attrs[key] == -9999
    assert ds.t.values[0, 1] == -9999


@pytest.mark.parametrize("mark", [1e20, "1e20", [-9999.0, 1e20], np.float64(1e20)])
def test_marks_are_rounded_as_the_values_are(mark):
    ds = data([[1.0, np.float32(1e20)]], missing_value=mark)
    np.testing.assert_array_equal(with_missing_masked(ds, "r").t, [[1, np.nan]])


@pytest.mark.parametrize(
    "attrs", [{"_FillValue": np.nan}, {"missing_value": -1.0}, {"missing_value": "none"}]
)
def test_without_marked_values_nothing_is_said(attrs, caplog):
    found = with_missing_masked(data([[1.0, 2.0]], **attrs), "the HR data")
    np.testing.assert_array_equal(found.t, [[1, 2]])
    assert not caplog.records


def test_data_without_such_attributes_are_returned_as_they_are():
    ds = data(units="K")
    assert with_missing_masked(ds, "the HR data") is ds


def test_a_mark_that_the_type_cannot_hold_marks_nothing(caplog):
    found = with_missing_masked(data([[1, 2]], dtype="u1", _FillValue=-9999), "the HR data")
    np.testing.assert_array_equal(found.t, [[1, 2]])
    assert not caplog.records


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({"valid_range": [0.0, 3.5]}, [1, np.nan, 3, np.nan]),
        ({"valid_range": [3.5, 0.0]}, [1, np.nan, 3, np.nan]),
        ({"valid_min": 0.0}, [1, np.nan, 3, 4]),
        ({"valid_max": 3.0}, [1, -9999, 3, np.nan]),
        ({"valid_min": 0.0, "valid_max": 3.0, "missing_value": 1.0}, [np.nan, np.nan, 3, np.nan]),
    ],
)
def test_values_beyond_the_valid_range(attrs, expected, caplog):
    if "missing_value" in attrs:
        attrs = attrs | {"valid_max": 4.0}
        expected = [np.nan, np.nan, 3, 4]
    found = with_missing_masked(data(**attrs), "the HR data").t
    np.testing.assert_array_equal(found, [expected])
    assert "beyond the valid range" in caplog.text


def test_rounding_at_a_limit_is_valid(caplog):
    values = np.float32(-1.8) * np.float32([1, 1 + 2e-7, 1.01])  # a mean of -1.8 may round down
    ds = data([values], valid_range=np.float32([-1.8, 45]))
    found = with_missing_masked(ds, "r").t
    np.testing.assert_array_equal(found.isnull(), [[False, False, True]])


def test_a_range_of_packed_values_is_unpacked_first():
    ds = data([[10.0, 12.0, 14.0]], valid_range=np.array([0, 350], "i2"))
    ds.t.encoding = {"scale_factor": 0.01, "add_offset": 10.0}  # as xarray decodes it
    np.testing.assert_array_equal(with_missing_masked(ds, "r").t, [[10, 12, np.nan]])


def test_a_range_of_other_units_is_refused():
    with pytest.raises(VariableError, match=r"-80 to 60, got 100 % of the values beyond it"):
        with_missing_masked(data([[280.0, 290.0]], valid_range=[-80.0, 60.0]), "the HR data")


def test_packed_values_are_unpacked_as_xarray_does(caplog):
    attrs = {"scale_factor": 0.5, "add_offset": 3.0, "_FillValue": np.int16(-9999), "units": "K"}
    ds = data(dtype="i2", **attrs)
    found = with_missing_masked(ds, "the HR data").t
    np.testing.assert_allclose(found, xr.decode_cf(ds).t)
    assert found.attrs == {"units": "K"}
    assert "'t' of the HR data is unpacked, as its attributes say" in caplog.text


def test_unpacked_values_with_attributes_of_packed_ones_are_refused():
    with pytest.raises(VariableError, match=r"to be unpacked, got .*\{'scale_factor': 0\.5\}"):
        with_missing_masked(data(scale_factor=0.5), "the HR data")
    with_missing_masked(data(scale_factor=1.0, add_offset=0.0), "the HR data")


def test_lazy_data_stay_lazy(caplog):
    ds = data(_FillValue=np.float32(-9999), valid_max=3.5).chunk(x=2)
    with no_compute():
        found = with_missing_masked(ds, "the HR data")
    assert "a share that is not known before the data are computed" in caplog.text
    np.testing.assert_array_equal(found.t, [[1, np.nan, 3, np.nan]])


def test_coordinates_are_masked_too():
    ds = data().assign_coords(lat=(("y", "x"), VALUES, {"_FillValue": -9999.0}))
    assert np.isnan(with_missing_masked(ds, "r").lat.values[0, 1])


def test_notes_read_no_value(caplog):
    ds = data(_FillValue=np.float32(-9999), dtype="f4").chunk()
    with no_compute():
        (note,) = notes_on_marks(ds)
    assert (
        note == "'t' marks missing values by -9999 (_FillValue) in its attributes: they are masked"
    )
    (note,) = notes_on_marks(data(dtype="i2", scale_factor=0.5))
    assert "is packed, as its attributes say" in note


@pytest.mark.parametrize("stated", ["true", "True"])
def test_unsigned_integers_in_signed_ones(stated, caplog):
    bits = np.array([[200, 255, 3, 130]], "u1").view("i1")
    attrs = {"_Unsigned": stated, "_FillValue": np.int8(-1)}
    found = with_missing_masked(data(bits, "i1", **attrs), "the HR data").t
    np.testing.assert_array_equal(found, [[200, np.nan, 3, 130]])
    assert "'t' of the HR data holds uint8, as its attributes say" in caplog.text
    assert found.attrs == {}


def test_signed_integers_in_unsigned_ones_of_any_byte_order():
    attrs = {"_Unsigned": "false", "valid_min": -20, "scale_factor": 0.5}
    ds = data(np.array([[-10, 4, -30, 0]], ">i2").view(">u2"), ">u2", **attrs)
    np.testing.assert_array_equal(with_missing_masked(ds, "r").t, [[-5, 2, np.nan, 0]])
    assert "'t' is packed" in next(notes_on_marks(ds))


def test_a_stated_sign_that_the_values_have_changes_nothing(caplog):
    ds = data([[1.0, 2.0]], "u1", _Unsigned="true")
    np.testing.assert_array_equal(with_missing_masked(ds, "r").t, ds.t)
    assert not caplog.records


@pytest.mark.parametrize(("dtype", "unwritten"), [("i2", -32767), (">i2", -32767), ("u2", 65535)])
def test_unwritten_cells_of_packed_data_are_masked(dtype, unwritten, caplog):
    values = np.array([1, unwritten, 3], dtype)
    packing = {"scale_factor": 0.5}
    ds = xr.Dataset({"t": ("x", values, packing)})
    np.testing.assert_array_equal(with_missing_masked(ds, "r").t, [0.5, np.nan, 1.5])
    assert f"33.3 % of the values of 't' of r are {unwritten} (unwritten cells in" in caplog.text
    caplog.clear()
    marked = xr.Dataset({"t": ("x", values, {**packing, "_FillValue": np.array(1, dtype)})})
    found = with_missing_masked(marked, "r").t  # the attribute counts, and nothing else
    np.testing.assert_array_equal(found, [np.nan, unwritten / 2, 1.5])
    plain = xr.Dataset({"t": ("x", values, {"units": "K"})})
    assert with_missing_masked(plain, "r") is plain


def test_the_value_of_unwritten_cells_that_xarray_has_unpacked(tmp_path):
    # -32767 * 0.01 + 280 = -47.67
    packed = xr.Dataset({"t": ("x", np.array([0, -32767], "i2"))})
    packed.t.attrs = {"scale_factor": 0.01, "add_offset": 280.0}
    packed.to_netcdf(tmp_path / "t.nc", engine="netcdf4")
    with xr.open_dataset(tmp_path / "t.nc", engine="netcdf4") as ds:
        assert unwritten_of(ds.t) == pytest.approx(-47.67)
        assert ds.t.values[1] == pytest.approx(-47.67, rel=1e-5)
        marked = ds.t.copy()
        marked.encoding["_FillValue"] = np.int16(-9999)
        assert unwritten_of(marked) is None
    assert unwritten_of(xr.DataArray([1.0])) is None


@pytest.mark.parametrize("dtype", ["i1", "S1", "f4", "nothing"])
def test_data_without_a_value_of_unwritten_cells(dtype):
    t = xr.DataArray([1.0])
    t.encoding = {"dtype": dtype, "scale_factor": 2.0}
    assert unwritten_of(t) is None

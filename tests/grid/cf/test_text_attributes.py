"""Attributes that should be text and are not are left out with a warning, and units are read."""

import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic
from xr_dl4ds.grid.cf.text_attributes import with_text_attrs


def data(place="attrs", **about):
    ds = xr.Dataset({"t": ("x", [1.0, 2.0])}, {"x": [0, 1]})
    setattr(ds.t, place, about)
    return ds


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b"K", "K"), (np.array("K"), "K"), (np.str_("K"), "K"), (1, "1"), (np.float32(0.5), "0.5")],
)
def test_units_of_other_types_are_read(value, expected, caplog):
    assert with_text_attrs(data(units=value), "the data").t.attrs == {"units": expected}
    assert not caplog.records


@pytest.mark.parametrize(
    ("key", "value"),
    [("units", ["K"]), ("units", np.nan), ("units", True), ("standard_name", 7), ("bounds", ["a"])],
)
def test_other_values_are_left_out(key, value, caplog):
    ds = data(**{key: value, "comment": 3})
    assert with_text_attrs(ds, "the LR data").t.attrs == {"comment": 3}
    assert f"the attribute {key!r} of 't' of the LR data is left out" in caplog.text
    assert ds.t.attrs == {key: value, "comment": 3}


def test_references_in_the_encoding(caplog):
    ds = data("encoding", grid_mapping=3, dtype="f4", coordinates=None)
    found = with_text_attrs(ds, "the data")
    assert found.t.encoding == {"dtype": "f4"}
    assert len(caplog.records) == 1
    assert ds.t.encoding == {"grid_mapping": 3, "dtype": "f4", "coordinates": None}


def test_data_with_text_alone_are_the_same_object():
    ds = analytic()
    assert with_text_attrs(ds, "the data") is ds


@pytest.mark.parametrize("attrs", [{"bounds": ["a"]}, {"grid_mapping": 3}, {"axis": 3}])
@pytest.mark.parametrize("name", ["time", "latitude"])
def test_coordinates_with_such_attributes_are_used(name, attrs):
    ds = analytic()
    expected = ds.downscale.coarsen(2)
    ds[name].attrs |= attrs
    xr.testing.assert_equal(ds.downscale.coarsen(2), expected)
    assert not ds.downscale.grid.problems

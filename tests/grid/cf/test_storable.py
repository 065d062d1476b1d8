"""What NetCDF cannot hold is found before training."""

import datetime

import cftime
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xr_dl4ds.exceptions import TimeError, VariableError
from xr_dl4ds.grid.cf.storable import (
    is_name,
    require_dates_of_files,
    require_storable,
    storable_attrs,
)

DAYS = pd.date_range("2001-01-01", periods=2)


@pytest.mark.parametrize("name", ["t2m", "_t", "2m", "t 2m", "température", "t+1", "t%", "a.b-c"])
def test_names_of_netcdf(name, tmp_path):
    assert is_name(name)
    xr.Dataset({name: ("x", [1.0])}).to_netcdf(tmp_path / "a.nc", engine="netcdf4")


@pytest.mark.parametrize("name", ["%cloud", " t2m", "t2m ", "grid/lon", "", "-t", "a\tb"])
def test_names_that_netcdf_refuses(name, tmp_path):
    assert not is_name(name)
    ds = xr.Dataset({name: ("x", [1.0])})
    with pytest.raises((RuntimeError, ValueError, TypeError)):
        ds.to_netcdf(tmp_path / "a.nc", engine="netcdf4")
    with pytest.raises(VariableError, match=r"the variables of the data .* Rename it with"):
        require_storable(ds, "the data")
    with pytest.raises(VariableError, match=r"the (variables|dimensions) of the data to have name"):
        require_storable(xr.Dataset({"t": (name, [1.0])}), "the data")


@pytest.mark.parametrize(
    "values",
    [
        np.array([datetime.date(2001, 1, 1)] * 2, object),
        np.array([{}, {}], object),
        np.array([1j, 2j]),
        DAYS.tz_localize("UTC"),
        pd.period_range("2001", periods=2, freq="M"),
    ],
)
def test_odd_coordinates(values):
    ds = xr.Dataset({"t": ("x", [1.0, 2.0])}).assign_coords(odd=("x", values))
    with pytest.raises(VariableError, match=r"the coordinate 'odd' .* Leave it out with \.drop_va"):
        require_storable(ds, "the data")
    require_storable(ds.drop_vars("odd"), "the data")


def test_other_coordinates_pass():
    dates = np.array([cftime.DatetimeNoLeap(2001, 1, 1)] * 2, object)
    text = np.array(["a", "b"], object)
    ds = xr.Dataset({"t": ("x", [1.0, 2.0])}).assign_coords(a=("x", dates), b=("x", text), c=1)
    require_storable(ds, "the data")


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (DAYS.tz_localize("Europe/Berlin"), r"time zone Europe/Berlin.*tz_localize\(None\)"),
        (
            pd.period_range("2001", periods=2, freq="M"),
            r"periods \(period\[M\]\).*to_timestamp\(\)",
        ),
        (pd.Index([datetime.date(2001, 1, 1)]), r"type date.*pd\.to_datetime"),
        (pd.Index([0, "a"], dtype=object), r"of type int and str, such as 0"),
        (pd.Index([object(), object()]), r"of type object.*pd\.to_datetime"),
        (pd.Index(["2001-01-01", "2001-01-02"]), r"got text, such as 2001-01-01.*pd\.to_datetime"),
    ],
)
def test_dates_that_no_file_holds(index, said):
    with pytest.raises(TimeError, match=said):
        require_dates_of_files(index, "time", "time", "the data")


@pytest.mark.parametrize(
    "index",
    [
        DAYS,
        pd.Index([1, 2]),
        pd.Index([0.5, 1.5]),
        pd.Index(["winter", "summer"]),
        pd.Index([], dtype=object)[:0].insert(0, "a"),
        xr.CFTimeIndex([cftime.Datetime360Day(2001, 2, 30)]),
    ],
)
def test_other_labels_pass(index):
    require_dates_of_files(index, "time", "time", "the data")


def test_attributes(caplog, tmp_path):
    attrs = {
        "units": "K",
        "n": 1,
        "on": True,
        "list": [1, 2],
        "names": ["a", "b"],
        "x": np.float32(2),
    }
    odd = {"nested": {"a": 1}, "none": None, "when": datetime.date(2001, 1, 1), "%": 1}
    found = storable_attrs(attrs | odd)
    assert found == attrs | {"on": 1}
    for name in odd:
        assert f"the attribute {name!r}, " in caplog.text
    xr.Dataset({"t": ("x", [1.0], found)}).to_netcdf(tmp_path / "a.nc", engine="netcdf4")

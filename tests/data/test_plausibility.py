"""Values that usually mean a mistake are told, and usual values are not."""

import numpy as np
import pytest
import xarray as xr

from tests.conftest import no_compute
from xr_dl4ds.data.moments import Moments
from xr_dl4ds.data.plausibility import About, note_read, note_values, widest
from xr_dl4ds.grid.units import Conversion


def moments(low, high, mean=0.0, std=1.0):
    return Moments(cells=100, valid=100, mean=mean, squares=100 * std**2, low=low, high=high)


@pytest.mark.parametrize(
    ("name", "found", "attrs", "said"),
    [
        ("t", moments(-9999, 30, -500, 2000), {}, "the least value of 't' of the HR data is -9999"),
        ("t", moments(-99, 30, 10, 8), {}, r"mask them with .where(ds['t'] != -99)"),
        ("t", moments(-99.9, 30, 10, 8), {}, "often marks missing values"),
        ("t", moments(2, 1e20), {}, "the largest value of 't' of the HR data is 1e+20, which"),
        ("t", moments(2, float("inf")), {}, "mask them with .where(abs(ds['t']) < 1e+19)"),
        ("pr", moments(-0.001, 80), {}, "'pr' of the HR data has negative amounts, down to -0.001"),
        ("x", moments(-1, 9), {"standard_name": "rainfall_amount"}, ".where(ds['x'] >= 0)"),
        ("hurs", moments(0, 1, 0.5), {"units": "%"}, "units of '%', and no value above 1"),
    ],
)
def test_suspicious_values(caplog, name, found, attrs, said):
    note_values({name: found}, {name: About(attrs=attrs)}, "the HR data")
    assert said in caplog.text
    assert [r.levelname for r in caplog.records] == ["WARNING"]


@pytest.mark.parametrize(
    ("name", "found", "attrs"),
    [
        ("t", moments(-98, 30, 10, 8), {}),
        ("dbz", moments(-99, 60, -60, 30), {}),  # within the spread of the values
        ("pr", moments(0, 80), {}),
        ("t", moments(-10, 30), {"units": "degC"}),
        ("hurs", moments(0, 100, 70), {"units": "%"}),
        ("c", moments(0, 1, 0.5), {"units": "1"}),
        ("hurs", moments(0, 1), {"units": "warmth"}),
    ],
)
def test_usual_values(caplog, name, found, attrs):
    note_values({name: found}, {name: About(attrs=attrs)}, "the HR data")
    assert not caplog.records


CELSIUS = About(attrs={"units": "K"}, conversion=Conversion(offset=273.15))


@pytest.mark.parametrize(
    ("found", "about", "said"),
    [
        # -9999 degC and -99 degC, in K
        (moments(-9725.85, 300, 200, 900), CELSIUS, "is -9999, which often marks missing values"),
        (moments(174.15, 300, 290, 8), CELSIUS, "is -99, which often marks missing values: mask"),
        # 0 K in three quarters of the cells
        (moments(0, 300, 72, 125), About(attrs={"units": "K"}), "the least value of 't' of r is 0"),
        (moments(-99, 300, 93, 190), About(attrs={"units": "K"}), "(ds['t'] != -99)"),
        (moments(-20, 300, 285, 9), CELSIUS, "(ds['t'] != -293.15)"),
        (moments(5, 2**31, 10, 9), About(), "the largest value of 't' of r is 2.14748e+09"),
        (moments(-47.67, 300, 290, 8), About(unwritten=-47.67), "NetCDF holds in unwritten cells"),
        # 1e20 mm d-1 in m s-1
        (moments(0, 1e20 / 8.64e7, 1, 1), About(conversion=Conversion(factor=1 / 8.64e7)), "1e+20"),
    ],
)
def test_marks_are_numbers_of_the_data(caplog, found, about, said):
    assert note_values({"t": found}, {"t": about}, "r") == ["t"]
    assert said in caplog.text


@pytest.mark.parametrize(
    ("found", "about"),
    [
        (moments(-9999, 300, 200, 900), CELSIUS),  # -10272.15 degC
        (moments(-9, 12), About(attrs={"units": "K"})),  # differences
        (moments(-12, 30, 10, 8), About(attrs={"units": "degC"})),
        (moments(-40, 300, 290, 8), About(unwritten=-47.67)),
        (Moments(cells=9, valid=0, mean=np.nan, squares=0, low=np.nan, high=np.nan), About()),
    ],
)
def test_usual_numbers_of_the_data(caplog, found, about):
    caplog.set_level("WARNING")
    marked = note_values({"t": found}, {"t": about}, "r")
    assert marked == (["t"] if found.low == -9999 else [])  # below 0 K


def fields(*values, chunks=None):
    data = xr.Dataset({"t": ("x", np.array(values, "f4")), "u": ("x", np.array(values, "f4"))})
    return data if chunks is None else data.chunk(chunks)


def test_fields_are_read_before_regridding(caplog):
    averaged = {"t": moments(-4990, 20)}
    assert note_read(fields(-9999, 20, 5), averaged, "r") == ["t"]
    assert "'t' of r is -9999" in caplog.text
    assert "'u'" not in caplog.text  # is not asked for
    later = {"t": moments(-999, 20)}  # in another member
    assert note_read(fields(1, 20, 5), later, "r") == ["t"]


def test_lazy_fields_are_not_read(caplog):
    with no_compute():
        assert note_read(fields(-9999, 20, chunks=1), {"t": moments(-4990, 20)}, "r") == []
        assert note_read(fields(1, 20, chunks=1), {"t": moments(-9999, 20)}, "r") == ["t"]


def test_the_widest_range_of_several_parts():
    one, other = {"t": moments(1, 5, 3)}, {"t": moments(-9999, 4), "u": moments(0, 1)}
    found = widest(one, other, {})
    assert list(found) == ["t"]
    assert (found["t"].low, found["t"].high, found["t"].mean) == (-9999, 5, 3)

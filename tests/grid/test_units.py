"""Units are compared by the meaning of their spelling, and converted."""

import re
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.grid.units import (
    conversion_between,
    conversion_of,
    difference_of,
    direction_of_degrees,
    has_own_zero,
    in_units,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("K", "kelvin"),
        ("degC", "Celsius"),
        ("m s-1", "m s**-1"),
        ("kg m^-2", "kg m-2"),
        ("1", ""),
        ("mm/day", "mm day-1"),
        ("mm/day", "mm d-1"),
        ("mm/month", "mm month-1"),
        ("mm/h", "mm hr-1"),
        ("kg m-2 s-1", "kg m**-2 s**-1"),
        ("m2 s-2", "m**2 s**-2"),
        ("W m-2", "W/m^2"),
        ("hPa", "mbar"),
        ("hPa", "millibar"),
        ("%", "percent"),
        ("(0 - 1)", "1"),
        ("degrees_celsius", "degC"),
        ("K", "Kelvin"),
        ("dBZ", " dBZ "),  # in no table, and the same
        ("~", "~"),
        ("degC", "degrees C"),
        ("degC", "degrees Celsius"),
        ("degC", "deg C"),
        ("degC", "℃"),
        ("degF", "°F"),
        ("K", "deg K"),
        ("K", "Kelvins"),
        ("hPa", "mb"),
        ("W m-2", "Wm-2"),
        ("W m-2", "W m⁻²"),
        ("m s-1", "ms-1"),
        ("m s-1", "m.s-1"),
        ("kg m-2 s-1", "kgm-2s-1"),
        ("1", "-"),
        ("1", "unitless"),
        ("1", "kg kg**-1"),
        ("m", "m of water equivalent"),
        ("mm", "mm w.e."),
        ("mm", "kg m-2"),
        ("mm", "1e-3 m"),
        ("mm/day", "kg m-2 day-1"),
        ("10 m", "gpdam"),
    ],
)
def test_the_same(one, other):
    assert conversion_between(one, other).identity
    assert conversion_between(other, one).identity


@pytest.mark.parametrize(("source", "target", "value", "expected"), [
    ("degC", "K", 20, 293.15), ("degF", "degC", 50, 10), ("K", "degrees C", 0, -273.15),
    ("m", "mm", 1.5, 1500), ("Pa", "hPa", 101325, 1013.25), ("1", "%", 0.5, 50),
    ("kg m-2 s-1", "mm/day", 1, 86400), ("m", "kg m-2", 1, 1000), ("g/kg", "1", 2, 0.002),
    ("mm/day", "mm/h", 24, 1), ("0.1 mm", "mm", 5, 0.5), ("knots", "m s-1", 1, 0.514444),
    ("gpdam", "m", 2, 20),
])  # fmt: skip
def test_conversions(source, target, value, expected):
    found = conversion_between(source, target)
    assert value * found.factor + found.offset == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("one", "other"), [
    ("mm/day", "mm"), ("dBZ", "mm/h"), ("~", "1"), ("mm/month", "mm/day"), ("mm/year", "mm/day"),
    ("K", "mm"), ("kg m-3", "1"), ("kg m-2", "1"), ("W m-2", "K"), ("kg m-2 s-1", "mm"),
    ("dB", "1"), ("1", "dB"), ("delta_degC", "degC"), ("degC", "delta_degC"), ("m", "0 m"),
])  # fmt: skip
def test_other_quantities_are_refused(one, other):
    assert conversion_between(one, other) is None
    data = xr.Dataset({"t": ("x", [1.0], {"units": other})})
    match = rf"'t' of the LR data in '{re.escape(one)}' as in training, got '{re.escape(other)}'"
    with pytest.raises(VariableError, match=match):
        in_units(data, {"t": one}, "the LR data", "training")


def test_a_unit_that_cannot_be_read_is_no_order_to_convert():
    data = xr.Dataset({"t": ("x", [1.0], {"units": "warmth"})})
    with pytest.raises(VariableError, match=r"Set \.attrs\['units'\] = 'K' if .* 'warmth' cannot"):
        in_units(data, {"t": "K"}, "the LR data", "training")


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2"])
@pytest.mark.parametrize("chunks", [None, {"x": 1}])
def test_values_are_converted_lazily_and_said(caplog, dtype, chunks):
    data = xr.Dataset({"t": ("x", np.array([1, 2], dtype), {"units": "degC", "long_name": "T"})})
    data = data if chunks is None else data.chunk(chunks)
    found = in_units(data, {"t": "K"}, "the LR data", "training")
    assert (found.t.chunks is None) == (chunks is None)
    np.testing.assert_allclose(found.t, [274.15, 275.15])
    assert found.t.dtype == np.result_type(dtype, "f4")
    assert found.t.attrs == {"units": "K", "long_name": "T"}
    assert data.t.attrs["units"] == "degC"
    assert "'t' of the LR data is converted from 'degC' to 'K'" in caplog.text


@pytest.mark.parametrize("pair", [("K", None), (None, "K")])
def test_unknown_units_pass(pair):
    attrs = {} if pair[1] is None else {"units": pair[1]}
    data = xr.Dataset({"t": ("x", [1.0], attrs)})
    assert in_units(data, {"t": pair[0]}, "a", "b") is data


def test_pint_is_quiet_about_its_registry():
    code = (
        "import logging; logging.basicConfig(level=logging.INFO)\n"
        "from xr_dl4ds.grid.units import conversion_between as c; assert c('mm/d', 'mm day-1')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Redefining" not in done.stderr


@pytest.mark.parametrize(("units", "direction"), [
    ("degrees_north", "north"), ("degrees north", "north"), ("°N", "north"),
    ("Degrees_N.", "north"),
    ("degreeN", "north"), ("degrees_E", "east"), ("deg east", "east"), ("deg", ""), ("degrees", ""),
    ("°", ""), ("degrees_west", "west"), ("degree_south", "south"), ("m", None), ("", None),
    ("radian", None), ("degC", None), ("degrees_celsius", None),
])  # fmt: skip
def test_degrees_of_angle(units, direction):
    assert direction_of_degrees(units) == direction


@pytest.mark.parametrize(
    ("units", "difference"),
    [
        *(
            (u, "K")
            for u in ("degC", "degrees_Celsius", "degree_celsius", "celsius", "°C", "℃", "C")
        ),
        *((u, "degree_rankine") for u in ("degF", "degrees_fahrenheit", "Fahrenheit", "F")),
        *(
            (u, u)
            for u in ("K", "kelvin", "mm d-1", "degrees", "degrees_north", "cm", "1", "", None)
        ),
    ],
)
def test_differences_of_temperatures(units, difference):
    assert difference_of(units) == difference
    assert has_own_zero(units) is (units != difference)


def test_the_numbers_before_a_conversion_are_known():
    cold = xr.Dataset({"t": ("x", np.array([-9999.0, 5.0], "f4"), {"units": "degC"})})
    warm = in_units(cold, {"t": "K"}, "a", "b").t
    undone = [conversion_of(warm).undone(value) for value in warm.values.tolist()]
    np.testing.assert_allclose(undone, [-9999, 5], rtol=1e-5)
    assert warm.encoding == {"units": "degC"}
    again = in_units(warm.to_dataset(), {"t": "degF"}, "a", "b").t  # of the first numbers
    assert conversion_of(again).undone(again.item(1)) == pytest.approx(5, rel=1e-5)
    assert not cold.t.encoding


@pytest.mark.parametrize("stated", ["hours since 1900-01-01", 3, None, "x", "K"])
def test_other_units_in_the_encoding_are_no_conversion(stated):
    t = xr.DataArray([280.0], attrs={"units": "K"})
    t.encoding = {"units": stated}
    assert conversion_of(t).identity

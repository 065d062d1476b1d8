"""Units are compared by meaning of their spelling, never converted."""

import re

import pytest

from xr_dl4ds.grid.units import difference_of, has_own_zero, require_units


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
        (None, "K"),
        ("K", None),
    ],
)
def test_the_same(one, other):
    require_units("t", one, other, "the LR data", "training")


@pytest.mark.parametrize(("one", "other"), [
    ("K", "degC"), ("mm/day", "mm"), ("m", "mm"), ("mm/day", "mm/h"), ("mm", "kg m-2"),
    ("degF", "degC"), ("Pa", "hPa"), ("1", "%"), ("dBZ", "mm/h"), ("~", "1"),
    ("mm/month", "mm/day"),
])  # fmt: skip
def test_different(one, other):
    match = rf"'t' of the LR data in '{re.escape(one)}' as in training, got '{re.escape(other)}'"
    with pytest.raises(ValueError, match=match):
        require_units("t", one, other, "the LR data", "training")


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

"""Units are compared by meaning of their spelling, never converted."""

import pytest

from xr_dl4ds.units import require_units


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("K", "kelvin"),
        ("degC", "Celsius"),
        ("m s-1", "m s**-1"),
        ("kg m^-2", "kg m-2"),
        ("1", ""),
        (None, "K"),
        ("K", None),
    ],
)
def test_the_same(one, other):
    require_units("t", one, other, "the LR data", "training")


@pytest.mark.parametrize(("one", "other"), [("K", "degC"), ("mm/day", "mm"), ("m", "mm")])
def test_different(one, other):
    with pytest.raises(ValueError, match=rf"'t' of the LR data in '{one}' as in training"):
        require_units("t", one, other, "the LR data", "training")

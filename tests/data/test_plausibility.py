"""Values that usually mean a mistake are told, and usual values are not."""

import pytest

from xr_dl4ds.data.moments import Moments
from xr_dl4ds.data.plausibility import note_values


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
    note_values({name: found}, {name: attrs}, "the HR data")
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
    note_values({name: found}, {name: attrs}, "the HR data")
    assert not caplog.records

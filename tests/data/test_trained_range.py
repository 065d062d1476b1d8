"""Values far from training are refused with a cure that fits them: a mask, a unit, or a check."""

import pytest

from xr_dl4ds.data.plausibility import About
from xr_dl4ds.data.trained_range import TrainedRange
from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.grid.units import Conversion

WIND = TrainedRange(name="wind", mean=5.0, std=2.0, min=0.0, max=20.0)
COLD = TrainedRange(name="t", mean=-60.0, std=20.0, min=-110.0, max=0.0)
ROLES = "the LR data", "training"


@pytest.mark.parametrize(
    ("trained", "mean", "low", "high", "cure"),
    [
        (WIND, -300, -9999, 15, r"Mask the values of -9999, .*\.where\(ds\['wind'\] != -9999\)\.$"),
        (WIND, -30, -99, 15, r"Mask the values of -99, which usually mark missing values, with"),
        (WIND, 3000, 0, 32767, r"Mask the values of 32767, which usually mark missing values"),
        (WIND, 1e18, 0, 1e20, r"Mask the values of 1e\+20, .*\.where\(abs\(ds\['wind'\]\) < 1e"),
        (WIND, 5000, 100, 15000, "Set .* the values are 1000 times too large"),
        (COLD, 213, -99, 273, "Set .* the values are 273.15 too large"),  # a usual value here
    ],
)
def test_the_cure(trained, mean, low, high, cure):
    with pytest.raises(VariableError, match=rf"'{trained.name}' of the LR data near .*\. {cure}"):
        trained.require_near(mean, low, high, ROLES)


def test_values_near_training_pass():
    WIND.require_near(20.0, -9999.0, 30.0, ROLES)


def test_the_cure_names_the_mark_as_the_data_hold_it():
    warm = TrainedRange(name="t", mean=285.0, std=5.0, min=270.0, max=300.0)
    about = About(attrs={"units": "K"}, conversion=Conversion(offset=273.15))
    with pytest.raises(VariableError, match=r"Mask the values of -9999, .*\(ds\['t'\] != -9999\)"):
        warm.require_near(-500.0, -9725.85, 300.0, ROLES, about)

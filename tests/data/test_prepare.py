"""Suspicious values of training and validation data are told, in any part and units."""

import numpy as np
import pytest

from tests.conftest import analytic
from tests.outcomes import prepared

OPTIONS = {"epochs": 1, "n_filters": 4, "n_blocks": 1, "verbose": False, "seed": 0}
LATER = np.timedelta64(400, "D")


@pytest.fixture
def hr():
    return analytic()


@pytest.fixture
def lr(hr):
    return hr[["t2m"]].downscale.coarsen(2)


def celsius(ds):
    cold = (ds.t2m - 273.15).astype("f4").assign_attrs({**ds.t2m.attrs, "units": "degC"})
    return ds.assign(t2m=cold)


def later(ds):
    return ds.assign_coords(time=ds.time + LATER)


def spoilt(ds, value, at=-1):
    name = next(iter(ds.data_vars))
    ds = ds.copy(deep=True)
    ds[name][at, 0, 0] = value
    return ds


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("at", [0, -1], ids=["training", "held out"])
@pytest.mark.parametrize("role", ["HR", "LR"])
def test_marks_before_the_conversion_of_units(hr, lr, role, at, lazy, caplog):
    if role == "LR":
        lr = spoilt(celsius(lr), -999.0, at)
        lr = lr.chunk(time=3) if lazy else lr
    else:
        hr = spoilt(hr, -999.0, at)
        hr = hr.chunk(time=3) if lazy else hr
    prepared(lambda: lr.downscale.fit(hr, validation=0.25, first_guess="none", **OPTIONS))
    assert f"the least value of 't2m' of the {role} data is -999, which often" in caplog.text


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("role", ["LR", "HR"])
def test_marks_of_a_validation_pair(hr, lr, role, lazy, caplog):
    pair = {"LR": later(lr), "HR": later(hr[["t2m"]])}
    pair[role] = spoilt(celsius(pair[role]), -99.0)
    if lazy:
        pair[role] = pair[role].chunk(time=3)
    held = pair["LR"], pair["HR"]
    prepared(lambda: lr.downscale.fit(hr, validation=held, first_guess="none", **OPTIONS))
    said = f"the least value of 't2m' of the {role} validation data is -99, which often marks"
    assert caplog.text.count(said) == 1


def test_marks_of_finer_predictors_and_of_static_fields_in_other_units(hr, lr, caplog):
    wind = spoilt(hr[["t2m"]].rename(t2m="wind").drop_attrs() / 100, -99.0)
    hills = hr[["orog"]].copy(deep=True) / 1000
    hills.orog[0, 0] = -9999.0
    hills.orog.attrs["units"] = "km"
    given = {"predictors": wind, "static": hills, "validation": None, "first_guess": "none"}
    prepared(lambda: lr.downscale.fit(hr[["t2m"]], **given, **OPTIONS))
    assert "the least value of 'wind' of predictors= is -99, which often marks" in caplog.text
    assert "the least value of 'orog' of static= is -9999, which often marks" in caplog.text

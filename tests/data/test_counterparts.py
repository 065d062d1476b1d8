"""LR variables under other names than their targets."""

import logging

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.errors import data as d
from tests.errors.case import TrainingBeganError, untrained
from xr_dl4ds.data.counterparts import find_counterparts, under_target_names
from xr_dl4ds.exceptions import VariableError


def pair(name="tas", **attrs):
    """LR data that call the target by another name, and HR data."""
    lr = d.lr().rename(t2m=name)
    lr[name].attrs = {k: v for k, v in {**lr[name].attrs, **attrs}.items() if v is not None}
    return lr, d.hr()[["t2m"]]


def warned(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


@pytest.mark.parametrize("given", [{"t2m": "tas"}, {}])
def test_the_model_is_that_of_data_under_one_name(given, tmp_path, caplog):
    lr, hr = pair()
    plain = d.mos(d.lr(), hr)
    model = d.mos(lr, hr, counterparts=given)
    assert model.state.features == plain.state.features
    assert model.state.counterparts == {"t2m": "tas"}
    expected = plain.predict(d.lr()).t2m
    model.save(tmp_path / "model")
    again = xd.load(tmp_path / "model")
    for one in (model, again):
        np.testing.assert_array_equal(one.predict(lr).t2m, expected)
        np.testing.assert_array_equal(one.predict(lr.tas), expected)
        np.testing.assert_array_equal(one.predict(d.lr()).t2m, expected)  # its own name
    assert lr.identical(pair()[0])
    said = [w for w in warned(caplog) if "counterpart" in w]
    assert len(said) == (0 if given else 1)
    if not given:
        assert "'tas' of the LR data is taken as the counterpart of 't2m'" in said[0]
    # scores and figures of the prediction know it too
    scores = again.predict(lr).downscale.evaluate(hr, lr=lr)
    reference = plain.predict(d.lr()).downscale.evaluate(hr, lr=d.lr())
    np.testing.assert_array_equal(scores.rmse, reference.rmse)
    again.predict(lr).downscale.plot(lr=lr, hr=hr)


def test_units_and_validation_data_under_another_name():
    lr, hr = pair()
    celsius = lr.assign(tas=(lr.tas - 273.15).assign_attrs({**lr.tas.attrs, "units": "degC"}))
    model = d.mos(celsius, hr, validation=(celsius, hr))
    plain = d.mos(d.lr(), hr, validation=(d.lr(), hr))
    expected = plain.predict(d.lr()).t2m
    np.testing.assert_allclose(model.predict(celsius).t2m, expected, atol=2e-3)


def test_levels_under_another_name():
    lr, hr = pair()
    lr, hr = d.levels(lr, name="tas"), d.levels(hr)
    model = d.mos(lr, hr, counterparts={"t2m": "tas"})
    assert model.state.features.counterparts == ("t2m_500", "t2m_850")
    assert model.predict(lr).t2m.sizes["level"] == 2


def test_what_fine_tuning_inherits():
    lr, hr = pair(standard_name=None)
    start = d.mos(lr, hr, counterparts={"t2m": "tas"})
    assert d.mos(lr, hr, start=start).state.counterparts == {"t2m": "tas"}


@pytest.mark.parametrize(
    ("attrs", "name"),
    [
        ({"standard_name": "sea_surface_temperature"}, "tas"),
        ({"standard_name": None}, "t2"),
        ({"units": "mm"}, "tas"),
    ],
)
def test_no_counterpart_by_itself(attrs, name, caplog):
    lr, hr = pair(name, **attrs)
    with untrained(), pytest.raises(TrainingBeganError):
        d.mos(lr, hr)
    (said,) = [w for w in warned(caplog) if "counterparts=" in w]
    assert f"LR has no ['t2m']: ['{name}'] are predictors" in said
    assert ("Did you mean 't2'?" in said) == (name == "t2")


def test_two_of_one_standard_name_are_not_chosen_from():
    lr, hr = pair()
    assert find_counterparts(lr, hr, {}, ["t2m"]) == {"t2m": "tas"}
    assert find_counterparts(lr.assign(other=lr.tas), hr, {}, ["t2m"]) == {}
    assert find_counterparts(lr.assign(t2m=lr.tas), hr, {}, ["t2m"]) == {}


def test_names_change_lazily_and_nothing_else():
    lr = pair()[0].chunk(time=2)
    assert under_target_names(lr, {}) is lr
    out = under_target_names(lr, {"t2m": "tas", "pr": "precip"})
    xr.testing.assert_identical(out, lr.rename(tas="t2m"))
    assert out.t2m.chunks == lr.tas.chunks
    assert under_target_names(lr.tas, {"t2m": "tas"}).name == "t2m"
    assert under_target_names(lr.tas.rename("x"), {"t2m": "tas"}).name == "x"


def test_a_prediction_without_it_names_both():
    lr, hr = pair()
    model = d.mos(lr, hr)
    with pytest.raises(VariableError, match=r"Add it; in training it had the name 'tas'"):
        model.predict(lr.rename(tas="temperature"))

"""Temperature of the noise of flow matching."""

import dataclasses
import logging

import pytest

import xr_dl4ds as xd
from tests.fitting.test_latent_calibration import noisy
from xr_dl4ds.fitting.flow_calibration import _with_temperature, with_flow_calibration


def fitted(hr, **options):
    training = xd.FlowMatching(epochs=1, steps=1)
    usual = {"scale": 4, "n_filters": 2, "n_blocks": 1, "validation": 0.4, "verbose": False}
    return hr.downscale.fit(training=training, **{**usual, **options})


@pytest.fixture(scope="module")
def model():
    return fitted(noisy(60, persistence=0.0), calibrate=False)


def test_calibrate_false_leaves_the_noise(model):
    assert model.state.flow.temperature == {}


def test_the_factor_multiplies_the_noise(model):
    lr = noisy(5).downscale.coarsen(4)
    plain, hot = (
        lr.downscale.predict(one, realizations=8).tas
        for one in (model, _with_temperature(model, {"tas": {"all": 2.0}}))
    )
    # an untrained velocity is nearly 0, and noise stays what it is
    ratio = hot.std("realization").mean() / plain.std("realization").mean()
    assert float(ratio) == pytest.approx(2, rel=0.1)


def test_members_get_the_spread_of_their_error(monkeypatch, caplog):
    seen = {}
    prepared = None

    def keep(one, given, calibrate):
        nonlocal prepared
        prepared, seen["calibrate"] = given, calibrate
        return one

    monkeypatch.setattr("xr_dl4ds.fitting.fit.with_flow_calibration", keep)
    small = fitted(noisy(120, persistence=0.0))
    assert seen["calibrate"] is True
    assert small.state.flow is not None
    size = small.state.flow.sizes[0] / 2  # the noise of the members is too small by half
    flow = dataclasses.replace(small.state.flow, sizes=(size,))
    small = dataclasses.replace(small, state=dataclasses.replace(small.state, flow=flow))
    with caplog.at_level(logging.INFO, logger="xr_dl4ds"):
        found = with_flow_calibration(small, prepared, True).state.flow.temperature["tas"]
    assert list(found) == ["all"]
    assert found["all"] == pytest.approx(2, rel=0.1)
    assert "spread-skill 0.5" in caplog.text


def test_samples_without_dates_are_left(caplog):
    hr = noisy(30).drop_vars("time").rename(time="sample").assign_coords(sample=range(30))
    with caplog.at_level(logging.INFO, logger="xr_dl4ds"):
        assert fitted(hr).state.flow.temperature == {}
    assert "the validation samples have no dates" in caplog.text

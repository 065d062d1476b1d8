"""Predictions of amounts have the mean of the truth."""

import logging

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.errors import data as d


def rain(steps=60, scale=2):
    """Many small amounts and few large ones: the median lies far below the mean."""
    rng = np.random.default_rng(0)
    hr = d.hr(y=8, x=8)[["t2m"]].isel(time=np.zeros(steps, int))
    hr = hr.assign_coords(time=pd.date_range("2001-01-01", periods=steps)).rename(t2m="pr")
    values = rng.gamma(0.3, 10.0, hr.pr.shape).astype("f4")
    hr["pr"] = (hr.pr.dims, values, {"units": "mm d-1", "standard_name": "precipitation_flux"})
    return hr.downscale.coarsen(scale), hr


def without_name(lr):
    """No counterpart: the network alone decides."""
    return lr.rename(pr="z").drop_attrs()


OPTIONS = {**d.TINY, "epochs": 4, "validation": None, "learning_rate": 1e-2, "batch_size": 8}


@pytest.mark.parametrize("setting", [{}, {"time_window": 2}, {"loss": "crps"}, {"cache": "none"}])
def test_no_dry_bias(setting, caplog):
    lr, hr = rain()
    low = without_name(lr)
    with caplog.at_level(logging.INFO, logger="xr_dl4ds"):
        model = low.downscale.fit(hr, **{**OPTIONS, **setting})
    ratio = model.state.mean_ratios["pr"]
    assert f"predictions of 'pr' are multiplied by {ratio:.3f}" in caplog.text
    steps = slice(None) if "time_window" not in setting else slice(0, 60)
    out = model.predict(low)
    assert float(out.pr.isel(time=steps).mean()) == pytest.approx(float(hr.pr.mean()), rel=0.1)


def test_a_median_has_a_large_factor_and_a_constraint_none():
    lr, hr = rain()
    low = without_name(lr)
    median = low.downscale.fit(hr, **OPTIONS)
    assert median.state.mean_ratios["pr"] > 1.1
    constrained = lr.downscale.fit(hr, **OPTIONS, constraint="multiplicative")
    assert constrained.state.mean_ratios == {}
    cold = d.hr()[["t2m"]]
    assert d.mos(d.lr(), cold).state.mean_ratios == {}


def test_the_factor_is_kept(tmp_path):
    lr, hr = rain()
    low = without_name(lr)
    model = low.downscale.fit(hr, **OPTIONS)
    model.save(tmp_path / "model")
    again = xd.load(tmp_path / "model")
    assert again.state.mean_ratios == model.state.mean_ratios
    xr.testing.assert_equal(again.predict(low), model.predict(low))
    assert (
        float(model.predict(low, first_guess_only=True).pr.std()) == 0
    )  # not multiplied: the mean


def test_members_of_flow_matching_have_their_own_factor(monkeypatch):
    # noise twice as large changes the mean of amounts, before the factor is measured
    monkeypatch.setattr("xr_dl4ds.fitting.flow_calibration.temperature_of", lambda *a, **k: 2.0)
    lr, hr = rain()
    low = without_name(lr)
    start = low.downscale.fit(hr, **OPTIONS)
    training = xd.FlowMatching(epochs=1, steps=1, verbose=False)
    model = low.downscale.fit(
        hr, start=start, training=training, n_filters=2, n_blocks=1, validation=0.2
    )
    assert model.state.flow.temperature == {"pr": {"all": 2.0}}
    assert model.state.flow.guess_ratios == start.state.mean_ratios
    assert model.state.mean_ratios["pr"] != pytest.approx(start.state.mean_ratios["pr"], rel=0.01)
    expected = start.predict(low).pr
    for found in (
        model.predict(low),
        model.predict(low, first_guess_only=True),
        model.predict(low, spread=True),
    ):
        np.testing.assert_allclose(found.pr, expected, rtol=1e-5, atol=1e-5)
    members = model.predict(low, realizations=8).pr
    assert float(members.mean()) == pytest.approx(float(hr.pr.mean()), rel=0.1)

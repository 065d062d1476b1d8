"""Persistence and temperature of latent noise, on data whose noise is known."""

import logging

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xr_dl4ds as xd
from xr_dl4ds.fitting.latent_calibration import _longest_run, _persistence


def noisy(steps=120, persistence=0.7, size=1.0):
    """Smooth LR fields with persistent noise inside the LR cells."""
    rng = np.random.default_rng(0)
    lr = rng.normal(size=(steps, 4, 4)).repeat(4, axis=1).repeat(4, axis=2)
    noise = np.zeros((steps, 16, 16))
    for k in range(steps):
        drawn = rng.normal(size=(16, 16))
        noise[k] = drawn if k == 0 else persistence * noise[k - 1]
        noise[k] += 0 if k == 0 else np.sqrt(1 - persistence**2) * drawn
    time = pd.date_range("2001-01-01", periods=steps, freq="D")
    coords = {"time": time, "y": np.arange(16.0), "x": np.arange(16.0)}
    values = (lr + size * noise).astype("f4")
    attrs = {"units": "K", "standard_name": "air_temperature"}
    return xr.Dataset({"tas": (("time", "y", "x"), values - 5, attrs)}, coords)


def fitted(hr, **options):
    usual = {"scale": 4, "loss": "crps", "epochs": 2, "n_filters": 4, "n_blocks": 1}
    return hr.downscale.fit(**{**usual, "validation": 0.4, "verbose": False, **options})


@pytest.fixture(scope="module")
def model():
    return fitted(noisy())


def test_persistence_of_the_noise_is_found(model):
    assert model.state.latent.persistence[0] == pytest.approx(0.7, abs=0.1)
    assert model.state.latent.step == 86400


def test_independent_steps_have_no_persistence():
    latent = fitted(noisy(60, persistence=0.0)).state.latent
    assert latent.persistence == ()
    assert latent.step is None


def test_members_have_the_spread_of_their_error(model):
    held_out = noisy().isel(time=slice(72, None))
    lr = held_out.downscale.coarsen(4)
    members = lr.downscale.predict(model, realizations=10).tas
    dims = ("time", "y", "x")
    assert float(xd.metrics.spread_skill(members, held_out.tas, dims)) == pytest.approx(1, abs=0.06)
    within = (members - members.mean("realization")).to_numpy()
    alike = (within[:, 1:] * within[:, :-1]).mean() / (within**2).mean()
    assert alike == pytest.approx(model.state.latent.persistence[0], abs=0.12)


def test_calibrate_false_leaves_the_noise():
    assert fitted(noisy(60), calibrate=False).state.latent.temperature == {}


def test_temperature_is_kept_in_the_file(model, tmp_path):
    model.save(tmp_path / "model")
    again = xd.load(tmp_path / "model")
    assert again.state.latent == model.state.latent
    lr = noisy().isel(time=slice(0, 3)).downscale.coarsen(4)
    first, second = (lr.downscale.predict(one, realizations=2) for one in (model, again))
    xr.testing.assert_identical(first.tas.variable, second.tas.variable)


def test_few_validation_steps_are_warned_of(caplog):
    with caplog.at_level(logging.INFO, logger="xr_dl4ds"):
        latent = fitted(noisy(20), validation=0.1).state.latent
    assert latent.temperature == {}
    assert "2 validation steps are too few to calibrate the spread of 'tas'" in caplog.text
    assert "because 2 validation steps determine the factor not at all" in caplog.text


def test_samples_without_dates_set_no_temperature(caplog):
    hr = noisy(60).drop_vars("time").rename(time="sample").assign_coords(sample=range(60))
    with caplog.at_level(logging.INFO, logger="xr_dl4ds"):
        latent = fitted(hr).state.latent
    assert latent.temperature == {}
    assert "is not calibrated: validation samples without dates" in caplog.text


def test_no_spread_has_no_persistence():
    nothing = np.zeros((9, 4, 4))
    assert _persistence(nothing, nothing) == 0
    assert _persistence(1e-6 + nothing, 1e-6 + nothing) == 0


def test_a_dry_season_scales_no_noise(caplog):
    hr = noisy(30).rename(tas="pr")
    amounts = np.maximum(hr.pr + 5, 0).where(hr.time < hr.time[15], 0.0)
    hr["pr"] = amounts.assign_attrs(units="mm/day", standard_name="precipitation_flux")
    with caplog.at_level(logging.WARNING, logger="xr_dl4ds"):
        latent = fitted(hr, validation=0.5, epochs=1).state.latent
    assert latent.temperature == {}
    assert latent.persistence == ()
    assert "too sure of new data" not in caplog.text


class Part:
    def __init__(self, index):
        self.target = xr.DataArray(np.zeros(len(index)), {"time": index}, ["time"])


def test_the_longest_run_of_even_steps():
    days = pd.date_range("2001-01-01", periods=12)
    gap = days.append(pd.date_range("2001-03-01", periods=20))
    assert _longest_run(Part(gap)) == (slice(12, 32), 86400)
    assert _longest_run(Part(days[:5])) is None
    assert _longest_run(Part(pd.RangeIndex(30))) is None
    long = pd.date_range("2001-01-01", periods=500, freq="6h")
    assert _longest_run(Part(long)) == (slice(0, 48), 21600)
    calendar = xr.date_range("2001-01-01", periods=30, calendar="360_day", use_cftime=True)
    assert _longest_run(Part(calendar)) == (slice(0, 30), 86400)

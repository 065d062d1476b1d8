"""First guesses of real pairs, from training to prediction."""

import logging

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import no_compute
from tests.errors import data as d
from tests.tiers import every
from xr_dl4ds.config import Scale
from xr_dl4ds.data import first_guess
from xr_dl4ds.exceptions import GridError, TimeError, VariableError

STEPS = 120
KINDS = ("bias_corrected", "climatology", "regression")


def pairs(lapse=6.5e-3, steps=STEPS, seed=0):
    """Temperature on 4 x 5 LR cells of 2 degrees, which HR (8 x 8 of 0.5) corrects by its height.

    HR also follows pressure on LR cells outside its domain.
    """
    rng = np.random.default_rng(seed)
    dates = pd.date_range("2001-01-01", periods=steps, freq="4D")
    lat, lon = 40 + 2.0 * np.arange(4), 2.0 * np.arange(5)
    about = {"lat": {"units": "degrees_north"}, "lon": {"units": "degrees_east"}}
    coords = {"time": dates, "lat": ("lat", lat, about["lat"]), "lon": ("lon", lon, about["lon"])}
    dims = ("time", "lat", "lon")
    year = 10 * np.sin(2 * np.pi * (dates.dayofyear / 365 - 0.3)).to_numpy()[:, None, None]
    t = 280 + year + rng.standard_normal((steps, 4, 5))
    p = rng.standard_normal((steps, 4, 5))
    lr = xr.Dataset({"t2m": (dims, t.astype("f4")), "psl": (dims, p.astype("f4"))}, coords)
    lr.t2m.attrs, lr.psl.attrs = {"units": "K"}, {"units": "hPa"}
    fine = [41.25 + 0.5 * np.arange(8), 1.25 + 0.5 * np.arange(8)]
    height = 1000 * rng.random((8, 8))
    inside = np.repeat(np.repeat(t[:, 1:3, 1:3], 4, axis=1), 4, axis=2)
    far = p[:, 3, 4][:, None, None]
    values = inside - lapse * height + 2 * far + 0.1 * rng.standard_normal((steps, 8, 8))
    at = {
        "time": dates,
        "lat": ("lat", fine[0], about["lat"]),
        "lon": ("lon", fine[1], about["lon"]),
    }
    hr = xr.Dataset({"t2m": (dims, values.astype("f4"))}, at)
    hr.t2m.attrs = {"units": "K"}
    return lr, hr


def fit(lr, hr, **options):
    return lr.downscale.fit(hr, **{**d.TINY, "learning_rate": 1e-4, **options})


def rmse(product, hr):
    return float(((product.t2m - hr.t2m) ** 2).mean() ** 0.5)


def test_auto_takes_the_one_with_the_least_validation_error(caplog):
    lr, hr = pairs(steps=200)
    past, held = slice(0, 150), slice(150, None)
    with caplog.at_level(logging.INFO, logger="xr_dl4ds"):
        model = fit(lr.isel(time=past), hr.isel(time=past))
    assert model.state.first_guess.kind == "regression"
    assert "the first guess is 'regression', by its error on the validation data" in caplog.text
    lr, hr = lr.isel(time=held), hr.isel(time=held)
    guess = lr.downscale.predict(model, first_guess_only=True)
    base = lr[["t2m"]].downscale.interpolate(hr, method="bicubic")
    assert rmse(guess, hr) < 0.5 * rmse(base, hr)
    assert rmse(model.predict(lr), hr) < 1.1 * rmse(guess, hr)
    assert guess.t2m.attrs["units"] == "K"
    np.testing.assert_array_equal(guess.lat, hr.lat)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_can_be_asked_for(kind, tmp_path):
    lr, hr = pairs()
    model = fit(lr, hr, first_guess=kind)
    assert model.state.first_guess.kind == kind
    out = model.predict(lr)
    model.save(tmp_path / "model")
    again = xd.load(tmp_path / "model")
    xr.testing.assert_equal(again.predict(lr), out)
    guess = model.predict(lr, first_guess_only=True)
    np.testing.assert_allclose(out.t2m, guess.t2m, atol=0.5)  # hardly trained
    assert rmse(guess, hr) < rmse(lr[["t2m"]].downscale.interpolate(hr, method="bicubic"), hr) or (
        kind == "climatology"
    )


SETTINGS = {
    "interpolated first": {"upsampling": "interpolation"},
    "windows": {"time_window": 2},
    "patches": {"patch_size": 8},
    "disk": {"cache": "disk"},
    "members": {"loss": "crps", "noise_channels": 1},
    "a distribution": {"loss": "gaussian_nll"},
    "adversarial": {"training": xd.Adversarial(epochs=1, discriminator_filters=4)},
    "localized": {"localized": True},
}


@pytest.mark.parametrize("setting", every(2, SETTINGS))
def test_with_every_other_option(setting):
    lr, hr = pairs()
    options = {**d.TINY, **SETTINGS[setting], "first_guess": "regression"}
    if setting == "adversarial":
        options.pop("epochs")
    model = lr.downscale.fit(hr.where(hr.lon > 2), **options)
    out = model.predict(lr)
    assert int(out.t2m.isnull().sum()) == int((hr.lon <= 2).sum()) * 8 * STEPS
    with no_compute():
        lazy = model.predict(lr.chunk(time=50, lon=2), tile_size=4)
    np.testing.assert_allclose(lazy.t2m, out.t2m, atol=1e-3)


def test_streamed_data_have_the_same_guess():
    lr, hr = pairs()
    memory = fit(lr, hr, first_guess="regression")
    chunked = lr.chunk(time=30), hr.chunk(time=40, lat=4)
    streamed = fit(*chunked, first_guess="regression", cache="none")
    guesses = [m.predict(lr, first_guess_only=True).t2m for m in (memory, streamed)]
    np.testing.assert_allclose(*guesses, atol=1e-2)
    assert rmse(streamed.predict(lr), hr) < 1.2 * rmse(memory.predict(lr), hr)


def test_batches_have_the_guess_out_of_fold():
    from xr_dl4ds.config import Network, Options, settled
    from xr_dl4ds.data.inputs import Inputs
    from xr_dl4ds.data.prepare import prepare
    from xr_dl4ds.training.batches import Batches, Samples

    lr, hr = pairs()
    options = Options(network=Network(first_guess="climatology"))
    options = options.replace(network=settled(options.network, options.sampling))
    found = prepare(Inputs(hr=hr, lr=lr), options)
    samples = Samples.hold(found.train, found.fixed, cache="memory", scale=Scale.of(4))
    inputs, target, _ = Batches(samples, batch_size=7, shuffle=False)[0]
    np.testing.assert_array_equal(inputs["guess"], found.train.guess[:7])
    np.testing.assert_array_equal(target, found.train.target[:7])


def test_a_model_to_start_from_hands_down_its_kind():
    lr, hr = pairs()
    model = fit(lr, hr, first_guess="climatology")
    assert fit(lr, hr, start=model).state.first_guess.kind == "climatology"
    plain = fit(lr, hr, first_guess="interpolation")
    assert plain.state.first_guess is None
    assert fit(lr, hr, start=plain).state.first_guess is None


def test_short_series_synthetic_pairs_and_no_validation_are_interpolated():
    lr, hr = pairs()
    few = slice(0, 40)
    assert fit(lr.isel(time=few), hr.isel(time=few)).state.first_guess is None
    assert fit(lr, hr, validation=None).state.first_guess is None
    assert hr.downscale.fit(scale=4, **d.TINY).state.first_guess is None
    assert hr.downscale.fit(
        scale=4, first_guess="bias_corrected", **d.TINY
    ).state.first_guess.kind == ("bias_corrected")


def test_the_baseline_of_an_interpolating_model():
    lr, hr = pairs()
    model = fit(lr, hr, first_guess="interpolation")
    actual = model.predict(lr, first_guess_only=True).t2m
    expected = lr[["t2m"]].downscale.interpolate(hr, method="bicubic").t2m
    np.testing.assert_allclose(actual, expected, atol=2e-3)


def test_no_first_guess_is_no_skip():
    assert xd.Network(first_guess="none") == xd.Network(interpolation_skip=False)
    assert not xd.Network(first_guess="none").interpolation_skip
    with pytest.raises(ValueError, match=r"interpolation_skip=True for first_guess='regression'"):
        xd.Network(first_guess="regression", interpolation_skip=False)


def test_less_than_a_year_has_no_annual_cycle(caplog):
    lr, hr = pairs(steps=70)
    model = fit(lr, hr, first_guess="climatology")
    assert "span less than a year" in caplog.text
    assert model.state.first_guess.harmonics == 0


def test_a_domain_too_large_for_components(caplog, monkeypatch):
    monkeypatch.setattr(first_guess, "BYTES", 1000)
    lr, hr = pairs()
    model = fit(lr, hr, first_guess="regression")
    assert "memory leaves no principal components" in caplog.text
    assert len(model.state.first_guess.patterns) == 0


def test_hr_with_values_in_summer_alone():
    lr, hr = pairs(steps=450)
    summer = hr.where(hr.time.dt.month.isin([5, 6, 7, 8]))
    past, held = slice(0, 350), slice(350, None)
    mean = rmse(summer.isel(time=past).mean("time"), summer.isel(time=held))
    for kind, largest in (("regression", 0.2), ("climatology", mean), ("bias_corrected", mean)):
        model = fit(lr.isel(time=past), summer.isel(time=past), first_guess=kind, validation=None)
        guess = model.predict(lr.isel(time=held), first_guess_only=True)
        assert rmse(guess, summer.isel(time=held)) < largest


def test_a_bias_without_a_counterpart():
    lr, hr = pairs()
    with pytest.raises(VariableError, match=r"counterpart of each target for .* without \['t2m'\]"):
        fit(lr[["psl"]], hr, first_guess="bias_corrected")


def test_another_domain():
    lr, hr = pairs()
    model = fit(lr, hr, first_guess="climatology", context=0)
    with pytest.raises(GridError, match=r"to which the first guess 'climatology' is tied"):
        model.predict(lr.isel(lon=slice(2, None)))
    with pytest.raises(ValueError, match=r"neither `realizations` nor `spread` for first_gue"):
        model.predict(lr, first_guess_only=True, spread=True)


@pytest.mark.parametrize("chunks", [None, {"time": 20}])
def test_the_first_guess_is_a_baseline_of_the_scores(chunks):
    lr, hr = pairs()
    model = lr.downscale.fit(hr, first_guess="bias_corrected", **d.TINY)
    given = lr if chunks is None else lr.chunk(chunks)
    sr = given.downscale.predict(model)
    part = {"time": slice(10, 40)}
    scores = sr.isel(part).downscale.evaluate(hr, lr=given, model=model)
    assert list(scores["product"].to_numpy()) == [
        "prediction",
        "bilinear",
        "bicubic",
        "first_guess",
    ]
    guess = lr.downscale.predict(model, first_guess_only=True).isel(part)
    alone = guess.downscale.evaluate(hr, lr=lr)
    for name in ("rmse", "bias"):
        np.testing.assert_allclose(
            scores[name].sel(product="first_guess"),
            alone[name].sel(product="prediction"),
            rtol=1e-5,
        )
    assert scores.attrs["baselines"] == "interpolation of lr, the first guess of the model"
    assert bool(scores.rmse_skill.sel(reference="first_guess").notnull())


def test_the_first_guess_of_a_model_of_windows_is_that_of_any_steps(caplog):
    lr, hr = pairs(steps=60)
    model = fit(lr, hr, first_guess="bias_corrected", time_window=3)
    whole = model.predict(lr, first_guess_only=True).t2m
    caplog.clear()
    apart = lr.isel(time=[5, 20, 50])
    few = model.predict(apart, first_guess_only=True).t2m
    np.testing.assert_allclose(few, whole.isel(time=[5, 20, 50]), rtol=1e-6)
    assert "shorter windows are used" not in caplog.text
    model.predict(apart)
    assert "shorter windows are used" in caplog.text


def test_lr_without_the_target_has_the_first_guess_alone():
    lr, hr = pairs()
    winds = lr.rename(t2m="z")
    model = winds.downscale.fit(hr, first_guess="regression", **d.TINY)
    scores = winds.downscale.predict(model).downscale.evaluate(hr, lr=winds, model=model)
    assert list(scores["product"].to_numpy()) == ["prediction", "first_guess"]
    with pytest.raises(ValueError, match="Expected lr= beside model="):
        winds.downscale.predict(model).downscale.evaluate(hr, model=model)
    sr, short = winds.downscale.predict(model), winds.isel(time=slice(0, 9))
    with pytest.raises(TimeError, match=r"the LR data at all 120 times that are scored, got 9"):
        sr.downscale.evaluate(hr, lr=short, model=model)

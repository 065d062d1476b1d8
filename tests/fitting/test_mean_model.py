"""Flow matching from the prediction of a supervised model."""

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import analytic
from xr_dl4ds.exceptions import ModelFileError
from xr_dl4ds.fitting.samples_of import network_input_of
from xr_dl4ds.inference import Runner

TINY = {"n_filters": 2, "n_blocks": 1, "epochs": 1, "verbose": False}


def flow(**options):
    return xd.FlowMatching(
        **{"epochs": 1, "steps": 1, "calibrate": False, "verbose": False, **options}
    )


@pytest.fixture(scope="module")
def hr():
    return analytic(time=12, y=16, x=16)[["t2m"]]


@pytest.fixture(scope="module")
def start(hr):
    return hr.downscale.fit(scale=2, loss="mse", **TINY)


@pytest.fixture(scope="module")
def model(hr, start):
    return hr.downscale.fit(scale=2, start=start, training=flow(), n_filters=2, n_blocks=1)


def test_its_prediction_is_the_deterministic_one(model, start, hr):
    lr = hr.downscale.coarsen(2)
    expected = start.predict(lr).t2m
    np.testing.assert_allclose(model.predict(lr).t2m, expected, atol=1e-4)
    np.testing.assert_allclose(model.predict(lr, first_guess_only=True).t2m, expected, atol=1e-4)


def test_members_lie_around_it(model, start, hr):
    lr = hr.downscale.coarsen(2)
    members = model.predict(lr, realizations=24).t2m
    spread = members.std("realization").mean()
    assert float(spread) > 0
    apart = abs(members.mean("realization") - start.predict(lr).t2m).mean()
    assert float(apart) < 0.5 * float(spread)
    lazy = model.predict(lr.chunk(time=4), realizations=2).t2m
    np.testing.assert_allclose(lazy, members.isel(realization=slice(0, 2)), atol=1e-3)


def test_the_supervised_model_is_explained(model, start, hr):
    lr = hr.downscale.coarsen(2).isel(time=slice(0, 3))
    one, other = (m.explain(lr, hr, repeats=1, steps=2) for m in (model, start))
    np.testing.assert_allclose(one.saliency, other.saliency, atol=1e-6)


def test_the_architecture_is_that_of_a_flow(model, start):
    assert model.options.network.backbone == "unet"
    assert start.options.network.backbone == "resnet"
    assert model.state.flow.from_mean
    assert model.provenance["start"] == start.provenance["model"]


def test_it_is_saved_with_the_model(model, hr, tmp_path):
    model.save(tmp_path / "model")
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == [
        "config.json",
        "mean",
        "network.weights.h5",
        "state.nc",
    ]
    again = xd.load(tmp_path / "model")
    lr = hr.downscale.coarsen(2)
    for options in ({}, {"realizations": 2}):
        first, second = (one.predict(lr, **options).t2m.variable for one in (model, again))
        xr.testing.assert_identical(first, second)
    model.save(tmp_path / "model", overwrite=True)
    (tmp_path / "model" / "mean" / "config.json").unlink()
    with pytest.raises(ModelFileError, match=r"damaged: mean/config\.json is missing"):
        xd.load(tmp_path / "model")


def test_fine_tuning_keeps_it(model, start, hr):
    tuned = hr.downscale.fit(scale=2, start=model, epochs=1, verbose=False)
    assert tuned.mean is start
    assert tuned.options.training.steps == 1
    lr = hr.downscale.coarsen(2)
    np.testing.assert_allclose(tuned.predict(lr).t2m, start.predict(lr).t2m, atol=1e-4)


def test_a_fitted_first_guess_stays_that_of_the_model():
    from tests.test_first_guess import pairs

    lr, hr = pairs(steps=60)
    start = lr.downscale.fit(hr, first_guess="regression", **TINY)
    found = lr.downscale.fit(hr, start=start, training=flow(), n_filters=2, n_blocks=1)
    assert found.state.first_guess is start.state.first_guess
    names = list(hr.data_vars)
    for name in names:
        np.testing.assert_allclose(
            found.predict(lr)[name], start.predict(lr)[name], rtol=1e-3, atol=1e-3
        )


@pytest.mark.parametrize(
    ("options", "got"),
    [({"loss": "crps"}, "loss='crps'"), ({"loss": "gaussian_nll"}, "loss='gaussian_nll'")],
)
def test_a_model_of_members_has_no_answer(hr, options, got):
    start = hr.downscale.fit(scale=2, **TINY, **options)
    with pytest.raises(ValueError, match=rf"a supervised model of one answer in start=.*{got}"):
        hr.downscale.fit(scale=2, start=start, training=flow(), verbose=False)


def test_its_prediction_is_computed_once_for_all_members(model, hr, monkeypatch):
    runs, run = [], Runner.run

    def counted(self, *args):
        runs.append(self.flow is None)
        return run(self, *args)

    monkeypatch.setattr(Runner, "run", counted)
    model.predict(hr.downscale.coarsen(2), realizations=3)
    assert sum(runs) == 1


def test_samples_of_the_fit_hold_its_prediction(monkeypatch):
    # as a first guess it would go through the supervised model once more
    from tests.test_first_guess import pairs

    given = []

    def keep(model, prepared):
        given.append((model, network_input_of(model, prepared, prepared.train, 4, 10**6)[0]))
        return model

    monkeypatch.setattr("xr_dl4ds.fitting.fit.with_calibration", keep)
    lr, hr = pairs(steps=60)
    start = lr.downscale.fit(hr, first_guess="regression", **TINY)
    lr.downscale.fit(hr, start=start, training=flow(), n_filters=2, n_blocks=1)
    model, sample = given[-1]
    assert sample.guess is None
    name = next(iter(hr.data_vars))
    factor, offset = (model.state.scaler.of(name, one) for one in ("factor", "offset"))
    actual = factor * model.runner.run(sample, None).isel(channel=0).to_numpy() + offset
    expected = start.predict(lr.sel(time=sample.lr.time))[name]
    np.testing.assert_allclose(np.sort(actual, None), np.sort(expected, None), rtol=1e-4)

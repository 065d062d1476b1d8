"""Permutation importance against loops of `predict` and `evaluate`."""

import logging

import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic
from tests.errors import data as d
from tests.untrained import untrained

QUICK = {"repeats": 2, "steps": 1}
PRODUCT = {"product": "prediction"}


def orders(steps, repeats, seed=0):
    return [np.random.default_rng([seed, i]).permutation(steps) for i in range(repeats)]


def shuffled(ds, name, order):
    return ds.assign({name: ds[name].isel(time=order).assign_coords(time=ds.time)})


@pytest.fixture(scope="module")
def windy():
    """A model of t2m from t2m and, beside it, wind on another grid; LR, wind and truth."""
    hr = analytic(time=6)[["t2m"]]
    lr = hr.downscale.coarsen(2)
    wind = d.winds(analytic(time=6, seed=4).drop_vars("orog"))[["u"]]
    model = untrained(lr, hr, predictors=wind, noise=0.3, dropout="vanilla", monte_carlo=True)
    return model, lr, wind, hr


def test_a_loop_by_hand_has_the_same_increases(windy):
    model, lr, wind, hr = windy
    actual = model.explain(lr, hr, predictors=wind, seed=3, realizations=2, **QUICK)
    options = {"realizations": 2, "seed": 3}

    def scores(lr, wind):
        found = model.predict(lr, predictors=wind, **options)
        return found.downscale.evaluate(hr, baselines=[], scores=["rmse", "crps"]).sel(PRODUCT)

    before = scores(lr, wind)
    after = {
        "t2m": [scores(shuffled(lr, "t2m", o), wind) for o in orders(6, 2, 3)],
        "u": [scores(lr, shuffled(wind, "u", o)) for o in orders(6, 2, 3)],
    }
    assert actual.predictor.to_numpy().tolist() == ["t2m", "u"]
    assert actual.kind.to_numpy().tolist() == ["counterpart", "predictor"]
    for score in ("rmse", "crps"):
        assert float(actual[score]) == pytest.approx(float(before[score]), rel=1e-6)
        for name, found in after.items():
            expected = np.array([float(one[score] - before[score]) for one in found])
            increase = actual.sel(predictor=name)[f"{score}_increase"]
            spread = actual.sel(predictor=name)[f"{score}_increase_std"]
            assert float(increase) == pytest.approx(expected.mean(), rel=1e-4, abs=1e-6)
            assert float(spread) == pytest.approx(expected.std(ddof=1), rel=1e-3, abs=1e-6)
    assert actual.rmse_increase.attrs["units"] == "K"


@pytest.mark.traced
def test_noise_has_no_importance():
    rng = np.random.default_rng(0)
    low = d.winds(analytic(time=60)[["t2m"]].downscale.coarsen(2))
    low["v"] = low.v.copy(data=rng.normal(size=low.v.shape).astype("f4"))
    low["u"] = low.u.copy(data=rng.normal(size=low.u.shape).astype("f4"))
    hr = analytic(time=60)[["t2m"]]
    inside = low.u.to_numpy().repeat(2, axis=1).repeat(2, axis=2)
    hr["t2m"] = hr.t2m.copy(data=280 + 3 * inside)
    options = {"n_filters": 8, "n_blocks": 1, "epochs": 30, "verbose": False, "context": 0}
    model = low.isel(time=slice(40)).downscale.fit(hr.isel(time=slice(40)), **options)
    found = model.explain(low.isel(time=slice(40, 60)), hr, repeats=3, steps=4)
    u, v = found.rmse_increase.sel(predictor=["u", "v"]).to_numpy()
    assert u > 1.5  # errors of about 3 sqrt(2) K
    assert abs(v) < 0.05 * u
    sizes = found.saliency_size.sum(["latitude", "longitude"])
    assert float(sizes.sel(predictor="v")) < 0.4 * float(sizes.sel(predictor="u"))


def test_a_static_field_is_shifted():
    hr = analytic()
    model = untrained(hr, scale=2, constraint=None, noise=0.3)
    lr = hr[["t2m"]].downscale.coarsen(2)
    found = model.explain(lr, hr, repeats=1, steps=1)
    cells = int(np.random.default_rng([0, 0]).integers(1, 8 * 12))
    # the rows of the network go north, those of the data south
    moved = hr.orog.roll(latitude=-(cells // 12), longitude=cells % 12)
    scores = [
        model.predict(lr, static=one.to_dataset()).downscale.evaluate(hr[["t2m"]], scores="rmse")
        for one in (hr.orog, moved)
    ]
    before, after = (float(one.rmse.sel(PRODUCT)) for one in scores)
    assert float(found.rmse_increase.sel(predictor="orog")) == pytest.approx(
        after - before, rel=1e-4
    )
    assert np.isnan(found.rmse_increase_std).all()  # of a single shuffle
    assert found.saliency.sel(predictor="orog").isnull().all()


def test_windows_see_shuffled_steps():
    hr = analytic()[["t2m"]]
    lr = hr.downscale.coarsen(2)
    model = untrained(hr, scale=2, time_window=3, backbone="convnet", noise=0.3)
    found = model.explain(lr, hr, **QUICK)
    predicted = [model.predict(shuffled(lr, "t2m", o)) for o in orders(8, 2)]
    after = [p.downscale.evaluate(hr, scores="rmse").rmse.sel(PRODUCT) for p in predicted]
    expected = np.mean([float(one) for one in after]) - float(found.rmse)
    assert float(found.rmse_increase.sel(predictor="t2m")) == pytest.approx(expected, rel=1e-4)


def test_notes_are_logged_once(caplog):
    hr = analytic()[["t2m"]]
    model = untrained(hr, scale=2)
    lr = hr.downscale.coarsen(2)
    odd = lr.where(lr.time != lr.time[0])
    with caplog.at_level(logging.WARNING, "xr_dl4ds"):
        model.explain(odd, hr, **QUICK)
    assert sum("missing" in one for one in caplog.messages) == 1


def test_the_same_seed_gives_the_same_and_another_seed_another_result(windy):
    model, lr, wind, hr = windy
    found = [model.explain(lr, hr, predictors=wind, seed=s, **QUICK) for s in (0, 0, 1)]
    xr.testing.assert_equal(found[0], found[1])
    assert (found[0].rmse_increase != found[2].rmse_increase).all()
    xr.testing.assert_equal(found[0].saliency, found[2].saliency)
    assert "crps" not in found[0]


def test_lazy_data_give_the_same(windy):
    model, lr, wind, hr = windy
    expected = model.explain(lr, hr, predictors=wind, **QUICK)
    chunks = {"time": 4, "latitude": 2}
    actual = model.explain(
        lr.chunk(chunks), hr.chunk(chunks), predictors=wind.chunk(chunks), **QUICK
    )
    assert not actual.chunks
    xr.testing.assert_allclose(actual, expected, rtol=1e-4)

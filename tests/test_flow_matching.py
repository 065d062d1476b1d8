"""Flow matching from the data to the prediction, in the kinds that users have."""

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import analytic
from tests.untrained import untrained


def flowing(data, *args, **options):
    training = xd.FlowMatching(steps=1, calibrate=False)
    usual = {"n_filters": 2, "n_blocks": 1, "validation": 0, "training": training, "noise": 0.05}
    return untrained(data, *args, **{**usual, **options})


def rainy(steps=8, y=12, x=16, seed=0):
    """Temperature and rain, with a masked corner of the rain."""
    hr = analytic(time=steps, y=y, x=x, seed=seed)[["t2m", "orog"]]
    rng = np.random.default_rng(seed)
    rain = np.maximum(rng.gamma(0.3, 8.0, size=(steps, y, x)) - 1, 0).astype("f4")
    rain[:, :3, :3] = np.nan
    attrs = {"units": "mm day-1", "standard_name": "lwe_precipitation_rate"}
    return hr.assign(pr=(hr.t2m.dims, rain, attrs))


def means(members, scale):
    lat, lon = members.dims[-2:]
    return members.coarsen({lat: scale, lon: scale}).mean().to_numpy()


def test_rain_beside_temperature():
    hr = rainy()
    model = flowing(hr, scale=2)
    assert model.state.flow.roots == (False, True)
    lr = hr[["t2m", "pr"]].downscale.coarsen(2)
    members = model.predict(lr, realizations=3)
    pr = members.pr.to_numpy()
    masked = np.isnan(hr.pr.to_numpy())
    np.testing.assert_array_equal(np.isnan(pr), np.broadcast_to(masked, pr.shape))
    assert np.nanmin(pr) >= 0
    expected = np.broadcast_to(lr.pr.to_numpy(), (3, *lr.pr.shape))
    np.testing.assert_allclose(means(members.pr, 2), expected, atol=1e-4)
    expected = np.broadcast_to(lr.t2m.to_numpy(), (3, *lr.t2m.shape))
    np.testing.assert_allclose(means(members.t2m, 2), expected, atol=1e-3)


def test_dry_cells_stay_dry():
    hr = rainy()[["pr"]].fillna(0)
    hr["pr"] = hr.pr.copy(data=hr.pr.to_numpy())
    hr.pr.values[:, 4:8, 4:8] = 0
    lr = hr.downscale.coarsen(2)
    members = flowing(hr, scale=2).predict(lr, realizations=2).pr.to_numpy()
    assert not members[:, :, 4:8, 4:8].any()


@pytest.mark.parametrize("context", [0, 1])
def test_real_pairs_with_surroundings(context):
    hr = analytic(time=8, y=16, x=16)[["t2m"]]
    lr = hr.downscale.coarsen(2) + 1.0
    lr.t2m.attrs["units"] = "K"
    inner = hr.isel(latitude=slice(4, 12), longitude=slice(4, 12))
    model = flowing(lr, inner, context=context, first_guess="interpolation")
    assert model.state.pairing.context == context
    assert model.options.network.constraint is None
    members = model.predict(lr, realizations=2)
    assert members.t2m.shape == (2, 8, 8, 8)
    assert members.t2m.notnull().all()


def test_a_fitted_first_guess_is_the_start():
    hr = analytic(time=40, y=8, x=8)[["t2m"]]
    lr = hr.downscale.coarsen(2) + 3.0
    lr.t2m.attrs["units"] = "K"
    model = flowing(lr, hr, first_guess="regression")
    assert model.state.first_guess.kind == "regression"
    guess = model.predict(lr, first_guess_only=True).t2m
    members = model.predict(lr, realizations=8).t2m
    assert float(abs(members.mean("realization") - guess).mean()) < 1.0
    lazy = model.predict(lr.chunk(time=10), realizations=2).t2m
    np.testing.assert_allclose(lazy, members.isel(realization=slice(0, 2)), atol=1e-3)


def test_a_target_without_counterpart():
    hr = rainy()[["pr", "t2m"]].fillna(0)
    lr = hr[["t2m"]].downscale.coarsen(2)
    members = flowing(lr, hr).predict(lr, realizations=2)
    assert members.pr.shape == (2, *hr.pr.shape)
    assert float(members.pr.min()) >= 0


def test_around_the_globe():
    lon, lat = np.arange(0, 360, 15.0), np.arange(60, -75, -15.0)[:8]
    values = np.random.default_rng(0).normal(size=(5, 8, 24)).astype("f4") + 280
    hr = xr.Dataset(
        {"t2m": (("time", "lat", "lon"), values, {"units": "K"})},
        {
            "time": np.arange(5),
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon, {"units": "degrees_east"}),
        },
    )
    model = flowing(hr, scale=2)
    lr = hr.downscale.coarsen(2)
    whole = model.predict(lr, realizations=2).t2m
    np.testing.assert_allclose(model.predict(lr, realizations=2, tile_size=8).t2m, whole, atol=1e-3)


def test_members_are_georeferenced():
    hr = analytic(time=4, y=12, x=16)[["t2m"]]
    members = flowing(hr, scale=2).predict(hr.downscale.coarsen(2), realizations=2)
    assert members.t2m.attrs["units"] == "K"
    assert members.realization.attrs["standard_name"] == "realization"
    assert members.t2m.dims == ("realization", *hr.t2m.dims)
    np.testing.assert_allclose(members.latitude, hr.latitude)


def test_training_learns():
    # the interpolated field misses a pattern that the hill tells: members find it
    hr = analytic(time=60, y=16, x=16)
    training = xd.FlowMatching(epochs=20, learning_rate=1e-2, steps=2, verbose=False)
    small = {"n_filters": 4, "n_blocks": 1, "batch_size": 10, "validation": 0}
    model = hr.downscale.fit(scale=4, training=training, **small)
    assert float(model.history.loss[-1]) < 0.6 * float(model.history.loss[0])
    held_out = analytic(time=8, y=16, x=16, seed=0).isel(time=slice(0, 8))
    lr = held_out[["t2m"]].downscale.coarsen(4)
    scores = model.predict(lr, realizations=8).downscale.evaluate(held_out[["t2m"]])
    crps = scores.crps.sel(product="prediction") if "product" in scores.crps.dims else scores.crps
    plain = scores.mae.drop_sel(product="prediction").min()
    assert float(crps.min()) < 0.7 * float(plain)


def test_earlier_models_have_no_flow():
    assert xd.Network().backbone == "auto"
    model = untrained(analytic(time=6), scale=2)
    assert model.state.flow is None
    assert model.mean is None
    assert model.options.network.backbone == "resnet"
    assert model.options.network.n_filters == 4

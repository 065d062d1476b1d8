"""A prediction is the network applied by hand: scaled, stacked, run, unscaled, laid out."""

import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic

TINY = {"n_filters": 4, "n_blocks": 1, "epochs": 2, "verbose": False}


def by_hand(model, lr, orog):
    """The same in plain NumPy, latitude ascending, from the fitted statistics alone."""
    statistics = model.state.scaler.statistics
    mean, std = (float(statistics.t2m.sel(statistic=s)) for s in ("mean", "std"))
    z_mean, z_std = (float(statistics.orog.sel(statistic=s)) for s in ("mean", "std"))
    t = (lr.t2m.sortby("latitude").transpose("time", "latitude", "longitude").values - mean) / std
    z = (orog.sortby("latitude").transpose("latitude", "longitude").values - z_mean) / z_std
    ny, nx = z.shape
    low = z.reshape(ny // 2, 2, nx // 2, 2).mean((1, 3))
    channels = np.stack([t, np.broadcast_to(low, t.shape)], axis=-1).astype("f4")
    static = np.broadcast_to(z[None, ..., None], (len(t), ny, nx, 1)).astype("f4")
    out = model.network.predict({"lr": channels, "static": static}, verbose=0)[..., 0]
    return out * std + mean


@pytest.fixture(scope="module")
def trained():
    hr = analytic(time=12)
    return hr, hr.downscale.fit(scale=2, **TINY)


LAYOUTS = {
    "as trained": lambda ds: ds,
    "ascending": lambda ds: ds.sortby("latitude"),
    "columns reversed": lambda ds: ds.isel(longitude=slice(None, None, -1)),
    "transposed": lambda ds: ds.transpose("longitude", "latitude", "time", ...),
    "steps reversed": lambda ds: ds.isel(time=slice(None, None, -1)),
    "a part": lambda ds: ds.isel(latitude=slice(1, 3), longitude=slice(0, 4)),
    "chunked": lambda ds: ds.chunk(time=5, latitude=2),
    "float64": lambda ds: ds.astype("f8"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_is_the_network_applied_by_hand(trained, layout):
    hr, model = trained
    lr = LAYOUTS[layout](hr[["t2m"]].downscale.coarsen(2))
    actual = lr.downscale.predict(model).t2m
    cells = hr.orog.sel(latitude=actual.latitude, longitude=actual.longitude)
    ordered = lr.sortby(["latitude", "longitude"])
    expected = by_hand(model, ordered, cells.sortby("longitude"))
    compared = actual.sortby(["latitude", "longitude"]).transpose("time", "latitude", "longitude")
    np.testing.assert_allclose(compared, expected, atol=2e-4)
    np.testing.assert_array_equal(actual.time, lr.time)


def test_statistics_are_those_of_the_training_part(trained):
    hr, model = trained  # validation: the last of 12 steps
    part = hr.t2m.isel(time=slice(0, 11)).astype("f8")
    actual = model.state.scaler.statistics.t2m
    np.testing.assert_allclose(actual.sel(statistic="mean"), part.mean())
    np.testing.assert_allclose(actual.sel(statistic="std"), part.std())
    changed = hr.copy(deep=True)
    changed.t2m[11] = 400.0
    other = changed.downscale.fit(scale=2, **TINY)
    xr.testing.assert_identical(other.state.scaler.statistics, model.state.scaler.statistics)


def test_predictors_of_the_dataset_and_beside_it_are_the_same():
    hr = analytic(time=12)
    low = hr[["t2m"]].downscale.coarsen(2)
    rng = np.random.default_rng(0)
    low["u"] = low.t2m.copy(data=rng.normal(size=low.t2m.shape).astype("f4")).assign_attrs(
        units="1"
    )
    inside = low.downscale.fit(hr, **TINY)
    beside = low[["t2m"]].downscale.fit(hr, predictors=low[["u"]], **TINY)
    shuffled = low[["u"]].isel(time=rng.permutation(12))
    expected = low.downscale.predict(inside).t2m
    np.testing.assert_array_equal(low.downscale.predict(beside).t2m, expected)
    actual = low[["t2m"]].downscale.predict(beside, predictors=shuffled).t2m
    np.testing.assert_array_equal(actual, expected)
    longer = shuffled.isel(time=slice(0, 12))
    part = low[["t2m"]].isel(time=slice(2, 5)).downscale.predict(beside, predictors=longer).t2m
    np.testing.assert_allclose(part, expected.isel(time=slice(2, 5)), atol=1e-4)


def test_predictors_may_hold_the_target_too(hr):
    # the same dataset for both: what is no predictor of the model is left alone
    lr = hr[["t2m"]].downscale.coarsen(2)
    both = lr.assign(w=(lr.t2m * 0.1).assign_attrs(units="m s-1"))
    options = {"n_filters": 4, "n_blocks": 1, "epochs": 1, "verbose": False}
    model = lr.downscale.fit(hr, predictors=both[["w"]], **options)
    expected = lr.downscale.predict(model, predictors=both[["w"]])
    xr.testing.assert_equal(lr.downscale.predict(model, predictors=both), expected)


def test_predictors_in_other_chunks_leave_those_of_lr(trained):
    hr, _ = trained
    aux = hr[["t2m"]].downscale.coarsen(2).rename(t2m="aux")
    lr = hr[["t2m"]].downscale.coarsen(2)
    model = lr.downscale.fit(hr, predictors=aux, **{**TINY, "epochs": 1})
    found = lr.chunk(time=6).downscale.predict(model, predictors=aux.chunk(time=4))
    assert found.t2m.chunksizes["time"] == (6, 6)
    np.testing.assert_allclose(found.t2m, model.predict(lr, predictors=aux).t2m, rtol=1e-6)

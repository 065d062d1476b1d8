"""Members from latent fields through `fit` and `predict`: chunks, tiles, parts, globe."""

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from xr_dl4ds.prediction.latent_blocks import temperatures

OPTIONS = {"scale": 4, "loss": "crps", "epochs": 1, "n_filters": 4, "n_blocks": 1, "verbose": False}


def fields(shape=(48, 64), steps=10, **coords):
    """Temperature and rain on a grid of plain numbers, one of them derived from the other."""
    rng = np.random.default_rng(0)
    coarse = rng.normal(size=(steps, shape[0] // 8, shape[1] // 8))
    smooth = coarse.repeat(8, axis=1).repeat(8, axis=2)
    tas = (280 + 3 * smooth + rng.normal(size=(steps, *shape))).astype("f4")
    pr = np.maximum(smooth + 0.3 * rng.normal(size=(steps, *shape)), 0).astype("f4")
    dims = ("time", "y", "x")
    time = xr.date_range("2001-01-01", periods=steps, freq="D", use_cftime=False)
    at = {"time": time, "y": np.arange(float(shape[0])), "x": np.arange(float(shape[1]))}
    rain = {"units": "mm d-1", "standard_name": "lwe_precipitation_rate"}
    return xr.Dataset(
        {"tas": (dims, tas, {"units": "K"}), "pr": (dims, pr, rain)}, {**at, **coords}
    )


@pytest.fixture(scope="module")
def model():
    return fields().downscale.fit(**OPTIONS)


@pytest.fixture(scope="module")
def lr():
    return fields().isel(time=slice(0, 3)).downscale.coarsen(4)


@pytest.fixture(scope="module")
def members(model, lr):
    return lr.downscale.predict(model, realizations=3, seed=1)


def difference(one, other):
    """The largest difference in standard deviations, over both targets."""
    return max(float(abs(one[n] - other[n]).max() / other[n].std()) for n in ("tas", "pr"))


def test_default_of_crps_is_latent(model):
    assert model.options.network.noise == "latent"
    assert model.state.distributions(model.options) == ("latent", "latent_amount")
    assert model.state.latent.correlation[0][1] != 0


@pytest.mark.parametrize("tile", [None, 16, 24])
def test_lazy_members_in_tiles_are_those_of_the_whole(model, lr, members, tile):
    lazy = lr.chunk(time=2).downscale.predict(model, realizations=3, seed=1, tile_size=tile)
    assert lazy.tas.chunks is not None
    if tile:
        assert len(lazy.chunksizes["x"]) > 1
    assert difference(lazy.compute(), members) < 1e-4


def test_lr_chunks_in_space(model, lr, members):
    lazy = lr.chunk(time=1, y=3, x=5).downscale.predict(model, realizations=3, seed=1, tile_size=16)
    assert difference(lazy.compute(), members) < 1e-4


def test_a_part_of_the_domain_has_the_noise_of_the_whole(model, lr, members):
    part = lr.isel(y=slice(1, 12), x=slice(2, 16))
    found = part.downscale.predict(model, realizations=3, seed=1)
    inner = {"y": slice(24, 28), "x": slice(28, 36)}  # the edges still have a small effect there
    whole = members.sel(y=found.y, x=found.x)
    assert difference(found.isel(inner), whole.isel(inner)) < 2e-3


def test_a_part_of_the_steps_has_the_members_of_the_whole(model, lr, members):
    found = lr.isel(time=[2]).downscale.predict(model, realizations=3, seed=1)
    assert difference(found, members.isel(time=[2])) < 1e-4


def test_members_keep_lr_and_its_zeros(members, lr):
    back = members.coarsen(y=4, x=4).mean()
    np.testing.assert_allclose(back.tas, lr.tas.expand_dims(realization=3), atol=1e-3)
    np.testing.assert_allclose(back.pr, lr.pr.expand_dims(realization=3), atol=1e-5)
    assert float(members.pr.min()) == 0


def test_mean_and_spread_are_those_of_members(model, lr):
    both = lr.downscale.predict(model, spread=True, seed=4)
    drawn = lr.downscale.predict(model, realizations=16, seed=4)
    np.testing.assert_allclose(both.tas, drawn.tas.mean("realization"), rtol=1e-6)
    np.testing.assert_allclose(both.pr_spread, drawn.pr.std("realization", ddof=1), atol=1e-5)
    alone = lr.downscale.predict(model, seed=4)
    np.testing.assert_allclose(alone.tas, both.tas, rtol=1e-6)


def test_a_loss_for_each_target():
    loss = {"tas": "gaussian_nll", "pr": "crps"}
    model = fields().downscale.fit(**{**OPTIONS, "loss": loss}, anisotropic=True)
    assert model.state.distributions(model.options) == ("gaussian", "latent_amount_directed")
    lr = fields().isel(time=slice(0, 2)).downscale.coarsen(4)
    drawn = lr.downscale.predict(model, realizations=2)
    assert float(drawn.tas.std("realization").mean()) > 0
    both = lr.downscale.predict(model, spread=True)
    assert float(both.tas_spread.min()) > 0
    assert float(both.pr_spread.max()) > 0


def test_sequences():
    model = fields().downscale.fit(**OPTIONS, time_window=2)
    lr = fields().isel(time=slice(0, 3)).downscale.coarsen(4)
    drawn = lr.downscale.predict(model, realizations=2)
    assert drawn.sizes["time"] == 3
    assert float(abs(drawn.coarsen(y=4, x=4).mean().pr - lr.pr).max()) < 1e-5


def test_members_without_time_and_by_label():
    hr = fields().drop_vars("time").rename(time="sample").assign_coords(sample=range(10))
    model = hr.downscale.fit(**OPTIONS)
    lr = hr.downscale.coarsen(4)
    whole = lr.downscale.predict(model, realizations=2)
    part = lr.isel(sample=[4]).downscale.predict(model, realizations=2)
    assert difference(part, whole.isel(sample=[4])) < 1e-4


def test_real_pairs_have_no_constraint():
    hr = fields()
    lr = hr.downscale.coarsen(4)
    lr["pr"] = (1.2 * lr.pr).assign_attrs(lr.pr.attrs)
    model = lr.downscale.fit(hr, **{k: v for k, v in OPTIONS.items() if k != "scale"})
    drawn = lr.downscale.predict(model, realizations=2)
    assert float(drawn.pr.min()) >= 0
    assert bool(np.isfinite(drawn.to_dataarray()).all())


def test_masked_cells_stay_masked():
    hr = fields()
    land = xr.DataArray(np.ones((48, 64), bool), dims=("y", "x"))
    land[:10, :6] = False
    model = hr.where(land).downscale.fit(**OPTIONS)
    lr = hr.where(land).isel(time=slice(0, 2)).downscale.coarsen(4)
    drawn = lr.downscale.predict(model, realizations=2)
    assert bool((drawn.pr.isnull() == ~land).all())
    lazy = lr.chunk(time=1).downscale.predict(model, realizations=2, tile_size=16).compute()
    assert difference(lazy, drawn) < 1e-4


def test_explanation_is_that_of_the_member_without_noise(model):
    hr = fields().isel(time=slice(0, 4))
    found = model.explain(hr.downscale.coarsen(4), hr)
    assert bool(np.isfinite(found.saliency).all())


def test_temperatures_by_season():
    scaled = {"pr": {"all": 1.1, "DJF": 2.0}}
    time = xr.date_range("2001-01-15", periods=4, freq="91D", calendar="noleap", use_cftime=True)
    output = xr.DataArray(np.zeros((4, 1, 1, 1)), {"time": time}, ["time", "y", "x", "channel"])
    found = temperatures(scaled, ("tas", "pr"), output)
    np.testing.assert_allclose(found[:, 0], 1)
    np.testing.assert_allclose(found[:, 1], [2.0, 1.1, 1.1, 1.1])
    plain = output.drop_vars("time")
    np.testing.assert_allclose(temperatures(scaled, ("pr",), plain)[:, 0], 1.1)


def test_globe_has_no_seam():
    lat, lon = np.arange(-42.5, 45, 5), np.arange(2.5, 360, 5)
    rng = np.random.default_rng(0)
    values = rng.normal(280, 3, size=(6, lat.size, lon.size)).astype("f4")
    time = xr.date_range("2001-01-01", periods=6, freq="D", use_cftime=False)
    hr = xr.Dataset(
        {"tas": (("time", "lat", "lon"), values, {"units": "K"})},
        {
            "time": time,
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon, {"units": "degrees_east"}),
        },
    )
    model = hr.downscale.fit(**{**OPTIONS, "scale": 2})
    lr = hr.isel(time=slice(0, 2)).downscale.coarsen(2)
    drawn = lr.downscale.predict(model, realizations=2)
    rolled = lr.roll(lon=18, roll_coords=True)
    again = rolled.downscale.predict(model, realizations=2).sortby("lon")
    tiles = lr.chunk(time=1).downscale.predict(model, realizations=2, tile_size=24).compute()
    for other in (tiles, again):
        assert float(abs(other.tas - drawn.tas).max() / drawn.tas.std()) < 1e-4
    assert xd.metrics.member_correlation(drawn.tas, ("time", "lat", "lon")) < 1

"""Another number of HR cells along y than along x: ``scale=(y, x)``."""

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from xr_dl4ds.exceptions import GridError

TINY = {"n_filters": 4, "n_blocks": 1, "epochs": 1, "verbose": False, "seed": 0}
RNG = np.random.default_rng(0)


def fields(rows=12, columns=16, times=12):
    """Smooth rain ``(time, lat, lon)`` with a static hill, every value known."""
    lat, lon = 40 + 0.5 * np.arange(rows), 0.25 * np.arange(columns)
    wave = np.sin(np.arange(times)[:, None, None] + lat[:, None] + lon) + 1.1
    return xr.Dataset(
        {
            "pr": (("time", "lat", "lon"), wave.astype("f4"), {"units": "mm/day"}),
            "orog": (("lat", "lon"), (lat[:, None] * lon).astype("f4"), {"units": "m"}),
        },
        {
            "time": np.datetime64("2001-01-01", "ns") + np.arange(times) * np.timedelta64(1, "D"),
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon, {"units": "degrees_east"}),
        },
    )


def blocks(values, y, x):
    """Block means worked by NumPy."""
    *lead, rows, columns = values.shape
    return values.reshape(*lead, rows // y, y, columns // x, x).mean(axis=(-3, -1))


@pytest.mark.parametrize("scale", [(2, 4), (3, 2), (1, 4), (4, 1)])
def test_block_means(scale):
    hr = fields()
    lr = hr.downscale.coarsen(scale)
    np.testing.assert_allclose(lr.pr, blocks(hr.pr.to_numpy(), *scale), rtol=1e-6)
    np.testing.assert_allclose(lr.lat, hr.lat.to_numpy().reshape(-1, scale[0]).mean(1))
    np.testing.assert_allclose(lr.lon, hr.lon.to_numpy().reshape(-1, scale[1]).mean(1))
    lazy = hr.chunk(time=4, lat=5).downscale.coarsen(list(scale))
    assert lazy.pr.chunks
    xr.testing.assert_allclose(lazy, lr)


OPTIONS = {
    "subpixel": {"upsampling": "subpixel"},
    "resize": {"upsampling": "resize"},
    "deconvolution": {"upsampling": "deconvolution"},
    "interpolation": {"upsampling": "interpolation", "backbone": "resnet"},
    "windows": {"time_window": 3, "backbone": "densenet"},
    "patches": {"patch_size": 8},
    "unet": {"backbone": "unet"},
    "members": {"loss": "crps"},
    "distribution": {"loss": "bernoulli_gamma_nll"},
    "localized": {"localized": True},
    "adversarial": {"training": xd.Adversarial(epochs=1, verbose=False)},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=list(OPTIONS))
def test_every_network(options, tmp_path):
    """Prediction on the HR cells with the LR means, in tiles, from a file, and lazily."""
    hr = fields()
    given = {k: v for k, v in TINY.items() if "training" not in options or k not in
             ("epochs", "verbose")}  # fmt: skip
    model = hr.downscale.fit(scale=(2, 4), constraint="multiplicative", **given, **options)
    assert model.scale == (2, 4)
    lr = hr[["pr"]].downscale.coarsen((2, 4))
    sr = lr.downscale.predict(model)
    np.testing.assert_allclose(sr.lat, hr.lat)
    np.testing.assert_allclose(sr.lon, hr.lon)
    np.testing.assert_allclose(blocks(sr.pr.to_numpy(), 2, 4), lr.pr, rtol=1e-5)
    model.save(tmp_path / "model")
    again = xd.load(tmp_path / "model")
    assert again.scale == (2, 4)
    lazy = lr.chunk(time=4).downscale.predict(again, tile_size=8)
    assert lazy.pr.chunks
    np.testing.assert_allclose(lazy.pr, sr.pr, atol=2e-5)
    if "crps" in options.values():
        members = lr.downscale.predict(model, realizations=2)
        tiles = lr.chunk(time=4).downscale.predict(model, realizations=2, tile_size=8)
        np.testing.assert_allclose(tiles.pr, members.pr, atol=2e-5)
        np.testing.assert_allclose(blocks(members.pr.to_numpy(), 2, 4)[1], lr.pr, rtol=1e-5)


def test_real_pairs_have_the_cells_of_their_grids():
    hr = fields()
    lr = hr[["pr"]].downscale.coarsen((2, 4))
    lr["pr"] = (lr.pr * 0.8).assign_attrs(lr.pr.attrs)
    model = lr.downscale.fit(hr, **TINY)
    assert model.scale == (2, 4)
    sr = lr.downscale.predict(model)
    assert sr.pr.shape == hr.pr.shape
    assert "scale=(2, 4)" in str(_error(lambda: lr.downscale.fit(hr, scale=4, **TINY)))


def test_lr_that_does_not_nest_gets_blocks_as_long_as_its_cells():
    # LR cells are 5.5 x 2.8 HR cells
    hr = fields(rows=24, columns=24)
    lat, lon = 40 + 0.5 * (5.5 * np.arange(-1, 6)), 0.25 * (2.8 * np.arange(-1, 10))
    lr = hr[["pr"]].interp(lat=lat, lon=lon, kwargs={"fill_value": "extrapolate"})
    for name in ("lat", "lon"):
        lr[name].attrs = hr[name].attrs
    model = lr.downscale.fit(hr[["pr"]], **TINY)
    assert model.scale == (6, 3)
    assert lr.downscale.predict(model).pr.shape == (12, 24, 24)


def test_scores_beside_the_interpolated_mean_of_the_truth():
    hr = fields()
    base = hr[["pr"]].downscale.coarsen((2, 4)).downscale.interpolate(hr, method="bilinear")
    scores = base.downscale.evaluate(hr[["pr"]], scale=(2, 4))
    assert abs(float(scores.rmse_skill.sel(reference="bilinear"))) < 1e-6
    assert scores.attrs["baselines"] == "interpolation of the truth averaged over 2 x 4 cells"


def _error(act):
    with pytest.raises(GridError) as found:
        act()
    return found.value


@pytest.mark.parametrize("scale", [(2,), (2, 3, 4), (2, 2.5), (1, 1), (0, 2), (2, True), "4"])
def test_other_values_are_an_error(scale):
    for act in (
        lambda: fields().downscale.coarsen(scale),
        lambda: fields().downscale.fit(scale=scale, **TINY),
        lambda: fields().downscale.evaluate(fields(), scale=scale),
    ):
        assert "to be a whole number >= 2, or a pair (y, x) of them, got" in str(_error(act))


def test_leftover_and_patches_name_the_axis():
    assert "scale (5, 4) divides, got lat has 12 cells, 2 too many" in str(
        _error(lambda: fields().downscale.coarsen((5, 4)))
    )
    error = _error(lambda: fields().downscale.fit(scale=(2, 4), patch_size=6, **TINY))
    assert "multiple of the scale (2, 4), at least 8, got 6. Use 8." in str(error)
    model = fields().downscale.fit(scale=(2, 4), **TINY)
    lr = fields()[["pr"]].downscale.coarsen((2, 4))
    with pytest.raises(ValueError, match=r"multiple of the scale \(2, 4\), in HR cells, got 6"):
        lr.downscale.predict(model, tile_size=6)

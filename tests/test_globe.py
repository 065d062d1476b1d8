"""Models of the whole globe: no seam where the longitudes begin, in whatever layout they come."""

import functools
import itertools

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.tiers import every
from xr_dl4ds.exceptions import GridError

from .grid import LAYOUTS

TINY = {"n_filters": 4, "n_blocks": 1, "epochs": 1, "verbose": False}
#: 1e-5 of a standard deviation, which is about 10 K.
ATOL = 1e-4


#: Besides, circles that begin elsewhere.
TURNED = {
    **LAYOUTS,
    "-180..180, sorted": lambda lon: np.sort((lon + 180) % 360 - 180),
    "-180..180, sorted, descending": lambda lon: np.sort((lon + 180) % 360 - 180)[::-1],
    "0..360, from 90": lambda lon: np.roll(lon, -lon.size // 4),
}


def globe(rows=16, columns=32, time=6):
    """A smooth temperature of the globe and its orography, without a seam at any meridian."""
    lat = -90 + 180 / rows * (np.arange(rows) + 0.5)
    lon = 360 / columns * (np.arange(columns) + 0.5)
    angle = np.deg2rad(lon)[None, None] + 0.7 * np.arange(time)[:, None, None]
    wide = np.deg2rad(lat)[None, :, None]
    t2m = 280 + 20 * np.cos(wide) * (np.cos(angle) + 0.5 * np.sin(3 * angle))
    orog = 500 * (1 + np.cos(wide[0]) * np.cos(2 * np.deg2rad(lon - 10)))
    return xr.Dataset(
        {
            "t2m": (("time", "lat", "lon"), t2m.astype("f4"), {"units": "K"}),
            "orog": (("lat", "lon"), orog.astype("f4"), {"units": "m"}),
        },
        coords={
            "time": np.datetime64("2001-01-01", "ns") + np.arange(time) * np.timedelta64(1, "D"),
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon, {"units": "degrees_east"}),
        },
    )


def in_layout(ds, layout):
    """The same cells with longitudes laid out otherwise."""
    wanted = TURNED[layout](ds.lon.values)
    order = [int(np.argmin(np.abs((ds.lon.values - v + 180) % 360 - 180))) for v in wanted]
    return ds.isel(lon=order).assign_coords(lon=("lon", wanted, ds.lon.attrs))


MODELS = {
    "resnet": {},
    "localized": {"localized": True},
    "interpolation": {"upsampling": "interpolation", "backbone": "convnext"},
    "unet": {"backbone": "unet", "n_blocks": 2},
    "patches": {"patch_size": 8, "attention": True},
    "windows": {"time_window": 2},
}


@functools.cache
def named(name):
    return globe().downscale.fit(scale=2, **{**TINY, **MODELS[name]})


@functools.cache
def low():
    """LR fields without bounds, which would have to turn with the columns."""
    coarse = globe()[["t2m"]].downscale.coarsen(2)
    return coarse.drop_vars([n for n in coarse.coords if str(n).endswith("_bnds")])


@functools.cache
def whole_of(name):
    return low().downscale.predict(named(name)).t2m


@pytest.fixture(params=MODELS)
def model(request):
    return named(request.param)


@pytest.fixture
def lr():
    return low()


@pytest.mark.parametrize(("name", "layout"), every(3, itertools.product(MODELS, sorted(TURNED))))
def test_any_layout_gives_the_same_field_in_that_layout(lr, name, layout):
    whole, turned = whole_of(name), in_layout(lr, layout)
    actual = turned.downscale.predict(named(name)).t2m
    # each HR column lies within the LR cell at its place, in the caller's convention
    owner = turned.lon.values[np.arange(32) // 2]
    assert np.abs(actual.lon.values - owner).max() < 11.25
    columns = [
        int(np.argmin(np.abs((whole.lon.values - v + 180) % 360 - 180))) for v in actual.lon.values
    ]
    np.testing.assert_allclose(actual, whole.isel(lon=columns), rtol=0, atol=ATOL)


@pytest.mark.parametrize("by", [2, 4, 12])
def test_a_network_that_knows_no_place_turns_with_its_input(by):
    """Data rolled under fixed longitudes: convolutions see at the break what they see anywhere."""
    hr = globe()[["t2m"]]
    model = hr.downscale.fit(scale=2, **TINY)
    low = hr.downscale.coarsen(2)
    actual = low.assign(t2m=low.t2m.roll(lon=by)).downscale.predict(model).t2m
    expected = low.downscale.predict(model).t2m.roll(lon=2 * by)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=ATOL)


def test_training_has_no_seam_either():
    """One step on data rolled by half a turn is the same step."""
    hr, rolled = globe()[["t2m"]], globe()[["t2m"]].copy()
    rolled["t2m"] = rolled.t2m.roll(lon=16)
    a, b = (ds.downscale.fit(scale=2, validation=None, **TINY) for ds in (hr, rolled))
    for one, other in zip(a.network.get_weights(), b.network.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_a_region_across_the_break_is_a_part_of_the_globe(name, lr):
    model, whole = named(name), whole_of(name)
    part = lr.isel(lon=[14, 15, 0, 1, 2])
    actual = part.downscale.predict(model).t2m
    expected = whole.isel(lon=[28, 29, 30, 31, 0, 1, 2, 3, 4, 5])
    np.testing.assert_array_equal(actual.lon % 360, expected.lon)
    # static fields of the training domain are there; the borders of the region are open
    away = abs(actual.to_numpy() - expected.to_numpy()).mean(axis=(0, 1))
    assert away.max() < 40
    assert np.isfinite(actual).all()


def test_a_regional_model_goes_around_the_globe():
    """Trained where nothing goes around, applied where it does: no seam."""
    hr = globe(columns=64)[["t2m"]]
    europe = hr.isel(lon=slice(0, 24))
    model = europe.downscale.fit(scale=2, **TINY)
    low = hr.downscale.coarsen(2).drop_vars(["lat_bnds", "lon_bnds"])
    actual = low.downscale.predict(model).t2m
    turned = in_layout(low, "-180..180, sorted").downscale.predict(model).t2m
    again = turned.assign_coords(lon=turned.lon % 360).sortby("lon")
    np.testing.assert_allclose(again, actual, rtol=0, atol=ATOL)
    # and without it there would be one: the same cells as a region with open ends
    cut = low.isel(lon=slice(0, 31)).downscale.predict(model).t2m
    assert float(abs(cut[..., :4] - actual[..., :4]).max()) > 10 * ATOL


def test_levels_that_do_not_meet_are_refused_before_training():
    with pytest.raises(GridError, match="HR columns around the globe to be a multiple of 8"):
        globe(columns=36).downscale.fit(scale=2, **{**TINY, "backbone": "unet", "n_blocks": 3})


def test_it_is_saved_as_it_is(model, lr, tmp_path):
    model.save(tmp_path / "model")
    loaded = xd.load(tmp_path / "model")
    xr.testing.assert_equal(lr.downscale.predict(loaded).t2m, lr.downscale.predict(model).t2m)
    with_dask = lr.chunk(time=2).downscale.predict(loaded).t2m
    np.testing.assert_allclose(with_dask, lr.downscale.predict(model).t2m, atol=ATOL)

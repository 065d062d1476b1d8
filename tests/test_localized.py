"""Weights of their own for each HR cell are the right ones wherever the model predicts."""

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import analytic, no_compute

TINY = {"n_filters": 4, "n_blocks": 1, "epochs": 1, "batch_size": 4, "verbose": False}
Y, X = 8, 12

#: What each cell says, in canonical order (rows from the south): its number, by kernel and bias.
KERNEL = 100.0 * np.arange(Y)[:, None] + np.zeros(X)
BIAS = np.zeros((Y, 1)) + np.arange(X)
NUMBERS = KERNEL + BIAS


def speak(model):
    """Set all weights by hand, so that the scaled output is the number of the cell.

    The first localized channel is made 1 before its kernel, and goes on through the middle of the
    output's convolution: nothing else has a weight, and no cell sees another.
    """
    for layer in model.network.layers:
        layer.set_weights([0 * w for w in layer.get_weights()])
    names = {layer.name: layer for layer in model.network.layers}

    def put(name, number, *places):
        weights = names[name].get_weights()
        for place, value in places:
            weights[number][place] = value
        names[name].set_weights(weights)

    put("localized_transition", 1, ((0,), 1.0))
    put("localized", 0, ((..., 0, 0), KERNEL))
    put("localized", 1, ((..., 0), BIAS))
    put("output_block_shortcut", 0, ((0, 0, -2, 0), 1.0))
    put("output", 0, ((1, 1, 0, 0), 1.0))
    return model


def fit(hr, **options):
    fixed = {"localized": True, "constraint": None, "interpolation_skip": False}
    return speak(hr.downscale.fit(scale=2, **TINY, **fixed, **options))


def numbers(model, field):
    """The cell's number at each place and time, rows from the south."""
    mean, std = (float(model.state.scaler.statistics.t2m.sel(statistic=s)) for s in ("mean", "std"))
    ordered = field.transpose("time", "latitude", "longitude").sortby("latitude")
    return np.round((ordered.to_numpy().astype("f8") - mean) / std, 2)


@pytest.fixture(scope="module", params=[{}, {"time_window": 2}, {"upsampling": "pin"}], ids=str)
def spoken(request, tmp_path_factory):
    return fit(analytic()[["t2m"]], **request.param)


@pytest.fixture
def lr(hr):
    return hr[["t2m"]].downscale.coarsen(2)


PARTS = {
    "whole": (lambda lr: lr, NUMBERS),
    # latitude falls: the first LR row is the northernmost, canonical HR rows 6 and 7
    "rows and columns in the middle": (
        lambda lr: lr.isel(latitude=slice(1, 3), longitude=slice(2, 5)),
        NUMBERS[2:6, 4:10],
    ),
    "the north-eastern corner": (
        lambda lr: lr.isel(latitude=slice(0, 2), longitude=slice(4, 6)),
        NUMBERS[4:8, 8:12],
    ),
    "the south, ascending": (
        lambda lr: lr.isel(latitude=slice(None, 1, -1)),
        NUMBERS[0:4],
    ),
    "whole, ascending": (lambda lr: lr.sortby("latitude"), NUMBERS),
    "transposed": (lambda lr: lr.transpose("longitude", "latitude", "time", ...), NUMBERS),
    "chunked": (lambda lr: lr.chunk(time=3, latitude=1, longitude=4), NUMBERS),
    "whole turns west": (
        lambda lr: lr.drop_vars(["latitude_bnds", "longitude_bnds"]).assign_coords(
            longitude=lr.longitude.copy(data=lr.longitude - 360)
        ),
        NUMBERS,
    ),
}


@pytest.mark.sparse(2)
@pytest.mark.parametrize("part", PARTS)
def test_each_cell_has_the_weights_of_its_place(spoken, lr, part):
    choose, expected = PARTS[part]
    given = choose(lr)
    with no_compute():
        lazy = given.chunk(time=5).downscale.predict(spoken)
    for actual in (given.downscale.predict(spoken), lazy):
        said = numbers(spoken, actual.t2m)
        np.testing.assert_array_equal(said, np.broadcast_to(expected, said.shape))


def test_columns_from_east_to_west(spoken, lr):
    actual = lr.isel(longitude=slice(None, None, -1)).downscale.predict(spoken).t2m
    np.testing.assert_array_equal(numbers(spoken, actual)[0], NUMBERS[:, ::-1])


def test_columns_of_the_globe_from_another_meridian():
    hr = analytic()[["t2m"]]
    hr = hr.assign_coords(
        longitude=hr.longitude.copy(data=30.0 * np.arange(X)),
        latitude=hr.latitude.copy(data=78.75 - 22.5 * np.arange(Y)),
    )
    model, low = fit(hr), hr.downscale.coarsen(2).drop_vars(["latitude_bnds", "longitude_bnds"])
    west = low.longitude.copy(data=(low.longitude + 180) % 360 - 180)
    turned = low.assign_coords(longitude=west).sortby("longitude")
    actual = turned.downscale.predict(model).t2m
    order = np.argsort(actual.longitude.values % 360)
    np.testing.assert_array_equal(numbers(model, actual)[0][:, order], NUMBERS)


def test_pairs_are_cut_to_the_common_cells():
    # LR begins one cell (two HR cells) west of HR and ends one south of it
    wide = analytic(y=Y + 2, x=X + 2)[["t2m"]]
    low, hr = wide.downscale.coarsen(2), wide.isel(latitude=slice(0, Y), longitude=slice(2, None))
    model = speak(low.downscale.fit(hr, localized=True, interpolation_skip=False, **TINY))
    assert model.state.pairing.hr.shape == (Y, X)
    said = numbers(model, low.downscale.predict(model).t2m)
    np.testing.assert_array_equal(said[0], NUMBERS)
    inside = low.isel(latitude=slice(1, 3), longitude=slice(2, 4))
    said = numbers(model, inside.downscale.predict(model).t2m)
    np.testing.assert_array_equal(said[0], NUMBERS[2:6, 2:6])


def test_it_is_saved_with_the_model(lr, tmp_path):
    model = analytic()[["t2m"]].downscale.fit(scale=2, localized=True, **TINY)
    model.save(tmp_path / "model")
    loaded = xd.load(tmp_path / "model")
    part = lr.isel(latitude=slice(1, 4), longitude=slice(1, 4))
    xr.testing.assert_equal(part.downscale.predict(loaded), part.downscale.predict(model))


OTHERS = {
    "north of it": lambda lr: lr.assign_coords(latitude=lr.latitude.copy(data=lr.latitude + 10)),
    "half a cell off": lambda lr: lr.assign_coords(
        longitude=lr.longitude.copy(data=lr.longitude + 0.25)
    ),
    "partly on it": lambda lr: lr.assign_coords(longitude=lr.longitude.copy(data=lr.longitude + 1)),
}


@pytest.mark.parametrize("domain", OTHERS)
def test_another_domain_is_refused(spoken, lr, domain):
    given = OTHERS[domain](lr.drop_vars(["latitude_bnds", "longitude_bnds"]))
    message = (
        r"Expected LR fields on the training domain \(latitude 48.375 to 49.875 by 0.5, .*\) or a"
        r" part of it, because localized=True gives each of its HR cells separate weights, got"
        r" latitude .*Fit with localized=False for other domains"
    )
    with pytest.raises(ValueError, match=message):
        given.downscale.predict(spoken)


@pytest.mark.traced
def test_patches_train_the_weights_of_their_place():
    # one corner is 10 K warmer than the LR field says, and only localized weights can tell
    rng = np.random.default_rng(0)
    hr = analytic(time=40, y=4, x=8)[["t2m"]]
    hr["t2m"] = hr.t2m.copy(data=rng.normal(280, 1, hr.t2m.shape).astype("f4"))
    low = hr.downscale.coarsen(2)
    hr["t2m"] = hr.t2m + 10 * (hr.longitude > 5.9) * (hr.latitude > 49.6)
    options = {**TINY, "patch_size": 4, "epochs": 15, "learning_rate": 3e-2, "n_filters": 1}
    seeing, blind = (low.downscale.fit(hr, localized=own, **options) for own in (True, False))
    assert float(seeing.history.val_loss.min()) < 0.7 * float(blind.history.val_loss.min())

"""Predictions in physical units keep the mean of each LR cell; the output stays in its range."""

import itertools

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import analytic, no_compute
from tests.tiers import every

SCALE = 2
TINY = {"n_filters": 4, "n_blocks": 1, "epochs": 1, "batch_size": 4, "verbose": False}


def fields(y=8, x=12, seed=0):
    """`t2m` in K, `t2c` in degC, and `pr`, mostly dry: a dry step, a step of tiny amounts."""
    hr = analytic(time=10, y=y, x=x, seed=seed)[["t2m"]]
    rng = np.random.default_rng(seed)
    pr = (rng.gamma(1, 1e-5, hr.t2m.shape) + 1e-7) * (rng.random(hr.t2m.shape) > 0.6)
    pr[1] = 0
    pr[2] *= 1e-3
    hr["pr"] = hr.t2m.copy(data=pr.astype("f4")).assign_attrs(units="kg m-2 s-1")
    hr["t2c"] = (hr.t2m - 281).assign_attrs(units="degC")
    return hr


def masked(hr):
    """Without a value at any time: all of one LR cell, one HR cell of another, three of a third."""
    some = xr.ones_like(hr.t2m[0], dtype=bool, chunks=None)
    some[2:4, 4:6] = some[0, 11] = some[6:8, 2:4] = False
    some[7, 3] = True
    return hr.where(some)


def block_means(cells):
    """Means of the valid cells of each block ``(..., y, x)``, in double precision."""
    y, x = (n // SCALE for n in cells.shape[-2:])
    blocks = cells.astype("f8").reshape(*cells.shape[:-2], y, SCALE, x, SCALE)
    count = np.isfinite(blocks).sum((-3, -1))
    total = np.nansum(blocks, (-3, -1))
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def assert_consistent(cells, lr):
    """To 1e-5 of the LR value, or the last digits of the cells where they cancel out."""
    cells, lr = cells.transpose(..., *lr.dims).to_numpy(), lr.to_numpy().astype("f8")
    mean = block_means(cells)
    np.testing.assert_array_equal(np.isnan(mean), np.broadcast_to(np.isnan(lr), mean.shape))
    digits = 1e-7 * np.nanmax(np.abs(cells)) if np.nanmin(cells) < 0 else 0
    np.testing.assert_allclose(mean, np.broadcast_to(lr, mean.shape), rtol=1e-5, atol=digits)


MODELS = {
    "K": (["t2m"], {}),
    "degC": (["t2c"], {"scaling": "minmax", "precision": "mixed_float16", "patch_size": 4}),
    "rain": (["pr"], {"constraint": "multiplicative", "precision": "mixed_bfloat16"}),
    "rain, minmax": (
        ["pr"],
        {"constraint": "softmax", "scaling": "minmax", "precision": "mixed_float16"},
    ),
    "masked": (["t2m"], {"constraint": "multiplicative", "masked": True, "patch_size": 4}),
    "masked windows": (["t2c"], {"masked": True, "time_window": 3, "interpolation": "bilinear"}),
    "pre-upsampling": (
        ["pr"],
        {"constraint": "softmax", "upsampling": "interpolation", "masked": True},
    ),
    "targets": (
        ["t2m", "pr", "t2c"],
        {"scaling": {"pr": "minmax"}, "time_window": 2, "localized": True},
    ),
}


@pytest.fixture(scope="module", params=MODELS)
def fitted(request, tmp_path_factory):
    """The model as it is loaded, LR fields, and the constraint that was asked for."""
    names, options = MODELS[request.param]
    options = dict(options)
    hr = fields()
    hr = masked(hr)[names] if options.pop("masked", False) else hr[names]
    folder = tmp_path_factory.mktemp("model") / "model"
    model = hr.downscale.fit(scale=SCALE, **TINY, **options)
    wanted = options.get("constraint", "additive")
    assert model.options.network.constraint == wanted
    model.save(folder)
    loaded = xd.load(folder)
    assert loaded.options.network.constraint == wanted
    return loaded, hr.downscale.coarsen(SCALE), wanted


VIEWS = {
    "whole": lambda lr: lr,
    "a part": lambda lr: lr.isel(latitude=slice(1, 4), longitude=slice(1, 6)),
    "rows turned": lambda lr: lr.isel(latitude=slice(None, None, -1)),
    "transposed": lambda lr: lr.transpose("longitude", "time", "latitude", ...),
    "chunked": lambda lr: lr.chunk(time=3, latitude=2, longitude=3),
}


@pytest.mark.parametrize(
    ("fitted", "view"), every(2, itertools.product(MODELS, VIEWS)), indirect=["fitted"]
)
def test_block_means_are_the_lr_values(fitted, view):
    model, lr, kind = fitted
    given = VIEWS[view](lr)
    if view == "chunked":
        with no_compute():
            actual = given.downscale.predict(model)
        xr.testing.assert_allclose(actual.compute(), lr.downscale.predict(model), rtol=1e-6)
    else:
        actual = given.downscale.predict(model)
    for name in model.state.features.targets:
        cells = actual[name].transpose("time", "latitude", "longitude")
        coarse = given[name].transpose("time", "latitude", "longitude")
        assert_consistent(cells, coarse)
        if kind != "additive":
            assert float(cells.min()) >= 0
            dry = np.repeat(np.repeat(coarse.to_numpy() == 0, SCALE, 1), SCALE, 2)
            assert dry.any() == (name == "pr")
            assert np.nanmax(cells.to_numpy()[dry], initial=0) == 0


def test_a_prediction_is_not_just_its_lr_field(fitted):
    # or every test of block means would pass
    model, lr, _ = fitted
    for name, cells in lr.downscale.predict(model)[list(lr.data_vars)].items():
        if name in model.state.features.targets:
            repeated = np.repeat(np.repeat(lr[name].to_numpy(), SCALE, 1), SCALE, 2)
            assert np.nanmax(np.abs(cells.to_numpy() - repeated)) > 1e-2 * np.nanmax(
                np.abs(repeated - np.nanmean(repeated))
            )


def test_a_step_without_time_and_a_gap(fitted):
    model, lr, _ = fitted
    lr = lr.copy(deep=True)
    name = model.state.features.targets[0]
    lr[name][4, 0, 0] = np.nan
    if model.options.sampling.time_window is None:
        cells = lr.isel(time=4).downscale.predict(model)[name]
        assert_consistent(cells.expand_dims("time"), lr[name].isel(time=[4]))
    assert_consistent(lr.downscale.predict(model)[name], lr[name])


def test_another_domain(fitted):
    model, _, kind = fitted
    there = fields(y=10, x=6, seed=5)[list(model.state.features.targets)]
    latitude = there.latitude.copy(data=there.latitude + 20)
    lr = there.assign_coords(latitude=latitude).downscale.coarsen(SCALE)
    if model.options.network.localized:
        with pytest.raises(ValueError, match=r"on the training domain .* localized=True"):
            lr.downscale.predict(model)
        return
    for name, cells in lr.downscale.predict(model).items():
        if name in model.state.features.targets:
            assert_consistent(cells, lr[name])
            assert kind == "additive" or float(cells.min()) >= 0


# --- tiny amounts, members, masks that change ----------------------------------------------------


@pytest.mark.parametrize("constraint", ["multiplicative", "softmax"])
def test_the_least_amounts_of_rain_are_kept(constraint):
    hr = xr.Dataset({f"pr{i}": fields(seed=i).pr for i in range(4)})
    for pr in hr.values():
        pr[2] *= 1e-6  # 1e-14 kg m-2 s-1 beside 1e-5, as climate models have it
    model = hr.downscale.fit(scale=SCALE, constraint=constraint, **TINY)
    lr = hr.downscale.coarsen(SCALE)
    actual = lr.downscale.predict(model)
    for name in hr:
        assert_consistent(actual[name], lr[name])


def test_every_member_of_an_ensemble():
    hr = fields()[["pr"]]
    options = {"dropout": "gaussian", "monte_carlo": True, "constraint": "softmax"}
    model = hr.downscale.fit(scale=SCALE, **options, **TINY)
    lr = hr.downscale.coarsen(SCALE)
    with no_compute():
        members = lr.chunk(time=4).downscale.predict(model, realizations=3).pr
    assert float(members.std("realization").max()) > 0
    assert_consistent(members, lr.pr)


@pytest.mark.parametrize(("constraint", "expected"), [("auto", None), ("additive", "additive")])
def test_masks_that_change_in_time(constraint, expected):
    hr = fields()[["t2m"]]
    hr["t2m"][3, 4, 5] = np.nan
    model = hr.downscale.fit(scale=SCALE, constraint=constraint, **TINY)
    assert model.options.network.constraint == expected
    lr = hr.downscale.coarsen(SCALE)
    actual = lr.downscale.predict(model).t2m
    assert np.isfinite(actual).all()
    off = np.abs(block_means(actual.to_numpy()) - lr.t2m.to_numpy()).max()
    assert (off < 1e-4) == (expected is not None)


# --- pairs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("constraint", ["auto", "additive", "softmax"])
def test_pairs_of_which_some_targets_have_a_counterpart(constraint):
    hr = masked(fields())[["t2c", "pr"]]
    lr = (fields()[["pr"]].downscale.coarsen(SCALE) * 1.5).assign_attrs(units="1")
    lr["pr"].attrs["units"] = "kg m-2 s-1"
    lr["t2m"] = fields().t2m.downscale.coarsen(SCALE).drop_attrs(deep=False)
    model = lr.downscale.fit(hr, constraint=constraint, patch_size=4, **TINY)
    actual = lr.downscale.predict(model)
    np.testing.assert_array_equal(actual.t2c.isnull().all("time"), hr.t2c.isnull().all("time"))
    if constraint == "auto":  # what LR gets wrong is to be corrected
        assert model.options.network.constraint is None
        off = block_means(actual.pr.to_numpy()) / lr.pr.where(lr.pr > 1e-6).to_numpy() - 1
        assert np.nanmax(np.abs(off)) > 1e-3
        return
    known = lr.pr.where(np.isfinite(block_means(actual.pr.to_numpy())))
    assert int(known.isnull().all("time").sum()) == 1  # the LR cell whose HR cells are masked
    assert_consistent(actual.pr, known)
    assert constraint == "additive" or float(actual.pr.min()) >= 0


def test_pairs_regridded_conservatively():
    # HR cells of 1 km begin at -0.5 km, LR cells of 2 km at 0: a block of HR cells covers a quarter
    # of one LR cell and three quarters of the next; the first and only the first one LR cell alone
    share = 0.75 * np.eye(6) + 0.25 * np.eye(6, k=-1)
    share[0, 0] = 1
    source = analytic(time=6, y=12, x=12)
    low = source.t2m.values.reshape(6, 6, 2, 6, 2).mean((2, 4))

    def planar(values, first, step):
        cells = first + step * np.arange(values.shape[1])
        data = xr.DataArray(values, dims=("time", "y", "x"), attrs={"units": "K"})
        data = data.assign_coords(time=source.time[:6], y=cells, x=cells)
        for axis in "yx":
            data[axis].attrs = {"units": "km", "standard_name": f"projection_{axis}_coordinate"}
        return data.to_dataset(name="t2m")

    lr, hr = planar(low, 1.0, 2.0), planar(source.t2m.values, 0.0, 1.0)
    model = lr.downscale.fit(hr, constraint="multiplicative", **TINY)
    assert model.state.pairing.method == "conservative"
    expected = np.einsum("tyx,Yy,Xx->tYX", low, share, share)
    actual = lr.isel(y=slice(None, None, -1)).downscale.predict(model).t2m
    np.testing.assert_allclose(block_means(actual[:, ::-1].to_numpy()), expected, rtol=1e-6)


# --- output activations --------------------------------------------------------------------------


def fit_many(scaling, activation):
    """A model of twelve variables of gamma distributions."""
    rng = np.random.default_rng(0)
    like = analytic().t2m
    hr = xr.Dataset(
        {f"v{i}": like.copy(data=rng.gamma(0.3 + i, 3, like.shape).astype("f4")) for i in range(12)}
    )
    options = {"output_activation": activation, "interpolation_skip": False, "validation": None}
    model = hr.downscale.fit(scale=SCALE, scaling=scaling, **options, **TINY)
    assert model.options.network.constraint is None
    return model, hr


def said(model, hr, value):
    """The prediction when all that goes into the activation is this value."""
    output = model.network.get_layer("output")
    kernel, bias = output.get_weights()
    output.set_weights([0 * kernel, 0 * bias + value])
    return hr.downscale.coarsen(SCALE).downscale.predict(model)[list(hr)]


@pytest.mark.parametrize(("activation", "scaling"), [("relu", "standard"), ("softplus", "minmax")])
def test_there_is_nothing_below_zero(activation, scaling):
    actual = said(*fit_many(scaling, activation), -30.0).to_array()
    assert float(actual.max()) < 1e-5
    assert float(actual.min()) >= 0


def test_a_sigmoid_stays_between_the_extremes_of_training():
    model, hr = fit_many("minmax", "sigmoid")
    for value in (-100.0, 100.0):
        for name, cells in said(model, hr, value).items():
            least, largest = float(hr[name].min()), float(hr[name].max())
            extreme = least if value < 0 else largest
            np.testing.assert_allclose(cells, np.full(cells.shape, extreme), rtol=1e-6)
            assert least <= float(cells.min()) <= float(cells.max()) <= largest

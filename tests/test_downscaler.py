"""`fit` and `predict` as a user calls them: what comes out, where, and in which layout."""

import gc

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from xr_dl4ds.training.batches import Samples

from .conftest import analytic, era5_uk, no_compute, real

TINY = {"n_filters": 4, "n_blocks": 1, "epochs": 2, "verbose": False}


@pytest.fixture(scope="module")
def model():
    """Synthetic pairs at scale 2 on the analytic field with `orog`."""
    return analytic().downscale.fit(scale=2, **TINY)


@pytest.fixture
def lr(hr):
    return hr[["t2m"]].downscale.coarsen(2)


@pytest.mark.traced
def test_learns_a_known_map_better_than_interpolation():
    # truth = bilinear(lr) + 0.01 orog exactly, so a network with orog can reach 0 and
    # interpolation cannot: its RMSE is that of the missing 0.01 * (orog - block mean of orog)
    hr = analytic(time=60, y=16, x=16, seed=1)
    rough = hr.t2m.downscale.coarsen(4).downscale.interpolate(hr, method="bilinear")
    relief = np.random.default_rng(0).normal(scale=200, size=(16, 16)).astype("f4")
    hr["orog"] = hr.orog.copy(data=relief)
    hr["t2m"] = (rough + 0.01 * hr.orog).assign_attrs(hr.t2m.attrs).astype("f4")
    train, test = hr.isel(time=slice(0, 50)), hr.isel(time=slice(50, None))

    model = train.downscale.fit(scale=4, n_filters=16, n_blocks=2, epochs=60, verbose=False)
    prediction = test[["t2m"]].downscale.coarsen(4).downscale.predict(model)
    scores = prediction.downscale.evaluate(test[["t2m"]])

    assert float(scores.rmse.sel(product="prediction")) < 0.5
    assert float(scores.rmse.sel(product="bilinear")) > 1.5


def test_prediction_has_the_stored_hr_coordinates(model, hr, lr):
    actual = lr.downscale.predict(model)
    assert actual.t2m.dims == ("time", "latitude", "longitude")
    xr.testing.assert_equal(actual.t2m.latitude.variable, hr.latitude.variable)
    np.testing.assert_array_equal(actual.longitude, hr.longitude)
    np.testing.assert_array_equal(actual.time, hr.time)
    assert actual.t2m.attrs["units"] == "K"
    assert actual.t2m.attrs["cell_methods"] == "time: point"
    assert actual.t2m.dtype == np.float32


def test_dataset_in_dataset_out_and_dataarray_in_dataarray_out(model, lr):
    one = lr.downscale.predict(model)
    other = lr.t2m.downscale.predict(model)
    assert isinstance(one, xr.Dataset)
    assert isinstance(other, xr.DataArray)
    np.testing.assert_array_equal(one.t2m, other)


@pytest.mark.parametrize("chunks", [{"time": 3}, {"time": 8}, {"time": 2, "latitude": 2}])
def test_lazy_in_lazy_out(model, lr, chunks):
    expected = lr.downscale.predict(model)
    chunked = lr.chunk(chunks)
    with no_compute():
        actual = chunked.downscale.predict(model)
    assert actual.t2m.chunks is not None
    assert actual.t2m.chunks[0] == chunked.t2m.chunks[0]
    np.testing.assert_allclose(actual.t2m, expected.t2m, atol=1e-5)


def test_flipped_and_transposed_input_gives_the_same_field_in_its_own_layout(model, lr):
    expected = lr.downscale.predict(model).t2m
    flipped = lr.isel(latitude=slice(None, None, -1), longitude=slice(None, None, -1))
    actual = flipped.transpose("longitude", "time", "latitude", ...).downscale.predict(model).t2m
    assert actual.dims == ("longitude", "time", "latitude")
    np.testing.assert_array_equal(actual.latitude, expected.latitude[::-1])
    np.testing.assert_allclose(actual.transpose(*expected.dims)[:, ::-1, ::-1], expected, atol=1e-4)


def test_other_longitude_convention_comes_back_in_that_convention(lr, hr):
    west = hr.assign_coords(longitude=hr.longitude - 6.5)  # -1.5 .. 1.25
    model = west.downscale.fit(scale=2, **TINY)
    low = west[["t2m"]].downscale.coarsen(2)
    expected = low.downscale.predict(model)
    shifted = low.assign_coords(longitude=low.longitude % 360).drop_vars(
        ["latitude_bnds", "longitude_bnds"]
    )
    shifted.longitude.attrs.update(low.longitude.attrs)
    actual = shifted.downscale.predict(model)
    np.testing.assert_allclose(actual.t2m, expected.t2m, atol=1e-5)
    assert float(actual.longitude.min()) >= -0.5  # 0..360, but for cells that cross the seam
    np.testing.assert_allclose(actual.longitude % 360, expected.longitude % 360)


def test_part_of_the_training_domain_keeps_its_coordinates_and_static_fields(model, hr, lr):
    part = lr.isel(latitude=slice(1, 4), longitude=slice(2, 6))
    actual = part.downscale.predict(model)
    expected = hr.isel(latitude=slice(2, 8), longitude=slice(4, 12))
    np.testing.assert_array_equal(actual.latitude, expected.latitude)
    np.testing.assert_array_equal(actual.longitude, expected.longitude)


def test_another_domain_needs_its_static_fields_and_refines_its_coordinates(model):
    other = analytic(y=12, x=16, seed=3)
    other = other.assign_coords(
        latitude=("latitude", other.latitude.values - 10, other.latitude.attrs)
    )
    low = other[["t2m"]].downscale.coarsen(2)
    with pytest.raises(ValueError, match=r"static fields \['orog'\].*Pass them as static="):
        low.downscale.predict(model)
    actual = low.downscale.predict(model, static=other[["orog"]])
    np.testing.assert_allclose(actual.latitude, other.latitude)
    assert actual.t2m.shape == other.t2m.shape
    with pytest.raises(ValueError, match="at the HR spacing"):
        low.downscale.predict(model, static=other[["orog"]].downscale.coarsen(2))


def test_a_single_step_without_time(model, lr):
    expected = lr.downscale.predict(model).t2m.isel(time=2)
    actual = lr.isel(time=2).downscale.predict(model).t2m
    assert actual.dims == ("latitude", "longitude")
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    assert actual.time == lr.time[2]


@pytest.mark.parametrize("upsampling", ["subpixel", "interpolation"])
def test_perfect_prognosis_and_pairs_of_the_same_fields_are_the_same_training(hr, upsampling):
    options = {**TINY, "epochs": 1, "upsampling": upsampling, "constraint": "additive"}
    one = hr.downscale.fit(scale=2, **options)
    low = hr[["t2m"]].downscale.coarsen(2)
    two = low.downscale.fit(hr, **options)
    for model in (one, two):
        actual = low.downscale.predict(model)
        assert actual.t2m.shape == hr.t2m.shape
        assert bool(np.isfinite(actual.t2m).all())
    np.testing.assert_array_equal(low.downscale.predict(one).t2m, low.downscale.predict(two).t2m)


def test_masked_cells_come_out_masked_and_change_nothing_else(hr):
    sea = xr.zeros_like(hr.t2m[0], dtype=bool)
    sea[2:4, 4:8] = True  # whole LR cells
    sea[7, 11] = True  # one HR cell of a valid LR cell
    masked = hr.assign(t2m=hr.t2m.where(~sea))
    model = masked.downscale.fit(scale=2, **TINY)
    low = masked[["t2m"]].downscale.coarsen(2)
    actual = low.downscale.predict(model)
    np.testing.assert_array_equal(actual.t2m[0].isnull(), sea)
    assert bool((actual.t2m.isnull() == sea).all())
    assert model.state.features.mask
    np.testing.assert_allclose(
        model.state.scaler.statistics.t2m.sel(statistic="mean"),
        masked.t2m.isel(time=slice(0, 7)).astype("f8").mean(),
    )


def test_the_training_mask_is_not_applied_elsewhere(hr):
    """Defect 12 of DL4DS: the scaler kept the training mask and applied it to predictions."""
    sea = xr.zeros_like(hr.t2m[0], dtype=bool)
    sea[2:4, 4:8] = True
    model = hr.assign(t2m=hr.t2m.where(~sea)).downscale.fit(scale=2, **TINY)
    moved = hr.assign_coords(longitude=("longitude", hr.longitude.values + 20, hr.longitude.attrs))
    low = moved[["t2m"]].downscale.coarsen(2)
    actual = low.downscale.predict(model, static=moved[["orog"]])
    assert not bool(actual.t2m.isnull().any())


def test_lr_gaps_come_out_as_gaps_of_their_step_alone(model, lr):
    gap = lr.copy(deep=True)
    gap.t2m[3, 1, 2] = np.nan
    actual = gap.downscale.predict(model).t2m
    expected = np.zeros(actual.shape, bool)
    expected[3, 2:4, 4:6] = True
    np.testing.assert_array_equal(actual.isnull(), expected)


def test_lr_gaps_in_the_validation_part_alone_are_not_scored(hr):
    low = hr[["t2m"]].downscale.coarsen(2)
    gap = low.copy(deep=True)
    gap.t2m[7, 0, 0] = np.nan  # in the held-out step alone
    wrong = hr.copy(deep=True)
    wrong.t2m[7, 0:2, 0:2] = 1e6  # below the gap: must not count
    one = gap.downscale.fit(hr, **TINY)
    two = gap.downscale.fit(wrong, **TINY)
    np.testing.assert_array_equal(one.history.val_loss, two.history.val_loss)


def test_a_target_named_like_the_grid_mapping_is_kept(hr):
    named = hr.rename(t2m="crs")
    model = named.downscale.fit(scale=2, **TINY)
    actual = named[["crs"]].downscale.coarsen(2).downscale.predict(model)
    assert actual.crs.dims == ("time", "latitude", "longitude")
    assert actual.crs.attrs["grid_mapping"] == "crs_mapping"


def test_half_precision_fields_do_not_overflow(hr):
    half = hr.astype("f2")
    actual = half.downscale.coarsen(4)
    np.testing.assert_allclose(actual.t2m, hr.downscale.coarsen(4).t2m, atol=0.2)


@pytest.mark.slow
def test_prediction_in_other_processes(model, lr):
    expected = lr.downscale.predict(model)
    lazy = lr.chunk(time=4).downscale.predict(model)
    actual = lazy.compute(scheduler="processes", num_workers=1)
    np.testing.assert_allclose(actual.t2m, expected.t2m, atol=1e-5)


def test_several_targets_and_predictors_on_their_own_grid(hr):
    rng = np.random.default_rng(0)
    hr["pr"] = hr.t2m.copy(data=rng.gamma(2, size=hr.t2m.shape).astype("f4"))
    hr["pr"].attrs = {"units": "mm/day"}
    wind = (hr[["t2m"]].downscale.coarsen(4) * 0 + rng.normal(size=(8, 2, 3))).rename(t2m="wind")
    wind = wind.drop_vars(["latitude_bnds", "longitude_bnds"]).isel(time=slice(1, None))
    model = hr.downscale.fit(scale=2, predictors=wind, **TINY)
    assert model.state.features.targets == ("t2m", "pr")
    assert model.state.features.predictors == ("wind",)
    low = hr[["t2m", "pr"]].downscale.coarsen(2)
    with pytest.raises(ValueError, match=r"to have \['wind'\].*Pass it as predictors="):
        low.downscale.predict(model)
    with pytest.raises(ValueError, match=r"at all \d+ times of the LR data, got .* times, without"):
        low.downscale.predict(model, predictors=wind)
    actual = low.isel(time=slice(1, None)).downscale.predict(model, predictors=wind)
    assert set(actual.data_vars) == {"t2m", "pr"}
    assert actual.pr.attrs["units"] == "mm/day"
    assert actual.sizes["time"] == 7


@pytest.mark.traced
def test_predictors_matter(hr):
    """A target that is nothing but its predictor can be learned from the predictor alone."""
    hr = analytic(time=40)
    rng = np.random.default_rng(0)
    signal = rng.normal(size=40).astype("f4")
    hr["t2m"] = hr.t2m * 0 + xr.DataArray(signal, dims="time") * hr.orog / 100
    index = xr.ones_like(hr.t2m).downscale.coarsen(2) * xr.DataArray(signal, dims="time")
    index = index.rename("index")
    low = hr.t2m.downscale.coarsen(2).rename("other") * 0 + rng.normal(size=(40, 4, 6))
    options = {"n_filters": 8, "n_blocks": 1, "epochs": 60, "verbose": False, "learning_rate": 1e-2}
    blind = low.downscale.fit(hr, **options)
    seeing = low.downscale.fit(hr, predictors=index, **options)
    assert float(seeing.history.val_loss.min()) < 0.5 * float(blind.history.val_loss.min())


def test_static_fields_of_any_grid_enter(hr):
    fine = analytic(y=40, x=60)[["orog"]]  # five cells for one, over the same area
    fine = fine.assign_coords(
        latitude=("latitude", 50.1 - 0.05 * np.arange(40), hr.latitude.attrs),
        longitude=("longitude", 4.9 + 0.05 * np.arange(60), hr.longitude.attrs),
    )
    model = hr[["t2m"]].downscale.fit(scale=2, static=fine, **TINY)
    # cells weigh by their area on the sphere: by sin(north edge) - sin(south edge)
    north, south = np.deg2rad(fine.latitude + 0.025), np.deg2rad(fine.latitude - 0.025)
    area = (np.sin(north) - np.sin(south)).values.reshape(8, 5, 1, 1)
    cells = fine.orog.values.reshape(8, 5, 12, 5)
    expected = (cells * area).sum((1, 3)) / (area.sum(1) * 5)[:, :, 0]
    actual = model.state.static.orog.isel(y=slice(None, None, -1))  # canonical is ascending
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_defect_18_lists_given_are_not_overwritten(hr):
    given = [hr[["orog"]]]
    hr[["t2m"]].downscale.fit(scale=2, static=given, **TINY)
    assert len(given) == 1
    xr.testing.assert_identical(given[0], hr[["orog"]])


def test_nothing_of_the_users_is_changed(hr, lr):
    before = hr.copy(deep=True), lr.copy(deep=True)
    model = hr.downscale.fit(scale=2, **TINY)
    lr.downscale.predict(model)
    xr.testing.assert_identical(hr, before[0])
    xr.testing.assert_identical(lr, before[1])


def test_one_seed_one_result(hr, lr):
    one, two = (hr.downscale.fit(scale=2, seed=3, **TINY) for _ in range(2))
    other = hr.downscale.fit(scale=2, seed=4, **TINY)
    np.testing.assert_array_equal(lr.downscale.predict(one).t2m, lr.downscale.predict(two).t2m)
    assert not np.array_equal(lr.downscale.predict(one).t2m, lr.downscale.predict(other).t2m)


def test_patches_train_and_predict_whole_fields(hr, lr):
    model = hr.downscale.fit(scale=2, patch_size=4, **TINY)
    assert lr.downscale.predict(model).t2m.shape == hr.t2m.shape


def test_validation_is_the_end_of_the_series_even_of_a_shuffled_one(hr):
    shuffled = hr.isel(time=[3, 1, 7, 0, 2, 6, 5, 4])
    model = shuffled.downscale.fit(scale=2, validation=0.25, **TINY)
    assert model.provenance["period"] == ["2001-01-01 00:00:00", "2001-01-02 06:00:00"]
    expected = hr.t2m.isel(time=slice(0, 6)).astype("f8")
    np.testing.assert_allclose(model.state.scaler.statistics.t2m[0], expected.mean())


def test_validation_pair(hr):
    train, held = hr.isel(time=slice(0, 6)), hr.isel(time=slice(6, None))
    pair = held[["t2m"]].downscale.coarsen(2), held
    one = train.downscale.fit(scale=2, validation=pair, **TINY)
    two = hr.downscale.fit(scale=2, validation=0.25, **TINY)
    np.testing.assert_allclose(one.history.val_loss, two.history.val_loss, rtol=1e-5)


def test_without_validation_there_is_no_val_loss(hr):
    model = hr.downscale.fit(scale=2, validation=None, **TINY)
    assert "val_loss" not in model.history
    assert list(model.history.epoch.values) == [1, 2]


def test_fewer_samples_than_one_batch_work(hr):
    model = hr.isel(time=slice(0, 3)).downscale.fit(scale=2, batch_size=64, **TINY)
    assert np.isfinite(model.history.loss).all()


@pytest.mark.sparse(3)
@pytest.mark.parametrize("cache", ["memory", "disk", "none"])
def test_nothing_of_the_samples_is_left_after_training(hr, cache):
    def alive():
        gc.collect()
        return sum(type(thing) is Samples for thing in gc.get_objects())

    before = alive()
    model = hr.downscale.fit(scale=2, validation=0.25, cache=cache, **TINY)
    assert alive() == before
    assert model.history.sizes["epoch"] == 2


def test_a_model_shows_what_it_is(model, capsys):
    text = repr(model)
    for part in ("t2m", "orog", "2 (nested)", "resnet, subpixel", "epoch"):
        assert part in text
        assert part in model._repr_html_()
    assert "<table>" in model._repr_html_()
    model.summary()
    assert "Total params" in capsys.readouterr().out
    assert set(model.history) == {"loss", "val_loss", "learning_rate", "seconds"}


def test_a_model_draws_its_learning_curve(model):
    figure = model.plot_history()
    drawn = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    np.testing.assert_allclose(drawn["validation loss"], model.history["val_loss"])
    assert f"kept: epoch {model.provenance['best_epoch']}" in drawn


def test_a_model_is_a_frozen_value(model):
    with pytest.raises(AttributeError):
        model.network = None


def test_pairs_that_do_not_nest_are_regridded_and_remembered(hr, caplog):
    low = hr[["t2m"]].downscale.coarsen(2)
    odd = low.drop_vars(["latitude_bnds", "longitude_bnds"]).assign_coords(
        latitude=("latitude", low.latitude.values + 0.1, low.latitude.attrs)
    )
    with caplog.at_level("INFO"):
        model = odd.downscale.fit(hr, trim=True, **TINY)
    assert "do not nest" in caplog.text
    assert model.state.pairing.method == "conservative"
    assert model.provenance["pairing"] == "conservative"
    actual = odd.downscale.predict(model)
    assert actual.t2m.shape[1:] == model.state.pairing.hr.shape
    straight = odd.downscale.fit(hr, upsampling="interpolation", **TINY)
    assert straight.state.pairing.method == "bicubic"
    assert odd.downscale.predict(straight).t2m.shape[1:] == straight.state.pairing.hr.shape


def test_part_of_a_grid_that_does_not_nest_keeps_to_the_cells_of_training(hr):
    low = hr[["t2m"]].downscale.coarsen(2)
    odd = low.drop_vars(["latitude_bnds", "longitude_bnds"]).assign_coords(
        latitude=("latitude", low.latitude.values + 0.1, low.latitude.attrs)
    )
    model = odd.downscale.fit(hr, trim=True, **TINY)
    whole = odd.downscale.predict(model).t2m
    part = odd.isel(longitude=slice(1, 5)).downscale.predict(model).t2m
    # the same HR cells, bit by bit; the fields differ near the border alone
    same = whole.sel(longitude=part.longitude)
    np.testing.assert_array_equal(part.latitude, whole.latitude)
    assert part.sizes["longitude"] == 8
    away = abs(part - same).mean(["time", "latitude"])
    assert float(away[3:5].max()) < 0.5 * float(away.max())
    with pytest.raises(ValueError, match=r"on the training grid.*do not nest.*Interpolate them"):
        odd.assign_coords(longitude=odd.longitude + 2.13).downscale.predict(model)


def test_a_time_series_without_a_grid_is_said_to_be_left_out(hr, caplog):
    low = hr[["t2m"]].downscale.coarsen(2).assign(nao=("time", np.arange(8.0)))
    low.downscale.fit(hr, **TINY)
    assert "['nao'] lie on no grid and are left out of the LR data" in caplog.text


@pytest.mark.slow
def test_java_pair_masks_sea_and_beats_its_lr():
    hr = real("java_chirps_hr.nc")[["pr", "land_fraction"]].sel(time=slice("2000-06", "2010"))
    low = real("java_imerg_lr.nc")[["pr"]]
    model = low.downscale.fit(hr, epochs=3, n_filters=8, n_blocks=2, verbose=False)
    actual = low.sel(time="2015").downscale.predict(model)
    np.testing.assert_array_equal(actual.pr.isnull().all("time"), hr.pr.isnull().all("time"))


@pytest.mark.traced
@pytest.mark.slow
def test_anchor_experiment_era5_uk():
    """DL4DS reaches 0.424 K after 60 epochs; bilinear 0.763 K, bicubic 0.691 K."""
    hr, static = era5_uk()
    past, test = hr.isel(time=slice(0, 672)), hr.isel(time=slice(672, None))
    model = past.downscale.fit(
        scale=4, static=static, validation=72 / 672, epochs=10, verbose=False
    )
    prediction = test.downscale.coarsen(4).downscale.predict(model)
    rmse = prediction.downscale.evaluate(test).rmse
    assert float(rmse.sel(product="prediction")) < 0.42
    np.testing.assert_allclose(rmse.sel(product=["bilinear", "bicubic"]), [0.763, 0.691], atol=1e-3)
    assert xd.__version__ != "unknown"

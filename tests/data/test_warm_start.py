"""`fit(..., start=model)`: training that goes on from a model."""

import dataclasses
import logging

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import analytic

TINY = {"n_filters": 4, "n_blocks": 1, "verbose": False}
SCALE = 2
#: So small that nothing is learned: what comes out is what went in.
STILL = {"epochs": 1, "optimizer": "sgd", "learning_rate": 1e-12}


@pytest.fixture(scope="module")
def hr():
    return analytic(time=12)


@pytest.fixture(scope="module")
def model(hr):
    options = {"epochs": 3, "learning_rate": 0.02, "batch_size": 4, "loss": "mse", "seed": 3}
    return hr.downscale.fit(scale=SCALE, **options, **TINY)


def weights(model):
    return model.network.get_weights()


def test_it_begins_where_the_model_ended(hr, model):
    still = hr.downscale.fit(scale=SCALE, start=model, **STILL, verbose=False)
    for one, other in zip(weights(still), weights(model), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)
    assert still.provenance["start"] == model.provenance["model"]
    assert "start" not in model.provenance


def test_options_are_those_of_the_model_where_none_are_given(hr, model):
    more = hr.downscale.fit(scale=SCALE, start=model, epochs=1, learning_rate=0.01)
    assert more.options.network == model.options.network
    assert more.options.sampling == model.options.sampling
    assert more.options.training.loss == "mse"
    assert more.options.training.epochs == 1
    other = xd.Sampling(batch_size=5)
    more = hr.downscale.fit(
        scale=SCALE, start=model, sampling=other, training=xd.Supervised(epochs=1, verbose=False)
    )
    assert more.options.sampling == other
    assert more.options.training.loss == "mae_mse"  # "auto" for temperature


def test_another_region_is_scaled_as_the_model_was(hr, model):
    """Fields elsewhere, 30 K warmer: by the model's statistics, not their own."""
    there = hr.assign_coords(longitude=hr.longitude + 40)
    there["t2m"] = (there.t2m + 30).assign_attrs(hr.t2m.attrs)
    moved = there.downscale.fit(scale=SCALE, start=model, **STILL, verbose=False)
    for name in ("t2m", "orog"):
        for statistic in ("offset", "factor"):
            expected = model.state.scaler.of(name, statistic)
            assert moved.state.scaler.of(name, statistic) == expected
    assert moved.state.scaler.of("t2m", "mean") == pytest.approx(
        model.state.scaler.of("t2m", "mean") + 30, abs=0.01
    )
    lr = there[["t2m"]].downscale.coarsen(SCALE)
    static = there[["orog"]]
    expected = lr.downscale.predict(model, static=static)
    xr.testing.assert_allclose(lr.downscale.predict(moved), expected, atol=1e-4)
    np.testing.assert_allclose(moved.state.pairing.hr.x.values[0], 45.0)


def test_a_region_may_be_constant_where_the_model_saw_variety(hr, model):
    flat = hr.assign(orog=(0 * hr.orog + 100).assign_attrs(hr.orog.attrs))
    found = flat.downscale.fit(scale=SCALE, start=model, **STILL, verbose=False)
    assert np.isfinite(weights(found)[0]).all()


def test_the_order_of_variables_is_that_of_the_model(hr):
    both = hr.assign(d2m=(hr.t2m - 2).assign_attrs(units="K"))
    first = both[["t2m", "d2m"]].downscale.fit(scale=SCALE, epochs=1, **TINY)
    turned = both[["d2m", "t2m"]].downscale.fit(scale=SCALE, start=first, **STILL, verbose=False)
    assert turned.state.features == first.state.features
    lr = both[["t2m", "d2m"]].downscale.coarsen(SCALE)
    xr.testing.assert_allclose(turned.predict(lr), first.predict(lr), atol=1e-4)


def test_supervised_before_adversarial(hr, model):
    training = xd.Adversarial(
        epochs=1,
        learning_rate=1e-12,
        optimizer="sgd",
        noise_channels=2,
        discriminator_filters=4,
        discriminator_blocks=1,
        verbose=False,
    )
    against = hr.downscale.fit(scale=SCALE, start=model, training=training)
    lr = hr.downscale.coarsen(SCALE)
    # noise begins at no weight: the generator is the supervised one
    xr.testing.assert_allclose(against.predict(lr), model.predict(lr), atol=1e-4)
    training = dataclasses.replace(training, epochs=3, learning_rate=0.01, optimizer="adam")
    moved = hr.downscale.fit(scale=SCALE, start=model, training=training)
    members = moved.predict(lr, realizations=2)
    assert float(abs(members.t2m[0] - members.t2m[1]).max()) > 0


def test_a_start_from_a_file(hr, model, tmp_path):
    model.save(tmp_path / "model")
    loaded = xd.load(tmp_path / "model")
    one, other = (
        hr.downscale.fit(scale=SCALE, start=start, epochs=1, verbose=False)
        for start in (model, loaded)
    )
    assert one.provenance["model"] == other.provenance["model"]


def test_missing_values_that_the_model_never_saw(hr, model, caplog):
    """No channel tells of them, so the network is what it was; the loss leaves them out."""
    holes = hr.assign(t2m=hr.t2m.where(hr.longitude < 7).assign_attrs(hr.t2m.attrs))
    with caplog.at_level(logging.INFO):
        found = holes.downscale.fit(scale=SCALE, start=model, epochs=1, verbose=False)
    assert found.state.features == model.state.features
    sr = holes.downscale.coarsen(SCALE).downscale.predict(found)
    assert bool(sr.t2m.notnull().sel(longitude=slice(None, 6.5)).all())
    assert bool(sr.t2m.isnull().sel(longitude=slice(7, None)).all())


def test_a_constraint_that_followed_from_the_data_is_not_inherited(hr, model):
    """Synthetic pairs keep LR means; real pairs whose LR is biased have none to keep."""
    assert model.options.network.constraint == "additive"
    lr = hr[["t2m"]].downscale.coarsen(SCALE)
    biased = lr.assign(t2m=(lr.t2m + 5).assign_attrs(lr.t2m.attrs))
    moved = biased.downscale.fit(hr, start=model, epochs=1, verbose=False)
    assert moved.options.network.constraint is None
    asked = biased.downscale.fit(hr, start=model, epochs=1, verbose=False, constraint="additive")
    assert asked.options.network.constraint == "additive"
    again = lr.downscale.fit(hr, start=asked, epochs=1, verbose=False)
    assert again.options.network.constraint == "additive"


def test_a_checkpoint_is_not_inherited(hr, tmp_path):
    first = hr.downscale.fit(scale=SCALE, epochs=1, checkpoint=tmp_path / "run", **TINY)
    more = hr.downscale.fit(scale=SCALE, start=first, epochs=1, verbose=False)
    assert more.options.training.checkpoint is None
    assert more.history.sizes["epoch"] == 1


def test_heads_of_other_targets_begin_anew(hr):
    both = hr.assign(d2m=(0.1 * hr.t2m).assign_attrs(units="K"))[["t2m", "d2m"]]
    one, other = (
        {"t2m": a, "d2m": b} for a, b in (("gaussian_nll", "mae"), ("mae", "gaussian_nll"))
    )
    rate = {"epochs": 4, "learning_rate": 0.05}
    first = both.downscale.fit(scale=SCALE, loss=one, **rate, **TINY)
    still = {"start": first, **STILL, "verbose": False}
    kept = both.downscale.fit(scale=SCALE, **still)
    changed = both.downscale.fit(scale=SCALE, loss=other, **still)
    begun, moved, same = (
        m.network.get_layer("parameters_conv").get_weights()[0] for m in (changed, first, kept)
    )
    np.testing.assert_allclose(begun, 0, atol=1e-6)  # where heads begin
    assert abs(moved).max() > 1e-3
    np.testing.assert_allclose(same, moved, atol=1e-6)


def test_another_architecture_is_told(hr, model):
    with pytest.raises(ValueError, match=r"the architecture of the model in start="):
        hr.downscale.fit(scale=SCALE, start=model, n_blocks=2, epochs=1)

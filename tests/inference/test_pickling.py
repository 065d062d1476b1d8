"""Networks and models in other processes: equal, and without the code of the caller."""

import os
import pickle
import subprocess
import sys

import cloudpickle
import keras
import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import analytic
from tests.tiers import every
from tests.untrained import untrained
from xr_dl4ds.config import CUSTOM_BACKBONES
from xr_dl4ds.inference import Carried, pickling

SCALE = 2

KINDS = {
    "dropout": {"dropout": "gaussian", "monte_carlo": True, "attention": True},
    "noise": {"loss": "crps", "upsampling": "deconvolution"},
    "windows": {"time_window": 2, "validation": None, "normalization": "batch"},
    "distribution": {"loss": "gaussian_nll", "backbone": "unet"},
    "localized": {"localized": True, "backbone": "convnext", "upsampling": "interpolation"},
}


@pytest.fixture(scope="module")
def lr():
    return analytic()[["t2m"]].downscale.coarsen(SCALE)


@pytest.fixture(autouse=True)
def nothing_built(monkeypatch):
    monkeypatch.setattr(pickling, "_built", type(pickling._built)())


def drawn(model):
    network, training = model.options.network, model.options.training
    draws = network.monte_carlo or training.loss in ("crps", "gaussian_nll")
    return {"realizations": 2} if draws else {}


@pytest.mark.parametrize("kind", every(2, KINDS))
def test_a_pickled_model_predicts_the_same(kind, lr):
    model = untrained(analytic(), scale=SCALE, **KINDS[kind])
    received = pickle.loads(pickle.dumps(model))
    assert received.network is not model.network
    assert received.options == model.options
    assert received.provenance == model.provenance
    for options in ({}, drawn(model), {"tile_size": 4}):
        xr.testing.assert_equal(received.predict(lr, **options), model.predict(lr, **options))


@pytest.mark.slow
def test_a_fresh_process_needs_nothing_but_the_pickle(lr, tmp_path):
    model = untrained(analytic(), scale=SCALE)
    (tmp_path / "both.pickle").write_bytes(pickle.dumps((model, lr)))
    code = f"""
import pickle
model, lr = pickle.load(open({str(tmp_path / "both.pickle")!r}, "rb"))
model.predict(lr).to_netcdf({str(tmp_path / "sr.nc")!r}, engine="netcdf4")
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ), timeout=120)
    with xr.open_dataset(tmp_path / "sr.nc", engine="netcdf4") as found:
        np.testing.assert_allclose(found.t2m, model.predict(lr).t2m, rtol=1e-6)


@pytest.mark.traced
def test_nothing_traced_and_nothing_twice_is_carried(lr):
    model = untrained(analytic(), scale=SCALE)
    model.predict(lr)  # traced now
    sent = pickle.dumps(Carried(model.network))
    assert len(sent) < 3 * 4 * model.network.count_params() + 100_000
    one, other = (pickle.loads(sent) for _ in range(2))
    assert pickling._built == {}  # not before it is asked for
    assert one.network is other.network
    assert len(pickling._built) == 1
    # what arrived can be sent on, before and after it is built
    assert pickle.dumps(pickle.loads(sent)) == pickle.dumps(one)


def test_networks_are_told_apart_and_not_kept_for_ever(monkeypatch):
    monkeypatch.setattr(pickling, "KEPT", 2)
    inputs = keras.Input((None, None, 1), name="lr")
    networks = [
        keras.Model({"lr": inputs}, keras.layers.Rescaling(scale)(inputs)) for scale in (1.0, 2, 3)
    ]
    received = [pickle.loads(pickle.dumps(Carried(n))) for n in networks]
    ones = {"lr": np.ones((1, 2, 2, 1), "f4")}
    found = [float(np.asarray(r.network(ones)).max()) for r in received]
    assert found == [1, 2, 3]
    assert len(pickling._built) == 2


def shifting(value):
    """A network with a layer of the same name, configuration and weights for each value."""

    class Shifted(keras.layers.Layer):
        def call(self, x):
            return x + value

    inputs = keras.Input((None, None, 1), name="lr")
    return keras.Model({"lr": inputs}, Shifted(name="shifted")(inputs), name="network")


def test_layers_whose_code_has_changed_are_told_apart():
    # as in a notebook: a class of __main__ travels with its code
    found = []
    for network in (shifting(1.0), shifting(2.0)):
        received = pickle.loads(cloudpickle.dumps(Carried(network)))
        found.append(float(np.asarray(received.network({"lr": np.zeros((1, 2, 2, 1))})).max()))
    assert found == [1, 2]


class Shift(keras.layers.Layer):
    """Not registered with Keras."""

    def call(self, x):
        return x + 1

    def compute_output_shape(self, shape):
        return shape


def test_a_backbone_of_the_users_own_goes_along(lr, monkeypatch):
    @xd.register_backbone("shifted")
    def shifted(x, network):
        return Shift()(keras.layers.Conv2D(network.n_filters, 3, padding="same")(x))

    model = untrained(analytic(), scale=SCALE, backbone="shifted")
    sent = pickle.dumps(model)
    monkeypatch.delitem(CUSTOM_BACKBONES, "shifted")  # as in a process that does not know it
    xr.testing.assert_equal(pickle.loads(sent).predict(lr), model.predict(lr))


def test_a_layer_that_cannot_be_built_again_is_told():
    inputs = keras.Input((None, None, 1), name="lr")
    network = keras.Model({"lr": inputs}, keras.layers.Lambda(lambda x: x)(inputs))
    received = pickle.loads(pickle.dumps(Carried(network)))
    message = r"another process can rebuild, got \['InputLayer', 'Lambda'\] .*Define get_config"
    with pytest.raises(ValueError, match=message):
        _ = received.network


def test_the_callers_settings_of_keras_do_not_matter(lr):
    model = untrained(analytic(), scale=SCALE)
    expected, sent = model.predict(lr), pickle.dumps(model)
    before = keras.config.image_data_format()
    try:
        keras.config.set_image_data_format("channels_first")
        xr.testing.assert_equal(pickle.loads(sent).predict(lr), expected)
    finally:
        keras.config.set_image_data_format(before)

"""What is wrong with options, models and losses; data and arguments stand in `tests/errors`."""

import dataclasses
import json

import numpy as np
import pytest

import xr_dl4ds as xd
import xr_dl4ds.training

from .conftest import analytic

TINY = {"n_filters": 4, "n_blocks": 1, "epochs": 1, "verbose": False}


@pytest.fixture
def untrained(monkeypatch):
    """Fail when training begins."""

    def begin(*args, **kwargs):
        raise AssertionError("training began with bad input")

    monkeypatch.setattr(xr_dl4ds.training, "train", begin)


def test_trim_is_the_cure_for_a_scale_that_does_not_divide(hr):
    model = hr.downscale.fit(scale=3, trim=True, **TINY)
    low = hr[["t2m"]].downscale.coarsen(3, trim=True)
    actual = low.downscale.predict(model)
    np.testing.assert_array_equal(actual.latitude, hr.latitude[:6])


def test_an_option_that_does_not_exist(hr, untrained):
    with pytest.raises(TypeError, match=r"unknown option 'epoch'\. Did you mean 'epochs'"):
        hr.downscale.fit(scale=2, epoch=3, **TINY)


def test_option_objects_of_the_wrong_class(hr, untrained):
    with pytest.raises(TypeError, match=r"Expected `network` to be an xr_dl4ds.Network, got Sampl"):
        hr.downscale.fit(scale=2, network=xd.Sampling())


def test_a_loss_that_explodes(hr):
    with pytest.raises(RuntimeError, match="Use a smaller learning_rate"):
        hr.downscale.fit(
            scale=2, **{**TINY, "epochs": 30}, optimizer="sgd", learning_rate=1e30, loss="mse"
        )


def test_model_of_a_newer_format(tmp_path):
    analytic().downscale.fit(scale=2, **TINY).save(tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    config["format_version"] += 1
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"format version 4, got 5.*Upgrade"):
        xd.load(tmp_path / "m")


def test_messages_of_options_name_the_field():
    for cls in (xd.Network, xd.Sampling, xd.Supervised):
        for field in dataclasses.fields(cls):
            with pytest.raises(ValueError, match=rf"`{field.name}`"):
                cls(**{field.name: object()})

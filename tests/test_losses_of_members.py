"""Losses of members by name, from `fit` to a saved model."""

import numpy as np
import pytest

import xr_dl4ds as xd
from tests.test_amounts import rain

TINY = {"n_filters": 2, "n_blocks": 1, "epochs": 1, "verbose": False, "seed": 0}
ALL = {"crps": 1, "pooled_crps": 0.3, "spectral_crps": 0.1, "energy": 0.2}


@pytest.mark.parametrize(
    ("options", "noise"),
    [
        ({"loss": {"tas": "energy", "pr": "crps"}, "constraint": None}, "latent"),
        (
            {
                "loss": ALL,
                "noise": "inside",
                "time_window": 2,
                "patch_size": 8,
                "scaling": {"pr": "log1p"},
                "precision": "mixed_float16",
            },
            "inside",
        ),
        ({"training": xd.Adversarial(pixel_loss=ALL, discriminator_filters=2)}, "inside"),
    ],
    ids=["latent", "inside", "adversarial"],
)
def test_models_are_trained_saved_and_read(options, noise, tmp_path):
    hr = rain()[["pr", "tas"]]
    hr["pr"] = hr.pr.where(hr.lat > 41)
    model = hr.downscale.fit(scale=2, validation=0.3, **{**TINY, **options})
    assert model.options.network.noise == noise
    assert np.isfinite(model.history.to_array()).all()
    assert (model.history.val_loss > 0).all()
    model.save(tmp_path / "model")
    again = xd.load(tmp_path / "model")
    assert again.options == model.options
    lr = hr.downscale.coarsen(2).isel(time=slice(3))
    members = lr.downscale.predict(model, realizations=2)
    assert float(members.tas.std("realization").mean()) > 0
    np.testing.assert_array_equal(lr.downscale.predict(again, realizations=2).tas, members.tas)

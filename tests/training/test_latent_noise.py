"""Latent fields of training: their covariance, between targets and around the globe."""

import numpy as np
import pytest
import tensorflow as tf

from xr_dl4ds.data.latent_fields import LatentFields
from xr_dl4ds.training.latent_noise import LatentNoise


def drawn(latent, kinds, shape=(24, 20), around=False, key=(1, 2)):
    noise = LatentNoise(latent, kinds, around)
    return noise.draw(4, tf.constant(150), shape, tf.constant(key)).numpy()


def test_covariance_is_that_of_the_fields():
    latent = LatentFields(lengths=(2.0,), correlation=((1.0,),))
    z = drawn(latent, ["latent"])
    assert z.shape == (4, 150, 24, 20, 4)
    assert z.var(axis=(0, 1, 2, 3)) == pytest.approx(np.ones(4), abs=0.1)
    for i, field in enumerate(latent.fields(["latent"])[0]):
        for y, x in [(0, 2), (3, 0), (2, 2)]:
            found = (z[:, :, y:, x:, i] * z[:, :, : 24 - y, : 20 - x, i]).mean()
            assert found == pytest.approx(float(field.correlation(y, x)), abs=0.08)


def test_members_and_fields_are_independent():
    latent = LatentFields(lengths=(0.6,), correlation=((1.0,),))
    z = drawn(latent, ["latent"])
    members = np.corrcoef(z[..., 0].reshape(4, -1))
    fields = np.corrcoef(np.moveaxis(z, -1, 0).reshape(4, -1))
    for found in (members, fields):
        assert abs(found - np.eye(4)).max() < 0.02


def test_targets_are_correlated():
    latent = LatentFields(lengths=(0.6, 0.6), correlation=((1.0, 0.7), (0.7, 1.0)))
    z = drawn(latent, ["latent", "latent_amount"])
    assert np.corrcoef(z[..., 0].ravel(), z[..., 4].ravel())[0, 1] == pytest.approx(0.7, abs=0.02)


def test_fields_go_around_the_globe():
    latent = LatentFields(lengths=(2.0,), correlation=((1.0,),))
    z = drawn(latent, ["latent"], around=True)[..., 1]
    inside = (z[..., 1:] * z[..., :-1]).mean()
    assert (z[..., 0] * z[..., -1]).mean() == pytest.approx(inside, abs=0.05)


def test_a_key_gives_one_field():
    latent = LatentFields(lengths=(1.0,), correlation=((1.0,),))
    first, again, other = (drawn(latent, ["latent"], key=k) for k in ((1, 2), (1, 2), (1, 3)))
    np.testing.assert_array_equal(first, again)
    assert abs(first - other).max() > 1

import keras
import numpy as np

from xr_dl4ds.networks.layers import FlowTimeFeatures, Modulation


def test_features_by_hand():
    made = np.asarray(FlowTimeFeatures()(np.array([[0.0], [0.5], [1.0]], "f4")))
    assert made.shape == (3, 16)
    np.testing.assert_allclose(made[0], [0] * 8 + [1] * 8, atol=1e-6)
    np.testing.assert_allclose(made[1, [0, 8]], [np.sin(np.pi / 4), np.cos(np.pi / 4)], rtol=1e-5)
    np.testing.assert_allclose(made[2, [0, 1, 8, 9]], [1, 0, 0, -1], atol=1e-5)


def test_times_differ():
    times = np.linspace(0, 1, 50, dtype="f4")[:, None]
    made = np.asarray(FlowTimeFeatures()(times))
    apart = np.linalg.norm(made[:, None] - made[None], axis=-1) + 10 * np.eye(50)
    assert apart.min() > 0.1


def test_a_modulation_begins_as_the_identity():
    rng = np.random.default_rng(0)
    x, embedding = rng.normal(size=(2, 3, 4, 5)).astype("f4"), rng.normal(size=(2, 6)).astype("f4")
    np.testing.assert_array_equal(np.asarray(Modulation()([x, embedding])), x)


def test_a_modulation_by_hand():
    layer = Modulation()
    x = np.arange(8, dtype="f4").reshape(2, 2, 1, 2)
    embedding = np.array([[1.0], [2.0]], "f4")
    layer([x, embedding])
    layer.set_weights([np.array([[0.5, 0.0, 0.0, 3.0]], "f4"), np.array([0, 0, 1, 0], "f4")])
    # channel 0: x (1 + e / 2) + 1; channel 1: x + 3 e
    e = embedding[:, :, None, None]
    expected = np.concatenate([x[..., :1] * (1 + e / 2) + 1, x[..., 1:] + 3 * e], axis=-1)
    np.testing.assert_allclose(np.asarray(layer([x, embedding])), expected, rtol=1e-6)


def test_a_modulation_is_rebuilt():
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(Modulation(name="own"))
    )
    assert again.name == "own"

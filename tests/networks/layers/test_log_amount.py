import keras
import numpy as np
import tensorflow as tf

from xr_dl4ds.networks.layers import LogAmount

VALUES = np.array([[0.5, 1, -2], [-0.5, 2, 3]], "f4")[None, None]


def test_by_hand():
    actual = LogAmount((2, 0), (2.0, 0.5))(VALUES)
    expected = np.log(np.array([[0.001, 1.001], [5.001, 0.001]]))[None, None]
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-7)


def test_no_gradient():
    x = tf.constant(VALUES)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = LogAmount((0,), (0.0,))(x)
    assert tape.gradient(y, x) is None


def test_saving(tmp_path):
    inputs = keras.Input((None, None, 3))
    network = keras.Model(inputs, LogAmount((2, 0), (2.0, 0.5), name="amount")(inputs))
    assert network.output_shape == (None, None, None, 2)
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(VALUES), network(VALUES))

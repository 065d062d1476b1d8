import keras
import numpy as np
import pytest
import tensorflow as tf

from xr_dl4ds.networks.layers import FoldTime, NeighbourSteps


@pytest.mark.parametrize("time", [1, 2, 4])
def test_by_hand(time):
    steps = np.random.default_rng(0).normal(size=(2, time, 3, 4, 2)).astype("f4")
    nothing = np.zeros_like(steps[:, :1])
    before = np.concatenate([nothing, steps[:, :-1]], axis=1)
    after = np.concatenate([steps[:, 1:], nothing], axis=1)
    expected = np.concatenate([before, steps, after], axis=-1).reshape(-1, 3, 4, 6)
    like = np.zeros((2, time, 5))
    np.testing.assert_array_equal(NeighbourSteps()([FoldTime()(steps), like]), expected)


def test_open_sizes_dtypes_and_saving(tmp_path):
    lr = keras.Input((None, None, None, 2))
    network = keras.Model(lr, NeighbourSteps(name="steps")([FoldTime()(lr), lr]))
    assert network.output_shape == (None, None, None, 6)
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    values = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 2)).astype("f4")
    np.testing.assert_array_equal(loaded(values), network(values))
    layer = NeighbourSteps(dtype="mixed_float16")
    assert layer([tf.ones((6, 2, 2, 1), "bfloat16"), np.zeros((2, 3, 1))]).dtype == "bfloat16"

import keras
import numpy as np
import pytest
import tensorflow as tf

from xr_dl4ds.networks.layers import FoldTime


def sequence(batch=2, time=3, y=2, x=4, channels=1):
    size = (batch, time, y, x, channels)
    return np.arange(np.prod(size), dtype="f4").reshape(size)


@pytest.mark.parametrize(("batch", "time"), [(2, 3), (1, 4), (3, 1), (0, 2)])
def test_steps_of_a_sample_stay_together(batch, time):
    values = sequence(batch, time)
    actual = np.asarray(FoldTime()(values))
    assert actual.shape == (batch * time, 2, 4, 1)
    for i, (b, t) in enumerate(np.ndindex(batch, time)):
        np.testing.assert_array_equal(actual[i], values[b, t])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((None, None, None, None, 3), (None, None, None, 3)),
        ((None, 5, 4, None, 3), (None, 4, None, 3)),
        ((2, 5, 4, 6, 3), (10, 4, 6, 3)),
        ((None, None, 7), (None, 7)),
    ],
)
def test_output_shape(given, expected):
    assert FoldTime()(keras.Input(batch_shape=given)).shape == expected


@pytest.mark.traced
def test_one_graph_serves_all_sizes_and_a_convolution_after(tmp_path):
    inputs = keras.Input((None, None, None, 3))
    network = keras.Model(inputs, keras.layers.Conv2D(2, 1)(FoldTime()(inputs)))
    traces = []

    @tf.function(input_signature=[tf.TensorSpec(inputs.shape, inputs.dtype)])
    def graph(values):
        traces.append(None)
        return network(values)

    for sizes in ((2, 3, 2, 4), (1, 5, 3, 3)):
        values = sequence(*sizes, 3)
        expected = network.layers[-1](values.reshape(-1, *values.shape[2:]))
        np.testing.assert_allclose(graph(values), expected, rtol=1e-6)
    assert len(traces) == 1
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(values), network(values))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32"])
def test_values_keep_their_dtype(dtype):
    layer = FoldTime(dtype="mixed_float16", name="fold")
    assert layer(keras.Input((None, 2), dtype=dtype)).dtype == dtype
    assert layer(tf.ones((2, 3, 2), dtype)).dtype == dtype
    assert FoldTime.from_config(layer.get_config()).name == "fold"

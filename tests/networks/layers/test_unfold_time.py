import keras
import numpy as np
import pytest
import tensorflow as tf

from xr_dl4ds.networks.layers import FoldTime, UnfoldTime


def sequence(batch=2, time=3, y=2, x=4, channels=1):
    size = (batch, time, y, x, channels)
    return np.arange(np.prod(size), dtype="f4").reshape(size)


@pytest.mark.parametrize(("batch", "time"), [(2, 3), (1, 4), (3, 1), (0, 2)])
def test_it_undoes_folding(batch, time):
    values, like = sequence(batch, time), sequence(batch, time, 5, 5, 2)
    np.testing.assert_array_equal(UnfoldTime()([FoldTime()(values), like]), values)


def test_the_first_steps_are_those_of_the_first_sample():
    actual = UnfoldTime()([np.arange(6.0).reshape(6, 1), np.zeros((2, 3, 7))])
    np.testing.assert_array_equal(actual, [[[0], [1], [2]], [[3], [4], [5]]])


@pytest.mark.parametrize(
    ("given", "like", "expected"),
    [
        ((None, None, None, 3), (None,) * 4 + (1,), (None, None, None, None, 3)),
        ((None, 4, None, 3), (None, 5, None, None, 1), (None, 5, 4, None, 3)),
        ((10, 4, 6, 3), (2, 5, 2, 2, 1), (2, 5, 4, 6, 3)),
        ((None, 7), (None, None, None, None, 1), (None, None, 7)),
    ],
)
def test_output_shape(given, like, expected):
    symbolic = UnfoldTime()([keras.Input(batch_shape=s) for s in (given, like)])
    assert symbolic.shape == expected


@pytest.mark.traced
def test_one_graph_serves_all_sizes_and_a_dense_layer_after(tmp_path):
    inputs = keras.Input((None, None, None, 3))
    steps = keras.layers.Conv2D(2, 1)(FoldTime()(inputs))
    network = keras.Model(inputs, keras.layers.Dense(4)(UnfoldTime()([steps, inputs])))
    assert network.output_shape == (None, None, None, None, 4)
    traces = []

    @tf.function(input_signature=[tf.TensorSpec(inputs.shape, inputs.dtype)])
    def graph(values):
        traces.append(None)
        return network(values)

    for sizes in ((2, 3, 2, 4), (1, 5, 3, 3)):
        values = sequence(*sizes, 3)
        expected = [network(values[:, t : t + 1])[:, 0] for t in range(sizes[1])]
        np.testing.assert_allclose(graph(values), np.stack(expected, axis=1), rtol=1e-5)
    assert len(traces) == 1
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(values), network(values))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32"])
def test_values_keep_their_dtype(dtype):
    layer = UnfoldTime(dtype="mixed_float16", name="unfold")
    like = keras.Input((None, 1))
    assert layer([keras.Input((2,), dtype=dtype), like]).dtype == dtype
    assert layer([tf.ones((6, 2), dtype), np.zeros((2, 3, 1))]).dtype == dtype
    assert UnfoldTime.from_config(layer.get_config()).name == "unfold"

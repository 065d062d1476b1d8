import keras
import numpy as np
import pytest
import tensorflow as tf

from xr_dl4ds.networks.layers import FoldTime, RepeatOverTime


@pytest.mark.parametrize("rest", [(), (2,), (3, 4, 2), (2, 3, 4, 2)])
@pytest.mark.parametrize(("batch", "time"), [(2, 3), (1, 4), (3, 1), (0, 2)])
def test_each_sample_once_for_each_step(rest, batch, time):
    values = np.random.default_rng(0).normal(size=(batch, *rest)).astype("f4")
    actual = RepeatOverTime()([values, np.zeros((batch, time, 5, 5, 1), "f4")])
    np.testing.assert_array_equal(actual, np.repeat(values, time, axis=0))


def test_in_the_order_of_folded_steps():
    sample, step = np.meshgrid([10, 20, 30], [1, 2], indexing="ij")
    like = (sample + step)[..., None]
    actual = FoldTime()(like) - RepeatOverTime()([np.array([[10], [20], [30]]), like])
    np.testing.assert_array_equal(np.ravel(actual), [1, 2] * 3)


@pytest.mark.parametrize(
    ("given", "like", "expected"),
    [
        ((None, None, None, 3), (None, None, None, None, 1), (None, None, None, 3)),
        ((None, 4, None, 3), (None, 5, None, None, 1), (None, 4, None, 3)),
        ((2, 4, 6, 3), (2, 5, 2, 2, 1), (10, 4, 6, 3)),
        ((None, 2), (None, None, None, None, 1), (None, 2)),
    ],
)
def test_output_shape(given, like, expected):
    symbolic = RepeatOverTime()([keras.Input(batch_shape=s) for s in (given, like)])
    assert symbolic.shape == expected


@pytest.mark.traced
def test_one_graph_serves_all_sizes_and_a_convolution_after(tmp_path):
    inputs = [keras.Input((None, None, 3)), keras.Input((None, None, None, 1))]
    network = keras.Model(inputs, keras.layers.Conv2D(2, 1)(RepeatOverTime()(inputs)))
    traces = []

    @tf.function(input_signature=[[tf.TensorSpec(t.shape, t.dtype) for t in inputs]])
    def graph(values):
        traces.append(None)
        return network(values)

    rng = np.random.default_rng(0)
    for batch, time, y, x in ((2, 3, 2, 4), (1, 5, 3, 3)):
        values = [
            rng.normal(size=s).astype("f4") for s in ((batch, y, x, 3), (batch, time, y, x, 1))
        ]
        expected = np.repeat(network.layers[-1](values[0]), time, axis=0)
        np.testing.assert_allclose(graph(values), expected, atol=1e-6)
    assert len(traces) == 1
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(values), network(values))


@pytest.mark.parametrize("policy", ["mixed_float16", "int32"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32"])
def test_values_keep_their_dtype(dtype, policy):
    layer = RepeatOverTime(dtype=policy, name="repeat")
    like = keras.Input((None, 1))
    assert layer([keras.Input((2,), dtype=dtype), like]).dtype == dtype
    assert layer([tf.ones((2, 2), dtype), np.zeros((2, 3, 1))]).dtype == dtype
    assert RepeatOverTime.from_config(layer.get_config()).name == "repeat"


def test_whole_numbers_that_no_half_precision_holds():
    position = np.array([[16777217, 3]], "i4")
    actual = RepeatOverTime(dtype="mixed_bfloat16")([position, np.zeros((1, 2, 1), "f4")])
    np.testing.assert_array_equal(actual, position.repeat(2, axis=0))

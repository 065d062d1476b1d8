import keras
import numpy as np
import pytest
import tensorflow as tf

from xr_dl4ds.networks.layers import CropTo


def field(y, x, channels=2, *lead):
    size = (*(lead or (2,)), y, x, channels)
    return np.arange(np.prod(size), dtype="f4").reshape(size)


@pytest.mark.parametrize("lead", [(2,), (2, 3)])
@pytest.mark.parametrize(("y", "x"), [(6, 8), (5, 8), (6, 5), (1, 1)])
def test_the_first_rows_and_columns_stay(y, x, lead):
    values = field(6, 8, 2, *lead)
    actual = CropTo()([values, field(y, x, 5, *lead)])
    np.testing.assert_array_equal(actual, values[..., :y, :x, :])


@pytest.mark.parametrize(
    ("given", "like", "expected"),
    [
        ((None, None, None, 3), (None, None, None, 1), (None, None, None, 3)),
        ((None, None, None, 3), (None, 5, None, 1), (None, 5, None, 3)),
        ((4, 6, 8, 3), (4, 5, 7, 1), (4, 5, 7, 3)),
        ((None, None, None, None, 3), (None, None, None, 7, 1), (None, None, None, 7, 3)),
    ],
)
def test_output_shape(given, like, expected):
    symbolic = CropTo()([keras.Input(batch_shape=s) for s in (given, like)])
    assert symbolic.shape == expected


@pytest.mark.traced
def test_one_graph_serves_all_sizes_and_a_convolution_after(tmp_path):
    inputs = [keras.Input((None, None, c)) for c in (3, 1)]
    network = keras.Model(inputs, keras.layers.Conv2D(2, 1)(CropTo()(inputs)))
    traces = []

    @tf.function(input_signature=[[tf.TensorSpec(t.shape, t.dtype) for t in inputs]])
    def graph(values):
        traces.append(None)
        return network(values)

    for y, x in ((5, 3), (8, 8)):
        values = [field(8, 8, 3), field(y, x, 1)]
        expected = network.layers[-1](values[0])[:, :y, :x]
        np.testing.assert_allclose(graph(values), expected, rtol=1e-6)
    assert len(traces) == 1
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(values), network(values))


def test_values_keep_their_dtype():
    layer = CropTo(dtype="mixed_float16", name="cut")
    symbolic = layer([keras.Input((None, None, 1)) for _ in range(2)])
    assert symbolic.dtype == layer([field(3, 3), field(2, 2)]).dtype == "float32"
    assert CropTo.from_config(layer.get_config()).name == "cut"

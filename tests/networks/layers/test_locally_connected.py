import keras
import numpy as np
import pytest
import tensorflow as tf

from xr_dl4ds.networks.layers import LocallyConnected

SHAPE = (5, 7)


def built(filters=2, channels=3, shape=SHAPE, **kwargs):
    """A layer with weights and biases that are all different."""
    layer = LocallyConnected(filters, shape, **kwargs)
    layer.build([(None, None, None, channels), (None, 2)])
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape).astype("f4") for w in layer.weights])
    return layer


def field(y=5, x=7, channels=3, batch=2):
    return np.random.default_rng(0).normal(size=(batch, y, x, channels)).astype("f4")


def at(*positions):
    return np.array(positions, "i4")


def reference(layer, x, position):
    """Cell by cell, in float64."""
    kernel, bias = (np.float64(w) for w in layer.get_weights())
    out = np.empty((*x.shape[:3], layer.filters))
    for b, i, j in np.ndindex(x.shape[:3]):
        row, column = np.clip(position[b] + [i, j], 0, np.array(layer.shape) - 1)
        out[b, i, j] = x[b, i, j] @ kernel[row, column] + bias[row, column]
    return out


# --- values ---------------------------------------------------------------------------------


def test_each_cell_has_weights_of_its_own():
    # 1 x 2 cells, one channel in and out: 2 * 10 + 1 and 3 * 100 + 4
    layer = LocallyConnected(1, (1, 2))
    layer.build([(None, None, None, 1), (None, 2)])
    layer.set_weights([np.reshape([10.0, 100.0], (1, 2, 1, 1)), np.reshape([1.0, 4.0], (1, 2, 1))])
    actual = layer([np.reshape([2.0, 3.0], (1, 1, 2, 1)).astype("f4"), at((0, 0))])
    np.testing.assert_array_equal(np.ravel(actual), [21, 304])


@pytest.mark.parametrize(
    ("y", "x", "position"),
    [
        (5, 7, ((0, 0), (0, 0))),
        (2, 3, ((3, 4), (1, 0))),
        (1, 1, ((4, 6), (0, 6))),
    ],
)
@pytest.mark.parametrize("filters", [1, 4])
def test_equals_a_loop_over_cells(y, x, position, filters):
    layer, values = built(filters), field(y, x)
    actual = layer([values, at(*position)])
    np.testing.assert_allclose(actual, reference(layer, values, at(*position)), atol=1e-5)


def test_a_patch_is_a_part_of_the_whole():
    layer, whole = built(), field()
    expected = np.asarray(layer([whole, at((0, 0), (0, 0))]))[:, 1:4, 3:7]
    actual = layer([whole[:, 1:4, 3:7], at((1, 3), (1, 3))])
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("position", [((-2, -9), (3, 99)), ((2**31 - 5, 0), (-(2**31), 5))])
def test_cells_beyond_the_grid_take_the_nearest_weights(position):
    layer, values = built(), field(4, 3)
    actual = layer([values, at(*position)])
    np.testing.assert_allclose(actual, reference(layer, values, np.int64(position)), atol=1e-5)


# --- weights ----------------------------------------------------------------------------------


def test_initial_weights():
    # uniform within sqrt(6 / (4 + 2)) = 1, of variance 1 / 3; Glorot over all cells: 3 / 10000
    keras.utils.set_random_seed(0)
    layer = LocallyConnected(2, (100, 100))
    layer.build([(None, None, None, 4), (None, 2)])
    kernel, bias = layer.get_weights()
    assert kernel.shape == (100, 100, 4, 2)
    np.testing.assert_allclose([kernel.min(), kernel.max()], [-1, 1], atol=1e-3)
    np.testing.assert_allclose([kernel.mean(), kernel.var()], [0, 1 / 3], atol=0.01)
    np.testing.assert_array_equal(bias, np.zeros((100, 100, 2)))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_gradients_are_dense_and_of_the_cells_covered(policy):
    layer, values = built(dtype=policy), np.ones((2, 2, 3, 3), "f4")
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(tf.cast(layer([values, at((1, 1), (2, 1))]), "float32"))
    gradients = tape.gradient(total, [w.value for w in layer.weights])
    expected = np.zeros(SHAPE)
    expected[1, 1:4] = expected[3, 1:4] = 1  # one of the samples
    expected[2, 1:4] = 2  # both
    for gradient, weight in zip(gradients, layer.weights, strict=True):
        assert isinstance(gradient, tf.Tensor)
        assert gradient.shape == weight.shape
        shape = (*SHAPE, *[1] * (len(weight.shape) - 2))
        np.testing.assert_array_equal(
            gradient, np.broadcast_to(expected.reshape(shape), weight.shape)
        )


# --- as a Keras layer -----------------------------------------------------------------------


def model(**kwargs):
    x = keras.Input((None, None, 3), name="x")
    position = keras.Input((2,), dtype="int32", name="position")
    return keras.Model([x, position], LocallyConnected(2, SHAPE, **kwargs)([x, position]))


@pytest.mark.traced
def test_one_graph_serves_all_patches():
    network = model()
    assert network.output_shape == (None, None, None, 2)
    layer = network.layers[-1]
    specs = [tf.TensorSpec(t.shape, t.dtype) for t in network.inputs]
    traces = []

    @tf.function(input_signature=[specs])
    def graph(values):
        out = network(values)
        traces.append(out.shape.as_list())
        return out

    for y, x, position in ((5, 7, ((0, 0),)), (2, 3, ((3, 4), (1, 0), (0, 0)))):
        values = field(y, x, batch=len(position))
        actual = graph([values, at(*position)])
        np.testing.assert_allclose(actual, reference(layer, values, at(*position)), atol=1e-5)
    assert traces == [[None, None, None, 2]]


def test_learns_a_bias_for_each_cell():
    # biases alone can tell the cells of a field of zeros apart; mse has the gradient 2 (bias -
    # target) / 35, so that a rate of 35 / 2 is there in one step
    target = np.arange(35, dtype="f4").reshape(1, *SHAPE, 1)
    x = keras.Input((None, None, 1))
    position = keras.Input((2,), dtype="int32")
    network = keras.Model([x, position], LocallyConnected(1, SHAPE)([x, position]))
    network.compile(keras.optimizers.SGD(35 / 2), "mse")
    data = [np.zeros((1, *SHAPE, 1), "f4"), at((0, 0))]
    network.fit(data, target, verbose=0)
    np.testing.assert_allclose(network.get_weights()[1], target[0], rtol=1e-6)


def test_config_round_trip():
    layer = LocallyConnected(4, (2, 3), True, name="own")
    rebuilt = LocallyConnected.from_config(layer.get_config())
    assert (rebuilt.filters, rebuilt.shape, rebuilt.name) == (4, (2, 3), "own")
    assert rebuilt.wrap


def test_saved_with_a_model(tmp_path):
    network = model(wrap=True)
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    values = [field(2, 3), at((3, 4), (1, 0))]
    np.testing.assert_array_equal(loaded(values), network(values))


@pytest.mark.parametrize("sizes", [(None, None, None), (6, None, 4), (6, 2, 4)])
def test_output_shape(sizes):
    shapes = [(*sizes, 3), (sizes[0], 2)]
    assert LocallyConnected(8, SHAPE).compute_output_shape(shapes) == (*sizes, 8)


def test_dtype_follows_the_policy():
    layer = built(dtype="mixed_bfloat16")
    values, position = field(), at((0, 0), (0, 0))
    half = layer([values, position])
    assert half.dtype == "bfloat16"
    assert {w.dtype for w in layer.weights} == {"float32"}
    expected = reference(layer, values, position)
    np.testing.assert_allclose(tf.cast(half, "float32"), expected, atol=0.1)

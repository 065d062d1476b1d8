import keras
import numpy as np
import pytest
import tensorflow as tf

from xr_dl4ds.networks.layers import ConvLSTM

SIZES = (2, 4, 5, 6, 3)  # batch, time, y, x, channel


def sequence(*sizes, seed=0):
    return np.random.default_rng(seed).normal(size=sizes or SIZES).astype("f4")


def random_weights(layer, seed=1):
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(scale=0.3, size=w.shape) for w in layer.get_weights()])
    return layer


def built(filters=4, kernel_size=3, channels=3, **options):
    layer = ConvLSTM(filters, kernel_size, **options)
    layer.build((None, None, None, None, channels))
    return random_weights(layer)


def keras_twin(layer, values):
    """Keras's own layer of the same weights."""
    twin = keras.layers.ConvLSTM2D(
        layer.filters, layer.kernel_size, padding="same", return_sequences=True
    )
    twin.build(values.shape)
    twin.set_weights(layer.get_weights())
    return twin


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# --- values -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 5])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_equal_to_keras(kernel_size, steps):
    layer, values = built(kernel_size=kernel_size), sequence(2, steps, 5, 6, 3)
    actual = layer(values)
    assert actual.shape == (2, steps, 5, 6, 4)
    np.testing.assert_allclose(actual, keras_twin(layer, values)(values), rtol=1e-5, atol=1e-6)


def test_one_cell_and_one_filter_by_hand():
    layer = ConvLSTM(1, 1)
    layer.build((None, None, None, None, 1))
    w, u, b = np.array([[0.5, -1, 2, 1.5], [1, 0.3, -0.7, 0.2], [0.1, 1, -0.2, 0.4]])
    layer.set_weights([w.reshape(1, 1, 1, 4), u.reshape(1, 1, 1, 4), b])
    h = c = 0.0
    expected = []
    for value in (0.3, -1.2, 2.0):
        i, f, g, o = value * w + h * u + b
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        expected.append(h)
    values = np.array([0.3, -1.2, 2.0], "f4").reshape(1, 3, 1, 1, 1)
    np.testing.assert_allclose(np.ravel(layer(values)), expected, rtol=1e-5)


def test_a_state_knows_the_steps_before_it_and_none_after():
    layer, values = built(), sequence()
    before = np.asarray(layer(values))
    changed = values.copy()
    changed[:, 2] += 1
    moved = np.abs(np.asarray(layer(changed)) - before).max(axis=(0, 2, 3, 4))
    assert (moved > 1e-3).tolist() == [False, False, True, True]


def test_samples_do_not_touch_each_other():
    layer, values = built(), sequence(3, 4, 5, 6, 3)
    one_by_one = np.concatenate([layer(values[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(layer(values), one_by_one, rtol=1e-5, atol=1e-6)


def test_gradients_are_those_of_keras():
    layer, values = built(), sequence()
    twin, weight = keras_twin(layer, values), sequence(2, 4, 5, 6, 4, seed=3)
    found = []
    for model in (layer, twin):
        given = tf.constant(values)
        with tf.GradientTape() as tape:
            tape.watch(given)
            loss = tf.reduce_sum(weight * model(given))
        variables = [w.value for w in model.trainable_weights]
        found.append(tape.gradient(loss, [given, *variables]))
    assert len(found[0]) == 4
    for actual, expected in zip(*found, strict=True):
        assert np.abs(expected).max() > 1e-2
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


# --- columns that go around -------------------------------------------------------------------


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 5, 9])
def test_columns_go_around_in_both_convolutions(kernel_size):
    # Keras's own layer on many fields side by side, of which the middle one is far from all ends:
    # of the largest kernel the 3 steps reach 12 cells
    layer, values = built(kernel_size=kernel_size, wrap=True), sequence(2, 3, 4, 5, 3)
    wide = np.tile(values, (1, 1, 1, 7, 1))
    expected = np.asarray(keras_twin(layer, wide)(wide))[:, :, :, 15:20]
    actual = np.asarray(layer(values))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    ends = np.abs(actual - keras_twin(layer, values)(values)).max(axis=(0, 2, 3, 4))
    assert (ends > 1e-3).all() == (kernel_size > 1)


def test_the_state_goes_around():
    # nothing comes in after the first step, in the first column: what the last one holds then has
    # come through the recurrent kernel
    layer, values = built(wrap=True), np.zeros((1, 2, 1, 6, 3), "f4")
    moved = values.copy()
    moved[0, 0, 0, 0] = 1
    changed = np.abs(np.asarray(layer(moved)) - layer(values)).max(axis=(0, 2, 4)) > 1e-6
    assert changed[0].tolist() == [True, True, False, False, False, True]
    assert changed[1].tolist() == [True, True, True, False, True, True]


# --- start ------------------------------------------------------------------------------------


def test_the_forget_gate_begins_open():
    layer = ConvLSTM(3)
    layer.build((None, None, None, None, 2))
    kernel, recurrent, bias = layer.get_weights()
    assert kernel.shape == (3, 3, 2, 12)
    assert recurrent.shape == (3, 3, 3, 12)
    assert bias.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    # orthogonal: the inputs of all gates together keep the length of the state
    flat = recurrent.reshape(-1, 12)
    np.testing.assert_allclose(flat.T @ flat, np.eye(12), atol=1e-5)
    assert np.abs(kernel).max() <= np.sqrt(6 / (9 * 2 + 9 * 12)) + 1e-6


# --- sizes, types, files ----------------------------------------------------------------------


@pytest.mark.traced
@pytest.mark.parametrize("wrap", [False, True])
def test_one_graph_serves_all_sizes(wrap):
    inputs = keras.Input((None, None, None, 3))
    layer = ConvLSTM(4, wrap=wrap)
    network = keras.Model(inputs, layer(inputs))
    assert network.output_shape == (None, None, None, None, 4)
    random_weights(layer)
    traces = []

    @tf.function(input_signature=[tf.TensorSpec(inputs.shape, inputs.dtype)])
    def graph(values):
        traces.append(None)
        return network(values)

    for sizes in ((2, 3, 4, 5, 3), (1, 6, 7, 3, 3), (3, 1, 1, 2, 3)):
        values = sequence(*sizes)
        expected = layer(values) if wrap else keras_twin(layer, values)(values)
        np.testing.assert_allclose(graph(values), expected, rtol=1e-5, atol=1e-6)
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("policy", "tolerance"), [("mixed_bfloat16", 0.05), ("mixed_float16", 0.01)]
)
def test_mixed_precision(policy, tolerance):
    layer, half = built(), built(dtype=policy)
    values = sequence()
    actual = half(values)
    assert actual.dtype == policy.removeprefix("mixed_")
    assert {w.dtype for w in half.weights} == {"float32"}
    np.testing.assert_allclose(tf.cast(actual, "float32"), layer(values), atol=tolerance)
    assert (np.asarray(tf.cast(actual, "float32")) != np.asarray(layer(values))).any()


def test_config_round_trip_and_saving(tmp_path):
    inputs = keras.Input((None, None, None, 3))
    layer = ConvLSTM(5, 2, True, name="recurrent")
    network = keras.Model(inputs, layer(inputs))
    again = ConvLSTM.from_config(layer.get_config())
    assert (again.filters, again.kernel_size, again.name) == (5, 2, "recurrent")
    assert again.wrap is True
    assert ConvLSTM(5).wrap is False
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    values = sequence()
    np.testing.assert_array_equal(loaded(values), network(values))


@pytest.mark.traced
def test_it_learns():
    # the running mean of the past is a job for a memory
    values = sequence(16, 5, 3, 3, 1)
    target = np.tanh(np.cumsum(values, axis=1) / 3)
    inputs = keras.Input((None, None, None, 1))
    keras.utils.set_random_seed(0)
    network = keras.Model(inputs, ConvLSTM(1, 1)(inputs))
    network.compile(keras.optimizers.Adam(0.05), "mse")
    history = network.fit(values, target, epochs=40, verbose=0).history["loss"]
    assert history[-1] < 0.2 * history[0]

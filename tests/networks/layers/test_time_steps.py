import keras
import numpy as np
import pytest
import tensorflow as tf

from xr_dl4ds.networks.layers import FoldTime, NeighbourSteps, RepeatOverTime, UnfoldTime

# --- FoldTime ------------------------------------------------------------------------------------


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
def test_fold_time_output_shape(given, expected):
    assert FoldTime()(keras.Input(batch_shape=given)).shape == expected


def traced(network):
    """Return a graph of a network for fields of any size, and a list with one entry per trace."""
    (inputs,) = network.inputs
    traces = []

    @tf.function(input_signature=[tf.TensorSpec(inputs.shape, inputs.dtype)])
    def graph(values):
        traces.append(None)
        return network(values)

    return graph, traces


@pytest.mark.traced
def test_fold_time_one_graph_serves_all_sizes(tmp_path):
    inputs = keras.Input((None, None, None, 3))
    network = keras.Model(inputs, keras.layers.Conv2D(2, 1)(FoldTime()(inputs)))
    graph, traces = traced(network)
    for sizes in ((2, 3, 2, 4), (1, 5, 3, 3)):
        values = sequence(*sizes, 3)
        expected = network.layers[-1](values.reshape(-1, *values.shape[2:]))
        np.testing.assert_allclose(graph(values), expected, rtol=1e-6)
    assert len(traces) == 1
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(values), network(values))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32"])
def test_fold_time_values_keep_their_dtype(dtype):
    layer = FoldTime(dtype="mixed_float16", name="fold")
    assert layer(keras.Input((None, 2), dtype=dtype)).dtype == dtype
    assert layer(tf.ones((2, 3, 2), dtype)).dtype == dtype
    assert FoldTime.from_config(layer.get_config()).name == "fold"


# --- UnfoldTime ----------------------------------------------------------------------------------


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
def test_unfold_time_output_shape(given, like, expected):
    symbolic = UnfoldTime()([keras.Input(batch_shape=s) for s in (given, like)])
    assert symbolic.shape == expected


@pytest.mark.traced
def test_unfold_time_one_graph_serves_all_sizes(tmp_path):
    inputs = keras.Input((None, None, None, 3))
    steps = keras.layers.Conv2D(2, 1)(FoldTime()(inputs))
    network = keras.Model(inputs, keras.layers.Dense(4)(UnfoldTime()([steps, inputs])))
    assert network.output_shape == (None, None, None, None, 4)
    graph, traces = traced(network)
    for sizes in ((2, 3, 2, 4), (1, 5, 3, 3)):
        values = sequence(*sizes, 3)
        expected = [network(values[:, t : t + 1])[:, 0] for t in range(sizes[1])]
        np.testing.assert_allclose(graph(values), np.stack(expected, axis=1), rtol=1e-5)
    assert len(traces) == 1
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(values), network(values))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32"])
def test_unfold_time_values_keep_their_dtype(dtype):
    layer = UnfoldTime(dtype="mixed_float16", name="unfold")
    like = keras.Input((None, 1))
    assert layer([keras.Input((2,), dtype=dtype), like]).dtype == dtype
    assert layer([tf.ones((6, 2), dtype), np.zeros((2, 3, 1))]).dtype == dtype
    assert UnfoldTime.from_config(layer.get_config()).name == "unfold"


# --- RepeatOverTime ------------------------------------------------------------------------------


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
def test_repeat_over_time_output_shape(given, like, expected):
    symbolic = RepeatOverTime()([keras.Input(batch_shape=s) for s in (given, like)])
    assert symbolic.shape == expected


@pytest.mark.traced
def test_repeat_over_time_one_graph_serves_all_sizes(tmp_path):
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
def test_repeat_over_time_values_keep_their_dtype(dtype, policy):
    layer = RepeatOverTime(dtype=policy, name="repeat")
    like = keras.Input((None, 1))
    assert layer([keras.Input((2,), dtype=dtype), like]).dtype == dtype
    assert layer([tf.ones((2, 2), dtype), np.zeros((2, 3, 1))]).dtype == dtype
    assert RepeatOverTime.from_config(layer.get_config()).name == "repeat"


def test_whole_numbers_that_no_half_precision_holds():
    position = np.array([[16777217, 3]], "i4")
    actual = RepeatOverTime(dtype="mixed_bfloat16")([position, np.zeros((1, 2, 1), "f4")])
    np.testing.assert_array_equal(actual, position.repeat(2, axis=0))


# --- NeighbourSteps ------------------------------------------------------------------------------


@pytest.mark.parametrize("time", [1, 2, 4])
def test_neighbour_steps_by_hand(time):
    steps = np.random.default_rng(0).normal(size=(2, time, 3, 4, 2)).astype("f4")
    nothing = np.zeros_like(steps[:, :1])
    before = np.concatenate([nothing, steps[:, :-1]], axis=1)
    after = np.concatenate([steps[:, 1:], nothing], axis=1)
    expected = np.concatenate([before, steps, after], axis=-1).reshape(-1, 3, 4, 6)
    like = np.zeros((2, time, 5))
    np.testing.assert_array_equal(NeighbourSteps()([FoldTime()(steps), like]), expected)


def test_neighbour_steps_open_sizes_dtypes_and_saving(tmp_path):
    lr = keras.Input((None, None, None, 2))
    network = keras.Model(lr, NeighbourSteps(name="steps")([FoldTime()(lr), lr]))
    assert network.output_shape == (None, None, None, 6)
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    values = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 2)).astype("f4")
    np.testing.assert_array_equal(loaded(values), network(values))
    layer = NeighbourSteps(dtype="mixed_float16")
    assert layer([tf.ones((6, 2, 2, 1), "bfloat16"), np.zeros((2, 3, 1))]).dtype == "bfloat16"

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.networks.reference import realization
from xr_dl4ds.config import choices
from xr_dl4ds.networks.layers import (
    FoldTime,
    MonteCarloDropout,
    UnfoldTime,
    has_monte_carlo,
    sampling,
    set_realization,
)
from xr_dl4ds.networks.layers.monte_carlo_dropout import FACTORS

VARIANTS = ["vanilla", "gaussian", "spatial"]
FIELD, SEQUENCE = (2, 3, 4, 5), (2, 6, 3, 4, 5)


def ones(*shape):
    return np.ones(shape, "f4")


def constant_along(values, *axes):
    return [bool((values == values.take([0], axis)).all()) for axis in axes]


def conv(filters, name):
    initializer = keras.initializers.GlorotUniform(seed=filters)
    return keras.layers.Conv2D(filters, 1, kernel_initializer=initializer, name=name)


def small(variant="vanilla", rate=0.5):
    """Convolution, dropout, convolution, dropout; the second pair is a network of its own."""
    inputs = keras.Input((None, None, 2))
    x = conv(8, "conv1")(inputs)
    x = MonteCarloDropout(rate, variant, name="dropout1")(x)
    inner = keras.Input((None, None, 8))
    nested = conv(8, "conv2")(inner)
    nested = MonteCarloDropout(rate, variant, name="dropout2")(nested)
    x = keras.Model(inner, nested, name="nested")(x)
    return keras.Model(inputs, conv(1, "out")(x))


def states(network):
    found = [network.get_layer("dropout1"), network.get_layer("nested").get_layer("dropout2")]
    return [keras.ops.convert_to_numpy(d.seed_generator.state).tolist() for d in found]


# --- training ---------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("rate", [0.2, 0.5])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_factors_in_training_have_the_moments_of_dropout(variant, rate, policy):
    # 0 with the rate, else 1 / (1 - rate): mean 1, variance rate / (1 - rate)
    layer = MonteCarloDropout(rate, variant, seed=1, dtype=policy)
    values = ones(300, 1, 1, 300) if variant == "spatial" else ones(3, 10, 10, 300)
    out = layer(values, training=True)
    assert out.dtype == layer.compute_dtype
    actual = np.asarray(tf.cast(out, "float32"))
    np.testing.assert_allclose(actual.mean(), 1, atol=0.01)
    np.testing.assert_allclose(actual.var(), rate / (1 - rate), atol=0.015)
    if variant == "gaussian":  # kurtosis of a normal distribution
        kurtosis = np.mean((actual - 1) ** 4) / actual.var() ** 2
        np.testing.assert_allclose(kurtosis, 3, atol=0.1)
    else:
        np.testing.assert_allclose((actual == 0).mean(), rate, atol=0.006)
        np.testing.assert_allclose(actual[actual > 0], 1 / (1 - rate), rtol=4e-3)


def test_small_rates_are_not_rounded_to_half_precision():
    # uniform bfloat16 numbers are steps of 1 / 128: 2 of them are below 0.01
    layer = MonteCarloDropout(0.01, seed=1, dtype="mixed_bfloat16")
    actual = layer(ones(1, 300, 300, 2), training=True)
    np.testing.assert_allclose(np.mean(actual == 0), 0.01, atol=0.001)


@pytest.mark.parametrize(
    ("variant", "shape", "expected"),
    [
        # batch, [time,] y, x, channel: constant or not
        ("vanilla", FIELD, [False, False, False, False]),
        ("gaussian", FIELD, [False, False, False, False]),
        ("spatial", FIELD, [False, True, True, False]),
        ("vanilla", SEQUENCE, [False, False, False, False, False]),
        ("gaussian", SEQUENCE, [False, False, False, False, False]),
        ("spatial", SEQUENCE, [False, True, True, True, False]),
    ],
)
def test_each_sample_has_factors_of_its_own_in_training(variant, shape, expected):
    layer = MonteCarloDropout(0.5, variant, seed=0)
    layer.sampling = True  # training has the say
    actual = np.asarray(layer(ones(*shape), training=True))
    assert constant_along(actual, *range(len(shape))) == expected
    assert (np.asarray(layer(ones(*shape), training=True)) != actual).any()


@pytest.mark.parametrize("variant", VARIANTS)
def test_values_are_multiplied(variant):
    values = np.random.default_rng(0).normal(size=FIELD).astype("f4")
    one, other = (
        np.asarray(MonteCarloDropout(0.4, variant, seed=7)(x, training=True))
        for x in (ones(*FIELD), values)
    )
    np.testing.assert_allclose(other, one * values, rtol=1e-6)


def test_seed_of_training():
    one, same, other = (
        np.asarray(MonteCarloDropout(0.5, seed=s)(ones(*FIELD), training=True)) for s in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


# --- outside of training --------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_happens_outside_of_training(variant):
    values = np.random.default_rng(0).normal(size=FIELD).astype("f4")
    np.testing.assert_array_equal(MonteCarloDropout(0.5, variant)(values), values)
    np.testing.assert_array_equal(MonteCarloDropout(0.5, variant)(values, training=False), values)


@pytest.mark.parametrize("training", [False, True])
def test_rate_zero_changes_nothing(training):
    layer = MonteCarloDropout(0.0, "gaussian")
    layer.sampling = True
    np.testing.assert_array_equal(layer(ones(*FIELD), training=training), ones(*FIELD))


@pytest.mark.parametrize(
    ("variant", "shape", "expected"),
    [
        ("vanilla", FIELD, [True, False, False, False]),
        ("gaussian", FIELD, [True, False, False, False]),
        ("spatial", FIELD, [True, True, True, False]),
        ("vanilla", SEQUENCE, [True, True, False, False, False]),
        ("gaussian", SEQUENCE, [True, True, False, False, False]),
        ("spatial", SEQUENCE, [True, True, True, True, False]),
    ],
)
def test_a_realization_is_the_same_for_all_samples_and_steps(variant, shape, expected):
    layer = MonteCarloDropout(0.5, variant, seed=0)
    layer.sampling = True
    actual = np.asarray(layer(ones(*shape), training=False))
    assert constant_along(actual, *range(len(shape))) == expected


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_realization_depends_neither_on_batches_nor_on_folded_time(variant):
    x = np.random.default_rng(0).normal(size=(4, 6, 3, 3, 2)).astype("f4")
    inputs = keras.Input((None, None, None, 2))
    by_sequence = MonteCarloDropout(0.5, variant)
    network = keras.Model(inputs, by_sequence(inputs))
    folded = MonteCarloDropout(0.5, variant)
    steps = keras.Model(inputs, UnfoldTime()([folded(FoldTime()(inputs)), inputs]))

    def run(model, values):
        with realization(model, 5):
            return np.asarray(model(values, training=False))

    whole = run(network, x)
    parts = [run(network, part) for part in (x[:1], x[1:])]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(run(network, x[:, 2:5]), whole[:, 2:5])
    np.testing.assert_array_equal(run(steps, x), whole)


# --- realizations of a network ----------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_seed_is_a_realization(variant):
    network, x = small(variant), ones(*FIELD[:3], 2)

    def run(seed):
        with realization(network, seed):
            return np.asarray(network(x, training=False))

    plain, one = np.asarray(network(x, training=False)), run(1)
    np.testing.assert_array_equal(run(1), one)
    assert (run(2) != one).any()
    assert (plain != one).any()
    np.testing.assert_array_equal(network(x, training=False), plain)  # off again


def test_sampling_ends_with_its_context():
    network = small()
    network.get_layer("dropout1").sampling = True
    with pytest.raises(RuntimeError, match="stop"), sampling(network):  # noqa: PT012
        assert network.get_layer("nested").get_layer("dropout2").sampling
        raise RuntimeError("stop")
    assert network.get_layer("dropout1").sampling
    assert not network.get_layer("nested").get_layer("dropout2").sampling


def test_each_layer_and_seed_has_a_stream_of_its_own():
    network, found = small(), []
    for seed in (0, 1, 2**32 - 1, 2**40):
        set_realization(network, seed)
        found += states(network)
    set_realization(network, 0)
    assert states(network) == found[:2]
    assert len({tuple(s) for s in found}) == 8
    assert all(0 <= value < 2**31 for state in found for value in state)


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_traced_graph_serves_all_realizations(variant):
    network, traces = small(variant), []
    signature = tf.TensorSpec((None, None, None, 2))

    def call(x):
        traces.append(None)
        return network(x, training=False)

    with sampling(network):
        graph = tf.function(call, input_signature=[signature]).get_concrete_function()
    assert not network.get_layer("dropout1").sampling

    def run(seed, x):
        set_realization(network, seed)
        return np.asarray(graph(tf.constant(x)))

    x = np.random.default_rng(0).normal(size=(4, 3, 5, 2)).astype("f4")
    whole = run(1, x)
    assert (run(2, x) != whole).any()
    np.testing.assert_array_equal(run(1, x), whole)
    assert (np.asarray(graph(tf.constant(x))) != whole).any()  # the states moved on
    parts = [run(1, part) for part in (x[:3], x[3:])]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-5)
    with realization(network, 1):
        np.testing.assert_allclose(network(x, training=False), whole, rtol=1e-5)
    assert len(traces) == 1


@pytest.mark.traced
def test_members_scatter_around_the_network_without_dropout():
    # a linear network: the mean over realizations is the network itself
    network, x = small("spatial", rate=0.2), ones(1, 1, 1, 2)
    expected = np.asarray(network(x, training=False)).item()
    with sampling(network):
        graph = tf.function(lambda: network(x, training=False)).get_concrete_function()
    members = []
    for seed in range(400):
        set_realization(network, seed)
        members.append(graph().numpy().item())
    error = np.std(members) / np.sqrt(len(members))
    assert error > 0
    np.testing.assert_allclose(np.mean(members), expected, atol=4 * error)


def test_has_monte_carlo():
    inputs = keras.Input((None, None, 2))
    plain = keras.Model(inputs, keras.layers.Dropout(0.5)(inputs))
    only_nested = keras.Model(inputs, small()(inputs))
    assert has_monte_carlo(small())
    assert has_monte_carlo(only_nested)
    assert not has_monte_carlo(plain)


# --- weights on disk ------------------------------------------------------------------------


def test_weights_are_those_of_the_same_network_without_dropout():
    network = small()
    assert [w.name for w in network.weights] == ["kernel", "bias"] * 3
    before = states(network)
    network.set_weights([w + 1 for w in network.get_weights()])
    assert states(network) == before


@pytest.mark.slow
def test_weights_are_read_in_another_process(tmp_path):
    network, x = small(), ones(1, 2, 2, 2)
    network.set_weights([w + 0.5 for w in network.get_weights()])
    network.save_weights(tmp_path / "network.weights.h5")
    with realization(network, 3):
        expected = np.asarray(network(x, training=False))
    code = f"""
import keras, numpy as np
from tests.networks.layers.test_monte_carlo_dropout import small, states
from tests.networks.reference import realization
network = small()
before = states(network)
network.load_weights({str(tmp_path / "network.weights.h5")!r})
assert states(network) == before
with realization(network, 3):
    out = network(np.ones({x.shape}, "f4"), training=False)
np.save({str(tmp_path / "out.npy")!r}, out)
"""
    root = pathlib.Path(__file__).parents[3]
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)


def test_saved_with_a_model(tmp_path):
    network, x = small("gaussian"), ones(1, 2, 2, 2)
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    outs = []
    for model in (network, loaded):
        with realization(model, 1):
            outs.append(np.asarray(model(x, training=False)))
    np.testing.assert_array_equal(*outs)


def test_it_trains():
    network = small("spatial", rate=0.2)
    network.compile("adam", "mse")
    before, states_before = network.get_weights(), states(network)
    network.fit(ones(4, 2, 2, 2), ones(4, 2, 2, 1), epochs=1, verbose=0)
    assert all((a != b).any() for a, b in zip(before[::2], network.get_weights()[::2], strict=True))
    assert all(a != b for a, b in zip(states_before, states(network), strict=True))


# --- as a Keras layer -----------------------------------------------------------------------


def test_config_round_trip():
    layer = MonteCarloDropout(0.3, "spatial", seed=4, name="mc")
    rebuilt = MonteCarloDropout.from_config(layer.get_config())
    assert (rebuilt.rate, rebuilt.variant) == (0.3, "spatial")
    assert rebuilt.name == "mc"
    outs = [np.asarray(x(ones(*FIELD), training=True)) for x in (layer, rebuilt)]
    np.testing.assert_array_equal(*outs)


@pytest.mark.traced
@pytest.mark.parametrize("shape", [(None, None, None, 3), (None, None, 4, None, 3), (2, 4, 5, 3)])
@pytest.mark.parametrize("variant", VARIANTS)
def test_shape_is_kept(shape, variant):
    layer = MonteCarloDropout(0.5, variant)
    assert layer.compute_output_shape(shape) == shape
    assert layer(keras.Input(batch_shape=shape)).shape == shape
    graph = tf.function(lambda x: layer(x, training=True)).get_concrete_function(
        tf.TensorSpec(shape)
    )
    assert graph.output_shapes.as_list() == list(shape)  # a convolution may follow


def test_variants_are_those_of_the_options():
    assert tuple(FACTORS) == choices.DROPOUTS

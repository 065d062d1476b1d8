import keras
import numpy as np
import pytest
import tensorflow as tf

from xr_dl4ds.config.choices import OUTPUT_ACTIVATIONS
from xr_dl4ds.networks.layers import OutputActivation

ZEROS = (0.5, -2.0)
VALUES = np.array([[-3.0, -3.0], [-0.5, 2.0], [0.0, 0.0], [1.0, 4.0]], "f4")


def field(values=VALUES):
    """Two channels along y."""
    return values[None, :, None, :]


# activation(x + zeros) - zeros, by hand
BY_HAND = {
    "relu": [[-0.5, 2], [-0.5, 2], [0, 2], [1, 4]],
    "softplus": np.log1p(np.exp(VALUES.astype("f8") + ZEROS)) - ZEROS,
    "sigmoid": 1 / (1 + np.exp(-(VALUES.astype("f8") + ZEROS))) - ZEROS,
}


@pytest.mark.parametrize("activation", OUTPUT_ACTIVATIONS)
def test_by_hand(activation):
    actual = OutputActivation(activation, ZEROS)(field())
    assert actual.shape == field().shape
    np.testing.assert_allclose(actual, field(np.asarray(BY_HAND[activation])), atol=1e-6)


@pytest.mark.parametrize(("mean", "std"), [(2.0, 4.0), (285.0, 9.0)])
@pytest.mark.parametrize("activation", ["relu", "softplus"])
def test_no_negative_values_in_physical_units(activation, mean, std):
    scaled = np.linspace(-60, 60, 200, dtype="f4").reshape(1, -1, 1, 1)
    out = np.asarray(OutputActivation(activation, (mean / std,))(scaled)) * std + mean
    assert out.min() >= -1e-4
    large = scaled * std + mean > 60 * std / 4
    np.testing.assert_allclose(out[large], (scaled * std + mean)[large], rtol=1e-5)


def test_sigmoid_of_minmax_values_stays_between_the_extremes():
    scaled = np.linspace(-60, 60, 50, dtype="f4").reshape(1, -1, 1, 1)
    actual = np.asarray(OutputActivation("sigmoid", (0.0,))(scaled))
    assert (actual.min(), actual.max()) == (pytest.approx(0, abs=1e-6), pytest.approx(1))


def test_gradient_is_that_of_the_activation_at_the_shifted_value():
    given = tf.constant(field())
    with tf.GradientTape() as tape:
        tape.watch(given)
        out = OutputActivation("relu", ZEROS)(given)
    actual = np.asarray(tape.gradient(out, given))[0, :, 0]
    np.testing.assert_array_equal(actual, [[0, 0], [0, 0], [1, 0], [1, 1]])


@pytest.mark.parametrize("shape", [(None, None, None, 2), (None, None, None, None, 2)])
def test_any_number_of_dimensions_and_open_sizes(shape):
    inputs = keras.Input(shape[1:])
    network = keras.Model(inputs, OutputActivation("relu", ZEROS)(inputs))
    assert network.output_shape == shape
    sizes = (1, 3, 4, 5, 2)[: len(shape)]
    values = np.random.default_rng(0).normal(size=(*sizes[:-1], 2)).astype("f4")
    expected = np.maximum(values, -np.array(ZEROS))
    np.testing.assert_allclose(network(values), expected, atol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_dtype_follows_the_policy(policy):
    layer = OutputActivation("softplus", ZEROS, dtype=policy)
    assert layer(field()).dtype == layer.compute_dtype


def test_config_round_trip_and_saving(tmp_path):
    layer = OutputActivation("softplus", ZEROS, name="output_activation")
    again = OutputActivation.from_config(layer.get_config())
    assert (again.activation, again.zeros, again.name) == ("softplus", ZEROS, "output_activation")
    inputs = keras.Input((None, None, 2))
    network = keras.Model(inputs, layer(inputs))
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(field()), network(field()))


def test_some_channels_stay_as_they_are():
    layer = OutputActivation("softplus", ZEROS, (1,))
    expected = np.stack([VALUES[:, 0], np.asarray(BY_HAND["softplus"])[:, 1]], axis=-1)
    np.testing.assert_allclose(layer(field()), field(expected), atol=1e-6)
    again = OutputActivation.from_config(layer.get_config())
    np.testing.assert_array_equal(again(field()), layer(field()))

import keras
import numpy as np
import tensorflow as tf

from xr_dl4ds.config.choices import PARAMETERS
from xr_dl4ds.config.distribution_channels import HELD, parameter_channels
from xr_dl4ds.networks.layers import DistributionParameters
from xr_dl4ds.networks.layers.distribution_parameters import FORMS

NAMES = ("wet", "spread", "shape")


def made(*values):
    x = np.array(values, "f4").reshape(-1, 1, 1, 1).repeat(3, axis=-1)
    return np.asarray(DistributionParameters(NAMES)(x))[:, 0, 0]


def test_every_parameter_has_a_form():
    every = {name for names in PARAMETERS.values() for name in names}
    learned = {"mix" if name.startswith("mix_") else name for name in every - set(HELD)}
    assert set(FORMS) == learned


def test_weights_of_latent_fields():
    names = ("reference", "scale", "volatility", "mix_1", "mix_2", "mix_3")
    raw = np.zeros((1, 2, 5), "f4")
    raw[0, 1, 2:] = [5.0, -5.0, -500.0]
    out = np.asarray(DistributionParameters(names)([raw, np.full((1, 2, 1), 7.0, "f4")]))
    assert out.shape == (1, 2, 6)
    np.testing.assert_allclose(out[..., 0], 7)
    np.testing.assert_allclose(out[0, 0, 1:], [0.15, 0.3 * np.log(2), *[3**-0.5] * 3], rtol=1e-5)
    np.testing.assert_allclose((out[..., 3:] ** 2).sum(-1), 1, rtol=1e-5)
    assert out[0, 1, 3] > 0.99


def test_first_guesses():
    np.testing.assert_allclose(made(0), [[0, 0.3, 0.7]], rtol=1e-4)


def test_ranges():
    wet, spread, shape = made(-1e3, 1e3).T
    np.testing.assert_array_equal(wet, [-1e3, 1e3])
    np.testing.assert_allclose(spread, [1e-3, 999], rtol=1e-3)
    np.testing.assert_allclose(shape, [0.05, 1000], rtol=1e-5)


def test_spread_and_shape_rise_with_their_number():
    _, spread, shape = made(*np.linspace(-8, 8, 50)).T
    assert (np.diff(spread) > 0).all()
    assert (np.diff(shape) > 0).all()


def test_equal_steps_multiply_the_shape_alike():
    # a network that adds a logarithm of the amount makes a power of the amount of it
    shape = made(*np.linspace(-2, 6, 9)).T[2]
    factors = shape[1:] / shape[:-1]
    assert 1.5 < factors.min() < factors.max() < np.e


def test_the_shape_of_widespread_rain_is_within_reach():
    # a spread of 5 % of the amount, shape 400, from a number that a few steps of training give
    assert made(10).T[2] > 400


def test_gradients_are_finite_at_extremes():
    x = tf.constant(np.array([-1e4, -100, 100, 1e4], "f4").reshape(-1, 1).repeat(3, axis=-1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = DistributionParameters(NAMES)(x)
    assert np.isfinite(tape.gradient(y, x)).all()


def test_saving(tmp_path):
    inputs = keras.Input((None, None, 3))
    network = keras.Model(inputs, DistributionParameters(NAMES, name="parameters")(inputs))
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    values = np.random.default_rng(0).normal(size=(1, 2, 3, 3)).astype("f4")
    np.testing.assert_array_equal(loaded(values), network(values))


def test_channels_of_directed_fields():
    plain = ("mix_1", "mix_2", "mix_3")
    names = ("reference", "scale", "volatility", *plain, "mix_4", "mix_5", "mix_6", "mix_7")
    (found,) = parameter_channels(["latent_directed"])
    assert found == {name: i for i, name in enumerate(names, start=1)}
    assert tuple(parameter_channels(["latent"])[0]) == names[:6]

import keras
import numpy as np
import pytest
import tensorflow as tf

from xr_dl4ds.networks.layers import SpectralConv2D

VALUES = np.random.default_rng(0).normal(size=(2, 5, 7, 3)).astype("f4")


def layer(calls=0, policy="float32", **given):
    made = SpectralConv2D(6, dtype=policy, **given)
    made.build(VALUES.shape)
    made.kernel.assign(np.random.default_rng(1).normal(size=made.kernel.shape))
    made.vector.assign(np.random.default_rng(2).normal(size=made.vector.shape))
    for _ in range(calls):
        made(VALUES, training=True)
    return made


def largest(kernel):
    """The largest singular value of the kernel as a matrix."""
    kernel = np.asarray(kernel)
    return np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]


def kernel_of(made):
    """The kernel that it convolves with, read off its answer to single cells."""
    edge = made.kernel_size
    found = np.zeros(made.kernel.shape)
    for c in range(3):
        impulse = np.zeros((1, edge, edge, 3), "f4")
        impulse[0, edge // 2, edge // 2, c] = 1
        found[:, :, c] = np.asarray(made(impulse) - made.bias)[0, ::-1, ::-1]
    return found


@pytest.mark.parametrize("size", [1, 3])
def test_the_largest_singular_value_becomes_one(size):
    made = layer(100, kernel_size=size)
    np.testing.assert_allclose(largest(kernel_of(made)), 1, rtol=1e-4)
    # divided, not changed otherwise
    expected = np.asarray(made.kernel) / largest(made.kernel)
    np.testing.assert_allclose(kernel_of(made), expected, rtol=1e-3, atol=1e-5)


def test_the_kernel_itself_is_the_optimizers():
    made = layer()
    before = np.asarray(made.kernel)
    made(VALUES, training=True)
    np.testing.assert_array_equal(made.kernel, before)


def test_the_iteration_moves_in_training_alone():
    made = layer()
    before = np.asarray(made.vector)
    made(VALUES)
    np.testing.assert_array_equal(made.vector, before)
    made(VALUES, training=True)
    assert (np.asarray(made.vector) != before).any()
    assert [v.name for v in made.trainable_variables] == ["kernel", "bias"]
    assert [v.name for v in made.non_trainable_variables] == ["vector"]


def test_the_gradient_goes_through_the_division():
    # a larger kernel is the same layer: there is nothing to gain along the kernel itself
    made = layer(100)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(made(VALUES) ** 2)
    gradient = np.asarray(tape.gradient(loss, made.kernel.value))
    kernel = np.asarray(made.kernel)
    norms = np.linalg.norm(gradient) * np.linalg.norm(kernel)
    assert norms > 1
    assert abs((gradient * kernel).sum()) < 1e-3 * norms


def test_a_kernel_of_zeros_stays_finite():
    made = layer()
    made.kernel.assign(np.zeros(made.kernel.shape))
    np.testing.assert_array_equal(made(VALUES, training=True), np.zeros((2, 5, 7, 6)))
    assert np.isfinite(np.asarray(made.vector)).all()


def test_it_is_a_convolution_of_keras_with_the_divided_kernel():
    made = layer(100)
    made.bias.assign(np.arange(6.0))
    plain = keras.layers.Conv2D(6, 3, padding="same")
    plain.build(VALUES.shape)
    plain.set_weights([np.asarray(made.kernel) / largest(made.kernel), np.arange(6.0)])
    np.testing.assert_allclose(made(VALUES), plain(VALUES), rtol=1e-3, atol=1e-4)


def test_around_the_globe():
    made = layer(5, wrap=True)
    expected = np.roll(np.asarray(made(VALUES)), 3, axis=2)
    np.testing.assert_allclose(made(np.roll(VALUES, 3, axis=2)), expected, atol=1e-5)
    # as without it, but for the columns at the break
    flat = layer(5)
    actual, flat = np.asarray(made(VALUES)), np.asarray(flat(VALUES))
    flat_differs = np.abs(actual - flat).max(axis=(0, 1, 3)) > 1e-2
    assert flat_differs.tolist() == [True, *[False] * 5, True]


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_the_iteration_is_float32_in_mixed_precision(policy):
    made = layer(20, policy)
    assert made(VALUES).dtype == policy.removeprefix("mixed_")
    assert {str(v.dtype) for v in made.variables} == {"float32"}
    assert np.asarray(made.vector).dtype == "f4"
    rounded = tf.cast(tf.constant(made.vector), made.compute_dtype)
    assert (tf.cast(rounded, "float32") != made.vector).numpy().any()


@pytest.mark.traced
def test_in_a_graph_and_saved(tmp_path):
    inputs = keras.Input((None, None, 3))
    network = keras.Model(inputs, SpectralConv2D(6, name="conv")(inputs))
    step = tf.function(lambda x: network(x, training=True))
    before = np.asarray(network.get_layer("conv").vector)
    for _ in range(3):
        step(VALUES)
    assert (np.asarray(network.get_layer("conv").vector) != before).any()
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(VALUES), network(VALUES))

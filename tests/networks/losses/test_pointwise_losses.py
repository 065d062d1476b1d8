import numpy as np
import pytest
import tensorflow as tf

from xr_dl4ds.networks.losses import (
    composite,
)
from xr_dl4ds.networks.losses import (
    pointwise_losses as pointwise,
)


def cells(values, dtype="float32"):
    """``(1, 1, n, 1)``: the values as cells of one row."""
    return tf.reshape(tf.constant(values, dtype), (1, 1, -1, 1))


# differences 1, 0, -2 in valid cells; 100 in the masked one
TARGET = [1.0, 2.0, 3.0, 100.0]
PREDICTION = [2.0, 2.0, 1.0, 0.0]
WEIGHT = [1.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("mae", 1.0),  # (1 + 0 + 2) / 3; dividing by all cells gives 3 / 4, no mask 103 / 4
        ("mse", 5 / 3),  # (1 + 0 + 4) / 3; dividing by all cells gives 5 / 4
        ({"mae": 0.8, "mse": 0.3}, 1.3),  # 0.8 * 1 + 0.3 * 5 / 3
        ({"mse": 2}, 10 / 3),  # a weight is no share: it is not normalised away
    ],
)
def test_loss_is_the_mean_over_valid_cells(loss, expected):
    actual = composite.build(loss)(cells(TARGET), cells(PREDICTION), cells(WEIGHT))
    assert actual.shape == ()
    assert actual.dtype == "float32"
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


@pytest.mark.parametrize("loss", ["mae", "mse"])
def test_loss_is_a_mean_over_all_axes(loss):
    rng = np.random.default_rng(0)
    target, prediction = rng.normal(size=(2, 3, 4, 5, 2)).astype("f4")
    weight = (rng.random(target.shape) > 0.3).astype("f4")
    power = {"mae": 1, "mse": 2}[loss]
    expected = np.mean(np.abs(target - prediction)[weight == 1] ** power)
    np.testing.assert_allclose(composite.TERMS[loss](target, prediction, weight), expected, 1e-6)


def value_and_gradient(loss, target, prediction, weight):
    prediction = tf.constant(prediction)
    with tf.GradientTape() as tape:
        tape.watch(prediction)
        value = composite.build(loss)(target, prediction, weight)
    return value.numpy(), tape.gradient(value, prediction).numpy()


# Expected gradients by hand: sign(p - t) / 3 and 2 (p - t) / 3
GRADIENTS = {"mae": [1 / 3, 0, -1 / 3, 0], "mse": [2 / 3, 0, -4 / 3, 0]}


@pytest.mark.parametrize("loss", ["mae", "mse"])
@pytest.mark.parametrize("hidden", [0.0, -7.0, 6e4, 1e20, -3e38])
@pytest.mark.parametrize("where", ["target", "prediction"])
def test_the_value_of_masked_cells_never_matters(loss, hidden, where):
    # 1e20 squared is infinite in float32, and infinity times the weight 0 is NaN
    values = {"target": [*TARGET[:3], 0.0], "prediction": [*PREDICTION[:3], 0.0]}
    values[where][3] = hidden
    value, gradient = value_and_gradient(
        loss, cells(values["target"]), cells(values["prediction"]), cells(WEIGHT)
    )
    np.testing.assert_allclose(value, {"mae": 1.0, "mse": 5 / 3}[loss], rtol=1e-6)
    np.testing.assert_allclose(gradient.ravel(), GRADIENTS[loss], rtol=1e-6)


@pytest.mark.parametrize("loss", ["mae", "mse", {"mae": 0.5, "mse": 0.5}], ids=str)
def test_nothing_valid_is_zero_and_moves_nothing(loss):
    value, gradient = value_and_gradient(loss, cells(TARGET), cells(PREDICTION), cells(np.zeros(4)))
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("loss", ["mae", "mse"])
def test_half_precision_predictions_are_compared_in_float32(loss, dtype):
    # 256 - 256.3 = -0.3; the target rounded to float16 (steps of 0.25 there) gives -0.25, rounded
    # to bfloat16 (steps of 2) 0
    value, gradient = value_and_gradient(loss, cells([256.3]), cells([256.0], dtype), cells([1.0]))
    assert value.dtype == np.float32
    np.testing.assert_allclose(value, {"mae": 0.3, "mse": 0.09}[loss], rtol=1e-3)
    assert gradient.dtype == tf.as_dtype(dtype).as_numpy_dtype
    np.testing.assert_allclose(
        gradient.astype("f4").ravel(), {"mae": -1, "mse": -0.6}[loss], rtol=5e-3
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_many_cells_do_not_overflow_half_precision(dtype):
    # 70,000 cells are more than float16 can count (65,504), and bfloat16 stops counting at 256
    target = tf.ones((7, 100, 100, 1), "float32")
    prediction = tf.fill(target.shape, tf.constant(3, dtype))
    weight = tf.ones(target.shape, dtype)
    assert pointwise.mae(target, prediction, weight) == 2.0
    assert pointwise.mse(target, prediction, weight) == 4.0

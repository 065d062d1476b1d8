import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.networks.losses import reference
from xr_dl4ds.config import choices
from xr_dl4ds.networks.losses import (
    composite,
    structure,
)

NAMES = ["dssim", "msdssim"]
SMALL = {"dssim": (2, 13, 12, 2), "msdssim": (1, 82, 81, 1)}


def score(name, *fields):
    """SSIM or MS-SSIM from its loss."""
    return 1 - 2 * composite.TERMS[name](*fields)


def pair(shape, noise=0.2, seed=0):
    """Waves in [0, 1], and the same with noise."""
    rng = np.random.default_rng(seed)
    batch, y, x, channel = np.indices(shape)
    waves = 0.5 + 0.4 * np.sin(0.3 * y + batch) * np.cos(0.2 * x + channel)
    noisy = np.clip(waves + noise * rng.normal(size=shape), 0, 1)
    return waves.astype("f4"), noisy.astype("f4")


def mask(kind, shape):
    """1 where valid: a third at random, the last two columns, one cell, or all but one field."""
    weight = np.zeros(shape, "f4")
    if kind == "random":
        weight[:] = np.random.default_rng(1).random(shape) < 1 / 3
    elif kind == "edge":
        weight[:, :, -2:] = 1
    elif kind == "cell":
        weight[:, 3, 4] = 1
    elif kind == "field":
        weight[:] = 1
        weight[..., -1] = shape[-1] == 1
        weight[0, :5] = 0
    return weight


def value_and_gradient(loss, target, prediction, weight):
    prediction = tf.constant(prediction)
    with tf.GradientTape() as tape:
        tape.watch(prediction)
        value = composite.build(loss)(target, prediction, weight)
    return value.numpy(), tape.gradient(value, prediction).numpy()


def of_tensorflow(name, target, prediction):
    """Mean over batch and channels, by tf.image."""
    if name == "dssim":
        return tf.reduce_mean(tf.image.ssim(target, prediction, 1.0))
    powers = reference.POWERS
    return tf.reduce_mean(tf.image.ssim_multiscale(target, prediction, 1.0, powers))


def test_constants_are_those_of_the_papers_and_of_the_options():
    assert structure.WINDOW == 11
    assert structure.POWERS == (0.0448, 0.2856, 0.3001, 0.2363)
    # one window at the last scale: 81 cells become 41, 21 and 11
    least = (structure.WINDOW - 1) * 2 ** (len(structure.POWERS) - 1) + 1
    assert {"dssim": 11, "msdssim": least} == choices.LEAST_CELLS


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.02, 0.2, 1.0])
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("dssim", (1, 11, 11, 1)),
        ("dssim", (3, 14, 19, 2)),
        ("msdssim", (1, 81, 81, 1)),  # 41, 21, 11: odd at every scale
        ("msdssim", (2, 83, 90, 2)),
        ("msdssim", (1, 88, 96, 3)),
    ],
)
def test_with_every_cell_valid_it_is_tf_image(name, shape, noise):
    target, prediction = pair(shape, noise)
    weight = np.ones(shape, "f4")
    expected = of_tensorflow(name, target, prediction)
    np.testing.assert_allclose(score(name, target, prediction, weight), expected, atol=1e-5)
    actual = composite.build(name)(target, prediction, weight)
    np.testing.assert_allclose(actual, (1 - expected) / 2, atol=1e-5)
    assert actual.shape == ()
    assert actual.dtype == "float32"


@pytest.mark.parametrize("kind", ["random", "edge", "cell", "field"])
@pytest.mark.parametrize("name", NAMES)
def test_masked_it_is_the_definition_over_valid_cells(name, kind):
    target, prediction = pair(SMALL[name])
    weight = mask(kind, target.shape)
    by_hand = {"dssim": reference.ssim, "msdssim": reference.ms_ssim}[name]
    expected = by_hand(target, prediction, weight)
    actual = score(name, target, prediction, weight)
    np.testing.assert_allclose(actual, expected, atol=2e-6)
    assert abs(actual - of_tensorflow(name, target * weight, prediction * weight)) > 1e-3


def test_fields_without_valid_cells_are_left_out_of_the_multiscale_mean():
    target, prediction = pair((2, 81, 81, 2))
    weight = np.ones_like(target)
    weight[1] = 0
    weight[0, ..., 0] = 0
    expected = of_tensorflow("msdssim", target[:1, ..., 1:], prediction[:1, ..., 1:])
    actual = 1 - 2 * structure.msdssim(target, prediction, weight)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize(("name", "power"), [("dssim", 1), ("msdssim", 0.2363)])
def test_constant_fields_differ_in_luminance_alone(name, power):
    # (2 * 0.5 * 0.2 + 1e-4) / (0.25 + 0.04 + 1e-4) = 0.2001 / 0.2901; only at the last scale
    target = np.full(SMALL[name], 0.5, "f4")
    actual, gradient = value_and_gradient(name, target, target - 0.3, np.ones_like(target))
    np.testing.assert_allclose(actual, (1 - (0.2001 / 0.2901) ** power) / 2, rtol=1e-5)
    assert (gradient < 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_perfect_prediction_costs_nothing_and_stays(name):
    target, _ = pair(SMALL[name])
    for weight in (np.ones_like(target), mask("random", target.shape)):
        value, gradient = value_and_gradient(name, target, target, weight)
        assert value == 0
        np.testing.assert_array_equal(gradient, 0)


def test_a_variance_keeps_its_digits_far_from_zero():
    # about 50 the squares have steps of 2e-4 in float32, and 0.03^2 is 9e-4
    target, prediction = pair((1, 20, 20, 1))
    weight = np.ones_like(target)
    expected = reference.ssim(target + 50, prediction + 50, weight)
    actual = 1 - 2 * structure.dssim(target + 50, prediction + 50, weight)
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    assert abs(of_tensorflow("dssim", target + 50, prediction + 50) - expected) > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_time_steps_are_as_many_fields(name):
    _, *rest = SMALL[name]
    target, prediction = pair((6, *rest))
    weight = mask("random", target.shape)
    expected = composite.build(name)(target, prediction, weight)
    windows = [a.reshape(2, 3, *rest) for a in (target, prediction, weight)]
    np.testing.assert_allclose(composite.build(name)(*windows), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", NAMES)
def test_half_precision_predictions_are_compared_in_float32(name, dtype):
    target, prediction = pair(SMALL[name])
    rounded = tf.cast(prediction, dtype)
    weight = np.ones_like(target)
    expected, _ = value_and_gradient(name, target, tf.cast(rounded, "float32"), weight)
    value, gradient = value_and_gradient(name, target, rounded, tf.cast(weight, dtype))
    assert value.dtype == np.float32
    assert value == expected
    assert gradient.dtype == tf.as_dtype(dtype).as_numpy_dtype


# --- gradients ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_gradient_is_that_of_tf_image(name):
    target, prediction = pair(SMALL[name])
    _, actual = value_and_gradient(name, target, prediction, np.ones_like(target))
    prediction = tf.constant(prediction)
    with tf.GradientTape() as tape:
        tape.watch(prediction)
        value = (1 - of_tensorflow(name, target, prediction)) / 2
    expected = tape.gradient(value, prediction).numpy()
    np.testing.assert_allclose(actual, expected, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("hidden", [-7.0, 6e4, 1e20, -3e38])
@pytest.mark.parametrize("where", ["target", "prediction"])
@pytest.mark.parametrize("name", NAMES)
def test_the_value_of_masked_cells_never_matters(name, where, hidden):
    weight = mask("random", SMALL[name])
    clean = dict(zip(("target", "prediction"), pair(SMALL[name]), strict=True))
    expected = value_and_gradient(name, **clean, weight=weight)
    dirty = {**clean, where: np.where(weight == 1, clean[where], np.float32(hidden))}
    value, gradient = value_and_gradient(name, **dirty, weight=weight)
    assert value == expected[0]
    np.testing.assert_array_equal(gradient, expected[1])
    np.testing.assert_array_equal(gradient[weight == 0], 0)
    assert gradient[weight == 1].all()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_valid_is_zero_and_moves_nothing(name):
    target, prediction = pair(SMALL[name])
    value, gradient = value_and_gradient(name, target, prediction, np.zeros_like(target))
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)
    assert score(name, target, prediction, np.zeros_like(target)) == 1


EXTREMES = {
    "constant": lambda waves: np.zeros_like(waves),
    "opposite": lambda waves: 1 - waves,
    "negative": lambda waves: -waves,
    "tiny": lambda waves: waves * 1e-30,
    "large": lambda waves: waves * 1e3,
    "overflowing": lambda waves: waves * 1e30,
    "lowest": lambda waves: np.full_like(waves, -3.4e38),
}


@pytest.mark.sparse(2)
@pytest.mark.parametrize("kind", ["all", "random", "cell"])
@pytest.mark.parametrize("extreme", EXTREMES)
@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradient_are_always_finite(name, extreme, kind):
    waves, _ = pair(SMALL[name])
    weight = np.ones_like(waves) if kind == "all" else mask(kind, waves.shape)
    other = EXTREMES[extreme](waves)
    for target, prediction in ((waves, other), (other, waves), (other, other)):
        value, gradient = value_and_gradient(name, target, prediction, weight)
        assert 0 <= value <= 1
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize(("size", "both"), [(1e4, False), (1e3, True)])
@pytest.mark.parametrize("name", NAMES)
def test_rounding_cannot_leave_the_range(name, size, both):
    # far from the rough rows a variance of 0.1 is the difference of numbers about 1e5 or 1e7
    target, prediction = pair((1, 90, 81, 1))
    if both:
        target, prediction = np.full_like(target, 0.5), target
    rough = size * np.random.default_rng(0).random(target[:, :20].shape, "f4")
    prediction[:, :20] += rough
    target[:, :20] += rough * both
    value, gradient = value_and_gradient(name, target, prediction, np.ones_like(target))
    assert 0 <= value <= 1
    assert np.abs(gradient).max() < 0.01


@pytest.mark.sparse(3)
@pytest.mark.traced
@pytest.mark.parametrize("start", [-1.0, -0.3, -0.01, 0.0])
def test_from_negative_contrast_an_optimizer_comes_back(start):
    # a network with the one weight `factor`: upside down at -1, constant at 0, perfect at 1. With a
    # contrast of 0 in place of a negative one the gradient of tf.image.ssim_multiscale is NaN
    waves, _ = pair(SMALL["msdssim"])
    factor = keras.Variable(start)
    optimizer = keras.optimizers.Adam(0.1)
    optimizer.build([factor])

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            prediction = 0.5 + factor.value * (waves - 0.5)
            value = structure.msdssim(waves, prediction, np.ones_like(waves))
        optimizer.apply([tape.gradient(value, factor.value)], [factor])
        return value

    values = [float(step()) for _ in range(60)]
    assert 0.2 < values[0] <= 0.5
    assert values[-1] < 0.01


def test_negative_contrast_counts_as_none():
    # tf.image.ssim_multiscale holds it at 0, and so the whole product
    waves, _ = pair(SMALL["msdssim"])
    expected = of_tensorflow("msdssim", waves, 1 - waves)
    assert expected == 0
    actual = 1 - 2 * structure.msdssim(waves, 1 - waves, np.ones_like(waves))
    np.testing.assert_allclose(actual, expected, atol=1e-3)


# --- how it is called -----------------------------------------------------------------------------


@pytest.mark.traced
@pytest.mark.parametrize("name", NAMES)
def test_sizes_may_be_unknown_until_it_runs(name):
    channels = SMALL[name][-1]
    field = tf.TensorSpec((None, None, None, channels))
    compiled = tf.function(composite.build(name), input_signature=[field] * 3)
    for grow in (0, 1):
        batch, y, x, _ = SMALL[name]
        target, prediction = pair((batch + grow, y + grow, x + 2 * grow, channels))
        weight = mask("random", target.shape)
        expected = composite.build(name)(target, prediction, weight)
        np.testing.assert_allclose(compiled(target, prediction, weight), expected, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_users_own_image_format_does_not_matter(name):
    target, prediction = pair(SMALL[name])
    weight = np.ones_like(target)
    expected = composite.build(name)(target, prediction, weight)
    kept = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        assert composite.build(name)(target, prediction, weight) == expected
    finally:
        keras.config.set_image_data_format(kept)


@pytest.mark.parametrize(("name", "least"), [("dssim", 11), ("msdssim", 81)])
def test_smaller_fields_are_refused_as_tf_image_does(name, least):
    enough = np.ones((1, least, least, 1), "f4")
    assert composite.build(name)(enough, enough, enough) == 0
    assert of_tensorflow(name, enough, enough) == 1
    for small in (enough[:, 1:], enough[:, :, 1:]):
        with pytest.raises(tf.errors.InvalidArgumentError):
            of_tensorflow(name, small, small)
        message = (
            f"at least {least} x {least} cells for the windows of the loss, got"
            f" {small.shape[1]} x {small.shape[2]}. Use larger patches, or a loss without windows"
        )
        with pytest.raises(ValueError, match=message):
            composite.build(name)(small, small, small)

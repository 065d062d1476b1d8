import numpy as np
import pytest
import tensorflow as tf

from xr_dl4ds.networks.losses import (
    composite,
)
from xr_dl4ds.networks.losses import (
    pointwise_losses as pointwise,
)

SHAPE = (1, 81, 83, 2)
# the weights of DL4DS, one by one
WEIGHTS = {
    "mae": {"mae": 1},
    "mse": {"mse": 1},
    "dssim": {"dssim": 1},
    "dssim_mae": {"dssim": 0.8, "mae": 0.2},
    "dssim_mse": {"dssim": 0.8, "mse": 0.2},
    "mae_mse": {"mae": 0.5, "mse": 0.5},
    "dssim_mae_mse": {"dssim": 0.6, "mae": 0.2, "mse": 0.2},
    "msdssim": {"msdssim": 1},
    "msdssim_mae": {"msdssim": 0.8, "mae": 0.2},
    "msdssim_mae_mse": {"msdssim": 0.6, "mae": 0.2, "mse": 0.2},
}


@pytest.fixture(scope="module")
def fields():
    """Target and prediction in [0, 1], a quarter of the cells masked."""
    rng = np.random.default_rng(0)
    target = rng.random(SHAPE).astype("f4")
    prediction = np.clip(target + 0.2 * rng.normal(size=SHAPE), 0, 1).astype("f4")
    return target, prediction, (rng.random(SHAPE) < 0.75).astype("f4")


def weighted(weights, fields):
    return sum(float(composite.TERMS[name](*fields)) * share for name, share in weights.items())


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_name_stands_for_weights_of_the_terms(name, fields):
    assert composite.LOSSES[name] == WEIGHTS[name]
    actual = composite.build(name)(*fields)
    np.testing.assert_allclose(actual, weighted(WEIGHTS[name], fields), rtol=1e-6)


def test_there_are_nine_names_of_four_terms():
    assert set(composite.LOSSES) == set(WEIGHTS)
    assert set(composite.TERMS) == {"mae", "mse", "dssim", "msdssim"}


@pytest.mark.parametrize("name", ["mae", "mse", "dssim", "msdssim"])
def test_a_single_term_is_its_function(name):
    assert composite.build(name) is composite.TERMS[name]
    assert composite.build({name: 1}) is composite.TERMS[name]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ({"dssim": 2}, {"dssim": 2}),  # a weight is no share: it is not normalised away
        ({"dssim": 0.7, "mse": 3}, {"dssim": 0.7, "mse": 3}),
        # 0.5 * (0.8, 0.2), and 0.3 more of mae
        ({"dssim_mae": 0.5, "mae": 0.3}, {"dssim": 0.4, "mae": 0.4}),
        # 0.5 * (0.6, 0.2, 0.2) + 2 * (0.8, 0.2)
        (
            {"msdssim_mae_mse": 0.5, "dssim_mse": 2},
            {"msdssim": 0.3, "mae": 0.1, "mse": 0.5, "dssim": 1.6},
        ),
    ],
    ids=str,
)
def test_weights_of_a_dict_reach_into_composite_losses(loss, expected, fields):
    actual = composite.build(loss)(*fields)
    np.testing.assert_allclose(actual, weighted(expected, fields), rtol=1e-6)


# --- the range of the values ----------------------------------------------------------------------

LOW, HIGH = [-2.5, 10.0], [3.5, 10.25]


@pytest.mark.parametrize("loss", ["dssim", "msdssim"])
def test_structure_is_compared_on_the_training_range_of_each_channel(loss, fields):
    target, prediction, weight = fields
    expected = composite.build(loss)(*fields)
    span = np.subtract(HIGH, LOW)
    scaled = [(a * span + LOW).astype("f4") for a in (target, prediction)]
    actual = composite.build(loss, LOW, HIGH)(*scaled, weight)
    np.testing.assert_allclose(actual, expected, rtol=1e-4)
    # not by the first channel's range alone, and not by a shift alone
    for low, high in ((LOW, np.add(LOW, 6)), (LOW, np.add(LOW, 1))):
        assert abs(composite.build(loss, low, high)(*scaled, weight) - expected) > 1e-3


def test_differences_are_not_brought_to_the_range(fields):
    np.testing.assert_array_equal(
        composite.build("mae", LOW, HIGH)(*fields), pointwise.mae(*fields)
    )
    target, prediction, weight = fields
    expected = 0.8 * composite.build("dssim", LOW, HIGH)(*fields) + 0.2 * pointwise.mse(*fields)
    actual = composite.build("dssim_mse", LOW, HIGH)(target, prediction, weight)
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


@pytest.mark.parametrize("top", [4.0, 4.0 + 1e-9])
def test_a_target_that_is_constant_in_training_has_a_range_of_one(top):
    target = np.full((1, 11, 11, 1), 4.0, "f4")
    loss = composite.build("dssim", [4.0], [top])
    # (2 * 0 * 0.1 + 1e-4) / (0 + 0.01 + 1e-4) = 1 / 101
    actual = loss(target, target + 0.1, np.ones_like(target))
    np.testing.assert_allclose(actual, (1 - 1 / 101) / 2, rtol=1e-5)


@pytest.mark.parametrize("hidden", [6e4, 1e20, -3e38])
def test_masked_cells_outside_of_the_range_never_matter(hidden, fields):
    target, prediction, weight = fields
    loss = composite.build("dssim_mae_mse", LOW, HIGH)

    def value_and_gradient(*arrays):
        target, prediction = (tf.constant(np.where(weight == 1, a, h)) for a, h in arrays)
        with tf.GradientTape() as tape:
            tape.watch(prediction)
            value = loss(target, prediction, weight)
        return value.numpy(), tape.gradient(value, prediction).numpy()

    hidden = np.float32(hidden)
    expected = value_and_gradient((target, np.float32(0)), (prediction, np.float32(0)))
    actual = value_and_gradient((target, hidden), (prediction, -hidden))
    assert actual[0] == expected[0]
    np.testing.assert_array_equal(actual[1], expected[1])
    assert np.isfinite(actual[1]).all()


def test_half_precision_is_brought_to_the_range_in_float32():
    # 256.5 less 256 is half of the range; bfloat16 has steps of 2 there, and 258 - 256 is all of it
    target = np.full((1, 11, 11, 1), 256.5, "f4")
    prediction = tf.fill(target.shape, tf.constant(256, "bfloat16"))
    actual = composite.build("dssim", [256], [257])(target, prediction, np.ones_like(target))
    np.testing.assert_allclose(actual, (1 - 1e-4 / (0.25 + 1e-4)) / 2, rtol=1e-5)


# --- messages -------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["ssim", {"mae": 1, "ssim": 2}, {}], ids=str)
def test_an_unknown_loss_is_refused(loss):
    with pytest.raises(ValueError, match=r"to be one of mae, mse, .*msdssim_mae_mse, or weights"):
        composite.build(loss)

import numpy as np
import pytest
import tensorflow as tf

from xr_dl4ds.config import choices
from xr_dl4ds.networks.losses import ADVERSARIAL

RNG = np.random.default_rng(0)
TRUE, FAKE = (RNG.normal(scale=2, size=(2, 4, 5, 1)).astype("f4") for _ in range(2))
WEIGHT = RNG.choice([0, 0.25, 1], TRUE.shape).astype("f4")


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype("f8")))


BY_HAND = {
    "bce": (
        lambda true: -np.log(sigmoid(true)),
        lambda fake: -np.log(1 - sigmoid(fake)),
        lambda fake: -np.log(sigmoid(fake)),
    ),
    "hinge": (
        lambda true: np.maximum(0, 1 - true),
        lambda fake: np.maximum(0, 1 + fake),
        lambda fake: -fake,
    ),
}


def mean(cells):
    return np.average(cells, weights=WEIGHT)


def test_names_are_those_of_the_options():
    assert tuple(ADVERSARIAL) == choices.ADVERSARIAL_LOSSES


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name):
    loss, (as_true, as_fake, generator) = ADVERSARIAL[name], BY_HAND[name]
    expected = (mean(as_true(TRUE)) + mean(as_fake(FAKE))) / 2
    actual = loss.discriminator_loss(TRUE, FAKE, WEIGHT)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)
    np.testing.assert_allclose(loss.generator_loss(FAKE, WEIGHT), mean(generator(FAKE)), rtol=1e-5)


@pytest.mark.parametrize("name", BY_HAND)
def test_shares_of_less_than_one_cell_in_all_are_a_mean_too(name):
    logits, weight = np.full((1, 1, 2, 1), 3.0, "f4"), np.full((1, 1, 2, 1), 0.1, "f4")
    generator = BY_HAND[name][2](logits).mean()
    np.testing.assert_allclose(
        ADVERSARIAL[name].generator_loss(logits, weight), generator, rtol=1e-5
    )


@pytest.mark.parametrize("size", [-1e4, -100.0, 100.0, 1e4])
@pytest.mark.parametrize("name", BY_HAND)
def test_sure_logits_have_finite_gradients(name, size):
    loss = ADVERSARIAL[name]
    logits, weight = tf.fill((1, 1, 1, 1), size), np.ones((1, 1, 1, 1), "f4")
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        sides = (
            loss.generator_loss(logits, weight),
            loss.discriminator_loss(logits, 0 * logits, weight),
            loss.discriminator_loss(0 * logits, logits, weight),
        )
    gradients = [float(tf.squeeze(tape.gradient(side, logits))) for side in sides]
    assert np.isfinite([float(side) for side in sides]).all()
    assert np.isfinite(gradients).all()
    # who is wrong learns, however sure
    assert gradients[0] == (0 if name == "bce" and size > 0 else -1)
    assert gradients[1] == (0 if size > 0 else -0.5)
    assert gradients[2] == (0.5 if size > 0 else 0)


@pytest.mark.parametrize("name", BY_HAND)
def test_cells_that_do_not_count_never_matter(name):
    loss = ADVERSARIAL[name]
    expected = float(loss.discriminator_loss(TRUE, FAKE, WEIGHT))
    true, fake = (tf.constant(np.where(WEIGHT > 0, x, np.nan)) for x in (TRUE, FAKE))
    with tf.GradientTape() as tape:
        tape.watch([true, fake])
        actual = loss.discriminator_loss(true, fake, WEIGHT)
        total = actual + loss.generator_loss(fake, WEIGHT)
    assert float(actual) == expected
    for gradient in tape.gradient(total, [true, fake]):
        assert np.isfinite(gradient).all()
    assert float(loss.generator_loss(FAKE, 0 * WEIGHT)) == 0


@pytest.mark.parametrize("name", BY_HAND)
def test_half_precision_is_averaged_in_float32(name):
    logits, weight = (
        tf.fill((1, 300, 300, 1), tf.constant(0.5, "bfloat16")),
        np.ones((1, 300, 300, 1)),
    )
    actual = ADVERSARIAL[name].generator_loss(logits, weight)
    assert actual.dtype == "float32"
    expected = BY_HAND[name][2](np.float32([0.5]))[0]
    np.testing.assert_allclose(actual, expected, rtol=1e-5)

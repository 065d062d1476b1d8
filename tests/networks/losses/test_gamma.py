import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from xr_dl4ds.networks.losses.gamma import log_gamma

VALUES = np.concatenate(
    [np.geomspace(1e-6, 1e4, 2001), np.linspace(0.4, 3, 2001), [0.5, 1.5, 2.5]]
).astype("f4")


def test_it_is_scipys():
    expected = special.gammaln(VALUES.astype("f8"))
    # relative even next to the zeros at 1 and 2
    np.testing.assert_allclose(log_gamma(tf.constant(VALUES)), expected, rtol=1e-5)
    np.testing.assert_array_equal(log_gamma(tf.constant([1.0, 2.0])), [0, 0])


def test_its_gradient_is_the_digamma_function():
    x = tf.constant(VALUES)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = log_gamma(x)
    expected = special.digamma(VALUES.astype("f8"))
    # which has a zero at 1.46, where the float32 argument alone leaves 1e-7
    np.testing.assert_allclose(tape.gradient(y, x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("extreme", [1e-30, 1e30])
def test_extremes_stay_finite(extreme):
    x = tf.constant([extreme])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = log_gamma(x)
    np.testing.assert_allclose(y, special.gammaln(extreme), rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(y, x), special.digamma(extreme), rtol=1e-5)

"""Curves of amounts against NumPy, and what their layer does to channels."""

import keras
import numpy as np
import pytest
from keras import ops

from xr_dl4ds.config.choices import CURVES as NAMES
from xr_dl4ds.networks.layers import AmountCurve, through_curves
from xr_dl4ds.networks.layers.amount_curve import CURVES, bent

BY_NUMPY = {
    "log1p": np.log1p,
    "sqrt": lambda u: np.sqrt(u + 0.01) - 0.1,
    "cbrt": lambda u: np.cbrt(u + 0.01) - np.cbrt(0.01),
}
AMOUNTS = np.array([0, 1e-3, 0.1, 1, 7.5, 300], "f4")


def test_the_options_name_every_curve():
    assert tuple(CURVES) == NAMES == tuple(BY_NUMPY)


@pytest.mark.parametrize("name", NAMES)
def test_amounts(name):
    np.testing.assert_allclose(bent(AMOUNTS, name), BY_NUMPY[name](AMOUNTS), atol=1e-6, rtol=1e-6)
    assert float(bent(np.float32(0), name)) == 0


@pytest.mark.parametrize("name", NAMES)
def test_below_zero_the_curve_is_its_tangent(name):
    step = 1e-4
    slope = (BY_NUMPY[name](step) - BY_NUMPY[name](0.0)) / step
    np.testing.assert_allclose(bent(np.float32([-0.5, -3]), name), [-0.5 * slope, -3 * slope], 0.01)
    import tensorflow as tf

    x = tf.constant([-2.0, 0.0, 1e-6, 50.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = ops.sum(bent(x, name))
    gradient = tape.gradient(total, x).numpy()
    assert np.isfinite(gradient).all()
    assert (gradient > 0).all()


def test_each_channel_has_its_curve():
    x = np.stack([AMOUNTS, AMOUNTS, -AMOUNTS], -1)[None, None]
    layer = AmountCurve(("sqrt", None, "cbrt"))
    actual = np.asarray(layer(x))
    np.testing.assert_allclose(actual[0, 0, :, 0], BY_NUMPY["sqrt"](AMOUNTS), atol=1e-6, rtol=1e-6)
    np.testing.assert_array_equal(actual[..., 1:2], x[..., 1:2])
    assert (actual[0, 0, 1:, 2] < 0).all()
    again = AmountCurve.from_config(layer.get_config())
    assert again.curves == ("sqrt", None, "cbrt")
    assert layer.compute_output_shape((None, 2, 3, 3)) == (None, 2, 3, 3)


def test_without_a_curve_nothing_is_added_to_the_network():
    x = keras.Input((None, None, 2))
    assert through_curves(x, (None, None), "a") is x
    assert through_curves(x, (), "a") is x
    assert through_curves(x, (None, "sqrt"), "a") is not x

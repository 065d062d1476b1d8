import keras
import numpy as np
import pytest

from xr_dl4ds.networks.layers import FromResidual, OnRootScale, ToResidual

#: A temperature, and an amount whose physical zero is at -1.
SCALES = {"sizes": (2.0, 0.5), "roots": (False, True), "zeros": (0.0, 1.0)}


def field(*values):
    return np.array(values, "f4").reshape(1, 1, 1, 2)


def test_residuals_by_hand():
    # the temperature: (7 - 3) / 2; the amount: (27 ** (1/3) - 8 ** (1/3)) / 0.5, from the zero
    truth, guess = field(7.0, 27 - 0.001 - 1), field(3.0, 8 - 0.001 - 1)
    made = np.asarray(ToResidual(**SCALES)([truth, guess]))
    np.testing.assert_allclose(made.ravel(), [2.0, 2.0], rtol=1e-6)


def test_fields_by_hand():
    made = np.asarray(FromResidual(**SCALES)([field(2.0, 2.0), field(3.0, 8 - 0.001 - 1)]))
    np.testing.assert_allclose(made.ravel(), [7.0, 27 - 0.001 - 1], rtol=1e-6)


def test_roots_of_amounts_alone():
    made = np.asarray(OnRootScale(**SCALES)(field(-5.0, 8 - 0.001 - 1)))
    np.testing.assert_allclose(made.ravel(), [-5.0, 2.0], rtol=1e-6)


def test_residuals_and_fields_are_inverse():
    rng = np.random.default_rng(0)
    truth, guess = (rng.gamma(1.0, 2.0, (3, 4, 5, 2)).astype("f4") for _ in range(2))
    truth[..., 1] = np.where(truth[..., 1] < 0.02, 0, truth[..., 1]) - 1  # no traces
    guess[..., 1] -= 1
    back = FromResidual(**SCALES)([ToResidual(**SCALES)([truth, guess]), guess])
    np.testing.assert_allclose(np.asarray(back), truth, atol=2e-5)


@pytest.mark.parametrize("residual", [-100.0, -4.1])
def test_traces_of_amounts_are_nothing(residual):
    made = np.asarray(FromResidual(**SCALES)([field(0.0, residual), field(0.0, 8 - 0.001 - 1)]))
    assert made[0, 0, 0, 1] == -1  # the physical zero


def test_layers_are_rebuilt_from_their_configuration():
    for kind in (FromResidual, OnRootScale, ToResidual):
        layer = kind(**SCALES, name="own")
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
        assert (again.sizes, again.roots, again.zeros) == tuple(SCALES.values())

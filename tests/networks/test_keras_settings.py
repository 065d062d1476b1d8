import concurrent.futures

import keras
import numpy as np
import pytest

from tests.conftest import analytic
from xr_dl4ds.networks import own_keras

TINY = {"scale": 2, "n_filters": 4, "n_blocks": 1, "epochs": 1, "verbose": False}


def settings():
    config = keras.config
    return config.floatx(), config.image_data_format(), config.dtype_policy().name


@pytest.fixture
def others():
    """A caller with settings of their own."""
    before = settings()
    keras.config.set_floatx("float16")
    keras.config.set_image_data_format("channels_first")
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield settings()
    keras.config.set_floatx(before[0])
    keras.config.set_image_data_format(before[1])
    keras.config.set_dtype_policy(before[2])


def test_settings_come_back_after_an_error(others):
    seen = []

    @own_keras("mixed_float16")
    def fail():
        seen.append(settings())
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert seen == [("float32", "channels_last", "mixed_float16")]
    assert settings() == others


def test_a_model_does_not_depend_on_the_callers_settings(others, tmp_path):
    hr = analytic()
    low = hr[["t2m"]].downscale.coarsen(2)
    model = hr.downscale.fit(**TINY)
    actual = low.downscale.predict(model).t2m
    assert settings() == others
    with own_keras():
        expected = low.downscale.predict(hr.downscale.fit(**TINY)).t2m
    np.testing.assert_array_equal(actual, expected)


def test_threads_that_fit_at_once_get_what_each_would_get_alone():
    hr = analytic()

    def weights(seed):
        model = hr.downscale.fit(**TINY, seed=seed)
        return np.concatenate([w.ravel() for w in model.network.get_weights()])

    expected = [weights(seed) for seed in range(3)]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        actual = list(pool.map(weights, range(3)))
    np.testing.assert_array_equal(actual, expected)

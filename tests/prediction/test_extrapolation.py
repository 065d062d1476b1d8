"""Inputs far from training are refused, or told; lazy ones when they are computed."""

import numpy as np
import pytest

from tests.conftest import analytic, no_compute
from tests.untrained import untrained
from xr_dl4ds.exceptions import VariableError


@pytest.fixture(scope="module")
def model():
    return untrained(analytic()[["t2m"]], scale=2)


@pytest.fixture
def lr():
    return analytic()[["t2m"]].downscale.coarsen(2)


def without_units(lr, factor=1.0, offset=0.0):
    return lr.assign(t2m=(lr.t2m * factor + offset).astype("f4").drop_attrs(deep=False))


@pytest.mark.parametrize(
    ("factor", "offset", "said"),
    [
        (1, -273.15, "the values are 273.15 too small, as degC for kelvin"),
        (1000, 0, "the values are 1000 times too large, as mm for m"),
        (0.01, 0, "the values are 100 times too small, as hPa for Pa"),
        (1, 5000, "Check the units of 't2m', or use a model that was trained on such values"),
    ],
)
@pytest.mark.parametrize("chunks", [None, {"time": 4}])
def test_values_in_other_units(model, lr, factor, offset, said, chunks):
    odd = without_units(lr, factor, offset)
    if chunks is None:
        with pytest.raises(VariableError, match=said):
            odd.downscale.predict(model)
        return
    with no_compute():
        sr = odd.chunk(chunks).downscale.predict(model)
    with pytest.raises(VariableError, match=said):
        sr.compute(scheduler="synchronous")


def test_usual_values_pass(model, lr, caplog):
    warmer = without_units(lr, offset=3.0)
    expected = warmer.downscale.predict(model)
    lazy = warmer.chunk(time=3).downscale.predict(model).compute(scheduler="synchronous")
    np.testing.assert_allclose(lazy.t2m, expected.t2m, rtol=1e-6)
    assert "extrapolates" not in caplog.text


@pytest.mark.parametrize("chunks", [None, {"time": -1}])
def test_extrapolation_is_told(model, lr, chunks, caplog):
    hot = lr.copy(deep=True)
    hot.t2m[:, 0, 0] += 100
    hot = hot if chunks is None else hot.chunk(chunks)
    hot.downscale.predict(model).compute(scheduler="synchronous")
    share = 100 / (lr.sizes["latitude"] * lr.sizes["longitude"])
    assert f"{share:.2g} % of the values of 't2m' of the LR data lie beyond those of" in caplog.text


def test_fields_of_nan_pass(model, lr):
    assert (lr * np.nan).downscale.predict(model).t2m.isnull().all()


@pytest.mark.parametrize("chunks", [None, {"time": 4}])
def test_gaps_that_training_did_not_have(model, lr, caplog, chunks):
    odd = lr.copy(deep=True)
    odd.t2m[2, 1, 1] = np.nan
    given = odd if chunks is None else odd.chunk(chunks)
    sr = given.downscale.predict(model).compute(scheduler="synchronous")
    assert int(sr.t2m.isnull().sum()) == 4
    assert "of the values of 't2m' of the LR data are missing, and none were in" in caplog.text
    caplog.clear()
    with_gaps = analytic()[["t2m"]].copy(deep=True)
    with_gaps.t2m[0, :2, :2] = np.nan
    odd.downscale.predict(untrained(with_gaps, scale=2))
    assert "none were in training" not in caplog.text

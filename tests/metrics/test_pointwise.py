import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis.extra.numpy import arrays

from tests.conftest import no_compute
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.metrics import SCORES
from xr_dl4ds.metrics.pointwise import bias, correlation, mae, rmse

DIMS = ("time", "y", "x")


def pair(seed=0, missing=0.0, shape=(5, 3, 4)):
    """Two correlated float32 fields, each with NaN of its own."""
    rng = np.random.default_rng(seed)
    truth = 280 + 5 * rng.standard_normal(shape)
    prediction = truth + rng.standard_normal(shape)
    fields = []
    for values in (prediction, truth):
        values = np.where(rng.random(shape) < missing, np.nan, values).astype("f4")
        fields.append(xr.DataArray(values, dims=DIMS))
    return fields


def line(*values, dtype="f4"):
    return xr.DataArray(np.array(values, dtype), dims="time")


def test_hand_values():
    # differences 1, -3, 2, 0
    prediction, truth = line(2, 0, 5, 4), line(1, 3, 3, 4)
    assert float(bias(prediction, truth, ["time"])) == 0.0
    assert float(mae(prediction, truth, ["time"])) == 1.5
    # sqrt((1 + 9 + 4 + 0) / 4); the mean square, DL4DS's "RMSE" over time, would be 3.5
    assert float(rmse(prediction, truth, ["time"])) == pytest.approx(3.5**0.5)
    # means 2.75 both: deviations -.75 -2.75 2.25 1.25 and -1.75 .25 .25 1.25; products 1.3125
    # -0.6875 0.5625 1.5625 sum to 2.75, squares to 14.75 and 4.75
    expected = 2.75 / (14.75 * 4.75) ** 0.5
    assert float(correlation(prediction, truth, ["time"])) == pytest.approx(expected)


def test_sign_of_bias_is_prediction_minus_truth():
    assert float(bias(line(3, 3), line(1, 0), ["time"])) == 2.5


def test_cells_that_miss_either_do_not_count():
    # the last two pairs are half NaN; counting NaN as 0 would give a bias of (2 - 9 + 7) / 4
    prediction, truth = line(1, 3, np.nan, 7), line(0, 2, 9, np.nan)
    for score in (bias, mae, rmse):
        assert float(score(prediction, truth, ["time"])) == 1.0
    assert float(correlation(prediction, truth, ["time"])) == pytest.approx(1.0)


def test_no_common_cell_is_nan_without_a_warning(recwarn):
    prediction, truth = line(1, np.nan), line(np.nan, 2)
    for score in SCORES.values():
        assert np.isnan(score(prediction, truth, ["time"]))
    assert [w for w in recwarn if "xr_dl4ds" in str(w.filename)] == []


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("dims", [("time",), ("y", "x"), DIMS], ids=str)
@pytest.mark.parametrize(
    ("name", "oracle"),
    [("bias", "me"), ("mae", "mae"), ("rmse", "rmse"), ("correlation", "pearson_r")],
)
def test_equal_to_xskillscore(name, oracle, dims, missing):
    xskillscore = pytest.importorskip("xskillscore")
    prediction, truth = pair(missing=missing)
    actual = SCORES[name](prediction, truth, dims)
    wide = prediction.astype("f8"), truth.astype("f8")
    expected = getattr(xskillscore, oracle)(*wide, dim=list(dims), skipna=True)
    assert actual.dims == expected.dims
    assert actual.dtype == np.float64
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)


def test_defect_6_the_map_of_rmse_is_a_root_and_counts_cells_that_begin_dry():
    # rain of 0, 6 and 0, 2 where nothing fell: sqrt(36 / 2) and sqrt(4 / 2); DL4DS gave the mean
    # square, and no value where the truth is 0 at the first step
    truth = xr.DataArray(np.zeros((2, 1, 2)), dims=DIMS)
    prediction = truth.copy(data=[[[0.0, 0.0]], [[6.0, 2.0]]])
    np.testing.assert_allclose(rmse(prediction, truth, ("time",)), [[18**0.5, 2**0.5]])


def test_the_tables_name_them_all():
    expected = {"bias": bias, "mae": mae, "rmse": rmse, "correlation": correlation}
    assert {name: score.function for name, score in SCORES.items()} == expected
    truth = line(1, 2, 3)
    perfect = {name for name, score in SCORES.items() if float(score(truth, truth, ["time"])) == 0}
    # a bias of 0 does not make a prediction perfect
    assert {name for name, score in SCORES.items() if score.is_error} == perfect - {"bias"}


@pytest.mark.parametrize("chunks", [{"time": 2}, {"time": -1, "y": 1, "x": 3}], ids=str)
@pytest.mark.parametrize("name", SCORES)
def test_dask_is_lazy_and_equal_to_numpy(name, chunks):
    prediction, truth = pair(missing=0.2)
    with no_compute():
        actual = SCORES[name](prediction.chunk(chunks), truth.chunk(chunks), ("time", "y"))
    expected = SCORES[name](prediction, truth, ("time", "y"))
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_inputs_are_not_changed():
    fields = pair(missing=0.2)
    copies = [f.copy(deep=True) for f in fields]
    for score in SCORES.values():
        score(*fields, ("time",))
    for field, copy in zip(fields, copies, strict=True):
        xr.testing.assert_identical(field, copy)


def test_float32_sums_do_not_lose_digits():
    # 2e6 times 1/3 K: a float32 running sum would be off in the third digit
    prediction = xr.DataArray(np.full(2_000_000, 1 / 3, "f4"), dims="time")
    actual = bias(prediction, xr.zeros_like(prediction), ["time"])
    assert float(actual) == pytest.approx(float(np.float32(1 / 3)), rel=1e-9)


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "bool"])
def test_integers_do_not_wrap(dtype):
    # 1 - 3 in uint8 is 254, and 100 - (-100) in int8 is -56; booleans cannot be subtracted
    values = {"i1": ([100, -100], [-100, 100]), "bool": ([1, 0], [0, 1])}
    first, second = values.get(dtype, ([1, 5], [3, 3]))
    expected = np.subtract(first, second)
    prediction, truth = line(*first, dtype=dtype), line(*second, dtype=dtype)
    assert float(bias(prediction, truth, ["time"])) == expected.mean()
    assert float(mae(prediction, truth, ["time"])) == np.abs(expected).mean()
    assert float(rmse(prediction, truth, ["time"])) == np.sqrt((expected**2).mean())


@pytest.mark.parametrize("size", [1, 3, 6, 11, 100])
@pytest.mark.parametrize("value", [0.0, 0.1, 280.1])
def test_correlation_of_a_constant_is_nan(size, value):
    # a mean of equal numbers may be off by a rounding: two constants would seem to correlate
    constant = xr.DataArray(np.full(size, value), dims="time")
    other = xr.DataArray(np.arange(size) + 0.5, dims="time")
    assert np.isnan(correlation(constant, constant + 1, ["time"]))
    assert np.isnan(correlation(constant, other, ["time"]))
    assert np.isnan(correlation(other, constant, ["time"]))


@given(
    values=arrays("f8", (2, 6), elements=st.floats(-1e3, 1e3, width=32)),
    shift=st.floats(-100, 100),
)
def test_properties(values, shift):
    prediction, truth = (xr.DataArray(v, dims="time") for v in values)
    found = {n: float(score(prediction, truth, ["time"])) for n, score in SCORES.items()}
    assert abs(found["bias"]) <= found["mae"] * (1 + 1e-9) + 1e-9
    assert found["mae"] <= found["rmse"] * (1 + 1e-9) + 1e-9
    assert np.isnan(found["correlation"]) or abs(found["correlation"]) <= 1 + 1e-9
    shifted = {n: float(score(prediction + shift, truth, ["time"])) for n, score in SCORES.items()}
    assert shifted["bias"] == pytest.approx(found["bias"] + shift, abs=1e-9)


@pytest.mark.parametrize("name", SCORES)
def test_other_coordinates_are_told(name):
    prediction, truth = (one.assign_coords(time=np.arange(5)) for one in pair())
    with pytest.raises(GridError, match=r"same coordinates, got other ones along \['time'\]"):
        SCORES[name](prediction, truth.isel(time=slice(1, None)), DIMS)

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
import xarray as xr
from hypothesis import given
from hypothesis.extra.numpy import arrays

from tests.conftest import no_compute
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.metrics import SCORES
from xr_dl4ds.metrics.pair_statistics import PairStatistics
from xr_dl4ds.metrics.pointwise import (
    bias,
    correlation,
    kge,
    mae,
    nrmse,
    relative_bias,
    rmse,
    spearman,
)

DIMS = ("time", "y", "x")
FUNCTIONS = {
    "bias": bias,
    "mae": mae,
    "rmse": rmse,
    "correlation": correlation,
    "relative_bias": relative_bias,
    "nrmse": nrmse,
    "kge": kge,
    "spearman": spearman,
}


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
    for score in FUNCTIONS.values():
        assert np.isnan(score(prediction, truth, ["time"]))
    assert [w for w in recwarn if "xr_dl4ds" in str(w.filename)] == []


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("dims", [("time",), ("y", "x"), DIMS], ids=str)
@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("bias", "me"),
        ("mae", "mae"),
        ("rmse", "rmse"),
        ("correlation", "pearson_r"),
    ],
)
def test_equal_to_xskillscore(name, oracle, dims, missing):
    xskillscore = pytest.importorskip("xskillscore")
    prediction, truth = pair(missing=missing)
    actual = FUNCTIONS[name](prediction, truth, dims)
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


def test_the_table_names_them_all():
    prediction, truth = pair()
    statistics = PairStatistics.of(prediction, truth, DIMS)
    for name, function in FUNCTIONS.items():
        given = (prediction, truth, DIMS) if name == "spearman" else (statistics,)
        assert float(SCORES[name].function(*given)) == float(function(prediction, truth, DIMS))
    truth = line(1, 2, 3)
    perfect = {n for n, score in FUNCTIONS.items() if float(score(truth, truth, ["time"])) == 0}
    # a bias of 0 does not make a prediction perfect
    errors = {name for name in FUNCTIONS if SCORES[name].is_error}
    assert errors == perfect - {"bias", "relative_bias"}


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_area_weights_equal_repeated_cells(missing):
    prediction, truth = pair(missing=missing)
    areas = xr.DataArray([1.0, 2.0, 4.0], dims="y")
    rows = [0, 1, 1, 2, 2, 2, 2]
    for name, score in FUNCTIONS.items():
        if name == "spearman":  # ranks have no weights
            continue
        actual = score(prediction, truth, DIMS, areas)
        expected = score(prediction.isel(y=rows), truth.isel(y=rows), DIMS)
        assert float(actual) == pytest.approx(float(expected), rel=1e-9), name
        # weights along other dimensions than those of the mean do not count
        over_time = score(prediction, truth, ["time"], areas)
        np.testing.assert_allclose(over_time, score(prediction, truth, ["time"]), rtol=1e-12)


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("dims", [("time",), DIMS], ids=str)
def test_spearman_equals_scipy(dims, missing):
    prediction, truth = (one.round(0) for one in pair(missing=missing))  # with equal values
    actual = spearman(prediction, truth, dims)
    for at in np.ndindex(actual.shape):
        a, b = (one.values[:, *at].ravel() for one in (prediction, truth))
        valid = ~np.isnan(a) & ~np.isnan(b)
        expected = scipy.stats.spearmanr(a[valid], b[valid])[0]
        np.testing.assert_allclose(actual.values[at], expected, rtol=1e-9)


def test_relative_scores_by_hand():
    # differences 1, -3, 2, 1 of a truth 1, 3, 3, 5 with the mean 3: bias 0.25 / 3
    prediction, truth = line(2, 0, 5, 6), line(1, 3, 3, 5)
    assert float(relative_bias(prediction, truth, ["time"])) == pytest.approx(0.25 / 3)
    # the variance of the truth is (4 + 0 + 0 + 4) / 4 = 2, the mean square (1 + 9 + 4 + 1) / 4
    assert float(nrmse(prediction, truth, ["time"])) == pytest.approx((15 / 4 / 2) ** 0.5)
    # defect 7 of DL4DS: twice the truth is a relative bias of 1, not of 0.0001
    assert float(relative_bias(2 * truth, truth, ["time"])) == pytest.approx(1.0)
    assert np.isnan(relative_bias(truth, truth * 0, ["time"]))
    assert np.isnan(nrmse(truth, truth * 0 + 1, ["time"]))


def test_kge_equals_its_definition():
    prediction, truth = (one.values.ravel().astype("f8") for one in pair())
    r = np.corrcoef(prediction, truth)[0, 1]
    parts = r - 1, prediction.std() / truth.std() - 1, prediction.mean() / truth.mean() - 1
    expected = 1 - np.sqrt(sum(part**2 for part in parts))
    assert float(kge(*pair(), DIMS)) == pytest.approx(expected, rel=1e-9)
    assert float(kge(*[pair()[1]] * 2, DIMS)) == pytest.approx(1.0)
    # a constant prediction has no correlation
    assert np.isnan(kge(line(2, 2, 2), line(1, 2, 3), ["time"]))


@pytest.mark.parametrize("chunks", [{"time": 2}, {"time": -1, "y": 1, "x": 3}], ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_dask_is_lazy_and_equal_to_numpy(name, chunks):
    prediction, truth = pair(missing=0.2)
    with no_compute():
        actual = FUNCTIONS[name](prediction.chunk(chunks), truth.chunk(chunks), ("time", "y"))
    expected = FUNCTIONS[name](prediction, truth, ("time", "y"))
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_inputs_are_not_changed():
    fields = pair(missing=0.2)
    copies = [f.copy(deep=True) for f in fields]
    for score in FUNCTIONS.values():
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
    found = {n: float(score(prediction, truth, ["time"])) for n, score in FUNCTIONS.items()}
    assert abs(found["bias"]) <= found["mae"] * (1 + 1e-9) + 1e-9
    assert found["mae"] <= found["rmse"] * (1 + 1e-9) + 1e-9
    assert np.isnan(found["correlation"]) or abs(found["correlation"]) <= 1 + 1e-9
    shifted = bias(prediction + shift, truth, ["time"])
    assert float(shifted) == pytest.approx(found["bias"] + shift, abs=1e-9)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_other_coordinates_are_told(name):
    prediction, truth = (one.assign_coords(time=np.arange(5)) for one in pair())
    with pytest.raises(GridError, match=r"same coordinates, got other ones along \['time'\]"):
        FUNCTIONS[name](prediction, truth.isel(time=slice(1, None)), DIMS)

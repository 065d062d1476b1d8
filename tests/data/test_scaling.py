import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import no_compute
from xr_dl4ds.data.scaling import STATISTICS, Scaler
from xr_dl4ds.exceptions import VariableError

DIMS = ("time", "y", "x")


def dataset(dtype="f4", seed=0, **variables):
    """``t2m`` (K) with two masked cells and ``tp`` (mm) whole, 6 x 3 x 4 cells."""
    rng = np.random.default_rng(seed)
    t2m = rng.normal(280, 5, (6, 3, 4))
    t2m[2, 1, 1] = t2m[:, 0, 0][3] = np.nan
    tp = rng.gamma(1, 2, (6, 3, 4))
    return xr.Dataset(
        {
            "t2m": (DIMS, t2m.astype(dtype), {"units": "K"}),
            "tp": (DIMS, tp.astype(dtype), {"units": "mm"}),
        },
        coords={"time": np.arange(6), "y": np.arange(3.0), "x": np.arange(4.0)},
    )


def column(values, name="t2m"):
    return xr.Dataset({name: (DIMS, np.reshape(values, (-1, 1, 1)))})


# --- fit ------------------------------------------------------------------------------------


def test_statistics_by_hand():
    # valid 1, 3, 5: mean 3, population std sqrt(8 / 3) (with n - 1 it would be 2), 3 of 4 valid;
    # a NaN taken as 0 would give the mean 2.25
    actual = Scaler.fit(column([1.0, np.nan, 3.0, 5.0]), "the data").statistics["t2m"]
    assert actual["statistic"].values.tolist() == list(STATISTICS)
    std = np.sqrt(8 / 3)
    np.testing.assert_allclose(actual, [3, std, 3, std, 1, 5, 0.75], rtol=1e-15)


def test_minmax_by_hand():
    # the least value becomes 0 and the largest 1: (3 - 1) / (5 - 1) = 0.5, NaN stays
    data = column([1.0, np.nan, 3.0, 5.0])
    scaler = Scaler.fit(data, "the data", lambda name: {"t2m": "minmax"}[name])
    np.testing.assert_allclose(scaler.statistics["t2m"][:2], [1, 4])
    scaled = scaler.transform(data)
    np.testing.assert_array_equal(scaled.t2m.to_numpy().ravel(), [0, np.nan, 0.5, 1])
    np.testing.assert_array_equal(scaler.inverse(scaled).t2m, data.t2m)
    assert scaler.scaled("t2m", 0.0) == -0.25


def test_scaling_is_by_variable():
    data = dataset()
    scaler = Scaler.fit(data, "the data", {"t2m": "standard", "tp": "minmax"}.get)
    scaled = scaler.transform(data)
    np.testing.assert_allclose(scaled.t2m.mean(), 0, atol=1e-5)
    np.testing.assert_allclose([scaled.tp.min(), scaled.tp.max()], [0, 1], atol=1e-7)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("chunks", [None, {"time": 2}, {"time": 4, "y": 2, "x": 3}], ids=str)
def test_statistics_are_those_of_numpy(dtype, chunks):
    data = dataset(dtype)
    given = data if chunks is None else data.chunk(chunks)
    statistics = Scaler.fit(given, "the data").statistics
    for name, variable in data.items():
        values = variable.to_numpy().astype("f8")
        moments = [np.nanmean(values), np.nanstd(values)]
        extremes = [np.nanmin(values), np.nanmax(values)]
        expected = [*moments, *moments, *extremes, np.isfinite(values).mean()]
        np.testing.assert_allclose(statistics[name], expected, rtol=1e-12)
        assert statistics[name].dtype == np.float64
    xr.testing.assert_identical(given.compute(), dataset(dtype))


def test_sums_are_in_double_precision():
    # 200,000 values about 100,000 Pa: summed in float32, the mean would be off by several Pa
    pressure = np.random.default_rng(0).normal(1e5, 300, 200_000).astype("f4")
    data = column(pressure, "sp").chunk(time=50_000)
    mean, std, *_ = Scaler.fit(data, "the data").statistics["sp"].to_numpy()
    np.testing.assert_allclose(mean, pressure.astype("f8").mean(), rtol=1e-10)
    np.testing.assert_allclose(std, pressure.astype("f8").std(), rtol=1e-8)


def test_statistics_are_computed_in_one_pass():
    passes = []

    def counting(graph, keys, **kwargs):
        passes.append(1)
        return dask.get(graph, keys, **kwargs)

    with dask.config.set(scheduler=counting):
        Scaler.fit(dataset().chunk(time=2), "the data")
    assert len(passes) == 1


def test_scalar_coordinates_do_no_harm():
    data = dataset().assign_coords(number=0, step=np.timedelta64(0, "ns"))
    actual = Scaler.fit(data, "the data").statistics["t2m"].to_numpy()
    expected = Scaler.fit(dataset(), "the data").statistics["t2m"].to_numpy()
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            [np.nan] * 3,
            r"'t2m' of the LR data to have values, got NaN everywhere\. Leave it out, or",
        ),
        (
            [1.0, np.inf, 2.0],
            r"infinite values\. Mask them with \.where\(abs\(ds\['t2m'\]\) < limit",
        ),
        ([1.0, -np.inf, 2.0], r"finite where it is not NaN, got infinite values"),
        ([1.0, -np.inf, np.inf], r"finite where it is not NaN, got infinite values"),
        ([5.0, 5.0, 5.0], r"'t2m' of the LR data to vary, got the constant 5\. Leave it out"),
        ([0.0, 0.0, np.nan], r"to vary, got the constant 0"),
        ([False, False], r"to vary, got the constant 0"),
        # neighbours in float32: 280 and the next number, 3e-5 away
        (
            np.float32([280, 280.00003]),
            r"'t2m' of the LR data to vary by more than rounding in float32, got a standard"
            r" deviation of 1\.53e-05 beside values of 280\.000031\. Leave it out if it is"
            r" constant, or subtract an offset, such as 280\.000015, first\.",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_unusable_variables_are_told(values, message):
    with pytest.raises(VariableError, match=message):
        Scaler.fit(column(values), "the LR data")


@pytest.mark.parametrize(
    "values", [[1e-9, 2e-9], [1e5, 1e5 + 1], [-3.0, -3.01], [0, 1], [True, False]]
)
def test_small_variability_is_taken(values):
    mean, std, *_ = Scaler.fit(column(values), "the LR data").statistics["t2m"].to_numpy()
    np.testing.assert_allclose([mean, std], [np.mean(values), np.std(values)])


# --- transform and inverse ------------------------------------------------------------------


def test_standardized_by_hand():
    scaler = Scaler.fit(column([1.0, 5.0]), "the data")  # mean 3, std 2
    actual = scaler.transform(column([3.0, 7.0, np.nan, -1.0]))["t2m"]
    np.testing.assert_array_equal(actual.to_numpy().ravel(), np.float32([0, 2, np.nan, -2]))
    back = scaler.inverse(column([0.0, 2.0, np.nan, -2.0]))["t2m"]
    np.testing.assert_array_equal(back.to_numpy().ravel(), np.float32([3, 7, np.nan, -1]))


@given(
    mean=st.floats(-1e3, 1e3),
    std=st.floats(1, 1e3),
    seed=st.integers(0, 99),
    missing=st.floats(0, 0.5),
)
def test_inverse_undoes_transform(mean, std, seed, missing):
    rng = np.random.default_rng(seed)
    values = rng.normal(mean, std, 30)
    values[2:][rng.random(28) < missing] = np.nan
    data = column(values.astype("f4"))
    scaler = Scaler.fit(data, "the data")
    standardized = scaler.transform(data)
    np.testing.assert_allclose(standardized["t2m"].mean(), 0, atol=1e-3)
    np.testing.assert_allclose(standardized["t2m"].std(), 1, rtol=1e-3)
    xr.testing.assert_allclose(scaler.inverse(standardized), data, atol=2e-4 + 1e-6 * abs(mean))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i2", "u1", "i8", "?"])
def test_any_number_becomes_float32(dtype):
    # in the arithmetic of float16, whose numbers at 280 are 0.25 apart, a mean of 280.1 is 280
    values = np.random.default_rng(0).normal(280 if dtype != "u1" else 100, 5, 40)
    data = column((values > 280) if dtype == "?" else values.astype(dtype))
    wide = data["t2m"].astype("f8")
    scaler = Scaler.fit(data, "the data")
    actual = scaler.transform(data)
    assert actual["t2m"].dtype == np.float32
    expected = (wide - wide.mean()) / wide.std()
    np.testing.assert_allclose(actual["t2m"], expected, atol=1e-5)
    back = scaler.inverse(actual)["t2m"]
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, wide, atol=1e-4)


def test_dask_equals_numpy_and_stays_lazy():
    data = dataset()
    scaler = Scaler.fit(data, "the data")
    expected = scaler.transform(data)
    with no_compute():
        lazy = scaler.transform(data.chunk(time=2, y=2))
        back = scaler.inverse(lazy)
    assert lazy["t2m"].chunks == data.chunk(time=2, y=2)["t2m"].chunks
    xr.testing.assert_allclose(lazy.compute(), expected)
    assert back["t2m"].dtype == np.float32
    xr.testing.assert_allclose(back.compute(), data, atol=1e-4)


def test_variables_are_looked_up_by_name():
    scaler = Scaler.fit(dataset(), "the data")
    swapped = scaler.transform(dataset()[["tp", "t2m"]])
    xr.testing.assert_equal(swapped, scaler.transform(dataset()))
    alone = scaler.transform(dataset()[["tp"]])
    xr.testing.assert_equal(alone["tp"], swapped["tp"])


def test_an_unknown_variable_is_told():
    scaler = Scaler.fit(dataset(), "the data")
    for method in (scaler.transform, scaler.inverse):
        with pytest.raises(VariableError, match=r"fitted, got 't2n'\. Did you mean 't2m'\?"):
            method(dataset().rename(t2m="t2n"))


def test_masks_of_training_are_not_remembered():
    # defect 12 of DL4DS: its scaler kept the NaN of training and put them into predictions
    scaler = Scaler.fit(dataset(), "the data")
    whole = dataset().fillna(280)
    before = whole.copy(deep=True)
    assert not scaler.transform(whole)["t2m"].isnull().any()
    xr.testing.assert_allclose(scaler.inverse(scaler.transform(whole)), whole, atol=1e-4)
    xr.testing.assert_identical(whole, before)


# --- several scalers ------------------------------------------------------------------------


def test_merge_lets_the_other_win():
    # a target and its LR counterpart share the statistics of the target
    lr = Scaler.fit(dataset(seed=1), "the LR data")
    hr = Scaler.fit(dataset(seed=2)[["t2m"]].rename(t2m="tp").assign(q=dataset()["tp"]), "the HR")
    merged = lr.merge(hr).statistics
    assert set(merged) == {"t2m", "tp", "q"}
    for name, source in (("t2m", lr), ("tp", hr), ("q", hr)):
        xr.testing.assert_equal(merged[name], source.statistics[name])
    assert set(lr.statistics) == {"t2m", "tp"}


def test_missing_values_are_told_by_name():
    scaler = Scaler.fit(dataset(), "the data")
    assert scaler.has_missing(["t2m"])
    assert scaler.has_missing(["tp", "t2m"])
    assert not scaler.has_missing(["tp"])
    assert not scaler.has_missing([])


def test_one_missing_cell_of_many_counts():
    values = np.random.default_rng(0).normal(size=100_000)
    values[77] = np.nan
    assert Scaler.fit(column(values).chunk(time=9999), "the data").has_missing(["t2m"])
    assert not Scaler.fit(column(values).fillna(0).chunk(time=9999), "x").has_missing(["t2m"])

import dask
import numpy as np
import pytest
import xarray as xr

from tests.conftest import no_compute
from xr_dl4ds.metrics import pair_statistics
from xr_dl4ds.metrics.pair_statistics import PairStatistics

DIMS = ("time", "y", "x")
NAMES = ("bias", "mae", "mse", "covariance")


def pair(missing=0.2):
    """Prediction with members and truth, float32, each with NaN, and weights of cells."""
    rng = np.random.default_rng(0)
    truth = 280 + 5 * rng.standard_normal((7, 4, 6))
    prediction = truth + rng.standard_normal((2, 7, 4, 6))
    prediction[rng.random(prediction.shape) < missing] = np.nan
    truth[:, 0, 0] = np.nan
    weights = xr.DataArray(rng.random((4, 6)) + 0.5, dims=("y", "x"))
    return (
        xr.DataArray(prediction.astype("f4"), dims=("realization", *DIMS)),
        xr.DataArray(truth.astype("f4"), dims=DIMS),
        weights,
    )


def by_hand(prediction, truth, weights):
    """The statistics of one-dimensional arrays, by NumPy's weighted functions."""
    valid = ~(np.isnan(prediction) | np.isnan(truth))
    p, t, w = (one[valid].astype("f8") for one in (prediction, truth, weights))
    covariance = np.cov(p, t, aweights=w, ddof=0)
    error = [np.average(e, weights=w) for e in (p - t, abs(p - t), (p - t) ** 2)]
    means = [np.average(one, weights=w) for one in (p, t)]
    return [*error, *means, covariance[0, 0], covariance[1, 1], covariance[0, 1]]


def rows(found):
    parts = [found.bias, found.mae, found.mse, *found.means, *found.variances, found.covariance]
    return xr.concat(parts, "row")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("piece", [2**17, 10, 1])
def test_equal_to_numpy(monkeypatch, weighted, piece):
    monkeypatch.setattr(pair_statistics, "PIECE", piece)
    prediction, truth, weights = pair()
    full = xr.ones_like(truth, dtype="f8") * (weights if weighted else 1)
    found = rows(PairStatistics.of(prediction, truth, DIMS, weights if weighted else None))
    for member in range(2):
        one = prediction[member].to_numpy().ravel()
        expected = by_hand(one, truth.to_numpy().ravel(), full.to_numpy().ravel())
        np.testing.assert_allclose(found.isel(realization=member), expected, rtol=1e-12)


@pytest.mark.parametrize("dims", [("time",), ("y", "x"), DIMS, ("realization", *DIMS), ()])
@pytest.mark.parametrize("weighted", [False, True])
def test_dask_is_lazy_and_equal_to_numpy(dims, weighted):
    prediction, truth, weights = pair()
    weights = weights if weighted else None
    expected = rows(PairStatistics.of(prediction, truth, dims, weights))
    lazy = prediction.chunk(realization=1, time=2, x=4), truth.chunk(time=3, y=2)
    with dask.config.set(scheduler=no_compute):
        found = rows(PairStatistics.of(*lazy, dims, weights))
    xr.testing.assert_allclose(found.compute(), expected, rtol=1e-11)


def test_members_keep_their_coordinates_and_missing_pairs_are_missing():
    prediction, truth, _ = pair()
    prediction = prediction.assign_coords(realization=[3, 4], time=np.arange(7), height=2.0)
    found = PairStatistics.of(prediction, truth.assign_coords(time=np.arange(7)), ["time"])
    assert found.bias.dims == ("realization", "y", "x")
    assert set(found.bias.coords) == {"realization", "height"}
    assert found.bias.isel(y=0, x=0).isnull().all()
    assert found.variances[0].isel(y=0, x=0).isnull().all()


@pytest.mark.parametrize("chunks", [{}, {"time": 3}])
def test_blocks_far_from_zero_lose_no_digits(chunks):
    # pressure on mountains: a range of 2 Pa, far from the mean of the whole field
    values = np.linspace(0, 2, 12)
    field = xr.DataArray(60_000 + values, dims="time")
    field = field.chunk(chunks) if chunks else field
    found = PairStatistics.of(field, 2 * field, ["time"])
    assert float(found.variances[0]) == pytest.approx(values.var(), rel=1e-9)
    assert float(found.correlation) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("chunks", [None, {"time": 2}])
def test_constants_have_no_variance(chunks):
    field = xr.DataArray(np.full(7, 0.1), dims="time")
    field = field if chunks is None else field.chunk(chunks)
    found = PairStatistics.of(field, field + np.arange(7), ["time"])
    assert float(found.variances[0]) == 0
    assert np.isnan(found.correlation)


def test_a_single_pair_and_none():
    found = PairStatistics.of(xr.DataArray(2.0), xr.DataArray(5.0), [])
    assert [float(getattr(found, name)) for name in NAMES] == [-3, 3, 9, 0]
    empty = xr.DataArray(np.zeros((0, 2)), dims=("time", "x"))
    assert PairStatistics.of(empty, empty, ["time"]).mse.isnull().all()


def test_blocks_are_merged_in_groups():
    # the statistics of all blocks of a map at once would need as much memory as the data
    field = xr.DataArray(np.zeros((64, 2)), dims=("time", "x")).chunk(time=1)
    graph = PairStatistics.of(field, field, ["time"]).mse.data.dask
    assert max(map(len, graph.get_all_dependencies().values())) <= 16


def test_infinite_values_give_no_warning(recwarn):
    field = xr.DataArray([1.0, np.inf, 2.0], dims="time")
    found = PairStatistics.of(field, xr.ones_like(field), ["time"])
    assert np.isinf(found.means[0])
    assert np.isnan(found.variances[0])
    assert not [w for w in recwarn if issubclass(w.category, RuntimeWarning)]

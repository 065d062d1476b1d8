import functools

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import no_compute
from xr_dl4ds.metrics.probabilistic import crps, rank_histogram, spread, spread_skill

ALL = ("time", "y", "x")
AREAS = xr.DataArray([1.0, 2.0, 0.5, 4.0], dims="y")


def drawn(members=5, shape=(3, 4, 6), seed=0, missing=0.0, dtype="f8"):
    """Members, in the middle, and a truth about a common signal, rounded so that some are equal."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=shape)
    ensemble = (signal[:, None] + rng.normal(size=(shape[0], members, *shape[1:]))).round(1)
    truth = (signal + rng.normal(size=shape)).round(1)
    ensemble[rng.random(ensemble.shape) < missing / members] = np.nan
    truth[rng.random(shape) < missing] = np.nan
    dims = ("time", "realization", "y", "x")
    return xr.DataArray(ensemble.astype(dtype), dims=dims), xr.DataArray(
        truth.astype(dtype), dims=ALL
    )


def _spread(ensemble, truth, dims, **kwargs):
    return spread(ensemble, dims, **kwargs)


SCORES = {
    "crps": crps,
    "spread": _spread,
    "spread_skill": spread_skill,
    "rank_histogram": rank_histogram,
}


def looped(name, ensemble, truth, weights):
    """The score over all valid cells, one after another."""
    members = ensemble.transpose(*ALL, "realization").to_numpy()
    values = truth.to_numpy()
    areas = weights.broadcast_like(truth).transpose(*ALL).to_numpy()
    m = members.shape[-1]
    total, scores, variance, error, ranks = 0.0, 0.0, 0.0, 0.0, np.zeros(m + 1)
    for at in np.ndindex(values.shape):
        x, y, area = members[at], values[at], areas[at]
        if np.isnan(x).any() or (np.isnan(y) and name != "spread"):
            continue
        total += area
        pairs = sum(abs(a - b) for a in x for b in x)
        scores += area * (sum(abs(x - y)) / m - pairs / (2 * m * (m - 1)))
        variance += area * sum((x - x.mean()) ** 2) / (m - 1)
        error += area * (x.mean() - y) ** 2
        low, high = sum(x < y), sum(x <= y)
        ranks[low : high + 1] += area / (high - low + 1)
    return {
        "crps": scores / total,
        "spread": (variance / total) ** 0.5,
        "spread_skill": ((m + 1) / m * variance / error) ** 0.5 if error else np.nan,
        "rank_histogram": ranks / total,
    }[name]


def test_hand_values():
    # one cell of weight 3: members 0 and 2, truth 3; one of weight 1: members 0 and 4, truth 2
    ensemble = xr.DataArray([[0.0, 2.0], [0.0, 4.0]], dims=("y", "realization"))
    truth, weights = xr.DataArray([3.0, 2.0], dims="y"), xr.DataArray([3.0, 1.0], dims="y")
    # (3 + 1) / 2 - 4 / 4 = 1 and (2 + 2) / 2 - 8 / 4 = 0
    assert float(crps(ensemble, truth, ["y"], weights=weights)) == 3 / 4
    # variances 2 and 8, squared errors of the mean 4 and 0
    assert float(spread(ensemble, ["y"], weights=weights)) == pytest.approx(3.5**0.5)
    ratio = spread_skill(ensemble, truth, ["y"], weights=weights)
    assert float(ratio) == pytest.approx((3 / 2 * 3.5 / 3) ** 0.5)
    # above both members, and in the middle
    ranks = rank_histogram(ensemble, truth, ["y"], weights=weights)
    np.testing.assert_allclose(ranks, [0, 1 / 4, 3 / 4])


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize(
    "weights", [AREAS, AREAS * xr.DataArray(np.arange(6.0), dims="x")], ids=["y", "y, x"]
)
@pytest.mark.parametrize("name", SCORES)
def test_weighted_scores_are_their_definitions(name, weights, missing, dtype):
    ensemble, truth = drawn(missing=missing, dtype=dtype)
    expected = looped(name, ensemble.astype("f8"), truth.astype("f8"), weights)
    actual = SCORES[name](ensemble, truth, ALL, weights=weights)
    assert actual.dtype == np.float64
    np.testing.assert_allclose(actual, expected, rtol=1e-10)
    for t in range(3):
        one = {"time": [t]}
        expected = looped(name, ensemble[one].astype("f8"), truth[one].astype("f8"), weights)
        over_cells = SCORES[name](ensemble, truth, ("y", "x"), weights=weights)[t]
        np.testing.assert_allclose(over_cells, expected, rtol=1e-10)


def test_weighted_crps_is_that_of_xskillscore():
    xskillscore = pytest.importorskip("xskillscore")
    ensemble, truth = drawn(2)
    weights = AREAS.broadcast_like(truth)
    theirs = xskillscore.crps_ensemble(
        truth, ensemble, member_dim="realization", dim=list(ALL), weights=weights
    )
    # theirs divides the pairs by 2 M**2 = 8, not by 2 M (M - 1) = 4
    pairs = 2 * abs(ensemble[:, 0] - ensemble[:, 1])
    expected = theirs - (pairs / 4 - pairs / 8).weighted(AREAS).mean(ALL)
    np.testing.assert_allclose(crps(ensemble, truth, ALL, weights=AREAS), expected, rtol=1e-10)


@given(st.lists(st.integers(0, 3), min_size=4, max_size=4).filter(any))
def test_whole_weights_are_numbers_of_equal_cells(counts):
    ensemble, truth = drawn()
    weights = xr.DataArray(np.array(counts, "f8"), dims="y")
    rows = {"y": np.repeat(range(4), counts)}
    for name, score in SCORES.items():
        expected = score(ensemble.isel(rows), truth.isel(rows), ALL)
        actual = score(ensemble, truth, ALL, weights=weights)
        np.testing.assert_allclose(actual, expected, rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("name", SCORES)
def test_weights_that_change_nothing(name):
    ensemble, truth = drawn(missing=0.2)
    score = functools.partial(SCORES[name], ensemble, truth)
    xr.testing.assert_allclose(score(ALL, weights=0 * AREAS + 3), score(ALL), rtol=1e-12)
    # neither over the dimension of the weights, nor over any
    for dims in (["time"], []):
        xr.testing.assert_identical(score(dims, weights=AREAS), score(dims))
    kept = ensemble.rename(realization="number")
    actual = SCORES[name](kept, truth, ALL, member="number", weights=AREAS)
    xr.testing.assert_identical(actual, score(ALL, weights=AREAS))


@pytest.mark.parametrize("name", SCORES)
def test_the_name_of_the_members_may_still_stand_last(name):
    ensemble, truth = drawn()
    other = ensemble.rename(realization="number")
    pair = (other,) if name == "spread" else (other, truth)
    function = spread if name == "spread" else SCORES[name]
    xr.testing.assert_identical(function(*pair, ALL, "number"), SCORES[name](ensemble, truth, ALL))


@pytest.mark.parametrize("lazy_weights", [False, True])
@pytest.mark.parametrize("chunks", [{"time": 2}, {"realization": 1, "y": 3}], ids=str)
@pytest.mark.parametrize("name", SCORES)
def test_lazy_in_lazy_out(name, chunks, lazy_weights):
    ensemble, truth = drawn(missing=0.2)
    weights = AREAS.chunk(y=2) if lazy_weights else AREAS
    expected = SCORES[name](ensemble, truth, ("time", "y"), weights=AREAS)
    with no_compute():
        actual = SCORES[name](
            ensemble.chunk(chunks), truth.chunk(time=1), ("time", "y"), weights=weights
        )
    assert dask.is_dask_collection(actual)
    xr.testing.assert_allclose(actual.compute(scheduler="sync"), expected)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", SCORES)
def test_no_valid_cell_or_no_weight_is_nan_without_a_warning(name):
    ensemble, truth = drawn()
    score = functools.partial(SCORES[name], weights=AREAS)
    assert score(ensemble.where(False), truth, ALL).isnull().all()
    if name != "spread":
        assert score(ensemble, truth.where(False), ["time", "y"]).isnull().all()
    assert SCORES[name](ensemble, truth, ALL, weights=0 * AREAS).isnull().all()


@pytest.mark.parametrize("name", SCORES)
def test_inputs_are_not_changed(name):
    given_arrays = (*drawn(missing=0.2), AREAS)
    copies = [one.copy(deep=True) for one in given_arrays]
    SCORES[name](*given_arrays[:2], ALL, weights=given_arrays[2])
    for one, copy in zip(given_arrays, copies, strict=True):
        xr.testing.assert_identical(one, copy)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=6), st.floats(-50, 50))
def test_the_fair_crps_is_never_negative(members, truth):
    # |x_i - x_j| <= |x_i - y| + |x_j - y|, summed over all pairs
    ensemble = xr.DataArray(members, dims="realization")
    assert float(crps(ensemble, xr.DataArray(truth), [])) >= -1e-12

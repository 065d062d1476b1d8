import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
import xskillscore as xs
from hypothesis import given

from tests.conftest import no_compute
from xr_dl4ds import metrics
from xr_dl4ds.exceptions import GridError

ALL = ("time", "y", "x")


def drawn(members=5, shape=(4, 3, 6), seed=0, scatter=1.0):
    """Members and a truth about a common signal; the members are in the middle."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=shape)
    ensemble = signal[:, :, None] + scatter * rng.normal(size=(*shape[:2], members, shape[2]))
    coords = {"time": np.arange(shape[0])}
    truth = xr.DataArray(signal + rng.normal(size=shape), coords, dims=ALL)
    return xr.DataArray(ensemble, coords, dims=("time", "y", "realization", "x")), truth


def rain(members=4, shape=(6, 5, 4), seed=1):
    """Mostly zeros, in members and truth alike."""
    ensemble, truth = drawn(members, shape, seed)
    return ensemble.clip(min=0.7).round(1) - 0.7, truth.clip(min=0.7).round(1) - 0.7


def looped_crps(members, truth):
    """The definition: all pairs, one value of the truth."""
    m = len(members)
    error = sum(abs(x - truth) for x in members) / m
    pairs = sum(abs(a - b) for a in members for b in members)
    return error - (pairs / (2 * m * (m - 1)) if m > 1 else 0)


def in_cells(ensemble, truth, function):
    members = ensemble.transpose(*truth.dims, "realization").to_numpy()
    values = truth.to_numpy()
    return np.array([function(members[at], values[at]) for at in np.ndindex(values.shape)]).reshape(
        values.shape
    )


# --- CRPS -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("members", [1, 2, 3, 8])
def test_crps_is_the_definition(members):
    ensemble, truth = drawn(members)
    expected = in_cells(ensemble, truth, looped_crps)
    actual = metrics.crps(ensemble, truth, [])
    assert set(actual.dims) == set(truth.dims)
    np.testing.assert_allclose(actual.transpose(*ALL), expected, atol=1e-12)
    assert float(metrics.crps(ensemble, truth, ALL)) == pytest.approx(expected.mean())
    over_time = metrics.crps(ensemble, truth, ["time"])
    np.testing.assert_allclose(over_time.transpose("y", "x"), expected.mean(0), atol=1e-12)


def test_crps_of_many_members_is_that_of_xskillscore():
    # theirs divides the pairs by M**2, which is fair for M without end alone
    ensemble, truth = drawn(6)
    theirs = xs.crps_ensemble(truth, ensemble, member_dim="realization", dim=[])
    pairs = in_cells(ensemble, truth, lambda x, _: np.abs(x[:, None] - x[None]).sum())
    expected = theirs - pairs * (1 / (2 * 6 * 5) - 1 / (2 * 6 * 6))
    actual = metrics.crps(ensemble, truth, []).transpose(*ALL)
    np.testing.assert_allclose(actual, expected, atol=1e-12)


def test_crps_does_not_reward_numbers():
    # members and truth of one normal distribution: sigma / sqrt(pi) whatever M; the unfair
    # estimate would be 1.5 times as much for two members
    for members in (2, 10):
        rng = np.random.default_rng(members)
        ensemble = xr.DataArray(rng.normal(size=(200_000, members)), dims=("t", "realization"))
        truth = xr.DataArray(rng.normal(size=200_000), dims="t")
        actual = float(metrics.crps(ensemble, truth, ["t"]))
        assert actual == pytest.approx(1 / np.sqrt(np.pi), rel=0.01)


@given(data=st.data(), shift=st.floats(-1e4, 1e4), factor=st.floats(1e-2, 1e2))
def test_crps_moves_with_the_data_and_not_with_the_order(data, shift, factor):
    values = st.lists(st.floats(-100, 100), min_size=1, max_size=6)
    members = np.array(data.draw(values))
    truth = xr.DataArray(data.draw(st.floats(-100, 100)))
    ensemble = xr.DataArray(members, dims="realization")
    score = float(metrics.crps(ensemble, truth, []))
    order = data.draw(st.permutations(range(len(members))))
    assert float(metrics.crps(ensemble[list(order)], truth, [])) == pytest.approx(score, abs=1e-9)
    moved = metrics.crps(factor * (ensemble + shift), factor * (truth + shift), [])
    assert float(moved) == pytest.approx(factor * score, rel=1e-6, abs=1e-6 * factor)
    assert float(metrics.crps(-ensemble, -truth, [])) == pytest.approx(score, abs=1e-9)


def test_crps_of_members_far_from_zero_keeps_its_digits():
    ensemble, truth = drawn()
    expected = metrics.crps(ensemble, truth, ALL)
    np.testing.assert_allclose(metrics.crps(ensemble + 1e6, truth + 1e6, ALL), expected, rtol=1e-8)


def test_the_name_of_the_members_is_the_callers():
    ensemble, truth = drawn()
    expected = metrics.crps(ensemble, truth, ALL)
    xr.testing.assert_equal(
        metrics.crps(ensemble.rename(realization="number"), truth, ALL, member="number"), expected
    )


# --- spread ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("members", [2, 5])
def test_spread_and_skill_are_their_formulas(members):
    ensemble, truth = drawn(members, scatter=0.5)
    values = ensemble.to_numpy()
    spread = np.sqrt(values.var(axis=2, ddof=1).mean())
    error = np.sqrt(((values.mean(axis=2) - truth.to_numpy()) ** 2).mean())
    assert float(metrics.spread(ensemble, ALL)) == pytest.approx(spread)
    expected = np.sqrt((members + 1) / members) * spread / error
    assert float(metrics.spread_skill(ensemble, truth, ALL)) == pytest.approx(expected)


def test_spread_and_skill_agree_where_the_truth_might_be_a_member():
    ensemble, truth = drawn(3, (50, 40, 50))
    assert float(metrics.spread_skill(ensemble, truth, ALL)) == pytest.approx(1, abs=0.02)


@pytest.mark.filterwarnings("error")
def test_one_member_has_no_spread():
    ensemble, truth = drawn(1)
    assert np.isnan(metrics.spread(ensemble, ALL))
    assert np.isnan(metrics.spread_skill(ensemble, truth, ALL))
    np.testing.assert_allclose(metrics.crps(ensemble, truth, ALL), abs(ensemble - truth).mean())


# --- ranks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dims", [ALL, ("time", "x")])
def test_ranks_without_ties_are_those_of_xskillscore(dims):
    ensemble, truth = drawn(4)
    counts = xs.rank_histogram(truth, ensemble, dim=list(dims), member_dim="realization")
    actual = metrics.rank_histogram(ensemble, truth, dims)
    assert actual.dims[-1] == "rank"
    assert list(actual["rank"].to_numpy()) == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(actual, counts / counts.sum("rank"))


def test_ties_are_spread_evenly():
    ensemble, truth = rain()
    members, values = ensemble.transpose(*ALL, "realization").to_numpy(), truth.to_numpy()
    expected = np.zeros(5)
    for at in np.ndindex(values.shape):
        low, ties = (members[at] < values[at]).sum(), (members[at] == values[at]).sum()
        expected[low : low + ties + 1] += 1 / (ties + 1)
    assert (members == values[..., None]).all(axis=-1).any()
    actual = metrics.rank_histogram(ensemble, truth, ALL)
    np.testing.assert_allclose(actual, expected / truth.size)
    np.testing.assert_allclose(actual.sum(), 1)
    # drawing one of the ranks by chance comes to the same
    drawn_ranks = sum(
        xs.rank_histogram(truth, ensemble, dim=list(ALL), member_dim="realization").to_numpy()
        for _ in range(300)
    )
    np.testing.assert_allclose(actual, drawn_ranks / drawn_ranks.sum(), atol=0.02)


def test_a_dry_ensemble_where_it_is_dry_is_flat():
    truth = xr.zeros_like(rain()[1])
    ensemble = truth.expand_dims(realization=3)
    np.testing.assert_allclose(metrics.rank_histogram(ensemble, truth, ALL), [0.25] * 4)


# --- correlation of members -----------------------------------------------------------------------


@pytest.mark.parametrize("members", [2, 5])
@pytest.mark.parametrize("dims", [ALL, ("y", "x")])
def test_correlation_is_the_mean_over_pairs(members, dims):
    ensemble, _ = drawn(members, scatter=0.7)
    one = ensemble.isel(realization=slice(1))
    pairs = [
        xr.corr(
            ensemble.isel(realization=i, drop=True), ensemble.isel(realization=j, drop=True), dims
        )
        for i in range(members)
        for j in range(i)
    ]
    actual = metrics.member_correlation(ensemble, dims)
    np.testing.assert_allclose(actual, sum(pairs) / len(pairs), rtol=1e-10)
    assert np.isnan(metrics.member_correlation(one, dims)).all()


def test_correlation_leaves_constant_members_out():
    ensemble, _ = drawn(4)
    expected = metrics.member_correlation(ensemble.isel(realization=slice(3)), ALL)
    flat = ensemble.where(ensemble.realization < 3, 2.0)
    np.testing.assert_allclose(metrics.member_correlation(flat, ALL), expected)
    assert np.isnan(metrics.member_correlation(xr.full_like(ensemble, 1.0), ALL))


def test_a_collapsed_ensemble_is_told():
    _, truth = drawn(4)
    same = truth.expand_dims(realization=4) * xr.DataArray([1, 2, 3, 4], dims="realization")
    np.testing.assert_allclose(metrics.member_correlation(same, ALL), 1)
    # of deviations from their mean, -1 / (M - 1) in expectation
    deviations = drawn(5, (50, 40, 50))[0] - drawn(5, (50, 40, 50))[0].mean("realization")
    assert float(metrics.member_correlation(deviations, ALL)) == pytest.approx(-0.25, abs=0.01)


# --- of all ---------------------------------------------------------------------------------------

SCORES = {
    "crps": metrics.crps,
    "spread_skill": metrics.spread_skill,
    "rank_histogram": metrics.rank_histogram,
    "spread": lambda ensemble, truth, dims: metrics.spread(ensemble, dims),
    "member_correlation": lambda ensemble, truth, dims: metrics.member_correlation(ensemble, dims),
}


@pytest.mark.sparse(3)
@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("chunks", [{"time": 3}, {"realization": 1, "time": 2, "x": 4}], ids=str)
@pytest.mark.parametrize("dims", [ALL, ("time",)], ids=str)
def test_lazy_in_lazy_out(name, chunks, dims):
    ensemble, truth = rain() if name == "rank_histogram" else drawn()
    expected = SCORES[name](ensemble, truth, dims)
    for low in (truth, truth.chunk(time=1)):
        with no_compute():
            actual = SCORES[name](ensemble.chunk(chunks), low, dims)
        assert actual.chunks is not None
        xr.testing.assert_allclose(actual.transpose(*expected.dims).compute(), expected)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", SCORES)
def test_cells_missing_anywhere_count_nowhere(name):
    ensemble, truth = drawn()
    score = SCORES[name]
    hidden = ensemble.copy()
    hidden[1:, 2, 3, 4] = np.nan  # of one member
    unknown = truth.copy()
    if name not in ("spread", "member_correlation"):  # which know no truth
        unknown[0, 0, 0] = np.nan
    valid = unknown.notnull() & hidden.notnull().all("realization")
    cells = valid.stack(cell=ALL)
    kept = {"cell": np.flatnonzero(cells.to_numpy())}
    flat = [d.stack(cell=ALL).isel(kept).reset_index("cell") for d in (ensemble, truth)]
    expected = score(*flat, ["cell"])
    np.testing.assert_allclose(score(hidden, unknown, ALL), expected, rtol=1e-10)
    # a cell that is never valid has no score, and no warning
    never = score(hidden.where(False), truth.where(False), ["time"])
    assert never.isnull().all()


@pytest.mark.parametrize("name", SCORES)
def test_arguments_are_not_changed(name):
    ensemble, truth = drawn()
    copies = ensemble.copy(deep=True), truth.copy(deep=True)
    SCORES[name](ensemble, truth, ALL)
    xr.testing.assert_identical(ensemble, copies[0])
    xr.testing.assert_identical(truth, copies[1])


@pytest.mark.parametrize("name", SCORES)
def test_a_prediction_without_members_is_told(name):
    ensemble, truth = drawn()
    with pytest.raises(GridError, match=r"along 'realization', got .*'time', 'y', 'x'.*Pass membe"):
        SCORES[name](ensemble.isel(realization=0), truth, ALL)


@pytest.mark.parametrize("name", ["crps", "spread_skill", "rank_histogram"])
def test_a_truth_that_does_not_belong_is_told(name):
    ensemble, truth = drawn()
    with pytest.raises(GridError, match=r"truth without members, got 5 along 'realization'"):
        SCORES[name](ensemble, ensemble, ALL)
    later = truth.assign_coords(time=truth.time + 1)  # xarray would score three of four times
    with pytest.raises(GridError, match=r"same coordinates, got other ones along \['time'\]"):
        SCORES[name](ensemble, later, ALL)

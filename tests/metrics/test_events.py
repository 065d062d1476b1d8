import functools

import dask
import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis.extra.numpy import arrays

from tests.conftest import no_compute
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.metrics.events import brier, reliability
from xr_dl4ds.metrics.probabilistic import crps

ALL = ("time", "y", "x")
AREAS = xr.DataArray([1.0, 2.0, 0.5, 4.0], dims="y")
SCORES = {"brier": brier, "reliability": reliability}
MORE = {"brier": {"fair": False}, "reliability": {"bins": 2}}


def drawn(members=5, shape=(6, 4, 5), seed=0, missing=0.0):
    """Members, in the middle, and a truth about a common signal, in float32."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=shape)
    ensemble = signal[:, :, None] + rng.normal(size=(*shape[:2], members, shape[2]))
    truth = signal + rng.normal(size=shape)
    ensemble[rng.random(ensemble.shape) < missing / members] = np.nan
    truth[rng.random(shape) < missing] = np.nan
    dims = ("time", "y", "realization", "x")
    return xr.DataArray(ensemble.astype("f4"), dims=dims), xr.DataArray(
        truth.astype("f4"), dims=ALL
    )


def cases(ensemble, truth, threshold, weights=None):
    """For each valid cell: members with the event, the event in the truth, the weight."""
    members = ensemble.transpose(*ALL, "realization").to_numpy()
    values = truth.to_numpy()
    areas = np.ones(values.shape) if weights is None else weights.broadcast_like(truth)
    areas = np.asarray(areas if weights is None else areas.transpose(*ALL))
    out = []
    for at in np.ndindex(values.shape):
        if not (np.isnan(values[at]) or np.isnan(members[at]).any()):
            count = sum(float(x) >= threshold for x in members[at])
            out.append((count, float(values[at]) >= threshold, areas[at]))
    return out


def looped_brier(found, m, fair):
    score = total = 0.0
    for i, event, area in found:
        one = (i / m - event) ** 2 - (i * (m - i) / (m**2 * (m - 1)) if fair else 0)
        score, total = score + area * one, total + area
    return score / total


def looped_reliability(found, m, bins):
    total = sum(area for *_, area in found)
    rows = []
    for k in range(bins):
        # the edges in whole numbers: k / bins <= i / m < (k + 1) / bins
        inside = [c for c in found if k * m <= c[0] * bins < (k + 1) * m]
        inside += [c for c in found if c[0] == m and k == bins - 1]
        area = sum(a for *_, a in inside)
        rows.append(
            [sum(e * a for _, e, a in inside) / area, sum(i / m * a for i, _, a in inside) / area]
            if inside
            else [np.nan, np.nan]
        )
        rows[-1].append(area / total)
    return np.array(rows).T


# --- Brier score ----------------------------------------------------------------------------------


def test_hand_values():
    # at or above 1: in 1 of 4 members and in the truth; in 2 of 4 and not in the truth
    ensemble = xr.DataArray([[0, 1.0, 0, 0], [5, 0, 1, 0.5]], dims=("time", "realization"))
    truth = xr.DataArray([1.0, 0.9], dims="time")
    plain = brier(ensemble, truth, 1.0, [], fair=False)
    np.testing.assert_allclose(plain, [(1 / 4 - 1) ** 2, (2 / 4) ** 2])
    # i (M - i) / (M**2 (M - 1)) = 3 / 48 and 4 / 48 are subtracted
    np.testing.assert_allclose(brier(ensemble, truth, 1.0, []), plain - [3 / 48, 4 / 48])
    assert float(brier(ensemble, truth, 1.0, ["time"])) == pytest.approx((0.5 + 1 / 6) / 2)
    assert float(brier(ensemble, truth, 6.0, ["time"])) == 0  # no event, and none predicted


@pytest.mark.parametrize("fair", [True, False])
@pytest.mark.parametrize("dims", [ALL, ("y", "x")], ids=str)
def test_brier_is_that_of_xskillscore(dims, fair):
    xskillscore = pytest.importorskip("xskillscore")
    ensemble, truth = drawn()
    event, events = (truth >= 0.4).astype("f8"), (ensemble >= 0.4).astype("f8")
    expected = xskillscore.brier_score(
        event, events, member_dim="realization", dim=list(dims), fair=fair
    )
    actual = brier(ensemble, truth, 0.4, dims, fair=fair)
    assert actual.dtype == np.float64
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_brier_is_that_of_properscoring():
    properscoring = pytest.importorskip("properscoring")
    ensemble, truth = drawn()
    members = ensemble.transpose(*ALL, "realization").to_numpy()
    expected = properscoring.threshold_brier_score(truth.to_numpy(), members, 0.4)
    np.testing.assert_allclose(brier(ensemble, truth, 0.4, [], fair=False), expected, rtol=1e-12)


@pytest.mark.parametrize("fair", [True, False])
@pytest.mark.parametrize("weights", [None, AREAS], ids=["equal", "areas"])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_brier_is_its_formula(missing, weights, fair):
    ensemble, truth = drawn(missing=missing)
    expected = looped_brier(cases(ensemble, truth, 0.4, weights), 5, fair)
    actual = brier(ensemble, truth, 0.4, ALL, weights=weights, fair=fair)
    assert float(actual) == pytest.approx(expected, rel=1e-12)


def test_brier_does_not_reward_numbers():
    # members and truth of one distribution, an event of 30 %: p (1 - p) whatever M
    rng = np.random.default_rng(0)
    truth = xr.DataArray(rng.random(200_000), dims="t")
    for members in (2, 8):
        ensemble = xr.DataArray(rng.random((200_000, members)), dims=("t", "realization"))
        assert float(brier(ensemble, truth, 0.7, ["t"])) == pytest.approx(0.21, rel=0.02)
        plain = float(brier(ensemble, truth, 0.7, ["t"], fair=False))
        assert plain == pytest.approx(0.21 * (1 + 1 / members), rel=0.02)


def test_a_single_member_is_right_or_wrong():
    ensemble, truth = drawn(1)
    expected = ((ensemble >= 0).isel(realization=0) != (truth >= 0)).mean()
    for fair in (True, False):
        assert float(brier(ensemble, truth, 0.0, ALL, fair=fair)) == float(expected)


@given(
    members=arrays("f8", st.integers(1, 6), elements=st.integers(0, 8).map(float)),
    truth=st.integers(0, 8),
)
def test_the_integral_over_thresholds_is_the_crps(members, truth):
    ensemble, true = xr.DataArray(members, dims="realization"), xr.DataArray(float(truth))
    scores = [float(brier(ensemble, true, t + 0.5, [])) for t in range(8)]  # constant in between
    assert sum(scores) == pytest.approx(float(crps(ensemble, true, [])), abs=1e-12)
    assert min(scores) >= 0
    assert max(scores) <= 1


def test_values_at_the_threshold_belong_to_the_event_in_any_dtype():
    # 0.7 in float32 is below 0.7 in float64: both are the same number to the user
    ensemble = xr.DataArray(np.array([0.7, 0.6], "f4"), dims="realization")
    for threshold in (0.7, np.float64(0.7)):
        assert float(brier(ensemble, xr.DataArray(0.7), threshold, [], fair=False)) == 0.25
    counts = xr.DataArray(np.array([3, 2], "u1"), dims="realization")
    assert float(brier(counts, xr.DataArray(np.uint8(3)), 3, [], fair=False)) == 0.25


# --- reliability ----------------------------------------------------------------------------------


def test_bins_by_hand():
    # probabilities 0, 1/4, 1/2, 3/4, 1, 1 with two bins: 1/2 belongs to the upper bin, and 1 too
    counts = [0, 1, 2, 3, 4, 4]
    ensemble = xr.DataArray(
        [[1.0] * i + [0.0] * (4 - i) for i in counts], dims=("t", "realization")
    )
    truth = xr.DataArray([0, 1, 0, 1, 1, 0], dims="t")
    actual = reliability(ensemble, truth, 1.0, ["t"], bins=2)
    np.testing.assert_allclose(actual.probability, [0.25, 0.75])
    np.testing.assert_allclose(actual.observed, [1 / 2, 2 / 4])
    np.testing.assert_allclose(actual.forecast, [0.25 / 2, 3.25 / 4])
    np.testing.assert_allclose(actual.share, [2 / 6, 4 / 6])
    # M + 1 bins: one for each probability
    actual = reliability(ensemble, truth, 1.0, ["t"], bins=5)
    np.testing.assert_allclose(actual.forecast, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(actual.share * 6, [1, 1, 1, 1, 2])
    # more of them: some stay empty
    actual = reliability(ensemble, truth, 1.0, ["t"])
    np.testing.assert_allclose(actual.share * 6, [1, 0, 1, 0, 0, 1, 0, 1, 0, 2])
    empty = actual.share == 0
    for name in ("observed", "forecast"):
        np.testing.assert_array_equal(actual[name].isnull(), empty)


@pytest.mark.parametrize("members", [1, 3, 7, 10, 29])
def test_probabilities_at_edges_do_not_depend_on_rounding(members):
    # 3 / 10 * 10 or 0.29 * 100 would round to one bin too low or high
    ensemble = xr.DataArray(np.tri(members + 1, members, -1), dims=("t", "realization"))
    truth = xr.zeros_like(ensemble[:, 0])
    actual = reliability(ensemble, truth, 1.0, ["t"], bins=members)
    counts = np.array([1.0] * members)
    counts[-1] += 1
    np.testing.assert_allclose(actual.share * (members + 1), counts)


@pytest.mark.parametrize("weights", [None, AREAS], ids=["equal", "areas"])
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("bins", [1, 3, 6, 10])
def test_reliability_is_its_definition(bins, missing, weights):
    ensemble, truth = drawn(missing=missing)
    actual = reliability(ensemble, truth, 0.4, ALL, weights=weights, bins=bins)
    found = looped_reliability(cases(ensemble, truth, 0.4, weights), 5, bins)
    for name, expected in zip(("observed", "forecast", "share"), found, strict=True):
        assert actual[name].dtype == np.float64
        np.testing.assert_allclose(actual[name], expected, rtol=1e-12)
    assert float(actual.share.sum()) == pytest.approx(1)


def test_reliability_is_that_of_xskillscore():
    xskillscore = pytest.importorskip("xskillscore")
    ensemble, truth = drawn(4)
    probability = (ensemble >= 0.4).mean("realization")
    edges = np.array([-0.1, 0.125, 0.375, 0.625, 0.875, 1.1])
    theirs = xskillscore.reliability(
        truth >= 0.4, probability, dim=["time", "x"], probability_bin_edges=edges
    )
    actual = reliability(ensemble, truth, 0.4, ["time", "x"], bins=5)
    assert actual.observed.dims == ("y", "probability")
    np.testing.assert_allclose(actual.observed, theirs.transpose("y", ...), rtol=1e-12)
    np.testing.assert_allclose(actual.share * 30, theirs.samples.transpose("y", ...), rtol=1e-12)


def test_the_parts_give_the_mean_frequency_and_probability():
    ensemble, truth = drawn(8, missing=0.2)
    actual = reliability(ensemble, truth, 0.4, ALL, bins=4)
    valid = truth.notnull() & ensemble.notnull().all("realization")
    event = (truth >= 0.4).where(valid).mean()
    probability = (ensemble >= 0.4).mean("realization").where(valid).mean()
    np.testing.assert_allclose((actual.share * actual.observed).sum(), event)
    np.testing.assert_allclose((actual.share * actual.forecast).sum(), probability)


def test_perfect_members_are_reliable():
    truth = drawn()[1]
    actual = reliability(truth.expand_dims(realization=3), truth, 0.4, ALL)
    np.testing.assert_allclose(actual.observed.dropna("probability"), [0, 1])
    np.testing.assert_allclose(actual.forecast.dropna("probability"), [0, 1])
    assert float(brier(truth.expand_dims(realization=3), truth, 0.4, ALL)) == 0


def test_attributes_say_what_it_is():
    actual = reliability(*drawn(), 0.4, ALL)
    for name in ("probability", "observed", "forecast", "share"):
        assert actual[name].attrs["units"] == "1"
        assert actual[name].attrs["long_name"]
    ensemble, truth = (one.assign_attrs(units="K") for one in drawn())
    assert brier(ensemble, truth, 0.4, ALL).attrs == {}


@pytest.mark.parametrize("bins", [0, -2])
def test_no_bins_are_told(bins):
    with pytest.raises(ValueError, match=rf"bins to be 1 or more, got {bins}"):
        reliability(*drawn(), 0.4, ALL, bins=bins)


# --- of both --------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [{"time": 3}, {"realization": 1, "x": 3}], ids=str)
@pytest.mark.parametrize("dims", [ALL, ("time",)], ids=str)
@pytest.mark.parametrize("name", SCORES)
def test_lazy_in_lazy_out(name, dims, chunks):
    ensemble, truth = drawn(missing=0.2)
    score = functools.partial(SCORES[name], weights=AREAS, **MORE[name])
    expected = score(ensemble, truth, 0.4, dims)
    for true in (truth, truth.chunk(time=4)):
        with no_compute():
            actual = score(ensemble.chunk(chunks), true, 0.4, dims)
        assert dask.is_dask_collection(actual)
        xr.testing.assert_allclose(actual.compute(scheduler="sync"), expected)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", SCORES)
def test_no_valid_cell_is_nan_without_a_warning(name):
    ensemble, truth = drawn()
    for pair in ((ensemble.where(False), truth), (ensemble, truth.where(False))):
        for weights in (None, AREAS):
            never = SCORES[name](*pair, 0.4, ["time", "y"], weights=weights)
            never = never.to_dataset(name="score") if name == "brier" else never
            assert all(one.isnull().all() for one in never.data_vars.values())


@pytest.mark.parametrize("name", SCORES)
def test_weights_and_order_that_change_nothing(name):
    ensemble, truth = drawn(missing=0.2)
    score = SCORES[name]
    expected = score(ensemble, truth, 0.4, ALL)
    xr.testing.assert_allclose(
        score(ensemble, truth, 0.4, ALL, weights=0 * AREAS + 3), expected, rtol=1e-12
    )
    over_time = score(ensemble, truth, 0.4, ["time"])
    xr.testing.assert_identical(score(ensemble, truth, 0.4, ["time"], weights=AREAS), over_time)
    other = ensemble.isel(realization=slice(None, None, -1)).rename(realization="number")
    xr.testing.assert_allclose(score(other, truth, 0.4, ALL, member="number"), expected)
    xr.testing.assert_allclose(score(ensemble + 5, truth + 5, 5.4, ALL), expected)


@pytest.mark.parametrize("name", SCORES)
def test_inputs_are_not_changed(name):
    pair = drawn(missing=0.2)
    copies = [one.copy(deep=True) for one in pair]
    SCORES[name](*pair, 0.4, ALL, weights=AREAS)
    for one, copy in zip(pair, copies, strict=True):
        xr.testing.assert_identical(one, copy)


@pytest.mark.parametrize("name", SCORES)
def test_what_does_not_belong_is_told(name):
    ensemble, truth = drawn()
    with pytest.raises(GridError, match=r"members along 'realization', got .* Pass member="):
        SCORES[name](truth, truth, 0.4, ALL)
    with pytest.raises(GridError, match=r"truth without members, got 5 along 'realization'"):
        SCORES[name](ensemble, ensemble, 0.4, ALL)
    early, late = ensemble.assign_coords(time=range(6)), truth.assign_coords(time=range(1, 7))
    with pytest.raises(GridError, match=r"same coordinates, got other ones along \['time'\]"):
        SCORES[name](early, late, 0.4, ALL)

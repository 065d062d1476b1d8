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
from xr_dl4ds.metrics import field_scores
from xr_dl4ds.metrics.field_scores import energy_score, pooled_crps, threshold_weighted_crps
from xr_dl4ds.metrics.probabilistic import crps

ALL = ("time", "y", "x")
PLANE = ("y", "x")
AREAS = xr.DataArray([1.0, 2.0, 0.5, 4.0], dims="y")


def drawn(members=6, shape=(3, 4, 5), seed=0, missing=0.0, dtype="f8"):
    """Members, in the middle, and a truth, of gamma distributions."""
    rng = np.random.default_rng(seed)
    truth = rng.gamma(0.8, 4.0, size=shape)
    ensemble = rng.gamma(0.8, 4.0, size=(shape[0], members, *shape[1:])) + 0.3
    ensemble[rng.random(ensemble.shape) < missing / members] = np.nan
    truth[rng.random(shape) < missing] = np.nan
    dims = ("time", "realization", "y", "x")
    return xr.DataArray(ensemble.astype(dtype), dims=dims), xr.DataArray(
        truth.astype(dtype), dims=ALL
    )


def of_scoringrules():
    """The data of the numbers that scoringrules gave, which lie in another order."""
    rng = np.random.default_rng(3)
    truth = rng.gamma(0.8, 4.0, size=(3, 4, 5))
    ensemble = rng.gamma(0.8, 4.0, size=(6, 3, 4, 5)) + 0.3
    return xr.DataArray(ensemble, dims=("realization", *ALL)), xr.DataArray(truth, dims=ALL)


def looped_crps(members, truth):
    """The definition, for one value: NaN if the truth or a member is missing."""
    m = len(members)
    pairs = sum(abs(a - b) for a in members for b in members)
    return sum(abs(x - truth) for x in members) / m - (pairs / (2 * m * (m - 1)) if m > 1 else 0)


def mean_of(values, weights):
    """The mean of arrays over valid values."""
    valid = ~np.isnan(values)
    return (values * weights)[valid].sum() / np.broadcast_to(weights, values.shape)[valid].sum()


# --- one tail -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("threshold", "tail", "mean", "cell"),
    [
        (2.0, "upper", 1.383574435423203, 8.29424166401782),
        (2.0, "lower", 0.30832686847725493, 0.2861160864869001),
        (6.0, "upper", 0.5692703197471762, 6.825985230576332),
        (6.0, "lower", 1.1226309841532822, 1.754372519928386),
    ],
)
def test_one_tail_is_that_of_scoringrules(threshold, tail, mean, cell):
    # scoringrules 0.10.0: twcrps_ensemble(..., estimator="fair") with a or b at the threshold
    ensemble, truth = of_scoringrules()
    actual = threshold_weighted_crps(ensemble, truth, threshold, [], tail=tail)
    assert float(actual.mean()) == pytest.approx(mean, rel=1e-10)
    assert float(actual[1, 2, 3]) == pytest.approx(cell, rel=1e-10)
    over_all = threshold_weighted_crps(ensemble, truth, threshold, ALL, tail=tail)
    assert float(over_all) == pytest.approx(mean, rel=1e-10)


@pytest.mark.parametrize("tail", ["upper", "lower"])
def test_one_tail_is_that_of_properscoring(tail):
    properscoring = pytest.importorskip("properscoring")
    ensemble, truth = drawn(missing=0.1)
    function = np.maximum if tail == "upper" else np.minimum
    members = function(ensemble.transpose(*ALL, "realization").to_numpy(), 3)
    theirs = properscoring.crps_ensemble(function(truth.to_numpy(), 3), members)
    pairs = np.abs(members[..., None] - members[..., None, :]).sum((-2, -1))
    # theirs divides the pairs by 2 M**2, and leaves missing members out
    expected = theirs - pairs * (1 / (2 * 6 * 5) - 1 / (2 * 6 * 6))
    actual = threshold_weighted_crps(ensemble, truth, 3.0, [], tail=tail)
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)


@given(
    members=arrays("f8", st.integers(1, 6), elements=st.floats(-50, 50)),
    truth=st.floats(-50, 50),
    threshold=st.floats(-60, 60),
)
def test_the_tails_add_up_to_the_crps(members, truth, threshold):
    ensemble, true = xr.DataArray(members, dims="realization"), xr.DataArray(truth)
    upper, lower = (
        float(threshold_weighted_crps(ensemble, true, threshold, [], tail=tail))
        for tail in ("upper", "lower")
    )
    assert upper + lower == pytest.approx(float(crps(ensemble, true, [])), abs=1e-9)
    assert min(upper, lower) >= -1e-9
    turned = threshold_weighted_crps(-ensemble, -true, -threshold, [], tail="lower")
    assert float(turned) == pytest.approx(upper, abs=1e-9)


def test_nothing_beyond_the_threshold_is_perfect():
    ensemble, truth = drawn()
    assert float(threshold_weighted_crps(ensemble, truth, 1e3, ALL)) == 0
    assert float(threshold_weighted_crps(ensemble, truth, -1e3, ALL, tail="lower")) == 0
    expected = crps(ensemble, truth, ALL)
    xr.testing.assert_allclose(threshold_weighted_crps(ensemble, truth, -1e3, ALL), expected)


@pytest.mark.parametrize("dtype", ["f4", "i2"])
def test_values_near_a_threshold_between_two_numbers_of_the_dtype(dtype):
    ensemble, truth = drawn()
    ensemble, truth = ensemble.astype(dtype), truth.astype(dtype)
    wide = threshold_weighted_crps(ensemble.astype("f8"), truth.astype("f8"), 3.3, ALL)
    xr.testing.assert_identical(threshold_weighted_crps(ensemble, truth, 3.3, ALL), wide)


def test_another_tail_is_told():
    with pytest.raises(ValueError, match="tail to be 'upper' or 'lower', got 'both'"):
        threshold_weighted_crps(*drawn(), 3.0, ALL, tail="both")


# --- blocks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, AREAS], ids=["equal", "areas"])
@pytest.mark.parametrize("pool", ["mean", "max"])
@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("missing", [0.0, 0.02])
def test_blocks_are_those_of_a_loop(missing, size, pool, weights):
    ensemble, truth = drawn(missing=missing)
    areas = np.ones((4, 5)) if weights is None else np.outer(weights, np.ones(5))
    members, values = ensemble.to_numpy(), truth.to_numpy()
    expected = np.empty((3, 4 // size, 5 // size))
    block_areas = np.empty(expected.shape)
    for t, j, i in np.ndindex(expected.shape):
        at = (slice(size * j, size * (j + 1)), slice(size * i, size * (i + 1)))
        area = areas[at]
        if pool == "mean":
            pooled = [(one[at] * area).sum() / area.sum() for one in (*members[t], values[t])]
        else:
            pooled = [one[at].max() for one in (*members[t], values[t])]
        expected[t, j, i] = looped_crps(pooled[:-1], pooled[-1])
        block_areas[t, j, i] = area.sum()
    score = functools.partial(pooled_crps, ensemble, truth, size, pool=pool, weights=weights)
    np.testing.assert_allclose(score([]), expected, rtol=1e-9, atol=1e-12)
    assert np.isnan(expected).any() == (missing > 0)
    assert float(score(ALL)) == pytest.approx(mean_of(expected, block_areas), rel=1e-9)
    over_time = [mean_of(v, 1.0) for v in expected.reshape(3, -1).T]
    np.testing.assert_allclose(score(["time"]).to_numpy().ravel(), over_time, rtol=1e-9)


def test_blocks_of_one_cell_are_cells():
    ensemble, truth = drawn(missing=0.1)
    for pool in ("mean", "max"):
        xr.testing.assert_allclose(
            pooled_crps(ensemble, truth, 1, ["time"], pool=pool), crps(ensemble, truth, ["time"])
        )


def test_one_block_has_the_score_of_the_area_mean():
    ensemble, truth = drawn()
    wide = {"y": slice(4), "x": slice(4)}
    ensemble, truth = ensemble.isel(wide), truth.isel(wide)
    weights = AREAS * xr.DataArray([1.0, 2.0, 3.0, 4.0], dims="x")
    means = [one.weighted(weights).mean(PLANE) for one in (ensemble, truth)]
    actual = pooled_crps(ensemble, truth, 4, ALL, weights=weights)
    np.testing.assert_allclose(actual, crps(*means, ["time"]), rtol=1e-10)


def test_blocks_tell_texture_from_noise():
    # fields of one value, and the same values shuffled over the members in each cell by itself
    rng = np.random.default_rng(0)
    truth = xr.DataArray(rng.normal(size=(400, 1, 1)) * np.ones((4, 4)), dims=ALL)
    values = rng.normal(size=(400, 8, 1, 1)) * np.ones((4, 4))
    ensemble = xr.DataArray(values, dims=("time", "realization", *PLANE))
    noise = ensemble.copy(data=rng.permuted(values, axis=1))
    for one in (ensemble, noise):
        assert float(crps(one, truth, ALL)) == pytest.approx(1 / np.sqrt(np.pi), rel=0.1)
    xr.testing.assert_allclose(crps(noise, truth, ALL), crps(ensemble, truth, ALL))
    for pool in ("mean", "max"):
        right, wrong = (pooled_crps(one, truth, 4, ALL, pool=pool) for one in (ensemble, noise))
        assert float(wrong) > 1.15 * float(right)


@pytest.mark.filterwarnings("error")
def test_blocks_larger_than_the_field_have_no_score():
    assert np.isnan(pooled_crps(*drawn(), 5, ALL))
    assert np.isnan(pooled_crps(*drawn(), 5, ALL, weights=AREAS))


def test_blocks_have_the_coordinates_of_their_centres():
    ensemble, truth = drawn()
    coords = {"y": [40.0, 39.0, 38.0, 37.0], "x": [0.0, 1.0, 2.0, 3.0, 4.0]}
    actual = pooled_crps(ensemble.assign_coords(coords), truth.assign_coords(coords), 2, ["time"])
    np.testing.assert_allclose(actual.y, [39.5, 37.5])
    np.testing.assert_allclose(actual.x, [0.5, 2.5])
    with pytest.raises(ValueError, match="align"):  # xarray would leave out cells
        pooled_crps(
            *(one.assign_coords(coords) for one in (ensemble, truth)),
            *(2, ALL),
            weights=AREAS.assign_coords(y=[1, 2, 3, 4]),
        )


def test_blocks_without_weight_are_left_out():
    ensemble, truth = drawn()
    expected = pooled_crps(ensemble.isel(y=slice(2)), truth.isel(y=slice(2)), 2, ALL)
    weights = xr.DataArray([1.0, 1.0, 0.0, 0.0], dims="y")
    for pool in ("mean", "max"):
        expected = pooled_crps(ensemble[:, :, :2], truth[:, :2], 2, ALL, pool=pool)
        actual = pooled_crps(ensemble, truth, 2, ALL, weights=weights, pool=pool)
        xr.testing.assert_allclose(actual, expected)


def test_other_pools_and_sizes_are_told():
    with pytest.raises(ValueError, match="pool to be 'mean' or 'max', got 'min'"):
        pooled_crps(*drawn(), 2, ALL, pool="min")
    with pytest.raises(ValueError, match="size to be 1 or more cells, got 0"):
        pooled_crps(*drawn(), 0, ALL)


# --- energy score ---------------------------------------------------------------------------------


def looped_energy(ensemble, truth, areas=None):
    """The definition, field by field, with all pairs of members."""
    members = ensemble.transpose("realization", *ALL).to_numpy().astype("f8")
    areas = np.ones(truth.shape[1:]) if areas is None else areas
    m, out = len(members), []
    for t, field in enumerate(truth.to_numpy().astype("f8")):
        valid = ~np.isnan(field) & ~np.isnan(members[:, t]).any(0)
        weight = areas[valid] / areas[valid].sum()
        flat, true = members[:, t][:, valid], field[valid]
        error = np.mean([np.sqrt(((x - true) ** 2 * weight).sum()) for x in flat])
        pairs = sum(np.sqrt(((a - b) ** 2 * weight).sum()) for a in flat for b in flat)
        out.append(error - (pairs / (2 * m * (m - 1)) if m > 1 else 0))
    return np.array(out)


def test_energy_score_is_that_of_scoringrules():
    # scoringrules 0.10.0: es_ensemble(..., estimator="fair") over the 20 cells, over sqrt(20)
    ensemble, truth = of_scoringrules()
    expected = [1.7712981013453268, 3.3175321828761017, 1.7409934324634795]
    assert float(energy_score(ensemble, truth)) == pytest.approx(np.mean(expected), rel=1e-10)
    for t, one in enumerate(expected):
        actual = energy_score(ensemble.isel(time=t), truth.isel(time=t))
        assert float(actual) == pytest.approx(one, rel=1e-10)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("members", [1, 2, 7])
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("along", [None, ("y",), ("x", "y")], ids=str)
def test_energy_score_is_its_definition(along, missing, members, dtype, monkeypatch):
    ensemble, truth = drawn(members, missing=missing, dtype=dtype)
    both = AREAS * xr.DataArray([3.0, 1.0, 2.0, 5.0, 1.0], dims="x")
    weights = {None: None, ("y",): AREAS, ("x", "y"): both.transpose("x", "y")}[along]
    areas = None if along is None else weights.broadcast_like(truth[0]).transpose(*PLANE).to_numpy()
    expected = looped_energy(ensemble, truth, areas).mean()
    for cells in (1, 10, 2**14):  # one row of the field, two rows, and all
        monkeypatch.setattr(field_scores, "_CELLS", cells)
        actual = energy_score(ensemble, truth, weights=weights)
        assert actual.dtype == np.float64
        assert actual.dims == ()
        assert float(actual) == pytest.approx(expected, rel=1e-12)


def test_energy_score_of_one_cell_is_the_crps():
    ensemble, truth = (one.isel(y=[0], x=[0]) for one in drawn())
    xr.testing.assert_allclose(energy_score(ensemble, truth), crps(ensemble, truth, ALL))


def test_energy_score_has_the_units_of_the_data_and_does_not_grow_with_the_domain():
    ensemble, truth = drawn()
    expected = float(energy_score(ensemble, truth))
    assert float(energy_score(10 * ensemble, 10 * truth)) == pytest.approx(10 * expected)
    twice = [xr.concat([one, one], "x") for one in (ensemble, truth)]
    assert float(energy_score(*twice)) == pytest.approx(expected)


def test_energy_score_of_a_single_member_is_the_rmse_of_fields():
    ensemble, truth = drawn(1)
    error = ((ensemble[:, 0] - truth) ** 2).mean(PLANE) ** 0.5
    xr.testing.assert_allclose(energy_score(ensemble, truth), error.mean())


@pytest.mark.parametrize("bias", [0.0, 1e3, 1e6])
def test_distances_of_members_keep_their_digits(bias):
    # members near each other and far from the truth, two of them equal: squares would cancel
    rng = np.random.default_rng(0)
    values = bias + rng.normal(size=(2, 5, 30, 40))
    values[:, 1] = values[:, 3]
    ensemble = xr.DataArray(values, dims=("time", "realization", *PLANE))
    truth = xr.DataArray(rng.normal(size=(2, 30, 40)), dims=ALL)
    expected = looped_energy(ensemble, truth).mean()
    actual = float(energy_score(ensemble, truth))
    assert actual == pytest.approx(expected, rel=1e-12, abs=1e-8)
    # a RMSE of 1e6 hides the distances, which are about 1: they are what is left of it
    error = float(energy_score(ensemble.isel(realization=[0]), truth))
    assert error > actual > error - 1


def test_fields_without_valid_cells_are_left_out():
    ensemble, truth = drawn()
    some = truth.where(xr.DataArray([True, False, True], dims="time"))
    expected = energy_score(ensemble.isel(time=[0, 2]), truth.isel(time=[0, 2]))
    xr.testing.assert_allclose(energy_score(ensemble, some), expected)
    no_weight = energy_score(ensemble, truth, weights=0 * AREAS)
    assert np.isnan(no_weight)


def test_weights_of_fields():
    ensemble, truth = drawn()
    weights = xr.DataArray([1.0, 0.0, 3.0], dims="time")
    of = looped_energy(ensemble, truth)
    actual = energy_score(ensemble, truth, weights=weights)
    assert float(actual) == pytest.approx((of[0] + 3 * of[2]) / 4)


def test_energy_score_does_not_reward_numbers():
    # members and truth of one distribution: the score is the same whatever M
    rng = np.random.default_rng(0)
    truth = xr.DataArray(rng.normal(size=(4000, 2, 2)), dims=ALL)
    dims = ("time", "realization", *PLANE)
    few, many = (
        float(energy_score(xr.DataArray(rng.normal(size=(4000, m, 2, 2)), dims=dims), truth))
        for m in (2, 12)
    )
    assert few == pytest.approx(many, rel=0.03)  # without fairness, 1.38 times as much


# --- of all ---------------------------------------------------------------------------------------


def _energy(ensemble, truth, dims, **kwargs):
    return energy_score(ensemble, truth, **kwargs)


def _tail(ensemble, truth, dims, **kwargs):
    return threshold_weighted_crps(ensemble, truth, 4.0, dims, **kwargs)


def _pooled(ensemble, truth, dims, **kwargs):
    return pooled_crps(ensemble, truth, 2, dims, **kwargs)


SCORES = {"energy": _energy, "tail": _tail, "pooled": _pooled}
SOME = {"energy": ALL, "tail": ("time", "y"), "pooled": ("time",)}


@pytest.mark.parametrize(
    "chunks", [{"time": 2}, {"realization": 1, "y": 3}, {"y": 1, "x": 3}], ids=str
)
@pytest.mark.parametrize("weights", [None, AREAS, AREAS.chunk(y=3)], ids=["equal", "areas", "lazy"])
@pytest.mark.parametrize("name", SCORES)
def test_lazy_in_lazy_out(name, weights, chunks):
    ensemble, truth = drawn(missing=0.1)
    more = {"pool": "max"} if name == "pooled" and chunks == {"time": 2} else {}
    score = functools.partial(SCORES[name], dims=SOME[name], weights=weights, **more)
    expected = score(ensemble, truth).compute()
    for true in (truth, truth.chunk(time=1)):
        with no_compute():
            actual = score(ensemble.chunk(chunks), true)
        assert dask.is_dask_collection(actual)
        actual = actual.compute(scheduler="sync")
        xr.testing.assert_allclose(actual.transpose(*expected.dims), expected)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", SCORES)
def test_no_valid_cell_is_nan_without_a_warning(name):
    ensemble, truth = drawn()
    for pair in ((ensemble.where(False), truth), (ensemble, truth.where(False))):
        for weights in (None, AREAS):
            assert SCORES[name](*pair, SOME[name], weights=weights).isnull().all()


@pytest.mark.parametrize("name", SCORES)
def test_perfect_members_have_no_error(name):
    truth = drawn(missing=0.1)[1]
    for members in (1, 3):
        assert float(SCORES[name](truth.expand_dims(realization=members), truth, ALL)) < 1e-12


@pytest.mark.parametrize("name", SCORES)
@given(values=arrays("f8", (5, 4, 4), elements=st.floats(0, 50, width=32)), shift=st.floats(0, 50))
def test_scores_are_never_negative(name, values, shift):
    # by the triangle inequality, which the fair estimate just meets
    ensemble = xr.DataArray(values[1:], dims=("realization", *PLANE))
    truth = xr.DataArray(values[0] + shift, dims=PLANE)
    assert float(SCORES[name](ensemble, truth, PLANE)) >= -1e-6


@pytest.mark.parametrize("name", SCORES)
def test_what_changes_nothing(name):
    ensemble, truth = drawn(missing=0.1)
    score = SCORES[name]
    expected = score(ensemble, truth, ALL)
    xr.testing.assert_allclose(score(ensemble, truth, ALL, weights=0 * AREAS + 3), expected)
    order = ensemble.isel(realization=[3, 0, 5, 1, 4, 2])
    xr.testing.assert_allclose(score(order, truth, ALL), expected)
    turned = ensemble.transpose("x", "realization", "time", "y"), truth.transpose("x", "time", "y")
    xr.testing.assert_allclose(score(*turned, ALL), expected)
    other = ensemble.rename(realization="number")
    xr.testing.assert_allclose(score(other, truth, ALL, member="number"), expected)
    if name != "tail":
        xr.testing.assert_allclose(score(ensemble + 7, truth + 7, ALL), expected)
        names = {"y": "lat", "x": "lon"}
        actual = score(
            *(ensemble.rename(names), truth.rename(names), ("time", "lat", "lon")),
            plane=("lat", "lon"),
        )
        xr.testing.assert_allclose(actual, expected)


@pytest.mark.parametrize("name", SCORES)
def test_inputs_are_not_changed(name):
    pair = (*drawn(missing=0.1), AREAS)
    copies = [one.copy(deep=True) for one in pair]
    SCORES[name](*pair[:2], ALL, weights=pair[2])
    for one, copy in zip(pair, copies, strict=True):
        xr.testing.assert_identical(one, copy)


@pytest.mark.parametrize("name", SCORES)
def test_what_does_not_belong_is_told(name):
    ensemble, truth = drawn()
    with pytest.raises(GridError, match=r"members along 'realization', got .* Pass member="):
        SCORES[name](truth, truth, ALL)
    with pytest.raises(GridError, match=r"truth without members, got 6 along 'realization'"):
        SCORES[name](ensemble, ensemble, ALL)
    early, late = ensemble.assign_coords(time=range(3)), truth.assign_coords(time=range(1, 4))
    with pytest.raises(GridError, match=r"same coordinates, got other ones along \['time'\]"):
        SCORES[name](early, late, ALL)
    if name != "tail":
        with pytest.raises(GridError, match=r"horizontal dimensions \('y', 'lon'\), got"):
            SCORES[name](ensemble, truth, ALL, plane=("y", "lon"))
        with pytest.raises(GridError, match=r"horizontal dimensions .*Pass plane="):
            SCORES[name](ensemble, truth.isel(x=0), ALL)

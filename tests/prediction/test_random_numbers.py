"""Random numbers of steps and members."""

import cftime
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from tests.conftest import no_compute
from xr_dl4ds.config import Scale
from xr_dl4ds.prediction.random_numbers import (
    BLOCK,
    MEMBER,
    NETWORK,
    centred,
    normal,
    seeds,
    step_keys,
)


def steps(times):
    return xr.DataArray(np.zeros((len(times), 2)), dims=("time", "x"), coords={"time": times})


# --- seeds and keys -------------------------------------------------------------------------------


def test_the_first_members_are_those_of_any_number():
    many = seeds(50, 7)
    assert seeds(3, 7) == many[:3]
    assert len({*many, *seeds(50, 8), *seeds(50, 2**40)}) == 150
    assert all(0 <= one < 2**32 for one in many)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_date_has_one_key_in_any_precision_and_class(unit):
    times = pd.date_range("1965-12-31T06", periods=3, freq="6h").as_unit(unit)
    actual = step_keys(steps(times), {})
    # four years and six hours before 1970, one of them leap: by hand
    before = -((4 * 365 + 1) * 24 + 24 - 6) * 3600 * 10**6
    assert actual.dims == ("time",)
    assert actual.dtype == np.uint64
    expected = [(before + i * 6 * 3600 * 10**6) % 2**64 for i in range(3)]
    assert actual.values.tolist() == expected
    same = xr.date_range("1965-12-31T06", periods=3, freq="6h", use_cftime=True)
    assert step_keys(steps(same), {}).values.tolist() == expected


def test_dates_far_away_and_of_other_calendars():
    far = pd.DatetimeIndex(np.array(["0850-01-01", "9000-01-01"], "M8[s]"))
    assert len(set(step_keys(steps(far), {}).values.tolist())) == 2
    days = [cftime.Datetime360Day(2001, 2, d) for d in (28, 29, 30)]
    keys = step_keys(steps(days), {}).values
    assert np.diff(keys).tolist() == [86400 * 10**6] * 2


@pytest.mark.parametrize("labels", [[3, 1, 2], [0.5, 0.25, 7.5], ["a", "b", "c"]], ids=str)
def test_other_labels_keep_their_keys_in_a_part(labels):
    whole = step_keys(steps(labels), {}).values
    assert len(set(whole.tolist())) == 3
    assert step_keys(steps(labels[1:]), {}).values.tolist() == whole[1:].tolist()


def test_steps_without_labels_have_their_positions():
    assert step_keys(xr.DataArray(np.zeros(3), dims="time"), {}).values.tolist() == [0, 1, 2]


def test_each_series_has_its_own_keys():
    data = steps(pd.date_range("2001", periods=3))
    series = [{}, {"number": 0}, {"number": 1}, {"member": 0}, {"number": 0, "step": 1}]
    keys = np.concatenate([step_keys(data, labels).values for labels in series])
    assert len(set(keys.tolist())) == keys.size
    other = step_keys(data, {"step": 1, "number": 0}).values  # in any order
    np.testing.assert_array_equal(other, keys[-3:])


def test_keys_are_chunked_as_their_steps():
    data = steps(pd.date_range("2001", periods=5)).chunk(time=(2, 1, 2))
    with no_compute():
        keys = step_keys(data, {})
    assert keys.chunks == ((2, 1, 2),)
    np.testing.assert_array_equal(keys, step_keys(data.compute(), {}))


# --- numbers --------------------------------------------------------------------------------------


def square(seed, key, stream, shape, channels=1):
    return normal(seed, key, stream, *map(np.arange, shape), channels)


def test_numbers_follow_from_seed_key_and_stream():
    shape = (4, 5)
    first = square(1, 2, NETWORK, shape)
    assert first.dtype == np.float32
    assert first.shape == (4, 5, 1)
    np.testing.assert_array_equal(square(1, 2, NETWORK, shape), first)
    # 2**32 more is another key, and no word slips into the next
    others = [(1, 2, MEMBER), (2, 1, NETWORK), (1, 2 + 2**32, NETWORK), (1, 2 * 2**32, NETWORK)]
    for seed, key, stream in [*others, (1, 2**64 - 1, NETWORK), (2**32 - 1, 2, NETWORK)]:
        assert np.abs(square(seed, key, stream, shape) - first).max() > 0.5


def test_numbers_are_standard_normal_and_independent_of_each_other():
    drawn = [square(s, k, MEMBER, (20, 25)).ravel() for s in range(5) for k in range(8)]
    drawn = np.stack(drawn)
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 1e-3
    correlation = np.corrcoef(drawn) - np.eye(40)
    assert np.abs(correlation).max() < 5 / np.sqrt(500)


def test_blocks_of_cells_are_independent_of_each_other():
    n = 4
    drawn = square(1, 2, MEMBER, (n * BLOCK, n * BLOCK), 2)
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 1e-3
    blocks = drawn.reshape(n, BLOCK, n, BLOCK, 2).transpose(0, 2, 4, 1, 3).reshape(2 * n * n, -1)
    correlation = np.corrcoef(blocks) - np.eye(2 * n * n)
    assert np.abs(correlation).max() < 5 / BLOCK
    assert np.unique(drawn).size > 0.99 * drawn.size


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (range(3, 9), range(2, 5)),
        (range(BLOCK - 2, BLOCK + 3), range(2 * BLOCK - 1, 2 * BLOCK + 1)),
        ([5], [2 * BLOCK]),
        (range(2 * BLOCK + 9), [148, 149, 0, 1, 2]),  # around the globe
        ([7, 3, 3, 8], [4, 6, 2 * BLOCK + 6, 7]),
        ([], range(3)),
    ],
    ids=str,
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_part_has_the_numbers_of_the_whole(rows, columns, channels):
    whole = square(9, 2**40, NETWORK, (2 * BLOCK + 9, 150), channels)
    rows, columns = np.array(rows, int), np.array(columns, int)
    actual = normal(9, 2**40, NETWORK, rows, columns, channels)
    assert actual.dtype == np.float32
    np.testing.assert_array_equal(actual, whole[rows][:, columns])


def test_only_blocks_that_are_touched_are_drawn():
    # a whole domain up to here would take a million million numbers
    far = np.arange(10**6, 10**6 + 3)
    first, second = (normal(1, 2, NETWORK, far + k, far, 1) for k in (0, 1))
    np.testing.assert_array_equal(second[:2], first[1:])


# --- blocks ---------------------------------------------------------------------------------------


def test_blocks_by_hand():
    noise = np.array([[1.0, 3.0, 0.0, 0.0], [5.0, 7.0, 2.0, 6.0]])
    valid = np.array([[True, True, False, False], [True, True, True, True]])
    # four cells about 4, sqrt(4/3); two about 4, sqrt(2)
    expected = [[-3, -1, 0, 0], [1, 3, -2, 2]] * np.sqrt([[4 / 3, 4 / 3, 2, 2]] * 2)
    np.testing.assert_allclose(centred(noise, valid, Scale.of(2)), expected, rtol=1e-12)


def test_a_cell_that_is_alone_has_no_freedom():
    valid = np.zeros((3, 3), bool)
    assert not centred(np.ones((3, 3)), valid, Scale.of(3)).any()
    valid[1, 2] = True
    assert not centred(np.ones((3, 3)), valid, Scale.of(3)).any()


@pytest.mark.parametrize("scale", [2, 3])
def test_blocks_have_no_sum_and_cells_are_standard_normal(scale):
    rng = np.random.default_rng(0)
    valid = rng.random((6, 12)) < 0.8
    drawn = np.stack(
        [
            centred(square(0, k, MEMBER, (6, 12))[..., 0], valid, Scale.of(scale))
            for k in range(3000)
        ]
    )
    sums = drawn.reshape(3000, 6 // scale, scale, 12 // scale, scale).sum((2, 4))
    np.testing.assert_allclose(sums, 0, atol=1e-6)
    assert not drawn[:, ~valid].any()
    cells = valid.reshape(6 // scale, scale, 12 // scale, scale).sum((1, 3))
    free = valid & (np.repeat(np.repeat(cells, scale, 0), scale, 1) > 1)
    assert free.sum() > 40
    p = [stats.kstest(drawn[:, y, x], "norm").pvalue for y, x in np.argwhere(free)]
    assert stats.kstest(p, "uniform").pvalue > 1e-3
    assert min(p) > 1e-4


@pytest.mark.parametrize("calendar", ["julian", "noleap", "360_day", "standard"])
def test_dates_of_the_general_class_of_cftime_have_keys(calendar):
    general = [cftime.datetime(2001, 1, day, calendar=calendar) for day in (1, 2)]
    own = xr.date_range("2001-01-01", periods=2, calendar=calendar, use_cftime=True)
    found, expected = (step_keys(steps(i), {}) for i in (xr.CFTimeIndex(general), own))
    np.testing.assert_array_equal(found, expected)

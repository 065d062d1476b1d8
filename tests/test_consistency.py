"""What rounding left over is taken away in physical units, block by block."""

import numpy as np
import pytest
import xarray as xr

from tests.conftest import no_compute
from xr_dl4ds.consistency import consistent

# one LR cell of 2 x 2 HR cells: cells, LR value, kind, what comes out
BLOCKS = {
    "additive adds the difference": ([[1, 2], [3, 6]], 5, "additive", [[3, 4], [5, 8]]),
    "additive knows no sign": ([[1, 2], [3, 6]], 0, "additive", [[-2, -1], [0, 3]]),
    "multiplicative takes the ratio": ([[1, 2], [3, 6]], 6, "multiplicative", [[2, 4], [6, 12]]),
    "softmax takes the ratio": ([[1, 2], [3, 6]], 1.5, "softmax", [[0.5, 1], [1.5, 3]]),
    "below zero is cut first": ([[-4, 0], [1, 3]], 2, "multiplicative", [[0, 0], [2, 6]]),
    "nothing stays nothing": ([[1, 2], [3, 6]], 0, "softmax", [[0, 0], [0, 0]]),
    "less than nothing is nothing": ([[1, 2], [3, 6]], -1, "multiplicative", [[0, 0], [0, 0]]),
    "nothing of nothing": ([[0, -1], [0, 0]], 0, "multiplicative", [[0, 0], [0, 0]]),
    "a masked LR cell is masked": ([[1, 2], [3, 6]], np.nan, "additive", [[np.nan] * 2] * 2),
}


def field(cells):
    return xr.DataArray(np.asarray(cells, "f4"), dims=("y", "x"))


@pytest.mark.parametrize("case", BLOCKS)
def test_one_block_by_hand(case):
    cells, value, kind, expected = BLOCKS[case]
    actual = consistent(field(cells), field([[value]]), None, 2, kind)
    assert actual.dtype == np.float32
    np.testing.assert_array_equal(actual, np.asarray(expected, "f4"))


@pytest.mark.parametrize("kind", ["multiplicative", "softmax"])
@pytest.mark.parametrize("valid", [None, [[True, False], [True, True]]])
def test_what_was_rounded_away_is_shared_out_evenly(kind, valid):
    cells, lr = field([[0, -1e-3], [0, 0]]), field([[1e-9]])
    actual = consistent(cells, lr, None if valid is None else field(valid).astype(bool), 2, kind)
    np.testing.assert_array_equal(actual, np.full((2, 2), 1e-9, "f4"))


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        # the valid cells are 1, 2 and 3, their mean 2; the one that does not count moves with them
        ("additive", 5, [[4, 5], [6, 102]]),
        ("multiplicative", 4, [[2, 4], [6, 198]]),
    ],
)
def test_the_mean_is_over_the_cells_that_count(kind, value, expected):
    valid = xr.DataArray([[True, True], [True, False]], dims=("y", "x"))
    actual = consistent(field([[1, 2], [3, 99]]), field([[value]]), valid, 2, kind)
    np.testing.assert_array_equal(actual, np.asarray(expected, "f4"))


def test_cells_belong_to_the_block_above_them():
    # two rows and three columns of blocks: each cell of a block becomes the block's LR value
    lr = field([[1, 2, 3], [4, 5, 6]])
    actual = consistent(field(np.zeros((4, 6))), lr, None, 2, "additive")
    np.testing.assert_array_equal(actual[0], [1, 1, 2, 2, 3, 3])
    np.testing.assert_array_equal(actual[:, 5], [3, 3, 6, 6])


def test_sums_are_in_double_precision():
    # float32 has steps of 0.0078 at 1e5 (a pressure in Pa): a sum of 64 of them has steps of 0.5
    rng = np.random.default_rng(0)
    cells, lr = 1e5 + rng.normal(size=(8, 8)), field([[100000.25]])
    actual = consistent(field(cells), lr, None, 8, "additive").astype("f8")
    np.testing.assert_allclose(actual.mean(), 100000.25, atol=0.002)


@pytest.mark.parametrize("kind", ["additive", "multiplicative"])
@pytest.mark.parametrize("chunks", [{"time": 1}, {"time": 2, "y": 1, "x": 2}], ids=str)
def test_dask_equals_numpy_and_stays_lazy(kind, chunks):
    rng = np.random.default_rng(0)
    times = {"time": np.datetime64("2001-01-01", "ns") + np.arange(3)}
    lr = xr.DataArray(
        rng.gamma(1, 2, (3, 2, 4)).astype("f4"),
        dims=("time", "y", "x"),
        coords={**times, "y": [0.5, 2.5], "x": np.arange(4.0), "number": 3},
    )
    cells = xr.DataArray(
        rng.gamma(1, 2, (2, 3, 4, 8)).astype("f4"),
        dims=("realization", "time", "y", "x"),
        coords=times,
    )
    valid = xr.DataArray(rng.random((4, 8)) > 0.2, dims=("y", "x"))
    expected = consistent(cells, lr, valid, 2, kind)
    assert expected.dims == cells.dims
    assert set(expected.coords) == {"time"}
    with no_compute():
        actual = consistent(cells.chunk(time=1), lr.chunk(chunks), valid, 2, kind)
    assert actual.chunks is not None
    xr.testing.assert_identical(actual.compute(), expected)
    # every member by itself
    alone = consistent(cells[1], lr, valid, 2, kind)
    np.testing.assert_array_equal(expected[1], alone)

"""What rounding left over is taken away in physical units, block by block."""

import numpy as np
import pytest

from xr_dl4ds.config import Scale
from xr_dl4ds.prediction.constraints import block_sums, consistent

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
    return np.asarray(cells, "f4")


@pytest.mark.parametrize("case", BLOCKS)
def test_one_block_by_hand(case):
    cells, value, kind, expected = BLOCKS[case]
    actual = consistent(field(cells), field([[value]]), None, Scale.of(2), kind)
    assert actual.dtype == np.float32
    np.testing.assert_array_equal(actual, np.asarray(expected, "f4"))


@pytest.mark.parametrize("kind", ["multiplicative", "softmax"])
@pytest.mark.parametrize("valid", [None, [[True, False], [True, True]]])
def test_what_was_rounded_away_is_shared_out_evenly(kind, valid):
    cells, lr = field([[0, -1e-3], [0, 0]]), field([[1e-9]])
    actual = consistent(cells, lr, None if valid is None else np.array(valid), Scale.of(2), kind)
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
    valid = np.array([[True, True], [True, False]])
    actual = consistent(field([[1, 2], [3, 99]]), field([[value]]), valid, Scale.of(2), kind)
    np.testing.assert_array_equal(actual, np.asarray(expected, "f4"))


def test_cells_belong_to_the_block_above_them():
    # two rows and three columns of blocks: each cell of a block becomes the block's LR value
    lr = field([[1, 2, 3], [4, 5, 6]])
    actual = consistent(field(np.zeros((4, 6))), lr, None, Scale.of(2), "additive")
    np.testing.assert_array_equal(actual[0], [1, 1, 2, 2, 3, 3])
    np.testing.assert_array_equal(actual[:, 5], [3, 3, 6, 6])


def test_sums_are_in_double_precision():
    # float32 has steps of 0.0078 at 1e5 (a pressure in Pa): a sum of 64 of them has steps of 0.5
    rng = np.random.default_rng(0)
    cells, lr = 1e5 + rng.normal(size=(8, 8)), field([[100000.25]])
    actual = consistent(field(cells), lr, None, Scale.of(8), "additive").astype("f8")
    np.testing.assert_allclose(actual.mean(), 100000.25, atol=0.002)


@pytest.mark.parametrize("kind", ["additive", "multiplicative"])
def test_a_block_without_any_cell_that_counts(kind):
    valid = np.zeros((2, 4), bool)
    valid[:, 2:] = True
    cells, lr = field([[1, 2, 1, 2], [3, 4, 3, 4]]), field([[5, 5]])
    actual = consistent(cells, lr, valid, Scale.of(2), kind)
    # nothing is known of its mean: no number, or the LR value itself where amounts are shared out
    expected = np.nan if kind == "additive" else 5
    np.testing.assert_array_equal(actual[:, :2], np.full((2, 2), expected, "f4"))
    np.testing.assert_array_equal(actual[:, 2:].mean(), 5)


@pytest.mark.parametrize("kind", ["additive", "multiplicative", "softmax"])
@pytest.mark.parametrize("masked", [False, True])
def test_means_against_plain_numpy(kind, masked):
    rng = np.random.default_rng(0)
    cells, lr = field(rng.gamma(1, 2, (6, 12))), field(rng.gamma(1, 2, (2, 4)))
    before = cells.copy()
    valid = rng.random((6, 12)) > 0.3 if masked else None
    actual = consistent(cells, lr, valid, Scale.of(3), kind).astype("f8")
    np.testing.assert_array_equal(cells, before)
    counted = actual if valid is None else np.where(valid, actual, np.nan)
    means = np.nanmean(counted.reshape(2, 3, 4, 3), axis=(1, 3))
    np.testing.assert_allclose(means, lr, rtol=2e-7)


def test_tiny_amounts_are_not_blown_up_beyond_float32():
    cells, lr = field([[1e-38, 0], [0, 0]]), field([[1e6]])
    actual = consistent(cells, lr, None, Scale.of(2), "multiplicative")
    np.testing.assert_allclose(actual, [[4e6, 0], [0, 0]], rtol=1e-6)


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_sums_of_blocks(scale):
    cells = np.random.default_rng(0).normal(size=(6, 12)).astype("f4")
    expected = cells.astype("f8").reshape(6 // scale, scale, 12 // scale, scale).sum((1, 3))
    actual = block_sums(cells, Scale.of(scale))
    assert actual.dtype == np.float64
    np.testing.assert_allclose(actual, expected, rtol=1e-12)

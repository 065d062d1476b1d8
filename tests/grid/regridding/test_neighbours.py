"""Neighbours and shares of source cells, by hand and beside the matrices of `weights`."""

import numpy as np
import pytest
import xarray as xr

from tests.grid import lat, lon
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.regridding.neighbours import Shares, Taps, locate, positions_of
from xr_dl4ds.grid.regridding.rectilinear import interpolate

SOURCE = Grid(y=lat(50, 52, 54), x=lon(0, 2, 4, 6))
#: On the same axes, so that matrices know the answer: both inside the source's cells.
TARGET = Grid(y=lat(49.1, 50.5, 51.2, 53.9, 54.9), x=lon(-0.9, 0.1, 3.3, 6.8))
GLOBAL = Grid(y=lat(*np.arange(-85, 90, 10)), x=lon(*np.arange(0, 360, 10)))
REGION = Grid(y=lat(41, 44, 55), x=lon(-7, -2, 3, 8))


def field(grid, gaps=False):
    values = np.random.default_rng(0).random((2, *grid.shape))
    if gaps:
        values[0, 1, 2] = values[1, :, 0] = np.nan
    return values


def test_locate_by_hand():
    rows, columns, inside = locate(SOURCE, Grid(y=lat(48.9, 50, 53), x=lon(361, 367.1)))
    np.testing.assert_allclose(rows[:, 0], [-0.55, 0, 1.5])
    np.testing.assert_allclose(columns[0], [0.5, 3.55])
    np.testing.assert_array_equal(inside, [[False, False], [True, False], [True, False]])
    assert locate(SOURCE, Grid(y=lat(48.9, 50), x=lon(1, 2)), reach=1)[2].all()


def test_places_that_are_none():
    inside = positions_of(SOURCE, np.array([51.0, np.inf, np.nan]), np.array([1.0, np.inf, 1]))[2]
    np.testing.assert_array_equal(inside, [True, False, False])


@pytest.mark.parametrize("pair", [(SOURCE, TARGET), (GLOBAL, REGION)], ids=["region", "circle"])
@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic"])
def test_taps_are_the_matrices_where_the_axes_are_shared(method, gaps, pair):
    source, target = pair
    values = field(source, gaps)
    actual = Taps(*locate(source, target), source, method)(values)
    ds = xr.Dataset({"t": (("time", "y", "x"), values)})
    expected = interpolate(ds, source, target, method).t
    np.testing.assert_allclose(actual, expected, atol=1e-12)
    assert np.isnan(actual).any() == gaps


@pytest.mark.parametrize("gaps", [False, True])
def test_shares_are_the_matrices_where_the_axes_are_shared(gaps):
    # cells of 5 x 5 degrees on a source of one degree, all edges in common
    source = Grid(y=lat(*np.arange(0.5, 15)), x=lon(*np.arange(0.5, 20)))
    target = Grid(y=lat(2.5, 7.5, 12.5), x=lon(2.5, 7.5, 12.5, 17.5))
    values = field(source, gaps)
    shares = Shares.between(source, target, np.array([5.0, 5.0]))
    # cells at the rim are placed by their corners on a great circle, which leaves the parallel by
    # 0.01 degrees: some points fall to the next row
    assert len(shares.cells) >= 15 * 20
    expected = np.nanmean(values.reshape(2, 3, 5, 4, 5), axis=(2, 4))
    np.testing.assert_allclose(shares(values), expected, atol=0.01)


def test_shares_of_cells_with_nothing_valid_and_beyond():
    source = Grid(y=lat(*np.arange(0.5, 10)), x=lon(*np.arange(0.5, 10)))
    target = Grid(y=lat(2.5, 7.5), x=lon(2.5, 7.5, 12.5))
    values = np.where(np.arange(10) < 6, np.nan, 3.0) * np.ones((10, 1))
    actual = Shares.between(source, target, np.array([5.0, 5.0]))(values)
    np.testing.assert_array_equal(actual, [[np.nan, 3, np.nan]] * 2)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_types_and_leading_dimensions(dtype):
    block = field(SOURCE).astype(dtype)[:, None]
    for weights in (
        Taps(*locate(SOURCE, TARGET), SOURCE, "bicubic"),
        Shares.between(SOURCE, TARGET, np.array([1.0, 1.0])),
    ):
        assert weights(block).dtype == dtype
        assert weights(block).shape == (2, 1, 5, 4)
        assert weights(block[:0]).shape == (0, 1, 5, 4)
        np.testing.assert_array_equal(weights(block[1, 0]), weights(block)[1, 0])

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import no_compute
from xr_dl4ds.grid.regridding.block_means import mean_of_blocks


def field(dtype="f4", gaps=0.0, dims=("time", "y", "x"), shape=(3, 4, 6), seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(280, 5, shape)
    values = values.astype(dtype)
    if gaps:
        values[rng.random(shape) < gaps] = np.nan
        values[0, :2, :2] = np.nan
    return xr.DataArray(values, dims=dims, name="t", coords={dims[0]: np.arange(shape[0])})


def test_by_hand():
    values = np.array([[1.0, 2, 5, np.nan], [3, np.nan, np.nan, np.nan]], "f4")
    found = mean_of_blocks(xr.DataArray(values, dims=("y", "x")), {"y": 2, "x": 2})
    np.testing.assert_array_equal(found, [[2, 5]])
    empty = xr.DataArray(np.full((2, 2), np.nan), dims=("y", "x"))
    assert np.isnan(mean_of_blocks(empty, {"y": 2, "x": 2})).all()


@pytest.mark.parametrize("gaps", [0, 0.3])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("dims", [("time", "y", "x"), ("y", "time", "x"), ("x", "y", "time")])
def test_equals_xarray(dtype, gaps, dims):
    shape = tuple({"time": 3, "y": 4, "x": 6}[d] for d in dims)
    given = field(dtype, gaps, dims, shape)
    found = mean_of_blocks(given, {"y": 2, "x": 3})
    expected = given.coarsen(y=2, x=3).mean()
    assert found.dtype == expected.dtype
    assert found.dims == expected.dims
    np.testing.assert_allclose(found, expected, rtol=5e-7 if dtype == "f4" else 1e-15)


@given(
    scale=st.integers(1, 4),
    y=st.integers(1, 4),
    x=st.integers(1, 4),
    chunk=st.integers(1, 16),
)
def test_any_chunks_give_the_same(scale, y, x, chunk):
    given = field(gaps=0.2, shape=(3, y * scale + 2 * scale, x * scale + 2 * scale))
    blocks = {"y": scale, "x": scale}
    expected = mean_of_blocks(given, blocks)
    with no_compute():
        found = mean_of_blocks(given.chunk({"time": 2, "y": chunk, "x": chunk}), blocks)
    xr.testing.assert_identical(found.compute(), expected)


def test_chunks_that_cut_no_block_are_left():
    given = field().chunk({"time": 1, "y": 2, "x": (2, 4)})
    found = mean_of_blocks(given, {"y": 2, "x": 2})
    assert found.chunks == ((1, 1, 1), (1, 1), (1, 2))
    cut = mean_of_blocks(field().chunk({"x": (3, 3)}), {"y": 2, "x": 2})
    assert sum(cut.chunks[2]) == 3


@pytest.mark.parametrize("dtype", ["i2", "u1", "bool"])
def test_whole_numbers_have_means_too(dtype):
    given = xr.DataArray(np.array([[0, 1], [1, 1]], dtype), dims=("y", "x"))
    assert float(mean_of_blocks(given, {"y": 2, "x": 2})[0, 0]) == 0.75


def test_infinite_values_stay():
    values = np.array([[np.inf, 1], [1, 1]], "f4")
    found = mean_of_blocks(xr.DataArray(values, dims=("y", "x")), {"y": 2, "x": 2})
    assert found.item() == np.inf


def test_coordinates_along_blocks_are_left_out():
    given = field().assign_coords(y=np.arange(4.0), lat=(("y", "x"), np.zeros((4, 6))))
    assert set(mean_of_blocks(given, {"y": 2, "x": 2}).coords) == {"time"}

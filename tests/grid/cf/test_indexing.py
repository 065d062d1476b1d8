import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from xr_dl4ds.grid.cf.indexing import _as_slice, take


def data(chunks=None):
    ds = xr.Dataset(
        {"a": (("time", "y"), np.arange(12.0).reshape(3, 4)), "b": ("y", np.arange(4.0))},
        coords={"y": np.arange(4)},
    )
    return ds if chunks is None else ds.chunk(chunks)


@pytest.mark.parametrize(
    "positions",
    [[0, 1, 2, 3], [3, 2, 1, 0], [1, 2], [0, 2], [2], [3, 1], [0, 3, 1], [3, 0, 1], [1, 1], []],
    ids=str,
)
@pytest.mark.parametrize("chunks", [None, {"y": 3}])
def test_the_same_as_isel(positions, chunks):
    at = {"y": np.array(positions, int)}
    xr.testing.assert_identical(take(data(chunks), at).compute(), data().isel(at))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6))
def test_slices_hold_these_positions(positions):
    found = _as_slice(np.array(positions), 10)
    if isinstance(found, slice):
        assert list(range(10))[found] == positions
    else:
        assert found.tolist() == positions


def test_evenly_spaced_positions_copy_nothing():
    given = data()
    found = take(given, {"time": np.array([2, 1, 0]), "y": np.array([1, 3]), "other": np.arange(2)})
    assert np.shares_memory(found.a.data, given.a.data)
    assert take(given, {"y": np.arange(4)}).a.data is given.a.data


def test_the_whole_adds_nothing_to_the_graph():
    lazy = data({"y": 2})
    same = take(lazy, {"y": np.arange(4), "time": slice(0, 3)})
    assert same.a.data.name == lazy.a.data.name

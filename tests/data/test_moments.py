import math

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.conftest import no_compute
from xr_dl4ds.data import moments
from xr_dl4ds.data.moments import Moments, rows_of

DIMS = ("time", "y", "x")


def of(array, chunks=None):
    variable = xr.DataArray(array, dims=DIMS[-array.ndim :])
    rows = rows_of(variable if chunks is None else variable.chunk(chunks))
    (rows,) = dask.compute(rows)
    return Moments.of(rows)


def test_by_hand():
    found = of(np.array([1.0, np.nan, 3.0, 5.0], "f4"))
    assert found == Moments(cells=4, valid=3, mean=3, squares=8, low=1, high=5)
    assert found.std == pytest.approx(math.sqrt(8 / 3), rel=1e-15)
    assert found.share == 0.75


def test_nothing_valid():
    found = of(np.full((2, 3), np.nan))
    assert (found.cells, found.valid, found.share) == (6, 0, 0)
    assert math.isnan(found.mean)
    assert math.isnan(found.std)


def test_infinite_values_show():
    found = of(np.array([1.0, np.inf]))
    assert found.high == math.inf
    assert not math.isfinite(found.std)


@given(
    values=hnp.arrays(
        "f4",
        hnp.array_shapes(min_dims=3, max_dims=3, max_side=5),
        elements=st.floats(-1e3, 1e3, width=32) | st.just(np.nan),
    ),
    chunk=st.integers(1, 4),
    offset=st.sampled_from([0, 1e5]),
)
def test_equals_numpy_in_any_chunks(values, chunk, offset):
    values = values + np.float32(offset)
    found = of(values, dict.fromkeys(DIMS, chunk))
    wide = values.astype("f8")
    assert found.cells == values.size
    assert found.valid == np.isfinite(values).sum()
    if not found.valid:
        return
    expected = [np.nanmean(wide), np.nanmin(wide), np.nanmax(wide)]
    np.testing.assert_allclose([found.mean, found.low, found.high], expected, rtol=1e-12)
    np.testing.assert_allclose(found.std, np.nanstd(wide), rtol=1e-9, atol=1e-9 * offset + 1e-12)


@pytest.mark.parametrize("dtype", ["i2", "u1", "bool", "f8"])
def test_any_number(dtype):
    values = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype)
    found = of(values)
    assert found.mean == pytest.approx(4 / 6)
    assert (found.low, found.high, found.valid) == (0, 1, 6)


def test_slabs_are_joined(monkeypatch):
    values = np.random.default_rng(0).normal(280, 5, (5, 6, 7)).astype("f4")
    whole = of(values)
    monkeypatch.setattr(moments, "SLAB", 13)
    parts = of(values)
    assert parts.mean == pytest.approx(whole.mean, rel=1e-14)
    assert parts.squares == pytest.approx(whole.squares, rel=1e-12)


def test_lazy_and_one_row_a_chunk():
    variable = xr.DataArray(np.ones((6, 4, 4), "f4"), dims=DIMS).chunk({"time": 2, "x": 2})
    with no_compute():
        rows = rows_of(variable)
    assert rows.shape == (3, 1, 2, 6)

"""What counts as the same region, and what as another."""

import numpy as np
import pytest
import xarray as xr

from xr_dl4ds.writing.comparison import require_equal

PLACE = "a.zarr"


def same(then, now, *, rounded=True, **attrs):
    """Whether a region is taken for the one on disk."""
    now = np.asarray(now)
    expected = xr.Dataset({"a": ("x", now, attrs)})
    try:
        require_equal({"a": np.asarray(then)}, expected, PLACE, frozenset("a" if rounded else ""))
    except FileExistsError:
        return False
    return True


@pytest.fixture
def field():
    return np.random.default_rng(0).normal(280, 10, 1000).astype("f4")


def test_the_variable_is_named():
    expected = xr.Dataset({"a": ("x", [1.0])})
    with pytest.raises(FileExistsError, match=r"unfinished store at 'a\.zarr' .* values of 'a'"):
        require_equal({"a": np.array([2.0])}, expected, PLACE, frozenset("a"))


def test_rounding_is_the_same_and_more_is_not(field):
    assert same(field, field * np.float32(1 + 1e-6))
    assert same(field, field + np.float32(1e-3))
    assert not same(field, field + np.float32(0.1))
    assert not same(field, field * np.float32(1.001))


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_compared_exactly_and_widens_nothing(field, special):
    field[3] = special
    assert same(field, field * np.float32(1 + 1e-6))
    assert not same(field, field + np.float32(0.1))
    other = field.copy()
    other[3] = 280
    assert not same(field, other)
    assert not same(other, field)
    assert same(np.full(3, special), np.full(3, special))


def test_the_spread_of_half_precision_does_not_overflow():
    field = np.random.default_rng(0).uniform(-6e4, 6e4, 1000).astype("f2")
    assert same(field, field)
    assert not same(field, field / 2)


@pytest.mark.parametrize("name", ["_FillValue", "missing_value"])
def test_missing_values_are_exact_and_widen_nothing(field, name):
    field[::2] = -9999
    assert same(field, field, **{name: -9999.0})
    moved = np.where(field == -9999, field, field + np.float32(0.1)).astype("f4")
    assert not same(field, moved, **{name: -9999.0})
    assert same(field, moved)  # for want of the attribute
    shifted = np.roll(field, 1)
    assert not same(field, shifted, **{name: -9999.0})


def test_packed_numbers_may_be_neighbours():
    packed = np.zeros(100, "i2")
    assert same(packed, packed + 1)
    assert not same(packed, packed + 2)


def test_counts_flags_times_and_texts_are_exact():
    counts = np.arange(100_000, 100_010)
    assert same(counts, counts, rounded=False)
    assert not same(counts, counts + 1, rounded=False)
    assert not same(np.array([True]), np.array([False]), rounded=False)
    assert not same(np.array(["a"]), np.array(["b"]), rounded=False)


def test_complex_numbers():
    values = np.array([1 + 1j, 2j])
    assert same(values, values * (1 + 1e-7))
    assert not same(values, values.conj())

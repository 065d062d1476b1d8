import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
import xarray as xr
from hypothesis import given
from hypothesis.extra.numpy import arrays

from tests.conftest import no_compute
from xr_dl4ds.metrics.distribution import perkins, quantiles, wasserstein
from xr_dl4ds.metrics.sorting import _bins, _edges, ranks

DIMS = ("time", "y", "x")


def field(seed=0, missing=0.2, offset=0.0):
    rng = np.random.default_rng(seed)
    values = rng.gamma(0.7, 4, (9, 6, 8)) - 1 + offset
    values[rng.random(values.shape) < missing] = np.nan
    return xr.DataArray(values.astype("f4"), dims=DIMS)


@given(arrays("f4", 20, elements=st.floats(-(2.0**99), 2.0**99, width=32)))
def test_bins_hold_their_values(values):
    bins = _bins(values)
    low, high = _edges(bins), _edges(bins + 1)
    assert (low <= values).all()
    assert (values <= high).all()
    assert (np.diff(bins[np.argsort(values, kind="stable")]) >= 0).all()
    width = (high - low)[np.abs(values) > 1e-30]
    assert (width <= 2.0**-11 * np.abs(values[np.abs(values) > 1e-30]) * (1 + 1e-6)).all()


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("dims", [DIMS, ("time",), ("y", "x")], ids=str)
def test_quantiles_equal_numpy(dims, missing):
    q = [0.0, 0.1, 0.5, 0.98, 1.0]
    given = field(missing=missing)
    actual = quantiles(given, dims, q=q)
    expected = given.astype("f8").quantile(q, dims).transpose(..., "quantile")
    np.testing.assert_allclose(actual, expected, rtol=1e-12)
    with no_compute():
        lazy = quantiles(given.chunk(time=4, x=5), dims, q=q)
    exact = set(dims) != set(DIMS)  # one chunk along the dimensions, or bins
    # bins are 0.05 % as wide as their distance from the mean of the first chunk
    width = 0 if exact else 2.0**-11 * float(abs(given).max())
    np.testing.assert_allclose(lazy, expected, rtol=1e-12, atol=width)


@pytest.mark.parametrize("lazy", [False, True])
def test_distances_equal_scipy(lazy):
    mine, theirs = field(1), field(2, offset=0.5)
    valid = (mine.notnull() & theirs.notnull()).values
    a, b = (one.values[valid].astype("f8") for one in (mine, theirs))
    pair = [one.chunk(time=2, y=4) if lazy else one for one in (mine, theirs)]
    expected = scipy.stats.wasserstein_distance(a, b)
    assert float(wasserstein(*pair, DIMS)) == pytest.approx(expected, rel=1e-3 if lazy else 1e-9)
    edges = np.linspace(min(a.min(), b.min()), max(a.max(), b.max()), 31)
    shares = [np.histogram(one, edges)[0] / one.size for one in (a, b)]
    expected = np.minimum(*shares).sum()
    assert float(perkins(*pair, DIMS, bins=30)) == pytest.approx(
        expected, abs=0.02 if lazy else 1e-9
    )


def test_nothing_to_sort():
    empty = field() * np.nan
    assert np.isnan(quantiles(empty, DIMS, q=[0.5])).all()
    for score in (wasserstein, perkins):
        assert np.isnan(score(empty, field(), DIMS))
        assert np.isnan(score(empty.chunk(time=3), field().chunk(time=3), DIMS))


def test_ranks_equal_scipy():
    given = field().round(0)
    valid = given.notnull().values
    np.testing.assert_array_equal(
        ranks(given).values[valid], scipy.stats.rankdata(given.values[valid])
    )
    assert np.isnan(ranks(given).values[~valid]).all()
    # these values are far enough apart for the bins
    with no_compute():
        lazy = ranks(given.chunk(time=4, x=3))
    np.testing.assert_array_equal(lazy, ranks(given))


@given(shift=st.floats(-50, 50))
def test_the_distance_of_a_shifted_field_is_the_shift(shift):
    given = field().astype("f8")
    assert float(wasserstein(given + shift, given, DIMS)) == pytest.approx(abs(shift), abs=1e-9)

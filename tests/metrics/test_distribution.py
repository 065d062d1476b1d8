import numpy as np
import pytest
import scipy.stats
import xarray as xr

from tests.conftest import no_compute
from xr_dl4ds import metrics
from xr_dl4ds.exceptions import GridError

ALL = ("time", "y", "x")


def drawn(seed=0, shape=(30, 3, 4)):
    """Something like rain: positive, skewed, with dry cells."""
    values = np.random.default_rng(seed).gamma(0.5, 4.0, shape)
    return xr.DataArray(np.where(values < 0.3, 0.0, values), dims=ALL)


@pytest.fixture
def pair():
    """Prediction and truth with missing cells of their own."""
    prediction, truth = 1.2 * drawn(1), drawn(0)
    prediction[3, 1, 1] = truth[5, 0, 2] = np.nan
    return prediction, truth


def common(prediction, truth):
    """The values where both are valid, by cell, and all of them."""
    valid = ~np.isnan(prediction.to_numpy()) & ~np.isnan(truth.to_numpy())
    return [d.to_numpy()[valid] for d in (prediction, truth)]


@pytest.mark.parametrize("q", [0.02, 0.5, 0.98])
def test_bias_of_quantiles(pair, q):
    high, base = (scipy.stats.mstats.mquantiles(v, q, 1, 1)[0] for v in common(*pair))
    difference = metrics.quantile_bias(*pair, q, ALL, relative=False)
    assert float(difference) == pytest.approx(high - base)
    if base == 0:  # P02 of rain: nothing to be relative to
        assert np.isnan(metrics.quantile_bias(*pair, q, ALL))
    else:
        assert float(metrics.quantile_bias(*pair, q, ALL)) == pytest.approx((high - base) / base)


def test_bias_of_quantiles_in_each_cell(pair):
    actual = metrics.quantile_bias(*pair, 0.9, ["time"])
    assert actual.dims == ("y", "x")
    for at in np.ndindex(3, 4):
        values = common(*(d[:, *at] for d in pair))
        high, base = (np.quantile(v, 0.9) for v in values)
        assert float(actual[at]) == pytest.approx(high / base - 1)


def test_share_of_wet_cells(pair):
    prediction = pair[0].copy()
    prediction[0, 0, 0] = 1.0  # at the threshold is wet
    values = prediction.to_numpy()
    expected = (values >= 1).sum() / (~np.isnan(values)).sum()
    assert float(metrics.wet_frequency(prediction, 1.0, ALL)) == pytest.approx(expected)
    in_cells = metrics.wet_frequency(prediction, 1.0, ["time"])
    np.testing.assert_allclose(
        in_cells, np.nanmean(np.where(np.isnan(values), np.nan, values >= 1), 0)
    )
    assert np.isnan(metrics.wet_frequency(prediction.where(False), 1.0, ALL))


def test_ratio_of_standard_deviations(pair):
    values = common(*pair)
    expected = scipy.stats.tstd(values[0]) / scipy.stats.tstd(values[1])
    assert float(metrics.std_ratio(*pair, ALL)) == pytest.approx(expected)
    assert float(metrics.std_ratio(0.5 * pair[1] + 300, pair[1], ALL)) == pytest.approx(0.5)
    in_cells = metrics.std_ratio(*pair, ["time"])
    values = common(*(d[:, 1, 1] for d in pair))
    assert float(in_cells[1, 1]) == pytest.approx(values[0].std() / values[1].std())
    assert np.isnan(metrics.std_ratio(pair[0], xr.full_like(pair[1], 0.1), ALL))


SCORES = {
    "quantile": lambda p, t, dims: metrics.quantile_bias(p, t, 0.98, dims),
    "wet": lambda p, t, dims: metrics.wet_frequency(p, 1.0, dims),
    "std": metrics.std_ratio,
}


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("dims", [ALL, ("time",)], ids=str)
@pytest.mark.parametrize("chunks", [{"time": 7}, {"time": 5, "y": 2, "x": 3}], ids=str)
def test_lazy_in_lazy_out(pair, name, dims, chunks):
    expected = SCORES[name](*pair, dims)
    with no_compute():
        actual = SCORES[name](pair[0].chunk(chunks), pair[1].chunk(time=11), dims)
    assert actual.chunks is not None
    xr.testing.assert_allclose(actual.compute(), expected)


@pytest.mark.parametrize("name", ["quantile", "std"])
def test_other_coordinates_are_told(pair, name):
    dated = [d.assign_coords(time=np.arange(30)) for d in pair]
    with pytest.raises(GridError, match=r"same coordinates, got other ones along \['time'\]"):
        SCORES[name](dated[0].isel(time=slice(1, None)), dated[1], ALL)

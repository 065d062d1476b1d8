import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic, no_compute
from tests.metrics.reference import prediction_of
from xr_dl4ds.metrics import evaluate

NAME = "variable_correlation"


@pytest.fixture
def pair():
    truth = analytic(time=12)[["t2m"]]
    noise = np.random.default_rng(2).normal(size=truth.t2m.shape)
    truth["u"] = (truth.t2m - 280 + noise).astype("f4").assign_attrs(units="m s-1")
    truth["v"] = (noise - 0.2 * truth.t2m).astype("f4").assign_attrs(units="m s-1")
    prediction = prediction_of(truth)
    more = np.random.default_rng(3).normal(size=truth.t2m.shape)
    for name in ("u", "v"):
        prediction[name] = (truth[name] + more).astype("f4").assign_attrs(truth[name].attrs)
    return prediction, truth


def correlation(a, b):
    return np.corrcoef(a.to_numpy().ravel(), b.to_numpy().ravel())[0, 1]


def test_pairs_equal_numpy(pair):
    prediction, truth = pair
    found = evaluate(*pair, scores=[NAME, "rmse"], area_weighted=False)
    assert found[f"{NAME}_truth"].dims == ("variable", "other_variable")
    assert set(found[NAME].dims) == {"product", "variable", "other_variable"}
    for one in truth:
        for other in truth:
            at = {"variable": one, "other_variable": other}
            expected = correlation(truth[one], truth[other])
            assert float(found[f"{NAME}_truth"].sel(at)) == pytest.approx(expected, abs=1e-6)
            expected = correlation(prediction[one], prediction[other])
            actual = found[NAME].sel(at).sel(product="prediction")
            assert float(actual) == pytest.approx(expected, abs=1e-6)
    cell = {"latitude": 2, "longitude": 5}
    at = {"variable": "u", "other_variable": "v"}
    expected = correlation(truth.u.isel(cell), truth.v.isel(cell))
    assert float(found[f"{NAME}_map_truth"].sel(at).isel(cell)) == pytest.approx(expected, abs=1e-5)
    assert found.rmse.dims == ("variable", "product")
    assert list(found.units.to_numpy()) == ["K", "m s-1", "m s-1"]


def test_cells_that_either_variable_lacks_do_not_count(pair):
    prediction, truth = pair
    gaps = truth.copy(deep=True)
    gaps["u"][:, 0] = np.nan
    gaps["v"][:3] = np.nan
    found = evaluate(prediction, gaps, lr=truth.downscale.coarsen(4), baselines=[], scores=[NAME],
                     area_weighted=False)  # fmt: skip
    at = {"variable": "u", "other_variable": "v"}
    expected = correlation(truth.u[3:, 1:], truth.v[3:, 1:])
    assert float(found[f"{NAME}_truth"].sel(at)) == pytest.approx(expected, abs=1e-6)


def test_weights_parts_and_members(pair):
    prediction, truth = pair = [ds[["t2m", "u"]].isel(time=slice(4)) for ds in pair]
    found = evaluate(*pair, scores=[NAME], by="hour", baselines=["nearest"])
    at = {"variable": "t2m", "other_variable": "u"}
    assert list(found["product"].to_numpy()) == ["prediction", "nearest"]
    for hour in found.hour.to_numpy()[:2]:
        inside = [ds.isel(time=ds.time.dt.hour == hour) for ds in pair]
        one = evaluate(*inside, baselines=[], scores=[NAME])[NAME].sel(at)
        actual = found[NAME].sel(at).sel(hour=hour, product=["prediction"])
        np.testing.assert_allclose(actual, one, rtol=1e-6)
    wide = truth.t2m.broadcast_like(truth.u)
    weights = np.cos(np.deg2rad(truth.latitude)).broadcast_like(wide).to_numpy().ravel()
    both = np.stack([truth.t2m.to_numpy().ravel(), truth.u.to_numpy().ravel()]).astype("f8")
    covariance = np.cov(both, aweights=weights)
    expected = covariance[0, 1] / (covariance[0, 0] * covariance[1, 1]) ** 0.5
    found = evaluate(*pair, baselines=[], scores=[NAME])
    assert float(found[f"{NAME}_truth"].sel(at)) == pytest.approx(expected, abs=1e-4)
    members = xr.concat([prediction, truth], "realization").assign_attrs(prediction.attrs)
    for name in truth:
        members[name].attrs = truth[name].attrs
    mean = (
        evaluate(members, truth, baselines=[], scores=[NAME])[NAME]
        .sel(at)
        .sel(product="prediction")
    )
    both = (
        float(found[NAME].sel(at).sel(product="prediction")),
        float(found[f"{NAME}_truth"].sel(at)),
    )
    assert float(mean) == pytest.approx(np.mean(both), rel=1e-6)


def test_lazy(pair):
    pair = [ds[["u", "v"]] for ds in pair]
    asked = {"scores": [NAME], "baselines": [], "scale": 4}
    expected = evaluate(*pair, **asked)
    with no_compute():
        lazy = evaluate(*(one.chunk(time=6) for one in pair), **asked)
    assert lazy[NAME].chunks is not None
    np.testing.assert_allclose(lazy[NAME], expected[NAME], rtol=1e-6)


def test_one_variable_has_none(pair):
    one = [ds[["u"]] for ds in pair]
    assert NAME not in evaluate(*one, scale=4, scores="consistency")
    with pytest.raises(ValueError, match=rf"'{NAME}' needs two variables or more\. Pass"):
        evaluate(*one, scale=4, baselines=[], scores=[NAME])

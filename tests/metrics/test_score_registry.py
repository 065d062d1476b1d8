import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import analytic, no_compute
from tests.metrics.reference import prediction_of
from xr_dl4ds.metrics import SCORES, evaluate
from xr_dl4ds.metrics.score_registry import groups


def data(time=8):
    truth = analytic(time=time)[["t2m"]]
    return prediction_of(truth), truth


def rain(years=2):
    """Daily rain, with dry days, and its prediction."""
    rng = np.random.default_rng(0)
    dims, n = ("time", "lat", "lon"), 365 * years
    values = np.maximum(rng.gamma(0.5, 6, (n, 4, 6)) - 1, 0).astype("f4")
    about = {"units": "mm/day", "standard_name": "precipitation_flux"}
    coords = {
        "time": np.datetime64("2001-01-01", "ns") + np.arange(n) * np.timedelta64(1, "D"),
        "lat": ("lat", 40 + np.arange(4.0), {"units": "degrees_north"}),
        "lon": ("lon", np.arange(6.0), {"units": "degrees_east"}),
    }
    truth = xr.DataArray(values, coords, dims, "pr", about)
    return (truth * 1.2).assign_attrs(about), truth


@pytest.fixture
def registered():
    before = dict(SCORES)
    yield
    SCORES.clear()
    SCORES.update(before)


def test_all_scores_lazy_and_in_memory():
    truth = data()[1]
    members = xr.concat([prediction_of(truth, seed) for seed in range(3)], "realization")
    asked = {"scores": "all", "thresholds": [280.0, 284.0]}
    expected = evaluate(members, truth, **asked)
    with no_compute():
        lazy = evaluate(members.chunk(time=3), truth.chunk(time=3), **asked)
    assert all(v.chunks is not None for v in lazy.values())
    lazy = lazy.compute()
    assert set(lazy) == set(expected)
    binned = ("spearman", "quantile", "wasserstein", "perkins")
    for name in expected:
        coarse = name.startswith(binned)
        scale = float(abs(expected[name]).max())
        np.testing.assert_allclose(
            lazy[name],
            expected[name],
            rtol=2e-2 if coarse else 1e-6,
            atol=(1e-3 if coarse else 1e-9) * max(scale, 1e-3) if np.isfinite(scale) else 0,
            err_msg=name,
        )
    for name in expected:
        assert set(expected[name].attrs) == {"units", "long_name"}, name


def test_a_perfect_prediction():
    _, truth = rain(1)
    members = xr.concat([truth] * 3, "realization").assign_attrs(truth.attrs)
    found = evaluate(members, truth, scale=2, scores="all", thresholds=[5.0])
    of = found.sel(product="prediction")
    for name, score in SCORES.items():
        if score.is_error and name in of:
            np.testing.assert_allclose(of[name], 0, atol=1e-6, err_msg=name)
    for name in ("correlation", "spearman", "kge", "perkins", "csi", "pod", "fss", "sedi"):
        np.testing.assert_allclose(of[name], 1, atol=1e-6, err_msg=name)
    assert np.isnan(of.ssim)  # its windows of 11 x 11 cells are larger than the fields
    for name in (n for n in found if n.endswith("_truth")):
        own = of[name.removesuffix("_truth")]
        np.testing.assert_allclose(own, found[name], rtol=1e-6, err_msg=name)


def test_indices_of_rain_know_its_units():
    prediction, truth = rain()
    expected = evaluate(prediction, truth, scale=2, scores="precipitation")
    flux = {"units": "kg m-2 s-1"}
    pair = [(one / 86400).assign_attrs({**one.attrs, **flux}) for one in (prediction, truth)]
    actual = evaluate(*pair, scale=2, scores="precipitation")
    for name in ("wet_frequency", "cdd", "cwd"):
        np.testing.assert_allclose(actual[name], expected[name], rtol=1e-3)
    np.testing.assert_allclose(actual.sdii * 86400, expected.sdii, rtol=1e-3)
    wet = truth.values >= 1
    assert float(expected.wet_frequency_truth) == pytest.approx(wet.mean(), rel=0.02)
    by_hand = (truth.values * wet).sum(axis=0) / wet.sum(axis=0)
    np.testing.assert_allclose(expected.sdii_map_truth, by_hand, rtol=1e-5)


def test_names_and_groups():
    prediction, truth = data()
    found = evaluate(prediction, truth, scores=["pointwise", "ralsd"])
    assert {"rmse", "kge", "psnr", "ralsd"} <= set(found)
    assert "std_ratio" not in found
    nothing = evaluate(prediction, truth, scores="precipitation")
    assert not set(nothing)
    assert nothing.attrs["not_scored"].startswith("wet_frequency needs precipitation. Set")
    assert set(groups()) == {
        *("pointwise", "distribution", "consistency", "spectra", "spatial", "categorical"),
        *("ensemble", "precipitation", "extremes", "variability", "change"),
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"scores": "rsme"}, r"`scores` to name scores or groups.*got 'rsme'.*'rmse'"),
        ({"scores": ["crps"]}, r"'crps' needs an ensemble\. Predict with realizations=20"),
        ({"scores": ["csi"]}, r"'csi' needs thresholds .*\. Pass thresholds=, such as"),
        ({"scores": ["sdii"]}, r"'sdii' needs precipitation\. Set"),
    ],
)
def test_what_is_asked_for_by_name_must_be_there(given, message):
    with pytest.raises(ValueError, match=message):
        evaluate(*data(), **given)


def test_rain_in_other_steps_and_units_has_no_indices():
    prediction, truth = rain(1)
    hourly = [one.assign_coords(time=truth.time[0] + (truth.time - truth.time[0]) / 24)
              for one in (prediction, truth)]  # fmt: skip
    with pytest.raises(ValueError, match=r"'cdd' needs daily steps\. Bring"):
        evaluate(*hourly, scale=2, scores=["cdd"])
    other = [one.assign_attrs(units="1") for one in (prediction, truth)]
    with pytest.raises(ValueError, match="precipitation in mm/day or mm, and not in '1'"):
        evaluate(*other, scale=2, scores=["cdd"])
    undated = [one.assign_coords(time=np.arange(365)) for one in (prediction, truth)]
    with pytest.raises(ValueError, match="'txx' needs dates along time"):
        evaluate(*undated, scale=2, scores=["txx"])


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("pair", {"mapped": True, "is_error": True}),
        ("members", {}),
        ("ensemble", {}),
        ("field", {"units": "1"}),
        ("pair", {"per_threshold": True}),
    ],
)
def test_scores_of_ones_own(registered, kind, options):
    def largest(*arguments, weights):
        *fields, dims = arguments
        if options.get("per_threshold"):
            fields, at = fields[:-1], fields[-1]
            return (abs(fields[0] - fields[1]) > at).sum(dims)
        return abs(fields[0] - fields[-1]).max(dims) if len(fields) > 1 else fields[0].max(dims)

    about = {"long_name": "largest", "group": "mine", **options}
    xd.metrics.register("largest", largest, kind=kind, **about)
    truth = data()[1]
    members = xr.concat([prediction_of(truth, seed) for seed in range(3)], "realization")
    found = evaluate(members, truth, scores="mine", thresholds=[1.0])
    assert found.largest.attrs["long_name"] == "largest"
    assert found.largest.attrs["units"] == options.get("units", "K")
    assert ("largest_map" in found) == ("mapped" in options)
    assert ("largest_truth" in found) == (kind == "field")
    assert ("largest_skill" in found) == ("is_error" in options)
    assert ("threshold" in found.largest.dims) == ("per_threshold" in options)
    error = abs(members.mean("realization") - truth).t2m
    if "mapped" in options:
        actual = float(found.largest.sel(product="prediction"))
        assert actual == pytest.approx(float(error.max()), rel=1e-5)


def test_a_name_is_given_once(registered):
    with pytest.raises(ValueError, match="is not taken, got 'rmse'"):
        xd.metrics.register("rmse", abs, long_name="mine")
    with pytest.raises(ValueError, match="is not taken, got 'pointwise'"):
        xd.metrics.register("pointwise", abs, long_name="mine")
    for name in ("bias_map", "product", "a/b"):
        with pytest.raises(ValueError, match=f"is not taken, got '{name}'"):
            xd.metrics.register(name, abs, long_name="mine")


def test_thresholds_of_several_variables_have_no_unit():
    truth = data()[1]
    truth["u"] = (truth.t2m - 280).assign_attrs(units="m s-1")
    found = evaluate(truth, truth, scale=2, scores=["csi"], thresholds=280)
    assert found.threshold.attrs == {}
    assert found.csi.dims == ("variable", "threshold", "product")

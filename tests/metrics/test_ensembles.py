"""`evaluate` of predictions with members."""

import itertools

import numpy as np
import pytest
import xarray as xr
import xskillscore as xs

from tests.cf import cf_problems
from tests.conftest import analytic, no_compute
from tests.metrics.reference import PRODUCTS, close, prediction_of
from xr_dl4ds import metrics
from xr_dl4ds.exceptions import GridError, VariableError
from xr_dl4ds.metrics import evaluate

ALL = ("time", "latitude", "longitude")
OWN = [
    *("crps", "crps_map", "crps_series", "crps_skill", "crps_skill_interval"),
    *("maxima_crps", "maxima_crps_skill", "spread", "spread_skill_ratio", "rank_histogram"),
]


@pytest.fixture
def truth():
    return analytic()[["t2m"]]


@pytest.fixture
def members(truth):
    return ensemble_of(truth)


def ensemble_of(truth, number=4):
    """Members with errors of their own, as `predict` lays them out."""
    parts = [prediction_of(truth, seed) for seed in range(number)]
    about = {"standard_name": "realization", "units": "1"}
    label = xr.Variable("realization", np.arange(number, dtype="i4"), about)
    return xr.concat(parts, label)


def test_the_mean_is_scored_cell_by_cell(members, truth):
    mean = members.mean("realization", keep_attrs=True)
    expected, actual = evaluate(mean, truth), evaluate(members, truth)
    close(
        actual.drop_vars([*OWN, "ralsd", "std_ratio"]), expected.drop_vars(["ralsd", "std_ratio"])
    )
    assert set(actual.data_vars) == {*expected.data_vars, *OWN}


def test_scores_of_members(members, truth):
    actual = evaluate(members, truth, area_weighted=False)
    biased = xs.crps_ensemble(truth.t2m, members.t2m, member_dim="realization", dim=[])
    differences = members.t2m - members.t2m.rename(realization="other")
    pairs = abs(differences).sum(["realization", "other"])
    crps = biased - pairs * (1 / (2 * 4 * 3) - 1 / (2 * 4 * 4))
    prediction = actual.sel(product="prediction")
    assert float(prediction.crps) == pytest.approx(float(crps.mean()), rel=1e-4)
    np.testing.assert_allclose(prediction.crps_map, crps.mean("time"), rtol=1e-3, atol=1e-4)
    spread = float(members.t2m.var("realization", ddof=1).mean()) ** 0.5
    assert float(actual.spread) == pytest.approx(spread, rel=1e-4)
    ratio = (5 / 4) ** 0.5 * spread / float(prediction.rmse)
    assert float(actual.spread_skill_ratio) == pytest.approx(ratio, rel=1e-4)
    ranks = xs.rank_histogram(truth.t2m, members.t2m, dim=list(ALL), member_dim="realization")
    np.testing.assert_allclose(actual.rank_histogram, ranks / truth.t2m.size)


def test_maxima_over_blocks(members, truth, caplog):
    actual = evaluate(members, truth, area_weighted=False)
    blocks = {"latitude": 4, "longitude": 4}
    x, y = (one.t2m.coarsen(blocks).max() for one in (members, truth))
    biased = xs.crps_ensemble(y, x, member_dim="realization", dim=[])
    pairs = abs(x - x.rename(realization="other")).sum(["realization", "other"])
    expected = biased - pairs * (1 / (2 * 4 * 3) - 1 / (2 * 4 * 4))
    found = actual.maxima_crps
    assert float(found.sel(product="prediction")) == pytest.approx(float(expected.mean()), rel=1e-4)
    low = truth.downscale.coarsen(4).downscale.interpolate(truth, method="bilinear")
    error = abs(low.t2m.coarsen(blocks).max() - y).mean()
    assert float(found.sel(product="bilinear")) == pytest.approx(float(error), rel=1e-4)
    skill = 1 - float(expected.mean() / error)
    assert float(actual.maxima_crps_skill.sel(reference="bilinear")) == pytest.approx(
        skill, rel=1e-3
    )
    assert "blocks of" not in caplog.text


def test_maxima_in_small_fields_and_beside_gaps(members, truth, caplog):
    few = {"latitude": slice(0, 3), "longitude": slice(0, 8)}
    alone = members.isel(few).assign_attrs(xr_dl4ds_provenance="{}")  # no scale: no baselines
    actual = evaluate(alone, truth.isel(few), scores="maxima_crps", area_weighted=False)
    blocks = {"latitude": 3, "longitude": 3}
    pair = [one.isel(few).t2m.coarsen(blocks, boundary="trim").max() for one in (members, truth)]
    expected = metrics.crps(*pair, ALL)
    found = actual.maxima_crps.sel(product="prediction")
    assert float(found) == pytest.approx(float(expected), rel=1e-4)
    assert "maxima_crps has blocks of 3 x 3 cells instead of 4 x 4" in caplog.text
    truth["t2m"][:, ::4, ::4] = np.nan  # in each block
    assert np.isnan(evaluate(members, truth, scores="maxima_crps").maxima_crps).all()


def test_a_baseline_is_scored_by_its_error(members, truth):
    actual = evaluate(members, truth)
    assert list(actual.crps["product"].to_numpy()) == PRODUCTS
    for method in PRODUCTS[1:]:
        of = actual.sel(product=method)
        xr.testing.assert_allclose(of.crps, of.mae)
        xr.testing.assert_allclose(of.crps_map, of.mae_map)
        expected = 1 - float(actual.crps.sel(product="prediction")) / float(of.mae)
        assert float(actual.crps_skill.sel(reference=method)) == pytest.approx(expected)
    # four members are better than the error of their mean
    assert actual.crps[0] < actual.mae[0]


def test_spectra_and_variability_are_those_of_members(members, truth):
    actual = evaluate(members, truth)
    dims = ("latitude", "longitude")
    expected = float(metrics.ralsd(members.t2m, truth.t2m, dims))
    assert float(actual.ralsd.sel(product="prediction")) == pytest.approx(expected, rel=1e-4)
    variances = [float(m.var()) for _, m in members.t2m.groupby("realization")]
    ratio = (np.mean(variances) / float(truth.t2m.var())) ** 0.5
    assert float(actual.std_ratio.sel(product="prediction")) == pytest.approx(ratio, rel=1e-3)
    mean = evaluate(members.mean("realization", keep_attrs=True), truth)
    assert float(mean.ralsd[0]) != pytest.approx(expected, rel=0.01)
    for name in ("ralsd", "std_ratio"):  # for the baselines it is all the same
        np.testing.assert_allclose(actual[name][1:], mean[name][1:], rtol=1e-5)


def test_spectra_and_variability_of_one_prediction(truth):
    prediction = prediction_of(truth)
    actual = evaluate(prediction, truth, area_weighted=False)
    dims = ("latitude", "longitude")
    base = truth.downscale.coarsen(4).downscale.interpolate(truth, method="bicubic")
    for name, one in (("prediction", prediction), ("bicubic", base)):
        of = actual.sel(product=name)
        assert float(of.ralsd) == pytest.approx(
            float(metrics.ralsd(one.t2m.drop_vars(ALL), truth.t2m.drop_vars(ALL), dims)), rel=1e-3
        )
        assert float(of.std_ratio) == pytest.approx(
            float(one.t2m.std() / truth.t2m.std()), rel=1e-4
        )


# --- layouts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["realization", "time", "latitude"])), ids=str
)
def test_the_position_of_the_members_does_not_matter(members, truth, order):
    expected = evaluate(members, truth)
    close(evaluate(members.transpose(*order, "longitude"), truth), expected)


@pytest.mark.parametrize("labels", [None, [7, 3, 5, 1], list("abcd")], ids=str)
@pytest.mark.parametrize("name", ["realization", "number"])
def test_the_name_and_labels_of_the_members_do_not_matter(members, truth, name, labels):
    expected = evaluate(members, truth)
    other = members.drop_vars("realization").rename(realization=name)
    if labels is not None:
        other = other.assign_coords({name: labels})
    xr.testing.assert_identical(evaluate(other, truth), expected)
    xr.testing.assert_identical(
        other.t2m.assign_attrs(members.attrs).downscale.evaluate(truth.t2m), expected
    )


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_one_member(members, truth):
    actual = evaluate(members.isel(realization=[2]), truth)
    expected = evaluate(members.isel(realization=2), truth)
    close(actual.drop_vars(OWN), expected)
    xr.testing.assert_allclose(actual.crps, actual.mae)
    xr.testing.assert_allclose(actual.crps_map, actual.mae_map)
    assert np.isnan(actual.spread)
    assert np.isnan(actual.spread_skill_ratio)
    np.testing.assert_allclose(actual.rank_histogram.sum(), 1)
    assert actual.sizes["rank"] == 2


def test_order_of_time_and_cells_in_common(members, truth):
    part = members.isel(time=[5, 2, 3], latitude=slice(None, None, -1), longitude=slice(4, 12))
    actual = evaluate(part, truth)
    inner = {"time": [2, 3, 5], "longitude": slice(4, 12)}
    expected = evaluate(members.isel(inner), truth.isel(inner))
    close(actual.sortby("latitude", ascending=False), expected)
    np.testing.assert_array_equal(actual.latitude, part.latitude)


def test_a_cell_that_one_member_lacks_counts_nowhere(members, truth):
    members["t2m"][2, 3, 6, 9] = np.nan
    members["t2m"][1, :, 7, 7] = np.nan
    actual = evaluate(members, truth, area_weighted=False)
    valid = members.t2m.notnull().all("realization")
    low = truth.downscale.coarsen(4)
    expected = evaluate(members.where(valid), truth.where(valid), lr=low, area_weighted=False)
    close(actual, expected)
    for name in ("mae_map", "crps_map"):
        np.testing.assert_array_equal(actual[name].isnull().all("product"), ~valid.any("time"))
    error = (members.t2m.mean("realization") - truth.t2m).where(valid)
    assert float(actual.rmse[0]) == pytest.approx(float((error**2).mean()) ** 0.5, rel=1e-4)


def test_several_variables_and_one_without_members(members, truth):
    wet = {"pr": (2 * truth.t2m).assign_attrs(units="mm")}
    both = members.assign(pr=(2 * members.t2m).assign_attrs(units="mm"))
    actual, alone = evaluate(both, truth.assign(wet)), evaluate(members, truth)
    close(actual.sel(variable="t2m"), alone)
    np.testing.assert_allclose(actual.crps.sel(variable="pr"), 2 * alone.crps, rtol=1e-4)
    np.testing.assert_allclose(actual.spread, [alone.spread, 2 * alone.spread], rtol=1e-4)
    np.testing.assert_allclose(actual.rank_histogram.sel(variable="pr"), alone.rank_histogram)
    mixed = both.assign(pr=both.pr.isel(realization=0, drop=True))
    actual = evaluate(mixed, truth.assign(wet))
    close(actual.sel(variable="t2m"), alone)
    assert actual.crps.sel(variable="pr").isnull().all()
    assert actual.rmse.sel(variable="pr").notnull().all()


# --- habits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "chunks", [{"realization": 1, "time": 3}, {"time": 2, "latitude": 3, "longitude": 5}], ids=str
)
def test_lazy_in_lazy_out(members, truth, chunks):
    truth["t2m"][0, 6, 9] = np.nan
    expected = evaluate(members, truth)
    with no_compute():
        actual = evaluate(members.chunk(chunks), truth.chunk(time=3))
    assert all(v.chunks is not None for v in actual.data_vars.values())
    close(actual.compute(), expected)


def test_attributes_say_what_a_score_is(members, truth):
    actual = evaluate(members, truth)
    for name in OWN:
        in_kelvin = ("crps", "crps_map", "crps_series", "maxima_crps", "spread")
        units = "K" if name in in_kelvin else "1"
        assert set(actual[name].attrs) == {"units", "long_name"}
        assert actual[name].attrs["units"] == units
    assert actual.crps_skill.attrs["long_name"] == "skill: 1 - crps / crps of the reference"
    assert actual.ralsd.attrs["long_name"].endswith("in dB")
    assert actual["rank"].attrs == {"units": "1", "long_name": "members below the truth"}


def test_the_file_of_scores_has_units_that_udunits_knows(members, truth, tmp_path):
    evaluate(members, truth).to_netcdf(tmp_path / "scores.nc", engine="netcdf4")
    problems = " ".join(cf_problems(tmp_path / "scores.nc"))
    assert "not recognized by UDUNITS" not in problems  # as dB would be


def test_inputs_are_not_changed(members, truth):
    copies = members.copy(deep=True), truth.copy(deep=True)
    evaluate(members, truth)
    xr.testing.assert_identical(members, copies[0])
    xr.testing.assert_identical(truth, copies[1])


# --- errors ---------------------------------------------------------------------------------------


def test_a_truth_with_members_is_told(members, truth):
    with pytest.raises(GridError, match=r"the truth without members, got 4 along 'realization'"):
        evaluate(members, members)
    with pytest.raises(GridError, match=r"the LR data without members, got 4"):
        evaluate(members, truth, lr=members.downscale.coarsen(4))


def test_two_dimensions_of_members_are_told(members, truth):
    both = members.expand_dims(member=2)
    message = r"prediction to have one dimension of members, got \['member', 'realization'\]"
    with pytest.raises(GridError, match=message):
        evaluate(both, truth)
    assert evaluate(both.stack(ensemble=["member", "realization"]), truth).sizes["rank"] == 9
    assert evaluate(both.isel(member=0), truth).sizes["rank"] == 5


def test_members_of_one_step_are_no_times(members, truth):
    with pytest.raises(VariableError, match=r"prediction to have a time dimension"):
        evaluate(members.isel(time=0), truth)

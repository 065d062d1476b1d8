import warnings

import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic, no_compute
from tests.metrics.reference import prediction_of
from xr_dl4ds.exceptions import TimeError
from xr_dl4ds.metrics import evaluate

PERIODS = (("2001", "2002"), ("2004", "2005"))
NAMES = ["change", "relative_change"]


def data(units="mm/day", calendar=None):
    """Fields by month over five years, and their prediction."""
    truth = analytic(time=60)[["t2m"]]
    trend = xr.DataArray(np.linspace(0, 3, 60), dims="time")
    time = xr.date_range("2001-01-01", periods=60, freq="MS", use_cftime=calendar is not None,
                         calendar=calendar or "standard")  # fmt: skip
    truth["t2m"] = (truth.t2m - 250 + trend).astype("f8").assign_attrs(units=units)
    truth = truth.assign_coords(time=("time", time))
    prediction = prediction_of(truth)
    prediction["t2m"] = (1.5 * prediction.t2m).assign_attrs(units=units)
    return prediction, truth


def means(field):
    """Means of the months of both periods, by hand."""
    values = field.to_numpy()
    return np.stack([values[:24].mean(axis=0), values[36:60].mean(axis=0)])


def score(prediction, truth, **options):
    return evaluate(
        prediction, truth, **{"scores": NAMES, "periods": PERIODS, "baselines": [], **options}
    )


@pytest.mark.parametrize("calendar", [None, "noleap", "360_day"])
def test_values_by_hand(calendar):
    prediction, truth = data(calendar=calendar)
    found = score(prediction, truth, area_weighted=False)
    own, true = means(prediction.t2m), means(truth.t2m)
    of = found.sel(product="prediction")
    assert float(of.change) == pytest.approx((own[1] - own[0]).mean(), rel=1e-6)
    assert float(found.change_truth) == pytest.approx((true[1] - true[0]).mean(), rel=1e-6)
    np.testing.assert_allclose(found.change_map_truth, true[1] - true[0], rtol=1e-6)
    np.testing.assert_allclose(of.change_map, own[1] - own[0], rtol=1e-5)
    ratio = true[1].mean() / true[0].mean() - 1
    assert float(found.relative_change_truth) == pytest.approx(ratio, rel=1e-6)
    np.testing.assert_allclose(found.relative_change_map_truth, true[1] / true[0] - 1, rtol=1e-6)
    assert found.change.attrs["units"] == "mm/day"
    assert found.relative_change.attrs["units"] == "1"


def test_cells_have_the_weights_of_their_areas():
    prediction, truth = data()
    found = score(prediction, truth)
    true = means(truth.t2m)
    rows = np.cos(np.deg2rad(truth.latitude.to_numpy()))
    expected = np.average((true[1] - true[0]).mean(axis=1), weights=rows)
    assert float(found.change_truth) == pytest.approx(expected, rel=1e-4)


def test_lr_fields_on_their_own_cells():
    prediction, truth = data()
    lr = truth.downscale.coarsen(4)
    lr["t2m"] = (2 * lr.t2m).assign_attrs(truth.t2m.attrs)
    found = score(prediction, truth, lr=lr, area_weighted=False)
    low = means(lr.t2m)
    assert float(found.change_lr) == pytest.approx((low[1] - low[0]).mean(), rel=1e-5)
    expected = low[1].mean() / low[0].mean() - 1
    assert float(found.relative_change_lr) == pytest.approx(expected, rel=1e-5)
    # of the scored region alone: an LR cell counts by the share of its cells that are scored
    gap = truth.copy(deep=True)
    gap["t2m"][:, :, :6] = np.nan
    found = score(prediction, gap, lr=lr, area_weighted=False)
    columns = (low[1] - low[0]).mean(axis=0)
    expected = np.average(columns, weights=[0, 0.5, 1])
    assert float(found.change_lr) == pytest.approx(expected, rel=1e-5)
    bare = prediction.drop_attrs(deep=False)
    assert "change_lr" not in score(bare, truth)


def test_parts_and_gaps():
    prediction, truth = data()
    found = score(prediction, truth, by="season", area_weighted=False)
    values, season = truth.t2m.to_numpy(), truth.time.dt.season.to_numpy()
    for label in found.season.to_numpy():
        inside = season == label
        parts = [values[:24][inside[:24]], values[36:][inside[36:]]]
        expected = (parts[1].mean(axis=0) - parts[0].mean(axis=0)).mean()
        assert float(found.change_truth.sel(season=label)) == pytest.approx(expected, rel=1e-6)
    gap = truth.copy(deep=True)
    gap["t2m"][:24, 0, 0] = np.nan  # no value in the first period: the cell does not count
    gap["t2m"][3:9, 2, 2] = np.nan
    found = score(prediction, gap, area_weighted=False)
    values = gap.t2m.to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # means of cells without values
        maps = np.nanmean(values[36:], axis=0) - np.nanmean(values[:24], axis=0)
    assert float(found.change_truth) == pytest.approx(np.nanmean(maps), rel=1e-6)
    assert np.isnan(found.change_map_truth[0, 0])


def test_a_part_without_one_of_the_periods_is_missing():
    prediction, truth = data()
    found = score(prediction, truth, by="year")
    assert found.change.isnull().all()


def test_members_and_lazy_data():
    prediction, truth = data()
    members = xr.concat([prediction, 2 * prediction], "realization").assign_attrs(prediction.attrs)
    members["t2m"].attrs = truth.t2m.attrs
    expected = 1.5 * float(score(prediction, truth).change.sel(product="prediction"))
    with no_compute():
        found = score(members.chunk(time=7), truth.chunk(time=7))
    assert all(v.chunks is not None for v in found.values())
    assert float(found.change.sel(product="prediction")) == pytest.approx(expected, rel=1e-6)


def test_temperatures_have_no_relative_change():
    prediction, truth = data("degC")
    assert "relative_change" not in score(prediction, truth, scores="change")
    with pytest.raises(ValueError, match=r"'relative_change' needs a variable with a natural zero"):
        score(prediction, truth)


@pytest.mark.parametrize(
    ("periods", "error", "message"),
    [
        (None, ValueError, r"'change' needs two periods\. Pass periods=, such as"),
        (("2001", "2002"), ValueError, r"`periods` to be two pairs of dates, got \('2001'"),
        ("2001", ValueError, r"`periods` to be two pairs of dates, got '2001'"),
        ((("2001", "2002"),), ValueError, r"`periods` to be two pairs of dates"),
        ((("2001", "2002"), ("2091", "2099")), TimeError, r"from 2091 to 2099, got 60 steps from"),
        (
            (("2001", "2002"), ("now", "then")),
            ValueError,
            r"to hold dates, got 'now' and 'then'\. Pass",
        ),
    ],
)
def test_periods_that_cannot_be(periods, error, message):
    with pytest.raises(error, match=message):
        score(*data(), periods=periods)


def test_steps_without_dates_have_no_periods():
    bare = [one.assign_coords(time=np.arange(60)) for one in data()]
    with pytest.raises(TimeError, match=r"dates along time for periods=, got steps without"):
        score(*bare)

import logging

import numpy as np
import pytest
import xarray as xr
from xarray.groupers import BinGrouper, SeasonGrouper

from tests.conftest import analytic, no_compute
from tests.metrics.reference import prediction_of
from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.metrics import evaluate

logger = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def pair():
    truth = analytic(time=24)[["t2m"]]
    time = np.datetime64("2001-01-15", "ns") + np.arange(24) * np.timedelta64(30, "D")
    truth = truth.assign_coords(time=("time", time, truth.time.attrs))
    return prediction_of(truth), truth


@pytest.mark.parametrize("by", ["season", "month", "year"])
def test_each_part_equals_its_own_evaluation(pair, by):
    prediction, truth = pair
    actual = evaluate(prediction, truth, by=by)
    labels = getattr(truth.time.dt, by)
    assert set(actual[by].values) == set(labels.values)
    if by == "season":
        assert list(actual.season.values) == ["DJF", "MAM", "JJA", "SON"]
    for label in actual[by].values:
        part = labels == label
        expected = evaluate(prediction.isel(time=part), truth.isel(time=part))
        one = actual.sel({by: label})
        for name in ("rmse", "bias", "rmse_map", "mae_skill", "ralsd"):
            np.testing.assert_allclose(one[name], expected[name], rtol=1e-9, atol=1e-12)
    assert not any("time" in v.dims for v in actual.values())


def test_hours():
    truth = analytic(time=8)[["t2m"]]
    actual = evaluate(prediction_of(truth), truth, by="hour")
    assert list(actual.hour.values) == sorted(set(truth.time.dt.hour.values.tolist()))


def test_regions_of_a_mask_with_meanings(pair):
    prediction, truth = pair
    land = xr.zeros_like(truth.t2m.isel(time=0, drop=True), dtype=int)
    land[2:, 3:] = 1
    land = land.rename("surface").assign_attrs(flag_values=[0, 1], flag_meanings="sea land")
    actual = evaluate(prediction, truth, by=land, area_weighted=False)
    assert list(actual.surface.values) == ["sea", "land"]
    error = (prediction.t2m - truth.t2m).astype("f8").values
    for label, inside in (("sea", land.values == 0), ("land", land.values == 1)):
        expected = (error[:, inside] ** 2).mean() ** 0.5
        found = actual.rmse.sel(surface=label, product="prediction")
        assert float(found) == pytest.approx(expected, rel=1e-5)
    assert not {"latitude", "longitude", "time"} & set(actual.dims)


def test_bands_of_altitude_and_seasons_together(pair):
    prediction, truth = pair
    altitude = xr.DataArray(
        np.linspace(0, 1100, 96).reshape(8, 12), truth.t2m[0].drop_vars("time").coords
    ).rename("orog")
    actual = evaluate(prediction, truth, by=[(altitude, BinGrouper(bins=[0, 500, 1200])), "season"])
    assert actual.rmse.dims[:2] == ("orog", "season")
    assert list(actual.orog.values) == ["(0, 500]", "(500, 1200]"]
    inside = (altitude > 500).transpose("latitude", "longitude")
    winter = truth.time.dt.season == "DJF"
    expected = evaluate(
        prediction.where(inside).isel(time=winter), truth.where(inside).isel(time=winter),
        lr=truth.downscale.coarsen(4),
    )  # fmt: skip
    found = actual.sel(orog="(500, 1200]", season="DJF")
    np.testing.assert_allclose(found.mae, expected.mae, rtol=1e-6)


def test_groupers_and_labels_of_time(pair):
    prediction, truth = pair
    actual = evaluate(prediction, truth, by=SeasonGrouper(["DJFM", "AMJJASON"]))
    assert list(actual.period.values) == ["DJFM", "AMJJASON"]
    regime = xr.DataArray(["wet", "dry"] * 12, {"time": truth.time}, name="regime")
    # in any order of time
    found = evaluate(prediction, truth, by=regime.isel(time=slice(None, None, -1)))
    expected = evaluate(prediction.isel(time=slice(1, None, 2)), truth.isel(time=slice(1, None, 2)))
    np.testing.assert_allclose(found.rmse.sel(regime="dry"), expected.rmse, rtol=1e-9)


def test_two_groupings_of_time(pair):
    prediction, truth = pair
    first = {"time": slice(0, 16)}  # January 2001 to April 2002
    prediction, truth = prediction.isel(first), truth.isel(first)
    actual = evaluate(prediction, truth, by=["year", "season"])
    for year, season in ((2001, "JJA"), (2002, "DJF")):
        part = (truth.time.dt.year == year) & (truth.time.dt.season == season)
        expected = evaluate(
            prediction.isel(time=slice(0, 16)).isel(time=part), truth.isel(time=part)
        )
        found = actual.sel(year=year, season=season)
        np.testing.assert_allclose(found.rmse, expected.rmse, rtol=1e-9)
    # there is no summer of 2002
    assert actual.rmse.sel(year=2002, season="JJA").isnull().all()


def test_the_annual_cycle_of_months(pair):
    actual = evaluate(*pair, by="month", scores="variability")
    assert actual.annual_cycle.dims == ("month", "product", "calendar_month")


def test_text_on_cells(pair):
    prediction, truth = pair
    names = xr.DataArray(
        np.where(np.arange(96).reshape(8, 12) % 12 < 5, "west coast", "inland"),
        truth.t2m[0].drop_vars("time").coords,
        name="region",
    )
    actual = evaluate(prediction, truth, by=names, area_weighted=False)
    assert list(actual.region.values) == ["inland", "west coast"]
    error = (prediction.t2m - truth.t2m).isel(longitude=slice(0, 5)).astype("f8")
    found = actual.rmse.sel(region="west coast", product="prediction")
    assert float(found) == pytest.approx(float((error**2).mean()) ** 0.5, rel=1e-5)


@pytest.mark.parametrize("labelled", [True, False])
def test_bands_of_a_coordinate(pair, labelled):
    prediction, truth = pair
    latitude = truth.latitude
    edges = [float(latitude.min()) - 1, float(latitude[3]) + 0.01, float(latitude.max()) + 1]
    given = latitude if labelled else latitude.drop_vars("latitude")
    actual = evaluate(
        prediction, truth, by=[(given, BinGrouper(bins=edges)), "season"], area_weighted=False
    )
    assert actual.rmse.dims[:2] == ("latitude", "season")
    error = (prediction.t2m - truth.t2m).astype("f8")
    inside = latitude <= edges[1]
    winter = truth.time.dt.season == "DJF"
    for i, band in enumerate((inside, ~inside)):
        expected = float((error.isel(latitude=band, time=winter) ** 2).mean()) ** 0.5
        found = actual.rmse.sel(season="DJF", product="prediction").isel(latitude=i)
        assert float(found) == pytest.approx(expected, rel=1e-5)
    # labels of columns, without a grouper
    sides = xr.DataArray(np.repeat([7, 9], 6), {"longitude": truth.longitude}, name="side")
    found = evaluate(prediction, truth, by=sides, area_weighted=False)
    expected = float((error.isel(longitude=slice(6)) ** 2).mean()) ** 0.5
    assert float(found.rmse.sel(side=7, product="prediction")) == pytest.approx(expected, rel=1e-5)


def test_bands_of_a_two_dimensional_coordinate(pair):
    lat = xr.DataArray(np.linspace(40, 47, 96).reshape(8, 12), dims=("latitude", "longitude"))
    prediction, truth = (ds.assign_coords(lat=lat) for ds in pair)
    actual = evaluate(prediction, truth, by=(truth.lat, BinGrouper(bins=[0, 43, 50])))
    plain = lat.assign_coords(latitude=truth.latitude, longitude=truth.longitude).rename("height")
    expected = evaluate(*pair, by=(plain, BinGrouper(bins=[0, 43, 50])))
    np.testing.assert_array_equal(actual.rmse, expected.rmse)
    assert actual.rmse.dims[0] == "lat"


def test_masks_that_overlap(pair):
    prediction, truth = pair
    masks = np.zeros((4, 8, 12), bool)
    masks[0, :4], masks[1, 2:], masks[2, :, 5] = True, True, True  # the last has no cell
    coords = {
        "region": [3, 5, 8, 9],
        "names": ("region", ["Alps", "Po", "Rhine", "Nowhere"]),
        "abbrevs": ("region", ["A", "P", "R", "N"]),
        "latitude": truth.latitude,
        "longitude": truth.longitude,
    }
    regions = xr.DataArray(masks, coords, ("region", "latitude", "longitude"), name="mask")
    actual = evaluate(prediction, truth, by=regions, area_weighted=False)
    assert list(actual.region.values) == ["Alps", "Po", "Rhine"]
    error = (prediction.t2m - truth.t2m).astype("f8").values
    for name, inside in zip(actual.region.values, masks, strict=False):
        expected = (error[:, inside] ** 2).mean() ** 0.5
        found = actual.rmse.sel(region=name, product="prediction")
        assert float(found) == pytest.approx(expected, rel=1e-5)
    numbered = evaluate(prediction, truth, by=[regions.drop_vars("names"), "season"])
    assert list(numbered.region.values) == [3, 5, 8]
    bare = evaluate(prediction, truth, by=regions.drop_vars(["names", "region", "abbrevs"]))
    assert list(bare.region.values) == [0, 1, 2]


def test_lazy_data_stay_lazy(pair):
    prediction, truth = (one.chunk(time=5) for one in pair)
    with no_compute():
        actual = evaluate(prediction, truth, by="season")
    assert actual.rmse.chunks is not None
    xr.testing.assert_allclose(actual.compute().rmse, evaluate(*pair, by="season").rmse)


def test_bad_groupings(pair):
    prediction, truth = pair
    with pytest.raises(VariableError, match=r"`by` to be one of season.*got 'seson'.*'season'"):
        evaluate(prediction, truth, by="seson")
    with pytest.raises(VariableError, match="a grouper of xarray, got int"):
        evaluate(prediction, truth, by=[3])
    steps = [one.assign_coords(time=np.arange(24)) for one in pair]
    with pytest.raises(TimeError, match="Expected dates along time for scores by date"):
        evaluate(*steps, by="month")
    with pytest.raises(GridError, match="labels 'region' along time, or on cells that cover"):
        evaluate(prediction, truth, by=truth.t2m.isel(time=0, longitude=slice(6)).rename("region"))
    with pytest.raises(TimeError, match="Expected labels at 24 steps, got 3"):
        evaluate(prediction, truth, by=xr.DataArray([1, 2, 3], dims="time"))
    none = xr.full_like(truth.t2m.isel(time=0, drop=True), np.nan).rename("region")
    with pytest.raises(VariableError, match="labels where the prediction has cells"):
        evaluate(prediction, truth, by=none)
    height = xr.zeros_like(none).rename("orog")
    with pytest.raises(VariableError, match="values of 'orog' in the bins of BinGrouper"):
        evaluate(prediction, truth, by=(height, BinGrouper(bins=[100, 200])))
    with pytest.raises(GridError, match=r"labels of 12 cells along 'longitude', got 5\. Give them"):
        evaluate(prediction, truth, by=xr.DataArray(np.arange(5), dims="longitude"))
    masks = xr.zeros_like(height, dtype=bool).expand_dims(region=2)
    with pytest.raises(VariableError, match=r"masks with cells .*, got 2 without\. Check"):
        evaluate(prediction, truth, by=masks)
    turned = masks.rename(latitude="row")
    with pytest.raises(VariableError, match=r"masks along 'latitude', 'longitude' and one more"):
        evaluate(prediction, truth, by=turned)


def test_dates_and_lead_times_as_labels(pair):
    prediction, truth = pair
    days = truth.time.dt.floor("D").rename("day")
    leads = (truth.time - truth.time[0]).rename("lead")
    dates = days.copy(data=truth.time.to_index().date)
    expected = evaluate(prediction.isel(time=[2]), truth.isel(time=[2])).rmse
    for by, label in ((days, "2001-03-16"), (leads, "60 days 00:00:00"), (dates, "2001-03-16")):
        found = evaluate(prediction, truth, by=by, scores="rmse").rmse
        assert found.sizes[by.name] == 24
        np.testing.assert_allclose(found.sel({by.name: label}), expected, rtol=1e-9)


def test_masks_of_numbers(pair):
    prediction, truth = pair
    north = (truth.latitude > truth.latitude.mean()).broadcast_like(truth.t2m.isel(time=0))
    masks = xr.concat([north, ~north], xr.Variable("region", ["north", "south"]))
    masks = masks.drop_vars("time", errors="ignore")
    expected = evaluate(prediction, truth, by=masks, scores="rmse").rmse
    found = evaluate(prediction, truth, by=masks.astype(int), scores="rmse").rmse
    xr.testing.assert_identical(found, expected)


def test_parts_are_not_named_as_the_scores(pair):
    prediction, truth = pair
    labels = xr.DataArray(np.arange(24), dims="time", name="variable")
    with pytest.raises(
        VariableError, match=r"that the scores do not have, got 'variable'\. Rename"
    ):
        evaluate(prediction, truth, by=labels, scores="rmse")

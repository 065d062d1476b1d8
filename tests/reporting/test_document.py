import logging
import re

import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic
from tests.metrics.reference import prediction_of
from tests.reporting.test_page import Outline
from xr_dl4ds.metrics import SCORES
from xr_dl4ds.metrics.readings import READINGS
from xr_dl4ds.metrics.score_registry import DEFAULT
from xr_dl4ds.reporting import write_report
from xr_dl4ds.reporting.score_tables import meaning


def data(seed=0):
    """A prediction and its truth, every tenth day of two years."""
    truth = analytic(time=12)[["t2m"]]
    rng = np.random.default_rng(seed)
    truth["t2m"] = truth.t2m + rng.normal(size=truth.t2m.shape).astype("f4")
    days = xr.date_range("2001-01-01", periods=12, freq="60D")
    return prediction_of(truth).assign_coords(time=days), truth.assign_coords(time=days)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report with thresholds, as text."""
    prediction, truth = data()
    path = tmp_path_factory.mktemp("report") / "sub" / "report.html"
    found = write_report(prediction, truth, path, thresholds=[280.0], scores="all")
    assert found == path
    return path.read_text("utf-8")


def words(page):
    """The text of a page, with plain spaces."""
    return re.sub(r"\s+", " ", Outline(page).text)


def test_it_names_data_grid_model_and_options(page):
    text = words(page)
    for one in ("latitude-longitude", "12 time steps, 2001-01-01", "t2m", "scored"):
        assert one in text


def test_it_says_which_baselines_are_beaten(page):
    prediction, truth = data()
    scores = prediction.downscale.evaluate(truth)
    rmse = {str(p): f"{float(scores.rmse.sel(product=p)):.3g}" for p in scores["product"].values}
    text = words(page)
    assert re.search(rf"RMSE: {rmse['prediction']} K \(prediction\), {rmse['bilinear']} K", text)


def test_seasons_are_compared(page):
    assert [one for one in ("DJF", "MAM", "JJA", "SON") if one not in words(page)] == []
    prediction, truth = data()
    parts = prediction.downscale.evaluate(truth, by="season").rmse
    value = f"{float(parts.sel(season='DJF', product='prediction')):.3g}"
    assert re.search(rf"<th scope='row'>DJF</th><td class='number( best)?'>{value}</td>", page)


def test_each_score_has_its_value_and_its_meaning(page):
    prediction, truth = data()
    found = prediction.downscale.evaluate(truth, scores="pointwise")
    text = words(page)
    for name in ("mae", "kge", "spearman"):
        value = float(found[name].sel(product="prediction"))
        assert f"{value:.3g}" in page, name
        assert meaning(name, SCORES[name]) in text
    assert "days_above / steps in a year, threshold 280 K" in text
    assert "csi, threshold 280 K" in text


def test_pictures_are_in_the_page(page):
    images = [a for tag, a in Outline(page).found if tag == "img"]
    assert len(images) >= 8
    assert all(a["src"].startswith("data:image/png;base64,") and a["alt"] for a in images)


def test_it_says_what_was_not_scored_and_why(page):
    text = words(page)
    assert "crps needs an ensemble" in text
    assert "sdii needs precipitation" in text


def test_warnings_are_on_the_page_and_in_the_log(tmp_path, caplog):
    prediction, truth = data()
    prediction.t2m[0, 0, 0] = -9999
    path = write_report(prediction, truth, tmp_path / "report.html", scores=list(DEFAULT[:4]))
    assert "-9999" in words(path.read_text("utf-8"))
    assert "-9999" in caplog.text
    handlers = logging.getLogger("xr_dl4ds").handlers
    assert [one for one in handlers if type(one).__name__ == "Listener"] == []


def test_several_variables_members_title_and_parts(tmp_path):
    prediction, truth = data()
    truth["wind"] = (truth.t2m / 10).assign_attrs(units="m s-1")
    rng = np.random.default_rng(1)
    noise = xr.DataArray(rng.normal(size=(3, 12)), dims=("realization", "time"))
    members = prediction.assign(wind=prediction.t2m / 10)
    members["wind"].attrs["units"] = "m s-1"
    members = members.map(lambda one: (one + noise).assign_attrs(one.attrs))
    members.attrs = prediction.attrs
    path = tmp_path / "report.html"
    write_report(
        members,
        truth,
        path,
        scores=["crps", "rank_histogram", "spread_skill_ratio"],
        by="month",
        title="Winds & <temperatures>",
        baselines=["nearest"],
    )
    text = words(path.read_text("utf-8"))
    assert "Winds & <temperatures>" in text
    for one in ("Spread-skill ratio", "CRPS: ", "m s-1", "nearest", "month 1", "By month"):
        assert one in text
    assert text.count("In short") == 2


def test_data_without_dates_or_baselines(tmp_path):
    prediction, truth = (one.drop_vars("time") for one in data())
    prediction.attrs = {}
    path = write_report(prediction, truth, tmp_path / "report.html", scores="rmse")
    text = words(path.read_text("utf-8"))
    assert "There are no baselines to compare the prediction with." in text
    assert "By season" not in text


def test_a_picture_that_cannot_be_drawn_is_told(tmp_path):
    prediction, truth = data()
    many = list(np.linspace(275, 285, 14))
    path = write_report(prediction, truth, tmp_path / "r.html", scores="fss", thresholds=many)
    text = words(path.read_text("utf-8"))
    assert "A picture is left out. Expected at most 12 panels, got 14 along threshold." in text


def test_the_file_is_checked_before_anything_is_scored(tmp_path):
    place = tmp_path / "report.html"
    place.write_text("mine")
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        write_report(xr.Dataset(), xr.Dataset(), place)
    assert place.read_text() == "mine"
    prediction, truth = data()
    prediction.downscale.report(truth, place, scores="rmse", overwrite=True)
    assert place.read_text().startswith("<!DOCTYPE html>")


def test_lazy_data_give_the_same_page(tmp_path):
    prediction, truth = data()
    pages = [
        write_report(*pair, tmp_path / f"{i}.html", scores="rmse").read_text("utf-8")
        for i, pair in enumerate([(prediction, truth), (prediction.chunk(), truth.chunk())])
    ]
    tables = [re.findall(r"<td class='number[^>]*>[^<]*</td>", page) for page in pages]
    assert tables[0] == tables[1]


def test_every_score_of_the_package_has_a_reading():
    own = {name for name, score in SCORES.items() if score.group != "own"}
    assert set(READINGS) == own
    assert {one.perfect for one in READINGS.values()} <= {"0", "1", "∞", "truth", ""}

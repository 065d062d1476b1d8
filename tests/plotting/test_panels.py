import numpy as np
import pytest
import xarray as xr

from tests.plotting import scored
from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.plotting import plot_parts, plot_power, plot_quantiles, plot_reliability, plot_skill
from xr_dl4ds.plotting.panels import of_variable, panels_of, title_of


@pytest.fixture(scope="module")
def hr():
    return scored.twice(scored.truth())


@pytest.fixture(scope="module")
def scores(hr):
    return scored.twice(scored.smooth(hr)).downscale.evaluate(
        hr, scale=4, scores=["rmse", "quantiles", "csi", "power"], thresholds=[10]
    )


def test_the_first_variable_or_the_one_that_is_named(scores):
    assert plot_quantiles(scores).axes[0].get_xlabel() == "truth / K"
    figure = plot_quantiles(scores, variable="u")
    assert figure.axes[0].get_xlabel() == "truth / m s-1"
    y = scored.line_of(figure.axes[0], "bicubic")[:, 1]
    np.testing.assert_allclose(y, scores.quantiles.sel(variable="u", product="bicubic"))
    assert plot_power(scores, variable="u").axes[0].get_ylabel() == "power of u / (m s-1)² cells²"
    with pytest.raises(VariableError, match=r"one of \['t2m', 'u'\], got 'tas'"):
        plot_quantiles(scores, variable="tas")


def test_a_single_variable_is_compared_with_the_one_that_is_named(scores):
    one = scores.sel(variable="u")
    assert plot_quantiles(one, variable="u").get_suptitle() == "quantiles of u"
    with pytest.raises(VariableError, match=r"one of \['u'\], got 't2m'"):
        plot_quantiles(one, variable="t2m")


def test_one_product_that_is_selected(scores):
    figure = plot_quantiles(scores.sel(product="bicubic"))
    assert scored.legend_of(figure) == ["bicubic"]


def test_what_is_missing_and_how_to_get_it(scores, hr):
    with pytest.raises(VariableError, match=r"with 'mae', got .* Pass scores=\['mae'\] to"):
        plot_parts(scores, "mae")
    says = r"Pass scores=\['reliability'\] to .downscale.evaluate, with thresholds=, of an ensemble"
    with pytest.raises(VariableError, match=says):
        plot_reliability(scores)
    alone = hr.downscale.evaluate(hr, scores=["rmse"])
    with pytest.raises(VariableError, match=r"Pass scores=\['rmse'\] .*, with lr= or scale= for"):
        plot_skill(alone)


def test_a_score_without_values(scores):
    empty = scores.assign(quantiles=scores.quantiles.where(scores["variable"] == "u"))
    assert plot_quantiles(empty, variable="u").axes
    with pytest.raises(VariableError, match=r"values of 'quantiles' of 't2m', got missing values"):
        plot_quantiles(empty)


def test_scores_by_parts_need_parts(scores):
    with pytest.raises(VariableError, match=r"'rmse' by parts of the data, got .* Pass by= to"):
        plot_parts(scores)


def test_more_panels_than_there_is_room_for():
    data = xr.Dataset({"rmse": (("product", "hour"), np.zeros((2, 24)))})
    data = data.assign_coords(hour=np.arange(24)).assign_attrs(units="K")
    with pytest.raises(
        VariableError, match=r"at most 12 panels, got 24 along hour\. Select .*0, 1"
    ):
        panels_of(data, ["product"])
    assert [p.title for p in panels_of(data.isel(hour=[0, 12]), ["product"])] == [
        "hour 0",
        "hour 12",
    ]


@pytest.mark.parametrize(
    ("dim", "label", "expected"),
    [
        ("season", "DJF", "DJF"),
        ("month", 3, "month 3"),
        ("threshold", 0.1, "threshold 0.1 mm"),
        ("rain_band", 2.5, "rain band 2.5"),
    ],
)
def test_titles_of_parts(dim, label, expected):
    assert title_of(dim, label, "mm") == expected


def test_scores_are_kept_as_they_are(scores):
    before = scores.copy(deep=True)
    of_variable(scores, ["rmse"], "u")
    xr.testing.assert_identical(scores, before)

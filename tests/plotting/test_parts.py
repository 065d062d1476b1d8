import numpy as np
import pytest
import xarray as xr

from tests.plotting import scored
from xr_dl4ds.plotting import plot_parts, plot_skill
from xr_dl4ds.plotting.parts import where_worse
from xr_dl4ds.plotting.products import STYLES


@pytest.fixture(scope="module")
def hr():
    return scored.truth()


@pytest.fixture(scope="module")
def scores(hr):
    return scored.smooth(hr).downscale.evaluate(hr, scale=4, scores=["mae", "rmse"], by="month")


def grey(axes):
    """Return the places of parts in which the prediction is worse."""
    return [round(patch.get_x() + 0.5) for patch in axes.patches]


def test_markers_are_the_scores(scores):
    figure = plot_parts(scores)
    (axes,) = figure.axes
    for product in scores["product"].to_numpy():
        x, y = scored.line_of(axes, product).T
        np.testing.assert_allclose(x, [0, 1, 2], atol=0.4)
        np.testing.assert_allclose(y, scores.rmse.sel(product=product))
    assert [t.get_text() for t in axes.get_xticklabels()] == ["1", "2", "3"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("month", "RMSE of t2m / K")


def test_parts_where_a_baseline_is_better_are_grey(scores):
    """The prediction is the bicubic baseline, 1 K too warm in January."""
    one = scores.sel(product=["prediction", "bicubic"])
    figure = plot_parts(one)
    assert grey(figure.axes[0]) == [0]
    assert scored.legend_of(figure)[-1] == "prediction worse than a baseline"
    unspoilt = plot_parts(one.isel(month=[1, 2]))
    assert grey(unspoilt.axes[0]) == []
    assert scored.legend_of(unspoilt) == ["prediction", "bicubic"]


@pytest.mark.parametrize(
    ("score", "values", "expected"),
    [
        ("rmse", ([1.0, 3.0], [2.0, 2.0]), [False, True]),
        ("bias", ([-1.0, 3.0], [0.5, -4.0]), [True, False]),
        ("correlation", ([0.9, 0.5], [0.8, 0.6]), [False, True]),
        ("std_ratio", ([0.9, 1.3], [1.2, 0.8]), [False, True]),
        ("psnr", ([30.0, 20.0], [25.0, 25.0]), [False, True]),
        ("rmse", ([np.nan, 1.0], [1.0, np.nan]), [False, False]),
        ("rmse", ([1.0 + 1e-9, 1.0], [1.0, 1.0]), [False, False]),
        ("of_my_own", ([1.0, 3.0], [2.0, 2.0]), [False, False]),
    ],
)
def test_what_is_worse(score, values, expected):
    found = xr.DataArray(
        list(values), {"product": ["prediction", "bicubic"]}, dims=("product", "month")
    )
    assert where_worse(xr.Dataset({score: found}), score).tolist() == expected


def test_a_statistic_is_compared_with_that_of_the_truth():
    found = xr.DataArray(
        [[3.0, 3.0], [4.0, 4.0]], {"product": ["prediction", "x"]}, dims=("product", "month")
    )
    truth = xr.DataArray([2.0, 5.0], dims="month")
    worse = where_worse(xr.Dataset({"sdii": found, "sdii_truth": truth}), "sdii")
    assert worse.tolist() == [False, True]


def test_a_prediction_alone_is_not_compared():
    found = xr.DataArray([[1.0, 2.0]], {"product": ["prediction"]}, dims=("product", "month"))
    assert where_worse(xr.Dataset({"rmse": found}), "rmse").tolist() == [False, False]


def test_two_groupings(hr):
    half = xr.where(hr.longitude < 6, "west", "east").rename("side")
    half = half.broadcast_like(hr.t2m.isel(time=0, drop=True)).transpose("latitude", "longitude")
    scores = scored.smooth(hr).downscale.evaluate(hr, scale=4, scores=["bias"], by=["month", half])
    figure = plot_parts(scores, "bias")
    assert [axes.get_title() for axes in figure.axes] == ["east", "west"]
    y = scored.line_of(figure.axes[1], "prediction")[:, 1]
    np.testing.assert_allclose(y, scores.bias.sel(product="prediction", side="west"))


def test_scores_of_the_ensemble_alone(hr):
    scores = scored.members(hr).downscale.evaluate(hr, scale=4, scores="spread", by="month")
    figure = plot_parts(scores, "spread")
    np.testing.assert_allclose(scored.line_of(figure.axes[0], "prediction")[:, 1], scores.spread)


def test_long_labels_of_parts_do_not_touch(scores):
    names = [f"catchment of the river number {i} in the mountains" for i in range(3)]
    many = xr.concat([scores.assign_coords(month=names)] * 2, "month")
    many = many.rename(month="region").assign_coords(
        variable="temperature_of_the_air_at_two_metres"
    )
    figure = plot_parts(many)
    assert scored.touching(figure) == []
    assert scored.outside(figure) == []


# --- skill ----------------------------------------------------------------------------------------


def test_points_and_intervals_are_the_skill(hr):
    scores = scored.smooth(hr).downscale.evaluate(hr, scale=4, scores=["mae", "rmse"])
    ends = xr.DataArray([[-0.2, 0.1], [-0.5, 0.3]], dims=("reference", "bound"))
    scores["rmse_skill_interval"] = ends
    figure = plot_skill(scores)
    assert [axes.get_title() for axes in figure.axes] == ["MAE", "RMSE"]
    axes = figure.axes[1]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["bilinear", "bicubic"]
    at_zero, *points = axes.lines
    np.testing.assert_array_equal(at_zero.get_xdata(), 0)
    for place, (reference, point) in enumerate(zip(("bilinear", "bicubic"), points, strict=True)):
        expected = float(scores.rmse_skill.sel(reference=reference))
        np.testing.assert_allclose(point.get_xydata(), [[expected, place]])
        assert point.get_color() == STYLES[reference].color
        ends = axes.collections[place].get_segments()[0][:, 0]
        np.testing.assert_allclose(ends, scores.rmse_skill_interval.sel(reference=reference))


def test_a_row_of_skill_for_each_part(scores):
    figure = plot_skill(scores)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:3] == ["month 1, MAE", "month 1, RMSE", "month 2, MAE"]
    point = figure.axes[3].lines[1]
    expected = scores.rmse_skill.sel(month=2, reference="bilinear")
    np.testing.assert_allclose(point.get_xdata(), expected)


def test_skill_without_intervals(hr):
    scores = scored.smooth(hr).downscale.evaluate(hr, scale=4, scores=["wasserstein"])
    figure = plot_skill(scores)
    assert [axes.get_title() for axes in figure.axes] == ["wasserstein"]
    assert "interval" not in figure.get_suptitle()

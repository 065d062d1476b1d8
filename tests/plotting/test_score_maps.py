import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic
from tests.plotting import scored
from xr_dl4ds.plotting import plot_score_map, score_maps


@pytest.fixture(scope="module")
def hr():
    return scored.truth()


@pytest.fixture(scope="module")
def scores(hr):
    return scored.smooth(hr).downscale.evaluate(
        hr, scale=4, scores=["rmse", "bias", "txx", "days_above"], thresholds=[280, 283]
    )


def maps(figure):
    return {axes.get_title(): axes.collections[0] for axes in figure.axes if axes.get_title()}


def test_maps_are_the_scores_with_shared_colours(scores):
    figure = plot_score_map(scores)
    found = maps(figure)
    assert [title.split()[0] for title in found] == ["prediction", "bilinear", "bicubic"]
    for product, (title, mesh) in zip(scores["product"].to_numpy(), found.items(), strict=True):
        expected = scores.rmse_map.sel(product=product)
        np.testing.assert_allclose(mesh.get_array(), expected.sortby("latitude"))
        assert title == f"{product} ({float(scores.rmse.sel(product=product)):.3g} K)"
        low, high = float(scores.rmse_map.min()), float(scores.rmse_map.max())
        assert mesh.get_clim() == pytest.approx((low, high))
    assert figure.get_suptitle() == "RMSE of t2m"
    assert "RMSE of t2m / K" in [axes.get_ylabel() for axes in figure.axes]
    assert figure.get_supxlabel() == "longitude / degrees_east"
    assert figure.get_supylabel() == "latitude / degrees_north"


def test_colours_of_a_bias_diverge_about_zero(scores):
    limit = float(abs(scores.bias_map).max())
    for mesh in maps(plot_score_map(scores, "bias")).values():
        assert mesh.get_clim() == pytest.approx((-limit, limit))
        assert mesh.get_cmap().name == "RdBu_r"


def test_a_statistic_stands_beside_that_of_the_truth(scores):
    found = maps(plot_score_map(scores, "txx"))
    *_, (title, mesh) = found.items()
    assert title == f"truth ({float(scores.txx_truth):.3g} K)"
    np.testing.assert_allclose(mesh.get_array(), scores.txx_map_truth.sortby("latitude"))
    assert {m.get_clim() for m in found.values()} == {mesh.get_clim()}


def test_a_row_for_each_threshold(scores):
    figure = plot_score_map(scores, "days_above")
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert len(titles) == 2 * 4
    assert titles[4].startswith("threshold 283 K\nprediction")
    mesh = figure.axes[5].collections[0]
    expected = scores.days_above_map.sel(threshold=283, product="bilinear").sortby("latitude")
    np.testing.assert_allclose(mesh.get_array(), expected)


def test_one_of_two_variables_and_parts_of_time(hr):
    both = scored.twice(hr)
    scores = scored.twice(scored.smooth(hr)).downscale.evaluate(
        both, scale=4, scores=["mae"], by="month"
    )
    figure = plot_score_map(scores, "mae", variable="u")
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert len(titles) == 9
    assert titles[3].startswith("month 2\nprediction (")
    assert "MAE of u / m s-1" in [axes.get_ylabel() for axes in figure.axes]
    expected = scores.mae_map.sel(variable="u", month=1, product="prediction")
    np.testing.assert_allclose(
        figure.axes[0].collections[0].get_array(), expected.sortby("latitude")
    )


def test_longitudes_across_the_seam_lie_side_by_side():
    hr = analytic(time=8)[["t2m"]]
    hr = hr.assign_coords(longitude=(hr.longitude - 6.5) % 360)
    hr.longitude.attrs.update(standard_name="longitude", units="degrees_east")
    scores = (hr + 1).downscale.evaluate(hr, scores=["rmse"])
    mesh = plot_score_map(scores).axes[0].collections[0]
    edges = mesh.get_coordinates()[0, :, 0]
    np.testing.assert_allclose(np.diff(edges), 0.25)


def test_coastlines_where_places_are_known(scores, monkeypatch):
    seen = []
    monkeypatch.setattr(
        score_maps, "draw_coastlines", lambda panels, grid: seen.append((len(panels), grid))
    )
    plot_score_map(scores)
    ((count, grid),) = seen
    assert count == 3
    assert (grid.y.kind, grid.x.kind) == ("latitude", "longitude")


def test_axes_that_the_caller_named(hr):
    bare = {"latitude": "j", "longitude": "i"}
    truth = hr.rename(bare).assign_coords(j=np.arange(8.0), i=np.arange(12.0))
    truth = truth.drop_vars([n for n in truth.coords if n not in ("time", "i", "j")])
    scores = (truth + 1).downscale.evaluate(truth, x_dim="i", y_dim="j", scores=["rmse"])
    figure = plot_score_map(scores)
    np.testing.assert_allclose(figure.axes[0].collections[0].get_array(), 1, atol=1e-4)
    assert figure.get_supxlabel() == "i"


def test_scores_are_not_changed(scores):
    before = scores.copy(deep=True)
    plot_score_map(scores, "bias")
    xr.testing.assert_identical(scores, before)

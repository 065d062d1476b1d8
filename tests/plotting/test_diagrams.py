import numpy as np
import pytest

from tests.conftest import no_compute
from tests.plotting import scored
from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.plotting import plot_quantiles, plot_reliability, plot_violins


@pytest.fixture(scope="module")
def hr():
    return scored.truth()


@pytest.fixture(scope="module")
def scores(hr):
    return scored.members(hr).downscale.evaluate(
        hr, scale=4, scores=["quantiles", "reliability", "rmse", "crps"], thresholds=[280, 283]
    )


def test_points_of_quantiles_are_the_scores(scores):
    figure = plot_quantiles(scores)
    axes = figure.axes[0]
    for product in scores["product"].to_numpy():
        x, y = scored.line_of(axes, product).T
        np.testing.assert_allclose(x, scores.quantiles_truth)
        np.testing.assert_allclose(y, scores.quantiles.sel(product=product))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("truth / K", "products / K")
    assert axes.get_xlim() == axes.get_ylim()
    diagonal = axes.lines[0]
    assert (diagonal.get_xy1(), diagonal.get_slope()) == ((0, 0), 1)
    assert figure.get_suptitle() == "quantiles of t2m"


def test_named_quantiles_stand_at_their_values(scores):
    above = plot_quantiles(scores).axes[0].child_axes[0]
    named = {t.get_text(): t.get_position()[0] for t in above.get_xticklabels()}
    assert {"50 %", "99.9 %", "1 %"} <= named.keys()
    for text, at in named.items():
        q = float(text.removesuffix(" %")) / 100
        truth = scores.quantiles_truth.sel(quantile=q, method="nearest")
        assert at == pytest.approx(float(truth))


def test_curves_of_reliability_are_the_scores(scores):
    figure = plot_reliability(scores)
    above, below = figure.axes
    for threshold, label in ((280, "280 K"), (283, "283 K")):
        curves = scores.reliability.sel(threshold=threshold)
        seen = (curves.sel(curve="share") > 0).to_numpy()
        assert 2 < seen.sum() < 10  # four members have five probabilities
        x, y = scored.line_of(above, label).T
        np.testing.assert_allclose(x, curves.sel(curve="forecast")[seen])
        np.testing.assert_allclose(y, curves.sel(curve="observed")[seen])
        shares = scored.line_of(below, label)[:, 1]
        np.testing.assert_allclose(shares, curves.sel(curve="share")[seen])
        assert shares.sum() == pytest.approx(1)
    assert above.get_ylabel() == "observed frequency / 1"
    assert below.get_ylabel() == "share of cases / 1"
    assert scored.legend_of(figure) == ["280 K", "283 K"]


def test_one_threshold_that_is_selected(scores):
    figure = plot_reliability(scores.sel(threshold=283))
    assert scored.legend_of(figure) == ["283 K"]


def test_violins_are_the_series(scores):
    axes = plot_violins(scores, "crps").axes[0]
    products = list(scores["product"].to_numpy())
    assert [t.get_text() for t in axes.get_xticklabels()] == products
    medians = [line for line in axes.lines if line.get_marker() == "o"]
    for place, (product, line) in enumerate(zip(products, medians, strict=True)):
        series = scores.crps_series.sel(product=product)
        np.testing.assert_allclose(line.get_xydata(), [[place, series.median()]])
        y = axes.collections[2 * place].get_paths()[0].vertices[:, 1]
        np.testing.assert_allclose([y.min(), y.max()], [series.min(), series.max()])
    assert axes.get_ylabel() == "CRPS of t2m / K"
    assert axes.figure.get_suptitle() == "CRPS of t2m at each of 40 times"


def test_violins_without_values_and_of_one_value(scores):
    spoilt = scores[["rmse", "rmse_series"]].copy(deep=True)
    spoilt.rmse_series[0] = np.nan
    spoilt.rmse_series[1] = 2.0
    spoilt.rmse_series[2, :5] = np.nan
    axes = plot_violins(spoilt).axes[0]
    at = [tuple(line.get_xydata()[0]) for line in axes.lines if line.get_marker() == "o"]
    assert at == [(1, 2.0), (2, pytest.approx(float(spoilt.rmse_series[2, 5:].median())))]


def test_long_names_do_not_touch(scores):
    long = scores.assign_coords(
        product=["prediction", "bilinear of the global model", "bicubic_of_the_regional_model"],
        variable="temperature_of_the_air_two_metres_above_the_ground",
    )
    for figure in (plot_violins(long), plot_quantiles(long)):
        assert scored.touching(figure) == []
        assert scored.outside(figure) == []


def test_parts_have_no_series(hr):
    parts = scored.smooth(hr).downscale.evaluate(hr, scale=4, scores=["rmse"], by="month")
    says = r"'rmse_series', got .*\. Pass scores=\['rmse'\] to .downscale.evaluate, without by="
    with pytest.raises(VariableError, match=says):
        plot_violins(parts)


def test_lazy_scores(hr):
    lazy = scored.smooth(hr).chunk(time=10)
    with no_compute():
        scores = lazy.downscale.evaluate(hr.chunk(time=10), scale=4, scores=["rmse"])
    assert scores.rmse_series.chunks is not None
    medians = plot_violins(scores).axes[0].lines[0].get_ydata()
    np.testing.assert_allclose(medians, scores.rmse_series[0].compute().median())
    assert scores.rmse_series.chunks is not None

import numpy as np
import pytest

from tests.plotting import scored
from xr_dl4ds.plotting import plot_annual_cycle, plot_fss, plot_power
from xr_dl4ds.plotting.curves import frequency_of_event


@pytest.fixture(scope="module")
def hr():
    return scored.truth()


@pytest.fixture(scope="module")
def scores(hr):
    asked = ["power", "annual_cycle", "fss", "categorical"]
    return scored.smooth(hr).downscale.evaluate(
        hr, scale=4, scores=asked, thresholds=[280, 283], area_weighted=False
    )


def test_lines_of_power_are_the_scores(scores):
    figure = plot_power(scores)
    (axes,) = figure.axes
    for product in scores["product"].to_numpy():
        x, y = scored.line_of(axes, product).T
        np.testing.assert_allclose(x, scores.wavenumber)
        np.testing.assert_allclose(y, scores.power.sel(product=product))
    np.testing.assert_allclose(scored.line_of(axes, "truth")[:, 1], scores.power_truth)
    assert axes.lines[0].get_color() == "black"
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.get_xlabel() == "wavenumber / cycles per cell"
    assert axes.get_ylabel() == "power of t2m / (K)² cells²"
    assert scored.legend_of(figure) == ["truth", "prediction", "bilinear", "bicubic"]


def test_units_of_power_that_the_scores_do_not_say(hr):
    alone = scored.smooth(hr).downscale.evaluate(hr, scale=4, scores="power")
    assert plot_power(alone).axes[0].get_ylabel() == "power of t2m / (units)² cells²"


def test_lines_of_fss_are_the_scores(scores):
    figure = plot_fss(scores)
    assert [axes.get_title() for axes in figure.axes] == ["threshold 280 K", "threshold 283 K"]
    for axes, threshold in zip(figure.axes, (280, 283), strict=True):
        for product in scores["product"].to_numpy():
            x, y = scored.line_of(axes, product).T
            np.testing.assert_array_equal(x, [1, 3, 5, 9])
            np.testing.assert_allclose(y, scores.fss.sel(product=product, threshold=threshold))
        assert axes.get_xlabel() == "edge of the neighbourhood / cells"
        assert [t.get_text() for t in axes.get_xticklabels()] == ["1", "3", "5", "9"]
    assert scored.touching(figure) == []


def test_the_line_of_useful_skill(scores, hr):
    figure = plot_fss(scores)
    for axes, threshold in zip(figure.axes, (280, 283), strict=True):
        frequency = float((hr.t2m >= threshold).mean())
        assert 0.05 < frequency < 0.95
        np.testing.assert_allclose(axes.lines[-1].get_ydata(), 0.5 + frequency / 2)
    assert scored.legend_of(figure)[-1] == "useful skill"
    alone = plot_fss(scores[["fss"]])
    assert "useful skill" not in scored.legend_of(alone)
    assert len(alone.axes[0].lines) == 3


def test_the_frequency_of_an_event():
    """Of 20 cells a = 3 hits, b = 2 false alarms, c = 1 miss: events in 4 of 20."""
    import xarray as xr

    a, b, c, n = 3, 2, 1, 20
    chance = (a + b) * (a + c) / n
    table = (a / (a + c), b / (a + b), (a - chance) / (a + b + c - chance))
    pod, far, ets = (xr.DataArray([one], dims="product") for one in table)
    assert frequency_of_event(pod, far, ets) == pytest.approx(0.2)
    assert np.isnan(frequency_of_event(pod * 0, far, ets))
    assert np.isnan(frequency_of_event(pod * 0 + 1, far * 0, ets * 0 + 1))


def test_lines_of_the_annual_cycle_are_the_scores(scores):
    figure = plot_annual_cycle(scores)
    (axes,) = figure.axes
    for product in scores["product"].to_numpy():
        x, y = scored.line_of(axes, product).T
        np.testing.assert_array_equal(x, np.arange(1, 13))
        np.testing.assert_allclose(y, scores.annual_cycle.sel(product=product))
    np.testing.assert_allclose(scored.line_of(axes, "truth")[:, 1], scores.annual_cycle_truth)
    assert [t.get_text() for t in axes.get_xticklabels()] == list("JFMAMJJASOND")
    assert axes.get_ylabel() == "mean of t2m / K"


def test_a_panel_for_each_part(hr):
    parts = scored.smooth(hr).downscale.evaluate(hr, scale=4, scores="power", by="month")
    figure = plot_power(parts)
    assert [axes.get_title() for axes in figure.axes] == ["month 1", "month 2", "month 3"]
    y = scored.line_of(figure.axes[1], "prediction")[:, 1]
    np.testing.assert_allclose(y, parts.power.sel(product="prediction", month=2))
    assert [bool(axes.get_ylabel()) for axes in figure.axes] == [True, False, False]
    assert scored.outside(figure) == []

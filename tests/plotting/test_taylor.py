import numpy as np
import pytest

from tests.plotting import scored
from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.plotting import plot_taylor


@pytest.fixture(scope="module")
def hr():
    return scored.truth()


@pytest.fixture(scope="module")
def scores(hr):
    return scored.smooth(hr).downscale.evaluate(
        hr, scale=4, scores=["correlation", "std_ratio", "rmse", "bias", "nrmse"]
    )


def points(figure):
    """Cartesian places of the products."""
    found = {}
    for line in figure.axes[0].lines:
        if line.get_marker() not in ("None", "*"):
            angle, radius = (float(v[0]) for v in line.get_data())
            found[line.get_label()] = radius * np.cos(angle), radius * np.sin(angle)
    return found


def test_distances_are_the_centred_rmse(scores):
    """The distance from the truth, (1, 0), is the RMSE without bias over the std of the truth."""
    places = points(plot_taylor(scores))
    assert list(places) == ["prediction", "bilinear", "bicubic"]
    for product, (x, y) in places.items():
        one = scores.sel(product=product)
        expected = one.nrmse * np.sqrt(1 - (one.bias / one.rmse) ** 2)
        assert np.hypot(x - 1, y) == pytest.approx(float(expected), rel=1e-6)
        assert np.hypot(x, y) == pytest.approx(float(one.std_ratio))
        assert x / np.hypot(x, y) == pytest.approx(float(one.correlation))


def test_contours_are_circles_about_the_truth(scores):
    axes = plot_taylor(scores).axes[0]
    contours = [line for line in axes.lines if line.get_label() == "_centred RMSE"]
    assert len(contours) > 3
    for i, line in enumerate(contours):
        angle, radius = line.get_data()
        distance = np.hypot(radius * np.cos(angle) - 1, radius * np.sin(angle))
        np.testing.assert_allclose(distance[np.isfinite(distance)], 0.25 * (i + 1))
        assert np.nanmax(radius) <= axes.get_rmax()
        assert np.nanmax(angle) <= np.pi / 2 + 1e-9


def test_correlations_along_the_arc(scores):
    axes = plot_taylor(scores).axes[0]
    for at, text in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True):
        assert np.cos(at) == pytest.approx(float(text.get_text()), abs=1e-9)
    assert axes.get_thetamax() == 90


def test_half_a_circle_for_negative_correlations(scores):
    turned = scores.assign(correlation=-scores.correlation)
    figure = plot_taylor(turned)
    assert figure.axes[0].get_thetamax() == pytest.approx(180)
    x, y = points(figure)["bilinear"]
    assert x / np.hypot(x, y) == pytest.approx(-float(scores.correlation.sel(product="bilinear")))


def test_the_ensemble_mean_and_not_its_members(hr):
    """Place and distance of the mean are those of the mean as a single prediction."""
    members = scored.members(hr)
    asked = ["correlation", "std_ratio", "spread"]
    asked += ["rmse", "bias", "nrmse", "relative_bias", "kge"]
    ensemble = members.downscale.evaluate(hr, scale=4, scores=asked)
    mean = members.t2m.mean("realization").assign_attrs(hr.t2m.attrs).to_dataset(name="t2m")
    single = mean.downscale.evaluate(hr, scale=4, scores=["correlation", "std_ratio"])
    figure = plot_taylor(ensemble)
    expected = points(plot_taylor(single))
    for product, place in points(figure).items():
        np.testing.assert_allclose(place, expected[product], rtol=1e-5)
    of_members = float(ensemble.std_ratio.sel(product="prediction"))
    assert of_members > 1.01 * np.hypot(*expected["prediction"])
    assert figure.get_suptitle() == "Taylor diagram of t2m (ensemble mean)"


def test_an_ensemble_without_the_scores_of_its_mean(hr):
    asked = ["rmse", "bias", "correlation", "std_ratio", "spread"]
    scores = scored.members(hr).downscale.evaluate(hr, scale=4, scores=asked)
    with pytest.raises(VariableError, match=r"'nrmse', 'relative_bias', 'kge', got .* Pass scores"):
        plot_taylor(scores)

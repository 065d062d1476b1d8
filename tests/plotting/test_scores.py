import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic
from xr_dl4ds import metrics
from xr_dl4ds.exceptions import GridError, VariableError
from xr_dl4ds.plotting import plot_rank_histogram, plot_spectra


@pytest.fixture
def hr():
    return analytic()[["t2m"]]


@pytest.fixture
def smooth(hr):
    return hr.downscale.coarsen(4).downscale.interpolate(hr, method="bicubic")


@pytest.fixture
def members(hr):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(3, *hr.t2m.shape)).astype("f4")
    errors = xr.DataArray(noise, dims=("realization", *hr.t2m.dims))
    return hr.assign(t2m=(hr.t2m + errors).assign_attrs(hr.t2m.attrs))


def lines(figure):
    """What is drawn, by label, sorted as in the figure."""
    return {line.get_label(): line.get_xydata() for line in figure.axes[0].lines}


def power(field):
    actual = metrics.spectrum(field, ("latitude", "longitude"))
    return np.stack([actual["wavenumber"], actual], axis=1)


# --- spectra --------------------------------------------------------------------------------------


def test_lines_are_the_spectra(hr, smooth, members):
    figure = plot_spectra({"bicubic": smooth, "members": members}, hr)
    drawn = lines(figure)
    assert list(drawn) == ["truth", "bicubic", "members"]
    np.testing.assert_allclose(drawn["truth"], power(hr.t2m), rtol=1e-4)
    np.testing.assert_allclose(drawn["bicubic"], power(smooth.t2m), rtol=1e-3)
    each = [power(members.t2m.isel(realization=i)) for i in range(3)]
    np.testing.assert_allclose(drawn["members"], np.mean(each, axis=0), rtol=1e-4)
    axes = figure.axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.get_xlabel() == "wavenumber / cycles per cell"
    assert axes.get_ylabel() == "power of t2m / (K)² cells²"


def test_the_shortest_wave_of_lr_is_marked(hr, smooth):
    marked = lines(plot_spectra({"bicubic": smooth}, hr, scale=4))
    np.testing.assert_allclose(marked["shortest wave of LR"][:, 0], 0.125)
    assert "shortest wave of LR" not in lines(plot_spectra({"bicubic": smooth}, hr))


def test_wavenumbers_are_plain_numbers(hr, smooth, tmp_path):
    figure = plot_spectra({"bicubic": smooth}, hr)
    figure.savefig(tmp_path / "figure.png")
    low, high = figure.axes[0].get_xlim()
    ticks = [t for t in figure.axes[0].get_xticklabels() if low <= t.get_position()[0] <= high]
    assert [t.get_text() for t in ticks] == ["0.1", "0.2", "0.5"]
    assert not any(t.get_text() for t in figure.axes[0].get_xticklabels(minor=True))


def test_cells_and_times_in_common(hr, smooth, members):
    holes = smooth.copy(deep=True)
    holes["t2m"][:, 2, 2] = np.nan
    early, late = holes.isel(time=slice(0, 5)), members.isel(time=slice(2, 8))
    drawn = lines(plot_spectra({"a": early, "b": late}, hr))
    part = hr.t2m.isel(time=slice(2, 5)).where(holes.t2m[0].notnull().drop_vars("time"))
    np.testing.assert_allclose(drawn["truth"], power(part), rtol=1e-4)
    np.testing.assert_allclose(drawn["a"], power(holes.t2m.isel(time=slice(2, 5))), rtol=1e-3)


def test_a_larger_truth_is_cut(hr, smooth):
    part = smooth.isel(latitude=slice(0, 6)).sortby("latitude")
    drawn = lines(plot_spectra({"a": part, "b": part}, hr))
    np.testing.assert_allclose(drawn["truth"], power(hr.t2m.isel(latitude=slice(0, 6))), rtol=1e-4)
    np.testing.assert_array_equal(drawn["a"], drawn["b"])


def test_a_product_may_be_called_truth(hr, smooth):
    figure = plot_spectra({"truth": smooth}, hr)
    assert [line.get_label() for line in figure.axes[0].lines] == ["truth", "truth"]


def test_variables_by_name(hr, smooth):
    rain = {"pr": (2 * hr.t2m).assign_attrs(units="kg m-2 s-1")}
    both, truth = smooth.assign(rain), hr.assign(rain)
    figure = plot_spectra({"bicubic": both}, truth, variable="pr")
    np.testing.assert_allclose(lines(figure)["bicubic"], power(2 * hr.t2m), rtol=1e-4)
    assert figure.axes[0].get_ylabel() == "power of pr / (kg m-2 s-1)² cells²"
    with pytest.raises(VariableError, match=r"one of \['t2m', 'pr'\], got 'tas'"):
        plot_spectra({"bicubic": both}, truth, variable="tas")
    with pytest.raises(VariableError, match=r"one of \['t2m'\], got 'pr'"):
        plot_spectra({"bicubic": both, "other": smooth}, truth, variable="pr")


def test_products_are_told_apart(hr, smooth):
    with pytest.raises(VariableError, match=r"No products are given .*\. Pass"):
        plot_spectra({}, hr)
    part = smooth.isel(longitude=slice(0, 8))
    with pytest.raises(GridError, match=r"on the cells of 'all' \(.*\), got 'part' with .* Select"):
        plot_spectra({"all": smooth, "part": part}, hr)


# --- ranks ----------------------------------------------------------------------------------------


def test_bars_are_the_shares(hr, members):
    scores = members.downscale.evaluate(hr, scale=4)
    (axes,) = plot_rank_histogram(scores).axes
    heights = [bar.get_height() for bar in axes.patches]
    np.testing.assert_allclose(heights, scores.rank_histogram)
    centres = [bar.get_x() + bar.get_width() / 2 for bar in axes.patches]
    np.testing.assert_allclose(centres, range(4))
    np.testing.assert_allclose(axes.lines[0].get_ydata(), 0.25)
    ratio = float(scores.spread_skill_ratio)
    assert axes.get_title() == f"t2m (spread / skill {ratio:.2g})"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("members below the truth", "share of cells")


def test_a_panel_for_each_variable(hr, members):
    truth = hr.assign(u=(-hr.t2m).assign_attrs(units="m s-1"))
    scores = members.assign(u=(-members.t2m).assign_attrs(units="m s-1")).downscale.evaluate(
        truth.chunk(time=2), scale=4
    )
    figure = plot_rank_histogram(scores)
    assert [a.get_title().split()[0] for a in figure.axes] == ["t2m", "u"]
    for axes, expected in zip(figure.axes, scores.rank_histogram, strict=True):
        np.testing.assert_allclose([b.get_height() for b in axes.patches], expected)


def test_a_panel_for_each_part(hr, members):
    scores = members.downscale.evaluate(hr, scale=4, by="hour", scores=["rank_histogram"])
    figure = plot_rank_histogram(scores)
    assert [a.get_title() for a in figure.axes] == [f"t2m, hour {h}" for h in scores.hour.values]
    for axes, expected in zip(figure.axes, scores.rank_histogram, strict=True):
        np.testing.assert_allclose([b.get_height() for b in axes.patches], expected)


def test_scores_of_one_prediction_have_no_ranks(hr, smooth):
    with pytest.raises(VariableError, match=r"'rank_histogram', got bias, .*realizations=20"):
        plot_rank_histogram(smooth.downscale.evaluate(hr, scale=4))


def test_figures_do_not_gather_in_pyplot(hr, smooth, members):
    before = plt.get_fignums()
    plot_spectra({"bicubic": smooth}, hr)
    plot_rank_histogram(members.downscale.evaluate(hr, scale=4))
    assert plt.get_fignums() == before

import numpy as np
from matplotlib.colors import to_rgb

from tests.plotting import scored
from xr_dl4ds.plotting import plot_annual_cycle, plot_power, plot_quantiles, plot_spectra
from xr_dl4ds.plotting.products import STYLES, styles_of


def test_a_product_has_one_colour_in_all_figures():
    hr = scored.truth()
    smooth = scored.smooth(hr)
    asked = ["power", "annual_cycle", "quantiles"]
    scores = smooth.downscale.evaluate(hr, scale=4, scores=asked)
    figures = [draw(scores) for draw in (plot_power, plot_annual_cycle, plot_quantiles)]
    figures.append(plot_power(scores.sel(product=["bicubic", "prediction"])))
    figures.append(plot_spectra({"bicubic": smooth, "prediction": smooth}, hr))
    for figure in figures:
        for product in ("prediction", "bicubic"):
            (line,) = (one for one in figure.axes[0].lines if one.get_label() == product)
            assert line.get_color() == STYLES[product].color


def test_colours_and_markers_differ():
    colors = {style.color for style in STYLES.values()}
    markers = {style.marker for style in STYLES.values()}
    assert len(colors) == len(markers) == len(STYLES)
    assert "black" not in colors
    light = [float(np.dot(to_rgb(c), (0.2126, 0.7152, 0.0722))) for c in colors]
    assert max(light) < 0.75  # visible on white


def test_unknown_products_take_the_colours_that_are_left():
    found = styles_of(["a", "bilinear", "b"])
    assert found["bilinear"] == STYLES["bilinear"]
    assert found["a"] == STYLES["prediction"]
    assert found["b"] == STYLES["bicubic"]
    many = styles_of([*STYLES, *map(str, range(12))])
    assert len(many) == len(STYLES) + 12

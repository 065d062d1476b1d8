"""Scores that the tests of figures draw."""

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tests.conftest import analytic


def truth(days=40):
    """Return `t2m` for days from January to March."""
    hr = analytic(time=days)[["t2m"]]
    return hr.assign_coords(time=np.datetime64("2001-01-10", "ns") + 2 * np.arange(days) * DAY)


DAY = np.timedelta64(1, "D").astype("m8[ns]")


def smooth(hr):
    """Return the bicubic interpolation of averages over 4 x 4 cells, 1 K too warm in January."""
    sr = hr.downscale.coarsen(4).downscale.interpolate(hr, method="bicubic")
    january = (sr.time.dt.month == 1).astype("f4")
    return sr.assign(t2m=(sr.t2m + january).assign_attrs(sr.t2m.attrs).transpose(*sr.t2m.dims))


def members(hr, count=4):
    """Return an ensemble with independent errors of 1 K about the smooth field."""
    sr = smooth(hr)
    noise = np.random.default_rng(0).normal(size=(count, *sr.t2m.shape)).astype("f4")
    errors = xr.DataArray(noise, dims=("realization", *sr.t2m.dims))
    return sr.assign(t2m=(sr.t2m + errors).assign_attrs(sr.t2m.attrs))


def twice(ds):
    """Return two variables, the second in other units."""
    return ds.assign(u=(2 * (ds.t2m - 270)).assign_attrs(units="m s-1"))


def line_of(axes, label):
    """Return x and y of a line."""
    (found,) = (one for one in axes.lines if one.get_label() == label)
    return found.get_xydata()


def legend_of(figure):
    """Return the labels of the legend of a figure."""
    return [text.get_text() for text in figure.legends[0].get_texts()]


def touching(figure):
    """Return pairs of texts of a figure that overlap when it is drawn."""
    FigureCanvasAgg(figure).draw()  # a figure that pyplot has closed has no renderer
    texts = [t for axes in figure.axes for t in _texts(axes)]
    texts += [t for t in figure.texts if t.get_text()]
    texts += [t for legend in figure.legends for t in legend.get_texts()]
    boxes = [(t.get_text(), t.get_window_extent()) for t in texts]
    return [
        (a, b)
        for i, (a, one) in enumerate(boxes)
        for b, other in boxes[i + 1 :]
        if one.overlaps(other)
    ]


def _texts(axes):
    low, high = axes.get_xlim()
    ticks = [t for t in axes.get_xticklabels() if low <= t.get_position()[0] <= high]
    found = [axes.title, axes.xaxis.label, axes.yaxis.label, *ticks]
    return [t for t in found if t.get_text() and t.get_visible()]


def outside(figure):
    """Return texts of the legend and titles that stick out of a figure."""
    FigureCanvasAgg(figure).draw()  # a figure that pyplot has closed has no renderer
    width, height = figure.bbox.size
    texts = [t for axes in figure.axes for t in _texts(axes)] + list(figure.texts)
    boxes = [(t.get_text(), t.get_window_extent()) for t in texts if t.get_text()]
    boxes += [("legend", one.get_window_extent()) for one in figure.legends]
    return [n for n, b in boxes if b.x0 < -1 or b.y0 < -1 or b.x1 > width + 1 or b.y1 > height + 1]

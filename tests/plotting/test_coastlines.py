"""Coastlines, from a stand-in for cartopy, whose data need a network."""

import sys
import types

import numpy as np
import pytest

from tests.conftest import analytic
from xr_dl4ds.plotting import coastlines


class Line:
    def __init__(self, *points):
        self.coords = [(*point, 0.0) for point in points]


class Several:
    geoms = (Line((6.0, 49.0), (6.5, 49.5), (7.0, 49.2)), Line((100.0, 0.0), (101.0, 1.0)))


def stand_in(monkeypatch, geometries):
    asked = []

    def natural_earth(*what):
        asked.append(what)
        return "path"

    reader = types.SimpleNamespace(
        natural_earth=natural_earth,
        Reader=lambda path: types.SimpleNamespace(geometries=geometries),
    )
    io = types.ModuleType("cartopy.io")
    io.shapereader = reader
    monkeypatch.setitem(sys.modules, "cartopy", types.ModuleType("cartopy"))
    monkeypatch.setitem(sys.modules, "cartopy.io", io)
    coastlines._coastlines.cache_clear()
    return asked


@pytest.fixture(autouse=True)
def forget():
    yield
    coastlines._coastlines.cache_clear()


def lines(ds):
    figure = ds[["t2m"]].downscale.plot(hr=ds[["t2m"]])
    limits = [axes.get_xlim() for axes in figure.axes[:3]]
    assert all(left >= 4 and right <= 9 for left, right in limits)  # the map is not made larger
    return [axes.lines for axes in figure.axes[:3]]


@pytest.mark.parametrize("shift", [0, 360])
def test_on_every_map(monkeypatch, shift):
    asked = stand_in(monkeypatch, lambda: [Several()])
    hr = analytic()
    moved = hr.assign_coords(longitude=hr.longitude + shift).drop_vars(
        ["longitude_bnds"], errors="ignore"
    )
    found = lines(moved)
    assert asked == [("10m", "physical", "coastline")]
    assert [len(one) for one in found] == [1, 1, 1]  # the line elsewhere is left out
    np.testing.assert_allclose(found[0][0].get_xdata(), [6, 6.5, 7])
    np.testing.assert_allclose(found[0][0].get_ydata(), [49, 49.5, 49.2])


def test_without_a_network(monkeypatch, caplog):
    def fail():
        raise OSError("no network")

    stand_in(monkeypatch, fail)
    with caplog.at_level("INFO", "xr_dl4ds"):
        assert not any(lines(analytic()))
    assert "no coastlines are drawn: cartopy cannot get them (no network)" in caplog.text


def test_without_cartopy(monkeypatch):
    coastlines._coastlines.cache_clear()
    monkeypatch.setitem(sys.modules, "cartopy", None)
    monkeypatch.setitem(sys.modules, "cartopy.io", None)
    assert not any(lines(analytic()))


def test_cells_without_places(monkeypatch):
    asked = stand_in(monkeypatch, lambda: [Several()])
    hr = analytic()[["t2m"]].rename(latitude="y", longitude="x")
    hr = hr.drop_vars(["y", "x", "latitude_bnds", "longitude_bnds"], errors="ignore")
    hr.assign_coords(y=np.arange(8), x=np.arange(12)).downscale.plot()
    assert not asked

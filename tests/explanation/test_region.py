"""Weights of the mean over a region."""

import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic
from tests.errors import data as d
from tests.untrained import untrained
from xr_dl4ds.explanation.region import RegionMean, cells_of
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.prediction.predict import Task
from xr_dl4ds.prediction.request import Request


def opened(model, lr):
    ((ensemble, layout),) = Task.of(model.state, model.options, Request(lr=lr)).ensembles(
        model.runner
    )
    return ensemble.physics, layout


@pytest.fixture(scope="module")
def model():
    return untrained(analytic()[["t2m"]], scale=2)


def test_cells_by_area_in_the_order_of_the_network(model):
    hr = analytic()
    lr = d.bare(d.lr()).isel(longitude=slice(None, None, -1))  # latitudes fall as in training
    _, layout = opened(model, lr)
    region = (hr.latitude > 49.1) & (hr.longitude < 5.6)
    found = cells_of(region, layout, (8, 12), Dims())
    edges = np.sin(np.deg2rad(50.125 - 0.25 * np.arange(9)))
    areas = (edges[:-1] - edges[1:])[::-1]  # the network begins in the south
    expected = np.zeros((8, 12))
    expected[4:, :3] = areas[4:, None]
    np.testing.assert_allclose(found / found.sum(), expected / expected.sum(), rtol=1e-5)
    everywhere = cells_of(None, layout, (8, 12), Dims())
    np.testing.assert_allclose(
        everywhere / everywhere.mean(), areas[:, None] / areas.mean() + np.zeros(12)
    )


def test_a_mask_may_be_larger_turned_and_lazy(model):
    hr = analytic(y=10, x=14)
    _, layout = opened(model, d.lr())
    region = (hr.latitude > 49.1) & (hr.longitude < 5.6)
    expected = cells_of(
        region.isel(latitude=slice(8), longitude=slice(12)), layout, (8, 12), Dims()
    )
    turned = region.chunk().transpose().isel(latitude=slice(None, None, -1))
    np.testing.assert_array_equal(cells_of(turned, layout, (8, 12), Dims()), expected)


def test_a_band_of_latitudes(model):
    hr = analytic()
    _, layout = opened(model, d.lr())
    for band in (hr.latitude > 49.1, hr.longitude < 5.6):
        expected = cells_of(band & (hr.t2m[0] > 0), layout, (8, 12), Dims())
        np.testing.assert_array_equal(cells_of(band, layout, (8, 12), Dims()), expected)


def test_weights_leave_out_missing_cells(model):
    lr = d.lr().load()
    lr["t2m"][1, 0, 0] = np.nan
    lr["t2m"][2] = np.nan
    physics, layout = opened(model, lr)
    mean = RegionMean.of(physics, layout, np.ones((8, 12)), "t2m")
    weights = mean.weights(np.arange(8))
    np.testing.assert_allclose(weights.sum((1, 2)), [1, 1, 0, 1, 1, 1, 1, 1])
    np.testing.assert_allclose(weights[0], np.full((8, 12), 1 / 96))
    expected = np.full((8, 12), 1 / 92)
    expected[-2:, :2] = 0  # the north-western LR cell
    np.testing.assert_allclose(weights[1], expected)
    np.testing.assert_allclose(mean.weights(np.array([1])), weights[1:2])


def test_cells_without_values_in_training():
    hr = analytic()[["t2m"]]
    hr = hr.where(hr.longitude > 5.3)
    model = untrained(hr, scale=2)
    physics, layout = opened(model, hr.downscale.coarsen(2))
    mean = RegionMean.of(physics, layout, np.ones((8, 12)), "t2m")
    weights = mean.weights(np.array([0]))[0]
    np.testing.assert_allclose(weights[:, :2], 0)
    np.testing.assert_allclose(weights[:, 2:], 1 / 80)


def test_a_region_on_another_grid_of_one_size(model):
    _, layout = opened(model, d.lr())
    mask = xr.zeros_like(analytic().t2m.isel(time=0), dtype=bool) | True
    found = cells_of(mask, layout, (8, 12), Dims())
    assert (found > 0).all()

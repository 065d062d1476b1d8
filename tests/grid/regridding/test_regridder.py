"""Auxiliary fields on any grid are brought onto the cells wanted."""

import logging

import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic, era5_uk, no_compute, real
from tests.grid import field, fields, lat, lon, on, planar, plane
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.regridding.regridder import onto

LOG = "xr_dl4ds.grid.regridding.regridder"


def test_the_same_cells_and_parts_are_taken_as_they_are():
    source = fields(field(50.0 + np.arange(4), np.arange(6.0)).chunk())
    with no_compute():
        same = onto(source, source.grid, "static=")
        target = Grid(y=lat(52, 51), x=lon(361, 362, 363))
        part = onto(source, target, "static=")
    xr.testing.assert_identical(same, source.data)
    np.testing.assert_array_equal(part.t, source.data.t[:, 1:3, 1:4])
    np.testing.assert_array_equal(part.x, target.x.canonical)


def test_jittered_coordinates_become_those_of_the_target():
    # 1e-7 of difference is an empty inner join later
    target = fields(field(50 + 0.1 * np.arange(4), 0.1 * np.arange(6)))
    source = fields(field((50 + 0.1 * np.arange(4)).astype("f4"), np.float32(0.1) * np.arange(6)))
    actual = onto(source, target.grid, "static=")
    np.testing.assert_array_equal(actual.y, target.data.y)
    np.testing.assert_array_equal(actual.x, target.data.x)


def test_finer_fields_are_averaged(caplog):
    source, target = plane(4, 4), plane(2, 2, step=2)
    ds = on(source, np.arange(16.0).reshape(4, 4))
    with caplog.at_level(logging.INFO, LOG):
        actual = onto(fields(ds), target, "static=").t
    # mean of 0, 1, 4, 5; interpolated at the corner point it happens to be the same, so uneven:
    np.testing.assert_allclose(actual, [[2.5, 4.5], [10.5, 12.5]])
    assert "static= are regridded (conservative) from y 0.5 to 3.5 by 1" in caplog.text
    spike = on(plane(6, 6), np.eye(6)[:1] * np.ones((6, 1)))  # first column 1, others 0
    actual = onto(fields(spike), plane(2, 2, step=3), "static=").t
    np.testing.assert_allclose(actual, [[1 / 3, 0]] * 2)  # bilinear: 0


def test_coarser_fields_are_interpolated(caplog):
    ds = on(plane(2, 2, step=2), [[0.0, 4], [0, 4]])
    with caplog.at_level(logging.INFO, LOG):
        actual = onto(fields(ds), plane(4, 4), "predictors=").t
    # centres 1 and 3; at 0.5, 1.5, 2.5, 3.5: 0, 1, 3, 4; as cells 0, 0, 4, 4
    np.testing.assert_allclose(actual, [[0, 1, 3, 4]] * 4)
    assert "predictors= are regridded (bilinear) from y 1 to 3 by 2" in caplog.text


@pytest.mark.parametrize("first", [-180.0, -20.0, 0.0])
def test_global_fields_cover_a_target_on_either_side_of_their_break(first):
    # GCM predictors on 0..360 for a European domain
    source = fields(field(np.arange(-87.5, 90, 5), np.arange(2.5, 360, 5)))
    target = fields(field(np.arange(40.5, 60), first + 0.5 + np.arange(40)))
    actual = onto(source, target.grid, "predictors=").t
    np.testing.assert_allclose(actual, target.data.t, atol=0.02)  # smooth: 5 degrees are enough


@pytest.mark.parametrize(
    "source",
    [plane(8, 8), plane(8, 12), plane(12, 8), plane(3, 3, step=4)],
    ids=["both", "rows", "columns", "coarse"],
)
def test_fields_must_cover_the_target(source):
    ds = on(source, np.zeros(source.shape))
    with pytest.raises(GridError, match=r"Expected static= to cover . 0\.5 to 15\.5, got .*select"):
        onto(fields(ds), plane(16, 16), "static=")


def test_coarse_fields_may_end_half_a_cell_short():
    # centres 2, 6, 10: the last target centre 13.5 lies 1.5 beyond the edge 12, below half a cell
    ds = on(plane(3, 3, step=4), np.zeros((3, 3)))
    assert onto(fields(ds), plane(14, 14), "static=").t.shape == (14, 14)


def test_fields_elsewhere_are_refused():
    ds = on(plane(3, 3, y0=100), np.zeros((3, 3)))
    with pytest.raises(GridError, match=r"overlap, got static= on .* and the target grid on"):
        onto(fields(ds), plane(3, 3), "static=")


def test_planar_fields_do_not_pass_for_longitudes():
    ds = on(Grid(y=planar(50, 52, name="y"), x=planar(0, 2)), np.zeros((2, 2)))
    with pytest.raises(GridError, match="same kind of coordinates"):
        onto(fields(ds), Grid(y=lat(50, 51), x=lon(0, 1)), "static=")


def test_real_orography_is_averaged_by_area():
    _, static = era5_uk()
    target = fields(static).grid
    fine = real("uk_static_005.nc")[["orog"]]
    actual = onto(fields(fine), target, "static=").orog
    area = np.cos(np.deg2rad(fine.latitude))  # of cells of equal height, to first order
    inner = fine.isel(latitude=slice(0, 160), longitude=slice(0, 240))
    blocks = {"latitude": 5, "longitude": 5}
    weighted = (inner.orog * area).coarsen(blocks).mean().values
    expected = weighted / area[:160].coarsen(latitude=5).mean().values[:, None]
    np.testing.assert_allclose(actual, expected[::-1], atol=1e-2)  # plain means: 0.35 m off
    assert float(abs(actual - static.orog[::-1].values).max()) < 11  # metres, see the README


def test_inputs_are_not_changed():
    ds = analytic(time=2)
    source = fields(ds)
    before = source.data.copy(deep=True)
    onto(source, Grid(y=lat(49, 49.4), x=lon(5.5, 6.1)), "static=")
    xr.testing.assert_identical(source.data, before)

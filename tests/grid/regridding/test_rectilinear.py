"""Regridding of canonical fields: laziness, masks, auxiliary fields on any grid, references."""

import numpy as np
import pytest
import xarray as xr
import xarray_regrid  # noqa: F401  registers .regrid

from tests.conftest import no_compute
from tests.grid import field, fields, lat, lon, on, planar, plane
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.regridding.rectilinear import interpolate, window
from xr_dl4ds.grid.regridding.weights import METHODS

ALL = sorted(METHODS)


# --- interpolate ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ALL)
def test_chunked_fields_stay_lazy_and_give_the_same(hr_any, method):
    source = fields(hr_any)
    target = Grid(y=lat(*np.linspace(48, 50.2, 9)), x=lon(*np.linspace(4.9, 8, 11)))
    with no_compute():
        actual = interpolate(source.data, source.grid, target, method)
    assert (actual.t2m.chunks is None) == (hr_any.t2m.chunks is None)
    expected = interpolate(source.data.compute(), source.grid, target, method)
    xr.testing.assert_allclose(actual.compute(), expected, rtol=1e-6)
    assert actual.t2m.dims == ("time", "y", "x")
    assert actual.orog.dims == ("y", "x")
    np.testing.assert_array_equal(actual.y, target.y.canonical)
    assert not actual.t2m.isnull().any()


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("f4", "f4"), ("f8", "f8"), ("i2", "f4"), ("i8", "f4"), ("u1", "f4"), ("?", "f4")],
)
def test_floating_types_stay_and_whole_numbers_become_float32(dtype, expected):
    source = on(plane(2, 2), np.array([[0, 1], [1, 0]], dtype), units="1")
    for data in (source, source.chunk()):
        actual = interpolate(data, plane(2, 2), plane(4, 4, step=0.5), "bilinear").t
        assert actual.dtype == expected
        assert actual.compute().dtype == expected
        assert actual.attrs == {"units": "1"}
        # 0.75 of the way in the cell centred at 0.5: weights 0.75 and 0.25 along either axis
        assert float(actual[1, 1]) == pytest.approx(2 * 0.75 * 0.25)
    xr.testing.assert_identical(source.t, on(plane(2, 2), source.t.values, units="1").t)


def test_global_attributes_are_kept():
    data = on(plane(2, 2), np.zeros((2, 2))).assign_attrs(title="x")
    assert interpolate(data, plane(2, 2), plane(3, 3), "nearest").attrs == {"title": "x"}


@pytest.mark.parametrize("method", ALL)
def test_a_mask_neither_spreads_nor_shrinks(method):
    source, target = plane(4, 4, step=2), plane(8, 8)
    values = np.ones((2, 4, 4), "f4")
    values[0, 1, 2] = np.nan  # another mask at each time
    values[1, 3, 3] = np.nan
    for data in (on(source, values), on(source, values).chunk(time=1, y=2)):
        actual = interpolate(data, source, target, method).t
        # exactly the HR cells of the missing LR cells; bicubic weights alone would lose 8 x 8
        expected = np.isnan(values).repeat(2, axis=1).repeat(2, axis=2)
        np.testing.assert_array_equal(np.isnan(actual), expected)
        assert float(actual.min()) == pytest.approx(1)
        assert float(actual.max()) == pytest.approx(1)


def test_all_missing_stays_missing_without_a_warning(recwarn):
    data = on(plane(2, 2), np.full((2, 2), np.nan))
    assert interpolate(data, plane(2, 2), plane(4, 4, step=0.5), "bicubic").t.isnull().all()
    assert not recwarn.list


def test_no_time_steps_give_none():
    data = on(plane(2, 2), np.zeros((0, 2, 2), "f4"))
    actual = interpolate(data, plane(2, 2), plane(4, 4, step=0.5), "bicubic").t
    assert actual.shape == (0, 4, 4)


# --- conservative, against xarray-regrid and sums -------------------------------------------


@pytest.mark.parametrize(
    ("kind", "rows", "columns"),
    [
        # three whole cells each, by area; xarray-regrid weighs parts of cells by the whole cell's
        # area, which is right to first order only, so parts are compared on planar grids
        ("sphere", np.arange(36.5, 60, 3.0), np.arange(-7.5, 14, 3.0)),
        ("plane", np.arange(36.2, 60, 2.6), np.arange(-7.3, 14, 2.6)),
        ("plane", np.arange(36.2, 60, 0.7), np.arange(-7.3, 14, 0.7)),
    ],
)
def test_conservative_equals_xarray_regrid_inside(kind, rows, columns):
    rng = np.random.default_rng(0)
    make = (lat, lon) if kind == "sphere" else (planar, planar)
    old, new = (
        Grid(y=make[0](*r), x=make[1](*c))
        for r, c in ((np.arange(34.5, 64), np.arange(-9.5, 16)), (rows, columns))
    )
    data = on(old, rng.random((30, 26)))
    reference = {"latitude_coord": "y" if kind == "sphere" else None}
    inner = {"y": slice(1, -1), "x": slice(1, -1)}
    expected = data.t.regrid.conservative(xr.Dataset(coords=new.coords), **reference).isel(inner)
    actual = interpolate(data, old, new, "conservative").t.isel(inner)
    np.testing.assert_allclose(actual, expected.transpose("y", "x"), atol=2e-6)


def test_conservative_keeps_the_area_mean():
    source = fields(field(np.arange(-85, 90, 10.0), np.arange(0.0, 360, 15), time=1))
    target = Grid(y=lat(*np.arange(-75, 90, 30.0)), x=lon(*np.arange(7.5, 360, 30)))
    actual = interpolate(source.data, source.grid, target, "conservative").t[0]
    means = []
    for values, axis in ((source.data.t[0], source.grid.y), (actual, target.y)):
        area = np.diff(np.sin(np.deg2rad(axis.edges)))
        means.append(float((values.mean("x") * area).sum() / area.sum()))
    assert means[1] == pytest.approx(means[0], abs=1e-12)


def test_conservative_means_are_of_what_is_valid():
    # the mean of 1, 2 and 3; the cell nearest to the centre would be one of them
    data = on(plane(2, 4), [[1, 2, np.nan, np.nan], [3, np.nan, np.nan, np.nan]])
    target = Grid(y=planar(1, 3), x=planar(1, 3))
    actual = interpolate(data, plane(2, 4), target, "conservative").t
    np.testing.assert_allclose(actual[0], [2, np.nan])


# --- window ---------------------------------------------------------------------------------


def test_window_by_hand():
    source = plane(6, 8)
    assert window(source, plane(2, 3, y0=1, x0=4)) == {"y": slice(1, 3), "x": slice(4, 7)}
    assert window(source, source) == {"y": slice(0, 6), "x": slice(0, 8)}
    assert window(source, plane(2, 3, y0=5, x0=4)) is None  # sticks out
    assert window(source, plane(2, 3, y0=-1, x0=4)) is None
    assert window(source, plane(2, 3, y0=1, x0=4.5)) is None  # half a cell off
    assert window(source, plane(2, 3, step=2)) is None


def test_window_across_conventions_and_jitter():
    source = Grid(y=lat(50, 51, 52), x=lon(*np.arange(350, 362) % 360))
    target = Grid(y=lat(51, 50), x=lon(*(np.array([-2, -1, 0, 1]) + 1e-5)))
    assert window(source, target) == {"y": slice(0, 2), "x": slice(8, 12)}
    target = Grid(y=lat(51, 50), x=lon(*(np.array([-2, -1, 0, 1]) + 1e-2)))
    assert window(source, target) is None

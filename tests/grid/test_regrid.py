"""Regridding of canonical fields: laziness, masks, auxiliary fields on any grid, references."""

import logging

import numpy as np
import pytest
import xarray as xr
import xarray_regrid  # noqa: F401  registers .regrid

from tests.conftest import analytic, era5_uk, no_compute, real
from tests.grid import field, fields, lat, lon, planar, plane
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.fields import Grid
from xr_dl4ds.grid.regrid import interpolate, onto, window
from xr_dl4ds.grid.weights import METHODS

ALL = sorted(METHODS)
LOG = "xr_dl4ds.grid.regrid"


def on(grid, values, **attrs):
    """Canonical fields `t(time, y, x)` or `t(y, x)`."""
    dims = ("time", "y", "x")[-np.ndim(values) :]
    return xr.Dataset({"t": (dims, np.asarray(values), attrs)}, coords=grid.coords)


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


# --- onto -----------------------------------------------------------------------------------


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
    assert "static= are brought onto the grid y 1 to 3 by 2, x 1 to 3 by 2 by conservative" in (
        caplog.text
    )
    spike = on(plane(6, 6), np.eye(6)[:1] * np.ones((6, 1)))  # first column 1, others 0
    actual = onto(fields(spike), plane(2, 2, step=3), "static=").t
    np.testing.assert_allclose(actual, [[1 / 3, 0]] * 2)  # bilinear: 0


def test_coarser_fields_are_interpolated(caplog):
    ds = on(plane(2, 2, step=2), [[0.0, 4], [0, 4]])
    with caplog.at_level(logging.INFO, LOG):
        actual = onto(fields(ds), plane(4, 4), "predictors=").t
    # centres 1 and 3; at 0.5, 1.5, 2.5, 3.5: 0, 1, 3, 4; as cells 0, 0, 4, 4
    np.testing.assert_allclose(actual, [[0, 1, 3, 4]] * 4)
    assert "predictors= are brought" in caplog.text
    assert "by bilinear" in caplog.text


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

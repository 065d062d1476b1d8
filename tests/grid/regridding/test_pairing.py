"""LR and HR grids of a model: what is cut, how LR reaches the network, where output lies."""

import dataclasses
import logging

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import era5_uk, no_compute, real
from tests.grid import LAYOUTS, field, fields, lat, lon, plane
from xr_dl4ds.config import Scale
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.regridding.coarsen import coarsen, coarsened
from xr_dl4ds.grid.regridding.pairing import Pairing, pair
from xr_dl4ds.grid.regridding.placement import place
from xr_dl4ds.grid.regridding.rectilinear import interpolate

LOG = "xr_dl4ds.grid.regridding.pairing"


def on(grid, values=None):
    """Fields `t(time, y, x)` on planar or geographic axes, in the layout of the grid."""
    if values is None:
        values = np.arange(2.0 * grid.y.size * grid.x.size).reshape(2, *grid.shape)
    dims = ("time", grid.y.name, grid.x.name)
    kinds = {"latitude": "degrees_north", "longitude": "degrees_east", "planar": "m"}
    coords = {a.name: (a.name, a.values, {"units": kinds[a.kind]}) for a in (grid.y, grid.x)}
    return fields(xr.Dataset({"t": (dims, values)}, coords))


def paired(lr, hr, direct_method=None, trim=False):
    return pair(on(lr), on(hr), direct_method=direct_method, trim=trim)


def region(layout, first, size, step):
    """`size` columns from the edge `first`; four rows of the same step from 40 up."""
    columns = first + step * (np.arange(size) + 0.5)
    rows = 40 + step * (np.arange(int(16 / step)) + 0.5)
    return Grid(y=lat(*rows), x=lon(*LAYOUTS[layout](columns)))


def origin(placement, scale):
    """The LR column from which each HR column of the output stems, as the caller sees it."""
    return np.repeat(placement.lr.x.canonical, scale)[placement.order["x"]]


# --- nested pairs ---------------------------------------------------------------------------


def test_nested_pairs_are_cut_to_common_cells(caplog):
    # LR [0, 20] by 4, HR [3, 14] by 1: LR cells [4, 8] and [8, 12]
    lr, hr = on(plane(5, 5, step=4)), on(plane(11, 11, y0=3, x0=3))
    with caplog.at_level(logging.INFO, LOG):
        pairing, cut = pair(lr, hr, direct_method="bicubic", trim=True)
    assert (pairing.scale.public, pairing.method) == (4, "nested")  # straight or not
    assert pairing.source is lr.grid
    np.testing.assert_array_equal(pairing.lr.x.values, [6, 10])
    np.testing.assert_array_equal(pairing.hr.x.values, np.arange(4.5, 12))
    np.testing.assert_array_equal(cut.data.t, hr.data.t[:, 1:9, 1:9])
    np.testing.assert_array_equal(pairing.regrid_lr(lr).t, lr.data.t[:, 1:3, 1:3])
    assert (
        "LR is cut to the common cells, y 6 to 10 by 4, x 6 to 10 by 4: 21 of 25 cells"
        in caplog.text
    )
    assert "HR is cut to the common cells, y 4.5 to 11.5 by 1" in caplog.text


def test_lr_cells_that_stick_out_are_completed(caplog):
    # LR [0, 20] by 4, HR [3, 14] by 1: LR cells [0, 4] to [12, 16]
    lr, hr = on(plane(5, 5, step=4)), on(plane(11, 11, y0=3, x0=3))
    pairing, found = pair(lr, hr, direct_method=None, trim=False)
    assert "HR is cut" not in caplog.text
    np.testing.assert_array_equal(pairing.lr.x.values, [2, 6, 10, 14])
    np.testing.assert_array_equal(pairing.hr.x.values, np.arange(0.5, 16))
    assert pairing.domain.same_cells(hr.grid)
    assert pairing.inner == {"y": slice(3, 14), "x": slice(3, 14)}
    assert pairing.rim == {"y": (3, 2), "x": (3, 2)}
    np.testing.assert_array_equal(found.data.t[:, 3:14, 3:14], hr.data.t)
    assert int(found.data.t.isnull().sum()) == 2 * (16 * 16 - 11 * 11)
    placement = place(pairing, lr.grid)
    np.testing.assert_array_equal(placement.hr.x.values, hr.grid.x.values)
    np.testing.assert_array_equal(placement.order["x"], np.arange(3, 14))
    assert placement.rim == pairing.rim
    part = place(pairing, plane(3, 3, step=4, y0=4, x0=4))
    np.testing.assert_array_equal(part.hr.x.values, np.arange(4.5, 14))
    assert part.rim == {"y": (0, 2), "x": (0, 2)}


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("chunks", [None, {"time": 1, "x": 7}])
def test_completion_in_any_layout_and_lazily(layout, chunks):
    lr, hr = region("as is", -8, 5, 4.0), region(layout, -5, 11, 1.0)
    given = on(hr) if chunks is None else fields(on(hr).data.chunk(chunks))
    given = dataclasses.replace(given, grid=hr)
    with no_compute():
        pairing, found = pair(on(lr), given, direct_method=None, trim=False)
    np.testing.assert_allclose(pairing.hr.x.canonical, np.arange(-7.5, 8))
    np.testing.assert_array_equal(found.data.t[..., 3:14], given.data.t)
    assert found.data.t[..., :3].isnull().all()
    if chunks:
        assert found.data.chunksizes["x"] == (10, 6)
    again = pairing.on_hr_cells(given)
    xr.testing.assert_equal(again.data, found.data)
    placement = place(pairing, lr)
    np.testing.assert_array_equal(placement.hr.x.values, hr.x.values)


def test_nothing_is_said_when_nothing_is_cut(caplog):
    caplog.set_level(logging.INFO, LOG)
    pairing, cut = paired(plane(2, 3, step=4), plane(8, 12))
    assert not caplog.records
    assert pairing.hr.shape == cut.grid.shape == (8, 12)


def test_cutting_keeps_the_users_layout():
    lr = Grid(y=lat(52, 48), x=lon(0, 4, 8))
    hr = Grid(y=lat(*np.arange(54.5, 45, -1)), x=lon(*np.arange(-3.5, 10)))
    pairing, _ = paired(lr, hr)
    np.testing.assert_array_equal(pairing.hr.y.values, np.arange(53.5, 46, -1))
    np.testing.assert_array_equal(pairing.hr.x.values, np.arange(-1.5, 10))


def test_lr_made_from_hr_nests_in_it():
    hr, _ = era5_uk()
    hr = fields(hr.isel(time=slice(0, 2)))
    lr = coarsened(hr, Scale.of(4))
    pairing, cut = pair(lr, hr, direct_method=None, trim=False)
    assert (pairing.scale.public, pairing.lr.shape, cut.grid.shape) == (4, (8, 12), (32, 48))
    np.testing.assert_array_equal(place(pairing, lr.grid).hr.y.values, hr.grid.y.values)


def test_the_java_pair():
    lr, hr = (
        fields(real(f)[["pr"]].isel(time=slice(0, 2)))
        for f in ("java_imerg_lr.nc", "java_chirps_hr.nc")
    )
    pairing, cut = pair(lr, hr, direct_method=None, trim=False)
    assert (pairing.scale.public, pairing.method) == (2, "nested")
    assert cut.grid.same_cells(hr.grid)


def test_bringing_is_lazy_and_changes_nothing():
    lr, hr = plane(5, 5, step=4), plane(11, 11, y0=3, x0=3)
    pairing, _ = paired(lr, hr, trim=True)
    given = on(lr)
    chunked = fields(given.data.chunk(time=1))
    before = chunked.data.copy(deep=True)
    with no_compute():
        actual = pairing.regrid_lr(chunked)
    xr.testing.assert_identical(chunked.data, before)
    np.testing.assert_array_equal(actual.t, pairing.regrid_lr(given).t)
    np.testing.assert_array_equal(actual.x, pairing.lr.x.canonical)


# --- pairs that do not nest -----------------------------------------------------------------


def test_straight_to_the_hr_cells(caplog):
    # 2.5 HR cells to an LR cell; HR [-3, 13], of which [0, 10] is covered
    lr, hr = plane(4, 4, step=2.5), plane(16, 16, y0=-3, x0=-3)
    with caplog.at_level(logging.INFO, LOG):
        pairing, cut = paired(lr, hr, direct_method="bilinear")
    assert (pairing.scale.public, pairing.method) == (1, "bilinear")
    np.testing.assert_array_equal(pairing.hr.x.values, np.arange(0.5, 10))
    assert pairing.lr is pairing.hr
    assert cut.grid.shape == (10, 10)
    assert "LR is interpolated to HR cells (bilinear)" in caplog.text
    expected = interpolate(on(lr).data, lr, pairing.hr, "bilinear")
    xr.testing.assert_identical(pairing.regrid_lr(on(lr)), expected)


def test_averaged_onto_block_means_of_hr(caplog):
    # 2.5 rounds to 2 (to even); LR [0, 10] by 2.5 is averaged onto HR blocks [0, 2], [2, 4] ...
    lr, hr = plane(4, 4, step=2.5), plane(10, 10)
    with caplog.at_level(logging.INFO, LOG):
        pairing, _ = paired(lr, hr)
    assert (pairing.scale.public, pairing.method) == (2, "conservative")
    np.testing.assert_array_equal(pairing.lr.x.values, [1, 3, 5, 7, 9])
    assert "LR is regridded (conservative) to 2 x 2 HR cells" in caplog.text
    ramp = on(lr, np.ones((1, 4, 1)) * np.array([0.0, 10, 20, 30]))
    # [2, 4] has a quarter of the first cell (2 ... 2.5) and three of the second: 7.5
    actual = pairing.regrid_lr(ramp).t[0, 0]
    np.testing.assert_allclose(actual, [0, 7.5, 15, 22.5, 30])


def test_scale_left_over_without_nesting_is_completed_or_trimmed():
    lr, hr = plane(4, 4, step=2.75), plane(11, 11)
    pairing, found = paired(lr, hr)
    assert (pairing.hr.shape, pairing.lr.shape, pairing.domain.shape) == (
        (12, 12),
        (4, 4),
        (11, 11),
    )
    assert int(found.data.t[0].isnull().sum()) == 12 * 12 - 11 * 11
    assert not np.isnan(pairing.regrid_lr(on(lr)).t).any()
    pairing, cut = paired(lr, hr, trim=True)
    assert (pairing.hr.shape, pairing.lr.shape, cut.data.t.shape) == ((9, 9), (3, 3), (2, 9, 9))


def test_blocks_go_around_the_globe_without_a_remainder():
    # 5 cells would be the nearest, of which 72 columns are no whole number; 12 rows are completed
    hr = Grid(y=lat(*np.arange(-27.5, 30, 5.0)), x=lon(*np.arange(0, 360, 5.0)))
    lr = Grid(y=lat(*(25.7 * np.arange(-1.5, 2))), x=lon(*(360 / 14 * (np.arange(14) + 0.5))))
    pairing, _ = paired(lr, hr)
    assert (pairing.scale.public, pairing.hr.shape, pairing.domain.shape) == (
        (5, 6),
        (15, 72),
        (12, 72),
    )


def test_what_our_own_cut_leaves_over_is_completed():
    # LR points that are every fourth HR point: their outer cells end within the HR domain
    hr = plane(16, 16)
    lr = Grid(y=plane(4, 4, step=4, y0=-1.5).y, x=plane(4, 4, step=4, x0=-1.5).x)
    pairing, cut = paired(lr, hr)
    assert pairing.method == "conservative"
    assert pairing.domain.shape == (15, 15)  # of 16 cells are covered
    assert cut.grid.shape == (16, 16)  # of whole LR cells
    assert paired(lr, hr, trim=True)[1].grid.shape == (12, 12)


def test_every_fourth_point_is_not_a_nested_pair():
    hr = plane(16, 16)
    lr = Grid(y=plane(4, 4, step=4, y0=-1.5).y, x=plane(4, 4, step=4, x0=-1.5).x)
    pairing, _ = paired(lr, hr, direct_method="bicubic")
    assert pairing.method == "bicubic"


@pytest.mark.parametrize("straight", [None, "bilinear"])
@pytest.mark.parametrize("x0", [0, 0.4])
def test_hr_must_be_finer(straight, x0):
    if straight and x0:  # may be interpolated: grids of one spacing with an offset
        assert paired(plane(8, 8, x0=x0), plane(8, 8), straight)[0].scale.public == 1
        return
    cure = r"at least twice as fine as the LR grid.*hr\.downscale\.fit\(scale=4\)"
    with pytest.raises(GridError, match=cure):
        paired(plane(8, 8, x0=x0), plane(8, 8), straight)


def test_swapped_and_distant_grids_are_refused():
    with pytest.raises(GridError, match="look swapped"):
        paired(plane(8, 8), plane(2, 2, step=4))
    with pytest.raises(GridError, match=r"got the LR data on .* and the HR data on"):
        paired(plane(2, 2, step=4, x0=100), plane(8, 8))


def test_an_overlap_without_an_hr_centre_is_refused():
    # LR [-10, 0.2] reaches into the first HR cell [0, 1], but not to its centre
    with pytest.raises(GridError, match=r"overlap|cover"):
        paired(plane(4, 4, step=2.55, x0=-10), plane(8, 8), direct_method="bilinear")


# --- the globe ------------------------------------------------------------------------------


@pytest.mark.parametrize("lr_first", [0.0, -180.0])
@pytest.mark.parametrize("hr_first", [-10.0, -6.0, 40.0])
@pytest.mark.parametrize("straight", [None, "bilinear"])
@pytest.mark.parametrize("offset", [0.0, 1.5])
def test_a_global_model_covers_any_region(lr_first, hr_first, straight, offset):
    # a GCM on 0..360 and HR data for Europe: cutting at Greenwich loses half of the region
    gcm = field(np.arange(-88, 90, 4.0), lr_first + 2 + offset + np.arange(0, 360, 4))
    europe = field(np.arange(40.5, 60), hr_first + 0.5 + np.arange(20))
    lr, hr = fields(gcm), fields(europe)
    pairing, cut = pair(lr, hr, direct_method=straight, trim=True)
    assert cut.grid.x.size >= 16  # but for cells that are not whole, all 20
    x, y = pairing.lr.x.canonical, pairing.lr.y.canonical[:, None]
    expected = np.cos(np.deg2rad(x - 20)) + y / 50  # the formula of `field`
    np.testing.assert_allclose(pairing.regrid_lr(lr).t[0], expected, atol=0.01)


@pytest.mark.parametrize("straight", [None, "bilinear"])
@pytest.mark.parametrize("offset", [0.0, 1.5])
def test_a_region_in_global_hr_is_not_cut_at_its_break(straight, offset):
    lr = field(np.arange(42.0, 60, 4), -10 + offset + np.arange(0, 24, 4.0))
    hr = field(np.arange(-89.5, 90), np.arange(0.5, 360))
    pairing, cut = pair(fields(lr), fields(hr), direct_method=straight, trim=True)
    assert cut.grid.x.size >= 20  # of 24; 12 east of Greenwich
    x, y = pairing.hr.x.canonical, pairing.hr.y.canonical[:, None]
    expected = np.cos(np.deg2rad(x - 20)) + y / 50
    np.testing.assert_allclose(cut.data.t[0], expected, atol=1e-9)


def test_the_globe_in_two_conventions():
    lr = field(np.arange(-88, 90, 4.0), np.arange(2, 360, 4.0))
    hr = field(np.arange(-89, 90, 2.0), np.arange(-179, 180, 2.0))
    pairing, cut = pair(fields(lr), fields(hr), direct_method=None, trim=False)
    assert cut.grid.shape == (90, 180)  # cut at the conventions' common half: 90 columns
    expected = coarsen(hr, 2).t.sel(lon=pairing.lr.x.canonical, method="nearest")
    np.testing.assert_allclose(pairing.regrid_lr(fields(lr)).t, expected, atol=1e-2)


# --- placement ------------------------------------------------------------------------------


def test_stored_coordinates_on_the_training_grid():
    # coordinates with float32 jitter come back bit by bit, though LR cells would refine otherwise
    hr_x = (5 + 0.1 * (np.arange(8) + 0.5)).astype("f4")
    hr = Grid(y=lat(*(50 - 0.1 * (np.arange(8) + 0.5))), x=lon(*hr_x))
    lr = Grid(y=lat(49.8, 49.4), x=lon(5.2, 5.6))
    pairing, _ = paired(lr, hr)
    placement = place(pairing, Grid(y=lat(49.8, 49.4), x=lon(5.2 + 1e-6, 5.6 - 1e-6)))
    np.testing.assert_array_equal(placement.hr.x.values, hr_x)
    assert placement.hr.x.values.dtype == np.float32
    np.testing.assert_array_equal(placement.hr.y.values, hr.y.values)
    np.testing.assert_array_equal(placement.trained["y"], np.arange(8))
    np.testing.assert_array_equal(placement.trained["x"], np.arange(8))
    # HR rows fall: a canonical array is turned upside down
    np.testing.assert_array_equal(placement.order["y"], np.arange(8)[::-1])
    np.testing.assert_array_equal(placement.order["x"], np.arange(8))


def test_a_part_of_the_training_domain_has_stored_coordinates_and_its_place():
    pairing, _ = paired(plane(4, 6, step=4), plane(16, 24))
    placement = place(pairing, plane(2, 3, step=4, y0=8, x0=4))
    np.testing.assert_array_equal(placement.trained["y"], np.arange(8, 16))
    np.testing.assert_array_equal(placement.trained["x"], np.arange(4, 16))
    np.testing.assert_array_equal(placement.hr.y.values, np.arange(8.5, 16))
    np.testing.assert_array_equal(placement.hr.x.values, np.arange(4.5, 16))
    assert placement.lr.shape == (2, 3)


def test_elsewhere_lr_cells_are_split_evenly():
    pairing, _ = paired(plane(4, 6, step=4), plane(16, 24))
    given = Grid(y=plane(2, 2, step=4, y0=100).y, x=plane(2, 3, step=4, x0=2).x)
    placement = place(pairing, given)
    assert placement.trained is None
    assert placement.lr is given
    np.testing.assert_array_equal(placement.hr.y.values, np.arange(100.5, 108))
    np.testing.assert_array_equal(placement.hr.x.values, np.arange(2.5, 14))
    moved = on(given)
    xr.testing.assert_identical(pairing.regrid_lr(moved, placement.lr), moved.data)


@given(
    layouts=st.tuples(*[st.sampled_from(sorted(LAYOUTS))] * 3),
    first=st.sampled_from([-12.0, -8.0, 40.0, 168.0, 179.0]),
    hr_cells=st.sampled_from([(0, 24), (3, 24), (0, 18)]),
    part=st.sampled_from([(0, 6), (1, 4), (9, 4), (3, 2)]),
)
def test_output_lies_where_its_input_lies(layouts, first, hr_cells, part):
    lr = region(layouts[0], first, 6, 4.0)
    hr = region(layouts[1], first + hr_cells[0], hr_cells[1] - hr_cells[0], 1.0)
    pairing, _ = paired(lr, hr)
    at = region(layouts[2], first + 4 * part[0], part[1], 4.0)
    placement = place(pairing, at)
    cells = origin(placement, pairing.scale.x)
    columns = placement.hr.x.values
    # HR centres 0.5 and 1.5 to either side of the centre of the LR cell they come from
    off = (columns - cells + 180) % 360 - 180
    assert columns.size == 4 * placement.lr.x.size - sum(placement.rim["x"])
    offsets = {n: sorted(np.round(off[cells == n], 6)) for n in set(cells)}
    whole = [-1.5, -0.5, 0.5, 1.5]
    assert sum(found != whole for found in offsets.values()) <= sum(map(bool, placement.rim["x"]))
    assert all(set(found) <= set(whole) for found in offsets.values())
    if placement.trained is not None:
        stored = pairing.hr.x.canonical[placement.trained["x"]][placement.order["x"]]
        np.testing.assert_allclose((columns - stored + 180) % 360, 180, rtol=0, atol=1e-9)
    # laid out as the caller is: rising where the caller's longitudes rise, in the same convention
    same = np.array_equal(placement.lr.x.values, pairing.lr.x.values)
    if not same:
        assert ("descending" in layouts[2]) == (np.median(np.diff(columns)) < 0)
        near = np.abs(columns[:, None] - at.x.values).min(axis=1)
        np.testing.assert_array_less(near, 2)  # in -180..180 HR of 358 would be 360 away


@pytest.mark.parametrize("straight", [None, "bilinear"])
@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("hr_layout", ["as is", "descending", "0..360, seam inside"])
def test_pairs_that_do_not_nest_follow_the_caller_too(straight, layout, hr_layout):
    lr, hr = region("as is", -10, 8, 2.5), region(hr_layout, -10, 20, 1.0)
    pairing, _ = paired(lr, hr, straight, trim=True)
    placement = place(pairing, region(layout, -10, 8, 2.5))
    stored = pairing.hr.x.canonical[placement.order["x"]]
    off = (placement.hr.x.values - stored + 180) % 360 - 180
    np.testing.assert_allclose(off, np.zeros(off.size), atol=1e-9)
    if layout != "as is" and hr_layout == "as is":
        assert ("descending" in layout) == (np.median(np.diff(placement.hr.x.values)) < 0)


@pytest.mark.parametrize("straight", [None, "bilinear"])
def test_pairs_that_do_not_nest_follow_the_callers_convention(straight):
    lr, hr = region("as is", -160, 8, 2.5), region("as is", -160, 20, 1.0)
    pairing, _ = paired(lr, hr, straight, trim=True)
    placement = place(pairing, region("0..360, seam inside", -160, 8, 2.5))
    np.testing.assert_allclose(placement.hr.x.values, 200.5 + np.arange(20))


# --- messages -------------------------------------------------------------------------------


def test_another_spacing_is_refused_with_the_cure():
    pairing, _ = paired(plane(4, 6, step=4), plane(16, 24))
    seen = r"spacing of training \(4 by 4\), got 2 by 2, .* bring them onto that spacing first"
    with pytest.raises(GridError, match=seen):
        place(pairing, plane(4, 6, step=2))
    cure = r"got 1 by 1, the HR spacing\. Make LR .*\.downscale\.coarsen\(4\) first"
    with pytest.raises(GridError, match=cure):
        place(pairing, plane(16, 24))


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("straight", [None, "bilinear"])
def test_a_part_of_a_pair_that_does_not_nest(straight, layout):
    # LR edges -10 + 2.5 i; HR centres -9.5 + j; blocks of 2 begin at -10 + 2 k
    pairing, _ = paired(region("as is", -10, 8, 2.5), region("as is", -10, 20, 1.0), straight)
    placement = place(pairing, region(layout, -5, 4, 2.5))  # -5 to 5
    expected = np.arange(5, 15) if straight else np.arange(6, 14)  # blocks of -4 .. 4
    np.testing.assert_array_equal(placement.trained["x"], expected)
    np.testing.assert_array_equal(
        placement.lr.x.canonical,
        pairing.lr.x.canonical[expected[:: pairing.scale.x] // pairing.scale.x],
    )
    centres = pairing.hr.x.canonical[expected][placement.order["x"]]
    off = (placement.hr.x.values - centres + 180) % 360 - 180
    np.testing.assert_allclose(off, np.zeros(off.size), atol=1e-9)
    assert ("descending" in layout) == (np.median(np.diff(placement.hr.x.values)) < 0)


def test_a_part_too_small_for_the_cells_of_the_network_is_refused():
    pairing, _ = paired(plane(10, 20, step=1.6), plane(16, 32))
    with pytest.raises(GridError, match=r"at least two of the cells.*Select a larger region"):
        place(pairing, plane(2, 2, step=1.6, y0=1.6))


def test_a_region_across_the_break_of_a_global_model_has_its_place():
    globe, hr_globe = region("as is", 0, 90, 4.0), region("as is", 0, 360, 1.0)
    pairing, _ = paired(globe, hr_globe)
    assert pairing.lr.x.periodic
    placement = place(pairing, region("0..360, seam inside", -12, 5, 4.0))  # -12 to 8
    np.testing.assert_array_equal(placement.trained["x"], np.r_[348:360, 0:8])
    expected = np.r_[348.5:360, 0.5:8]
    np.testing.assert_allclose(placement.hr.x.values, expected)


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("straight", [None, "bilinear"])
@pytest.mark.parametrize(("step", "size"), [(4.0, 90), (3.6, 100)])
def test_the_globe_comes_back_in_the_callers_layout(layout, straight, step, size):
    lr, hr = region("as is", 0, size, step), region("as is", 0, 360, 1.0)
    pairing, _ = paired(lr, hr, straight)
    assert (pairing.method == "nested") == (size == 90)
    at = region(layout, 0, size, step)
    placement = place(pairing, at)
    assert placement.hr.x.periodic
    np.testing.assert_array_equal(np.sort(placement.trained["x"]), np.arange(360))
    columns = placement.hr.x.values
    assert ("descending" in layout) == (np.median(np.diff(columns)) < 0)
    apart = np.abs(columns[:, None] - at.x.values).min(axis=1)
    assert apart.max() < step / 2  # each in the convention of its LR cell
    # it begins where the caller's begins
    west, hr_west = ((np.median(np.diff(v)) < 0 and v[-1]) or v[0] for v in (at.x.values, columns))
    assert abs(west - hr_west) < step / 2 + 1
    stored = pairing.hr.x.canonical[placement.trained["x"]][placement.order["x"]]
    np.testing.assert_allclose((columns - stored + 180) % 360, 180, rtol=0, atol=1e-9)


def test_straight_pairs_know_the_training_grid_alone():
    pairing, _ = paired(plane(4, 4, step=2.5), plane(10, 10), direct_method="bicubic")
    cure = r"LR fields on the training grid \(y 1\.25 to 8\.75 .*do not nest.*Interpolate them onto"
    with pytest.raises(GridError, match=cure):
        place(pairing, plane(4, 4, step=2.5, x0=2.5))


def test_perfect_prognosis_is_a_pairing_of_block_means():
    hr = plane(8, 8)
    lr = plane(2, 2, step=4)
    pairing = Pairing(scale=Scale.of(4), method="nested", source=lr, lr=lr, hr=hr, domain=hr)
    placement = place(pairing, lr)
    np.testing.assert_array_equal(placement.hr.x.values, hr.x.values)
    np.testing.assert_array_equal(pairing.regrid_lr(on(lr)).t, on(lr).data.t)

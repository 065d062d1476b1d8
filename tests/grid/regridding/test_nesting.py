"""Nested or not: common cells against a brute-force search, and the pairs that must not nest."""

import dataclasses

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import roots_legendre

from tests.conftest import era5_uk, no_compute, real
from tests.grid import LAYOUTS, fields, lat, lon, planar, plane
from xr_dl4ds.config import Scale
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.geolocation import Geolocation
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.regridding.nesting import (
    Nesting,
    nest,
    over_cells,
    ratio,
    to_hr_cells,
    turns_between,
)
from xr_dl4ds.grid.regridding.regridder import regridder


def roles(lr, hr):
    regridder(lr, hr).require_overlap("the LR data", "the HR data")


# --- overlap --------------------------------------------------------------------------------


def test_ratio_is_lr_over_hr_along_y_and_x():
    lr = Grid(y=lat(60, 40, 20), x=lon(0, 3))
    hr = Grid(y=lat(50, 45), x=lon(0, 1))
    assert ratio(lr, hr) == (4.0, 3.0)  # the likely mistake: 0.25 and 0.33


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (lon(350, 351), lon(-10, -9), 0),  # both canonical already
        (lon(170, 171), lon(-175, -174), -360),  # canonical -175 lies at 185 for the first
        (lon(-175, -174), lon(170, 171), 360),
        (planar(350, 351), planar(-10, -9), 0),
        (lat(50, 51), lat(-50, -49), 0),
    ],
)
def test_turns_between_brings_longitudes_together(a, b, expected):
    assert turns_between(a, b) == expected


@pytest.mark.parametrize(
    ("lr", "hr"),
    [
        (plane(4, 4, step=4), plane(8, 8, y0=16)),  # edge to edge: no area in common
        (plane(4, 4, step=4), plane(8, 8, x0=-8)),
        (Grid(y=lat(50, 46), x=lon(0, 4)), Grid(y=lat(50, 49), x=lon(20, 21))),
        (Grid(y=lat(50, 46), x=lon(-150, -146)), Grid(y=lat(50, 49), x=lon(160, 161))),
    ],
)
def test_grids_apart_are_refused_with_both_extents(lr, hr):
    with pytest.raises(GridError, match=r"overlap, got the LR data on .* and the HR data on"):
        roles(lr, hr)


@pytest.mark.parametrize(
    ("lr", "hr"),
    [
        (plane(4, 4, step=4), plane(8, 8, y0=15)),
        (Grid(y=lat(50, 46), x=lon(356, 0)), Grid(y=lat(50, 49), x=lon(-3, -2))),
        (Grid(y=lat(50, 46), x=lon(176, 180)), Grid(y=lat(50, 49), x=lon(-179, -178))),
        (Grid(y=lat(50, 46), x=lon(-178, -174)), Grid(y=lat(50, 49), x=lon(178, 179, 180))),
    ],
)
def test_grids_with_some_area_in_common_pass(lr, hr):
    roles(lr, hr)


def test_kinds_of_coordinates_must_agree():
    with pytest.raises(GridError, match=r"'y' \(planar\) and 'lat' \(latitude\).*standard_name"):
        roles(plane(2, 2), Grid(y=lat(0, 1), x=lon(0, 1)))


# --- nested by hand -------------------------------------------------------------------------


def test_the_same_domain():
    # HR cells [0, 8] by 1, LR cells [0, 4] and [4, 8]
    actual = nest(plane(2, 2, step=4), plane(8, 8))
    whole = {"y": slice(0, 2), "x": slice(0, 2)}
    none = {"y": (0, 0), "x": (0, 0)}
    hr = {"y": slice(0, 8), "x": slice(0, 8)}
    assert actual == Nesting(scale=Scale.of(4), lr=whole, hr=hr, rim=none)


def test_parts_in_common_and_cells_at_the_rim():
    # HR 3..14: LR cells [4, 8] and [8, 12] are whole, of [0, 4] and [12, 16] there are 1 and 2
    lr, hr = plane(5, 5, step=4), plane(11, 11, y0=3, x0=3)
    actual = nest(lr, hr, whole=True)
    assert actual.lr == {"y": slice(1, 3), "x": slice(1, 3)}
    assert actual.hr == {"y": slice(1, 9), "x": slice(1, 9)}
    assert actual.rim == {"y": (0, 0), "x": (0, 0)}
    actual = nest(lr, hr)
    assert actual.lr == {"y": slice(0, 4), "x": slice(0, 4)}
    assert actual.hr == {"y": slice(0, 11), "x": slice(0, 11)}
    assert actual.rim == {"y": (3, 2), "x": (3, 2)}


def test_cells_at_the_rim_end_at_the_poles_and_where_locations_are_unknown():
    # an LR cell about the pole: its rows beyond it are none
    lr, hr = lat(*np.arange(90, 70, -4)), lat(*np.arange(88.5, 75, -1))
    across = lon(2, 6, 10), lon(*np.arange(0.5, 11))
    actual = nest(Grid(y=lr, x=across[0]), Grid(y=hr, x=across[1]))
    assert actual.rim["y"] == (3, 0)
    assert hr.canonical[actual.hr["y"]][-1] == 87.5  # 88.5 belongs to the cell about the pole
    assert actual.rim["x"] == (0, 1)
    places = Geolocation(y=np.arange(3.0), x=np.arange(3.0), lat=np.eye(3), lon=np.eye(3))
    hr = dataclasses.replace(plane(11, 11, y0=3, x0=3), geolocation=places)
    assert nest(plane(5, 5, step=4), hr).rim == {"y": (0, 0), "x": (0, 0)}


def test_the_same_spacing_is_scale_one():
    assert nest(plane(3, 3), plane(3, 3)).scale.public == 1


@given(
    scale=st.integers(2, 5),
    lr_size=st.integers(2, 9),
    low=st.integers(-8, 20),
    size=st.integers(2, 40),
    jitter=st.booleans(),
    falls=st.tuples(st.booleans(), st.booleans()),
    whole=st.booleans(),
)
def test_common_cells_against_a_search(scale, lr_size, low, size, jitter, falls, whole):
    step = 0.1
    lr_x = step * scale * (np.arange(lr_size) + 0.5)
    hr_x = step * (low + np.arange(size) + 0.5)
    if jitter:
        lr_x, hr_x = lr_x.astype("f4"), hr_x.astype("f4")
    lr_x, hr_x = (v[:: -1 if f else 1] for v, f in zip((lr_x, hr_x), falls, strict=True))
    y = plane(4, 2, step=step * scale).y, plane(4 * scale, 2, step=step).y
    grids = Grid(y=y[0], x=planar(*lr_x)), Grid(y=y[1], x=planar(*hr_x))
    actual = nest(*grids, whole=whole)
    # LR cell i has the HR cells i*scale ... (i+1)*scale - 1; the HR domain has low ... low+size-1
    there = [set(range(i * scale, (i + 1) * scale)) for i in range(lr_size)]
    here = set(range(low, low + size))
    found = [i for i in range(lr_size) if (there[i] <= here if whole else there[i] & here)]
    if len(found) < 2:
        assert actual is None
        return
    cells = set.union(*(there[i] for i in found))
    both = sorted(cells & here)
    assert actual.scale.public == scale
    assert actual.lr["x"] == slice(found[0], found[-1] + 1)
    assert actual.hr["x"] == slice(both[0] - low, both[-1] + 1 - low)
    assert actual.rim["x"] == (both[0] - min(cells), max(cells) - both[-1])


@pytest.mark.parametrize("lr_layout", sorted(LAYOUTS))
@pytest.mark.parametrize("hr_layout", sorted(LAYOUTS))
@pytest.mark.parametrize("first", [-8, 172, 177])
def test_longitudes_in_any_two_layouts(lr_layout, hr_layout, first):
    rows = lat(52, 48), lat(*np.arange(46.5, 54))
    lr = Grid(y=rows[0], x=lon(*LAYOUTS[lr_layout](first + 2.0 + 4 * np.arange(4))))
    hr = Grid(y=rows[1], x=lon(*LAYOUTS[hr_layout](first + 3.5 + np.arange(14))))
    # HR cells first+3 ... first+17: one of the first LR cell, three whole ones, one HR cell is over
    actual = nest(lr, hr, whole=True)
    assert actual.lr["x"] == slice(1, 4)
    assert actual.hr["x"] == slice(1, 13)
    actual = nest(lr, hr)
    assert actual.lr["x"] == slice(0, 4)
    assert actual.hr["x"] == slice(0, 13)
    assert actual.rim["x"] == (3, 0)


# --- not nested -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lr", "hr"),
    [
        # every fourth HR point: centres 0.5, 4.5 where block means are 2, 6
        (Grid(y=planar(0.5, 4.5), x=planar(0.5, 4.5)), plane(8, 8)),
        (plane(4, 4, step=2.5), plane(10, 10)),
        (plane(4, 4, step=4, x0=0.05), plane(16, 16)),  # 1.25 % of a cell off
        (plane(20, 20, step=4.02), plane(80, 80)),  # right at the first cell, drifting
        (plane(2, 2, step=4), plane(3, 3)),  # fewer HR cells than one LR cell has
    ],
)
def test_pairs_that_do_not_nest(lr, hr):
    assert nest(lr, hr) is None


def test_another_number_of_cells_along_each_axis():
    actual = nest(Grid(y=plane(2, 2, step=4).y, x=plane(4, 4, step=2).x), plane(8, 8))
    assert actual.scale == Scale(4, 2)
    assert actual.lr == {"y": slice(0, 2), "x": slice(0, 4)}
    assert actual.hr == {"y": slice(0, 8), "x": slice(0, 8)}


def test_one_whole_lr_cell_alone():
    assert nest(plane(2, 2, step=4), plane(8, 7), whole=True) is None


def test_an_offset_within_the_tolerance_is_jitter():
    assert nest(plane(4, 4, step=4, x0=0.03), plane(16, 16)).scale.public == 4


def test_gaussian_latitudes_nest_in_their_block_means_alone():
    hr_lat = np.rad2deg(np.arcsin(roots_legendre(64)[0]))
    hr = Grid(y=lat(*hr_lat), x=plane(2, 8).x)
    block = lat(*hr_lat.reshape(-1, 2).mean(1))
    assert nest(Grid(y=block, x=plane(2, 4, step=2).x), hr).scale.public == 2
    coarse = lat(*np.rad2deg(np.arcsin(roots_legendre(32)[0])))
    assert nest(Grid(y=coarse, x=plane(2, 4, step=2).x), hr) is None


def test_swapped_grids_are_refused():
    with pytest.raises(GridError, match=r"Call lr\.downscale\.fit\(hr\): the two look swapped"):
        nest(plane(8, 8), plane(2, 2, step=4))
    with pytest.raises(GridError, match="look swapped"):
        nest(plane(8, 8, step=0.9), plane(8, 8))


# --- real files -----------------------------------------------------------------------------


def test_the_java_pair_nests_two_by_two():
    lr, hr = (fields(real(f)).grid for f in ("java_imerg_lr.nc", "java_chirps_hr.nc"))
    actual = nest(lr, hr)
    assert actual.scale.public == 2
    assert actual.lr == {"y": slice(0, 32), "x": slice(0, 96)}
    assert actual.hr == {"y": slice(0, 64), "x": slice(0, 192)}


def test_fine_static_fields_nest_five_by_five_in_era5():
    era5, _ = era5_uk()
    actual = nest(fields(era5).grid, fields(real("uk_static_005.nc")).grid)
    # rows 0..31 of 58..50 leave the southernmost row and, of columns 0..47, the easternmost out
    assert actual.scale.public == 5
    assert actual.lr == {"y": slice(0, 32), "x": slice(0, 48)}
    assert actual.hr == {"y": slice(5, 165), "x": slice(0, 240)}


# --- HR cells and the LR cells that hold them -------------------------------------------------

DIMS = ("realization", "time", "y", "x")
CHUNKS = {"realization": (1, 1), "time": (2, 1), "y": (2, 6), "x": (6, 2, 4)}


def cells_of(scale=2):
    """HR cells in two members, their LR cells, and one number for each HR cell."""
    rng = np.random.default_rng(0)
    times = {"time": np.arange(3) * 10}
    hr = xr.DataArray(rng.normal(size=(2, 3, 8, 12)).astype("f4"), dims=DIMS, coords=times)
    lr = xr.DataArray(rng.normal(size=(3, 8 // scale, 12 // scale)), dims=DIMS[1:])
    mask = xr.DataArray(rng.random((8, 12)) > 0.5, dims=("y", "x"))
    return hr, lr, mask


def combined(hr, lr, mask):
    scale = hr.shape[-1] // lr.shape[-1]
    fine = lr.repeat(scale, axis=-2).repeat(scale, axis=-1)
    return np.where(mask, hr + fine, hr - fine).astype("f4")


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("lazy", [(True, True), (True, False), (False, True)], ids=str)
def test_functions_of_hr_and_lr_cells_by_chunks(scale, lazy):
    hr, lr, mask = cells_of(scale)
    expected = over_cells(combined, hr, [lr, mask], Scale.of(scale))
    by_hand = np.where(mask, 1, -1) * lr.data.repeat(scale, axis=1).repeat(scale, axis=2)
    np.testing.assert_array_equal(expected, (hr.data + by_hand).astype("f4"))
    assert expected.coords.equals(hr.coords)
    with no_compute():
        actual = over_cells(
            combined,
            hr.chunk(CHUNKS) if lazy[0] else hr,
            [lr.chunk(time=1, y=3) if lazy[1] else lr, mask],
            Scale.of(scale),
        )
    assert actual.chunks == (tuple(CHUNKS.values()) if lazy[0] else ((2,), (3,), (8,), (12,)))
    xr.testing.assert_identical(actual.compute(), expected)


def test_lr_cells_repeated_by_chunks():
    _, lr, _ = cells_of()
    expected = to_hr_cells(lr, Scale.of(3))
    np.testing.assert_array_equal(expected, np.kron(lr, np.ones((1, 3, 3))))
    with no_compute():
        actual = to_hr_cells(lr.chunk(time=2, y=(3, 1), x=2), Scale.of(3))
    assert actual.chunks == ((2, 1), (9, 3), (6, 6, 6))
    np.testing.assert_array_equal(actual, expected)

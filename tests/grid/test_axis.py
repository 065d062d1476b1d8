"""Axes by hand: order, canonical run, edges, refinement, block means, layouts, bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import era5_uk
from tests.grid import LAYOUTS, lat, lon, planar
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.axis import Axis, edges
from xr_dl4ds.grid.cells import block_means, cell_bounds, in_layout_of, refine, refined

# --- what an axis must be -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "cure"),
    [
        ([3.0], "Select a larger region"),
        ([], "Select a larger region"),
        ([[1.0, 2.0], [3.0, 4.0]], r"got shape \(2, 2\)"),
        ([1.0, np.nan, 3.0], r"1 that are NaN or infinite.*\.isel"),
        ([1.0, np.inf], "1 that are NaN or infinite"),
        (["a", "b"], "values such as .*'a'"),
        (np.array(["2001-01-01", "2001-01-02"], "M8[ns]"), "values such as"),
        ([1.0, 2.0, 2.0], r"got 2 followed by 2.*\.drop_duplicates\('x'\)"),
        ([1.0, 3.0, 2.0], r"got 3 followed by 2.*\.sortby\('x'\)"),
        ([5.0, 3.0, 4.0, 1.0], r"strictly increasing or decreasing"),
    ],
    ids=str,
)
def test_unusable_centres_are_refused_with_the_cure(values, cure):
    with pytest.raises(GridError, match=cure):
        Axis(name="x", values=np.array(values))


@pytest.mark.parametrize(
    "values", [[10, 30, 20, 40, 50], [0, 2, 1, 3], [358, 0, 359, 1], [4, 3, 1, 2], [0, 1, 1, 2]]
)
def test_unsorted_longitudes_are_refused(values):
    # the likely mistake: each step down taken for the seam, 10, 30, 380, 400, 410
    with pytest.raises(GridError, match=r"\.sortby\('lon'\)"):
        lon(*values)


@pytest.mark.parametrize(
    ("values", "cure"),
    [
        (np.arange(0, 361, 90), r"got 0 to 360\. Drop the last column, which is the first one"),
        (np.arange(-180, 181, 2.5), r"\.isel\(lon=slice\(None, -1\)\)"),
        (np.arange(0, 720, 10), r"got 0 to 710. Select one turn"),
    ],
    ids=str,
)
def test_more_than_one_turn_is_refused(values, cure):
    with pytest.raises(GridError, match=f"once around the globe at most, .*{cure}"):
        lon(*values)


@pytest.mark.parametrize("values", [[-100, 0, 80], [0, 45, 91], [273, 280, 285]])
def test_latitudes_beyond_the_poles_are_refused(values):
    with pytest.raises(
        GridError, match=r"latitudes 'lat' in -90 to 90 degrees, got .*Set the unit"
    ):
        lat(*values)


def test_the_values_given_are_kept_and_not_changed():
    values = np.array([359.0, 0.0, 1.0], "f4")
    axis = Axis(name="lon", values=values, kind="longitude")
    np.testing.assert_array_equal(axis.values, np.array([359, 0, 1], "f4"))
    assert axis.values.dtype == np.float32
    assert axis.canonical.dtype == np.float64
    np.testing.assert_array_equal(values, np.array([359, 0, 1], "f4"))


# --- canonical order ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "canonical", "order"),
    [
        ([0, 1, 2], [0, 1, 2], [0, 1, 2]),
        ([2, 1, 0], [0, 1, 2], [2, 1, 0]),
        ([358, 359, 0, 1], [-2, -1, 0, 1], [0, 1, 2, 3]),  # the seam inside the region
        ([1, 0, 359, 358], [-2, -1, 0, 1], [3, 2, 1, 0]),
        ([0, 1, 358, 359], [-2, -1, 0, 1], [2, 3, 0, 1]),  # the same, sorted by value
        ([359, 358, 1, 0], [-2, -1, 0, 1], [1, 0, 3, 2]),
        ([178, 179, -180, -179], [178, 179, 180, 181], [0, 1, 2, 3]),  # the date line inside
        ([181, 182], [-179, -178], [0, 1]),
        ([359, 0], [-1, 0], [0, 1]),
        ([-541, -540], [179, 180], [0, 1]),
        ([0, 90, 180, 270], [0, 90, 180, 270], [0, 1, 2, 3]),  # once around: where the user begins
        ([-180, -90, 0, 90], [-180, -90, 0, 90], [0, 1, 2, 3]),
        ([180, 270, 0, 90], [-180, -90, 0, 90], [0, 1, 2, 3]),
        ([270, 180, 90, 0], [0, 90, 180, 270], [3, 2, 1, 0]),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["f8", "f4", "i2"])
def test_longitudes_become_one_increasing_run(values, canonical, order, dtype):
    actual = lon(*np.array(values, dtype))
    np.testing.assert_array_equal(actual.canonical, canonical)
    np.testing.assert_array_equal(actual.order, order)


@given(
    first=st.integers(-180, 179),
    size=st.integers(2, 40),
    step=st.sampled_from([0.05, 0.25, 1.0, 1.875, 8.0]),
    layout=st.sampled_from(sorted(LAYOUTS)),
)
def test_any_layout_of_a_region_has_the_same_canonical_run(first, size, step, layout):
    expected = first + step * np.arange(size)
    actual = lon(*LAYOUTS[layout](expected))
    np.testing.assert_allclose(actual.canonical, expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        actual.values[actual.order] % 360 % 360, expected % 360, rtol=0, atol=1e-9
    )


def test_planar_values_know_no_seam():
    axis = planar(350.0, 10.0, -330.0)
    np.testing.assert_array_equal(axis.canonical, [-330, 10, 350])
    np.testing.assert_array_equal(axis.order, [2, 1, 0])


# --- what follows from the centres ----------------------------------------------------------


def test_size_spacing_and_extent():
    axis = planar(50.0, 40.0, 20.0, 10.0)
    assert axis.size == 4
    assert axis.spacing == 10.0  # steps 10, 20, 10; their mean would be 13.3
    assert axis.extent == "10 to 50"
    assert lon(359, 0, 1).extent == "-1 to 1"


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (lon(0, 90, 180, 270), True),
        (lon(180, 270, 0, 90), True),
        (lon(*np.arange(-180, 180, 0.75)), True),
        (lon(*np.arange(0, 360, 1.875, "f4")), True),
        (lon(*np.arange(0, 350, 10)), False),  # one cell is missing
        (lon(0, 1, 2), False),
        (lat(-90, 0, 90), False),
        (planar(0, 90, 180, 270), False),
    ],
    ids=lambda a: f"{a.kind} {a.extent}" if isinstance(a, Axis) else str(a),
)
def test_periodic_means_once_around(axis, expected):
    assert axis.periodic == expected


def test_edges_lie_halfway_and_the_outer_cells_are_symmetric():
    # steps 10 and 20: (10+20)/2 = 15, (20+40)/2 = 30, outside 10-5 and 40+10
    np.testing.assert_array_equal(edges(np.array([10, 20, 40])), [5, 15, 30, 50])
    np.testing.assert_array_equal(edges(np.array([40.0, 20.0, 10.0])), [50, 30, 15, 5])
    np.testing.assert_array_equal(planar(40, 20, 10).edges, [5, 15, 30, 50])


def test_latitudes_end_at_the_poles_and_only_they():
    # not clipped the outer edges would be -135 and 135
    np.testing.assert_array_equal(lat(90, 0, -90).edges, [-90, -45, 45, 90])
    np.testing.assert_array_equal(planar(90, 0, -90).edges, [-135, -45, 45, 135])
    np.testing.assert_array_equal(edges(np.array([60, 85]), latitude=True), [47.5, 72.5, 90])


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (planar(0, 1, 2), planar(2, 1, 0), True),  # another layout
        (planar(0, 1, 2), planar(0, 1, 2.0009), True),  # below a thousandth of a cell
        (planar(0, 1, 2), planar(0, 1, 2.0011), False),
        (planar(0, 100, 200), planar(0, 100, 200.09), True),  # a share of the cell, not of the unit
        (planar(0, 1, 2), planar(0, 1), False),
        (planar(0, 1, 2), planar(0.5, 1.5, 2.5), False),
        (lon(358, 359, 0), lon(-2, -1, 0), True),
        (lon(0, 1, 359), lon(-1, 0, 1), True),
        (lon(-180.0, -179, -178), lon(180, 181, 182), True),
        (lon(0, 90, 180, 270), lon(180, 270, 0, 90), False),  # the data lie in another order
    ],
    ids=lambda a: f"{a.values.tolist()}" if isinstance(a, Axis) else str(a),
)
def test_same_cells(a, b, expected):
    assert a.same_cells(b) is expected
    assert b.same_cells(a) is expected


def test_jitter_at_the_date_line_makes_no_other_cells():
    # -180.00001 begins the canonical run at 179.99999: 360 degrees from -180, and the same cell
    jittered = np.array([-180, -179.9, -179.8], "f4") - np.float32(1e-5)
    assert lon(*jittered).same_cells(lon(-180, -179.9, -179.8))


# --- refinement and block means -------------------------------------------------------------


def test_refine_splits_each_cell_evenly():
    # cells [0, 2] and [2, 4]; the HR centres of points 1 and 3 at half the step would be 1, 2, 3, 4
    np.testing.assert_array_equal(refine(planar(1, 3), 2), [0.5, 1.5, 2.5, 3.5])
    # uneven cells [5, 15], [15, 30], [30, 50]; result is canonical for a descending axis too
    expected = [7.5, 12.5, 18.75, 26.25, 35, 45]
    np.testing.assert_array_equal(refine(planar(40, 20, 10), 2), expected)
    # cells of half the height at the poles: [-90, -45]
    np.testing.assert_array_equal(refine(lat(-90, 0, 90), 3)[:3], [-82.5, -67.5, -52.5])


@pytest.mark.parametrize(
    ("axis", "scale", "expected"),
    [
        (planar(0, 1, 2, 3), 2, [0.5, 2.5]),
        (planar(3, 2, 1, 0), 2, [2.5, 0.5]),
        (planar(0, 1, 3, 6), 2, [0.5, 4.5]),
        # across the seam; plain means would be (358+359+0)/3 = 239 and 2
        (lon(358, 359, 0, 1, 2, 3), 3, [359, 2]),
        (lon(2, 1, 0, 359, 358, 357), 3, [1, 358]),
        (lon(1, 0, 359, 358, 357, 356), 3, [0, 357]),
        (lon(357, 358, 359, 0, 1, 2), 3, [358, 1]),
        # across the date line, in the convention of the first member: 180, not -180
        (lon(179, -180, -179, -178, -177, -176), 3, [180, -177]),
        (lon(0, 90, 180, 270), 2, [45, 225]),
        (lon(0, 1, 358, 359), 2, [0.5, 358.5]),
    ],
    ids=lambda a: str(a.values.tolist()) if isinstance(a, Axis) else "",
)
def test_block_means(axis, scale, expected):
    np.testing.assert_allclose(block_means(axis, scale), expected, rtol=0, atol=1e-9)


@given(
    size=st.integers(2, 12),
    scale=st.integers(2, 6),
    step=st.floats(0.01, 5),
    first=st.floats(-170, 170),
    falls=st.booleans(),
)
def test_block_means_undo_refine_on_even_axes(size, scale, step, first, falls):
    values = first + step * np.arange(size)
    axis = lon(*values[:: -1 if falls else 1])
    fine = axis.replace(refine(axis, scale))
    np.testing.assert_allclose(block_means(fine, scale), axis.canonical, rtol=0, atol=1e-8)


def test_refine_finds_real_coordinates_again():
    hr, _ = era5_uk()
    for name, kind in (("latitude", "latitude"), ("longitude", "longitude")):
        axis = Axis(name=name, values=hr[name].values, kind=kind)
        actual = refine(axis.replace(block_means(axis, 4)), 4)
        np.testing.assert_allclose(actual, np.sort(hr[name].values), rtol=0, atol=1e-12)


# --- the caller's layout --------------------------------------------------------------------


def test_in_layout_of_a_descending_axis():
    hr, order = in_layout_of(planar(3, 1), planar(0.5, 1.5, 2.5, 3.5), 2)
    np.testing.assert_array_equal(hr.values, [3.5, 2.5, 1.5, 0.5])
    np.testing.assert_array_equal(order, [3, 2, 1, 0])


def test_in_layout_of_longitudes_across_the_seam():
    # canonical cells -1.5..-0.5..0.5..1.5 refined by 2: -1.25, -0.75, -0.25, 0.25, 0.75, 1.25
    axis = lon(359, 0, 1)
    hr, order = in_layout_of(axis, refined(axis, 2, axis), 2)
    np.testing.assert_array_equal(hr.values, [358.75, 359.25, -0.25, 0.25, 0.75, 1.25])
    np.testing.assert_array_equal(order, np.arange(6))


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("first", [-10, -3, -1, 20, 178])
@pytest.mark.parametrize("size", [3, 6])
def test_in_layout_of_follows_cells_direction_and_convention(layout, first, size):
    axis = lon(*LAYOUTS[layout](first + 2.0 * np.arange(size)))
    fine = refine(axis, 3)
    hr, order = in_layout_of(axis, refined(axis, 3, axis), 3)
    values = hr.values
    sign = -1 if "descending" in layout else 1
    # HR cells lie 2/3 apart around the LR centre, in the direction in which the caller goes
    expected = axis.values[:, None] + sign * np.array([-2 / 3, 0, 2 / 3])
    np.testing.assert_allclose(values.reshape(size, 3), expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(fine[order] % 360, values % 360, rtol=0, atol=1e-9)


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("first", [-10, -3, -1, 20, 178])
@pytest.mark.parametrize("size", [3, 6])
def test_bounds_belong_to_their_cells(layout, first, size):
    axis = lon(*LAYOUTS[layout](first + 2.0 * np.arange(size)))
    sign = -1 if "descending" in layout else 1
    # each cell is 2 wide around its centre; bounds rise where the centres rise
    expected = axis.values[:, None] + sign * np.array([-1.0, 1.0])
    np.testing.assert_allclose(cell_bounds(axis), expected, rtol=0, atol=1e-9)


def test_bounds_of_latitudes_stop_at_the_poles():
    expected = [[90, 45], [45, -45], [-45, -90]]
    np.testing.assert_array_equal(cell_bounds(lat(90, 0, -90)), expected)


def test_replace_keeps_name_attributes_and_kind():
    axis = Axis(name="lon", values=np.array([0, 1]), attrs={"units": "E"}, kind="longitude")
    actual = axis.replace(np.array([359, 0, 1]))
    assert (actual.name, actual.attrs, actual.kind) == ("lon", {"units": "E"}, "longitude")
    np.testing.assert_array_equal(actual.canonical, [-1, 0, 1])


@pytest.mark.parametrize("dtype", ["m8[s]", "c16", "?"])
def test_values_that_are_no_real_numbers_are_refused(dtype):
    with pytest.raises(
        GridError, match=r"'x' to hold finite numbers, got .* Assign the cell centres"
    ):
        Axis(name="x", values=np.array([0, 1]).astype(dtype))

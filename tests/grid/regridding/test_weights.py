"""Weights against closed formulas, numpy's interpolation and loops written from the definition."""

import itertools

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from tests.grid import LAYOUTS, lat, lon, planar
from xr_dl4ds.grid.regridding.weights import (
    METHODS,
    apply,
    bicubic,
    bilinear,
    conservative,
    cubic_kernel,
    nearest,
    over_fields,
)

NAN = np.nan
ALL = sorted(METHODS)


def opencv_cubic(position, size, *, wrap=False):
    """One row of weights as OpenCV's interpolateCubic writes them, A = -0.75."""
    a, first = -0.75, int(np.floor(position))
    x = position - first
    taps = [
        ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a,
        ((a + 2) * x - (a + 3)) * x * x + 1,
        ((a + 2) * (1 - x) - (a + 3)) * (1 - x) * (1 - x) + 1,
    ]
    taps.append(1 - sum(taps))
    row = np.zeros(size)
    for tap, weight in zip(range(first - 1, first + 3), taps, strict=True):
        row[tap % size if wrap else min(max(tap, 0), size - 1)] += weight
    return row


def overlap_row(low, high, source_edges):
    """Shares of the cell [low, high] by a loop over the source cells; None outside them."""
    cells = itertools.pairwise(source_edges)
    shares = np.array([max(0.0, min(high, b) - max(low, a)) for a, b in cells])
    return shares / shares.sum() if shares.sum() > 0 else None


@st.composite
def axes(draw):
    """A source and a target axis, uneven, in either direction, of which the target may be wider."""
    out = []
    for _ in range(2):
        steps = draw(st.lists(st.floats(0.2, 3), min_size=1, max_size=8))
        values = draw(st.floats(-4, 4)) + np.cumsum([0, *steps])
        out.append(planar(*values[:: draw(st.sampled_from([1, -1]))]))
    return out


# --- the cubic kernel -----------------------------------------------------------------------


def test_cubic_kernel_by_hand():
    # 0.5: (1.25 * 0.5 - 2.25) * 0.25 + 1 = 0.59375; 1.5: -0.75 * 0.125 = -0.09375
    # with TensorFlow's a = -0.5 they would be 0.5625 and -0.0625
    actual = cubic_kernel(np.array([0, 0.5, 1, 1.5, 2, 2.5]))
    np.testing.assert_allclose(actual, [1, 0.59375, 0, -0.09375, 0, 0], atol=1e-15)
    actual = cubic_kernel(np.array([0.5, 1.5]), a=-0.5)
    np.testing.assert_allclose(actual, [0.5625, -0.0625], atol=1e-15)


@given(st.floats(0, 1), st.floats(-1, 0))
def test_cubic_weights_at_unit_steps_sum_to_one(at, a):
    distances = np.abs(at - np.arange(-1, 3))
    assert cubic_kernel(distances, a).sum() == pytest.approx(1, abs=1e-12)


# --- methods by hand ------------------------------------------------------------------------


def test_nearest_is_the_cell_that_holds_the_centre():
    # cells [-1, 1], [1, 3.5], [3.5, 6.5]; by distance to the centre 3.4 would go to 5 (2 and 5)
    source = planar(0, 2, 5)
    target = planar(-9, 0.9, 1.1, 3.4, 3.6, 9)
    np.testing.assert_array_equal(nearest(source, target).argmax(1), [0, 0, 1, 1, 2, 2])


def test_bilinear_is_constant_beyond_the_outer_centres():
    source, target = planar(0, 4), planar(-1, 0, 1, 4, 5)
    expected = [[1, 0], [1, 0], [0.75, 0.25], [0, 1], [0, 1]]  # extrapolated: 1.25 and -0.25
    np.testing.assert_allclose(bilinear(source, target), expected, atol=1e-15)


def test_conservative_shares_by_hand():
    # source cells [0, 2] and [2, 4]; target cells [1, 3] and [3, 5], half of the latter beyond
    expected = [[0.5, 0.5], [0, 1]]
    np.testing.assert_allclose(conservative(planar(1, 3), planar(2, 4)), expected)
    # cells [-4, -2], [-2, 0], ... wholly beyond take the nearest one; 0 / 0 would be NaN
    actual = conservative(planar(1, 3), planar(-3, -1, 1, 3, 5, 7))
    np.testing.assert_allclose(actual, [[1, 0]] * 3 + [[0, 1]] * 3)


def test_conservative_latitudes_weigh_by_area():
    # source edges 0, 30, 60, 90; target edges 0, 45, 90: sin 30 = 0.5, sin 45 = 0.7071
    # first row 0.5 / 0.7071 = 0.7071; by degrees it would be 2/3
    actual = conservative(lat(15, 45, 75), lat(22.5, 67.5))
    s45, s60 = np.sqrt(0.5), np.sqrt(0.75)
    expected = [
        [0.5 / s45, (s45 - 0.5) / s45, 0],
        [0, (s60 - s45) / (1 - s45), (1 - s60) / (1 - s45)],
    ]
    np.testing.assert_allclose(actual, expected, atol=1e-12)
    planar_row = conservative(planar(15, 45, 75), planar(22.5, 67.5))[0]
    np.testing.assert_allclose(planar_row, [2 / 3, 1 / 3, 0], atol=1e-12)


# --- methods against references -------------------------------------------------------------


@given(axes())
def test_bilinear_equals_numpy_interp(pair):
    source, target = pair
    values = np.cos(np.arange(source.size))
    actual = bilinear(source, target) @ values
    expected = np.interp(target.canonical, source.canonical, values)
    np.testing.assert_allclose(actual, expected, atol=1e-12)


@pytest.mark.parametrize("scale", [2, 3, 4, 5])
@pytest.mark.parametrize("size", [2, 3, 7])
def test_bicubic_equals_opencv_with_replicated_borders(scale, size):
    source = planar(*(np.arange(size)[::-1] * 0.25 + 50))
    target = planar(*(50 - 0.125 + 0.25 * (np.arange(size * scale) + 0.5) / scale))
    positions = (np.arange(size * scale) + 0.5) / scale - 0.5
    expected = [opencv_cubic(p, size) for p in positions]
    np.testing.assert_allclose(bicubic(source, target), expected, atol=1e-9)


@given(axes())
def test_conservative_equals_a_loop_over_cells(pair):
    source, target = pair
    actual = conservative(source, target)
    for row, low, high in zip(actual, target.edges[:-1], target.edges[1:], strict=True):
        expected = overlap_row(low, high, source.edges)
        if expected is None:
            expected = np.eye(source.size)[-1 if low > source.canonical[-1] else 0]
        np.testing.assert_allclose(row, expected, atol=1e-6)


@pytest.mark.parametrize("target", [lat(*np.arange(42.2, 60, 1.7)), lat(*np.arange(89, -90, -2))])
def test_conservative_latitudes_equal_a_loop_over_areas(target):
    source = lat(*np.linspace(-90, 90, 73))
    actual = conservative(source, target)
    s, t = (np.sin(np.deg2rad(a.edges)) for a in (source, target))
    expected = [overlap_row(low, high, s) for low, high in itertools.pairwise(t)]
    np.testing.assert_allclose(actual, expected, atol=1e-12)


@given(axes(), st.sampled_from(ALL))
def test_rows_sum_to_one(pair, method):
    rows = METHODS[method](*pair).sum(axis=1)
    np.testing.assert_allclose(rows, np.ones(pair[1].size), atol=1e-12)


@pytest.mark.parametrize("method", ALL)
def test_the_same_cells_are_the_identity(method):
    axis = lat(60, 50, 45, 20)
    np.testing.assert_allclose(METHODS[method](axis, axis), np.eye(4), atol=1e-12)


# --- longitudes -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("first", [-9, 171])
def test_the_layout_of_longitudes_does_not_matter(method, layout, first):
    source, target = first + 2.0 * np.arange(8), first + 4 + np.arange(9) * 0.5
    expected = METHODS[method](planar(*source), planar(*target))
    laid_out = lon(*LAYOUTS[layout](target))
    actual = METHODS[method](lon(*(source % 360)), laid_out)
    np.testing.assert_allclose(actual, expected, atol=1e-9)
    actual = METHODS[method](laid_out, lon(*(source % 360)))
    expected = METHODS[method](planar(*target), planar(*source))
    np.testing.assert_allclose(actual, expected, atol=1e-9)


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(np.arange(-170.0, -20, 4), id="west"),
        pytest.param(np.arange(20.0, 170, 4), id="east"),
        pytest.param(np.arange(-30.0, 50, 4), id="across the break"),
        pytest.param(np.arange(-174.0, 186, 10), id="the globe from -180"),
        pytest.param(np.arange(2.0, 360, 4), id="the globe from 0"),
    ],
)
@pytest.mark.parametrize("method", ALL)
def test_the_globe_has_no_border(target, method):
    # the break of a global axis is the user's: constant values beyond it are wrong there, and
    # wrong for half of the globe where the target breaks elsewhere
    source = lon(*np.arange(0.0, 360, 10))
    axis = lon(*target)
    actual = METHODS[method](source, axis)
    at = (axis.canonical / 10) % 36
    if method == "nearest":
        expected = np.eye(36)[np.floor(at + 0.5).astype(int) % 36]
    elif method == "bilinear":
        ring, unit = 10.0 * np.arange(36), np.eye(36)
        expected = np.stack([np.interp(axis.canonical, ring, u, period=360) for u in unit], 1)
    elif method == "bicubic":
        expected = np.stack([opencv_cubic(p, 36, wrap=True) for p in at])
    else:
        turns = [source.edges + 360 * k for k in (-2, -1, 0, 1)]
        expected = np.stack(
            [
                sum(
                    np.clip(np.minimum(high, e[1:]) - np.maximum(low, e[:-1]), 0, None)
                    for e in turns
                )
                / (high - low)
                for low, high in itertools.pairwise(axis.edges)
            ]
        )
    np.testing.assert_allclose(actual, expected, atol=1e-9)


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_a_region_on_the_globe_fills_its_own_cells(layout):
    # the middle of the globe, 180, is nearer to neither side of a region around 0
    source = -9.5 + np.arange(20)
    target = np.arange(2.0, 360, 4)
    values = np.cos(np.deg2rad(LAYOUTS[layout](source)))
    axis = lon(*LAYOUTS[layout](source))
    actual = bilinear(axis, lon(*target)) @ values[axis.order]
    inside = np.abs((target + 180) % 360 - 180) < 9
    assert inside.sum() == 4  # -6, -2, 2, 6
    np.testing.assert_allclose(actual[inside], np.cos(np.deg2rad(target[inside])), atol=1e-4)


# --- masked fields --------------------------------------------------------------------------


def test_apply_without_missing_values_is_two_products():
    wy, wx = np.array([[0.5, 0.5]]), np.array([[1.0, 0], [0, 1], [0.25, 0.75]])
    block = np.array([[1, 2], [3, 6]], "f4")
    actual = apply(block, wy, wx, (wy, wx))
    np.testing.assert_array_equal(actual, [[2, 4, 3.5]])  # means 2 and 4; 0.25*2 + 0.75*4
    assert actual.dtype == np.float32


def test_apply_leaves_missing_cells_missing_and_the_others_whole():
    # columns: 10, missing, 30; targets at 0, 0.4, 0.6, 1, 2
    source, target = planar(0, 1, 2), planar(0, 0.4, 0.6, 1, 2)
    cell = nearest(source, target)
    block = np.array([[10.0, NAN, 30.0], [10.0, NAN, 30.0]])
    actual = apply(block, np.eye(2), bilinear(source, target), (np.eye(2), cell))
    # 0.4 lies in the first cell: 10, not 0.6 * 10 = 6; 0.6 and 1 lie in the missing one
    np.testing.assert_array_equal(actual, [[10, 10, NAN, NAN, 30]] * 2)


def test_apply_averages_what_is_valid_in_a_cell():
    weights = np.array([[0.25, 0.75, 0, 0], [0, 0, 0.5, 0.5]])
    block = np.array([[8.0, NAN, NAN, NAN], [8, 4, NAN, 2]])
    actual = apply(block, np.eye(2), weights, (np.eye(2), weights))
    # second row: 0.25*8 + 0.75*4 = 5, and 2 from its valid half, not 1
    np.testing.assert_array_equal(actual, [[8, NAN], [5, 2]])


def test_apply_keeps_leading_dimensions_apart():
    block = np.ones((2, 3, 2, 2), "f8")
    block[0, 1, 0, 0] = NAN
    weights = np.array([[1.0, 0], [0.5, 0.5], [0, 1]])
    cell = np.array([[1.0, 0], [0, 1], [0, 1]])
    actual = apply(block, weights, weights, (cell, cell))
    assert actual.shape == (2, 3, 3, 3)
    assert actual.dtype == np.float64
    expected = np.ones((2, 3, 3, 3))
    expected[0, 1, 0, 0] = NAN
    np.testing.assert_array_equal(actual, expected)


def test_apply_does_not_let_one_infinite_value_spoil_the_rows_and_columns():
    # 0 * inf is NaN in a matrix product: all nine would be NaN but the first
    block = np.ones((3, 3))
    block[0, 0] = np.inf
    actual = apply(block, np.eye(3), np.eye(3), (np.eye(3), np.eye(3)))
    assert np.isfinite(actual).sum() == 8


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_apply_does_not_let_a_sum_that_overflows_spoil_the_rows_and_columns(dtype):
    # 1.5 times the largest number is infinite, and 0 times that is NaN
    block = np.ones((3, 3), dtype)
    block[0, 0] = np.finfo(dtype).max
    steep = np.diag([1.5, 1, 1])
    actual = apply(block, steep, np.eye(3), (np.eye(3), np.eye(3)))
    assert np.isnan(actual[0, 0])
    np.testing.assert_array_equal(actual.ravel()[3:], np.ones(6))
    np.testing.assert_array_equal(actual[0, 1:], [1.5, 1.5])


def test_apply_keeps_large_values_of_half_precision():
    block = np.full((2, 2), 30_000, "f2")
    actual = apply(block, np.eye(2), np.eye(2), (np.eye(2), np.eye(2)))
    np.testing.assert_array_equal(actual, block)


class Shifted:
    """Weights whose text has minus signs, as positions outside the source have."""

    def __repr__(self):
        return "Shifted(rows=-0.5, columns=-1)"

    def __call__(self, block):
        return block + 1


def test_lazy_fields_with_any_text_of_the_weights():
    field = xr.DataArray(np.arange(8.0).reshape(2, 2, 2), dims=("time", "y", "x"))
    actual = over_fields(Shifted(), field.chunk(time=1), (2, 2))
    xr.testing.assert_equal(actual.load(), field + 1)

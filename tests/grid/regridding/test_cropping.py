"""Parts of canonical fields."""

import numpy as np
import pytest

from tests.grid import field, fields, lat, lon, plane
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.regridding.cropping import _cut_axis, covered, cut


def test_a_part_keeps_the_layout():
    given = fields(field([54, 52, 50], [358, 0, 2, 4]))
    part = cut(given, {"y": slice(0, 2), "x": slice(1, 3)})
    np.testing.assert_array_equal(part.grid.y.values, [52, 50])
    np.testing.assert_array_equal(part.grid.x.values, [0, 2])
    np.testing.assert_array_equal(part.data.t, given.data.t[:, :2, 1:3])
    np.testing.assert_array_equal(part.data.y, [50, 52])


def test_the_whole_axis_is_the_axis():
    axis = lat(54, 52, 50)
    assert _cut_axis(axis, slice(0, 3)) is axis


def test_covered_by_hand():
    # LR cells end at 0 and 8; HR centres at 0.5 and so on
    assert covered(plane(12, 12, y0=-2, x0=3), plane(2, 2, step=4)) == {
        "y": slice(2, 10),
        "x": slice(0, 5),
    }
    circle = Grid(y=lat(-60, 0, 60), x=lon(0, 90, 180, 270))
    assert covered(Grid(y=lat(0, 1), x=lon(-5, 5)), circle)["x"] == slice(0, 2)


def test_hardly_any_overlap():
    with pytest.raises(GridError, match=r"at least two HR centres along y .* hardly overlap"):
        covered(plane(4, 4, y0=7), plane(2, 2, step=4))

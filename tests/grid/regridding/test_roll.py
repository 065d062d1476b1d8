"""Where a full circle begins is turned to what is looked at; nothing else is."""

import numpy as np
import pytest

from tests.grid import field, fields
from xr_dl4ds.grid.regridding.roll import roll_to_face


def globe(first, step=10.0):
    return fields(field(np.arange(40.0, 60, 10), first + np.arange(0, 360, step)))


@pytest.mark.parametrize("first", [0.0, -180.0, 5.0])
@pytest.mark.parametrize("middle", [-170.0, -90.0, 0.0, 8.0, 130.0])
def test_a_region_lies_in_the_middle_of_the_run(first, middle):
    region = fields(field(np.arange(40.0, 60, 10), middle + np.arange(-8.0, 9)))
    actual = roll_to_face(globe(first), region.grid)
    run = actual.grid.x.canonical
    np.testing.assert_allclose(np.diff(run), 10)
    # as many cells on either side of the region's middle, but for one
    west = ((middle - run[0]) % 360) / 10
    assert 17 <= west <= 18.5
    np.testing.assert_allclose(actual.data.x, run)
    expected = field(np.arange(40.0, 60, 10), run)  # the values follow their longitudes
    np.testing.assert_allclose(actual.data.t[0], fields(expected).data.t[0], atol=1e-9)


def test_another_globe_begins_where_the_target_begins():
    target = globe(-180.0, step=5.0)
    actual = roll_to_face(globe(0.0), target.grid)
    np.testing.assert_allclose(actual.grid.x.canonical[0], -180)


def test_what_is_no_circle_or_lies_right_is_left_as_it_is():
    region = fields(field(np.arange(40.0, 60, 10), np.arange(20.0)))
    given = globe(0.0)
    assert roll_to_face(region, given.grid) is region
    assert roll_to_face(given, given.grid) is given

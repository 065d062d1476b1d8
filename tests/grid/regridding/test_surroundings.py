"""LR cells around a domain."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from tests.grid import fields, lat, lon, plane
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.geolocation import Geolocation
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.regridding.regridder import onto
from xr_dl4ds.grid.regridding.surroundings import (
    CAP,
    Surroundings,
    inner,
    known_share,
    seen,
    settled,
    widened,
)

#: A domain of 3 x 4 cells of 2 degrees.
DOMAIN = Grid(y=lat(44, 42, 40), x=lon(0, 2, 4, 6))


def grid(south, north, west, east, step=2):
    return Grid(y=lat(*range(south, north + 1, step)), x=lon(*range(west, east + 1, step)))


def numbered(on):
    """`t` with 1 + row * 100 + column."""
    rows, columns = np.meshgrid(*(np.arange(n) for n in on.shape), indexing="ij")
    values = (1 + 100 * rows + columns).astype("f4")[None]
    coords = {
        "lat": ("lat", on.y.values, {"units": "degrees_north"}),
        "lon": ("lon", on.x.values, {"units": "degrees_east"}),
    }
    return fields(xr.Dataset({"t": (("time", "lat", "lon"), values)}, coords))


def test_further_cells_in_the_layout_of_the_grid():
    wide = widened(DOMAIN, 2)
    np.testing.assert_array_equal(wide.y.values, [48, 46, 44, 42, 40, 38, 36])
    np.testing.assert_array_equal(wide.x.values, [-4, -2, 0, 2, 4, 6, 8, 10])
    assert widened(DOMAIN, 0) is DOMAIN


def test_there_is_nothing_beyond_poles_and_around_the_globe():
    arctic = Grid(y=lat(80, 84, 88), x=lon(0, 4, 8))
    assert widened(arctic, 1) is None
    circle = Grid(y=lat(-40, 0, 40), x=lon(0, 90, 180, 270))
    assert widened(circle, 1) is None
    with pytest.raises(GridError, match=r"a domain with 1 cells around, .* fit with context=0"):
        Surroundings.of(circle, circle, 1)


def test_values_by_hand():
    # north 1 cell, south 3, west none, east 1
    source = numbered(grid(34, 46, 0, 8))
    out = seen(source, DOMAIN, 2, lambda target: onto(source, target, "LR")).t[0].to_numpy()
    rows, columns = np.array([1, 2, 3, 4, 5, 6, 6]), np.array([0, 0, 0, 1, 2, 3, 4, 4])
    np.testing.assert_array_equal(out, 1 + 100 * rows[:, None] + columns)
    known = Surroundings.of(source.grid, DOMAIN, 2).known.to_numpy()
    expected = np.ones((7, 8))
    expected[6], expected[:, :2], expected[:, 7] = 0, 0, 0
    np.testing.assert_array_equal(known, expected)


def test_the_share_of_several_fields():
    whole, inside = grid(30, 54, -10, 16), grid(40, 44, 0, 6)
    assert known_share([whole, whole], DOMAIN, 2) is None
    share = known_share([whole, inside], DOMAIN, 1).to_numpy()
    assert share[0].tolist() == [0.5] * 6
    assert share[1].tolist() == [0.5, 1, 1, 1, 1, 0.5]


def test_the_inner_cells():
    data = xr.Dataset({"t": (("y", "x"), np.arange(30).reshape(5, 6))})
    np.testing.assert_array_equal(inner(data, 2).t, [[14, 15]])
    xr.testing.assert_identical(inner(data, 0), data)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (grid(40, 44, 0, 6), 0),
        (grid(38, 44, 0, 6), 1),
        (grid(34, 46, -4, 8), 3),
        (grid(10, 80, -40, 60), CAP),
        (grid(40, 44, -8, 12, step=4), 5),  # coarser
        (grid(41, 47, 1, 9), 2),  # on other cells
    ],
)
def test_auto(source, expected):
    assert settled("auto", DOMAIN, [source]) == expected
    assert settled("auto", DOMAIN, [grid(40, 44, 0, 6), source]) == expected


def test_auto_ends_at_a_pole():
    domain = Grid(y=lat(78, 80, 82), x=lon(0, 2, 4))
    assert settled("auto", domain, [grid(70, 88, -10, 20)]) == 4


def test_a_number_that_is_there_and_one_that_is_not():
    source = grid(34, 46, -4, 8)
    assert settled(0, DOMAIN, [source]) == 0
    assert settled(2, DOMAIN, [source]) == 2
    with pytest.raises(GridError, match=r"4 LR cells around the domain .* got 3, .*context=3"):
        settled(4, DOMAIN, [source])


def test_planar_and_curvilinear_grids():
    domain, wide = plane(3, 3), plane(9, 9, y0=-3, x0=-3)
    assert settled("auto", domain, [wide]) == 3
    lat_lon = np.zeros((3, 3))
    places = Geolocation(y=np.arange(3.0), x=np.arange(3.0), lat=lat_lon, lon=lat_lon)
    assert settled("auto", dataclasses.replace(domain, geolocation=places), [wide]) == 0

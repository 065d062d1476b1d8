"""Edges of cells that do not lie halfway between centres, and gaps in axes."""

import logging

import numpy as np
import pytest
from numpy.polynomial.legendre import leggauss

from tests.grid import lat, lon, planar
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.cells import (
    blocks,
    cell_bounds,
    in_layout_of,
    refined,
    require_no_gap,
    with_bounds,
    with_edges,
)

LOG = "xr_dl4ds.grid.cells"


def gaussian(n=16):
    """Gaussian latitudes and the edges between which lie the weights, degrees."""
    nodes, weights = leggauss(n)
    return np.rad2deg(np.arcsin(nodes)), np.rad2deg(np.arcsin(np.r_[-1, -1 + np.cumsum(weights)]))


def pairs(edges):
    return np.stack([edges[:-1], edges[1:]], axis=1)


@pytest.mark.parametrize("falls", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_edges_of_the_file(falls, turned):
    centres, edges = gaussian()
    step = -1 if falls else 1
    bounds = pairs(edges)[::step]
    axis = with_bounds(lat(*centres[::step]), bounds[:, ::-1] if turned else bounds)
    np.testing.assert_allclose(axis.edges, edges, atol=1e-12)
    assert axis.edges[-1] == pytest.approx(90)  # halfway they would end at 89.2
    expected = bounds if not falls else bounds[:, ::-1]
    np.testing.assert_allclose(cell_bounds(axis), expected, atol=1e-12)


def test_edges_halfway_are_not_noted():
    axis = with_bounds(planar(1, 3, 5), np.array([[0, 2], [2, 4], [4, 6.0]]))
    assert axis.bounds is None
    assert with_edges(axis, np.array([0.0, 2, 4, 6])).bounds is None


@pytest.mark.parametrize(
    "bounds",
    [
        [[0, 2], [2, 4], [5, 7]],  # a gap
        [[0, 2], [1, 4], [4, 6]],  # an overlap
        [[2, 4], [4, 6], [6, 8]],  # of other cells
        [[1, 1], [3, 3], [5, 5]],  # points
        [[0, 2], [np.nan, 4], [4, 6]],
    ],
)
def test_bounds_that_are_no_edges_are_said_and_left(bounds, caplog):
    given = planar(1, 3, 5)
    with caplog.at_level(logging.WARNING, LOG):
        axis = with_bounds(given, np.array(bounds, "f8"))
    assert axis.bounds is None
    assert "the bounds of 'x' are not the edges of its cells" in caplog.text


def test_bounds_of_longitudes_in_any_convention():
    # uneven: 3 degrees west of the middle, 1 east
    edges = np.array([-6.0, -3, 0, 1, 2])
    centres = np.array([-4.5, -1.5, 0.5, 1.5]) % 360
    for bounds in (pairs(edges), pairs(edges) % 360, pairs(edges) + 360):
        axis = with_bounds(lon(*centres), bounds)
        np.testing.assert_allclose(axis.edges, edges, atol=1e-9)
        # written in the convention of the centres
        low, high = cell_bounds(axis).T
        assert ((low < axis.values) & (axis.values < high)).all()


def test_blocks_have_the_outer_edges_of_their_cells():
    centres, edges = gaussian()
    axis = with_bounds(lat(*centres[::-1]), pairs(edges)[::-1])
    coarse = blocks(axis, 4)
    np.testing.assert_allclose(coarse.values, centres[::-1].reshape(4, 4).mean(1))
    np.testing.assert_allclose(coarse.edges, edges[::4], atol=1e-12)
    # uneven cells without bounds too: four of 1 degree, then four of 2
    run = np.r_[np.arange(4.0), 4 + 2 * np.arange(5)]
    fine = with_edges(planar(*((run[1:] + run[:-1]) / 2)), run)
    np.testing.assert_allclose(blocks(fine, 2).edges, run[::2])
    np.testing.assert_allclose(blocks(blocks(fine, 2), 2).edges, run[::4])


def test_cells_are_split_at_their_edges():
    axis = with_edges(planar(1, 3.5), np.array([0.0, 2, 5]))
    fine = refined(axis, 2, planar(0, 1, name="hr"))
    np.testing.assert_allclose(fine.values, [0.5, 1.5, 2.75, 4.25])
    np.testing.assert_allclose(fine.edges, [0, 1, 2, 3.5, 5])
    assert fine.name == "hr"
    falling = with_edges(planar(3.5, 1), np.array([0.0, 2, 5]))
    laid, order = in_layout_of(falling, refined(falling, 2, falling), 2)
    np.testing.assert_allclose(laid.values, [4.25, 2.75, 1.5, 0.5])
    np.testing.assert_allclose(cell_bounds(laid)[:, 0], [5, 3.5, 2, 1])
    np.testing.assert_array_equal(order, [3, 2, 1, 0])


def test_a_part_takes_its_edges_along():
    centres, edges = gaussian()
    axis = with_bounds(lat(*centres), pairs(edges))
    np.testing.assert_allclose(axis.take(slice(2, 6)).edges, edges[2:7])
    turned = with_bounds(lon(350, 356, 3), np.array([[347.0, 353], [353, 359], [359, 367]]))
    west = turned.take(np.arange(3), turned.canonical)
    np.testing.assert_allclose(west.edges, [-13, -7, -1, 7])


# --- gaps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 2, 3, 5, 6, 7], r"steps of 1, got a gap between 3 and 5: 1 missing in all"),
        ([7, 6, 5, 2, 1], r"between 2 and 5: 2 missing.*\.reindex\(x=np\.linspace\(7, 1, 7\)"),
        ([0.0, 0.25, 0.5, 1.0, 1.25, 1.75, 2.0, 2.25], r"2 missing in all"),
    ],
)
def test_missing_rows_are_refused(values, message):
    with pytest.raises(GridError, match=message):
        require_no_gap(planar(*values))


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3, 4],
        [0, 1, 3, 7],  # stretched
        [0, 1, 2, 4, 6, 8],  # two resolutions
        [1, 3],
        list(gaussian()[0]),
        [-90, -89, -87, -85, -83],  # half a cell at the pole
    ],
    ids=str,
)
def test_uneven_rows_are_none(values):
    require_no_gap(planar(*values))


def test_the_cure_for_missing_rows_works():
    from tests.conftest import analytic

    ds = analytic(y=12).isel(latitude=[0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11])
    with pytest.raises(GridError, match="Expected 'latitude' in even steps") as error:
        ds.downscale.coarsen(2)
    cure = str(error.value).rsplit("such as ", 1)[1].rstrip(".")
    filled = eval(f"ds{cure}", {"ds": ds, "np": np})
    assert filled.sizes["latitude"] == 12
    assert int(filled.t2m.isnull().any(["time", "longitude"]).sum()) == 1
    filled.downscale.coarsen(2)


def test_files_bounds_are_used_and_kept_with_a_model(tmp_path):

    import xr_dl4ds as xd
    from tests.conftest import analytic

    centres, edges = gaussian(8)
    hr = (
        analytic(y=8, x=12)
        .drop_vars("latitude")
        .assign_coords(
            latitude=("latitude", centres, {"units": "degrees_north", "bounds": "lat_b"}),
            lat_b=(("latitude", "two"), pairs(edges)),
            longitude=("longitude", 30.0 * np.arange(12), {"units": "degrees_east"}),
        )
    )
    model = hr.downscale.fit(scale=2, n_filters=4, n_blocks=1, epochs=1, verbose=False)
    lr = hr[["t2m", "lat_b"]].downscale.coarsen(2)
    np.testing.assert_allclose(lr.latitude_bnds, pairs(edges[::2]))
    model.save(tmp_path / "m")
    for one in (model, xd.load(tmp_path / "m")):
        sr = lr.downscale.predict(one)
        np.testing.assert_allclose(sr.latitude_bnds, pairs(edges))
    np.testing.assert_array_equal(sr.latitude, hr.latitude)

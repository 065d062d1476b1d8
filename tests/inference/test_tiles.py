"""Which tiles a domain has, what they read, and where they lie."""

import numpy as np
import pytest

from xr_dl4ds.config import Scale
from xr_dl4ds.inference.tiles import HALO, OVERLAP, Place, Span, Tiling, pieces
from xr_dl4ds.networks import Reach


@pytest.mark.parametrize(
    ("shape", "scale", "edge", "expected"),
    [
        ((256, 256), 4, None, (256, 256)),  # 2**20 HR cells
        ((257, 256), 4, None, (257, 256)),  # more, but no axis longer than one and a half tiles
        ((512, 512), 4, None, (256, 256)),
        ((700, 100), 4, None, (234, 100)),  # 2800 HR rows: three tiles about as large
        ((8, 12), 4, 16, (4, 4)),
        ((8, 12), 4, 1600, (8, 12)),
        ((8, 12), 4, 4, (1, 1)),
    ],
)
def test_edges_of_tiles(shape, scale, edge, expected):
    assert Tiling.of(Reach(3, 1), shape, Scale.of(scale), edge).edge == expected


def test_edges_are_whole_cells_of_the_coarsest_level():
    assert Tiling.of(Reach(3, 4), (64, 64), Scale.of(2), 12).edge == (8, 8)
    assert Tiling.of(Reach(3, 4), (1502, 200), Scale.of(2), None).edge == (504, 200)


def test_halo_is_the_reach_and_else_a_default():
    assert (Tiling.of(Reach(5, 1), (8, 8), Scale.of(2), 4)).halo == 5
    assert (Tiling.of(Reach(5, 1), (8, 8), Scale.of(2), 4)).overlap == 0
    unknown = Tiling.of(Reach(None, 2), (8, 8), Scale.of(2), 4)
    assert (unknown.halo, unknown.overlap, unknown.align) == (HALO, OVERLAP, 2)


def spans(tiling, *args):
    return [(s.start, s.stop, s.before, s.after, s.low, s.high) for s in tiling.along(*args)]


def test_tiles_read_their_halo_within_the_domain():
    assert spans(Tiling((4, 4), 2, 0, 1), 0, 10) == [
        (0, 4, 0, 0, 0, 6),
        (4, 8, 0, 0, 2, 10),
        (8, 10, 0, 0, 6, 10),
    ]


def test_tiles_read_from_whole_cells_of_the_coarsest_level():
    assert spans(Tiling((4, 4), 1, 0, 4), 0, 14) == [
        (0, 4, 0, 0, 0, 8),
        (4, 8, 0, 0, 0, 12),
        (8, 12, 0, 0, 4, 14),
        (12, 14, 0, 0, 8, 14),
    ]


def test_blended_cells_do_not_meet():
    # the last tile has 3 cells of its own: one for the edge that it shares
    assert spans(Tiling((8, 8), 1, 3, 1), 1, 19) == [
        (0, 8, 0, 3, 0, 12),
        (8, 16, 3, 1, 4, 18),
        (16, 19, 1, 0, 14, 19),
    ]


def test_tiles_go_around():
    assert spans(Tiling((8, 4), 1, 1, 1), 1, 10, True) == [
        (0, 4, 1, 1, -2, 6),
        (4, 8, 1, 1, 2, 10),
        (8, 10, 1, 1, 6, 12),
    ]
    # one that is as wide as the circle leaves that to the network
    assert spans(Tiling((8, 10), 1, 1, 1), 1, 10, True) == [(0, 10, 0, 0, 0, 10)]


def test_what_is_kept_is_counted_from_what_is_read():
    assert Span(8, 16, 3, 1, 4, 18).inner == slice(1, 13)


def test_places_in_the_domain():
    rows, columns = Place((1, 3), (-1, 1), 4).hr(Scale.of(2))
    np.testing.assert_array_equal(rows, [2, 3, 4, 5])
    np.testing.assert_array_equal(columns, [6, 7, 0, 1])


def test_pieces_may_go_around_more_than_once():
    assert pieces(-3, 6, [0, 3, 4]) == [
        (0, slice(1, 3)),
        (1, slice(0, 1)),
        (0, slice(0, 3)),
        (1, slice(0, 1)),
        (0, slice(0, 2)),
    ]
    assert pieces(2, 2, [0, 3, 4]) == [(0, slice(0, 0))]

"""Weights of tiles add up to one, and change smoothly."""

import numpy as np

from xr_dl4ds.inference.blending import Ramp, blended, share
from xr_dl4ds.inference.tiles import Tiling


def ramps(tiling, size, scale, around=False):
    found = tiling.along(0, size, around)
    return found, [Ramp.of(span, scale) for span in found]


def test_weights_add_up_to_one_and_are_smooth():
    tiling, size, scale = Tiling((8, 8), 1, 3, 1), 19, 4
    total = np.zeros(size * scale)
    for span, ramp in zip(*ramps(tiling, size, scale), strict=True):
        first = (span.start - span.before) * scale
        total[first : first + ramp.weights.size] += ramp.weights
        # the steepest of cos^2 over n cells is pi / 2n; never a jump to or from 0
        steepest = np.pi / 2 / (2 * min(n for n in (ramp.before, ramp.after) if n))
        assert np.abs(np.diff(ramp.weights)).max() < steepest * 1.01
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_weights_by_hand():
    # two cells on either side of the edge, at 1/8, 3/8, 5/8 and 7/8 of a quarter turn
    expected = np.sin(np.pi / 2 * np.array([0.125, 0.375, 0.625, 0.875])) ** 2
    actual = Ramp(2, 6, 0).weights
    np.testing.assert_allclose(actual, [*expected, 1, 1, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(Ramp(0, 6, 2).weights, [1, 1, 1, 1, *expected[::-1]], rtol=1e-6)
    np.testing.assert_array_equal(Ramp(0, 3, 0).weights, 1)


def test_tiles_of_one_field_are_that_field():
    field = np.random.default_rng(0).normal(size=(2, 19, 21, 1)).astype("f4")
    tiling = Tiling((8, 8), 1, 3, 1)
    spans_y, ramps_y = ramps(tiling, 19, 1)
    spans_x, ramps_x = ramps(tiling, 21, 1)

    def predicted(span):
        return slice(span.start - span.before, span.stop + span.after)

    tiles = {
        (i, j): field[:, predicted(y), predicted(x)]
        for i, y in enumerate(spans_y)
        for j, x in enumerate(spans_x)
    }
    for (i, j), own in tiles.items():
        y, x = ramps_y[i], ramps_x[j]
        sides = [(a, b) for a in y.sides for b in x.sides if (a, b) != (0, 0)]
        others = [
            share(tiles[i + a, j + b], ramps_y[i + a], ramps_x[j + b], (-a, -b)) for a, b in sides
        ]
        actual = blended(own, others, y, x, sides)
        expected = field[:, spans_y[i].start : spans_y[i].stop, spans_x[j].start : spans_x[j].stop]
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_two_levels_go_over_into_one_another():
    left, right = np.zeros((1, 4, 6, 1), "f4"), np.ones((1, 4, 6, 1), "f4")
    row = Ramp(0, 4, 0)
    west, east = Ramp(0, 4, 2), Ramp(2, 4, 0)
    from_east = share(right, row, east, (0, -1))
    actual = blended(left, [from_east], row, west, [(0, 1)])
    expected = np.sin(np.pi / 2 * np.array([0.125, 0.375])) ** 2
    np.testing.assert_allclose(actual[0, 0, :, 0], [0, 0, *expected], atol=1e-6)

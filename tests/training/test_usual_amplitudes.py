"""Usual amplitudes of true fields, and the deviation of their cells from LR cells."""

import numpy as np
import pytest

from tests.training import samples_of
from xr_dl4ds.training.usual_amplitudes import TINY, deviations, usual_amplitudes


def samples(scale=2, hidden=True):
    rng = np.random.default_rng(0)
    target = rng.gamma(1.0, size=(20, 6, 8, 2)).astype("f4")
    if hidden:
        target[3, :3, :5, 0] = np.nan
    y, x = (n // k for n, k in zip((6, 8), np.broadcast_to(scale, 2), strict=True))
    return samples_of(np.zeros((20, y, x, 1), "f4"), target, scale=scale)


def amplitude(fields):
    size = abs(np.fft.rfft2(np.nan_to_num(fields), axes=(1, 2))) / 48
    return np.sqrt(size**2 + 1e-4 / 48)


@pytest.mark.parametrize("channels", [(0, 1), (1,)])
def test_usual_amplitudes_are_means(channels):
    given = samples()
    found = usual_amplitudes(given, {(6, 8), (4, 4)}, channels)
    assert {shape: each.shape for shape, each in found.items()} == {
        (6, 8): (6, 5, len(channels)),
        (4, 4): (4, 3, len(channels)),
    }
    expected = amplitude(given.target[..., list(channels)]).mean(axis=0)
    np.testing.assert_allclose(found[6, 8], expected, rtol=1e-4, atol=1e-6)


def test_amounts_are_taken_on_their_curve():
    given = samples()
    found = usual_amplitudes(given, {(6, 8)}, range(2), (None, "log1p"))[6, 8]
    both = np.stack([given.target[..., 0], np.log1p(given.target[..., 1])], axis=-1)
    np.testing.assert_allclose(found, amplitude(both).mean(axis=0), rtol=1e-4, atol=1e-6)
    deviation = deviations(given, range(2), (None, "log1p"))
    plain = samples_of(given.lr, both, scale=2)
    np.testing.assert_allclose(deviation, deviations(plain, range(2)), rtol=1e-5)


@pytest.mark.parametrize(
    ("scale", "edges"), [(2, (2, 2)), ((3, 2), (3, 2)), ((1, 2), (2, 2)), (1, (2, 2))]
)
def test_deviations_are_those_from_means_of_lr_cells(scale, edges):
    given = samples(scale)
    expected = []
    for channel in range(2):
        found = []
        for step in given.target[..., channel]:
            for y in range(0, 6, edges[0]):
                for x in range(0, 8, edges[1]):
                    block = step[y : y + edges[0], x : x + edges[1]]
                    block = block[np.isfinite(block)]
                    found += list(abs(block - block.mean())) if block.size else []
        expected.append(np.mean(found))
    np.testing.assert_allclose(deviations(given, range(2)), expected, rtol=1e-5)


def test_constant_fields_have_a_least_deviation():
    given = samples_of(np.zeros((2, 1, 1, 1), "f4"), np.ones((2, 4, 4, 1), "f4"), scale=4)
    assert deviations(given, range(1)) == pytest.approx([TINY])
    given.target[:] = np.nan
    assert deviations(given, range(1)) == pytest.approx([TINY])

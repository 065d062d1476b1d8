"""Statistics of latent fields, from residuals with known properties."""

import numpy as np
import pytest

from xr_dl4ds.data.latent_fields import Field
from xr_dl4ds.data.latent_statistics import _correlations, aspect_of, length_of


def simulated(length, aspect=1.0, steps=40, shape=(64, 72)):
    root = Field(length=length, aspect=aspect).root_spectrum(shape)
    white = np.random.default_rng(0).normal(size=(steps, *shape))
    return np.fft.ifft2(np.fft.fft2(white) * root).real


@pytest.mark.parametrize(("length", "aspect"), [(1.5, 1.0), (3.0, 1.0), (3.0, 0.6)])
def test_length_is_found_again(length, aspect):
    assert length_of(simulated(length, aspect), aspect) == pytest.approx(length, rel=0.1)


def test_length_with_masked_cells():
    field = simulated(3.0)
    field[:, :20, :30] = np.nan
    assert length_of(field, 1.0) == pytest.approx(3.0, rel=0.15)


def test_length_of_nothing_is_finite():
    assert length_of(np.zeros((2, 4, 4)), 1.0) == 1.0
    assert 0.5 <= length_of(np.cumsum(np.ones((2, 4, 4)), axis=1), 1.0) <= 40


def test_length_of_single_cells_needs_no_neighbours():
    field = np.full((5, 8, 8), np.nan)
    assert length_of(field, 1.0) == 1.0
    field[:, 3, 4] = np.arange(5.0)
    assert length_of(field, 1.0) == 1.0
    field[:, 3, 6] = np.arange(5.0)  # valid cells lie two cells apart, along x only
    assert length_of(field, 1.0) == pytest.approx(2 / 1.6783, rel=1e-3)


def test_length_of_every_second_cell():
    field = simulated(6.0)
    thinned = np.full_like(field, np.nan)
    thinned[:, ::2, ::2] = field[:, ::2, ::2]
    assert length_of(thinned, 1.0) == pytest.approx(length_of(field, 1.0), rel=0.1)


def test_correlations_between_targets():
    a, b = simulated(1.0), np.random.default_rng(1).normal(size=(40, 64, 72))
    found = _correlations([a, 0.6 * a + 0.8 * b])
    assert found[0][1] == pytest.approx(0.6, abs=0.02)
    assert found[0][0] == found[1][1] == 1


def test_aspect_of_latitudes_and_plain_axes():
    lat, lon = 60 + 0.1 * np.arange(-1.5, 2), 0.2 * np.arange(6)
    assert aspect_of(_Grid(lat, "latitude", lon)) == pytest.approx(1.0, rel=1e-3)
    assert aspect_of(_Grid(lat, "y", lon)) == pytest.approx(2.0)


class _Axis:
    def __init__(self, values, kind):
        self.canonical, self.kind = values, kind
        self.spacing = float(values[1] - values[0])


class _Grid:
    def __init__(self, y, kind, x):
        self.y, self.x = _Axis(y, kind), _Axis(x, "longitude")

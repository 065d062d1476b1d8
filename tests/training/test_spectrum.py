import numpy as np
import pytest

from xr_dl4ds.training.spectrum import SpectralDistance


def ralsd(true, generated):
    """Wavenumber by wavenumber over the full plane, in double precision."""
    _, y, x, channels = true.shape
    n = min(y, x) // 2
    found = []
    for c in range(channels):
        powers = [np.zeros(n), np.zeros(n)]
        for k, fields in enumerate((true, generated)):
            spectrum = np.abs(np.fft.fft2(fields[..., c].astype("f8"))) ** 2
            for i in range(y):
                for j in range(x):
                    radius = np.hypot(min(i, y - i) / y, min(j, x - j) / x) * min(y, x)
                    ring = int(np.rint(radius))
                    if 1 <= ring <= n:
                        powers[k][ring - 1] += spectrum[:, i, j].sum()
        found.append(np.sqrt(np.mean((10 * np.log10(powers[0] / powers[1])) ** 2)))
    return np.mean(found)


@pytest.mark.parametrize("shape", [(8, 8), (7, 9), (6, 11), (9, 4)])
@pytest.mark.parametrize("channels", [1, 2])
def test_against_a_loop_over_wavenumbers(shape, channels):
    rng = np.random.default_rng(0)
    true = rng.normal(size=(5, *shape, channels)).astype("f4")
    generated = (true + rng.normal(size=true.shape, scale=0.5)).astype("f4")
    metric = SpectralDistance(shape, channels, name="ralsd")
    for part in (slice(0, 2), slice(2, 5)):  # batches add up
        metric.update_state(true[part], generated[part])
    np.testing.assert_allclose(float(metric.result()), ralsd(true, generated), rtol=1e-4)


def test_half_the_amplitude_is_six_decibels_everywhere():
    true = np.random.default_rng(1).normal(size=(3, 8, 6, 1)).astype("f4")
    metric = SpectralDistance((8, 6), 1, name="ralsd")
    metric.update_state(true, 0.5 * true)
    np.testing.assert_allclose(float(metric.result()), 20 * np.log10(2), rtol=1e-5)


def test_equal_fields_and_a_shifted_mean_are_at_no_distance():
    true = np.random.default_rng(1).normal(size=(3, 8, 6, 1)).astype("f4")
    metric = SpectralDistance((8, 6), 1, name="ralsd")
    metric.update_state(true, true + 3)
    assert float(metric.result()) == pytest.approx(0, abs=1e-4)


def test_sequences_further_channels_and_a_new_epoch():
    rng = np.random.default_rng(2)
    true = rng.normal(size=(2, 3, 8, 6, 1)).astype("f4")
    output = np.concatenate([0.5 * true, rng.normal(size=true.shape)], axis=-1).astype("f4")
    metric = SpectralDistance((8, 6), 1, name="ralsd")
    metric.update_state(true, rng.normal(size=true.shape).astype("f4"))
    metric.reset_state()
    metric.update_state(true, output)
    np.testing.assert_allclose(float(metric.result()), 20 * np.log10(2), rtol=1e-5)


def test_a_constant_field_is_far_and_finite():
    true = np.random.default_rng(1).normal(size=(3, 8, 6, 1)).astype("f4")
    metric = SpectralDistance((8, 6), 1, name="ralsd")
    metric.update_state(true, np.zeros_like(true))
    assert 50 < float(metric.result()) < 500

"""Scores of block means and amplitudes, against NumPy."""

import numpy as np
import pytest
from keras import ops

from xr_dl4ds.networks.losses.field_crps import amplitude, pooled_crps, spectral_crps


def fair_crps(members, truth):
    """The formula of Ferro (2014), cell by cell."""
    n = len(members)
    pairs = sum(abs(a - b) for a in members for b in members) / (2 * n * (n - 1))
    return np.mean(abs(members - truth), axis=0) - pairs


@pytest.fixture
def fields():
    rng = np.random.default_rng(0)
    target = rng.normal(size=(3, 9, 8, 2)).astype("f4")
    members = rng.normal(size=(4, 3, 9, 8, 2)).astype("f4")
    return target, members


def test_block_means(fields):
    target, members = fields

    def means(x):
        return x[..., :8, :, :].reshape(*x.shape[:-3], 4, 2, 4, 2, 2).mean(axis=(-4, -2))

    expected = fair_crps(means(members), means(target)).mean()
    weight = np.ones_like(target)
    found = pooled_crps(*map(ops.convert_to_tensor, (target, members, weight)), 2)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_block_means_leave_masked_cells_out(fields):
    target, members = fields
    weight = np.ones_like(target)
    weight[:, :3, :3] = 0
    target[:, :3, :3] = np.nan
    total, count = 0.0, 0
    for b in range(3):
        for c in range(2):
            for y in range(0, 8, 2):
                for x in range(0, 8, 2):
                    at = (slice(y, y + 2), slice(x, x + 2), c)
                    valid = weight[(b, *at)] > 0
                    if valid.any():
                        m = np.array([one[(b, *at)][valid].mean() for one in members])
                        total += fair_crps(m, target[(b, *at)][valid].mean())
                        count += 1
    found = pooled_crps(*map(ops.convert_to_tensor, (target, members, weight)), 2)
    assert float(found) == pytest.approx(total / count, rel=1e-5)


def test_amplitude_is_that_of_a_real_transform(fields):
    target, _ = fields
    expected = abs(np.fft.rfft2(target, axes=(1, 2))) / 72
    found = np.asarray(amplitude(ops.convert_to_tensor(target)))
    assert found.shape == (3, 9, 5, 2)
    np.testing.assert_allclose(found, np.sqrt(expected**2 + 1e-4 / 72), rtol=1e-4, atol=1e-6)


def test_amplitudes(fields):
    target, members = fields
    rng = np.random.default_rng(1)
    usual = rng.uniform(0.5, 2, size=(9, 5, 2)).astype("f4")

    def amplitudes(x):
        size = abs(np.fft.rfft2(x, axes=(-3, -2))) / 72
        return np.sqrt(size**2 + 1e-4 / 72) / usual

    expected = fair_crps(amplitudes(members), amplitudes(target)).mean()
    found = spectral_crps(
        *map(ops.convert_to_tensor, (target, members, np.ones_like(target), usual))
    )
    assert float(found) == pytest.approx(float(expected), rel=1e-4)


def test_masked_fields_are_finite_in_half_precision(fields):
    target, members = (x.astype("f2") for x in fields)
    weight = np.zeros_like(target)
    usual = np.ones((9, 5, 2), "f4")
    given = list(map(ops.convert_to_tensor, (target, members, weight)))
    assert float(pooled_crps(*given, 4)) == 0
    assert float(spectral_crps(*given, ops.convert_to_tensor(usual))) == 0

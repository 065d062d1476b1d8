import numpy as np
import pytest
import xarray as xr

from xr_dl4ds.metrics.resampling import block_length, skill_interval


def losses_of(n, ratio=0.5, seed=0, memory=0.0):
    """Losses of a reference, and of a prediction with a part of them; with noise."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(2, n))
    for i in range(1, n):
        noise[:, i] += memory * noise[:, i - 1]
    reference, own = np.exp(0.3 * noise)
    values = np.stack([ratio * own, reference])
    return xr.DataArray(values, {"product": ["prediction", "bilinear"]}, ("product", "time"))


def test_the_interval_holds_the_true_skill_as_often_as_it_says():
    hits = 0
    for seed in range(200):
        losses = losses_of(80, seed=seed)
        low, high = skill_interval(losses, xr.ones_like(losses[0]), root=False).values[0]
        hits += low <= 0.5 <= high
    assert 175 <= hits <= 200  # 95 % of 200 are 190


def test_the_root_and_the_weights():
    losses = losses_of(60)
    weights = xr.DataArray(np.r_[np.ones(30), np.zeros(30)], dims="time")
    first = skill_interval(losses[:, :30], weights[:30], root=False)
    xr.testing.assert_equal(skill_interval(losses, weights, root=False), first)
    rooted = skill_interval(losses[:, :30], weights[:30], root=True)
    np.testing.assert_allclose(1 - rooted, np.sqrt(1 - first), rtol=0.01)
    assert list(first.bound.values) == ["lower", "upper"]
    # the same numbers at each call
    xr.testing.assert_equal(skill_interval(losses[:, :30], weights[:30], root=False), first)


def test_too_few_steps_have_no_interval():
    losses = losses_of(4)
    assert skill_interval(losses, xr.ones_like(losses[0]), root=True).isnull().all()


def test_blocks_are_longer_with_memory():
    rng = np.random.default_rng(1)
    white = rng.normal(size=400)
    red = white.copy()
    for i in range(1, 400):
        red[i] += 0.8 * red[i - 1]
    assert block_length(white) <= 2
    # Wilks (1997): L = (n - L + 1)**(2 / 3 * (1 - (1 - r) / (1 + r)))
    length = block_length(red)
    r = np.corrcoef(red[1:], red[:-1])[0, 1]
    assert length == pytest.approx((400 - length + 1) ** (2 / 3 * (1 - (1 - r) / (1 + r))), rel=0.1)
    assert block_length(np.zeros(5)) == 1
    wide = [
        np.ptp(skill_interval(losses_of(400, memory=m), xr.DataArray(np.ones(400), dims="time"),
                              root=False).values)
        for m in (0.0, 0.9)
    ]  # fmt: skip
    assert wide[1] > 1.5 * wide[0]


def test_lazy_losses_equal_those_in_memory():
    losses = losses_of(40)
    weights = xr.ones_like(losses[0])
    lazy = skill_interval(losses.chunk(time=7), weights.chunk(time=7), root=True)
    assert lazy.chunks is not None
    xr.testing.assert_equal(lazy.compute(), skill_interval(losses, weights, root=True))

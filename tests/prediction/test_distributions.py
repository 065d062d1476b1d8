"""Distributions of cells, against scipy.stats."""

import numpy as np
import pytest
from dask.base import tokenize
from scipy import special, stats

from xr_dl4ds.config import Scale
from xr_dl4ds.prediction.distributions import QUANTILES, SPREADS, Heads, Member
from xr_dl4ds.prediction.random_numbers import MEMBER, centred, normal

#: Chance of some, shape, mean amount, zero.
AMOUNTS = [
    (0.3, 0.8, 0.5, 0.7),
    (0.95, 3.0, 2.0, 0.0),
    (0.01, 0.5, 0.02, 1.5),
    (1.0, 1.0, 1.0, 0.2),
]


def amount(p, k, m, zero, size=1):
    """Mean and parameters as a network gives them."""
    mean = np.full(size, m - zero)
    wet = special.logit(p) if p < 1 else 50.0
    return mean, {"wet": np.full(size, wet), "shape": np.full(size, k)}, zero


# --- one cell -------------------------------------------------------------------------------------


@pytest.mark.parametrize("z", [-5.0, -1.5, 0.0, 0.3, 4.0, 8.0])
def test_normal_quantiles_are_those_of_scipy(z):
    mean, sd = np.array([1.5, -2.0]), np.array([0.5, 3.0])
    expected = stats.norm(mean, sd).isf(stats.norm.sf(z))
    actual = QUANTILES["gaussian"](mean, {"spread": sd}, 9.0, np.full(2, z))
    np.testing.assert_allclose(actual, expected, rtol=1e-9)


@pytest.mark.parametrize("case", AMOUNTS)
@pytest.mark.parametrize("z", [-3.0, -0.5, 0.0, 0.4, 1.0, 2.3, 4.0, 7.0])
def test_quantiles_of_amounts_are_those_of_scipy(case, z):
    p, k, m, zero = case
    above = stats.norm.sf(z)
    gamma = stats.gamma(k, scale=m / (p * k))
    expected = gamma.isf(above / p) if above < p else 0.0
    actual = QUANTILES["bernoulli_gamma"](*amount(*case), np.array([z]))
    np.testing.assert_allclose(actual + zero, expected, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("case", AMOUNTS)
def test_moments_of_amounts(case):
    p, k, m, zero = case
    gamma = stats.gamma(k, scale=m / (p * k))
    second = p * (gamma.var() + gamma.mean() ** 2)
    expected = np.sqrt(second - m**2)
    mean, further, _ = amount(*case)
    np.testing.assert_allclose(SPREADS["bernoulli_gamma"](mean, further, zero), expected, rtol=1e-9)
    # the draws have them: twenty thousand quantiles at the middles of as many equal chances
    n = 20000
    z = stats.norm.ppf((np.arange(n) + 0.5) / n)
    drawn = QUANTILES["bernoulli_gamma"](*amount(*case, size=n), z) + zero
    np.testing.assert_allclose(drawn.mean(), m, rtol=0.01)
    np.testing.assert_allclose(drawn.std(), expected, rtol=0.03)
    np.testing.assert_allclose((drawn > 0).mean(), p, atol=1e-3)


def test_spread_of_a_normal_distribution_is_its_parameter():
    sd = np.array([0.5, 2.0])
    actual = SPREADS["gaussian"](np.zeros(2), {"spread": sd}, 0.3)
    np.testing.assert_array_equal(actual, sd)


@pytest.mark.parametrize("wet", [-1e4, -800, -90, 90, 1e4])
@pytest.mark.parametrize("m", [-1e-7, 0.0, 1e-7, 3.0])
def test_extremes_are_numbers(wet, m):
    mean, further = np.array([m]), {"wet": np.array([wet]), "shape": np.ones(1)}
    with np.errstate(all="raise", under="ignore"):
        for z in (-6.0, 0.0, 6.0):
            actual = QUANTILES["bernoulli_gamma"](mean, further, 0.0, np.array([z]))
            assert np.isfinite(actual).all()
            assert actual >= 0
            if wet < 0 or m <= 0:
                assert actual == 0
        assert np.isfinite(SPREADS["bernoulli_gamma"](mean, further, 0.0)).all()


# --- all channels ---------------------------------------------------------------------------------

HEADS = Heads(kinds=("bernoulli_gamma", None, "gaussian"), offsets_from_zero=(0.5, 0.0, 2.0))
SEED = 11


def output(time=3, y=4, x=6):
    """Means, then wet, shape, spread."""
    rng = np.random.default_rng(0)
    shape = (time, y, x)
    channels = [rng.gamma(1, 1, shape) - 0.5, rng.normal(size=shape), rng.normal(size=shape)]
    channels += [rng.normal(size=shape), 0.5 + rng.random(shape), 0.5 + rng.random(shape)]
    return np.stack(channels, -1).astype("f4")


def member(constrained=(False, False, False), seed=SEED):
    return Member(heads=HEADS, seed=seed, scale=Scale.of(2), constrained=constrained)


KEYS = np.array([5, 2**40, 2**63], "u8")
PLACE = np.arange(4), np.arange(6)


def test_channels_of_each_target():
    given = output()
    mean, further = HEADS.of(given, 0)
    np.testing.assert_array_equal(mean, given[..., 0])
    assert list(further) == ["wet", "shape"]
    np.testing.assert_array_equal(further["shape"], given[..., 4])
    assert HEADS.of(given, 1)[1] == {}
    np.testing.assert_array_equal(HEADS.of(given, 2)[1]["spread"], given[..., 5])


def test_spread_of_all_targets():
    given = output()
    actual = HEADS.spread(given)
    assert actual.dtype == np.float32
    assert np.isnan(actual[..., 1]).all()
    np.testing.assert_array_equal(actual[..., 2], given[..., 5])
    expected = SPREADS["bernoulli_gamma"](*HEADS.of(given, 0), 0.5)
    np.testing.assert_allclose(actual[..., 0], expected, rtol=1e-6)


def test_a_member_is_drawn_step_by_step():
    given, valid = output(), np.random.default_rng(1).random((4, 6, 3)) < 0.8
    actual = member((True, False, False))(given, KEYS, *PLACE, valid)
    assert actual.dtype == np.float32
    assert actual.shape == (3, 4, 6, 3)
    np.testing.assert_array_equal(actual[..., 1], given[..., 1])
    for i, key in enumerate(KEYS):
        e = normal(SEED, int(key), MEMBER, *PLACE, 3)
        for target, z in ((0, centred(e[..., 0], valid[..., 0], Scale.of(2))), (2, e[..., 2])):
            kind, zero = HEADS.kinds[target], HEADS.offsets_from_zero[target]
            expected = QUANTILES[kind](*HEADS.of(given[i], target), zero, z)
            np.testing.assert_allclose(actual[i, ..., target], expected, rtol=1e-6, atol=1e-7)


def test_a_part_of_the_steps_is_that_part_of_the_member():
    given = output()
    whole = member()(given, KEYS, *PLACE)
    actual = member()(given[[2, 0]], KEYS[[2, 0]], *PLACE)
    np.testing.assert_array_equal(actual, whole[[2, 0]])
    assert member()(given[:0], KEYS[:0], *PLACE).shape == (0, 4, 6, 3)


def test_a_part_of_the_domain_is_that_part_of_the_member():
    given, valid = output(), np.random.default_rng(1).random((4, 6, 3)) < 0.8
    one = member((True, False, True))
    whole = one(given, KEYS, *PLACE, valid)
    part = slice(2, 4), slice(2, 6)
    rows, columns = np.arange(2, 4)[:, None], np.arange(2, 6)[None]  # as they come from a block
    actual = one(given[:, *part], KEYS[:, None, None], rows, columns, valid[part])
    np.testing.assert_array_equal(actual, whole[:, *part])
    assert (one(given[:, *part], KEYS, rows - 2, columns, valid[part]) != actual).any()


def test_dask_keys_name_members():
    kept = [(False,) * 3, (True,) * 3]
    tokens = [tokenize(member(seed=s, constrained=k)) for s in (1, 2) for k in kept]
    assert len(set(tokens)) == 4
    assert tokenize(member(seed=1)) == tokens[0]

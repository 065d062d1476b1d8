import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from xr_dl4ds.config.distribution_channels import TRACE
from xr_dl4ds.networks.losses.probabilistic_losses import bernoulli_gamma_nll, crps, gaussian_nll

SHAPE = (2, 5, 6, 2)
RNG = np.random.default_rng(0)
WEIGHT = (RNG.random(SHAPE) < 0.7).astype("f4")
MEAN = RNG.normal(size=SHAPE).astype("f4")
SPREAD = RNG.uniform(0.05, 3, SHAPE).astype("f4")
TARGET = (MEAN + SPREAD * RNG.normal(size=SHAPE)).astype("f4")

ZERO = (0.8, -0.3)
AMOUNT = (RNG.gamma(0.7, 2, SHAPE) * (RNG.random(SHAPE) < 0.6)).astype("f4")
EXPECTED = RNG.uniform(0.01, 4, SHAPE).astype("f4")
WET = RNG.normal(scale=2, size=SHAPE).astype("f4")
K = RNG.uniform(0.05, 20, SHAPE).astype("f4")


def over_valid(cells, weight=WEIGHT):
    return cells[weight == 1].mean()


def value_and_gradients(loss, *given):
    given = [tf.constant(x, "float32") for x in given]
    with tf.GradientTape() as tape:
        tape.watch(given)
        value = loss(*given)
    return float(value), [np.asarray(g) for g in tape.gradient(value, given)]


# --- against scipy --------------------------------------------------------------------------------


def test_the_gaussian_likelihood_is_scipys():
    expected = over_valid(-stats.norm.logpdf(TARGET, MEAN, SPREAD))
    actual = gaussian_nll(TARGET, MEAN, SPREAD, WEIGHT)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)
    assert actual.dtype == "float32"


def test_the_likelihood_of_amounts_is_scipys():
    chance = special.expit(WET.astype("f8"))
    scale = EXPECTED / (chance * K)
    rain = np.where(AMOUNT > TRACE, AMOUNT, 1.0)
    wet = np.log(chance) + stats.gamma.logpdf(rain, K, scale=scale)
    expected = over_valid(-np.where(AMOUNT > TRACE, wet, np.log1p(-chance)))
    assert 0 < (AMOUNT > TRACE).mean() < 1
    target, mean = AMOUNT - np.float32(ZERO), EXPECTED - np.float32(ZERO)
    actual = bernoulli_gamma_nll(target, mean, WET, K, ZERO, WEIGHT)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)
    assert actual.dtype == "float32"


@pytest.mark.parametrize("k", [50.0, 200.0, 1000.0])
def test_the_likelihood_of_even_rain_is_scipys(k):
    # the density is a small difference of numbers near k log k, 7000 for 1000
    rng = np.random.default_rng(0)
    mean = rng.uniform(0.01, 10, (1, 30, 30, 1)).astype("f4")
    amount = rng.gamma(k, mean / k).astype("f4")
    one = np.ones_like(mean)
    expected = -stats.gamma.logpdf(amount, k, scale=mean.astype("f8") / k)
    actual, (_, gradient) = value_and_gradients(
        lambda m, k: bernoulli_gamma_nll(amount, m, 40 * one, k, 0.0, one),
        mean,
        k * one,
    )
    np.testing.assert_allclose(actual, expected.mean(), atol=1e-3)
    # by k: digamma(k) - log k - 1 - log(v / m) + v / m
    ratio = amount.astype("f8") / mean
    slope = special.digamma(k) - np.log(k) - 1 - np.log(ratio) + ratio
    np.testing.assert_allclose(gradient * one.size, slope, atol=5e-6)


@pytest.mark.parametrize(("amount", "wet"), [(0.0, False), (0.0009, False), (0.0011, True)])
def test_a_trace_is_nothing(amount, wet):
    cell = np.full((1, 1, 1, 1), 1, "f4")
    actual = bernoulli_gamma_nll(amount * cell, cell, cell, cell, 0.0, cell)
    chance = special.expit(1.0)
    rain = -np.log(chance) - stats.gamma.logpdf(amount, 1, scale=1 / chance)
    np.testing.assert_allclose(actual, rain if wet else -np.log1p(-chance), rtol=1e-5)


def test_the_least_of_the_likelihood_is_where_the_data_were_drawn():
    shape = (1, 400, 400, 1)
    rng = np.random.default_rng(1)
    p, k, m = 0.4, 0.7, 0.9
    amount = rng.gamma(k, m / (p * k), shape) * (rng.random(shape) < p)
    one = np.ones(shape, "f4")

    def nll(m, p, k):
        return float(
            bernoulli_gamma_nll(amount, m * one, special.logit(p) * one, k * one, 0.0, one)
        )

    best = nll(m, p, k)
    for other in ((1.1, p, k), (0.7, p, k), (m, 0.5, k), (m, 0.3, k), (m, p, 0.85), (m, p, 0.55)):
        assert nll(*other) > best + 1e-3


@pytest.mark.parametrize("n", [2, 3, 4, 9])
def test_the_crps_is_a_naive_loop(n):
    members = RNG.normal(size=(n, *SHAPE)).astype("f4")
    cells = np.zeros(SHAPE)
    for index in np.ndindex(SHAPE):
        x, y = members[(slice(None), *index)].astype("f8"), TARGET[index]
        pairs = sum(abs(a - b) for a in x for b in x)
        cells[index] = np.mean([abs(a - y) for a in x]) - pairs / (2 * n * (n - 1))
    actual = crps(TARGET, members, WEIGHT)
    np.testing.assert_allclose(actual, over_valid(cells), rtol=1e-5)


def test_the_crps_does_not_depend_on_the_number_of_members():
    # fair: of a standard normal ensemble and y = 0 it is (sqrt(2) - 1) / sqrt(pi) for any number
    expected = (np.sqrt(2) - 1) / np.sqrt(np.pi)
    for n in (2, 8):
        members = np.random.default_rng(n).normal(size=(n, 1, 300, 300, 1)).astype("f4")
        target = np.zeros((1, 300, 300, 1), "f4")
        actual = crps(target, members, target + 1)
        np.testing.assert_allclose(actual, expected, rtol=0.02)


# --- masked cells ---------------------------------------------------------------------------------

CASES = {
    "gaussian": (gaussian_nll, (TARGET, MEAN, SPREAD)),
    "amounts": (
        lambda t, m, w, k, weight: bernoulli_gamma_nll(t, m, w, k, ZERO, weight),
        (AMOUNT, EXPECTED, WET, K),
    ),
    "crps": (
        crps,
        (TARGET, np.stack([MEAN, MEAN + SPREAD, MEAN - SPREAD]).astype("f4")),
    ),
}


@pytest.mark.parametrize("hidden", [np.nan, np.inf, -3e38, 0.0])
@pytest.mark.parametrize("name", CASES)
def test_masked_cells_never_matter(name, hidden):
    loss, given = CASES[name]

    expected = value_and_gradients(lambda *x: loss(*x, WEIGHT), *given)
    hiding = [np.where(WEIGHT == 1, x, np.float32(hidden)) for x in given]
    actual = value_and_gradients(lambda *x: loss(*x, WEIGHT), *hiding)
    assert actual[0] == expected[0]
    for a, b in zip(actual[1], expected[1], strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.isfinite(a).all()
        assert (a[..., WEIGHT == 0] == 0).all()
        assert (a != 0).any()


@pytest.mark.parametrize("name", CASES)
def test_nothing_valid_is_zero(name):
    loss, given = CASES[name]
    value, gradients = value_and_gradients(lambda *x: loss(*x, 0 * WEIGHT), *given)
    assert value == 0
    assert all((g == 0).all() for g in gradients)


# --- extremes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", [0.0, 0.0011, 1.0, 100.0])
@pytest.mark.parametrize("mean", [-1.0, 0.0, 1e-6, 1.0, 100.0])
def test_amounts_have_finite_gradients_at_extremes(amount, mean):
    wet, k = (x.reshape(1, 1, -1, 1) for x in np.meshgrid([-100, 0, 100], [1e-6, 0.05, 1, 50, 1e4]))
    one = np.ones_like(k)
    value, gradients = value_and_gradients(
        lambda m, w, k: bernoulli_gamma_nll(amount * one, m, w, k, 0.0, one),
        mean * one,
        wet,
        k,
    )
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in gradients)
    # the chance learns what happened, however sure of the contrary it is
    wrong = wet == (100 if amount <= TRACE else -100)
    chance = gradients[1][wrong & (k == 1)]
    assert (chance > 0).all() if amount <= TRACE else (chance < 0).all()


@pytest.mark.parametrize("spread", [0.0, 1e-3, 1e3])
def test_the_gaussian_has_finite_gradients_at_extremes(spread):
    one = np.ones((1, 1, 1, 1), "f4")
    value, gradients = value_and_gradients(
        lambda m, s: gaussian_nll(50 * one, m, s, one), 0 * one, spread * one
    )
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in gradients)


def test_equal_members_have_a_gradient_towards_the_target():
    members = np.zeros((3, 1, 1, 1, 1), "f4")
    one = np.ones((1, 1, 1, 1), "f4")
    value, (gradient,) = value_and_gradients(lambda x: crps(one, x, one), members)
    assert value == 1
    np.testing.assert_allclose(gradient.ravel(), [-1 / 3] * 3)

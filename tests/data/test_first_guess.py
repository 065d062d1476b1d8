"""First guesses by linear methods, held against least squares of NumPy and values by hand."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.conftest import no_compute
from xr_dl4ds.data import first_guess, ridge
from xr_dl4ds.data.first_guess import (
    INTERPOLATED,
    Fitter,
    Interpolator,
    guessed,
    season,
)
from xr_dl4ds.data.ridge import FOLDS, folds_of
from xr_dl4ds.data.time_and_place import share_of_year

STEPS = 400
#: LR of 3 x 4 cells and 2 variables, HR of 6 x 8 cells.
LR, HR = (3, 4, 2), (6, 8, 1)


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("f4")


def channels(values):
    return xr.DataArray(values, dims=("time", "y", "x", "channel"))


def doubled(size):
    return np.repeat(np.eye(size, dtype="f4"), 2, axis=0)


def nearest(channel=0):
    return Interpolator(wy=doubled(3), wx=doubled(4), channels=(channel,))


def dates(steps=STEPS, freq="3D"):
    return pd.date_range("2001-01-01", periods=steps, freq=freq)


def fitter(lr, target, amounts=(False,), zeros=(0.0,), seasons=None, channel=0, context=0):
    seasons = season(None, len(lr)) if seasons is None else seasons
    return Fitter(
        lr=channels(lr),
        target=channels(target),
        seasons=seasons,
        interpolation=nearest(channel),
        varying=2,
        amounts=amounts,
        zeros=zeros,
        context=context,
    )


def values(guess, lr, seasons=None):
    seasons = season(None, len(lr)) if seasons is None else seasons
    return guess.block(nearest(), lr, seasons)


def test_a_regression_is_a_ridge_regression(monkeypatch):
    monkeypatch.setattr(ridge, "PENALTIES", (0.05,))
    monkeypatch.setattr(first_guess, "VARIANCE", 1.1)  # keeps all components
    lr = random(STEPS, *LR) + 2
    target = random(STEPS, *HR, seed=1) + lr[:, :1, :1, :1] * 3
    guess, _ = fitter(lr, target).fit("regression")
    x, y = lr.reshape(STEPS, -1).astype("f8"), target.reshape(STEPS, -1).astype("f8")
    mean = x.mean(axis=0)
    penalty = 0.05 * STEPS * (x - mean).var(axis=0).mean()
    product = (x - mean).T @ (x - mean)
    weights = np.linalg.solve(product + penalty * np.eye(24), (x - mean).T @ (y - y.mean(axis=0)))
    expected = (x - mean) @ weights + y.mean(axis=0)
    np.testing.assert_allclose(values(guess, lr).reshape(STEPS, -1), expected, atol=2e-4)


def test_the_penalty_is_the_one_with_the_least_error_in_blocks_that_are_left_out():
    lr = random(STEPS, *LR)
    noise = fitter(lr, random(STEPS, *HR, seed=1)).fit("regression")[0]
    signal = np.repeat(np.repeat(lr[..., :1], 2, axis=1), 2, axis=2)
    exact = fitter(lr, signal).fit("regression")[0]
    assert float(np.abs(values(noise, lr)).std()) < 0.15  # shrunk
    np.testing.assert_allclose(values(exact, lr), signal, atol=0.02)


def test_each_cell_has_the_width_of_the_lr_fields_that_it_needs():
    # 3 x 4 cells and one around, of noise; 60 steps, 60 values in LR fields and 24 in the domain
    lr = random(60, 5, 6, 2)
    base = np.repeat(np.repeat(lr[:, 1:-1, 1:-1, :1], 2, axis=1), 2, axis=2)
    far = base.copy()
    far[:, :, 4:] = lr[:, :1, :1, :1] + lr[:, -1:, -1:, 1:]  # corners, beyond the domain
    near, both = (fitter(lr, t, context=1).fit("regression")[0] for t in (base, far))
    assert near.patterns.shape == (24, 60)
    outside = near.patterns.reshape(24, 5, 6, 2).copy()
    outside[:, 1:-1, 1:-1] = 0
    assert not outside.any()
    assert len(both.patterns) > 24
    used = np.abs(both.coefficients[0, 1:, ..., 0]).sum(axis=1) > 0
    assert (used[:24, :4].all(), used[24:, :4].any()) == (True, False)
    assert (used[:24, 4:].any(), used[24:, 4:].all()) == (False, True)


@pytest.mark.parametrize("constant", ["inside", "everywhere"])
def test_lr_fields_that_never_change_have_no_components(constant):
    lr = random(60, 5, 6, 2)
    if constant == "inside":
        lr[:, 1:-1, 1:-1] = 3
    else:
        lr[:] = 3
    target = random(60, *HR) + 5
    guess, by_fold = fitter(lr, target, context=1).fit("regression")
    assert np.isfinite(values(guess, lr)).all()
    if constant == "everywhere":
        assert guess.patterns.shape == (0, 60)
        np.testing.assert_allclose(values(guess, lr)[0], target.mean(axis=0), atol=1e-4)
    assert len(by_fold) == FOLDS


def test_few_components_where_the_fields_are_smooth():
    weather = random(STEPS, 2) @ random(2, 24, seed=1)
    lr = (weather + 1e-3 * random(STEPS, 24, seed=2)).reshape(STEPS, *LR)
    guess, _ = fitter(lr, random(STEPS, *HR)).fit("regression")
    assert guess.patterns.shape == (2, 24)


def test_memory_bounds_the_components(monkeypatch):
    cells = int(np.prod(HR))
    monkeypatch.setattr(first_guess, "BYTES", 4 * (FOLDS + 1) * cells * 3)
    guess, _ = fitter(random(STEPS, *LR), random(STEPS, *HR)).fit("regression")
    assert len(guess.patterns) == 3
    monkeypatch.setattr(first_guess, "BYTES", 1000)
    one = fitter(random(STEPS, *LR), random(STEPS, *HR))
    assert one.affordable == 0
    guess, _ = one.fit("regression")
    assert guess.patterns.shape == (0, 24)


def reference(lr, target, new):
    """One regression for each cell, in float64 and of its valid steps, and its guesses of `new`.

    The LR fields have no surroundings.
    """
    x = lr.reshape(len(lr), -1).astype("f8")
    mean = x.mean(axis=0)
    _, size, vectors = np.linalg.svd(x - mean, full_matrices=False)
    spread = np.sqrt((size**2).mean() / len(x))
    x, at = ((a.reshape(len(a), -1) - mean) @ vectors.T / spread for a in (lr, new))
    folds = np.arange(len(x)) * FOLDS // len(x)

    def fitted(used, y, penalty):
        inner, centre = x[used].mean(axis=0), y[used].mean()
        product = (x[used] - inner).T @ (x[used] - inner)
        system = product + penalty * used.sum() * np.eye(x.shape[1])
        weights = np.linalg.solve(system, (x[used] - inner).T @ (y[used] - centre))
        return lambda terms: (terms - inner) @ weights + centre

    out = []
    for y in target.reshape(len(x), -1).astype("f8").T:
        there, errors = np.isfinite(y), []
        for penalty in ridge.PENALTIES:
            parts = [(there & (folds == fold), there & (folds != fold)) for fold in range(FOLDS)]
            errors.append(sum(((fitted(b, y, penalty)(x[a]) - y[a]) ** 2).sum() for a, b in parts))
        out.append(fitted(there, y, ridge.PENALTIES[int(np.argmin(errors))])(at))
    return np.stack(out, axis=1).reshape(len(new), *target.shape[1:])


@pytest.mark.parametrize("case", ["seasons", "offsets"])
def test_regressions_equal_those_of_each_cell_in_double_precision(case, monkeypatch):
    monkeypatch.setattr(first_guess, "VARIANCE", 1.1)  # keeps all components
    steps = 200
    lr = random(steps + 20, *LR)
    weights = random(24, 48, seed=1)
    target = (lr.reshape(-1, 24) @ weights).reshape(-1, *HR) + random(steps + 20, *HR, seed=2)
    if case == "seasons":
        summer = np.sin(np.arange(steps + 20) / 5) > 0.3
        lr += np.where(summer, 1, -1)[:, None, None, None].astype("f4")
        target[~summer, :3] = np.nan
        target[summer, 3] = np.nan
        target += 4
    else:
        target, lr = 0.01 * target + random(1, *HR, seed=3), 0.01 * lr + random(1, *LR, seed=4)
    lr, new, target = lr[:steps], lr[steps:], target[:steps]
    guess, _ = fitter(lr, target).fit("regression")
    expected = reference(lr, target, new)
    error = values(guess, new) - expected
    assert float(error.std()) < 1e-2 * (0.01 if case == "offsets" else 1)


def test_steps_without_values_count_nowhere():
    lr, target = random(STEPS, *LR), random(STEPS, *HR, seed=1) + 3
    lr[::3] += 5
    target[::3] = np.nan
    rest = np.arange(STEPS) % 3 > 0
    for kind in ("regression", "bias_corrected"):
        whole, part = fitter(lr, target), fitter(lr[rest], target[rest])
        (found, folds), (expected, _) = whole.fit(kind), part.fit(kind)
        np.testing.assert_allclose(values(found, lr), values(expected, lr), atol=1e-4)
        assert len(folds) == FOLDS
        np.testing.assert_array_equal(whole.folds[rest], part.folds)


def test_members_along_time_share_the_fold_of_their_date():
    index = {"time": np.tile(dates(60), 3)}
    one = fitter(random(180, *LR), random(180, *HR))
    one = dataclasses.replace(one, lr=one.lr.assign_coords(index))
    np.testing.assert_array_equal(one.folds, np.tile(np.arange(60) // 12, 3))


def test_lr_fields_that_differ_by_rounding_have_no_components():
    lr = np.where(random(60, *LR) > 0, np.float32(0.1), np.nextafter(np.float32(0.1), 1))
    guess, _ = fitter(lr, random(60, *HR)).fit("regression")
    assert guess.patterns.shape == (0, 24)


def test_a_climatology_is_a_fit_of_harmonics():
    year = share_of_year(dates())
    terms = season(year, STEPS)
    target = 5 + np.sin(2 * np.pi * (year - 0.2))[:, None, None, None] + random(STEPS, *HR) / 10
    guess, _ = fitter(random(STEPS, *LR), target.astype("f4"), seasons=terms).fit("climatology")
    design = np.concatenate([np.ones((STEPS, 1)), terms], axis=1)
    expected = design @ np.linalg.lstsq(design, target.reshape(STEPS, -1), rcond=None)[0]
    actual = values(guess, random(STEPS, *LR), terms).reshape(STEPS, -1)
    np.testing.assert_allclose(actual, expected, atol=1e-3)
    assert guess.harmonics == 2
    assert season(None, 7).shape == (7, 0)


def test_a_bias_is_removed():
    lr = random(STEPS, *LR)
    base = np.repeat(np.repeat(lr[..., :1], 2, axis=1), 2, axis=2)
    bias = random(1, *HR, seed=3)
    guess, _ = fitter(lr, base + bias).fit("bias_corrected")
    np.testing.assert_allclose(values(guess, lr), base + bias, atol=1e-4)


def test_amounts_are_corrected_by_a_ratio():
    # scaled values, whose physical zero is at -1
    lr = np.abs(random(STEPS, *LR)) - 1
    base = np.repeat(np.repeat(lr[..., :1], 2, axis=1), 2, axis=2)
    ratio = 0.5 + np.abs(random(1, *HR, seed=3))
    target = (base + 1) * ratio - 1
    found = fitter(lr, target, amounts=(True,), zeros=(-1.0,)).fit("bias_corrected")[0]
    np.testing.assert_allclose(values(found, lr), target, atol=1e-3)
    assert values(found, np.full((1, *LR), -1, "f4")).min() == pytest.approx(-1)


def test_guesses_of_a_fold_do_not_know_its_targets():
    lr, target = random(STEPS, *LR), random(STEPS, *HR, seed=1)
    other = target.copy()
    folds = folds_of(np.ones(STEPS, bool))
    other[folds == 2] += 7
    seasons = season(None, STEPS)
    found = []
    for one in (target, other):
        _, by_fold = fitter(lr, one).fit("climatology")
        found.append(guessed(by_fold, nearest(), channels(lr), seasons, folds).to_numpy())
    np.testing.assert_allclose(found[0][folds == 2], found[1][folds == 2], atol=1e-5)
    assert (found[0][folds == 1] != found[1][folds == 1]).all()
    assert np.bincount(folds).tolist() == [80] * 5


def test_gaps_do_not_pull_towards_the_mean():
    lr = random(STEPS, *LR)
    target = np.full((STEPS, *HR), 3, "f4")
    target[::3] = np.nan
    target[:, 0, 0] = np.nan
    guess, _ = fitter(lr, target).fit("climatology")
    expected = np.full(HR, 3, "f4")
    expected[0, 0] = 0
    np.testing.assert_allclose(values(guess, lr)[0], expected, atol=1e-3)


def test_the_interpolation_and_targets_without_a_counterpart():
    lr = random(5, *LR)
    base = np.repeat(np.repeat(lr[..., 1:], 2, axis=1), 2, axis=2)
    np.testing.assert_array_equal(INTERPOLATED.block(nearest(1), lr, season(None, 5)), base)
    assert not INTERPOLATED.block(nearest(None), lr, season(None, 5)).any()


def test_lazy_guesses_equal_those_in_memory():
    lr, target = random(STEPS, *LR), random(STEPS, *HR, seed=1)
    lazy = Fitter(
        lr=channels(lr).chunk(time=70),
        target=channels(target).chunk(time=50, x=4),
        seasons=season(None, STEPS),
        interpolation=nearest(),
        varying=2,
        amounts=(False,),
        zeros=(0.0,),
    )
    expected, actual = fitter(lr, target).fit("regression"), lazy.fit("regression")
    args = nearest(), season(None, STEPS)
    with no_compute():
        out = guessed(actual[1], args[0], lazy.lr, args[1], folds_of(np.ones(STEPS, bool)))
    assert out.chunksizes["time"] == lazy.lr.chunksizes["time"]
    whole = guessed(expected[1], args[0], channels(lr), args[1], folds_of(np.ones(STEPS, bool)))
    np.testing.assert_allclose(out, whole, atol=1e-3)
    assert lazy.error(actual[0], lazy) == pytest.approx(
        fitter(lr, target).error(expected[0], fitter(lr, target)), rel=1e-3
    )


@pytest.mark.parametrize("kind", ["interpolation", "bias_corrected", "climatology", "regression"])
@pytest.mark.parametrize("amounts", [False, True])
def test_gradients_through_a_guess_are_those_of_the_guess(kind, amounts):
    seasons = season(share_of_year(dates()), STEPS)
    lr = 5 + random(STEPS, *LR)
    target = 8 + random(STEPS, *HR, seed=1) + seasons[:, :1, None, None]
    guess = INTERPOLATED
    if kind != "interpolation":
        guess, _ = fitter(lr, target, (amounts,), (-1.0,), seasons).fit(kind)
    gradient = random(3, *HR, seed=2).astype("f8")
    actual = guess.pullback(nearest(), gradient, lr[:3], seasons[:3])

    def function(fields):
        return float((gradient * guess.block(nearest(), fields, seasons[:3])).sum())

    # a guess is affine in the LR fields, so that a difference of any length is the derivative
    for cell in [(0, 0, 0, 0), (1, 2, 3, 0), (2, 1, 1, 1)]:
        moved = lr[:3].copy()
        moved[cell] += 4
        expected = (function(moved) - function(lr[:3])) / 4
        np.testing.assert_allclose(actual[cell], expected, rtol=1e-3, atol=1e-3)

"""Ridge regressions of many cells, held against the formula with each block left out in turn."""

import itertools

import numpy as np
import pytest

from xr_dl4ds.data.ridge import FOLDS, PENALTIES, Choice, Sums, choices_of, folds_of

STEPS, CELLS = 60, 7
#: A constant without penalty, and two groups of terms.
FREE, GROUPS = 1, [range(1, 4), range(4, 9)]
#: The fold of each step.
by_position = folds_of(np.ones(STEPS, bool))


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    terms = np.concatenate([np.ones((STEPS, 1)), rng.standard_normal((STEPS, 8))], axis=1)
    signal = terms @ rng.standard_normal((9, CELLS)) * np.linspace(0, 2, CELLS)
    return terms.astype("f4"), (signal + rng.standard_normal((STEPS, CELLS))).astype("f4")


def sums_of(terms, wanted, groups=None):
    groups = np.zeros(wanted.shape[1], int) if groups is None else np.array(groups)
    sums = Sums(FREE, terms.shape[1], groups, np.zeros(groups.size, "f4"))
    for part in np.array_split(np.arange(STEPS), 4):
        sums.add(by_position[part], terms[part], wanted[part])
    return sums


def solved(terms, wanted, choice):
    """One regression by its formula: the coefficients of a choice's terms."""
    x = terms[:, [0, *choice.terms]].astype("f8")
    penalty = np.diag([1e-6, *[choice.penalty + 1e-6] * len(choice.terms)]) * len(x)
    return np.linalg.solve(x.T @ x + penalty, x.T @ wanted)


def test_coefficients_of_each_choice(data):
    terms, wanted = data
    choices = [Choice(terms=GROUPS[0], penalty=0.1), Choice(terms=GROUPS[1], penalty=1.0)]
    which = np.arange(CELLS) % 2
    for without in (None, 3):
        used = by_position != without
        found = sums_of(terms, wanted).solved(without, choices, which)
        for cell in range(CELLS):
            choice = choices[which[cell]]
            expected = np.zeros(9)
            expected[[0, *choice.terms]] = solved(terms[used], wanted[used, cell], choice)
            np.testing.assert_allclose(found[:, cell], expected, atol=1e-4)


def test_each_cell_has_the_choice_with_the_least_error_in_blocks_that_are_left_out(data):
    terms, wanted = data
    choices = choices_of(GROUPS, FREE)
    assert [(c.terms, c.penalty) for c in choices] == [*itertools.product(GROUPS, PENALTIES)]
    errors = np.zeros((len(choices), CELLS))
    for (i, choice), fold in itertools.product(enumerate(choices), range(FOLDS)):
        out = by_position == fold
        found = solved(terms[~out], wanted[~out], choice)
        errors[i] += ((terms[out][:, [0, *choice.terms]] @ found - wanted[out]) ** 2).sum(axis=0)
    best = sums_of(terms, wanted).best(choices)
    np.testing.assert_array_equal(best, errors.argmin(axis=0))
    assert len(set(best)) > 2  # the cells differ


def masked(data):
    """Gaps in a season, at single steps, nowhere, and everywhere."""
    terms, wanted = data
    wanted = wanted.copy()
    wanted[15:40, :3] = np.nan
    wanted[::4, 3:5] = np.nan
    wanted[:, 6] = np.nan
    return terms, wanted, [0, 0, 0, 1, 1, 2, -1]


def test_cells_with_the_same_gaps_are_fitted_to_their_valid_steps(data):
    terms, wanted, groups = masked(data)
    choices = [Choice(terms=GROUPS[0], penalty=0.1), Choice(terms=GROUPS[1], penalty=1.0)]
    which = np.arange(CELLS) % 2
    for without in (None, 3):
        found = sums_of(terms, wanted, groups).solved(without, choices, which)
        for cell in range(CELLS - 1):
            used = (by_position != without) & np.isfinite(wanted[:, cell])
            choice = choices[which[cell]]
            expected = np.zeros(9)
            expected[[0, *choice.terms]] = solved(terms[used], wanted[used, cell], choice)
            np.testing.assert_allclose(found[:, cell], expected, atol=1e-4)
        assert not found[:, -1].any()


def test_valid_steps_alone_make_the_choice(data):
    terms, wanted, groups = masked(data)
    choices = choices_of(GROUPS, FREE)
    best = sums_of(terms, wanted, groups).best(choices)
    for cell in range(CELLS - 1):
        errors = np.zeros(len(choices))
        there = np.isfinite(wanted[:, cell])
        for (i, choice), fold in itertools.product(enumerate(choices), range(FOLDS)):
            used, out = there & (by_position != fold), there & (by_position == fold)
            found = solved(terms[used], wanted[used, cell], choice)
            guess = terms[out][:, [0, *choice.terms]] @ found
            errors[i] += ((guess - wanted[out, cell]) ** 2).sum()
        assert best[cell] == errors.argmin()


def test_cells_without_any_other_fold_have_the_largest_penalty(data):
    terms, wanted = data
    wanted = np.where(by_position[:, None] == 1, wanted, np.nan)
    best = sums_of(terms, wanted).best(choices_of(GROUPS, FREE))
    assert not best.any()
    assert choices_of(GROUPS, FREE)[0].penalty == max(PENALTIES)


def test_the_annual_cycle_is_bounded_in_months_without_values():
    year = np.arange(STEPS) * 0.0507 % 1  # three years, valid in their first weeks
    angles = 2 * np.pi * np.array([1, 2]) * year[:, None]
    terms = np.concatenate([np.ones((STEPS, 1)), np.sin(angles), np.cos(angles)], axis=1)
    wanted = np.random.default_rng(0).standard_normal((STEPS, 1))
    valid = year < 0.15
    wanted[~valid] = np.nan
    sums = Sums(5, 5, np.zeros(1, int), np.zeros(1, "f4"))
    sums.add(by_position, terms.astype("f4"), wanted.astype("f4"))
    found = sums.solved(None, choices_of([], 5), np.zeros(1, int))
    free = np.linalg.lstsq(terms[valid], wanted[valid], rcond=None)[0]
    assert np.abs(terms @ found).max() < 0.01 * np.abs(terms @ free).max()


def test_a_date_has_one_fold():
    dates = np.datetime64("2001-01-01") + np.tile(np.arange(10), 3)
    folds = folds_of(np.ones(30, bool), dates)
    np.testing.assert_array_equal(folds, np.tile(np.arange(10) // 2, 3))
    # dates without values are not counted
    kept = dates >= np.datetime64("2001-01-06")
    folds = folds_of(kept, dates)
    np.testing.assert_array_equal(folds, np.tile([0] * 6 + [1, 2, 3, 4], 3))


def test_without_groups_there_is_one_choice():
    (choice,) = choices_of([], 5)
    assert choice.rows(5).tolist() == [0, 1, 2, 3, 4]

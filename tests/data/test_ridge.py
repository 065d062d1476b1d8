"""Ridge regressions of many cells, held against the formula with each block left out in turn."""

import itertools

import numpy as np
import pytest

from xr_dl4ds.data.ridge import FOLDS, PENALTIES, Choice, Sums, choices_of, folds_of

STEPS, CELLS = 60, 7
#: A constant without penalty, and two groups of terms.
FREE, GROUPS = 1, [range(1, 4), range(4, 9)]


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    terms = np.concatenate([np.ones((STEPS, 1)), rng.standard_normal((STEPS, 8))], axis=1)
    signal = terms @ rng.standard_normal((9, CELLS)) * np.linspace(0, 2, CELLS)
    return terms.astype("f4"), (signal + rng.standard_normal((STEPS, CELLS))).astype("f4")


def sums_of(terms, wanted):
    sums = Sums(FREE, terms.shape[1], wanted.shape[1])
    for part in np.array_split(np.arange(STEPS), 4):
        sums.add(folds_of(STEPS)[part], terms[part], wanted[part])
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
        used = folds_of(STEPS) != without
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
        out = folds_of(STEPS) == fold
        found = solved(terms[~out], wanted[~out], choice)
        errors[i] += ((terms[out][:, [0, *choice.terms]] @ found - wanted[out]) ** 2).sum(axis=0)
    best = sums_of(terms, wanted).best(choices)
    np.testing.assert_array_equal(best, errors.argmin(axis=0))
    assert len(set(best)) > 2  # the cells differ


def test_gaps_do_not_change_the_penalty():
    rng = np.random.default_rng(1)
    terms = np.concatenate([np.ones((STEPS, 1)), rng.standard_normal((STEPS, 8))], axis=1)
    wanted = np.tile(terms @ rng.standard_normal((9, 1)), (1, 3)).astype("f4")
    wanted[::3, 1] = np.nan
    wanted[:, 2] = np.nan
    choices = choices_of([range(1, 9)], FREE)
    best = sums_of(terms.astype("f4"), wanted).best(choices)
    assert choices[best[0]].penalty <= 1e-4  # exact
    # the sums of all steps stand for those of the valid ones, so a little shrinking may pay
    assert choices[best[1]].penalty <= 1e-1
    found = sums_of(terms.astype("f4"), wanted).solved(None, choices, best)
    assert not found[:, 2].any()


def test_without_groups_there_is_one_choice():
    (choice,) = choices_of([], 5)
    assert choice.rows(5).tolist() == [0, 1, 2, 3, 4]

"""Ridge regressions of many cells on the same terms, with blocks of time left out in turn."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

#: Blocks of time that are left out in turn, to choose the penalty and for out-of-fold guesses.
FOLDS = 5
#: Penalties of the principal components, in units of their mean variance.
PENALTIES = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0)


def folds_of(steps: int) -> np.ndarray:
    """Return the fold of each step, in blocks of time."""
    return np.arange(steps) * FOLDS // steps


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """A regression that a cell may have.

    Parameters
    ----------
    terms : range
        Its penalized terms, besides those without penalty.
    penalty : float
        The penalty of these terms.
    """

    terms: range
    penalty: float

    def rows(self, free: int) -> np.ndarray:
        """Return the numbers of all its terms."""
        return np.array([*range(free), *self.terms])


def choices_of(groups: Sequence[range], free: int) -> list[Choice]:
    """Return every penalty of every group of terms; without groups only the first, free, terms."""
    if not groups:
        return [Choice(terms=range(free, free), penalty=0.0)]
    return [Choice(terms=g, penalty=p) for g, p in itertools.product(groups, PENALTIES)]


class Sums:
    """Sums of products of terms, and of terms and wanted values, for each fold.

    The first `free` terms have no penalty.
    """

    def __init__(self, free: int, terms: int, cells: int) -> None:
        self.free = free
        self.own = np.zeros((FOLDS, terms, terms))
        self.mixed = np.zeros((FOLDS, terms, cells), "f4")
        self.squares = np.zeros(cells)
        self.valid = np.zeros((FOLDS, cells), "i4")
        self.steps = np.zeros(FOLDS, "i4")

    def add(self, folds: np.ndarray, terms: np.ndarray, wanted: np.ndarray) -> None:
        """Add steps ``(time, term)`` and ``(time, cell)``, NaN where masked."""
        valid = np.isfinite(wanted)
        filled = np.where(valid, wanted, np.float32(0))
        for fold in np.unique(folds):
            mine = folds == fold
            self.own[fold] += terms[mine].T.astype("f8") @ terms[mine]
            self.mixed[fold] += terms[mine].T @ filled[mine]
            self.squares += (filled[mine].astype("f8") ** 2).sum(axis=0)
            self.valid[fold] += valid[mine].sum(axis=0)
            self.steps[fold] += int(mine.sum())

    def solved(
        self, without: int | None, choices: Sequence[Choice], which: np.ndarray
    ) -> np.ndarray:
        """Return coefficients ``(term, cell)``, from all folds or from all but one.

        `which` has the number of the choice of each cell; terms that it lacks are 0. In cells with
        gaps the sums stand for all steps.
        """
        own, mixed, steps = self._without(without)
        found: np.ndarray = np.zeros_like(mixed)
        for number in np.unique(which):
            at = np.ix_(choices[number].rows(self.free), (which == number).nonzero()[0])
            found[at] = self._solution(choices[number], own, mixed[at], steps)
        return found

    def _without(self, fold: int | None) -> tuple[np.ndarray, np.ndarray, int]:
        """Return both sums of products, and the steps, of all folds but one."""
        used = [number for number in range(FOLDS) if number != fold]
        steps = int(self.steps[used].sum())
        valid = self.valid[used].sum(axis=0)
        mixed = self.mixed[used].sum(axis=0) * (steps / np.maximum(valid, 1)).astype("f4")
        return self.own[used].sum(axis=0), mixed, steps

    def _solution(
        self, choice: Choice, own: np.ndarray, mixed: np.ndarray, steps: int
    ) -> np.ndarray:
        """Return the coefficients of a choice's terms, from the products of these terms."""
        rows = choice.rows(self.free)
        ridge = np.full(rows.size, 1e-6)
        ridge[self.free :] += choice.penalty
        system = own[np.ix_(rows, rows)] + np.diag(ridge * max(steps, 1))
        return np.asarray(np.linalg.solve(system, mixed), "f4")

    def best(self, choices: Sequence[Choice]) -> np.ndarray:
        """Return the number of the choice of each cell with the least error.

        The error is that in the folds that are left out in turn.
        """
        cells = self.squares.size
        if len(choices) == 1:
            return np.zeros(cells, int)
        errors = np.tile(self.squares, (len(choices), 1))
        for fold in range(FOLDS):
            own, mixed, steps = self._without(fold)
            # the products of all steps stand for those of the valid steps
            share = (self.valid[fold] / max(int(self.steps[fold]), 1)).astype("f4")
            for i, choice in enumerate(choices):
                rows = choice.rows(self.free)
                found = self._solution(choice, own, mixed[rows], steps)
                product = self.own[fold][np.ix_(rows, rows)].astype("f4") @ found
                excess = share * product - 2 * self.mixed[fold][rows]
                errors[i] += (found * excess).sum(axis=0, dtype="f8")
        least: np.ndarray = errors.argmin(axis=0)
        return least

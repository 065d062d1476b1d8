"""Ridge regressions of many cells on the same terms, with blocks of time left out in turn."""

from __future__ import annotations

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


class Sums:
    """Sums of products of terms, and of terms and wanted values, for each fold.

    A cell is one of a target: ``(y, x, target)`` in one axis.
    """

    def __init__(self, terms: int, cells: int, targets: int) -> None:
        self.targets = targets
        self.own = np.zeros((FOLDS, terms, terms))
        self.mixed = np.zeros((FOLDS, terms, cells), "f4")
        self.squares = np.zeros((FOLDS, targets))
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
            squares = filled[mine].astype("f8") ** 2
            self.squares[fold] += squares.reshape(-1, self.targets).sum(axis=0)
            self.valid[fold] += valid[mine].sum(axis=0)
            self.steps[fold] += int(mine.sum())

    def solved(
        self, without: int | None, penalties: Sequence[float], components: int
    ) -> np.ndarray:
        """Return coefficients ``(term, cell)``, from all folds or from all but one.

        Each target has a penalty. In cells with gaps the sums stand for all steps.
        """
        used = [fold for fold in range(FOLDS) if fold != without]
        own, steps = self.own[used].sum(axis=0), int(self.steps[used].sum())
        valid = self.valid[used].sum(axis=0)
        mixed = self.mixed[used].sum(axis=0) * (steps / np.maximum(valid, 1)).astype("f4")
        found = np.empty_like(mixed)
        for penalty in set(penalties):
            mine = np.tile(np.equal(penalties, penalty), mixed.shape[1] // self.targets)
            ridge = np.full(len(own), 1e-6)
            ridge[len(own) - components :] += penalty
            found[:, mine] = np.linalg.solve(own + np.diag(ridge * max(steps, 1)), mixed[:, mine])
        return found

    def best_penalties(self, components: int) -> tuple[float, ...]:
        """Return the penalty of each target with the least error in folds left out in turn."""
        if components == 0:
            return (0.0,) * self.targets
        errors = np.zeros((len(PENALTIES), self.targets))
        for (i, penalty), fold in itertools.product(enumerate(PENALTIES), range(FOLDS)):
            found = self.solved(fold, (penalty,) * self.targets, components)
            mixed, product = self.mixed[fold], self.own[fold].astype("f4") @ found
            by_cell = (found * (product - 2 * mixed)).sum(axis=0, dtype="f8")
            errors[i] += self.squares[fold] + by_cell.reshape(-1, self.targets).sum(axis=0)
        return tuple(PENALTIES[i] for i in errors.argmin(axis=0))

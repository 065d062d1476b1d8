"""Ridge regressions of many cells on the same terms, with blocks of time left out in turn."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

#: Blocks of time that are left out in turn, to choose the penalty and for out-of-fold guesses.
FOLDS = 5
#: Penalties of the principal components, in units of their mean variance; among equal errors the
#: first one counts.
PENALTIES = (10.0, 3.0, 1.0, 3e-1, 1e-1, 3e-2, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
#: Penalty of the constant and, added to their own, of the principal components.
LEAST = 1e-6
#: Penalty of the annual cycle, which keeps it bounded in months without values.
SEASONAL = 1e-4
#: Groups of cells with similar gaps, at most, and bytes of their sums of products of terms.
GROUPS, BYTES = 32, 2**28
#: Bytes of the results of the cells that are solved at once, for one array.
SLAB = 2**26


def folds_of(kept: np.ndarray, times: np.ndarray | None = None) -> np.ndarray:
    """Return the fold of each step, in blocks of time with equal numbers of dates.

    Steps of one date, such as members along time, share a fold.

    Parameters
    ----------
    kept : numpy.ndarray
        ``(time,)``, True for steps with values; dates without are not counted.
    times : numpy.ndarray, optional
        ``(time,)``, the date of each step; by default all differ.
    """
    date = np.arange(kept.size) if times is None else np.unique(times, return_inverse=True)[1]
    counted = np.bincount(date, kept) > 0
    before: np.ndarray = np.cumsum(counted) - counted
    fold: np.ndarray = np.minimum(before * FOLDS // max(int(counted.sum()), 1), FOLDS - 1)
    return fold[date]


def most_groups(terms: int) -> int:
    """Return how many groups of cells the memory allows, for a number of terms."""
    return int(np.clip(BYTES // (8 * FOLDS * terms**2), 1, GROUPS))


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

    Products of terms are summed for each group of cells, over its steps: a step counts by the share
    of the cells that have a value. If the cells of a group have the same gaps, the regressions are
    those of the steps with values; otherwise they are close to these.

    Parameters
    ----------
    free : int
        Number of the first terms that are in every regression: a constant and the annual cycle.
    terms : int
        Number of terms.
    groups : numpy.ndarray
        ``(cell,)``, the group of each cell; -1 for cells without values, whose coefficients are 0.
    mean : numpy.ndarray
        ``(cell,)``, subtracted from wanted values and added to the constant.
    """

    def __init__(self, free: int, terms: int, groups: np.ndarray, mean: np.ndarray) -> None:
        self.free = free
        self.groups = groups
        self.mean = mean
        number, cells = int(groups.max()) + 1, groups.size
        self.own = np.zeros((number, FOLDS, terms, terms))
        self.steps = np.zeros((number, FOLDS))
        self.mixed = np.zeros((FOLDS, terms, cells), "f4")
        self.valid = np.zeros((FOLDS, cells), "i4")

    def add(self, folds: np.ndarray, terms: np.ndarray, wanted: np.ndarray) -> None:
        """Add steps ``(time, term)`` and ``(time, cell)``, NaN where masked."""
        valid = np.isfinite(wanted)
        filled = np.where(valid, wanted - self.mean, np.float32(0))
        for fold in np.unique(folds):
            mine = folds == fold
            self.mixed[fold] += terms[mine].T @ filled[mine]
            self.valid[fold] += valid[mine].sum(axis=0)
        for group in range(len(self.own)):
            share = valid[:, self.groups == group].mean(axis=1)
            for fold in np.unique(folds[share > 0]):
                mine = (folds == fold) & (share > 0)
                self.own[group, fold] += (terms[mine].T * share[mine]) @ terms[mine]
                self.steps[group, fold] += share[mine].sum()

    def solved(
        self, without: int | None, choices: Sequence[Choice], which: np.ndarray
    ) -> np.ndarray:
        """Return coefficients ``(term, cell)``, from all folds or from all but one.

        `which` has the number of the choice of each cell; terms that it lacks are 0.
        """
        found: np.ndarray = np.zeros(self.mixed.shape[1:], "f4")
        for group, cells in self._slabs(choices):
            own, mixed, steps, valid = self._without(without, group, cells)
            for number in np.unique(which[cells]):
                rows, mine = choices[number].rows(self.free), which[cells] == number
                solution = self._solution(choices[number], own, mixed[np.ix_(rows, mine)], steps)
                found[np.ix_(rows, cells[mine])] = solution
            found[0, cells] += self.mean[cells] * (valid > 0)
        return found

    def _slabs(self, choices: Sequence[Choice]) -> Iterator[tuple[int, np.ndarray]]:
        """Return each group with the numbers of its cells, of which few enough at once."""
        most = max(1, SLAB // (8 * (self.mixed.shape[1] + len(choices))))
        for group in range(len(self.own)):
            cells = (self.groups == group).nonzero()[0]
            for part in np.array_split(cells, -(-cells.size // most)):
                yield group, part

    def _without(
        self, fold: int | None, group: int, cells: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
        """Return both sums of products, steps and valid steps, of all folds but one.

        The products of a cell's valid steps are scaled to all steps of its group.
        """
        used = [number for number in range(FOLDS) if number != fold]
        steps = float(self.steps[group, used].sum())
        valid = self.valid[used][:, cells].sum(axis=0)
        mixed = np.zeros((self.mixed.shape[1], cells.size), "f4")
        for number in used:
            mixed += self.mixed[number][:, cells]
        scale = (steps / np.maximum(valid, 1)).astype("f4")
        return self.own[group, used].sum(axis=0), mixed * scale, steps, valid

    def _solution(
        self, choice: Choice, own: np.ndarray, mixed: np.ndarray, steps: float
    ) -> np.ndarray:
        """Return the coefficients of a choice's terms, from the products of these terms."""
        rows = choice.rows(self.free)
        ridge = np.full(rows.size, LEAST)
        ridge[1 : self.free] = SEASONAL
        ridge[self.free :] += choice.penalty
        system = own[np.ix_(rows, rows)] + np.diag(ridge * max(steps, 1.0))
        # faster than to solve for each of many cells
        return np.asarray(np.linalg.inv(system) @ mixed, "f4")

    def best(self, choices: Sequence[Choice]) -> np.ndarray:
        """Return the number of the choice of each cell with the least error.

        The error is that in the folds that are left out in turn.
        """
        which: np.ndarray = np.zeros(self.groups.size, int)
        for group, cells in self._slabs(choices) if len(choices) > 1 else ():
            errors = np.zeros((len(choices), cells.size))
            for fold in range(FOLDS):
                own, mixed, steps, _ = self._without(fold, group, cells)
                # the products of the group's steps stand for those of the valid steps
                least = max(float(self.steps[group, fold]), np.finfo("f4").tiny)
                share = (self.valid[fold, cells] / least).astype("f4")
                wanted = self.mixed[fold][:, cells]
                for i, choice in enumerate(choices):
                    rows = choice.rows(self.free)
                    found = self._solution(choice, own, mixed[rows], steps)
                    product = self.own[group, fold][np.ix_(rows, rows)].astype("f4") @ found
                    excess = share * product - 2 * wanted[rows]
                    errors[i] += (found * excess).sum(axis=0, dtype="f8")
            which[cells] = errors.argmin(axis=0)
        return which

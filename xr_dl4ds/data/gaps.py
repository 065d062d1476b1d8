"""Gaps of targets: steps without any value, and groups of cells with similar gaps."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
from scipy.cluster import vq

#: Random numbers that describe the gaps of a cell; cells with the same gaps have the same numbers.
MARKS = 16
#: Cells whose gaps define the groups, at most.
SAMPLE = 2**12


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Gaps:
    """Gaps of all cells.

    Parameters
    ----------
    kept : numpy.ndarray
        ``(time,)``, True for steps at which any cell has a value; the others count nowhere.
    some : numpy.ndarray
        ``(cell,)``, True for cells with a value at any step.
    mean : numpy.ndarray
        ``(cell,)``, float32, the mean of the values of each cell, 0 without values.
    marks : numpy.ndarray
        ``(cell, mark)``, random projections of the gaps of each cell, 0 without gaps.
    """

    kept: np.ndarray
    some: np.ndarray
    mean: np.ndarray
    marks: np.ndarray

    def groups(self, most: int) -> np.ndarray:
        """Return the group of each cell, ``(cell,)``; cells without any value have -1.

        The cells of a group have the same gaps or, where more than `most` kinds of gaps exist,
        similar gaps. Cells without gaps have a group of their own if `most` is at least 2.
        """
        found = np.full(self.some.size, -1)
        found[self.some] = _grouped(self.marks[self.some], most)
        return found


def gaps_of(slabs: Iterable[np.ndarray]) -> Gaps:
    """Return the gaps of values ``(time, cell)``, NaN where missing, given in slabs of time."""
    rng = np.random.default_rng(0)
    kept: list[np.ndarray] = []
    count, total, marks = (np.zeros((), dtype) for dtype in ("i8", "f8", "f8"))
    for values in slabs:
        valid = np.isfinite(values)
        kept.append(valid.any(axis=1))
        count = count + valid.sum(axis=0)
        total = total + values.sum(axis=0, dtype="f8", where=valid)
        missing = ~valid[kept[-1]]
        if missing.any():
            # sums of integers are exact, so that the same gaps give the same marks
            numbers = rng.integers(-99, 100, (MARKS, len(missing))).astype("f4")
            marks = marks + numbers @ missing.astype("f4")
    return Gaps(
        kept=np.concatenate(kept),
        some=count > 0,
        mean=(total / np.maximum(count, 1)).astype("f4"),
        marks=np.broadcast_to(marks, (MARKS, count.size)).T,
    )


def _grouped(marks: np.ndarray, most: int) -> np.ndarray:
    """Return groups of cells with the same marks, or clusters of marks if these are too many."""
    if not marks.any():
        return np.zeros(len(marks), int)
    kinds, found = np.unique(marks, axis=0, return_inverse=True)
    if len(kinds) <= most:
        return found.reshape(-1)
    gappy = marks.any(axis=1)
    clusters = most - int(not gappy.all())
    found = np.zeros(len(marks), int)
    if clusters:
        found[gappy] = most - clusters + vq.vq(marks[gappy], _centres(marks[gappy], clusters))[0]
    numbers: np.ndarray = np.unique(found, return_inverse=True)[1]
    return numbers


def _centres(marks: np.ndarray, most: int) -> np.ndarray:
    """Return the centres of clusters of marks; the most frequent marks are the first centres."""
    rng = np.random.default_rng(0)
    sample = rng.permutation(marks)[:SAMPLE]
    kinds, counts = np.unique(sample, axis=0, return_counts=True)
    order = rng.permutation(len(kinds))
    order = order[np.argsort(-counts[order], kind="stable")]
    centres: np.ndarray = vq.kmeans(sample, kinds[order[:most]])[0]
    return centres

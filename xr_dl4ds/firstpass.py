"""The one pass over the data before training: statistics, masks, and which steps have values."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import dask
import numpy as np
import xarray as xr

from xr_dl4ds.grid.fields import TIME, X, Y
from xr_dl4ds.grid.nesting import to_hr_cells
from xr_dl4ds.moments import Moments, rows_of
from xr_dl4ds.sources import Pair


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Steps:
    """Which steps have values, each ``(time,)``.

    Parameters
    ----------
    some : numpy.ndarray
        Whether any cell of any target is valid.
    whole : numpy.ndarray
        Whether all cells of all targets are.
    """

    some: np.ndarray
    whole: np.ndarray

    def starts(self, window: int | None, runs: Sequence[slice] | None) -> np.ndarray:
        """First step of each sample that has a valid cell.

        Parameters
        ----------
        window : int, optional
            Steps of a sample, 1 by default.
        runs : sequence of slice, optional
            Parts of the time axis that samples do not leave; the whole by default.
        """
        steps = window or 1
        parts = [slice(0, self.some.size)] if runs is None else runs
        found = np.concatenate([np.arange(p.start, p.stop - steps + 1) for p in parts])
        found = found.astype("i8")
        return found[_count(self.some, found, steps) > 0]

    def without_gaps(self, starts: np.ndarray, window: int | None) -> np.ndarray:
        """Whether the samples that begin at these steps have no cell that is not valid."""
        return _count(self.whole, starts, window or 1) == (window or 1)


def _count(flags: np.ndarray, starts: np.ndarray, steps: int) -> np.ndarray:
    before = np.concatenate([[0], np.cumsum(flags)])
    return before[starts + steps] - before[starts]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Held:
    """What is known of validation data.

    Parameters
    ----------
    steps : Steps
        Which have values.
    moments : list of dict
        `Moments` of HR and of LR variables, which tell them from other data.
    """

    steps: Steps
    moments: list[dict[str, Moments]]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What is known of the data after one pass.

    Parameters
    ----------
    hr, lr : dict
        `Moments` of each variable of the training part.
    never : xarray.Dataset
        For each target, True in the HR cells ``(y, x)`` without a valid value in training.
    train : Steps
        Which steps of the training part have values.
    held : Held
        What is known of the validation part.
    """

    hr: dict[str, Moments]
    lr: dict[str, Moments]
    never: xr.Dataset
    train: Steps
    held: Held


def look(train: Sequence[Pair], validation: Sequence[Pair], scale: int) -> Found:
    """Read training and validation data once.

    Parameters
    ----------
    train, validation : sequence of Pair
        Each a series of samples; without `validation` none is held out.
    scale : int
        HR cells along one edge of an LR cell.
    """
    hr, lr, nothing, valid, held = dask.compute(
        [_rows(pair.hr) for pair in train],
        [_rows(pair.lr) for pair in train],
        [pair.hr.isnull().all(TIME) for pair in train],
        [_valid(pair, scale) for pair in train],
        _asked(validation, scale),
    )
    return Found(
        hr=_moments(hr),
        lr=_moments(lr),
        never=functools.reduce(operator.and_, nothing),
        train=_steps(valid),
        held=_held(held),
    )


def held_of(pairs: Sequence[Pair], scale: int) -> Held:
    """What is known of validation data, of all pairs one after the other."""
    (found,) = dask.compute(_asked(pairs, scale))
    return _held(found)


def _asked(pairs: Sequence[Pair], scale: int) -> list[list[Any]]:
    """Flags, HR and LR rows of validation data, lazily."""
    return [
        [_valid(pair, scale) for pair in pairs],
        [_rows(pair.hr) for pair in pairs],
        [_rows(pair.lr) for pair in pairs],
    ]


def _held(found: Sequence[Any]) -> Held:
    valid, *rows = found
    return Held(steps=_steps(valid), moments=[_moments(one) for one in rows if one])


def _rows(data: xr.Dataset) -> dict[str, object]:
    return {str(name): rows_of(variable) for name, variable in data.items()}


def _moments(rows: Sequence[dict[str, np.ndarray]]) -> dict[str, Moments]:
    """Of all series together."""
    flat = {name: [one[name].reshape(-1, one[name].shape[-1]) for one in rows] for name in rows[0]}
    return {name: Moments.of(np.concatenate(parts)) for name, parts in flat.items()}


def _valid(pair: Pair, scale: int) -> xr.Dataset:
    """Flags "some" and "whole", lazily."""
    some, whole = [], []
    for name, target in pair.hr.items():
        valid = target.notnull()
        if name in pair.lr and not pair.made:
            valid = valid & ~to_hr_cells(pair.lr[name].isnull(), scale)
        some.append(valid.any((Y, X)))
        whole.append(valid.all((Y, X)))
    flags = {
        "some": functools.reduce(operator.or_, some),
        "whole": functools.reduce(operator.and_, whole),
    }
    return xr.Dataset({name: flag.drop_vars(list(flag.coords)) for name, flag in flags.items()})


def _steps(found: Iterable[xr.Dataset]) -> Steps:
    none = [np.zeros(0, bool)]
    some, whole = (
        np.concatenate([*none, *(one[name].to_numpy() for one in found)])
        for name in ("some", "whole")
    )
    return Steps(some=some, whole=whole)

"""Single pass over the data before training: statistics, masks, and steps with values."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import dask
import numpy as np
import xarray as xr

from xr_dl4ds.config import Scale
from xr_dl4ds.data.inputs import Pair
from xr_dl4ds.data.moments import Moments, rows_of
from xr_dl4ds.grid.names import TIME, X, Y
from xr_dl4ds.grid.regridding.nesting import to_hr_cells


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Steps:
    """Flags of the time steps that have values, each ``(time,)``.

    Parameters
    ----------
    some : numpy.ndarray
        True if any cell of any target is valid.
    whole : numpy.ndarray
        True if all cells of all targets are valid.
    """

    some: np.ndarray
    whole: np.ndarray

    def starts(self, window: int | None, runs: Sequence[slice] | None) -> np.ndarray:
        """Return the first step of each sample that has a valid cell.

        Parameters
        ----------
        window : int, optional
            Number of steps of a sample, 1 by default.
        runs : sequence of slice, optional
            Parts of the time axis; each sample lies within one part. By default, the whole axis.
        """
        steps = window or 1
        parts = [slice(0, self.some.size)] if runs is None else runs
        found = np.concatenate([np.arange(p.start, p.stop - steps + 1) for p in parts])
        found = found.astype("i8")
        return found[_count(self.some, found, steps) > 0]

    def without_gaps(self, starts: np.ndarray, window: int | None) -> np.ndarray:
        """Return True for samples without missing cells; `starts` are their first steps."""
        whole: np.ndarray = _count(self.whole, starts, window or 1) == (window or 1)
        return whole


def _count(flags: np.ndarray, starts: np.ndarray, steps: int) -> np.ndarray:
    before = np.concatenate([[0], np.cumsum(flags)])
    counted: np.ndarray = before[starts + steps] - before[starts]
    return counted


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class HoldOut:
    """Results of the pass over validation data.

    Parameters
    ----------
    steps : Steps
        Steps that have values.
    moments : list of dict
        `Moments` of HR and of LR variables, which distinguish these data from other data.
    """

    steps: Steps
    moments: list[dict[str, Moments]]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class DataStatistics:
    """Results of the pass over all data.

    Parameters
    ----------
    hr, lr : dict
        `Moments` of each variable of the training part.
    always_missing : xarray.Dataset
        For each target, True in the HR cells ``(y, x)`` without a valid value in training.
    train : Steps
        Steps of the training part that have values.
    held : HoldOut
        Results for the validation part.
    """

    hr: dict[str, Moments]
    lr: dict[str, Moments]
    always_missing: xr.Dataset
    train: Steps
    held: HoldOut


def read_statistics(
    train: Sequence[Pair], validation: Sequence[Pair], scale: Scale
) -> DataStatistics:
    """Read training and validation data once.

    Parameters
    ----------
    train, validation : sequence of Pair
        Pairs, each a series of samples; `validation` is empty if no data are held out.
    scale : Scale
        HR cells along the edges of an LR cell.
    """
    hr, lr, nothing, valid, held = dask.compute(
        [_rows(pair.hr) for pair in train],
        [_rows(pair.lr) for pair in train],
        [pair.hr.isnull().all(TIME) for pair in train],
        [_valid(pair, scale) for pair in train],
        _lazy_statistics(validation, scale),
    )
    return DataStatistics(
        hr=_moments(hr),
        lr=_moments(lr),
        always_missing=functools.reduce(operator.and_, nothing),
        train=_steps(valid),
        held=_held(held),
    )


def validation_statistics(pairs: Sequence[Pair], scale: Scale) -> HoldOut:
    """Read all pairs of validation data, one after the other."""
    (found,) = dask.compute(_lazy_statistics(pairs, scale))
    return _held(found)


def _lazy_statistics(pairs: Sequence[Pair], scale: Scale) -> list[list[Any]]:
    """Return flags, HR rows and LR rows of validation data, lazily."""
    return [
        [_valid(pair, scale) for pair in pairs],
        [_rows(pair.hr) for pair in pairs],
        [_rows(pair.lr) for pair in pairs],
    ]


def _held(found: Sequence[Any]) -> HoldOut:
    valid, *rows = found
    return HoldOut(steps=_steps(valid), moments=[_moments(one) for one in rows if one])


def _rows(data: xr.Dataset) -> dict[str, object]:
    return {str(name): rows_of(variable) for name, variable in data.items()}


def _moments(rows: Sequence[dict[str, np.ndarray]]) -> dict[str, Moments]:
    """Combine the rows of all series for each variable."""
    flat = {name: [one[name].reshape(-1, one[name].shape[-1]) for one in rows] for name in rows[0]}
    return {name: Moments.of(np.concatenate(parts)) for name, parts in flat.items()}


def _valid(pair: Pair, scale: Scale) -> xr.Dataset:
    """Compute the flags "some" and "whole" of `Steps`, lazily."""
    some, whole = [], []
    for name, target in pair.hr.items():
        valid = target.notnull()
        if name in pair.lr and not pair.synthetic_lr:
            valid = valid & ~to_hr_cells(pair.lr_inside[name].isnull(), scale)
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

"""The one pass over the data before training: statistics, masks, and which steps have values."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Iterable, Sequence

import dask
import numpy as np
import xarray as xr

from xr_dl4ds.grid.fields import TIME, X, Y
from xr_dl4ds.grid.nesting import to_hr_cells
from xr_dl4ds.moments import Moments, rows_of
from xr_dl4ds.sources import Pair


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What is known of the data after one pass.

    Parameters
    ----------
    hr, lr : dict
        `Moments` of each variable of the training part.
    never : xarray.Dataset
        For each target, True in the HR cells ``(y, x)`` without a valid value in training.
    train, validation : numpy.ndarray
        ``(time,)``, whether a step has a valid target cell.
    """

    hr: dict[str, Moments]
    lr: dict[str, Moments]
    never: xr.Dataset
    train: np.ndarray
    validation: np.ndarray


def look(train: Sequence[Pair], validation: Sequence[Pair], scale: int) -> Found:
    """Read training and validation data once.

    Parameters
    ----------
    train, validation : sequence of Pair
        Each a series of samples; without `validation` none is held out.
    scale : int
        HR cells along one edge of an LR cell.
    """
    hr, lr, nothing, useful = dask.compute(
        [_rows(pair.hr) for pair in train],
        [_rows(pair.lr) for pair in train],
        [pair.hr.isnull().all(TIME) for pair in train],
        [_useful(pair, scale) for pair in (*train, *validation)],
    )
    return Found(
        hr=_moments(hr),
        lr=_moments(lr),
        never=functools.reduce(operator.and_, nothing),
        train=_one(useful[: len(train)]),
        validation=_one(useful[len(train) :]),
    )


def useful_steps(pairs: Sequence[Pair], scale: int) -> np.ndarray:
    """Whether each step has a valid target cell, ``(time,)``, of all pairs one after the other."""
    (found,) = dask.compute([_useful(pair, scale) for pair in pairs])
    return _one(found)


def _rows(data: xr.Dataset) -> dict[str, object]:
    return {str(name): rows_of(variable) for name, variable in data.items()}


def _moments(rows: Sequence[dict[str, np.ndarray]]) -> dict[str, Moments]:
    """Of all series together."""
    flat = {name: [one[name].reshape(-1, one[name].shape[-1]) for one in rows] for name in rows[0]}
    return {name: Moments.of(np.concatenate(parts)) for name, parts in flat.items()}


def _useful(pair: Pair, scale: int) -> xr.DataArray:
    found = []
    for name, target in pair.hr.items():
        valid = target.notnull()
        if name in pair.lr and not pair.made:
            valid = valid & ~to_hr_cells(pair.lr[name].isnull(), scale)
        found.append(valid.any((Y, X)))
    return functools.reduce(operator.or_, found)


def _one(steps: Iterable[xr.DataArray]) -> np.ndarray:
    return np.concatenate([np.zeros(0, bool), *(one.to_numpy() for one in steps)])

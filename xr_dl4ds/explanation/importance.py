"""Permutation importance: the increase of errors when the values of one predictor are shuffled.

Breiman (2001, doi:10.1023/A:1010933404324) introduced the method for random forests; Fisher, Rudin
and Dominici (2019, arXiv:1801.01489) define it for any model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from xr_dl4ds.config import Json
from xr_dl4ds.explanation.alterations import Shuffle, Unaltered
from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.names import REALIZATION, TIME, X, Y
from xr_dl4ds.metrics import crps, rmse
from xr_dl4ds.metrics.areas import cell_areas
from xr_dl4ds.metrics.matching import on_common_cells, read
from xr_dl4ds.prediction.network_input import AppliesNetwork
from xr_dl4ds.prediction.predict import Task, predict
from xr_dl4ds.prediction.request import Alteration

_ALL = (TIME, Y, X)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Scoring:
    """Scores of the predictions of a model from altered fields.

    Parameters
    ----------
    task : Task
        The model and the caller's data.
    truth : Fields
        The truth, under the names of the training.
    names : sequence of str
        Targets to score.
    runner : xr_dl4ds.inference.Runner
        Applies the network.
    provenance : mapping
        Provenance of the model.
    """

    task: Task
    truth: Fields
    names: Sequence[str]
    runner: AppliesNetwork
    provenance: Json

    def scores(self, alteration: Alteration) -> xr.Dataset:
        """Return rmse and, for an ensemble, crps of each target along ``variable``, computed.

        All valid cells and times count, weighted by the areas of the cells, as in `evaluate`.
        """
        task = self.task
        request = dataclasses.replace(task.request, alteration=alteration)
        prediction = predict(task.state, task.options, request, self.runner, self.provenance)
        given = read(prediction, request.dims, "the prediction", members=True)
        given = as_trained(task, given, "the prediction", self.names)
        mine, theirs = on_common_cells(given, self.truth)
        weights = cell_areas(theirs.grid)
        found = [_scores(mine.data[n], theirs.data[n], weights) for n in self.names]
        return xr.concat(found, xr.Variable("variable", list(self.names))).compute()


def as_trained(task: Task, fields: Fields, role: str, names: Sequence[str]) -> Fields:
    """Return some variables under their names and in their units of training."""
    state = task.state
    named = fields.named_as(state.slices, state.levels, role, "training")
    return named.pick(list(names)).in_units(state.units, role, "training")


def _scores(
    prediction: xr.DataArray, truth: xr.DataArray, weights: xr.DataArray | None
) -> xr.Dataset:
    if REALIZATION not in prediction.dims:
        return xr.Dataset({"rmse": rmse(prediction, truth, _ALL, weights)})
    mean = prediction.astype("f8").mean(REALIZATION, skipna=False)
    valid = truth.where(mean.notnull())
    members = crps(prediction, valid, _ALL, weights=weights)
    return xr.Dataset({"rmse": rmse(mean, valid, _ALL, weights), "crps": members})


def importance(
    scoring: Scoring, predictors: Mapping[str, str], repeats: int, seed: int
) -> xr.Dataset:
    """Return scores of the prediction, and their increase for each predictor.

    Parameters
    ----------
    scoring : Scoring
        Model, data and truth.
    predictors : mapping
        Labels along ``predictor`` of LR variables and static fields, by their names in training.
    repeats : int
        Number of shuffles of each predictor.
    seed : int
        Seed of the shuffles. In each repeat all predictors are shuffled in the same order.

    Returns
    -------
    xarray.Dataset
        For each score, "<score>" ``(variable)``; "<score>_increase", the mean over the repeats, and
        "<score>_increase_std", their standard deviation (``ddof=1``; NaN for a single repeat), both
        ``(variable, predictor)``.
    """
    before = scoring.scores(Unaltered())
    rows = []
    for name in predictors:
        shuffles = (Shuffle(name=name, seed=seed, repeat=i) for i in range(repeats))
        rows.append(xr.concat([scoring.scores(one) - before for one in shuffles], "repeat"))
    after = xr.concat(rows, xr.Variable("predictor", list(predictors.values())))
    spread = after.std("repeat", ddof=1) if repeats > 1 else after.mean("repeat") * np.nan
    parts = {"": before, "_increase": after.mean("repeat"), "_increase_std": spread}
    found = {f"{score}{end}": one[score] for score in before for end, one in parts.items()}
    return xr.Dataset(found).transpose("variable", "predictor")

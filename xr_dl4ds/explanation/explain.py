"""The explanation of a model as one dataset: importance of predictors, and saliency."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import xarray as xr

from xr_dl4ds.config import Json, Options, nearest
from xr_dl4ds.config.value_checks import whole_number
from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.data.state import State
from xr_dl4ds.exceptions import TimeError, VariableError
from xr_dl4ds.explanation.importance import Scoring, as_trained, importance
from xr_dl4ds.explanation.saliency import FollowsPaths, saliency
from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.cf.georeference import PROVENANCE, georeference
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import TIME, Data, X, Y
from xr_dl4ds.grid.regridding.surroundings import widened
from xr_dl4ds.grid.units import difference_of
from xr_dl4ds.metrics.matching import read
from xr_dl4ds.prediction.predict import Task
from xr_dl4ds.prediction.request import ROLE, Request

_TRUTH = "the truth"

#: Long names of the variables of an explanation; False for units of a difference.
_ABOUT = {
    "rmse": ("RMSE of the prediction", True),
    "rmse_increase": ("increase of the RMSE for a shuffled predictor", True),
    "rmse_increase_std": ("standard deviation of the increase of the RMSE over shuffles", True),
    "crps": ("CRPS of the prediction", True),
    "crps_increase": ("increase of the CRPS for a shuffled predictor", True),
    "crps_increase_std": ("standard deviation of the increase of the CRPS over shuffles", True),
    "saliency": ("mean integrated gradient of the region's mean", False),
    "saliency_size": ("mean absolute integrated gradient of the region's mean", False),
    "region_mean": ("mean of the network's output over the region", True),
    "baseline_mean": ("mean over the region for LR fields at their training mean", True),
    "saliency_residual": ("region_mean - baseline_mean - sum of saliency", False),
}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """Arguments of an explanation, see `xr_dl4ds.downscaler.Downscaler.explain`."""

    truth: Data
    variable: str | None = None
    region: xr.DataArray | None = None
    repeats: int = 5
    steps: int = 32

    def __post_init__(self) -> None:
        whole_number(self, "repeats", 1)
        whole_number(self, "steps", 1)


@with_expected_options
def explain(
    state: State,
    options: Options,
    request: Request,
    question: Question,
    runner: FollowsPaths,
    provenance: Json,
) -> xr.Dataset:
    """Explain the predictions of a model.

    Parameters
    ----------
    state : State
        State of the fitted model.
    options : Options
        The options of the model.
    request : Request
        The caller's data; not changed.
    question : Question
        Truth, region and numbers.
    runner : xr_dl4ds.inference.Runner
        Applies the network.
    provenance : mapping
        Provenance of the model, for the attributes of the result.

    Returns
    -------
    xarray.Dataset
        See `xr_dl4ds.downscaler.Downscaler.explain`.
    """
    task = Task.of(state, options, request)
    truth, names = _truth(task, question)
    ensembles = list(task.ensembles(runner))
    ensemble = ensembles[0][0]
    steps = ensemble.draws.network_input.lr.sizes[TIME]
    if steps < 2:
        raise TimeError(
            f"Expected {ROLE} to have at least 2 time steps, which are shuffled, got {steps}."
            " Select more steps."
        )
    varying, static = list(state.features.lr_varying), list(state.features.static)
    maps = saliency(task, ensembles, question.region, names, runner, question.steps)
    scoring = Scoring(task=task, truth=truth, names=names, runner=runner, provenance=provenance)
    labels = {n: state.counterparts.get(n, n) for n in (*varying, *static)}
    found = importance(scoring, labels, question.repeats, request.seed)
    grid = widened(ensemble.physics.placement.lr, state.pairing.context)
    assert grid is not None
    maps = maps.assign_coords(predictor=[labels[n] for n in varying])
    maps = maps.reindex(predictor=list(labels.values()))
    out = _georeferenced(maps, grid, task.source, provenance).assign(found.data_vars)
    kinds = ["counterpart" if n in state.features.counterparts else "predictor" for n in varying]
    out = out.assign_coords(kind=("predictor", [*kinds, *["static"] * len(static)]))
    return _described(out, {n: str(state.attrs[n].get("units", "1")) for n in names})


def _truth(task: Task, question: Question) -> tuple[Fields, list[str]]:
    """Return the truth under the names of training, and the targets to explain."""
    fields = read(question.truth, task.request.dims, _TRUTH)
    state = task.state
    named = fields.named_as(state.slices, state.levels, _TRUTH, "training")
    names = [n for n in state.features.targets if n in named.varying]
    if not names:
        raise VariableError(
            f"Expected {_TRUTH} to have one of the targets {list(state.features.targets)}, got"
            f" {named.varying}. Rename the variable that is meant."
        )
    if question.variable is not None:
        if question.variable not in names:
            raise VariableError(
                f"Expected `variable` to be one of {names}, got {question.variable!r}."
                f"{nearest(question.variable, names)} Pass one of these."
            )
        names = [question.variable]
    return as_trained(task, fields, _TRUTH, names), names


def _georeferenced(
    maps: xr.Dataset, grid: Grid, source: xr.Dataset, provenance: Json
) -> xr.Dataset:
    """Return maps ``(..., y, x)`` in the layout of the LR grid, with its coordinates."""
    back = {Y: grid.y.order.argsort(), X: grid.x.order.argsort()}
    out = maps.isel(back).rename({Y: grid.y.name, X: grid.x.name})
    fields = [str(n) for n, v in out.data_vars.items() if grid.y.name in v.dims]
    placed = georeference(out[fields], grid, {n: {} for n in fields}, source, provenance)
    out = placed.assign({n: out[n] for n in out.data_vars if n not in fields})
    out.attrs = {
        "title": "Importance of predictors, and saliency of a region's mean",
        "references": "doi:10.1023/A:1010933404324, arXiv:1801.01489, arXiv:1703.01365",
        PROVENANCE: placed.attrs[PROVENANCE],
    }
    return out


def _described(out: xr.Dataset, units: Mapping[str, str]) -> xr.Dataset:
    """Set long names and units; a single target has no dimension."""
    shared = set(units.values())
    for name in out.data_vars:
        long_name, absolute = _ABOUT[str(name)]
        kept = {k: v for k, v in out[name].attrs.items() if k == "grid_mapping"}
        found = {one if absolute else str(difference_of(one)) for one in shared}
        out[name].attrs = {"long_name": long_name, **kept}
        if len(found) == 1:
            out[name].attrs["units"] = found.pop()
    if len(units) == 1:
        return out.isel(variable=0)
    return out.assign_coords(units=("variable", list(units.values())))

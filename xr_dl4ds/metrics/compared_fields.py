"""The fields that `evaluate` compares, and the scores of all their variables."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Mapping, Sequence

import xarray as xr

from xr_dl4ds.metrics.between_variables import Variables, pair_scores
from xr_dl4ds.metrics.coarse_cells import CoarseCells
from xr_dl4ds.metrics.grouping import Parts, by_parts
from xr_dl4ds.metrics.sample import Sample
from xr_dl4ds.metrics.score import Score
from xr_dl4ds.metrics.score_registry import chosen, lacking
from xr_dl4ds.metrics.scoring import scores_of

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ComparedFields:
    """Prediction, truth and baselines on common cells and times.

    Parameters
    ----------
    prediction, truth : xarray.Dataset
        The variables to score.
    baselines : mapping
        The fields of each baseline.
    coarse : mapping
        The LR cells of each variable, as far as there are LR fields.
    weights : xarray.DataArray, optional
        Weights of cells.
    thresholds : tuple of float
        Thresholds in units of the variables.
    periods : xarray.DataArray, optional
        True for the steps of each of two periods.
    periodic : bool
        True for fields that go once around the globe.
    """

    prediction: xr.Dataset
    truth: xr.Dataset
    baselines: Mapping[str, xr.Dataset]
    coarse: Mapping[str, CoarseCells]
    weights: xr.DataArray | None
    thresholds: tuple[float, ...]
    periods: xr.DataArray | None
    periodic: bool

    def sample(self, name: str) -> Sample:
        """Return the fields of one variable."""
        sample = Sample.of(
            self.prediction[name],
            self.truth[name],
            {label: one[name] for label, one in self.baselines.items()},
            weights=self.weights,
            thresholds=self.thresholds,
        )
        return dataclasses.replace(
            sample,
            periodic=self.periodic,
            coarse=self.coarse.get(name),
            periods=self.periods,
            variables=len(self.truth.data_vars),
        )

    def scores(self, asked: str | Sequence[str] | None, parts: Sequence[Parts]) -> xr.Dataset:
        """Return the scores that are asked for, of each variable and part, and of their pairs."""
        names = [str(name) for name in self.truth.data_vars]
        found, samples, notes = [], {}, set()
        lacks: dict[str, str] = {}
        between: dict[str, Score] = {}
        for name in names:
            sample = self.sample(name)
            wanted = chosen(asked, sample)
            lacks |= {n: f"{n} needs {lack}." for n, lack in lacking(asked, sample).items()}
            notes |= {score.note(sample.truth) for score in wanted.values() if score.note}
            between |= {n: score for n, score in wanted.items() if score.kind == "variables"}
            own = {n: score for n, score in wanted.items() if n not in between}
            found.append(by_parts(sample, parts, functools.partial(scores_of, chosen=own)))
            if between:
                samples[name] = sample
        for note in sorted(notes - {""}):
            logger.warning(note)
        left_out = {"not_scored": "\n".join(lacks.values())} if lacks else {}
        if len(found) == 1:
            return found[0].assign_coords(variable=names[0]).assign_attrs(left_out)
        out = xr.concat(found, dim=xr.Variable("variable", names), combine_attrs="drop_conflicts")
        if between:
            pairs = functools.partial(pair_scores, chosen=between)
            out = out.merge(by_parts(Variables(samples=samples), parts, pairs))
        units = [self.truth[name].attrs.get("units", "1") for name in names]
        out = out.assign_coords(units=("variable", units))
        if "threshold" in out.coords:
            out["threshold"].attrs = {}  # in the units of each variable
        return out.assign_attrs(left_out)

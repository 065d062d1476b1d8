"""Scores of pairs of variables, such as the correlation of temperature and precipitation."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping

import xarray as xr

from xr_dl4ds.metrics.sample import PARTS, PREDICTION, Sample, over_members
from xr_dl4ds.metrics.score import Score


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Variables:
    """The samples of several variables on the same grid and times.

    Parameters
    ----------
    samples : mapping
        The sample of each variable.
    """

    samples: Mapping[str, Sample]

    def where(self, inside: xr.DataArray) -> Variables:
        """Return the samples in some cells."""
        return Variables(samples={n: one.where(inside) for n, one in self.samples.items()})

    def at(self, times: dict) -> Variables:
        """Return the samples at some positions along dimensions."""
        return Variables(samples={n: one.at(times) for n, one in self.samples.items()})


def pair_scores(variables: Variables, chosen: Mapping[str, Score]) -> xr.Dataset:
    """Compute scores of each pair of variables, in the products and in the truth.

    Parameters
    ----------
    variables : Variables
        The samples.
    chosen : mapping
        The scores by name, of kind "variables".

    Returns
    -------
    xarray.Dataset
        Along ``variable`` and ``other_variable``; lazy if the fields are.
    """
    first = next(iter(variables.samples.values()))
    truth = {name: one.truth for name, one in variables.samples.items()}
    out = {}
    for name, score in chosen.items():
        attrs = {"units": score.units or "1", "long_name": score.long_name}
        for part in ("", "_map") if score.mapped else ("",):
            dims = PARTS[part]
            found = [_matrix(one, score, dims, first.weights) for one in _products(variables)]
            out[name + part] = xr.concat(found, "product").assign_attrs(attrs)
            own = _matrix(truth, score, dims, first.weights)
            out[f"{name}{part}_truth"] = own.assign_attrs(attrs)
    return xr.Dataset(out)


def _products(variables: Variables) -> list[dict[str, xr.DataArray]]:
    """Return the fields by variable, along ``product``: the prediction, and the baselines."""
    samples = variables.samples
    if all(one.members is None for one in samples.values()):
        return [{name: one.products for name, one in samples.items()}]
    own = {
        name: one.with_members[PREDICTION].expand_dims(product=[PREDICTION])
        for name, one in samples.items()
    }
    baselines = {name: one.products.drop_sel(product=PREDICTION) for name, one in samples.items()}
    return [own, baselines] if next(iter(baselines.values())).sizes["product"] else [own]


def _matrix(
    fields: Mapping[str, xr.DataArray],
    score: Score,
    dims: tuple[str, ...],
    weights: xr.DataArray | None,
) -> xr.DataArray:
    """Return a score of each pair of variables, along ``variable`` and ``other_variable``."""
    plain = {n: one.drop_attrs() for n, one in fields.items()}
    found: dict[tuple[str, str], xr.DataArray] = {}
    for one, other in itertools.combinations_with_replacement(plain, 2):
        value = over_members(score.function(plain[one], plain[other], dims, weights=weights))
        found[one, other] = found[other, one] = value
    rows = [
        xr.concat([found[one, other] for other in plain], xr.Variable("other_variable", [*plain]))
        for one in plain
    ]
    return xr.concat(rows, xr.Variable("variable", [*plain]))

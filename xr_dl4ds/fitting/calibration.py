"""Calibration of a fitted model's ensembles, measured on the validation data."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping

import dask
import xarray as xr

from xr_dl4ds import metrics
from xr_dl4ds.config import Scale
from xr_dl4ds.data.channels import CHANNEL
from xr_dl4ds.data.prepare import Prepared
from xr_dl4ds.downscaler import Downscaler
from xr_dl4ds.fitting.samples_of import network_input_of
from xr_dl4ds.grid.names import REALIZATION, TIME, X, Y
from xr_dl4ds.grid.regridding.nesting import to_hr_cells
from xr_dl4ds.prediction.ensemble import Draws, MemberSources

logger = logging.getLogger(__name__)

MEMBERS = 10
#: Number of time steps that are scored, evenly spread over the validation data; for spatio-temporal
#: models one run of consecutive steps.
STEPS = 64
#: Most HR cells of all members, steps and targets together; scores take about 42 bytes for each.
CELLS = 2**25
#: Mean correlation of the detail that members add to the LR fields, above which an ensemble has
#: collapsed.
COLLAPSED = 0.999
#: Spread-skill ratio below which an ensemble is overconfident.
OVERCONFIDENT = 0.5


def with_calibration(model: Downscaler, prepared: Prepared) -> Downscaler:
    """Add calibration scores to a model's provenance, and warn if its ensembles are poor.

    There are two scores for each target, of `MEMBERS` members at `STEPS` steps of the validation
    data, in scaled units. The spread-skill ratio is 1 if members differ as much from each other as
    the truth from their mean (Fortin et al. 2014, doi:10.1175/JHM-D-14-0008.1). The member
    correlation is the mean correlation between members of the detail that they add to the means
    over LR cells. Deterministic models, and models without validation data, are returned unchanged.

    Parameters
    ----------
    model : Downscaler
        The fitted model.
    prepared : Prepared
        The data on which it was fitted.
    """
    sources = MemberSources.of(model.state, model.options)
    if prepared.validation is None or not (sources.network or sources.distributions):
        return model
    members, truth = _drawn(model, sources, prepared)
    kinds = sources.heads.kinds
    found = {
        name: _scores(
            members.isel({CHANNEL: i}), truth.isel({CHANNEL: i}), model.state.pairing.scale
        )
        for i, name in enumerate(model.state.features.targets)
        if sources.network or kinds[i] is not None  # others are deterministic by choice
    }
    for name, scores in found.items():
        _warn(name, scores)
    return dataclasses.replace(model, provenance={**model.provenance, "calibration": found})


def _drawn(
    model: Downscaler, sources: MemberSources, prepared: Prepared
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return members ``(realization, time, y, x, channel)`` and truth, scaled, in memory."""
    assert prepared.validation is not None
    given, truth = network_input_of(model, prepared, prepared.validation, STEPS, CELLS // MEMBERS)
    draws = Draws(sources=sources, runner=model.runner, network_input=given)
    members = xr.concat(list(draws.members(MEMBERS, seed=0)), REALIZATION)
    drawn, truth = dask.compute(members, truth)
    plain = [one.drop_vars(list(one.coords)) for one in (drawn, truth)]
    return plain[0], plain[1]


def _scores(members: xr.DataArray, truth: xr.DataArray, scale: Scale) -> dict[str, float]:
    """Return the scores as plain values; NaN if there is nothing to compare."""
    dims = (TIME, Y, X)
    members = members.where(truth.notnull())
    ratio = metrics.spread_skill(members, truth, dims)
    detail = members
    if scale.cells > 1:
        detail = members - to_hr_cells(members.coarsen(scale.by_dim).mean(), scale)
    correlation = metrics.member_correlation(detail, dims)
    return {"spread_skill_ratio": float(ratio), "member_correlation": float(correlation)}


def _warn(name: str, scores: Mapping[str, float]) -> None:
    ratio, correlation = scores["spread_skill_ratio"], scores["member_correlation"]
    if correlation > COLLAPSED:
        logger.warning(
            "the ensemble of %r has collapsed: its members correlate by %.4f in what they add to"
            " LR, and their spread is %.2f of the error. Train longer, with loss='crps' or"
            " pixel_loss='crps', or fit a distribution (loss='gaussian_nll')",
            name,
            correlation,
            ratio,
        )
    elif ratio < OVERCONFIDENT:
        logger.warning(
            "the ensemble of %r is too sure of itself: its spread is %.2f of the error of its mean"
            " (1 is right). Train with loss='crps' or pixel_loss='crps', or fit a distribution"
            " (loss='gaussian_nll')",
            name,
            ratio,
        )

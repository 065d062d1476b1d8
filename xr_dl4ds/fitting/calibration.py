"""Calibration and texture of a fitted model's ensembles, measured on the validation data."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping

import dask
import numpy as np
import xarray as xr

from xr_dl4ds import metrics
from xr_dl4ds.config import Scale
from xr_dl4ds.config.distribution_channels import is_latent
from xr_dl4ds.data.channels import CHANNEL
from xr_dl4ds.data.guess_choice import guess_of
from xr_dl4ds.data.prepare import Prepared
from xr_dl4ds.downscaler import Downscaler
from xr_dl4ds.fitting.samples_of import network_input_of
from xr_dl4ds.grid.names import REALIZATION, TIME, X, Y
from xr_dl4ds.grid.regridding.nesting import to_hr_cells
from xr_dl4ds.grid.regridding.placement import Placement
from xr_dl4ds.grid.regridding.rectilinear import positions
from xr_dl4ds.grid.regridding.surroundings import inner
from xr_dl4ds.metrics.field_scores import edge_of_blocks
from xr_dl4ds.prediction.ensemble import Draws, MemberSources
from xr_dl4ds.prediction.network_input import NetworkInput
from xr_dl4ds.prediction.postprocess import Physics

logger = logging.getLogger(__name__)

MEMBERS = 10
#: Number of time steps that are scored, evenly spread over the validation data; for spatio-temporal
#: models one run of consecutive steps.
STEPS = 64
#: Most HR cells of all members, steps and targets together, times the runs of the network for a
#: member; scores take about 42 bytes for each.
CELLS = 2**25
#: Mean correlation of the detail that members add to the LR fields, above which an ensemble has
#: collapsed.
COLLAPSED = 0.999
#: Spread-skill ratio below which an ensemble is overconfident.
OVERCONFIDENT = 0.5
#: RALSD in dB above which the texture of members is wrong: twice or half the power of the truth.
TEXTURE = 3.0


def with_calibration(model: Downscaler, prepared: Prepared) -> Downscaler:
    """Add scores of members to a model's provenance, log them, and warn if the ensembles are poor.

    The scores of each target are those of `MEMBERS` members at `STEPS` steps of the validation
    data, in physical units, and each cell has the same weight. See `xr_dl4ds.metrics` for their
    definitions.

    - ``crps``, in units of the target; its yardstick is ``first_guess_mae``, the mean absolute
      error of the first guess.
    - ``spread_skill_ratio``, 1 if members differ as much from each other as the truth from their
      mean.
    - ``ralsd``, the distance of the power spectra of members and truth in dB.
    - ``maxima_crps``, the CRPS of maxima over blocks of 4 x 4 HR cells, in units of the target.
    - ``member_correlation``, the mean correlation between members of the detail that they add to
      the means over LR cells.

    The first two scores see single cells, and cannot tell noise from texture; RALSD and the maxima
    can. Scores without a finite value are left out, such as those of maxima where each block has a
    missing cell; but the ratio and the correlation are then NaN. Deterministic models, and models
    without validation data, are returned unchanged.

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
    members, truth, guess = _drawn(model, sources, prepared)
    kinds, found = sources.heads.kinds, {}
    for name, kind in zip(model.state.features.targets, kinds, strict=True):
        if not (sources.network or kind is not None):
            continue  # deterministic by choice
        scale = model.state.pairing.scale
        found[name] = _scores(members[name], truth[name], scale, guess[name])
        unit = model.state.units.get(name)
        logger.info("validation of %r: %s", name, _sentence(found[name], unit, truth[name]))
        latent = is_latent(kind)
        by_cell = kind is not None and not latent
        noise = _halves(truth[name])
        scaled = latent or model.state.flow is not None
        _warn(name, found[name], drawn_by_cell=by_cell, scaled=scaled, noise=noise)
    return dataclasses.replace(model, provenance={**model.provenance, "calibration": found})


def _drawn(
    model: Downscaler, sources: MemberSources, prepared: Prepared
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Return members ``(realization, time, y, x)``, truth and first guess, physical, in memory."""
    assert prepared.validation is not None
    state = model.state
    cells = CELLS // MEMBERS // sources.passes
    given, truth = network_input_of(model, prepared, prepared.validation, STEPS, cells)
    draws = Draws(sources=sources, runner=model.runner, network_input=given)
    scaled = xr.concat(list(draws.members(MEMBERS, seed=0)), REALIZATION)
    guess = given.guess if given.mean is None else given.mean
    if guess is None:
        guess = guess_of(state, given.lr, model.options.sampling.interpolation)
    physics = _physics(model, given)
    found = dask.compute(
        physics.fields(scaled),
        state.scaler.inverse(state.features.unstack(truth)),
        physics.guesses.fields(guess),
    )
    plain = [one.drop_vars(list(one.coords)).drop_attrs() for one in found]
    return plain[0], plain[1], plain[2]


def _physics(model: Downscaler, given: NetworkInput) -> Physics:
    """Return the conversion to physical fields at the steps of the network's input."""
    state = model.state
    channels = inner(given.lr.to_dataset(name="lr"), state.pairing.context)["lr"]
    names = state.features.counterparts
    scaled = {name: channels.isel({CHANNEL: i}, drop=True) for i, name in enumerate(names)}
    varying = state.scaler.inverse(xr.Dataset(scaled))
    whole, order = positions(state.pairing.whole), {d: np.arange(0) for d in (Y, X)}
    placement = Placement(lr=state.pairing.lr, hr=state.pairing.hr, order=order, trained=whole)
    return Physics(state=state, options=model.options, varying=varying, placement=placement)


def _scores(
    members: xr.DataArray, truth: xr.DataArray, scale: Scale, guess: xr.DataArray
) -> dict[str, float]:
    """Return the scores as plain values."""
    dims, plane = (TIME, Y, X), (Y, X)
    members = members.where(truth.notnull())
    ratio = metrics.spread_skill(members, truth, dims)
    block = edge_of_blocks((truth.sizes[Y], truth.sizes[X]))
    others = {
        "crps": metrics.crps(members, truth, dims),
        "first_guess_mae": metrics.mae(guess, truth, dims),
        "ralsd": metrics.ralsd(members, truth, plane),
        "maxima_crps": metrics.pooled_crps(members, truth, block, dims, plane=plane, pool="max"),
    }
    detail = members
    if scale.cells > 1:
        detail = members - to_hr_cells(members.coarsen(scale.by_dim).mean(), scale)
    correlation = metrics.member_correlation(detail, dims)
    found = {"spread_skill_ratio": float(ratio), "member_correlation": float(correlation)}
    return found | {name: float(one) for name, one in others.items() if np.isfinite(one)}


def _halves(truth: xr.DataArray) -> float:
    """Return the RALSD of two halves of the truth: how much spectra of few steps differ by chance.

    It is about twice the distance that a perfect ensemble would have.
    """
    steps = truth.sizes[TIME] // 2
    if not steps:
        return np.inf
    early, late = (truth.isel({TIME: slice(at, at + steps)}) for at in (0, steps))
    return float(metrics.ralsd(early, late, (Y, X)))


def _sentence(scores: Mapping[str, float], unit: str | None, truth: xr.DataArray) -> str:
    """Return the scores in words."""
    block = edge_of_blocks((truth.sizes[Y], truth.sizes[X]))
    of = f" {unit}" if unit else ""
    words = {
        "crps": f"CRPS {{:.3g}}{of}",
        "first_guess_mae": f"MAE of the first guess {{:.3g}}{of}",
        "spread_skill_ratio": "spread-skill {:.2f}",
        "ralsd": "RALSD {:.1f} dB",
        "maxima_crps": f"CRPS of {block} x {block} maxima {{:.3g}}{of}",
    }
    return ", ".join(text.format(scores[name]) for name, text in words.items() if name in scores)


def _warn(
    name: str,
    scores: Mapping[str, float],
    *,
    drawn_by_cell: bool,
    noise: float,
    scaled: bool = False,
) -> None:
    """Warn of the worst fault of an ensemble.

    With `drawn_by_cell` each cell has a distribution of its own, and with `scaled` validation data
    scale the noise of members. `noise` is the RALSD that differs from 0 by chance.
    """
    ratio, correlation = scores["spread_skill_ratio"], scores["member_correlation"]
    texture = scores.get("ralsd", 0.0)
    if correlation > COLLAPSED:
        cure = (
            "Train longer (`epochs`)"
            if scaled
            else "Train longer, with loss='crps' or pixel_loss='crps', or fit a distribution"
            " (loss='gaussian_nll')"
        )
        logger.warning(
            "the ensemble of %r has collapsed: its members correlate by %.4f in what they add to"
            " LR, and their spread is %.2f of the error. %s",
            name,
            correlation,
            ratio,
            cure,
        )
    elif ratio < OVERCONFIDENT:
        cure = (
            "Pass more validation data, by which it is calibrated, or train longer (`epochs`)"
            if scaled
            else "Train with loss='crps' or pixel_loss='crps', or fit a distribution"
            " (loss='gaussian_nll')"
        )
        logger.warning(
            "the ensemble of %r is too sure of itself: its spread is %.2f of the error of its mean"
            " (1 is right). %s",
            name,
            ratio,
            cure,
        )
    elif texture > max(TEXTURE, noise):
        cure = (
            "The distributions of its cells are drawn independently: train with loss='crps'"
            if drawn_by_cell
            else "Train longer (`epochs`) or with more filters (`n_filters`)"
        )
        logger.warning(
            "the members of %r have the wrong texture: their power spectrum is %.1f dB (RALSD) from"
            " that of the truth, which the CRPS and the spread of single cells cannot see. %s",
            name,
            texture,
            cure,
        )

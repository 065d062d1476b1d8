"""Lengths and correlations of latent fields, from what the first guess leaves unexplained."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

import numpy as np

from xr_dl4ds.config import Options
from xr_dl4ds.config.distribution_channels import is_latent, is_latent_amount
from xr_dl4ds.config.latent_constants import LONGEST
from xr_dl4ds.data.latent_fields import LatentFields
from xr_dl4ds.data.prepare import Prepared
from xr_dl4ds.data.residual_samples import truth_and_guess
from xr_dl4ds.grid.grid import Grid

logger = logging.getLogger(__name__)

#: Limits of a length in HR cells; the upper limit is also half of the smaller edge of the domain.
SHORTEST = 0.5
#: ``(1 + u) exp(-u)`` is 1/2 at this u: the half-decay distance of the Matern-3/2 correlation.
HALF_DECAY = 1.6783469900166605


def with_latent_fields(prepared: Prepared, options: Options) -> Prepared:
    """Add the statistics of the latent fields to the state of a model.

    Parameters
    ----------
    prepared : Prepared
        State and samples.
    options : Options
        Completed options of the model.
    """
    state = prepared.state
    kinds = state.distributions(options)
    own = [i for i, kind in enumerate(kinds) if is_latent(kind)]
    residuals, sizes = _residuals(prepared, options, own, [is_latent_amount(kinds[i]) for i in own])
    aspect = aspect_of(state.pairing.hr)
    lengths = tuple(length_of(one, aspect) for one in residuals)
    for i, length in zip(own, lengths, strict=True):
        name = state.features.targets[i]
        logger.info("latent fields of %r: correlation length %.2f HR cells", name, length)
    correlation = _correlations(residuals)
    latent = LatentFields(lengths=lengths, sizes=sizes, aspect=aspect, correlation=correlation)
    return dataclasses.replace(prepared, state=dataclasses.replace(state, latent=latent))


def _residuals(
    prepared: Prepared, options: Options, targets: Sequence[int], amounts: Sequence[bool]
) -> tuple[list[np.ndarray], tuple[float, ...]]:
    """Return truth minus first guess ``(time, y, x)`` of each target, and its mean absolute value.

    It is NaN where masked. Amounts are compared by their cube roots, except for the second result.
    """
    truth, start = truth_and_guess(prepared, options)
    zeros = prepared.state.offsets_from_zero(options.network.output_activation)
    found, sizes = [], []
    for i, amount in zip(targets, amounts, strict=True):
        both = [x[..., i] for x in (truth, start)]
        sizes.append(float(np.nanmean(np.abs(both[0] - both[1]))))
        if amount:
            both = [np.cbrt(np.maximum(x + zeros[i], 0)) for x in both]
        found.append(both[0] - both[1])
    return found, tuple(sizes)


def aspect_of(grid: Grid) -> float:
    """Return the width of a cell relative to its height, in the middle of a grid."""
    ratio = grid.x.spacing / grid.y.spacing
    if grid.y.kind == "latitude":
        middle = float(np.mean(grid.y.canonical))
        ratio *= max(float(np.cos(np.deg2rad(middle))), 0.05)
    return float(ratio)


def length_of(residual: np.ndarray, aspect: float) -> float:
    """Return the length of the Matern-3/2 correlation with the half-decay distance of residuals.

    The variogram reaches half of the variance at that distance. It is the mean of the distances
    along y and x.

    Parameters
    ----------
    residual : numpy.ndarray
        ``(time, y, x)``, NaN where masked.
    aspect : float
        Width of a cell relative to its height.

    Returns
    -------
    float
        In HR cells along y.
    """
    if not np.isfinite(residual).any():
        return 1.0
    centred = residual - np.nanmean(residual)
    found = []
    for axis, width in ((1, 1.0), (2, aspect)):
        distance = _half_decay(centred, axis)
        if distance is not None:
            found.append(distance * width)
    longest = min(LONGEST, min(residual.shape[1], residual.shape[2] * aspect) / 2)
    if not found:
        return 1.0
    return float(np.clip(np.mean(found) / HALF_DECAY, SHORTEST, max(longest, SHORTEST)))


def _half_decay(centred: np.ndarray, axis: int) -> float | None:
    """Return the distance in cells at which the correlation along an axis is 1/2, if it is known.

    Distances at which no two valid cells lie are left out.
    """
    n, variance = centred.shape[axis], np.nanmean(centred**2)
    if n < 2 or not variance > 0:
        return None
    last, before = 0, 1.0
    for lag in range(1, max(2, n // 2)):
        ahead, behind = (
            np.take(centred, range(*ends), axis=axis) for ends in ((lag, n), (0, n - lag))
        )
        products = ahead * behind
        if not np.isfinite(products).any():
            continue
        now = float(np.nanmean(products) / variance)
        if not now > 0.5:
            return last + (lag - last) * (before - 0.5) / max(before - now, 1e-9)
        last, before = lag, now
    return float(last) if last else None


def _correlations(residuals: Sequence[np.ndarray]) -> tuple[tuple[float, ...], ...]:
    """Return the correlations between the residuals of the targets."""
    flat = np.stack([one.ravel() for one in residuals])
    valid = np.isfinite(flat).all(axis=0)
    n = len(residuals)
    if n == 1 or valid.sum() < 2:
        return tuple(tuple(float(i == j) for j in range(n)) for i in range(n))
    found = np.nan_to_num(np.corrcoef(flat[:, valid]))
    np.fill_diagonal(found, 1.0)
    return tuple(tuple(float(v) for v in row) for row in found)

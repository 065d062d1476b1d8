"""Sizes of the residuals that flow matching makes from noise."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np

from xr_dl4ds.config import Options
from xr_dl4ds.config.latent_constants import ROOT_OFFSET
from xr_dl4ds.data.prepare import Prepared
from xr_dl4ds.data.residual_samples import truth_and_guess
from xr_dl4ds.data.state import FlowScales

logger = logging.getLogger(__name__)

#: Least size of a residual, in units of the target's standard deviation.
LEAST = 1e-3


def with_flow_scales(prepared: Prepared, options: Options, *, from_mean: bool) -> Prepared:
    """Add the sizes of residuals to the state of a model.

    Parameters
    ----------
    prepared : Prepared
        State and samples.
    options : Options
        The options of the model.
    from_mean : bool
        Whether the first guess of the samples is the prediction of a supervised model.
    """
    state = prepared.state
    roots = tuple(state.never_negative(name) for name in state.features.targets)
    sizes = _sizes(prepared, options, roots)
    for name, size in zip(state.features.targets, sizes, strict=True):
        logger.info("flow of %r: standard deviation of the residuals %.3g", name, size)
    flow = FlowScales(sizes=sizes, roots=roots, from_mean=from_mean)
    return dataclasses.replace(prepared, state=dataclasses.replace(state, flow=flow))


def _sizes(prepared: Prepared, options: Options, roots: tuple[bool, ...]) -> tuple[float, ...]:
    """Return the standard deviation of truth minus first guess, of cube roots of amounts."""
    state = prepared.state
    truth, guess = truth_and_guess(prepared, options)
    if prepared.train.guess is None and not options.network.interpolation_skip:
        guess = np.zeros_like(guess)
    zeros, found = state.offsets_from_zero(None), []
    for i, (root, zero) in enumerate(zip(roots, zeros, strict=True)):
        true, start = (x[..., i] for x in (truth, guess))
        if root:
            true, start = (np.cbrt(np.maximum(x + zero, 0) + ROOT_OFFSET) for x in (true, start))
        found.append(max(float(np.nanstd(true - start)), LEAST))
    return tuple(found)

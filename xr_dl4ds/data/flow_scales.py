"""Sizes of the residuals that flow matching makes from noise."""

from __future__ import annotations

import dataclasses
import logging

import dask
import numpy as np
import xarray as xr

from xr_dl4ds.config import Options
from xr_dl4ds.config.latent_constants import ROOT_OFFSET
from xr_dl4ds.data.channels import CHANNEL
from xr_dl4ds.data.guess_choice import guess_of
from xr_dl4ds.data.prepare import Prepared
from xr_dl4ds.data.state import FlowScales
from xr_dl4ds.grid.names import TIME, X, Y

logger = logging.getLogger(__name__)

#: Most training steps, evenly spread, and most HR cells of all steps and targets together.
STEPS, CELLS = 128, 2**23
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
    part, state = prepared.train, prepared.state
    n = part.target.sizes[TIME]
    most = max(1, min(n, STEPS, CELLS // max(1, part.target.size // n)))
    at = np.unique(np.linspace(0, n - 1, most).astype(int))
    truth = part.target.isel({TIME: at})
    if part.guess is not None:
        guess = part.guess.isel({TIME: at})
    elif options.network.interpolation_skip:
        guess = guess_of(state, part.lr.isel({TIME: at}), options.sampling.interpolation)
    else:
        guess = xr.zeros_like(truth)
    both = [
        one.transpose(TIME, Y, X, CHANNEL).to_numpy().astype("f8")
        for one in dask.compute(truth, guess)
    ]
    zeros, found = state.offsets_from_zero(None), []
    for i, (root, zero) in enumerate(zip(roots, zeros, strict=True)):
        true, start = (x[..., i] for x in both)
        if root:
            true, start = (np.cbrt(np.maximum(x + zero, 0) + ROOT_OFFSET) for x in (true, start))
        found.append(max(float(np.nanstd(true - start)), LEAST))
    return tuple(found)

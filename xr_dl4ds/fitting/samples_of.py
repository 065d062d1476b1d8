"""A sample of the data of a fit, as input of its network."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xr_dl4ds.data.prepare import Prepared, SampleChannels
from xr_dl4ds.downscaler import Downscaler
from xr_dl4ds.grid.cf.time_axis import windows_ending
from xr_dl4ds.grid.names import TIME
from xr_dl4ds.model.build import trains_on_global_domain
from xr_dl4ds.prediction.network_input import NetworkInput
from xr_dl4ds.prediction.random_numbers import step_keys


def network_input_of(
    model: Downscaler, prepared: Prepared, part: SampleChannels, steps: int | slice, cells: int
) -> tuple[NetworkInput, xr.DataArray]:
    """Return the input of the network at some steps of a part of the data, and their targets.

    Parameters
    ----------
    model : Downscaler
        The fitted model.
    prepared : Prepared
        The data of the fit.
    part : SampleChannels
        Its training or its validation part.
    steps : int or slice
        Most steps, evenly spread; for spatio-temporal models one run of consecutive steps. Or these
        steps, as far as memory allows.
    cells : int
        Most HR cells of all steps and targets together; at least one window is taken.
    """
    window = model.options.sampling.time_window
    chosen = _some(part, window or 1, steps, cells)
    lr = part.lr.isel({TIME: chosen})
    guess = None if part.guess is None else part.guess.isel({TIME: chosen})
    of_mean = model.state.from_mean
    windows = None if window is None else windows_ending([slice(0, lr.sizes[TIME])], window)
    given = NetworkInput(
        lr=lr,
        fixed=prepared.fixed,
        windows=windows,
        keys=step_keys(lr, {}),
        global_domain=trains_on_global_domain(model.state, model.options.sampling),
        period=model.state.pairing.hr.x.size if model.state.pairing.hr.x.periodic else None,
        guess=None if of_mean else guess,
        mean=guess if of_mean else None,
    )
    return given, part.target.isel({TIME: chosen})


def _some(part: SampleChannels, least: int, steps: int | slice, cells: int) -> slice | np.ndarray:
    """Return some steps, as many as asked for and as memory allows."""
    n = part.target.sizes[TIME]
    room = max(least, cells // (part.target.size // n))
    if isinstance(steps, slice):
        return slice(steps.start, min(steps.stop, steps.start + room))
    most = min(steps, room)
    if part.runs is None:
        return np.unique(np.linspace(0, n - 1, min(n, most)).astype(int))
    longest = max(part.runs, key=lambda run: run.stop - run.start)
    return slice(longest.start, min(longest.stop, longest.start + most))

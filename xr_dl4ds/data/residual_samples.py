"""Truth and first guess of some training steps, from which the statistics of members are taken."""

from __future__ import annotations

import dask
import numpy as np

from xr_dl4ds.config import Options
from xr_dl4ds.data.channels import CHANNEL
from xr_dl4ds.data.guess_choice import guess_of
from xr_dl4ds.data.prepare import Prepared
from xr_dl4ds.grid.names import TIME, X, Y

#: Most training steps, evenly spread, and most HR cells of all steps and targets together.
STEPS, CELLS = 128, 2**23


def truth_and_guess(prepared: Prepared, options: Options) -> tuple[np.ndarray, np.ndarray]:
    """Return both as ``(time, y, x, target)``, scaled, in double precision, NaN where masked.

    Parameters
    ----------
    prepared : Prepared
        State and samples.
    options : Options
        The options of the model.
    """
    part, state = prepared.train, prepared.state
    n = part.target.sizes[TIME]
    most = max(1, min(n, STEPS, CELLS // max(1, part.target.size // n)))
    at = {TIME: np.unique(np.linspace(0, n - 1, most).astype(int))}
    guess = part.guess
    if guess is None:
        guess = guess_of(state, part.lr.isel(at), options.sampling.interpolation)
    else:
        guess = guess.isel(at)
    truth, start = (
        one.transpose(TIME, Y, X, CHANNEL).to_numpy().astype("f8")
        for one in dask.compute(part.target.isel(at), guess)
    )
    return truth, start

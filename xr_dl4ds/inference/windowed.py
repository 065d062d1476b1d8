"""Application of a spatio-temporal network to the windows of a block of steps."""

from __future__ import annotations

import numpy as np

from xr_dl4ds.grid.cf.time_axis import Windows
from xr_dl4ds.inference import application as batches
from xr_dl4ds.inference.application import Application


def predict_windows(
    application: Application, windows: Windows, lr: np.ndarray, keys: np.ndarray | None = None
) -> np.ndarray:
    """Predict ``(input time, y, x, channel)`` -> ``(time, hr_y, hr_x, channel)``.

    Parameters
    ----------
    application : Application
        Application of a spatio-temporal network.
    windows : Windows
        The window of each step of the block, counted from the first row of `lr`.
    lr : numpy.ndarray
        LR channels of all steps in the windows.
    keys : numpy.ndarray, optional
        ``(input time,)``, required if `Application.draws_noise` is True.

    Returns
    -------
    numpy.ndarray
        The prediction for the step of each window, float32.
    """
    y, x = application.domain_of(lr.shape)
    scale = application.scale
    channels = application.network.output_shape[-1]
    start, length, place = windows.start, windows.length, windows.place
    out = np.empty((start.size, *scale.fine((y, x)), channels), "f4")
    for steps in np.unique(length):
        first = np.unique(start[length == steps])
        size = max(1, batches.CELLS // (int(steps) * y * x * scale.cells))
        for part in (first[i : i + size] for i in range(0, first.size, size)):
            rows = part[:, None] + np.arange(steps)
            found = application(lr[rows], None if keys is None else keys[rows])
            mine = np.flatnonzero((length == steps) & np.isin(start, part))
            out[mine] = found[np.searchsorted(part, start[mine]), place[mine]]
    return out

"""Application of a spatio-temporal network to the windows of a block of steps."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from dask.base import normalize_token

from xr_dl4ds.grid.cf.time_axis import Windows
from xr_dl4ds.inference import application as batches
from xr_dl4ds.inference.application import Application


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Windowed:
    """An application to the windows of a block of steps, as a function of arrays.

    Parameters
    ----------
    application : Application
        Application of a spatio-temporal network.
    windows : Windows
        The window of each step of the block, counted from the first row of the block's input.
    """

    application: Application
    windows: Windows

    def __call__(self, lr: np.ndarray, keys: np.ndarray | None = None) -> np.ndarray:
        """Predict ``(input time, y, x, channel)`` -> ``(time, scale*y, scale*x, channel)``."""
        _, y, x, _ = lr.shape
        scale = self.application.scale
        channels = self.application.network.output_shape[-1]
        start, length, place = self.windows.start, self.windows.length, self.windows.place
        out = np.empty((start.size, y * scale, x * scale, channels), "f4")
        for steps in np.unique(length):
            first = np.unique(start[length == steps])
            size = max(1, batches.CELLS // (int(steps) * y * x * scale**2))
            for part in (first[i : i + size] for i in range(0, first.size, size)):
                rows = part[:, None] + np.arange(steps)
                found = self.application(lr[rows], None if keys is None else keys[rows])
                mine = np.flatnonzero((length == steps) & np.isin(start, part))
                out[mine] = found[np.searchsorted(part, start[mine]), place[mine]]
        return out

    def __dask_tokenize__(self) -> Any:
        windows = self.windows.start, self.windows.length, self.windows.offset
        return normalize_token((type(self).__name__, self.application, *windows))

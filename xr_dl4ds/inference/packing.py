"""First guesses on HR cells as further LR channels, so that blocks and tiles carry one array."""

from __future__ import annotations

import functools

import numpy as np
import xarray as xr

from xr_dl4ds.config import Scale
from xr_dl4ds.data.channels import CHANNEL
from xr_dl4ds.grid.names import TIME, X, Y


def packed(lr: xr.DataArray, guess: xr.DataArray, scale: Scale, context: int) -> xr.DataArray:
    """Append a first guess to LR channels ``(time, y, x, channel)``, lazily.

    Parameters
    ----------
    lr : xarray.DataArray
        LR channels, with the cells around the domain.
    guess : xarray.DataArray
        ``(time, y, x, channel)`` on HR cells.
    scale : Scale
        HR cells along the edges of an LR cell.
    context : int
        LR cells around the domain, on each side; there the further channels are 0.
    """
    sizes = {Y: lr.sizes[Y], X: lr.sizes[X], CHANNEL: guess.sizes[CHANNEL] * scale.cells}
    bare = guess.drop_vars(list(guess.coords)).transpose(TIME, Y, X, CHANNEL)
    if lr.chunks is not None:
        bare = bare.chunk({TIME: lr.chunksizes[TIME], Y: -1, X: -1, CHANNEL: -1})
    core = [Y, X, CHANNEL]
    further = xr.apply_ufunc(
        functools.partial(_to_lr_cells, scale=scale, context=context),
        bare,
        input_core_dims=[core],
        output_core_dims=[core],
        exclude_dims=set(core),
        dask="parallelized",
        output_dtypes=[np.float32],
        dask_gufunc_kwargs={"output_sizes": sizes},
    )
    own = lr.drop_vars([c for c in lr.coords if c != TIME])
    times = {TIME: lr[TIME]} if TIME in lr.coords else {}
    if lr.chunks is not None:
        further = further.chunk({d: lr.chunksizes[d] for d in (Y, X)})
    return xr.concat([own.astype("f4"), further.assign_coords(times)], CHANNEL)


def _to_lr_cells(guess: np.ndarray, scale: Scale, context: int) -> np.ndarray:
    steps, y, x, channels = guess.shape
    high, wide = scale.edges
    blocks = guess.reshape(steps, y // high, high, x // wide, wide, channels)
    cells = blocks.transpose(0, 1, 3, 2, 4, 5).reshape(steps, y // high, x // wide, -1)
    around = (context, context)
    return np.pad(cells, ((0, 0), around, around, (0, 0)))


def unpacked(part: np.ndarray, channels: int, scale: Scale, context: int) -> np.ndarray:
    """Return a field on HR cells from its further channels ``(..., y, x, channel)``."""
    *lead, y, x, _ = part.shape
    inside = part[..., context : y - context, context : x - context, :]
    y, x = inside.shape[-3:-1]
    blocks = inside.reshape(-1, y, x, *scale.edges, channels).transpose(0, 1, 3, 2, 4, 5)
    return np.ascontiguousarray(blocks).reshape(*lead, *scale.fine((y, x)), channels)

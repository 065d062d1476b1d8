"""A fitted network on the fields of a prediction."""

from __future__ import annotations

from collections.abc import Callable

import keras
import xarray as xr

from xr_dl4ds.grid.fields import X, Y
from xr_dl4ds.inference.application import Application
from xr_dl4ds.inference.mapping import apply
from xr_dl4ds.inference.tiles import Tiling
from xr_dl4ds.layers import thins_by_cell
from xr_dl4ds.networks import Reach, reach_of
from xr_dl4ds.prediction import Stacked


def run(
    form: Callable[[bool], tuple[keras.Model, str]],
    stacked: Stacked,
    realization: int | None,
    scale: int,
) -> xr.DataArray:
    """Apply a network, in tiles where the domain is large.

    Parameters
    ----------
    form : callable
        The network for columns that go around (True) or end (False), and a name for its weights.
    stacked : Stacked
        Scaled LR channels ``(time, y, x, channel)`` and what goes with them.
    realization : int, optional
        Seed of the member that the network draws; None for its one answer.
    scale : int
        HR cells along one edge of an LR cell.

    Returns
    -------
    xarray.DataArray
        ``(time, y, x, channel)`` on HR cells, scaled, float32; lazy where `stacked.lr` is.
    """
    shape = stacked.lr.sizes[Y], stacked.lr.sizes[X]
    steps = 1 if stacked.windows is None else int(stacked.windows.length.max())
    network, token = form(stacked.circle)
    reach = reach_of(network, steps)
    if realization is not None and thins_by_cell(network):
        reach = Reach(cells=None, align=reach.align)  # what is dropped depends on the whole field
    tiling = Tiling.of(reach, shape, scale, stacked.tile_size)
    if tiling.edge[1] < shape[1]:  # tiles have ends, and see what lies beyond
        network, token = form(False)
    asked = {tensor.name for tensor in network.inputs}
    application = Application(
        network=network,
        fixed={n: f.to_numpy() for n, f in stacked.fixed.items() if n in asked},
        scale=scale,
        token=token,
        realization=realization,
    )
    return apply(
        application,
        stacked.lr,
        stacked.windows,
        stacked.keys,
        tiling=tiling,
        around=stacked.circle,
    )

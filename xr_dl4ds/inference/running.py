"""A fitted network on the fields of a prediction."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable

import keras
import xarray as xr

from xr_dl4ds.grid.fields import X, Y
from xr_dl4ds.inference.application import Application
from xr_dl4ds.inference.hardware import log_hardware
from xr_dl4ds.inference.mapping import apply
from xr_dl4ds.inference.tiles import Tiling
from xr_dl4ds.layers import thins_by_cell
from xr_dl4ds.networks import Reach, reach_of
from xr_dl4ds.prediction import Stacked

logger = logging.getLogger(__name__)


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
    log_hardware("float32")
    shape = stacked.lr.sizes[Y], stacked.lr.sizes[X]
    steps = 1 if stacked.windows is None else int(stacked.windows.length.max())
    network, token = form(stacked.circle)
    reach = reach_of(network, steps)
    blind = reach.cells is None
    if realization is not None and thins_by_cell(network):
        reach = Reach(cells=None, align=reach.align)  # what is dropped depends on the whole field
    tiling = Tiling.of(reach, shape, scale, stacked.tile_size)
    if tiling.edge[1] < shape[1]:  # tiles have ends, and see what lies beyond
        network, token = form(False)
    if blind and tiling.edge != shape:
        _say_that_means_differ(token, tiling.edge[0] * scale, tiling.edge[1] * scale)
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


@functools.lru_cache(maxsize=64)
def _say_that_means_differ(token: str, y: int, x: int) -> None:
    """Once for a network, not for each of its members."""
    logger.warning(
        "the network looks at the whole field (channel attention): in tiles of %d x %d HR cells it"
        " weighs channels by their means over a tile, and the result differs from that of the whole"
        " domain, by some hundredths of its standard deviation; a larger tile_size differs less",
        *(y, x),
    )

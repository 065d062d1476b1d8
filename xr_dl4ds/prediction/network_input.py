"""The input of a network, and the interface of the class that applies a network to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Protocol

import xarray as xr

from xr_dl4ds.grid.cf.time_axis import Windows


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkInput:
    """Scaled fields for a network, with their windows, keys and domain.

    Parameters
    ----------
    lr : xarray.DataArray
        LR channels ``(time, y, x, channel)``.
    fixed : mapping of xarray.DataArray
        Inputs without time, in memory.
    guess : xarray.DataArray, optional
        First guess ``(time, y, x, channel)`` on HR cells, for a network that corrects one.
    mean : xarray.DataArray, optional
        Prediction ``(time, y, x, channel)`` of the supervised model at which members of flow
        matching begin, if it is already known.
    windows : Windows, optional
        The window of each step, for a spatio-temporal network.
    keys : xarray.DataArray
        ``(time,)``, keys of the random numbers of each step.
    global_domain : bool
        True if the columns go around the globe.
    tile_size : int, optional
        HR cells along one edge of a tile, see `xr_dl4ds.inference.tiles`.
    corner : tuple of int
        Row and column of the first HR cell, counted from the first one of the training domain. The
        random numbers of latent fields depend on it.
    period : int, optional
        Number of HR columns of a training domain that goes around the globe.
    """

    lr: xr.DataArray
    fixed: Mapping[str, xr.DataArray]
    windows: Windows | None
    keys: xr.DataArray
    global_domain: bool
    tile_size: int | None = None
    guess: xr.DataArray | None = None
    mean: xr.DataArray | None = None
    corner: tuple[int, int] = (0, 0)
    period: int | None = None


class AppliesNetwork(Protocol):
    """Interface of `xr_dl4ds.inference.Runner`, which the array side must not import."""

    def run(self, network_input: NetworkInput, realization: int | None) -> xr.DataArray:
        """Apply the network, see `xr_dl4ds.inference.Runner.run`."""

"""Blockwise, lazy application of a network to stacked LR channels.

Memory: one dask chunk in time (whole in space) of LR channels, its HR output, and the activations
of at most `CELLS` HR cells at a time; for spatio-temporal networks also the steps of the window
before and after the chunk.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import xarray as xr
from dask.base import normalize_token

from xr_dl4ds.features import CHANNEL
from xr_dl4ds.grid.fields import TIME, X, Y
from xr_dl4ds.grid.timeline import Windows
from xr_dl4ds.layers import has_monte_carlo, sampling, set_realization
from xr_dl4ds.noise import NETWORK, normal

#: Name of the network's input of normal noise.
NOISE = "noise"

#: HR cells that go through the network at once: about 64 MiB for each 16 channels of activations.
CELLS = 2**20

#: TensorFlow uses all cores for one call; concurrent calls only multiply the memory.
_ONE_AT_A_TIME = threading.Lock()


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Application:
    """A network with its fixed inputs, as a function of arrays.

    Parameters
    ----------
    network : keras.Model
        Generator, see `xr_dl4ds.networks.generator`.
    fixed : mapping of numpy.ndarray
        Inputs without time for the domain that is predicted, by name; those that the network does
        not ask for are left out.
    scale : int
        HR cells along one edge of an LR cell.
    token : str
        Names the weights: equal tokens give equal dask keys.
    realization : int, optional
        Seed of the member that a network with Monte-Carlo dropout or noise draws; None is the
        network without dropout and with noise 0.
    """

    network: keras.Model
    fixed: Mapping[str, np.ndarray]
    scale: int
    token: str
    realization: int | None = None

    @property
    def n_noise(self) -> int:
        """Channels of the network's noise."""
        return next((x.shape[-1] for x in self.network.inputs if x.name == NOISE), 0)

    @property
    def draws_noise(self) -> bool:
        """Whether it takes random numbers, and so the keys of its steps."""
        return self.realization is not None and self.n_noise > 0

    def __call__(self, lr: np.ndarray, keys: np.ndarray | None = None) -> np.ndarray:
        """Predict fields ``(..., y, x, channel)`` -> ``(..., scale*y, scale*x, channel)``, float32.

        For spatio-temporal networks fields are sequences ``(time, y, x, channel)``. `keys` ``(...,
        [time])``, see `noise.step_keys`, are needed where it `draws_noise`.
        """
        sample = len(self.network.inputs[0].shape) - 1
        lead, inner = lr.shape[: lr.ndim - sample], lr.shape[lr.ndim - sample :]
        flat = lr.reshape(-1, *inner).astype("f4", copy=False)
        *steps, y, x, _ = inner
        flat_keys = None if keys is None else keys.reshape(-1, *steps)
        shape = (*steps, y * self.scale, x * self.scale, self.network.output_shape[-1])
        size = max(1, CELLS // int(np.prod(shape[:-1])))
        out = np.empty((len(flat), *shape), "f4")
        with _ONE_AT_A_TIME:
            for start in range(0, len(flat), size):
                at = slice(start, start + size)
                out[at] = self._run(flat[at], None if flat_keys is None else flat_keys[at])
        return out.reshape(*lead, *shape)

    def _run(self, part: np.ndarray, keys: np.ndarray | None) -> np.ndarray:
        inputs: dict[str, Any] = {"lr": tf.constant(part)}
        if self.n_noise:
            inputs[NOISE] = tf.constant(self._noise(part, keys))
        for tensor in self.network.inputs:
            if tensor.name not in inputs:
                field = self.fixed[tensor.name]
                inputs[tensor.name] = tf.constant(np.broadcast_to(field, (len(part), *field.shape)))
        if self.realization is None or not has_monte_carlo(self.network):
            return keras.ops.convert_to_numpy(_graph(self.network, realization=False)(inputs))
        graph = _graph(self.network, realization=True)
        set_realization(self.network, self.realization)  # before every run: each moves the states
        return keras.ops.convert_to_numpy(graph(inputs))

    def _noise(self, part: np.ndarray, keys: np.ndarray | None) -> np.ndarray:
        """Of each step by its key: ``(batch, [time,] scale*y, scale*x, n_noise)``, float32."""
        *lead, y, x, _ = part.shape
        shape = (y * self.scale, x * self.scale, self.n_noise)
        out = np.zeros((*lead, *shape), "f4")
        if self.draws_noise:
            assert keys is not None
            assert self.realization is not None
            place = np.arange(shape[0]), np.arange(shape[1])
            for step in np.ndindex(*lead):
                key = int(keys[step])
                out[step] = normal(self.realization, key, NETWORK, *place, self.n_noise)
        return out

    def __dask_tokenize__(self) -> Any:
        parts = (self.token, self.scale, self.realization, dict(self.fixed))
        return normalize_token((type(self).__name__, *parts))


def _graph(network: keras.Model, *, realization: bool) -> Any:
    """The network as one traced function for inputs of any size, kept on the network itself."""
    name = "_xr_dl4ds_realization" if realization else "_xr_dl4ds_graph"
    traced = getattr(network, name, None)
    if traced is None:
        signature = {
            tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.name)
            for tensor in network.inputs
        }
        with sampling(network) if realization else contextlib.nullcontext():
            traced = tf.function(
                lambda inputs: network(inputs, training=False), input_signature=[signature]
            ).get_concrete_function()
        object.__setattr__(network, name, traced)
    return traced


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Windowed:
    """An application to the windows of a block of steps, as a function of arrays.

    Parameters
    ----------
    application : Application
        Of a spatio-temporal network.
    windows : Windows
        One for each step of the block, counted from the block's first row of input.
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
            size = max(1, CELLS // (int(steps) * y * x * scale**2))
            for part in (first[i : i + size] for i in range(0, first.size, size)):
                rows = part[:, None] + np.arange(steps)
                found = self.application(lr[rows], None if keys is None else keys[rows])
                mine = np.flatnonzero((length == steps) & np.isin(start, part))
                out[mine] = found[np.searchsorted(part, start[mine]), place[mine]]
        return out

    def __dask_tokenize__(self) -> Any:
        windows = self.windows.start, self.windows.length, self.windows.offset
        return normalize_token((type(self).__name__, self.application, *windows))


def apply(
    application: Application,
    lr: xr.DataArray,
    windows: Windows | None = None,
    keys: xr.DataArray | None = None,
) -> xr.DataArray:
    """Apply a network to stacked channels, lazily where they are lazy.

    Parameters
    ----------
    application : Application
        Network and fixed inputs.
    lr : xarray.DataArray
        ``(time, y, x, channel)`` without NaN.
    windows : Windows, optional
        For a spatio-temporal network, the window of each step.
    keys : xarray.DataArray, optional
        ``(time,)``, those of `noise.step_keys`, for a member of a network with noise.

    Returns
    -------
    xarray.DataArray
        ``(time, y, x, channel)`` on HR cells, float32, without coordinates along y and x.
    """
    lr = lr.transpose(TIME, Y, X, CHANNEL)
    if lr.chunks is not None:
        lr = lr.chunk({Y: -1, X: -1, CHANNEL: -1})
    given = [lr] if keys is None or not application.draws_noise else [lr, keys]
    if windows is None:
        return _over_blocks(application, application, given, [Y, X, CHANNEL])
    sizes = lr.chunksizes[TIME] if lr.chunks is not None else (lr.sizes[TIME],)
    blocks, begin = [], 0
    for size in sizes:
        if not size:  # dask keeps chunks without a step
            continue
        blocks.append(_window_block(application, given, windows, slice(begin, begin + size)))
        begin += size
    return xr.concat(blocks, dim=TIME) if len(blocks) > 1 else blocks[0]


def _window_block(
    application: Application, given: list[xr.DataArray], windows: Windows, block: slice
) -> xr.DataArray:
    """The steps of one block, from all the steps that their windows reach."""
    start, length = windows.start[block], windows.length[block]
    first, last = int(start.min()), int((start + length).max())
    inside = Windows(start=start - first, length=length, offset=block.start - first)
    rows = [x.isel({TIME: slice(first, last)}) for x in given]
    rows = [x if x.chunks is None else x.chunk({TIME: -1}) for x in rows]
    lr = given[0]
    times = {TIME: lr[TIME].isel({TIME: block})} if TIME in lr.coords else {}
    function = Windowed(application=application, windows=inside)
    out = _over_blocks(function, application, rows, [TIME, Y, X, CHANNEL], start.size)
    return out.assign_coords(times)


def _over_blocks(
    function: Any,
    application: Application,
    given: list[xr.DataArray],
    core: list[str],
    steps: int | None = None,
) -> xr.DataArray:
    """One call for each dask chunk of fields and keys along the dimensions that are not `core`."""
    lr, scale = given[0], application.scale
    sizes = {
        Y: lr.sizes[Y] * scale,
        X: lr.sizes[X] * scale,
        CHANNEL: int(application.network.output_shape[-1]),
    }
    return xr.apply_ufunc(
        function,
        *given,
        input_core_dims=[[d for d in core if d in x.dims] for x in given],
        output_core_dims=[core],
        exclude_dims=set(core),
        dask="parallelized",
        output_dtypes=[np.float32],
        dask_gufunc_kwargs={"output_sizes": sizes if steps is None else {**sizes, TIME: steps}},
    )

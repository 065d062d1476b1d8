"""Blockwise, lazy application of a network to stacked LR channels.

Memory: one dask chunk in time (whole in space) of LR channels, its HR output, and the activations
of at most `CELLS` HR cells at a time.
"""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import xarray as xr
from dask.base import normalize_token

import xr_dl4ds.layers  # noqa: F401  registers them where a network is unpickled
from xr_dl4ds.features import CHANNEL
from xr_dl4ds.grid.fields import TIME, X, Y

#: HR cells that go through the network at once: about 64 MiB for each 16 channels of activations.
CELLS = 2**20

#: TensorFlow uses all cores for one call; concurrent calls only multiply the memory.
_ONE_AT_A_TIME = threading.Lock()


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Application:
    """A network with its static input, as a function of arrays.

    Parameters
    ----------
    network : keras.Model
        Generator, see `xr_dl4ds.networks.generator`.
    static : numpy.ndarray, optional
        ``(scale*y, scale*x, channel)`` for the domain that is predicted.
    scale : int
        HR cells along one edge of an LR cell.
    token : str
        Names the weights: equal tokens give equal dask keys.
    """

    network: keras.Model
    static: np.ndarray | None
    scale: int
    token: str

    def __call__(self, lr: np.ndarray) -> np.ndarray:
        """Predict ``(time, y, x, channel)`` -> ``(time, scale*y, scale*x, channel)``, float32."""
        *lead, y, x, _ = lr.shape
        flat = lr.reshape(-1, *lr.shape[-3:]).astype("f4")
        size = max(1, CELLS // (y * x * self.scale**2))
        shape = (y * self.scale, x * self.scale, self.network.output_shape[-1])
        out = np.empty((len(flat), *shape), "f4")
        with _ONE_AT_A_TIME:
            for start in range(0, len(flat), size):
                part = flat[start : start + size]
                out[start : start + size] = self._run(part)
        return out.reshape(*lead, *shape)

    def _run(self, part: np.ndarray) -> np.ndarray:
        inputs: dict[str, Any] = {"lr": tf.constant(part)}
        if self.static is not None:
            inputs["static"] = tf.constant(
                np.broadcast_to(self.static, (len(part), *self.static.shape))
            )
        return keras.ops.convert_to_numpy(_graph(self.network)(inputs))

    def __dask_tokenize__(self) -> Any:
        return normalize_token((type(self).__name__, self.token, self.scale, self.static))


def _graph(network: keras.Model) -> Any:
    """The network as one traced function for inputs of any size, kept on the network itself."""
    traced = getattr(network, "_xr_dl4ds_graph", None)
    if traced is None:
        signature = {
            tensor.name: tf.TensorSpec(tensor.shape, "float32", name=tensor.name)
            for tensor in network.inputs
        }
        traced = tf.function(
            lambda inputs: network(inputs, training=False), input_signature=[signature]
        )
        object.__setattr__(network, "_xr_dl4ds_graph", traced)
    return traced


def apply(application: Application, lr: xr.DataArray) -> xr.DataArray:
    """Apply a network to stacked channels, lazily where they are lazy.

    Parameters
    ----------
    application : Application
        Network and static input.
    lr : xarray.DataArray
        ``(time, y, x, channel)`` without NaN.

    Returns
    -------
    xarray.DataArray
        ``(time, y, x, channel)`` on HR cells, float32, without coordinates along y and x.
    """
    if lr.chunks is not None:
        lr = lr.chunk({Y: -1, X: -1, CHANNEL: -1})
    _, y, x, _ = lr.transpose(TIME, Y, X, CHANNEL).shape
    scale = application.scale
    sizes = {Y: y * scale, X: x * scale, CHANNEL: int(application.network.output_shape[-1])}
    return xr.apply_ufunc(
        application,
        lr,
        input_core_dims=[[Y, X, CHANNEL]],
        output_core_dims=[[Y, X, CHANNEL]],
        exclude_dims={Y, X, CHANNEL},
        dask="parallelized",
        output_dtypes=[np.float32],
        dask_gufunc_kwargs={"output_sizes": sizes},
    )

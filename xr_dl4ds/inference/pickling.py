"""Networks for other processes: sent as configuration and weights, and built once per process."""

from __future__ import annotations

import collections
import json
import sys
import threading

import keras
import tensorflow as tf
from dask.base import tokenize

from xr_dl4ds.config import Json
from xr_dl4ds.networks import own_keras

#: Number of received networks that a process keeps. The least recently used network goes first.
KEPT = 4

_built: collections.OrderedDict[str, keras.Model] = collections.OrderedDict()
_ONE_AT_A_TIME = threading.RLock()

#: Packages whose layers every process has.
_KNOWN = ("keras.", "xr_dl4ds.")


class Carried:
    """A network that can be pickled.

    The pickle contains Keras's configuration of the layers and the weights as arrays, never a
    traced function. It also contains the classes of layers that belong neither to Keras nor to this
    package. The receiving process builds the network on first access, and keeps it for equal
    pickles.

    Parameters
    ----------
    network : keras.Model
        Functional network.
    """

    def __init__(self, network: keras.Model) -> None:
        self._network: keras.Model | None = network
        self._packed: Json | None = None

    @property
    def network(self) -> keras.Model:
        """The network; after unpickling, the network that this process has rebuilt."""
        if self._network is None:
            assert self._packed is not None
            self._network = _arrived(self._packed)
        return self._network

    def __getstate__(self) -> Json:
        if self._packed is None:
            assert self._network is not None
            self._packed = _pack(self._network)
        return self._packed

    def __setstate__(self, packed: Json) -> None:
        self._network, self._packed = None, packed


def _pack(network: keras.Model) -> Json:
    config = json.dumps(network.get_config())
    weights = network.get_weights()
    # private, but the only list that reaches into nested models and wrappers
    kinds = {type(layer) for layer in network._flatten_layers()}
    own = {kind.__name__: kind for kind in kinds if not kind.__module__.startswith(_KNOWN)}
    # the classes count too, because the user may have changed the code of a layer
    digest = tokenize(config, weights, own)
    return {"config": config, "weights": weights, "classes": own, "digest": digest}


def _arrived(packed: Json) -> keras.Model:
    with _ONE_AT_A_TIME:
        digest = packed["digest"]
        if digest not in _built:
            _share_the_machine()
            _built[digest] = _build(packed)
        _built.move_to_end(digest)
        while len(_built) > KEPT:
            _built.popitem(last=False)
        return _built[digest]


def _build(packed: Json) -> keras.Model:
    config = json.loads(packed["config"])
    kinds = sorted({layer["class_name"] for layer in config["layers"]})
    with own_keras():
        try:
            network = keras.Model.from_config(config, custom_objects=packed["classes"])
        except (NotImplementedError, TypeError, ValueError) as error:
            raise ValueError(
                f"Expected layers that another process can rebuild, got {kinds} with a layer that"
                f" cannot be rebuilt: {error}. Define get_config and from_config, and replace a"
                " Lambda by a layer class."
            ) from error
    network.set_weights(packed["weights"])
    return network


def _share_the_machine() -> None:
    """Limit TensorFlow to the threads of the dask worker, if this process is a dask worker.

    Otherwise several workers on one machine would each use all cores.
    """
    if "distributed" not in sys.modules:
        return
    from distributed import get_worker

    try:
        threads = get_worker().state.nthreads
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except (ValueError, RuntimeError):  # no dask worker, or TensorFlow is already initialized
        return

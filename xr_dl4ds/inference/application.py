"""Application of a network, with its fixed inputs, to arrays in memory.

Memory holds input, output, and the activations of at most `CELLS` HR cells (at least one step).
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from dask.base import normalize_token

from xr_dl4ds.config import Scale
from xr_dl4ds.inference.packing import unpacked
from xr_dl4ds.inference.tiles import Place
from xr_dl4ds.networks.layers import has_monte_carlo, sampling, set_realization, thins_by_cell
from xr_dl4ds.networks.tensors import Tensor
from xr_dl4ds.prediction.random_numbers import NETWORK, normal

#: Names of the network's inputs for normal noise, and for row and column of the first cell.
NOISE, POSITION = "noise", "position"
#: Inputs on HR cells that change in time, in the order in which LR channels carry them: the first
#: guess, and the residuals of a flow on their way.
GUESS = "guess"
CARRIED = (GUESS, "noisy")
#: Input of the time of a flow.
FLOW_TIME = "flow_time"

#: HR cells that the network processes at once: about 16 MiB for each 16 channels of activations.
#: Larger batches are not faster on a CPU.
CELLS = 2**18

#: TensorFlow uses all cores for one call; concurrent calls would only multiply the memory.
ONE_AT_A_TIME = threading.Lock()


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Application:
    """A network with its fixed inputs, as a function of arrays.

    Parameters
    ----------
    network : keras.Model
        Generator, see `xr_dl4ds.networks.generator`.
    fixed : mapping of numpy.ndarray
        Inputs without time for the predicted domain, by name, restricted to the inputs of the
        network.
    scale : Scale
        HR cells along the edges of an LR cell.
    context : int
        LR cells around the domain, on each side, that the network sees.
    token : str
        Identifies the weights: equal tokens give equal dask keys.
    realization : int, optional
        Seed of the member that a network with Monte-Carlo dropout or noise draws. None applies the
        network without dropout and with noise 0.
    place : Place, optional
        The part of a larger domain to which `fixed` belongs, see `at`.
    """

    network: keras.Model
    fixed: Mapping[str, np.ndarray]
    scale: Scale
    context: int = 0
    token: str
    realization: int | None = None
    place: Place | None = None

    def at(self, place: Place) -> Application:
        """Return the application for a part of the domain of `fixed`."""
        rows, columns = place.hr(self.scale)
        corner, last = (rows[0], columns[0]), columns[-1]
        # a view of the field, unless columns wrap around
        inside = slice(corner[1], last + 1) if last - corner[1] + 1 == columns.size else columns
        cut = {}
        for name, field in self.fixed.items():
            if name == POSITION:
                cut[name] = field + np.array(corner, field.dtype)
            elif name == FLOW_TIME:
                cut[name] = field
            else:
                cut[name] = field[rows[0] : rows[-1] + 1, inside]
        return dataclasses.replace(self, fixed=cut, place=place)

    def domain_of(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return LR rows and columns of the domain, of an input of a shape (..., y, x, channel)."""
        return shape[-3] - 2 * self.context, shape[-2] - 2 * self.context

    @property
    def n_noise(self) -> int:
        """Noise channels of the network."""
        return next((x.shape[-1] for x in self.network.inputs if x.name == NOISE), 0)

    @property
    def draws_noise(self) -> bool:
        """True if the network draws random numbers, and therefore needs the keys of its steps."""
        return self.realization is not None and self.n_noise > 0

    def __call__(self, lr: np.ndarray, keys: np.ndarray | None = None) -> np.ndarray:
        """Predict fields ``(..., y, x, channel)`` -> ``(..., hr_y, hr_x, channel)``.

        The result is float32.

        The input also has `context` rows and columns on each side of the domain.

        For spatio-temporal networks, fields are sequences ``(time, y, x, channel)``. If
        `draws_noise` is True, `keys` ``(..., [time])`` are required, see
        `xr_dl4ds.prediction.random_numbers.step_keys`.
        """
        sample = next(len(x.shape) for x in self.network.inputs if x.name == "lr") - 1
        lead, inner = lr.shape[: lr.ndim - sample], lr.shape[lr.ndim - sample :]
        flat = lr.reshape(-1, *inner).astype("f4", copy=False)
        *steps, y, x = *inner[:-3], *self.domain_of(lr.shape)
        flat_keys = None if keys is None else keys.reshape(-1, *steps)
        shape = (*steps, *self.scale.fine((y, x)), self.network.output_shape[-1])
        size = max(1, CELLS // int(np.prod(shape[:-1])))
        out = np.empty((len(flat), *shape), "f4")
        with ONE_AT_A_TIME, whole_float32():
            for start in range(0, len(flat), size):
                at = slice(start, start + size)
                out[at] = self._run(flat[at], None if flat_keys is None else flat_keys[at])
        return out.reshape(*lead, *shape)

    def inputs(self, part: np.ndarray, keys: np.ndarray | None = None) -> dict[str, Tensor]:
        """Return the inputs of the network for one batch, by name.

        `part` and `keys` are those of a call, with one leading dimension.
        """
        own = next(int(x.shape[-1]) for x in self.network.inputs if x.name == "lr")
        inputs: dict[str, Tensor] = {"lr": tf.constant(part[..., :own])}
        channels = {x.name: int(x.shape[-1]) for x in self.network.inputs}
        for name in (one for one in CARRIED if one in channels):
            end = own + channels[name] * self.scale.cells
            field = unpacked(part[..., own:end], channels[name], self.scale, self.context)
            inputs[name], own = tf.constant(field), end
        if self.n_noise:
            inputs[NOISE] = tf.constant(self._noise(part, keys))
        for tensor in self.network.inputs:
            if tensor.name not in inputs:
                field = self.fixed[tensor.name]
                inputs[tensor.name] = tf.constant(np.broadcast_to(field, (len(part), *field.shape)))
        return inputs

    def _run(self, part: np.ndarray, keys: np.ndarray | None) -> np.ndarray:
        """Predict one batch; on a CPU the result is a view of TensorFlow's memory."""
        inputs = self.inputs(part, keys)
        if self.realization is None or not has_monte_carlo(self.network):
            return np.asarray(_graph(self.network, realization=False)(inputs))
        graph = _graph(self.network, realization=True)
        set_realization(self.network, self._thinning)  # before every run: a run advances the states
        return np.asarray(graph(inputs))

    @property
    def _thinning(self) -> int:
        """Seed of the dropout factors; element-wise dropout has a different seed in each tile."""
        assert self.realization is not None
        if self.place is None or not thins_by_cell(self.network):
            return self.realization
        corner = self.place.y[0], self.place.x[0] % self.place.columns
        if corner == (0, 0):
            return self.realization
        return int(np.random.SeedSequence([self.realization, *corner]).generate_state(1)[0])

    def _noise(self, part: np.ndarray, keys: np.ndarray | None) -> np.ndarray:
        """Draw the noise of each step: ``(batch, [time,] y, x, n_noise)`` on HR cells, float32."""
        lead, (y, x) = part.shape[:-3], self.domain_of(part.shape)
        place = Place((0, y), (0, x), x) if self.place is None else self.place
        rows, columns = place.hr(self.scale)
        out = np.zeros((*lead, rows.size, columns.size, self.n_noise), "f4")
        if self.draws_noise:
            assert keys is not None
            assert self.realization is not None
            for step in np.ndindex(*lead):
                key = int(keys[step])
                out[step] = normal(self.realization, key, NETWORK, rows, columns, self.n_noise)
        return out

    def __dask_tokenize__(self) -> Any:
        sizes = self.scale, self.context
        parts = (self.token, *sizes, self.realization, dict(self.fixed), self.place)
        return normalize_token((type(self).__name__, *parts))


@contextlib.contextmanager
def whole_float32() -> Iterator[None]:
    """Multiply float32 with full precision, so that predictions on GPUs equal those on CPUs.

    TensorFlow uses TensorFloat-32, with 10 bits, on GPUs that support it. On an H200,
    TensorFloat-32 changed predictions by 0.5 to 4 % of their standard deviation, full precision by
    0.001 % (benchmarks/accelerator.py, networks with large random weights). The setting is global
    to the process.
    """
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


def _graph(network: keras.Model, *, realization: bool) -> Any:
    """Return the network as one function for inputs of any size, stored on the network itself.

    TensorFlow traces the function at its first call.
    """
    name = "_xr_dl4ds_realization" if realization else "_xr_dl4ds_graph"
    traced = getattr(network, name, None)
    if traced is None:
        signature = {
            tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.name)
            for tensor in network.inputs
        }

        def run(inputs: Mapping[str, Any]) -> Any:
            with sampling(network) if realization else contextlib.nullcontext():
                return network(inputs, training=False)

        traced = tf.function(run, input_signature=[signature])
        object.__setattr__(network, name, traced)
    return traced

"""Members of flow matching: noise on HR cells that follows the velocity of a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import keras
import numpy as np
import xarray as xr

from xr_dl4ds.data.channels import CHANNEL
from xr_dl4ds.explanation.saliency import FollowsPaths
from xr_dl4ds.grid.names import TIME, X, Y
from xr_dl4ds.inference.application import FLOW_TIME
from xr_dl4ds.networks.flow import NOISY
from xr_dl4ds.networks.solvers import integrated
from xr_dl4ds.networks.tensors import Tensor
from xr_dl4ds.prediction.latent_blocks import temperatures
from xr_dl4ds.prediction.network_input import NetworkInput
from xr_dl4ds.prediction.random_numbers import NETWORK, normal


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Flow:
    """How members follow the velocity of a network.

    Parameters
    ----------
    targets : tuple of str
        Names of the targets.
    steps : int
        Number of steps from noise to a member.
    solver : {"midpoint", "heun"}
        See `xr_dl4ds.networks.solvers`.
    temperature : mapping
        Factors of the noise by target and season.
    fields : callable
        Builds the function from residuals to fields; its argument says whether the first column
        follows the last one.
    mean : Runner, optional
        Runs the supervised model whose prediction is the first guess.
    """

    targets: tuple[str, ...]
    steps: int
    solver: str
    temperature: Mapping[str, Mapping[str, float]]
    fields: Callable[[bool], keras.Model]
    mean: FollowsPaths | None = None

    def noise(self, given: NetworkInput, shape: tuple[int, int], seed: int) -> xr.DataArray:
        """Return the noise from which a member begins: ``(time, y, x, target)``, lazy if LR is.

        Parameters
        ----------
        given : NetworkInput
            The input of a prediction.
        shape : tuple of int
            Rows and columns of HR cells.
        seed : int
            Seed of the member.
        """
        rows, columns = (
            np.arange(first, first + n) for first, n in zip(given.corner, shape, strict=True)
        )
        if given.period is not None:
            columns = columns % given.period
        factors = temperatures(self.temperature, self.targets, given.lr)
        steps = xr.DataArray(factors, dims=(TIME, CHANNEL))
        keys = given.keys
        if given.lr.chunks is not None:
            sizes = {TIME: given.lr.chunksizes[TIME]}
            keys, steps = keys.chunk(sizes), steps.chunk({**sizes, CHANNEL: -1})
        block = _Noise(seed=seed, rows=rows, columns=columns)
        found: xr.DataArray = xr.apply_ufunc(
            block,
            keys.drop_vars(list(keys.coords)),
            steps,
            input_core_dims=[[], [CHANNEL]],
            output_core_dims=[[Y, X, CHANNEL]],
            dask="parallelized",
            output_dtypes=[np.float32],
            dask_gufunc_kwargs={"output_sizes": dict(zip((Y, X), shape, strict=True))},
        )
        return found


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Noiseless:
    """The member that begins at noise 0, as tensors through which gradients pass.

    Parameters
    ----------
    fields : keras.Model
        From residuals to fields.
    steps : int
        Number of steps.
    solver : {"midpoint", "heun"}
        See `xr_dl4ds.networks.solvers`.
    """

    fields: keras.Model
    steps: int
    solver: str

    @property
    def passes(self) -> int:
        """Number of times that the network runs."""
        return 2 * self.steps

    def member(self, network: keras.Model, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the fields ``(batch, hr_y, hr_x, target)``, scaled.

        `inputs` are those of the velocity network, with the residuals at the beginning.
        """

        def velocity(residuals: Tensor, at: float) -> Tensor:
            given = {**inputs, NOISY: residuals, FLOW_TIME: inputs[FLOW_TIME] + at}
            return network(given, training=False)

        end = {**inputs, NOISY: integrated(velocity, inputs[NOISY], self.steps, self.solver)}
        return self.fields({x.name: end[x.name] for x in self.fields.inputs}, training=False)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Noise:
    """Noise of the cells of some steps, as a function of their keys and factors."""

    seed: int
    rows: np.ndarray
    columns: np.ndarray

    def __call__(self, keys: np.ndarray, factors: np.ndarray) -> np.ndarray:
        steps, targets = factors.shape
        out = np.empty((steps, self.rows.size, self.columns.size, targets), "f4")
        for step in range(steps):
            white = normal(self.seed, int(keys[step]), NETWORK, self.rows, self.columns, targets)
            out[step] = white * factors[step]
        return out

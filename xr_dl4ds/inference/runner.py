"""Application of a fitted network to the input of a prediction."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable

import keras
import numpy as np
import xarray as xr

from xr_dl4ds.config import Scale
from xr_dl4ds.data.channels import CHANNEL
from xr_dl4ds.explanation.saliency import HasGradients
from xr_dl4ds.grid.names import TIME, X, Y
from xr_dl4ds.inference.application import FLOW_TIME, Application
from xr_dl4ds.inference.blockwise import apply
from xr_dl4ds.inference.flow_path import Flow, Noiseless
from xr_dl4ds.inference.hardware import log_hardware
from xr_dl4ds.inference.packing import packed
from xr_dl4ds.inference.path import Path
from xr_dl4ds.inference.tiles import Tiling
from xr_dl4ds.networks import Reach, reach_of
from xr_dl4ds.networks.latent_members import LatentMembers
from xr_dl4ds.networks.layers import thins_by_cell
from xr_dl4ds.networks.solvers import integrated
from xr_dl4ds.prediction.network_input import NetworkInput

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Runner:
    """A fitted network, ready for predictions.

    Parameters
    ----------
    network : keras.Model
        The network as it was trained.
    global_domain : bool
        Whether the network was trained with periodic columns.
    other_form : callable
        Builds the same network for the other kind of domain, on first use.
    name : str
        Identifies the weights in the names of dask tasks.
    scale : Scale
        HR cells along the edges of an LR cell.
    context : int
        LR cells around the domain, on each side, that the network sees.
    latent : LatentMembers, optional
        Members of a network whose targets have latent noise.
    flow : Flow, optional
        How members follow the velocity that the network returns.
    """

    network: keras.Model
    global_domain: bool
    other_form: Callable[[], keras.Model]
    name: str
    scale: Scale
    context: int = 0
    latent: LatentMembers | None = None
    flow: Flow | None = None

    def run(self, network_input: NetworkInput, realization: int | None) -> xr.DataArray:
        """Apply the network, in tiles if the domain is large.

        Parameters
        ----------
        network_input : NetworkInput
            Scaled LR channels ``(time, y, x, channel)`` and the other inputs of the network.
        realization : int, optional
            Seed of the member that the network draws; None for its deterministic output.

        Returns
        -------
        xarray.DataArray
            ``(time, y, x, channel)`` on HR cells, scaled, float32; lazy if the input is.
        """
        log_hardware("float32")
        if self.flow is not None:
            return self._member(self.flow, network_input, realization)
        return self._applied(self._form, network_input, realization)

    def _member(
        self, flow: Flow, network_input: NetworkInput, realization: int | None
    ) -> xr.DataArray:
        """Return a member of flow matching, or the prediction of its supervised model."""
        if flow.mean is not None:
            mean = network_input.mean
            if mean is None:
                mean = flow.mean.run(network_input, None)
            if realization is None:
                return mean
            network_input = dataclasses.replace(network_input, guess=mean)
        assert realization is not None

        def velocity(residuals: xr.DataArray, at: float) -> xr.DataArray:
            time = {FLOW_TIME: xr.DataArray(np.array([at], "f4"), dims=CHANNEL)}
            fixed = {**network_input.fixed, **time}
            given = dataclasses.replace(network_input, fixed=fixed)
            return self._applied(self._form, given, realization, residuals)

        noise = flow.noise(network_input, self._shape(network_input.lr), realization)
        residuals = integrated(velocity, noise, flow.steps, flow.solver)
        return self._applied(self._fields_form, network_input, realization, residuals)

    def _applied(
        self,
        form: Callable[[bool], tuple[keras.Model, str]],
        network_input: NetworkInput,
        realization: int | None,
        residuals: xr.DataArray | None = None,
    ) -> xr.DataArray:
        """Apply one form of a network, with residuals of a flow if it takes them."""
        lr, windows = self._with_carried(network_input, residuals), network_input.windows
        shape = lr.sizes[Y] - 2 * self.context, lr.sizes[X] - 2 * self.context
        network, token = form(network_input.global_domain)
        steps = 1 if windows is None else int(windows.length.max())
        reach = reach_of(network, steps, self.context)
        sees_all = reach.cells is None
        if realization is not None and thins_by_cell(network):
            # the dropped cells depend on the whole field
            reach = Reach(cells=None, align=reach.align)
        tiling = Tiling.of(reach, shape, self.scale, network_input.tile_size)
        if tiling.edge[1] < shape[1]:  # tiles are not periodic; they read beyond their edges
            network, token = form(False)
        if sees_all and tiling.edge != shape:
            _warn_of_tile_means(token, *self.scale.fine(tiling.edge))
        return apply(
            self._application(network, token, network_input, realization),
            lr,
            windows,
            network_input.keys,
            tiling=tiling,
            around=network_input.global_domain,
        )

    def _with_carried(
        self, network_input: NetworkInput, residuals: xr.DataArray | None
    ) -> xr.DataArray:
        """Return LR channels with the first guess and residuals of a flow as further channels."""
        lr = network_input.lr
        for carried in (network_input.guess, residuals):
            if carried is not None:
                lr = packed(lr, carried, self.scale, self.context)
        return lr

    def _shape(self, lr: xr.DataArray) -> tuple[int, int]:
        """Return rows and columns of the HR cells of the domain."""
        around = 2 * self.context
        return self.scale.fine((lr.sizes[Y] - around, lr.sizes[X] - around))

    def path(self, actual: NetworkInput, baseline: NetworkInput, steps: int) -> HasGradients:
        """Return the path from a baseline to the input of a prediction, without tiles.

        Parameters
        ----------
        actual, baseline : NetworkInput
            The input, and the same input with other LR channels and first guess.
        steps : int
            Points of the path at which gradients are taken.
        """
        if self.flow is not None and self.flow.mean is not None:  # its prediction has no noise
            return self.flow.mean.path(actual, baseline, steps)
        network, token = self._form(actual.global_domain)
        residuals, noiseless = None, None
        if self.flow is not None:
            residuals = 0 * self.flow.noise(actual, self._shape(actual.lr), 0)
            begin = {FLOW_TIME: xr.DataArray(np.zeros(1, "f4"), dims=CHANNEL)}
            actual = dataclasses.replace(actual, fixed={**actual.fixed, **begin})
            fields, _ = self._fields_form(actual.global_domain)
            noiseless = Noiseless(fields=fields, steps=self.flow.steps, solver=self.flow.solver)
        ends = [self._with_carried(one, residuals) for one in (baseline, actual)]
        return Path(
            application=self._application(network, token, actual, None),
            start=ends[0].transpose(TIME, Y, X, CHANNEL),
            end=ends[1].transpose(TIME, Y, X, CHANNEL),
            steps=steps,
            members=self.latent,
            noiseless=noiseless,
        )

    def _application(
        self,
        network: keras.Model,
        token: str,
        network_input: NetworkInput,
        realization: int | None,
    ) -> Application:
        asked = {tensor.name for tensor in network.inputs}
        return Application(
            network=network,
            fixed={n: f.to_numpy() for n, f in network_input.fixed.items() if n in asked},
            scale=self.scale,
            context=self.context,
            token=token,
            realization=realization,
        )

    def _form(self, global_domain: bool) -> tuple[keras.Model, str]:
        """Return the network for the kind of domain, and its name."""
        if global_domain == self.global_domain:
            return self.network, self.name
        return self._other, f"{self.name} in another form"

    def _fields_form(self, global_domain: bool) -> tuple[keras.Model, str]:
        """Return the function from residuals to fields for the kind of domain, and its name."""
        kind = "around" if global_domain else "bounded"
        if global_domain not in self._fields:
            assert self.flow is not None
            self._fields[global_domain] = self.flow.fields(global_domain)
        return self._fields[global_domain], f"{self.name} fields {kind}"

    @functools.cached_property
    def _fields(self) -> dict[bool, keras.Model]:
        """The functions from residuals to fields that are built so far."""
        return {}

    @functools.cached_property
    def _other(self) -> keras.Model:
        return self.other_form()


@functools.lru_cache(maxsize=64)
def _warn_of_tile_means(token: str, y: int, x: int) -> None:
    """Warn that channel attention depends on the tiles, once per network and not per member."""
    logger.warning(
        "channel attention depends on the tile: in tiles of %d x %d HR cells the network weighs"
        " channels by their means over a tile, and the prediction differs from that of the whole"
        " domain by a few hundredths of its standard deviation; increase tile_size to reduce this",
        *(y, x),
    )

"""Members of a prediction, their mean and their spread."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import xarray as xr

from xr_dl4ds.config import Adversarial, Options, Scale
from xr_dl4ds.config.choices import DISTRIBUTIONS, ENSEMBLE_LOSS
from xr_dl4ds.config.distribution_channels import is_latent
from xr_dl4ds.data.channels import CHANNEL
from xr_dl4ds.data.latent_fields import LatentFields
from xr_dl4ds.data.state import State
from xr_dl4ds.grid.cf.georeference import SPREAD
from xr_dl4ds.grid.names import REALIZATION, X, Y
from xr_dl4ds.prediction.distributions import Heads, Member
from xr_dl4ds.prediction.latent_blocks import latent_members, temperatures
from xr_dl4ds.prediction.latent_draws import LatentMember
from xr_dl4ds.prediction.network_input import AppliesNetwork, NetworkInput
from xr_dl4ds.prediction.postprocess import Physics
from xr_dl4ds.prediction.random_numbers import seeds
from xr_dl4ds.prediction.request import Request

#: Number of members for the mean of a network trained with members, and for a spread without a
#: formula. The standard error of the mean of 16 members is a quarter of their spread.
MEMBERS_OF_MEAN = 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class MemberSources:
    """Stochastic parts of a model, from which members are drawn.

    Parameters
    ----------
    network : bool
        True if the network itself is stochastic, by Monte-Carlo dropout or by noise.
    heads : Heads
        The distribution of each target.
    averaged : bool
        True if the deterministic prediction is the mean of members. A network trained with members
        has no better deterministic prediction, because it was never trained on zero noise. Other
        networks are trained to predict well without dropout, or (adversarial training) with any
        noise, including zero.
    constrained : tuple of bool
        For each target, True if a constraint fixes its mean over the LR cells.
    scale : Scale
        HR cells along the edges of an LR cell.
    latent : LatentFields, optional
        Statistics of latent fields, for targets whose members are drawn from them.
    names : tuple of str
        Names of the targets.
    passes : int
        Number of times that the network runs for each member.
    from_mean : bool
        True if members of flow matching begin at the prediction of a supervised model.
    """

    network: bool
    heads: Heads
    averaged: bool
    constrained: tuple[bool, ...]
    scale: Scale
    latent: LatentFields | None = None
    names: tuple[str, ...] = ()
    passes: int = 1
    from_mean: bool = False

    @classmethod
    def of(cls, state: State, options: Options) -> MemberSources:
        """Return the stochastic parts of a model."""
        network, training, features = options.network, options.training, state.features
        kinds = state.distributions(options)
        constrained = features.counterparts if network.constraint is not None else ()
        return cls(
            network=network.monte_carlo or options.n_noise > 0 or state.flow is not None,
            heads=Heads(
                kinds=kinds, offsets_from_zero=state.offsets_from_zero(network.output_activation)
            ),
            averaged=training.draws_members or _without_mean(state),
            constrained=tuple(name in constrained for name in features.targets),
            scale=state.pairing.scale,
            latent=state.latent,
            names=features.targets,
            passes=1 if options.flow is None else 2 * options.flow.steps,
            from_mean=state.from_mean,
        )

    @property
    def distributions(self) -> bool:
        """True if members are drawn from distributions of cells, or from latent fields."""
        return any(kind is not None for kind in self.heads.kinds)

    @property
    def latent_targets(self) -> list[int]:
        """Positions of the targets whose members are drawn from latent fields."""
        return [i for i, kind in enumerate(self.heads.kinds) if is_latent(kind)]

    @property
    def cell_distributions(self) -> bool:
        """True if members are drawn from distributions of single cells."""
        return any(kind is not None and not is_latent(kind) for kind in self.heads.kinds)


def _without_mean(state: State) -> bool:
    """Return True for flow matching from a first guess, which has no deterministic prediction."""
    return state.flow is not None and not state.from_mean


def check(
    sources: MemberSources, request: Request, options: Options, targets: Iterable[str]
) -> None:
    """Raise a `ValueError` if members or a spread are requested from a deterministic model.

    `targets` are the names of the predicted variables.
    """
    asked = f"realizations={request.realizations}"
    if request.spread:
        if request.realizations is not None:
            raise ValueError(
                f"Expected either `spread` or `realizations`, got spread=True and {asked}. Remove"
                f" spread=True: the spread of members is .std('{REALIZATION}')."
            )
        asked = "spread=True"
        taken = [name for name in targets if f"{name}{SPREAD}" in targets]
        if taken:
            raise ValueError(
                f"Expected no target with the name of a spread for spread=True, got"
                f" '{taken[0]}{SPREAD}' beside {taken[0]!r}. Fit with another name."
            )
    elif request.realizations is None:
        return
    if not (sources.network or sources.distributions):
        network, training = options.network, options.training
        heads = " or ".join(map(repr, (*DISTRIBUTIONS, ENSEMBLE_LOSS)))
        cure = (
            f"Fit it with dropout='vanilla', monte_carlo=True, with loss={heads}, or with"
            " training=xr_dl4ds.Adversarial()."
        )
        if isinstance(training, Adversarial):
            cure = "Fit it with noise: remove noise_channels=0."
        raise ValueError(
            f"Expected a model that draws members for {asked}, got dropout={network.dropout!r},"
            f" monte_carlo=False, loss={training.cell_loss!r}, noise_channels=0, which is"
            f" deterministic. {cure}"
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draws:
    """Network with its input, ready to draw members lazily, in scaled units.

    Parameters
    ----------
    sources : MemberSources
        Stochastic parts of the model.
    runner : xr_dl4ds.inference.Runner
        Applies the network.
    network_input : NetworkInput
        The scaled LR fields. Its input "valid" is ``(y, x, channel)``, 1 where an HR cell of a
        target is valid.
    shared : xarray.DataArray, optional
        Output of a network without randomness, if it is already known.
    """

    sources: MemberSources
    runner: AppliesNetwork
    network_input: NetworkInput
    shared: xr.DataArray | None = None

    def run(self, realization: int | None) -> xr.DataArray:
        """Apply the network: ``(time, y, x, channel)``, scaled, see `xr_dl4ds.inference.Runner`."""
        return self.runner.run(self.network_input, realization)

    def members(self, n: int, seed: int) -> Iterator[xr.DataArray]:
        """Yield the scaled targets of the first `n` members, one after the other."""
        for output, member_seed in self.outputs(n, seed):
            yield self.drawn(output, member_seed) if self.sources.distributions else output

    def outputs(self, n: int, seed: int) -> Iterator[tuple[xr.DataArray, int]]:
        """Yield the output of the network for each of `n` members, and the seed of the member.

        A network without randomness runs once for all members, and so does the supervised model
        at whose prediction members of flow matching begin.
        """
        if self.sources.from_mean and self.network_input.mean is None:
            given = dataclasses.replace(self.network_input, mean=self.run(None))
            yield from dataclasses.replace(self, network_input=given).outputs(n, seed)
            return
        shared = self.shared
        if shared is None and not self.sources.network:
            shared = self.run(None)
        for member_seed in seeds(n, seed):
            yield self.run(member_seed) if shared is None else shared, member_seed

    def without_cell_noise(self, output: xr.DataArray, seed: int) -> xr.DataArray:
        """Draw latent fields; targets with a distribution of each cell keep its mean."""
        return output if self.sources.latent is None else self.drawn(output, seed, latent=True)

    def drawn(self, output: xr.DataArray, seed: int, *, latent: bool = False) -> xr.DataArray:
        """Draw a member from the distributions in a network output.

        With `latent`, only the targets with latent fields are drawn; others keep their mean.
        """
        kinds = self.sources.heads.kinds
        own = self.sources.latent_targets
        if len(own) == len(kinds):
            return self._from_latent_fields(output, seed)
        cells = any(kind is not None and not is_latent(kind) for kind in kinds)
        if cells and not latent:
            found = self._cell_by_cell(output, seed)
        else:
            found = output.isel({CHANNEL: slice(0, len(kinds))})
        if not own:
            return found
        fields = self._from_latent_fields(output, seed)
        parts = [
            fields.isel({CHANNEL: [own.index(i)]}) if i in own else found.isel({CHANNEL: [i]})
            for i in range(len(kinds))
        ]
        return xr.concat(parts, CHANNEL).transpose(*output.dims)

    def _cell_by_cell(self, output: xr.DataArray, seed: int) -> xr.DataArray:
        """Draw a member in which cells depend on each other only by the constraint."""
        heads, constrained = self.sources.heads, self.sources.constrained
        member = Member(heads=heads, seed=seed, scale=self.sources.scale, constrained=constrained)
        place = [xr.DataArray(np.arange(output.sizes[d]), dims=d) for d in (Y, X)]
        valid_cells = self._valid if any(constrained) else None
        return by_block(
            member, output, len(constrained), [self.network_input.keys, *place], valid_cells
        )

    def _from_latent_fields(self, output: xr.DataArray, seed: int) -> xr.DataArray:
        """Draw a member of the targets with latent noise: ``(time, y, x, latent target)``."""
        sources, given = self.sources, self.network_input
        assert sources.latent is not None
        member = LatentMember(
            latent=sources.latent,
            kinds=sources.heads.kinds,
            offsets_from_zero=sources.heads.offsets_from_zero,
            constrained=sources.constrained,
            scale=sources.scale,
            seed=seed,
        )
        return latent_members(
            member,
            output,
            given.keys,
            temperatures(sources.latent.temperature, sources.names, output),
            self._valid,
            corner=given.corner,
            period=given.period,
        )

    @property
    def _valid(self) -> xr.DataArray:
        """Return True in HR cells ``(y, x, channel)`` that count in means over their LR cell."""
        valid = self.network_input.fixed["valid"]
        return valid.drop_vars([Y, X], errors="ignore").astype(bool)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ensemble:
    """Model with LR fields, ready to compute its mean, members and spread lazily.

    Parameters
    ----------
    draws : Draws
        The network, and the members drawn from it.
    physics : Physics
        Converts scaled output to physical fields.
    """

    draws: Draws
    physics: Physics

    def realizations(self, n: int, seed: int) -> xr.Dataset:
        """Return the first `n` members along `realization`."""
        return self.physics.fields(xr.concat(list(self.draws.members(n, seed)), REALIZATION))

    def mean(self, seed: int) -> xr.Dataset:
        """Return the deterministic prediction of the model."""
        if not self.draws.sources.averaged:
            flow = self.physics.state.flow  # its supervised model predicts the first guess
            physics = self.physics if flow is None else self.physics.guesses
            return physics.fields(self.draws.run(None))
        outputs = RunningMoments()
        for output, member_seed in self.draws.outputs(MEMBERS_OF_MEAN, seed):
            outputs.add(self.physics.fields(self.draws.without_cell_noise(output, member_seed)))
        return outputs.mean

    def mean_and_spread(self, seed: int) -> tuple[xr.Dataset, xr.Dataset]:
        """Return the deterministic prediction and the standard deviation of stochastic targets."""
        sources = self.draws.sources
        if not sources.network and sources.latent is None:
            output = self.draws.run(None)
            return self.physics.fields(output), self._analytic(output)
        outputs, members = RunningMoments(), RunningMoments()
        for output, member_seed in self.draws.outputs(MEMBERS_OF_MEAN, seed):
            plain = self.draws.without_cell_noise(output, member_seed)
            outputs.add(self.physics.fields(plain))
            if sources.cell_distributions:
                members.add(self.physics.fields(self.draws.drawn(output, member_seed)))
        mean = outputs.mean if sources.averaged else self.mean(seed)
        spread = (members if sources.cell_distributions else outputs).std
        return mean, spread if sources.network else spread[self._stochastic]

    def _analytic(self, output: xr.DataArray) -> xr.Dataset:
        """Return the spread by the formulas of the distributions, in physical units."""
        heads = self.draws.sources.heads
        spread = by_block(heads.spread, output, len(heads.kinds))
        return self.physics.spreads(spread, self._stochastic)

    @property
    def _stochastic(self) -> list[str]:
        """Targets with a distribution, or with a slice that has one."""
        state, heads = self.physics.state, self.draws.sources.heads
        names = state.features.targets
        having = state.bases(n for n, kind in zip(names, heads.kinds, strict=True) if kind)
        return [name for name in names if state.bases([name])[0] in having]


def by_block(
    function: Callable[..., np.ndarray],
    output: xr.DataArray,
    targets: int,
    labels: Sequence[xr.DataArray] = (),
    valid: xr.DataArray | None = None,
) -> xr.DataArray:
    """Call a function for each dask chunk, in time and in space.

    Parameters
    ----------
    function : callable
        Function of the blocks of `output`, `labels` and `valid`, in this order. A dimension that
        an array lacks has length 1 in its block.
    output : xarray.DataArray
        Network output ``(time, y, x, channel)``.
    targets : int
        Number of channels of the result.
    labels : sequence of xarray.DataArray
        Arrays along some of ``(time, y, x)``.
    valid : xarray.DataArray, optional
        ``(y, x, channel)``, with one channel for each target.
    """
    beside = [*labels, *([] if valid is None else [valid.rename({CHANNEL: _TARGET})])]
    if output.chunks is not None:
        beside = [x.chunk({d: output.chunksizes.get(d, -1) for d in x.dims}) for x in beside]
    found: xr.DataArray = xr.apply_ufunc(
        function,
        output,
        *beside,
        input_core_dims=[[CHANNEL], *[[d for d in x.dims if d == _TARGET] for x in beside]],
        output_core_dims=[[CHANNEL]],
        exclude_dims={CHANNEL},
        dask="parallelized",
        output_dtypes=[np.float32],
        dask_gufunc_kwargs={"output_sizes": {CHANNEL: targets}},
    )
    return found.transpose(*output.dims)


#: Dimension of arrays with one entry for each target; the network's output may have more channels.
_TARGET = "target"


class RunningMoments:
    """Mean and standard deviation (``ddof=1``) of members, added one at a time, float32.

    The algorithm of Welford (1962, doi:10.1080/00401706.1962.10490022) stores no member, and takes
    no difference of large sums.
    """

    def __init__(self) -> None:
        self._n = 0
        self._mean = self._squares = xr.Dataset()

    def add(self, member: xr.Dataset) -> None:
        """Add a member."""
        self._n, wide = self._n + 1, member.astype("f8")
        if self._n == 1:
            self._mean, self._squares = wide, wide * 0.0
            return
        step = wide - self._mean
        self._mean = self._mean + step / self._n
        self._squares = self._squares + step * (wide - self._mean)

    @property
    def mean(self) -> xr.Dataset:
        """Mean of the members added so far."""
        return self._mean.astype("f4")

    @property
    def std(self) -> xr.Dataset:
        """Standard deviation of the members added so far, which must be two or more."""
        return ((self._squares / (self._n - 1)) ** 0.5).astype("f4")

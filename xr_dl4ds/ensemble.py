"""Members of a prediction, their mean and their spread."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from xr_dl4ds.config import Adversarial
from xr_dl4ds.config.choices import DISTRIBUTIONS, ENSEMBLE_LOSS
from xr_dl4ds.distributions import Heads, Member
from xr_dl4ds.features import CHANNEL
from xr_dl4ds.georeference import SPREAD
from xr_dl4ds.grid.fields import REALIZATION, X, Y
from xr_dl4ds.noise import seeds
from xr_dl4ds.physics import Physics
from xr_dl4ds.request import Request
from xr_dl4ds.state import State

#: Members behind the mean of a network that was trained on members, and behind a spread that no
#: formula gives: the mean of 16 has a quarter of their spread as its standard error.
MEMBERS_OF_MEAN = 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sources:
    """From where members come.

    Parameters
    ----------
    network : bool
        Whether the network itself draws: by Monte-Carlo dropout, or from noise.
    heads : Heads
        The distribution of each target.
    averaged : bool
        Whether the one answer is the mean of members. A network that was trained on members by
        "crps" has no better one; its answer to no noise at all was never asked for. The others are
        trained to answer well without dropout, or (adversarial) to no noise as to any.
    """

    network: bool
    heads: Heads
    averaged: bool

    @classmethod
    def of(cls, state: State, options: Mapping[str, Any]) -> Sources:
        """Those of a model."""
        network, training = options["network"], options["training"]
        kinds = tuple(training.distribution_of(name) for name in state.features.targets)
        return cls(
            network=network.monte_carlo or training.n_noise > 0,
            heads=Heads(kinds=kinds, zeros=state.zeros(network.output_activation)),
            averaged=training.draws_members,
        )

    @property
    def distributions(self) -> bool:
        """Whether members are drawn from distributions of the cells."""
        return any(kind is not None for kind in self.heads.kinds)


def check(
    sources: Sources, request: Request, options: Mapping[str, Any], targets: Iterable[str]
) -> None:
    """Raise a `ValueError` for members or a spread of a model that has one answer.

    `targets` are the names of the variables that come out.
    """
    asked = f"realizations={request.realizations}"
    if request.spread:
        if request.realizations is not None:
            raise ValueError(
                f"Expected either `spread` or `realizations`, got spread=True and {asked}. Leave"
                f" one out: the spread of members is .std('{REALIZATION}')."
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
        network, training = options["network"], options["training"]
        heads = " or ".join(map(repr, (*DISTRIBUTIONS, ENSEMBLE_LOSS)))
        cure = (
            f"Fit it with dropout='vanilla', monte_carlo=True, with loss={heads}, or with"
            " training=xr_dl4ds.Adversarial()."
        )
        if isinstance(training, Adversarial):
            cure = "Fit it with noise: leave noise_channels out."
        raise ValueError(
            f"Expected a model that draws members for {asked}, got dropout={network.dropout!r},"
            f" monte_carlo=False, loss={training.loss!r}, noise_channels=0, which has one answer."
            f" {cure}"
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draws:
    """A network on its input, ready to draw members in scaled units, lazily.

    Parameters
    ----------
    sources : Sources
        From where members come.
    run : callable
        The network in the realization of a seed, None for its one answer, ``(time, y, x, channel)``
        scaled.
    keys : xarray.DataArray
        Of the random numbers of each step, see `noise.step_keys`.
    valid : xarray.DataArray
        ``(y, x, channel)``, 1 where an HR cell of a target counts.
    state : State
        Names and scale of what is predicted.
    constrained : bool
        Whether a constraint keeps the means of LR cells.
    """

    sources: Sources
    run: Callable[[int | None], xr.DataArray]
    keys: xr.DataArray
    valid: xr.DataArray
    state: State
    constrained: bool

    def members(self, n: int, seed: int) -> Iterator[xr.DataArray]:
        """Scaled targets of the first `n` members, one after the other."""
        shared = None if self.sources.network else self.run(None)
        for one in seeds(n, seed):
            output = self.run(one) if shared is None else shared
            yield self.drawn(output, one) if self.sources.distributions else output

    def drawn(self, output: xr.DataArray, seed: int) -> xr.DataArray:
        """A member of the distributions that the output tells."""
        heads, features = self.sources.heads, self.state.features
        kept = tuple(
            self.constrained and name in features.counterparts for name in features.targets
        )
        member = Member(heads=heads, seed=seed, scale=self.state.pairing.scale, kept=kept)
        place = [xr.DataArray(np.arange(output.sizes[d]), dims=d) for d in (Y, X)]
        valid = self.valid.astype(bool).drop_vars([Y, X], errors="ignore") if any(kept) else None
        return by_block(member, output, len(kept), [self.keys, *place], valid)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ensemble:
    """A model on LR fields, ready to give its one answer, members and spread, lazily.

    Parameters
    ----------
    draws : Draws
        The network and what is drawn from it.
    physics : Physics
        Makes physical fields of it.
    """

    draws: Draws
    physics: Physics

    def realizations(self, n: int, seed: int) -> xr.Dataset:
        """The first `n` members, along `realization`."""
        return self.physics.fields(xr.concat(list(self.draws.members(n, seed)), REALIZATION))

    def mean(self, seed: int) -> xr.Dataset:
        """The one answer of the model."""
        if not self.draws.sources.averaged:
            return self.physics.fields(self.draws.run(None))
        answers = Moments()
        for one in seeds(MEMBERS_OF_MEAN, seed):  # of distributions the means, not draws
            answers.add(self.physics.fields(self.draws.run(one)))
        return answers.mean

    def mean_and_spread(self, seed: int) -> tuple[xr.Dataset, xr.Dataset]:
        """The one answer, and the standard deviation of the targets that have one."""
        if not self.draws.sources.network:
            output = self.draws.run(None)
            return self.physics.fields(output), self._analytic(output)
        if not self.draws.sources.averaged:
            members = Moments()
            for scaled in self.draws.members(MEMBERS_OF_MEAN, seed):
                members.add(self.physics.fields(scaled))
            return self.mean(seed), members.std
        answers, members = Moments(), Moments()
        for one in seeds(MEMBERS_OF_MEAN, seed):
            output = self.draws.run(one)
            answers.add(self.physics.fields(output))
            if self.draws.sources.distributions:
                members.add(self.physics.fields(self.draws.drawn(output, one)))
        return answers.mean, (members if self.draws.sources.distributions else answers).std

    def _analytic(self, output: xr.DataArray) -> xr.Dataset:
        """By the formulas of the distributions, in physical units."""
        state, heads = self.physics.state, self.draws.sources.heads
        spread = by_block(heads.spread, output, len(heads.kinds))
        names = state.features.targets
        having = state.bases(n for n, kind in zip(names, heads.kinds, strict=True) if kind)
        own = [name for name in names if state.bases([name])[0] in having]
        return self.physics.spreads(spread, own)


def by_block(
    function: Callable[..., np.ndarray],
    output: xr.DataArray,
    targets: int,
    labels: Sequence[xr.DataArray] = (),
    valid: xr.DataArray | None = None,
) -> xr.DataArray:
    """One call for each dask chunk, in time and in space.

    Parameters
    ----------
    function : callable
        Of blocks of the following, in this order; dimensions that one lacks have one entry.
    output : xarray.DataArray
        ``(time, y, x, channel)``, what the network gives.
    targets : int
        Channels of the result.
    labels : sequence of xarray.DataArray
        Along some of ``(time, y, x)``.
    valid : xarray.DataArray, optional
        ``(y, x, channel)``, with as many channels as targets.
    """
    beside = [*labels, *([] if valid is None else [valid.rename({CHANNEL: _TARGET})])]
    if output.chunks is not None:
        beside = [x.chunk({d: output.chunksizes.get(d, -1) for d in x.dims}) for x in beside]
    found = xr.apply_ufunc(
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


#: The channels of what has one for each target, beside the network's output, which may have more.
_TARGET = "target"


class Moments:
    """Mean and standard deviation (``ddof=1``) of members, one at a time, float32.

    Welford (1962, doi:10.1080/00401706.1962.10490022): no member is kept, and no difference of
    large sums is taken.
    """

    def __init__(self) -> None:
        self._n = 0
        self._mean = self._squares = xr.Dataset()

    def add(self, member: xr.Dataset) -> None:
        """Count one more member."""
        self._n, wide = self._n + 1, member.astype("f8")
        if self._n == 1:
            self._mean, self._squares = wide, wide * 0.0
            return
        step = wide - self._mean
        self._mean = self._mean + step / self._n
        self._squares = self._squares + step * (wide - self._mean)

    @property
    def mean(self) -> xr.Dataset:
        """Of the members so far."""
        return self._mean.astype("f4")

    @property
    def std(self) -> xr.Dataset:
        """Of the members so far, two or more."""
        return ((self._squares / (self._n - 1)) ** 0.5).astype("f4")

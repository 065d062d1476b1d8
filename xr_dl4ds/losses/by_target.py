"""The loss of a network's whole output, where targets may have losses of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xr_dl4ds.config.choices import DISTRIBUTIONS, ENSEMBLE_LOSS
from xr_dl4ds.config.distributions import parameter_channels
from xr_dl4ds.layers.channels import take
from xr_dl4ds.losses.composite import Loss, build
from xr_dl4ds.losses.probabilistic import bernoulli_gamma_nll, crps, gaussian_nll

#: A name, or weights of several.
Asked = str | Mapping[str, float]


def build_for(
    losses: Sequence[Asked],
    *,
    zeros: Sequence[float] | None = None,
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    members: bool = False,
) -> Loss:
    """The loss of all output channels of a generator, from the loss of each target.

    Targets that share a plain loss, or "crps", are taken together, as channels of one field: with
    one loss for all targets that is `build` of it. A loss that fits a distribution
    ("gaussian_nll", "bernoulli_gamma_nll") is taken of each target by itself, of its mean and its
    parameters. The result is the mean over targets: each of these terms times the share of the
    targets that are in it.

    With ``members=True`` the output has members along its first axis: "crps" is taken over them;
    every other loss is taken of each member by itself, and is the mean over members.

    Parameters
    ----------
    losses : sequence of str or mapping
        For each target, in the order of the channels, a name of `config.choices.SUPERVISED_LOSSES`
        or weights for names of `LOSSES`: what `Training.loss_of` says.
    zeros : sequence of float, optional
        For each target, what is added to a scaled value to measure it from the physical zero; 0 by
        default. Needed by "bernoulli_gamma_nll" alone.
    low, high : sequence of float, optional
        For each target, the least and largest value in training, see `build`.
    members : bool
        Whether the output has a leading axis of members; their number must be known.

    Returns
    -------
    callable
        ``(target, output, weight) -> scalar``. `target` and `weight` are ``(batch, [time,] y, x,
        target)``; `output` is ``([member,] batch, [time,] y, x, channel)``, its channels those of
        the generator: one for each target, then parameters
        (`xr_dl4ds.config.distributions.parameter_channels`).

    Raises
    ------
    ValueError
        For an unknown loss, for "crps" without members, and as `build`.
    """
    if ENSEMBLE_LOSS in losses and not members:
        raise ValueError(
            f"Expected members=True for the loss {ENSEMBLE_LOSS!r}, which is taken over members,"
            " got False."
        )
    offsets = tuple(zeros) if zeros is not None else (0.0,) * len(losses)
    distributions = [DISTRIBUTIONS.get(loss) if isinstance(loss, str) else None for loss in losses]
    parameters = parameter_channels(distributions)
    terms: list[tuple[float, Loss]] = []
    for i, kind in enumerate(distributions):
        if kind is not None:
            term = TERMS[kind](i, parameters[i], offsets[i])
            terms.append((1 / len(losses), _over_members(term, members)))
    plain = [i for i, kind in enumerate(distributions) if kind is None]
    for channels in _together(losses, plain):
        loss = losses[channels[0]]
        if loss == ENSEMBLE_LOSS:
            term = _of_channels(crps, channels)
        else:
            limits = (None if v is None else [v[i] for i in channels] for v in (low, high))
            term = _over_members(_of_channels(build(loss, *limits), channels), members)
        terms.append((len(channels) / len(losses), term))
    if len(terms) == 1:
        return terms[0][1]

    def mean_over_targets(target: Any, output: Any, weight: Any) -> Any:
        return sum(share * term(target, output, weight) for share, term in terms)

    return mean_over_targets


def _together(losses: Sequence[Asked], plain: Sequence[int]) -> list[list[int]]:
    """Targets by their loss, in the order in which the losses come first."""
    groups: list[list[int]] = []
    for i in plain:
        own = next((group for group in groups if losses[group[0]] == losses[i]), None)
        if own is None:
            groups.append([i])
        else:
            own.append(i)
    return groups


def _of_channels(loss: Loss, channels: Sequence[int]) -> Loss:
    def of_channels(target: Any, output: Any, weight: Any) -> Any:
        return loss(*(take(x, channels) for x in (target, output, weight)))

    return of_channels


def _gaussian(target: int, parameters: Mapping[str, int], zero: float) -> Loss:
    def loss(truth: Any, output: Any, weight: Any) -> Any:
        mean, spread = take(output, [target]), take(output, [parameters["spread"]])
        return gaussian_nll(take(truth, [target]), mean, spread, take(weight, [target]))

    return loss


def _bernoulli_gamma(target: int, parameters: Mapping[str, int], zero: float) -> Loss:
    def loss(truth: Any, output: Any, weight: Any) -> Any:
        mean, wet, shape = (
            take(output, [c]) for c in (target, parameters["wet"], parameters["shape"])
        )
        truth, weight = take(truth, [target]), take(weight, [target])
        return bernoulli_gamma_nll(truth, mean, wet, shape, zero, weight)

    return loss


#: ``(target, parameters, zero) -> loss`` of each distribution.
TERMS: dict[str, Callable[[int, Mapping[str, int], float], Loss]] = {
    "gaussian": _gaussian,
    "bernoulli_gamma": _bernoulli_gamma,
}


def _over_members(loss: Loss, members: bool) -> Loss:
    """The mean over members of the loss of each."""
    if not members:
        return loss

    def mean_over_members(target: Any, output: Any, weight: Any) -> Any:
        n = output.shape[0]
        return sum(loss(target, output[i], weight) for i in range(n)) / n

    return mean_over_members

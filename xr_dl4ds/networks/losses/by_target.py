"""The loss of a network's whole output, where each target may have its own loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from xr_dl4ds.config.choices import DISTRIBUTIONS
from xr_dl4ds.config.distribution_channels import is_latent, parameter_channels
from xr_dl4ds.config.loss_choice import ensemble_weights
from xr_dl4ds.networks.layers.amount_curve import AmountCurve, bent
from xr_dl4ds.networks.layers.channel_selection import take
from xr_dl4ds.networks.losses.composite import Loss, build, weighted_sum
from xr_dl4ds.networks.losses.ensemble_losses import Usual, build_ensemble_loss
from xr_dl4ds.networks.losses.probabilistic_losses import bernoulli_gamma_nll, gaussian_nll
from xr_dl4ds.networks.tensors import Tensor

#: The name of a loss, or weights of several losses.
Asked = str | Mapping[str, float]


def build_target_loss(
    losses: Sequence[Asked],
    *,
    offsets_from_zero: Sequence[float] | None = None,
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    curves: Sequence[str | None] = (),
    members: bool = False,
    kinds: Sequence[str | None] | None = None,
    usual: Usual | None = None,
) -> Loss:
    """Build the loss of all output channels of a generator from the loss of each target.

    Targets with the same plain loss, or with the same loss of members, are evaluated together, as
    channels of one field; if all targets have the same loss, the result is `build` of this loss. A
    loss that fits a distribution ("gaussian_nll", "bernoulli_gamma_nll") is evaluated for each
    target separately, from its mean and its parameters. The result is the mean over targets: each
    term is weighted by its share of the targets.

    With ``members=True`` the first axis of the output holds ensemble members. The losses in
    `config.choices.ENSEMBLE_LOSSES` are evaluated over the members. Every other loss is evaluated
    for each member separately, then averaged over members.

    Parameters
    ----------
    losses : sequence of str or mapping
        For each target, in the order of the channels, a name in `config.choices.SUPERVISED_LOSSES`
        or weights for names in `LOSSES` or in `ENSEMBLE_LOSSES`, as returned by
        `Training.loss_name_of`.
    offsets_from_zero : sequence of float, optional
        For each target, the offset that is added to a scaled value to measure it from the physical
        zero; 0 by default. Only "bernoulli_gamma_nll" needs it.
    low, high : sequence of float, optional
        For each target, the lowest and highest value in training, see `build`.
    curves : sequence of str or None, optional
        For each target, the curve (`xr_dl4ds.networks.layers.amount_curve`) of truth and output on
        which plain losses and losses of members are evaluated; none by default.
    members : bool
        Whether the output has a leading axis of members; their number must be known. Losses of
        members require it.
    kinds : sequence of str or None, optional
        For each target, its distribution; by default as the losses say. Targets with latent
        Gaussian members are left out: their loss is that of `xr_dl4ds.training.latent_loss`.
    usual : mapping, optional
        Usual amplitudes of all targets for "spectral_crps", see `build_ensemble_loss`.

    Returns
    -------
    callable
        ``(target, output, weight) -> scalar``. `target` and `weight` are ``(batch, [time,] y, x,
        target)``. `output` is ``([member,] batch, [time,] y, x, channel)`` with the channels of the
        generator: one for each target, followed by the distribution parameters
        (`xr_dl4ds.config.distribution_channels.parameter_channels`).

    Raises
    ------
    ValueError
        For an unknown loss.
    """
    n = len(losses)
    offsets = tuple(offsets_from_zero) if offsets_from_zero is not None else (0.0,) * n
    distributions = kinds or [
        DISTRIBUTIONS.get(loss) if isinstance(loss, str) else None for loss in losses
    ]
    parameters = parameter_channels(distributions)
    terms: list[tuple[float, Loss]] = []
    for i, kind in enumerate(distributions):
        if kind is not None and not is_latent(kind):
            term = DISTRIBUTION_LOSSES[kind](i, parameters[i], offsets[i])
            terms.append((1 / n, _over_members(term, members)))
    plain = [i for i, kind in enumerate(distributions) if kind is None]
    bends = tuple(curves) or (None,) * n
    for channels in _together(losses, plain):
        own = tuple(bends[i] for i in channels)
        limits = [
            None if v is None else [float(bent(v[i], bends[i])) for i in channels]
            for v in (low, high)
        ]
        loss = losses[channels[0]]
        weights = ensemble_weights(loss)
        if weights is None:
            plain_loss = _of_channels(build(loss, *limits), channels, own)
            term = _over_members(plain_loss, members)
        else:
            amplitudes = {shape: each[..., channels] for shape, each in (usual or {}).items()}
            term = _of_channels(build_ensemble_loss(weights, amplitudes), channels, own)
        terms.append((len(channels) / n, term))
    return weighted_sum(terms)


def _together(losses: Sequence[Asked], plain: Sequence[int]) -> list[list[int]]:
    """Group the targets by their loss, in the order in which the losses first occur."""
    groups: list[list[int]] = []
    for i in plain:
        own = next((group for group in groups if losses[group[0]] == losses[i]), None)
        if own is None:
            groups.append([i])
        else:
            own.append(i)
    return groups


def _of_channels(loss: Loss, channels: Sequence[int], curves: tuple[str | None, ...]) -> Loss:
    bend = AmountCurve(curves) if any(curves) else lambda x: x

    def of_channels(target: Tensor, output: Tensor, weight: Tensor) -> Tensor:
        return loss(
            bend(take(target, channels)), bend(take(output, channels)), take(weight, channels)
        )

    return of_channels


def _gaussian(target: int, parameters: Mapping[str, int], zero: float) -> Loss:
    def loss(truth: Tensor, output: Tensor, weight: Tensor) -> Tensor:
        mean, spread = take(output, [target]), take(output, [parameters["spread"]])
        return gaussian_nll(take(truth, [target]), mean, spread, take(weight, [target]))

    return loss


def _bernoulli_gamma(target: int, parameters: Mapping[str, int], zero: float) -> Loss:
    def loss(truth: Tensor, output: Tensor, weight: Tensor) -> Tensor:
        mean, wet, shape = (
            take(output, [c]) for c in (target, parameters["wet"], parameters["shape"])
        )
        truth, weight = take(truth, [target]), take(weight, [target])
        return bernoulli_gamma_nll(truth, mean, wet, shape, zero, weight)

    return loss


#: The loss of each distribution: ``(target, parameters, zero) -> loss``.
DISTRIBUTION_LOSSES: dict[str, Callable[[int, Mapping[str, int], float], Loss]] = {
    "gaussian": _gaussian,
    "bernoulli_gamma": _bernoulli_gamma,
}


def _over_members(loss: Loss, members: bool) -> Loss:
    """Average the losses of the members."""
    if not members:
        return loss

    def mean_over_members(target: Tensor, output: Tensor, weight: Tensor) -> Tensor:
        n = output.shape[0]
        return sum(loss(target, output[i], weight) for i in range(n)) / n

    return mean_over_members

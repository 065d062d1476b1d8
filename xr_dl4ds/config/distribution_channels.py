"""Output channels of a network that hold the parameters of its targets' distributions."""

from __future__ import annotations

from collections.abc import Sequence

from xr_dl4ds.config.choices import PARAMETERS

#: Largest scaled amount, measured from the physical zero, that counts as dry.
TRACE = 1e-3


def is_latent(kind: str | None) -> bool:
    """Return True if members of a target are drawn from latent Gaussian fields."""
    return kind is not None and kind.startswith("latent")


def is_latent_amount(kind: str | None) -> bool:
    """Return True if a target is an amount with latent Gaussian members."""
    return kind is not None and kind.startswith("latent_amount")


def is_amount(kind: str | None) -> bool:
    """Return True if the distribution of a target has no negative values."""
    return kind == "bernoulli_gamma" or is_latent_amount(kind)


#: Parameters that a network does not learn, but takes from its LR input.
HELD = ("reference", "smooth_reference")


def n_mixed(kind: str) -> int:
    """Return the number of fields that are mixed to the noise of a latent Gaussian member."""
    return sum(name.startswith("mix_") for name in PARAMETERS[kind])


def n_latent(kinds: Sequence[str | None]) -> int:
    """Return the number of latent fields of all targets: those mixed, and one volatility each."""
    return sum(n_mixed(kind) + 1 for kind in kinds if kind is not None and is_latent(kind))


def parameter_channels(distributions: Sequence[str | None]) -> tuple[dict[str, int], ...]:
    """Return the output channels of each target's parameters beside its value or mean.

    The values and means come first, one channel for each target. The parameters follow in the order
    of the targets and, for each target, of `choices.PARAMETERS`.

    Parameters
    ----------
    distributions : sequence of {"gaussian", "bernoulli_gamma"} or None
        One distribution for each target; None for a target that is a single value.

    Examples
    --------
    >>> parameter_channels(["bernoulli_gamma", None, "gaussian"])
    ({'wet': 3, 'shape': 4}, {}, {'spread': 5})
    """
    channel, found = len(distributions), []
    for kind in distributions:
        names = PARAMETERS[kind] if kind is not None else ()
        found.append({name: channel + i for i, name in enumerate(names)})
        channel += len(names)
    return tuple(found)

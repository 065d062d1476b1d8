"""Output channels of a network that hold the parameters of its targets' distributions."""

from __future__ import annotations

from collections.abc import Sequence

from xr_dl4ds.config.choices import PARAMETERS

#: Largest scaled amount, measured from the physical zero, that counts as dry.
TRACE = 1e-3


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

"""Where a network's output says what of the distributions of its targets."""

from __future__ import annotations

from collections.abc import Sequence

from xr_dl4ds.config.choices import PARAMETERS

#: Scaled amounts, measured from the physical zero, that count as nothing.
TRACE = 1e-3


def parameter_channels(distributions: Sequence[str | None]) -> tuple[dict[str, int], ...]:
    """For each target, the output channels of its parameters beside the value or mean.

    The values and means come first, one channel for each target; then the parameters follow, in
    the order of the targets and, for each, of `choices.PARAMETERS`.

    Parameters
    ----------
    distributions : sequence of {"gaussian", "bernoulli_gamma"} or None
        One for each target; None for a target that is one value.

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

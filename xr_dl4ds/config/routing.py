"""Where option classes meet: flat options to their owners, and what fits together."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from xr_dl4ds.config import choices
from xr_dl4ds.config.checks import nearest
from xr_dl4ds.config.network import Network
from xr_dl4ds.config.registry import CUSTOM_BACKBONES
from xr_dl4ds.config.sampling import Sampling
from xr_dl4ds.config.training import Supervised

Options = Network | Sampling | Supervised
OPTION_CLASSES: dict[str, type] = {
    "network": Network,
    "sampling": Sampling,
    "training": Supervised,
}


def route(given: Mapping[str, Options | None], flat: Mapping[str, Any]) -> dict[str, Any]:
    """Give each flat option to the class that owns the field.

    Parameters
    ----------
    given : mapping
        The option objects that were passed, by role: network, sampling, training; None for none.
    flat : mapping
        Options passed by their own name, such as ``{"epochs": 20}``; they win over `given`.

    Returns
    -------
    dict
        One option object for each role.

    Raises
    ------
    TypeError
        For an option that no class has (the nearest name is given), or an object of another class.
    """
    chosen: dict[str, Any] = {}
    for role, cls in OPTION_CLASSES.items():
        value = given.get(role)
        if value is not None and not isinstance(value, cls):
            raise TypeError(
                f"Expected `{role}` to be an xr_dl4ds.{cls.__name__}, "
                f"got {type(value).__name__}: {value!r}."
            )
        chosen[role] = cls() if value is None else value
    owners = {f.name: role for role, obj in chosen.items() for f in dataclasses.fields(obj)}
    changes: dict[str, dict[str, Any]] = {role: {} for role in chosen}
    for name, value in flat.items():
        if name not in owners:
            raise TypeError(
                f"fit() got an unknown option {name!r}.{nearest(name, owners)} "
                f"Options are: {', '.join(sorted(owners))}."
            )
        changes[owners[name]][name] = value
    return {role: dataclasses.replace(obj, **changes[role]) for role, obj in chosen.items()}


def settled(network: Network, sampling: Sampling) -> Network:
    """The architecture with what was left to the package filled in, but for the constraint.

    Parameters
    ----------
    network : Network
        As given.
    sampling : Sampling
        Decides between spatial and spatio-temporal samples.

    Returns
    -------
    Network
        With `upsampling`, `n_blocks` and the U-Net's `decoder_upsampling`.

    Raises
    ------
    ValueError
        When the two do not go together.
    """
    name, recurrent = network.backbone, sampling.time_window is not None
    if recurrent and (name in choices.SPATIAL_ONLY or name in CUSTOM_BACKBONES):
        fit_for = [b for b in choices.BACKBONES if b not in choices.SPATIAL_ONLY]
        raise ValueError(
            f"Expected one of the backbones {', '.join(fit_for)} for spatio-temporal samples"
            f" (time_window={sampling.time_window}), got {name!r}, which is spatial. Leave"
            " time_window out, or choose one of those."
        )
    bounded = network.output_activation in choices.BOUNDED
    if bounded and sampling.scaling == "standard":
        raise ValueError(
            f"Expected scaling='minmax' for output_activation={network.output_activation!r}, which"
            f" is bounded above, got {sampling.scaling!r}. Use it, or output_activation='softplus'."
        )
    blocks = choices.RECURRENT_BLOCKS if recurrent else choices.OTHER_BLOCKS
    return dataclasses.replace(
        network,
        upsampling=_upsampling(network),
        n_blocks=network.n_blocks or choices.DEFAULT_BLOCKS.get(name, blocks),
        decoder_upsampling=(network.decoder_upsampling or "resize") if name == "unet" else None,
    )


def _upsampling(network: Network) -> str:
    if network.upsampling != "auto":
        return network.upsampling
    return "interpolation" if network.backbone == "unet" else "subpixel"

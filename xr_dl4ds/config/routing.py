"""Where option classes meet: flat options to their owners, and what fits together."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from xr_dl4ds.config import choices
from xr_dl4ds.config.adversarial import Adversarial
from xr_dl4ds.config.checks import nearest
from xr_dl4ds.config.network import Network
from xr_dl4ds.config.registry import CUSTOM_BACKBONES
from xr_dl4ds.config.sampling import Sampling
from xr_dl4ds.config.training import Supervised, Training

Options = Network | Sampling | Training
#: Ways to train, by the name that a saved model has for them.
TRAININGS: dict[str, type[Training]] = {"supervised": Supervised, "adversarial": Adversarial}
#: The class of each role when none is given.
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
        known: tuple[type, ...] = tuple(TRAININGS.values()) if role == "training" else (cls,)
        if value is not None and not isinstance(value, known):
            names = " or ".join(f"xr_dl4ds.{one.__name__}" for one in known)
            raise TypeError(
                f"Expected `{role}` to be an {names}, got {type(value).__name__}: {value!r}."
            )
        chosen[role] = cls() if value is None else value
    owners = {f.name: role for role, obj in chosen.items() for f in dataclasses.fields(obj)}
    changes: dict[str, dict[str, Any]] = {role: {} for role in chosen}
    for name, value in flat.items():
        if name not in owners:
            _unknown(name, owners, type(chosen["training"]))
        changes[owners[name]][name] = value
    return {role: dataclasses.replace(obj, **changes[role]) for role, obj in chosen.items()}


def _unknown(name: str, owners: Mapping[str, str], training: type) -> None:
    for other in TRAININGS.values():
        if name in {f.name for f in dataclasses.fields(other)}:
            raise TypeError(
                f"fit() got {name!r}, an option of xr_dl4ds.{other.__name__}, for training with"
                f" xr_dl4ds.{training.__name__}. Pass training=xr_dl4ds.{other.__name__}(...)."
            )
    raise TypeError(
        f"fit() got an unknown option {name!r}.{nearest(name, owners)} "
        f"Options are: {', '.join(sorted(owners))}."
    )


def as_plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Option objects by role as JSON values."""
    plain = {role: dataclasses.asdict(options[role]) for role in OPTION_CLASSES}
    kind = next(k for k, cls in TRAININGS.items() if type(options["training"]) is cls)
    return {**plain, "training": {"kind": kind, **plain["training"]}}


def from_plain(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The option objects that `as_plain` told."""
    training = dict(plain["training"])
    classes = {**OPTION_CLASSES, "training": TRAININGS[training.pop("kind")]}
    return {
        role: cls(**(training if role == "training" else plain[role]))
        for role, cls in classes.items()
    }


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

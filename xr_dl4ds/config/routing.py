"""Assignment of single options to their classes, and checks of options across classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from xr_dl4ds.config import choices
from xr_dl4ds.config.flow_options import FlowMatching
from xr_dl4ds.config.network_options import Network
from xr_dl4ds.config.options import OPTION_CLASSES, TRAININGS, OptionGroup, Options
from xr_dl4ds.config.registry import CUSTOM_BACKBONES
from xr_dl4ds.config.sampling_options import Sampling
from xr_dl4ds.config.training_options import Supervised, Training
from xr_dl4ds.config.value_checks import nearest

#: The default training.
_SUPERVISED = Supervised()


def route(groups: Mapping[str, OptionGroup | None], flat: Mapping[str, object]) -> Options:
    """Assign each single option to the class that has a field of its name.

    Parameters
    ----------
    groups : mapping
        Option objects by role: network, sampling, training; None for the defaults.
    flat : mapping
        Options by name, such as ``{"epochs": 20}``; they take precedence over `groups`.

    Returns
    -------
    Options
        One option object for each role.

    Raises
    ------
    TypeError
        If no class has an option (the message gives the nearest name), or an object has another
        class.
    """
    chosen: dict[str, OptionGroup] = {}
    for role, cls in OPTION_CLASSES.items():
        value = groups.get(role)
        group = cls() if value is None else value
        classes: tuple[type, ...] = tuple(TRAININGS.values()) if role == "training" else (cls,)
        if not isinstance(group, classes):
            names = " or ".join(f"xr_dl4ds.{known.__name__}" for known in classes)
            raise TypeError(
                f"Expected `{role}` to be an {names}, got {type(value).__name__}: {value!r}."
            )
        chosen[role] = group
    owners = {f.name: role for role, obj in chosen.items() for f in dataclasses.fields(obj)}
    changes: dict[str, dict[str, object]] = {role: {} for role in chosen}
    for name, option in flat.items():
        if name not in owners:
            _unknown(name, owners, type(chosen["training"]))
        changes[owners[name]][name] = option
    return Options().replace(
        **{role: dataclasses.replace(obj, **changes[role]) for role, obj in chosen.items()}  # type: ignore[arg-type]
    )


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


def settled(network: Network, sampling: Sampling, training: Training = _SUPERVISED) -> Network:
    """Return the architecture with its defaults filled in, except for the constraint.

    Parameters
    ----------
    network : Network
        Architecture as given, with `noise` settled by `noise_of`.
    sampling : Sampling
        Sampling options, which decide between spatial and spatio-temporal samples.
    training : Training
        Training options, which decide on the default backbone.

    Returns
    -------
    Network
        Architecture with `backbone`, `n_filters`, `upsampling`, `n_blocks` and the U-Net's
        `decoder_upsampling`.

    Raises
    ------
    ValueError
        If architecture and sampling are incompatible.
    """
    network = _with_backbone(network, training)
    if isinstance(training, FlowMatching):
        _require_flow(network, sampling)
    name, recurrent = network.backbone, sampling.time_window is not None
    if recurrent and (name in choices.SPATIAL_ONLY or name in CUSTOM_BACKBONES):
        fit_for = [b for b in choices.BACKBONES if b not in choices.SPATIAL_ONLY]
        raise ValueError(
            f"Expected one of the backbones {', '.join(fit_for)} for spatio-temporal samples"
            f" (time_window={sampling.time_window}), got {name!r}, which is spatial. Remove"
            " time_window, or choose another backbone."
        )
    bounded = network.output_activation in choices.BOUNDED
    if bounded and sampling.scaling == "standard":
        raise ValueError(
            f"Expected scaling='minmax' for output_activation={network.output_activation!r}, which"
            f" is bounded above, got {sampling.scaling!r}. Use scaling='minmax', or"
            " output_activation='softplus'."
        )
    blocks = choices.RECURRENT_BLOCKS if recurrent else choices.OTHER_BLOCKS
    return dataclasses.replace(
        network,
        upsampling=_upsampling(network, training),
        n_blocks=network.n_blocks or choices.DEFAULT_BLOCKS.get(name, blocks),
        decoder_upsampling=_decoder_upsampling(network, training),
    )


def _decoder_upsampling(network: Network, training: Training) -> str | None:
    if network.backbone != "unet" or isinstance(training, FlowMatching):
        return None
    return network.decoder_upsampling or "resize"


def _with_backbone(network: Network, training: Training) -> Network:
    """Return the architecture with a backbone and its number of filters."""
    backbone, filters = training.network_defaults
    return dataclasses.replace(
        network,
        backbone=backbone if network.backbone == "auto" else network.backbone,
        n_filters=network.n_filters or filters,
    )


def _require_flow(network: Network, sampling: Sampling) -> None:
    """Raise a `ValueError` for options that flow matching has not."""
    against = {
        f"time_window={sampling.time_window}": sampling.time_window is not None,
        f"upsampling={network.upsampling!r}": network.upsampling in choices.LEARNED_UPSAMPLINGS,
        f"output_activation={network.output_activation!r}": network.output_activation is not None,
        "constraint='softmax'": network.constraint == "softmax",
        "monte_carlo=True": network.monte_carlo,
        "localized=True": network.localized,
        f"decoder_upsampling={network.decoder_upsampling!r}": network.decoder_upsampling
        is not None,
        f"noise={network.noise!r}": network.noise != "auto",
        "anisotropic=True": network.anisotropic,
    }
    for option, applies in against.items():
        if applies:
            raise ValueError(
                "Expected options that go together with training=xr_dl4ds.FlowMatching(...), which"
                f" makes single fields on HR cells from noise, got {option}. Remove"
                f" {option.split('=')[0]}, or use another training."
            )


def _upsampling(network: Network, training: Training) -> str:
    if network.upsampling != "auto":
        return network.upsampling
    if network.backbone == "unet" or isinstance(training, FlowMatching):
        return "interpolation"
    # CRPS of radar rain at scale 8 (validation tiles): 0.253 with resize, 0.255 with subpixel,
    # which has three times the weights
    return "resize" if network.noise == "latent" else "subpixel"


def noise_of(network: Network, training: Training) -> str:
    """Return the option `Network.noise` without "auto", if the loss draws members.

    Parameters
    ----------
    network : Network
        The architecture.
    training : Training
        The training options.

    Raises
    ------
    ValueError
        If latent noise does not go together with another option.
    """
    if isinstance(training, FlowMatching):
        return network.noise  # which must be "auto", see `settled`
    against = {
        f"training=xr_dl4ds.{type(training).__name__}": not isinstance(training, Supervised),
        f"noise_channels={training.noise_channels}": training.noise_channels is not None,
        f"output_activation={network.output_activation!r}": network.output_activation is not None,
        "constraint='softmax'": network.constraint == "softmax",
    }
    reasons = [option for option, applies in against.items() if applies]
    if network.noise == "latent" and not training.draws_members:
        raise ValueError(
            f"Expected loss='crps' for noise='latent', got {training.cell_loss!r}, which draws no"
            " members. Use loss='crps', or remove noise."
        )
    if network.noise == "latent" and reasons:
        raise ValueError(
            f"Expected noise='inside' for {reasons[0]}, got 'latent', whose members are drawn after"
            f" the network. Use noise='inside', or remove {reasons[0].split('=')[0]}."
        )
    if network.anisotropic and (network.noise == "inside" or reasons):
        raise ValueError(
            f"Expected noise='latent' for anisotropic=True, got"
            f" {reasons[0] if reasons else 'noise=' + repr(network.noise)}. Remove anisotropic."
        )
    if network.anisotropic and not training.draws_members:
        raise ValueError(
            f"Expected loss='crps' for anisotropic=True, got {training.cell_loss!r}, which draws no"
            " members. Remove anisotropic."
        )
    if network.noise != "auto" or not training.draws_members:
        return network.noise
    return "inside" if reasons else "latent"

"""Backbones that the user registers by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xr_dl4ds.config.choices import BACKBONES

#: A function ``(x, network) -> x``, see `register_backbone`.
Build = Callable[[Any, Any], Any]

CUSTOM_BACKBONES: dict[str, Build] = {}


def register_backbone(name: str) -> Callable[[Build], Build]:
    """Register a function of Keras layers as a backbone: ``fit(..., backbone=name)``.

    Parameters
    ----------
    name : str
        Name of the backbone, which saved models store. Such a model can be loaded only where a
        function is registered by that name, because the file holds weights and never code.

    Returns
    -------
    callable
        Decorator of a function ``(x, network) -> x``. The function takes features ``(batch, y, x,
        channel)`` and returns features of the same y and x and any number of channels; `network`
        holds the options (`n_filters`, `n_blocks`, `activation`, ...). It is called twice for each
        network that is built (once on a field of fixed size, to check that it keeps y and x), and
        takes only spatial samples.

    Raises
    ------
    ValueError
        If the package already has a backbone of that name, or the name is not an identifier.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> @xd.register_backbone("wide")
    ... def wide(x, network):
    ...     import keras
    ...     return keras.layers.Conv2D(network.n_filters, 9, padding="same", activation="relu")(x)
    >>> xd.Network(backbone="wide").backbone
    'wide'
    """
    if name in BACKBONES:
        raise ValueError(
            f"Expected a new name for the backbone, got {name!r}, which is built in. Choose another"
            " name."
        )
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"Expected the backbone's name to be letters, digits and _, got {name!r}.")

    def register(build: Build) -> Build:
        if not callable(build):
            raise TypeError(f"Expected a function (x, network) -> x, got {build!r}.")
        CUSTOM_BACKBONES[name] = build
        return build

    return register

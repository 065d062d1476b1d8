"""Transfer of weights to a network with the same layers and possibly more inputs."""

from __future__ import annotations

import logging

import keras
import numpy as np

logger = logging.getLogger(__name__)


def take_weights(network: keras.Model, source: keras.Model, *, parameters: bool = True) -> None:
    """Copy the weights of another network, layer by layer, by name.

    If a layer has additional input channels (noise), the weights of these channels start at zero.
    The network then initially gives the output of the other network.

    Parameters
    ----------
    network : keras.Model
        The network whose weights are changed.
    source : keras.Model
        The network whose weights are copied.
    parameters : bool
        Whether to copy the layers of the distribution parameters too, where both networks have
        these layers. Both networks must then have the same targets and distributions.

    Raises
    ------
    ValueError
        When the architectures differ.
    """
    theirs = {layer.name: layer for layer in source.layers if layer.weights}
    own = {layer.name: layer for layer in network.layers if layer.weights}
    fresh = [n for n in own if n not in theirs]
    lost = [n for n in theirs if n not in own]
    wrong = [n for n in (*fresh, *lost) if not n.startswith(PARAMETERS)]
    if wrong:
        raise ValueError(
            f"Expected the architecture of the model in start=, got different layers: {wrong}."
            " Leave network options out: fine-tuning takes them from the model in start=."
        )
    for name, layer in own.items():
        if name in theirs and (parameters or not name.startswith(PARAMETERS)):
            layer.set_weights(_fitted(layer, theirs[name]))
    if fresh:
        logger.info(
            "the model in start= lacks these layers, which start untrained: %s", ", ".join(fresh)
        )


#: Prefix of the names of the layers that compute distribution parameters.
PARAMETERS = "parameters"


def _fitted(layer: keras.Layer, source: keras.Layer) -> list[np.ndarray]:
    """Return the weights of `source`, with zeros for input channels that `source` lacks."""
    found = []
    for mine, value in zip(layer.get_weights(), source.get_weights(), strict=True):
        if mine.ndim == value.ndim > 1:
            further = max(mine.shape[-2] - value.shape[-2], 0)
            value = np.pad(value, [(0, 0)] * (mine.ndim - 2) + [(0, further), (0, 0)])
        if mine.shape != value.shape:
            raise ValueError(
                f"Expected weights of {mine.shape} in the layer {layer.name!r} of the model in"
                f" start=, got {value.shape}. Leave network options out: fine-tuning takes them"
                " from the model in start=. Fine-tuning can add noise channels but not remove"
                " them: keep `noise_channels` and a loss that draws members."
            )
        found.append(value)
    return found

"""Periodic networks, for global grids: the first column follows the last one.

Each layer that looks at neighbours is replaced by its periodic form, with the same name, weights
and place in the graph. Additional padding layers would change the order of Keras's layers (by
depth), and with it the order of the weights.
"""

from __future__ import annotations

import logging
from typing import Any

import keras
from keras import layers

from xr_dl4ds.networks.keras_settings import building
from xr_dl4ds.networks.layers import (
    AmountCurve,
    CellsToChannels,
    ChannelsToCells,
    Constraint,
    ConvLSTM,
    CropTo,
    DistributionParameters,
    FlowTimeFeatures,
    FoldTime,
    FromResidual,
    GuessFeatures,
    Interpolation,
    LatentLocation,
    LocallyConnected,
    LogAmount,
    Modulation,
    MonteCarloDropout,
    NeighbourSteps,
    OnRootScale,
    OutputActivation,
    RepeatOverTime,
    SpectralConv2D,
    ToResidual,
    UnfoldTime,
    wrapping,
)

logger = logging.getLogger(__name__)

#: Keras layers that look at neighbours, and their forms for periodic columns.
WRAPPED: dict[type[keras.Layer], type[keras.Layer]] = {
    layers.Conv2D: wrapping.Conv2D,
    layers.DepthwiseConv2D: wrapping.DepthwiseConv2D,
    layers.SeparableConv2D: wrapping.SeparableConv2D,
    layers.Conv2DTranspose: wrapping.Conv2DTranspose,
    layers.MaxPooling2D: wrapping.MaxPooling2D,
    layers.AveragePooling2D: wrapping.AveragePooling2D,
    layers.UpSampling2D: wrapping.UpSampling2D,
}

#: Layers of this package that look at neighbours; their argument `wrap` makes them periodic.
OWN: tuple[type, ...] = (Interpolation, ConvLSTM, SpectralConv2D, Constraint)

#: Layers and operations of `keras.ops` that look at single cells, or at all cells alike, as
#: `kind_of` names them. Only exactly these classes: a subclass may do anything.
ALONE: frozenset[type | str] = frozenset(
    {
        *(CropTo, FoldTime, LocallyConnected, MonteCarloDropout, OutputActivation),
        *(RepeatOverTime, UnfoldTime, NeighbourSteps, LogAmount, DistributionParameters),
        *(AmountCurve, ChannelsToCells, CellsToChannels, LatentLocation, GuessFeatures),
        *(FlowTimeFeatures, Modulation, OnRootScale, ToResidual, FromResidual),
        *(layers.InputLayer, layers.Identity, layers.Rescaling, layers.Normalization),
        *(layers.Dense, layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU),
        *(layers.PReLU, layers.Softmax, layers.ActivityRegularization),
        *(layers.Add, layers.Subtract, layers.Multiply, layers.Average),
        *(layers.Maximum, layers.Minimum, layers.Concatenate),
        *(layers.BatchNormalization, layers.LayerNormalization, layers.GroupNormalization),
        *(layers.RMSNormalization, layers.UnitNormalization),
        *(layers.Dropout, layers.AlphaDropout, layers.GaussianDropout, layers.GaussianNoise),
        *(layers.SpatialDropout2D, layers.SpatialDropout3D),
        *(layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D),
        *("Absolute", "Add", "Cast", "Clip", "Concatenate", "DepthToSpace", "Divide", "Elu", "Exp"),
        *("ExpandDims", "Squeeze"),
        *("Gelu", "LeakyRelu", "Log", "Matmul", "Max", "Maximum", "Mean", "Min", "Minimum"),
        *("Multiply", "Negative", "Power", "Relu", "Sigmoid", "Silu", "Softmax", "Softplus"),
        *("SpaceToDepth", "Sqrt", "Square", "Std", "Subtract", "Sum", "Tanh", "TrueDivide", "Var"),
        *("Where",),
    }
)


def kind_of(operation: keras.Operation) -> type | str:
    """Return the class of a layer, or the class name of an operation, whose class is not public."""
    kind = type(operation)
    return kind if isinstance(operation, layers.Layer) else kind.__name__


def periodic(network: keras.Model) -> keras.Model:
    """Build a copy of a network for fields whose first column follows the last one.

    A layer stays unchanged if its padding is not "same", or if the layer is unknown here, as in a
    registered backbone. A warning names the unchanged layers.

    Parameters
    ----------
    network : keras.Model
        Functional network, built by `xr_dl4ds.networks.generator`.

    Returns
    -------
    keras.Model
        The copy has separate weights and seeds, with equal values in the same order. Files of
        weights serve both networks.

    Raises
    ------
    ValueError
        When a layer with weights cannot be rebuilt from its configuration.
    """
    doubtful: list[str] = []
    # any seed: all weights are overwritten
    with building(seed=0, precision=network.dtype_policy.name):
        new = keras.models.clone_model(
            network, clone_function=lambda layer: _wrapped(layer, doubtful), recursive=True
        )
    for to, variable in zip(new.variables, network.variables, strict=True):
        to.assign(variable)
    if doubtful:
        logger.warning(
            "predictions may have a seam at the first longitude, because these layers may not be"
            " periodic: %s; use Keras's convolutions and pooling with padding='same'",
            ", ".join(doubtful),
        )
    return new


def _wrapped(layer: keras.Layer, doubtful: list[str]) -> keras.Layer:
    """Return the periodic form of a layer, or a copy of the layer.

    The name of a layer that may look at neighbours without a periodic form is added to `doubtful`.
    """
    if type(layer) in OWN:
        return type(layer).from_config({**_config(layer), "wrap": True})
    known = kind_of(layer) in ALONE or isinstance(layer, wrapping.Wrapping)
    if type(layer) in WRAPPED:
        form = WRAPPED[type(layer)].from_config(_config(layer))
        if form.fits and any(form.margin):
            return form
        known = not any(form.margin)
    if not known:
        doubtful.append(f"{layer.name!r} ({type(layer).__name__})")
    return _again(layer)


def _again(layer: keras.Layer) -> keras.Layer:
    try:
        return type(layer).from_config(_config(layer))
    except (NotImplementedError, TypeError, ValueError) as error:
        if not getattr(layer, "variables", None):
            return layer  # without variables, a layer such as Lambda can serve both networks
        raise ValueError(
            f"Expected layers that Keras can rebuild, got {layer.name!r}"
            f" ({type(layer).__name__}): {error}. Define get_config and from_config: on a global"
            " grid the network is built twice."
        ) from error


def _config(layer: keras.Layer) -> dict[str, Any]:
    config = layer.get_config()
    if isinstance(config.get("dtype"), str):  # Keras's spatial dropout stores its variables' dtype
        config["dtype"] = layer.dtype_policy.name
    return config

"""Networks for grids that go around the globe: beyond the last column comes the first.

Every layer that looks at neighbours is replaced by one that goes around, of the same name, weights
and place in the graph. Padding layers in between would move layers in Keras's order, by depth, and
so their weights.
"""

from __future__ import annotations

import logging
from typing import Any

import keras
from keras import layers

from xr_dl4ds.layers import (
    Constraint,
    ConvLSTM,
    CropTo,
    DistributionParameters,
    FoldTime,
    Interpolation,
    LocallyConnected,
    LogAmount,
    MonteCarloDropout,
    NeighbourSteps,
    OutputActivation,
    RepeatOverTime,
    SpectralConv2D,
    UnfoldTime,
    wrapping,
)
from xr_dl4ds.networks.settings import building

logger = logging.getLogger(__name__)

#: Layers of Keras that look at neighbours, and their form for columns that go around.
WRAPPED: dict[Any, Any] = {
    layers.Conv2D: wrapping.Conv2D,
    layers.DepthwiseConv2D: wrapping.DepthwiseConv2D,
    layers.SeparableConv2D: wrapping.SeparableConv2D,
    layers.Conv2DTranspose: wrapping.Conv2DTranspose,
    layers.MaxPooling2D: wrapping.MaxPooling2D,
    layers.AveragePooling2D: wrapping.AveragePooling2D,
    layers.UpSampling2D: wrapping.UpSampling2D,
}

#: Layers of ours that look at neighbours; they have an argument for it.
OWN: tuple[type, ...] = (Interpolation, ConvLSTM, SpectralConv2D)

#: Layers that look at a cell alone, or at all of them alike. Exactly these classes: what is derived
#: from one may do anything.
ALONE: frozenset[type] = frozenset(
    {
        *(Constraint, CropTo, FoldTime, LocallyConnected, MonteCarloDropout, OutputActivation),
        *(RepeatOverTime, UnfoldTime, NeighbourSteps, LogAmount, DistributionParameters),
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
    }
)

#: The same of `keras.ops`, whose classes have no public place: by name.
ALONE_OPS = frozenset(
    {
        *("Absolute", "Add", "Cast", "Clip", "Concatenate", "DepthToSpace", "Divide", "Elu", "Exp"),
        *("ExpandDims", "Squeeze"),
        *("Gelu", "LeakyRelu", "Log", "Matmul", "Max", "Maximum", "Mean", "Min", "Minimum"),
        *("Multiply", "Negative", "Power", "Relu", "Sigmoid", "Silu", "Softmax", "Softplus"),
        *("SpaceToDepth", "Sqrt", "Square", "Std", "Subtract", "Sum", "Tanh", "TrueDivide", "Var"),
        *("Where",),
    }
)


def periodic(network: keras.Model) -> keras.Model:
    """The same network for fields whose first column comes after the last one.

    A layer that cannot go around (padding other than "same", or unknown here, as a registered
    backbone may have) stays as it is; a warning names it.

    Parameters
    ----------
    network : keras.Model
        Functional network, as `xr_dl4ds.networks.generator` builds them.

    Returns
    -------
    keras.Model
        Has weights of its own, equal and in the same order, and seeds; its files of weights serve
        both networks.

    Raises
    ------
    ValueError
        When a layer with weights cannot be built again from its configuration.
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
            "a seam may show where the longitudes begin: not known to go around are the layers"
            " %s; convolutions and pooling of Keras with padding='same' do",
            ", ".join(doubtful),
        )
    return new


def _wrapped(layer: Any, doubtful: list[str]) -> Any:
    """The layer that goes around, or the same anew, noted when it may look at neighbours."""
    if type(layer) in OWN:
        return type(layer).from_config({**_config(layer), "wrap": True})
    if type(layer) in WRAPPED:
        form = WRAPPED[type(layer)].from_config(_config(layer))
        if form.fits and any(form.margin):
            return form
        known = not any(form.margin)
    else:
        known = _is_known(layer)
    if not known:
        doubtful.append(f"{layer.name!r} ({type(layer).__name__})")
    return _again(layer)


def _is_known(layer: Any) -> bool:
    if not isinstance(layer, layers.Layer):
        return type(layer).__name__ in ALONE_OPS
    return type(layer) in ALONE or isinstance(layer, wrapping.Wrapping)


def _again(layer: Any) -> Any:
    try:
        return type(layer).from_config(_config(layer))
    except (NotImplementedError, TypeError, ValueError) as error:
        if not getattr(layer, "variables", None):
            return layer  # such as a Lambda: with nothing of its own it can serve both networks
        raise ValueError(
            f"Expected layers that can be built again, got {layer.name!r}"
            f" ({type(layer).__name__}): {error}. Give it get_config and from_config: on a grid"
            " that goes around the globe the network is built a second time."
        ) from error


def _config(layer: Any) -> dict[str, Any]:
    config = layer.get_config()
    if isinstance(config.get("dtype"), str):  # Keras's spatial dropout tells that of its variables
        config["dtype"] = layer.dtype_policy.name
    return config

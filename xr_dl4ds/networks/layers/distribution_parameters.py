"""Distribution parameters from unbounded numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from xr_dl4ds.networks.tensors import Tensor

#: Lowest spread, in scaled units. It bounds the likelihood where the network is exactly right.
LEAST_SPREAD = 1e-3
#: Bounds of the gamma distribution's shape. At the lower bound, nearly all amounts are nearly zero.
#: At the upper bound, the spread is 3 % of the amount; widespread rain comes close to this if its
#: LR mean is known.
LEAST_SHAPE, MOST_SHAPE = 0.05, 1000.0
#: Middle and half width of the range of the shape's logarithm.
LOG_MIDDLE = 0.5 * math.log(LEAST_SHAPE * MOST_SHAPE)
LOG_HALF = 0.5 * math.log(MOST_SHAPE / LEAST_SHAPE)


def _before_softplus(value: float) -> float:
    return math.log(math.expm1(value))


#: Arguments that turn 0 into first guesses: spread 0.3 (scaled values have a spread of 1, most of
#: it known from LR) and shape 0.7 (daily rain at a station: Wilks 2011, section 4.4.5).
SPREAD_AT_ZERO = _before_softplus(0.3 - LEAST_SPREAD)
SHAPE_AT_ZERO = math.atanh((math.log(0.7) - LOG_MIDDLE) / LOG_HALF)


def _spread(x: Tensor) -> Tensor:
    return ops.softplus(x + SPREAD_AT_ZERO) + LEAST_SPREAD


def _wet(x: Tensor) -> Tensor:
    return x


def _shape(x: Tensor) -> Tensor:
    # x controls the logarithm, because shapes of 0.5 (edge of a shower) and 200 (middle of a front)
    # occur side by side. With a shape linear in x, training took several epochs to reach them, and
    # members differed too much until then
    return ops.exp(LOG_MIDDLE + LOG_HALF * ops.tanh(x / LOG_HALF + SHAPE_AT_ZERO))


#: Transformations by the names in `config.choices.PARAMETERS`.
FORMS: dict[str, Callable[[Tensor], Tensor]] = {"spread": _spread, "wet": _wet, "shape": _shape}


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class DistributionParameters(keras.layers.Layer):
    """Layer that maps each channel to the range of its distribution parameter.

    An input of 0 becomes a plausible first guess:

    - spread: standard deviation in scaled units, above 0.001; 0 becomes 0.3.
    - wet: logit of the probability of a wet cell, unchanged; 0 becomes a probability of 1/2.
    - shape: shape of a gamma distribution, between 0.05 and 1000, its logarithm nearly linear; 0
      becomes 0.7.

    Parameters
    ----------
    parameters : sequence of {"spread", "wet", "shape"}
        The parameter of each channel.

    Input shape
        ``(..., channel)``
    Output shape
        The input shape.
    """

    def __init__(self, parameters: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parameters = tuple(parameters)

    def call(self, inputs: Tensor) -> Tensor:
        """Apply the transformation of each channel."""
        parts = [FORMS[name](inputs[..., i : i + 1]) for i, name in enumerate(self.parameters)]
        return ops.concatenate(parts, axis=-1)

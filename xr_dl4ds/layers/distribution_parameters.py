"""Parameters of distributions from numbers of any size."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

#: Least spread, in scaled units: no likelihood grows without end where the network is right.
LEAST_SPREAD = 1e-3
#: Bounds of the gamma distribution's shape. At the lower one nearly all is nearly nothing; at the
#: upper one the spread is 3 % of the amount, which widespread rain comes down to where its LR mean
#: is known.
LEAST_SHAPE, MOST_SHAPE = 0.05, 1000.0
#: Middle and half of the logarithm's range.
LOG_MIDDLE = 0.5 * math.log(LEAST_SHAPE * MOST_SHAPE)
LOG_HALF = 0.5 * math.log(MOST_SHAPE / LEAST_SHAPE)


def _before_softplus(value: float) -> float:
    return math.log(math.expm1(value))


#: What 0 becomes: spread 0.3 (scaled values have a spread of 1, and most of it is known from LR)
#: and shape 0.7 (daily rain at a station: Wilks 2011, section 4.4.5).
SPREAD_AT_ZERO = _before_softplus(0.3 - LEAST_SPREAD)
SHAPE_AT_ZERO = math.atanh((math.log(0.7) - LOG_MIDDLE) / LOG_HALF)


def _spread(x: Any) -> Any:
    return ops.softplus(x + SPREAD_AT_ZERO) + LEAST_SPREAD


def _wet(x: Any) -> Any:
    return x


def _shape(x: Any) -> Any:
    # its logarithm, because shapes of 0.5 and of 200 stand beside one another: rain at the edge of
    # a shower, and in the middle of a front. Growing with x itself they took epochs to get there,
    # and all that time members differed too much
    return ops.exp(LOG_MIDDLE + LOG_HALF * ops.tanh(x / LOG_HALF + SHAPE_AT_ZERO))


#: By the names of `config.choices.PARAMETERS`.
FORMS: dict[str, Callable[[Any], Any]] = {"spread": _spread, "wet": _wet, "shape": _shape}


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class DistributionParameters(keras.layers.Layer):
    """Bring each channel to the range of its parameter; 0 becomes a sensible first guess.

    - spread: standard deviation in scaled units, above 0.001; 0.3 from 0.
    - wet: the logit of the chance of more than nothing; unchanged, so 1/2 from 0.
    - shape: of a gamma distribution, between 0.05 and 1000, its logarithm nearly
      linear; 0.7 from 0.

    Parameters
    ----------
    parameters : sequence of {"spread", "wet", "shape"}
        One for each channel.

    Input shape
        ``(..., channel)``
    Output shape
        The same.
    """

    def __init__(self, parameters: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        unknown = [name for name in parameters if name not in FORMS]
        if unknown:
            raise ValueError(
                f"Expected `parameters` to be of {', '.join(FORMS)}, got {', '.join(unknown)}."
            )
        self.parameters = tuple(parameters)

    def call(self, inputs: Any) -> Any:
        """Apply each channel's form."""
        parts = [FORMS[name](inputs[..., i : i + 1]) for i, name in enumerate(self.parameters)]
        return ops.concatenate(parts, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Arguments, to build the same layer again."""
        return {**super().get_config(), "parameters": self.parameters}

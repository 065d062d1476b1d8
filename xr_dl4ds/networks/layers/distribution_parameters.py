"""Distribution parameters from unbounded numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import keras
from keras import ops

from xr_dl4ds.config.distribution_channels import HELD
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


def _scale(x: Tensor) -> Tensor:
    return 0.15 * ops.exp(2 * ops.clip(x, -2.0, 1.5))


def _root_scale(x: Tensor) -> Tensor:
    return 0.5 * ops.exp(ops.clip(x, -3.0, 2.0))


def _volatility(x: Tensor) -> Tensor:
    return 0.3 * ops.softplus(x)


def _mixes(x: Tensor) -> Tensor:
    # the logarithm keeps the gradient finite where a weight tends to 0
    return ops.exp(0.5 * ops.log_softmax(2 * x, axis=-1))


#: Transformations by the names in `config.choices.PARAMETERS`.
FORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "spread": _spread,
    "wet": _wet,
    "shape": _shape,
    "scale": _scale,
    "root_scale": _root_scale,
    "volatility": _volatility,
    "mix": _mixes,
}


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class DistributionParameters(keras.layers.Layer):
    """Layer that maps each channel to the range of its distribution parameter.

    An input of 0 becomes a plausible first guess:

    - spread: standard deviation in scaled units, above 0.001; 0 becomes 0.3.
    - wet: logit of the probability of a wet cell, unchanged; 0 becomes a probability of 1/2.
    - shape: shape of a gamma distribution, between 0.05 and 1000, its logarithm nearly linear; 0
      becomes 0.7.
    - scale, root_scale: standard deviation of latent noise, in scaled units and on the root scale
      of relative amounts; 0 becomes 0.15 and 0.5.
    - volatility: standard deviation of the logarithm of the noise's amplitude; 0 becomes 0.2.
    - reference, smooth_reference: LR values, unchanged.
    - mix_1, mix_2, ...: weights of latent fields, whose squares sum to 1; zeros become equal.

    Parameters
    ----------
    parameters : sequence of str
        The parameter of each channel. The weights of one target follow each other.

    Input shape
        ``(..., channel)``, or a list of such a tensor and of the tensors ``(..., target)`` of
        reference and smooth_reference, which the first tensor then lacks.
    Output shape
        ``(..., len(parameters))``
    """

    def __init__(self, parameters: tuple[str, ...], **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.parameters = tuple(parameters)

    def call(self, inputs: Tensor) -> Tensor:
        """Apply the transformation of each channel."""
        inputs, *held = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        parts: list[Tensor] = []
        first, taken = 0, dict.fromkeys(HELD, 0)
        for name, n in _grouped(self.parameters):
            if name in HELD:
                given = held[HELD.index(name)]
                parts.append(given[..., taken[name] : taken[name] + 1])
                taken[name] += 1
                continue
            parts.append(FORMS[name](inputs[..., first : first + n]))
            first += n
        return ops.concatenate(parts, axis=-1)


def _grouped(parameters: tuple[str, ...]) -> list[tuple[str, int]]:
    """Return names and numbers of channels; the weights of a target are one group.

    Examples
    --------
    >>> _grouped(("scale", "mix_1", "mix_2", "scale", "mix_1"))
    [('scale', 1), ('mix', 2), ('scale', 1), ('mix', 1)]
    """
    groups: list[tuple[str, int]] = []
    for name in parameters:
        number = name.removeprefix("mix_") if name.startswith("mix_") else ""
        if not number:
            groups.append((name, 1))
        elif number == "1":
            groups.append(("mix", 1))
        else:
            groups[-1] = ("mix", groups[-1][1] + 1)
    return groups

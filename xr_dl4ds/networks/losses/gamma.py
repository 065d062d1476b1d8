"""The logarithm of the gamma function, which `keras.ops` lacks."""

from __future__ import annotations

import math

from keras import ops

from xr_dl4ds.networks.tensors import Tensor

#: Riemann's zeta of 2, 3, ..., 12, less 1 (Abramowitz & Stegun 1964, table 23.3).
ZETA_LESS_1 = (
    0.6449340668482264,
    0.2020569031595943,
    0.0823232337111382,
    0.0369277551433699,
    0.0173430619844491,
    0.0083492773819228,
    0.0040773561979443,
    0.0020083928260822,
    0.0009945751278181,
    0.0004941886041195,
    0.0002460865533080,
)
EULER = 0.5772156649015329

#: Above this argument, Stirling's series is exact to float32.
LARGE = 2.5


def log_gamma(x: Tensor) -> Tensor:
    """Compute the logarithm of the gamma function in float32.

    The relative error of value and gradient is about 1e-6. Below 2.5, recurrence moves the argument
    to within 1/2 of 2; there a series with the zeta function (Abramowitz & Stegun 1964, 6.1.33) has
    no cancellation at the zeros of the logarithm, 1 and 2. Above 2.5, Stirling's series applies
    (6.1.41).

    Parameters
    ----------
    x : tensor
        Positive values, float32.

    Returns
    -------
    tensor
        Tensor of the same shape.
    """
    large = x > LARGE
    # each series gets only values in its range: `where` alone would pass a NaN into the gradient
    return ops.where(large, _stirling(ops.maximum(x, LARGE)), _near_two(ops.minimum(x, LARGE)))


def _stirling(x: Tensor) -> Tensor:
    inverse = 1.0 / x
    square = ops.square(inverse)
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))
    return (x - 0.5) * ops.log(x) - x + 0.5 * math.log(2 * math.pi) + series


def _near_two(x: Tensor) -> Tensor:
    steps = ops.where(x < 0.5, 2.0, ops.where(x < 1.5, 1.0, 0.0))
    z = x - (2.0 - steps)  # exact near 1 and 2
    series = 0.0
    for n, zeta in reversed(list(enumerate(ZETA_LESS_1, start=2))):
        series = series * z + (-1) ** n * zeta / n
    value = z * (1.0 - EULER + z * series)
    first = ops.where(steps > 0, x, 1.0)
    second = ops.where(steps > 1, x + 1.0, 1.0)
    return value - ops.log(first) - ops.log(second)

"""Structural similarity over valid cells: SSIM, MS-SSIM and the losses derived from them.

All functions take ``(..., y, x, channel)`` with values in [0, 1] (slightly outside is allowed) and
a weight of 1 in valid cells, 0 in masked cells. Local moments are means over the valid cells of a
Gaussian window (normalised convolution, Knutsson & Westin 1993); each window is weighted by its
valid share. If all cells are valid, the results equal ``tf.image.ssim`` and
``tf.image.ssim_multiscale``. Everything is computed in float32.

References
----------
Wang, Bovik, Sheikh & Simoncelli 2004, "Image quality assessment: from error visibility to
structural similarity", IEEE Transactions on Image Processing 13(4).

Wang, Simoncelli & Bovik 2003, "Multiscale structural similarity for image quality assessment",
37th Asilomar Conference on Signals, Systems and Computers.

Knutsson & Westin 1993, "Normalized and differential convolution", IEEE Conference on Computer
Vision and Pattern Recognition.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from keras import ops

from xr_dl4ds.config.choices import LEAST_CELLS
from xr_dl4ds.networks.losses.averaging import mean
from xr_dl4ds.networks.tensors import Tensor

#: Edge of the Gaussian window in cells, and its standard deviation (Wang et al. 2004, section III).
WINDOW = LEAST_CELLS["dssim"]
SIGMA = 1.5

#: The stabilising constants (K L)^2 with K1 = 0.01, K2 = 0.03 and a data range L of 1 (Wang et al.
#: 2004, section III).
C1 = 0.01**2
C2 = 0.03**2

#: Exponents of the scales, the finest first. Wang et al. 2003 use a fifth exponent, 0.1333; DL4DS
#: omits it, so that patches may be half as large.
POWERS = (0.0448, 0.2856, 0.3001, 0.2363)

#: Values are clipped to this many data ranges. Squares of larger values could overflow, and SSIM is
#: flat there: its slope falls with the square of the distance.
LIMIT = 1e4

#: Below a contrast of TINY, a line with the relative slope SLOPE replaces the power, whose slope is
#: infinite at 0. Above TINY the slope is at most 300. If all four scales are below TINY, a slope of
#: 1e-4 remains.
TINY = 1e-4
SLOPE = 0.5

_BELL = [math.exp(-0.5 * ((i - WINDOW // 2) / SIGMA) ** 2) for i in range(WINDOW)]
#: The window along one axis; the two-dimensional window is its outer product with itself.
GAUSSIAN = tuple(value / sum(_BELL) for value in _BELL)


def dssim(target: Tensor, prediction: Tensor, weight: Tensor) -> Tensor:
    """Return the structural dissimilarity ``(1 - SSIM) / 2``, at least 0.

    Parameters
    ----------
    target, prediction : tensor ``(..., y, x, channel)``
        Values with a data range of 1; at least 11 cells along y and x.
    weight : tensor ``(..., y, x, channel)``
        1 in valid cells, 0 in masked cells.

    Returns
    -------
    tensor
        Scalar: the mean over windows and channels, weighted by their valid share; 0 without valid
        cells.
    """
    _check_size(target, WINDOW)
    scores = _compare(_centre(target, prediction, weight))
    return _dissimilarity(scores.ssim, scores.share)


def msdssim(target: Tensor, prediction: Tensor, weight: Tensor) -> Tensor:
    """Return the multi-scale dissimilarity ``(1 - MS-SSIM) / 2``, between 0 and 1/2.

    Contrast and structure enter at every scale, luminance only at the coarsest scale. The mean of
    each over windows is raised to its power (Wang et al. 2003, eq. 7). Each scale has means of 2 x
    2 cells of the next finer scale.

    Parameters
    ----------
    target, prediction : tensor ``(..., y, x, channel)``
        Values with a data range of 1; at least 81 cells along y and x.
    weight : tensor ``(..., y, x, channel)``
        1 in valid cells, 0 in masked cells.

    Returns
    -------
    tensor
        Scalar: the mean over fields and channels, weighted by their valid share; 0 without valid
        cells.
    """
    _check_size(target, LEAST_CELLS["msdssim"])
    pair = _centre(target, prediction, weight)
    scores = _compare(pair)
    share, product = scores.share, 1.0
    for power in POWERS[:-1]:
        product = product * _power(scores.contrast, power)
        pair = _halve(pair)
        scores = _compare(pair)
    return _dissimilarity(product * _power(scores.ssim, POWERS[-1]), share)


class _Pair(NamedTuple):
    """Target and prediction, centred, with their means.

    Target and prediction are ``(batch, y, x, channel)``: the difference from their own mean over
    the field, 0 in masked cells. The means are ``(batch, 1, 1, channel)``. Centring keeps the
    precision of the variance, which is the mean of squares less the square of the mean.
    """

    target: Tensor
    prediction: Tensor
    weight: Tensor
    target_mean: Tensor
    prediction_mean: Tensor


class _Scores(NamedTuple):
    """Means over the windows of each field, and the sum of their shares; ``(batch, channel)``."""

    ssim: Tensor
    contrast: Tensor
    share: Tensor


def _centre(target: Tensor, prediction: Tensor, weight: Tensor) -> _Pair:
    weight = _fold(weight)
    valid = weight > 0
    count = _or_one(ops.sum(weight, axis=(1, 2), keepdims=True))

    def centred(field: Tensor) -> tuple[Tensor, Tensor]:
        # mask first: masked values may overflow in a sum, and 0 * inf is NaN
        cells = ops.clip(ops.where(valid, _fold(field), 0.0), -LIMIT, LIMIT)
        mean = ops.sum(cells * weight, axis=(1, 2), keepdims=True) / count
        mean = ops.stop_gradient(mean)  # the mean is only a reference value
        return ops.where(valid, cells - mean, 0.0), mean

    target, target_mean = centred(target)
    prediction, prediction_mean = centred(prediction)
    return _Pair(target, prediction, weight, target_mean, prediction_mean)


def _fold(field: Tensor) -> Tensor:
    """Merge the leading dimensions into one, in float32."""
    return ops.reshape(ops.cast(field, "float32"), (-1, *ops.shape(field)[-3:]))


def _compare(pair: _Pair) -> _Scores:
    """Compute SSIM and its contrast-structure part (Wang et al. 2004, eq. 13 and 12).

    Both parts are written as 1 minus an error, with ``2 a b = a^2 + b^2 - (a - b)^2``. They cannot
    leave [-1, 1], and they keep their precision near a perfect prediction.
    """
    target, prediction, weight = pair[:3]
    moments = (
        ops.ones_like(weight),
        target,
        prediction,
        ops.square(target) + ops.square(prediction),
        ops.square(prediction - target),
    )
    smooth = _smooth(ops.concatenate([weight * moment for moment in moments], axis=-1))
    share, *sums = ops.split(smooth, len(moments), axis=-1)
    target, prediction, squares, errors = (total / _or_one(share) for total in sums)
    # rounding may make a variance negative
    variances = ops.relu(squares - ops.square(target) - ops.square(prediction))
    errors = ops.relu(errors - ops.square(prediction - target))
    contrast = 1.0 - ops.minimum(errors / (variances + C2), 2.0)
    target, prediction = target + pair.target_mean, prediction + pair.prediction_mean
    bias = ops.square(prediction - target)
    luminance = 1.0 - bias / (ops.square(target) + ops.square(prediction) + C1)
    total = ops.sum(share, axis=(1, 2))
    ssim_mean, contrast_mean = (
        ops.sum(score * share, axis=(1, 2)) / _or_one(total)
        for score in (luminance * contrast, contrast)
    )
    return _Scores(ssim_mean, contrast_mean, total)


def _smooth(fields: Tensor) -> Tensor:
    """Sum over each window, ``(batch, y, x, n)`` -> ``(batch, y - 10, x - 10, n)``.

    The axes are treated one after the other: 22 products per cell instead of 121.
    """
    channels = fields.shape[-1]
    for shape in ((WINDOW, 1, 1, 1), (1, WINDOW, 1, 1)):
        kernel = ops.reshape(ops.convert_to_tensor(GAUSSIAN, dtype="float32"), shape)
        kernel = ops.tile(kernel, (1, 1, channels, 1))
        # without data_format, the user's Keras settings could exchange the axes
        fields = ops.depthwise_conv(fields, kernel, padding="valid", data_format="channels_last")
    return fields


def _halve(pair: _Pair) -> _Pair:
    """Average the valid cells of 2 x 2 blocks; each cell contributes a quarter of the new weight.

    With padding "same", means at an odd edge use only the existing cells. This equals repeating the
    last row, as tf.image does.
    """
    target, prediction, weight = pair[:3]
    sums = ops.concatenate([weight, weight * target, weight * prediction], axis=-1)
    sums = ops.average_pool(sums, 2, strides=2, padding="same", data_format="channels_last")
    weight, target, prediction = ops.split(sums, 3, axis=-1)
    seen = _or_one(weight)
    return _Pair(target / seen, prediction / seen, weight, *pair[3:])


def _power(score: Tensor, power: float) -> Tensor:
    """Compute ``score**power``, continued below `TINY` by a slowly rising line.

    The power has no finite slope at 0 and no value below 0. A score of exactly 0 would also remove
    the gradient of the other scales, because the scores are multiplied.
    """
    below = ops.minimum(score - TINY, 0.0)
    return ops.power(ops.maximum(score, TINY), power) * (1.0 + SLOPE * below)


def _dissimilarity(score: Tensor, share: Tensor) -> Tensor:
    """Return half of 1 - score, averaged over ``(batch, channel)``."""
    return mean(1.0 - score, share) / 2.0


def _or_one(divisor: Tensor) -> Tensor:
    """Replace 0 by 1 in a divisor; the dividend is 0 in these cases."""
    return ops.where(divisor > 0, divisor, 1.0)


def _check_size(field: Tensor, least: int) -> None:
    """Raise for a field smaller than a window, which would otherwise have a loss of 0."""
    size = tuple(field.shape[-3:-1])
    if any(cells is not None and cells < least for cells in size):
        raise ValueError(
            f"Expected fields of at least {least} x {least} cells for the windows of the loss, got"
            f" {size[0]} x {size[1]}. Use larger patches, or a loss without windows such as 'mae'."
        )

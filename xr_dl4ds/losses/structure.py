"""Structural similarity over valid cells: SSIM, MS-SSIM and the losses made of them.

All functions take ``(..., y, x, channel)`` with values in [0, 1] (somewhat beyond is fine) and a
weight of 1 in valid cells, 0 in masked ones. Local moments are means over the valid cells of a
Gaussian window (normalised convolution, Knutsson & Westin 1993); a window counts as much as the
share of it that is valid. With every cell valid they are ``tf.image.ssim`` and
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
from typing import Any, NamedTuple

from keras import ops

from xr_dl4ds.config.choices import LEAST_CELLS
from xr_dl4ds.losses.counting import mean

#: Edge of the Gaussian window in cells, and its standard deviation (Wang et al. 2004, section III).
WINDOW = LEAST_CELLS["dssim"]
SIGMA = 1.5

#: The stabilising constants (K L)^2 with K1 = 0.01, K2 = 0.03 and a data range L of 1 (same place).
C1 = 0.01**2
C2 = 0.03**2

#: Exponents of the scales, the finest first. Wang et al. 2003 have a fifth, 0.1333; DL4DS leaves
#: it out, so that patches may be half as large.
POWERS = (0.0448, 0.2856, 0.3001, 0.2363)

#: Values are held within this many data ranges. Squares of more would overflow in the end, and
#: SSIM is flat out there: its slope falls with the square of the distance.
LIMIT = 1e4

#: Below this contrast a power has a straight line with this relative slope in place of its own
#: endless one. The slope above is 300 at most; four scales below leave 1e-4 of slope to go up.
TINY = 1e-4
SLOPE = 0.5

_BELL = [math.exp(-0.5 * ((i - WINDOW // 2) / SIGMA) ** 2) for i in range(WINDOW)]
#: The window along one axis; the one of both axes is its outer product with itself.
GAUSSIAN = tuple(value / sum(_BELL) for value in _BELL)


def ssim(target: Any, prediction: Any, weight: Any) -> Any:
    """Mean structural similarity, 1 at most.

    Parameters
    ----------
    target, prediction : tensor ``(..., y, x, channel)``
        Values with a data range of 1; at least 11 cells along y and x.
    weight : tensor ``(..., y, x, channel)``
        1 in valid cells, 0 in masked ones.

    Returns
    -------
    tensor
        Scalar: the mean over windows and channels, weighted by what is valid; 1 if nothing is.
    """
    return 1.0 - 2.0 * dssim(target, prediction, weight)


def ms_ssim(target: Any, prediction: Any, weight: Any) -> Any:
    """Mean multi-scale structural similarity, between 0 and 1.

    Contrast and structure at every scale, luminance at the last alone, each mean over windows to
    its power (Wang et al. 2003, eq. 7); between scales, means of 2 x 2 cells.

    Parameters
    ----------
    target, prediction : tensor ``(..., y, x, channel)``
        Values with a data range of 1; at least 81 cells along y and x.
    weight : tensor ``(..., y, x, channel)``
        1 in valid cells, 0 in masked ones.

    Returns
    -------
    tensor
        Scalar: the mean over fields and channels, weighted by what is valid; 1 if nothing is.
    """
    return 1.0 - 2.0 * msdssim(target, prediction, weight)


def dssim(target: Any, prediction: Any, weight: Any) -> Any:
    """Structural dissimilarity ``(1 - SSIM) / 2``, 0 if nothing is valid; see `ssim`."""
    _check_size(target, WINDOW)
    scores = _compare(_centre(target, prediction, weight))
    return _dissimilarity(scores.ssim, scores.share)


def msdssim(target: Any, prediction: Any, weight: Any) -> Any:
    """Multi-scale dissimilarity ``(1 - MS-SSIM) / 2``, 0 if nothing is valid; see `ms_ssim`."""
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
    """What is compared.

    Target and prediction are given as the difference from their own mean over the field (0 in
    masked cells), ``(batch, y, x, channel)``, and that mean, ``(batch, 1, 1, channel)``: a variance
    as the mean of squares less the square of the mean loses its digits far from 0.
    """

    target: Any
    prediction: Any
    weight: Any
    target_mean: Any
    prediction_mean: Any


class _Scores(NamedTuple):
    """Means over the windows of each field, and the sum of their shares; ``(batch, channel)``."""

    ssim: Any
    contrast: Any
    share: Any


def _centre(target: Any, prediction: Any, weight: Any) -> _Pair:
    weight = _fold(weight)
    valid = weight > 0
    count = _or_one(ops.sum(weight, axis=(1, 2), keepdims=True))

    def centred(field: Any) -> tuple[Any, Any]:
        # masked first: what is there may overflow in any sum, and 0 * inf is NaN
        cells = ops.clip(ops.where(valid, _fold(field), 0.0), -LIMIT, LIMIT)
        mean = ops.sum(cells * weight, axis=(1, 2), keepdims=True) / count
        mean = ops.stop_gradient(mean)  # it is only a place to count from
        return ops.where(valid, cells - mean, 0.0), mean

    target, target_mean = centred(target)
    prediction, prediction_mean = centred(prediction)
    return _Pair(target, prediction, weight, target_mean, prediction_mean)


def _fold(field: Any) -> Any:
    """Leading dimensions as one, in float32."""
    return ops.reshape(ops.cast(field, "float32"), (-1, *ops.shape(field)[-3:]))


def _compare(pair: _Pair) -> _Scores:
    """SSIM and its contrast-structure part (Wang et al. 2004, eq. 13 and 12).

    Both parts are written as 1 less an error, by ``2 a b = a^2 + b^2 - (a - b)^2``: they cannot
    leave [-1, 1], and near a perfect prediction no digits are lost.
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
    # rounding may leave a variance below 0
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


def _smooth(fields: Any) -> Any:
    """The sum over each window, ``(batch, y, x, n)`` -> ``(batch, y - 10, x - 10, n)``.

    One axis after the other: 22 products for a cell, not 121.
    """
    channels = fields.shape[-1]
    for shape in ((WINDOW, 1, 1, 1), (1, WINDOW, 1, 1)):
        kernel = ops.reshape(ops.convert_to_tensor(GAUSSIAN, dtype="float32"), shape)
        kernel = ops.tile(kernel, (1, 1, channels, 1))
        # without data_format a user's own Keras settings would turn the axes
        fields = ops.depthwise_conv(fields, kernel, padding="valid", data_format="channels_last")
    return fields


def _halve(pair: _Pair) -> _Pair:
    """Means over the valid of 2 x 2 cells; a quarter of the weight for each.

    "same" leaves what is beyond an odd edge out of the mean, which is as if the last row had been
    repeated, as tf.image does.
    """
    target, prediction, weight = pair[:3]
    sums = ops.concatenate([weight, weight * target, weight * prediction], axis=-1)
    sums = ops.average_pool(sums, 2, strides=2, padding="same", data_format="channels_last")
    weight, target, prediction = ops.split(sums, 3, axis=-1)
    seen = _or_one(weight)
    return _Pair(target / seen, prediction / seen, weight, *pair[3:])


def _power(score: Any, power: float) -> Any:
    """``score**power``, which has no slope at 0 and no value below: there almost flat, but rising.

    An exact 0 would also take the gradient from the other scales, with which it is multiplied.
    """
    below = ops.minimum(score - TINY, 0.0)
    return ops.power(ops.maximum(score, TINY), power) * (1.0 + SLOPE * below)


def _dissimilarity(score: Any, share: Any) -> Any:
    """Half of 1 - score, in the mean over ``(batch, channel)``."""
    return mean(1.0 - score, share) / 2.0


def _or_one(divisor: Any) -> Any:
    """1 in place of 0; what is divided is then 0."""
    return ops.where(divisor > 0, divisor, 1.0)


def _check_size(field: Any, least: int) -> None:
    """A field too small for a window would otherwise have a loss of 0."""
    size = tuple(field.shape[-3:-1])
    if any(cells is not None and cells < least for cells in size):
        raise ValueError(
            f"Expected fields of at least {least} x {least} cells for the windows of the loss, got"
            f" {size[0]} x {size[1]}. Use larger patches, or a loss without windows such as 'mae'."
        )

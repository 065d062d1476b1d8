"""Losses of single cells: weighted means over valid cells, 0 without valid cells."""

from __future__ import annotations

from keras import ops

from xr_dl4ds.networks.losses.averaging import mean
from xr_dl4ds.networks.tensors import Tensor


def mae(target: Tensor, prediction: Tensor, weight: Tensor) -> Tensor:
    """Return the mean absolute error over valid cells."""
    return weighted_mean(ops.abs(_difference(target, prediction, weight)), weight)


def mse(target: Tensor, prediction: Tensor, weight: Tensor) -> Tensor:
    """Return the mean squared error over valid cells."""
    return weighted_mean(ops.square(_difference(target, prediction, weight)), weight)


def _difference(target: Tensor, prediction: Tensor, weight: Tensor) -> Tensor:
    """Return the difference in float32, 0 in masked cells.

    Values of masked cells are ignored, because their square may overflow and 0 * inf is NaN.
    """
    difference = ops.cast(prediction, "float32") - ops.cast(target, "float32")
    return ops.where(ops.cast(weight, "bool"), difference, 0.0)


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Return the mean over valid cells, in float32."""
    return mean(values, ops.cast(weight, "float32"))

"""Losses of each cell by itself: the weighted mean over valid cells, 0 where nothing is valid."""

from __future__ import annotations

from typing import Any

from keras import ops

from xr_dl4ds.losses.counting import mean


def mae(target: Any, prediction: Any, weight: Any) -> Any:
    """Mean absolute error over valid cells."""
    return weighted_mean(ops.abs(_difference(target, prediction, weight)), weight)


def mse(target: Any, prediction: Any, weight: Any) -> Any:
    """Mean squared error over valid cells."""
    return weighted_mean(ops.square(_difference(target, prediction, weight)), weight)


def _difference(target: Any, prediction: Any, weight: Any) -> Any:
    """In float32; 0 in masked cells, whatever they hold (a square may overflow; 0 * inf is NaN)."""
    difference = ops.cast(prediction, "float32") - ops.cast(target, "float32")
    return ops.where(ops.cast(weight, "bool"), difference, 0.0)


def weighted_mean(values: Any, weight: Any) -> Any:
    """The mean over valid cells, in float32."""
    return mean(values, ops.cast(weight, "float32"))

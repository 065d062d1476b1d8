"""Losses over valid cells: ``(target, prediction, weight) -> scalar``.

All three arguments are ``(batch, y, x, channel)``; `weight` is 1 where the target is valid and 0
where it is masked (the target must be finite there too, whatever its value). The result is the
weighted mean, 0 where nothing is valid, in float32 whatever the precision of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from keras import ops

Loss = Callable[[Any, Any, Any], Any]


def mae(target: Any, prediction: Any, weight: Any) -> Any:
    """Mean absolute error over valid cells."""
    return _weighted_mean(ops.abs(_difference(target, prediction, weight)), weight)


def mse(target: Any, prediction: Any, weight: Any) -> Any:
    """Mean squared error over valid cells."""
    return _weighted_mean(ops.square(_difference(target, prediction, weight)), weight)


LOSSES: dict[str, Loss] = {"mae": mae, "mse": mse}


def build(loss: str | Mapping[str, float]) -> Loss:
    """The loss of that name, or the weighted sum of several.

    Parameters
    ----------
    loss : str or mapping
        A name, or a weight for each name.

    Returns
    -------
    callable
        ``(target, prediction, weight) -> scalar``.
    """
    if isinstance(loss, str):
        return LOSSES[loss]
    terms = [(LOSSES[name], float(share)) for name, share in loss.items()]

    def weighted_sum(target: Any, prediction: Any, weight: Any) -> Any:
        return sum(share * term(target, prediction, weight) for term, share in terms)

    return weighted_sum


def _difference(target: Any, prediction: Any, weight: Any) -> Any:
    """In float32; 0 in masked cells, whatever they hold (a square may overflow; 0 * inf is NaN)."""
    difference = ops.cast(prediction, "float32") - ops.cast(target, "float32")
    return ops.where(ops.cast(weight, "bool"), difference, 0.0)


def _weighted_mean(values: Any, weight: Any) -> Any:
    weight = ops.cast(weight, "float32")
    return ops.sum(values * weight) / ops.maximum(ops.sum(weight), 1.0)

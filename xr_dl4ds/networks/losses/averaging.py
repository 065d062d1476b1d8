"""Weighted means over a batch, and over the batches that several workers process together.

A loss is a weighted sum over valid cells, divided by the sum of the weights. When several workers
share the batch of a step, each worker divides its own sum by the mean of the divisors of all
workers. The mean of the workers' losses, and of their gradients, then equals the loss of one
worker with all samples, however many cells are valid on each worker.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator

from keras import ops

from xr_dl4ds.networks.tensors import Tensor

_divisor: contextvars.ContextVar[Callable[[Tensor], Tensor]] = contextvars.ContextVar(
    "divisor", default=lambda total: total
)


@contextlib.contextmanager
def counted_by(divisor: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Replace the divisors of means that are computed inside the context.

    Parameters
    ----------
    divisor : callable
        ``scalar -> scalar``: maps the sum of a batch's weights to the divisor of its weighted sum.
    """
    before = _divisor.set(divisor)
    try:
        yield
    finally:
        _divisor.reset(before)


def mean(values: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean; 0 if all weights are 0.

    Parameters
    ----------
    values, weight : tensor
        Finite tensors of the same shape; a weight is the valid share of its value, >= 0.
    """
    return divided(ops.sum(values * weight), ops.sum(weight))


def divided(total: Tensor, weight: Tensor) -> Tensor:
    """Divide a sum over a batch by the sum of its weights, unless that is 0."""
    divisor = _divisor.get()(weight)
    return total / ops.where(divisor > 0, divisor, 1.0)

"""Weighted means over a batch, and over the batches that several workers have at once.

A loss is a sum over what is valid, divided by how much that is. Workers whose batches are parts of
one step have the loss of the whole when each divides its own sum by the mean of all their divisors:
the mean of their losses, and of their gradients, is then that of one worker with all samples,
however many are valid on each.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

from keras import ops

_divisor: contextvars.ContextVar[Callable[[Any], Any]] = contextvars.ContextVar(
    "divisor", default=lambda total: total
)


@contextlib.contextmanager
def counted_by(divisor: Callable[[Any], Any]) -> Iterator[None]:
    """Take means with other divisors while it lasts.

    Parameters
    ----------
    divisor : callable
        ``scalar -> scalar``: from the weights of a batch together to what its sum is divided by.
    """
    before = _divisor.set(divisor)
    try:
        yield
    finally:
        _divisor.reset(before)


def mean(values: Any, weight: Any) -> Any:
    """The mean weighted by how much of each value is valid, 0 where nothing is.

    Parameters
    ----------
    values, weight : tensor
        Of one shape; finite, the weights not negative.
    """
    return divided(ops.sum(values * weight), ops.sum(weight))


def divided(total: Any, weight: Any) -> Any:
    """A sum over a batch, divided by the sum of its weights; as it is where that is 0."""
    divisor = _divisor.get()(weight)
    return total / ops.where(divisor > 0, divisor, 1.0)

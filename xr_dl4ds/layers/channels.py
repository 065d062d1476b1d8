"""Channels of a tensor by number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops


def take(x: Any, wanted: Sequence[int]) -> Any:
    """Channels by number, ``(..., channel)``; slices, because their gradient is dense."""
    if list(wanted) == list(range(x.shape[-1])):
        return x
    return ops.concatenate([x[..., c : c + 1] for c in wanted], axis=-1)

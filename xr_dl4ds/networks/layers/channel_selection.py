"""Selection of a tensor's channels by number."""

from __future__ import annotations

from collections.abc import Sequence

from keras import ops

from xr_dl4ds.networks.tensors import Tensor


def take(x: Tensor, wanted: Sequence[int]) -> Tensor:
    """Select channels of ``(..., channel)`` by number.

    Channels are selected by slices, because the gradient of a slice is dense.
    """
    if list(wanted) == list(range(x.shape[-1])):
        return x
    return ops.concatenate([x[..., c : c + 1] for c in wanted], axis=-1)

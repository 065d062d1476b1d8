"""Losses of ensembles by name, and weighted sums of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from keras import ops

from xr_dl4ds.networks.losses.composite import Loss, weighted_sum
from xr_dl4ds.networks.losses.field_crps import BLOCKS, energy_score, pooled_crps, spectral_crps
from xr_dl4ds.networks.losses.probabilistic_losses import crps
from xr_dl4ds.networks.tensors import Tensor

#: Amplitudes ``(y, x // 2 + 1, target)`` by which those of fields are divided, by rows and columns.
Usual = Mapping[tuple[int, int], np.ndarray]


def build_ensemble_loss(weights: Mapping[str, float], usual: Usual | None = None) -> Loss:
    """Build a weighted sum of ensemble losses.

    Parameters
    ----------
    weights : mapping
        A weight for each name in `config.choices.ENSEMBLE_LOSSES`.
    usual : mapping, optional
        Usual amplitudes of the targets, by the shape of the fields. "spectral_crps" is 0 for fields
        of other shapes.

    Returns
    -------
    callable
        ``(target, members, weight) -> scalar``. `target` and `weight` are ``(batch, [time,] y, x,
        target)``; members have a further leading axis, whose length must be known.
    """
    terms = [
        (share, term) for name, share in weights.items() for term in ENSEMBLE[name](usual or {})
    ]
    return weighted_sum(terms)


def _of_fields(loss: Loss) -> Loss:
    """Fold time steps into samples before a loss of fields."""

    def folded(target: Tensor, members: Tensor, weight: Tensor) -> Tensor:
        if len(target.shape) == 5:
            target, weight = (ops.reshape(x, (-1, *ops.shape(x)[-3:])) for x in (target, weight))
            members = ops.reshape(members, (members.shape[0], -1, *ops.shape(members)[-3:]))
        return loss(target, members, weight)

    return folded


def _pooled(size: int) -> Loss:
    def of_blocks(target: Tensor, members: Tensor, weight: Tensor) -> Tensor:
        if any(edge is not None and edge < size for edge in target.shape[1:3]):
            return ops.zeros((), "float32")
        return pooled_crps(target, members, weight, size)

    return of_blocks


def _spectral(usual: Usual) -> Loss:
    def of_amplitudes(target: Tensor, members: Tensor, weight: Tensor) -> Tensor:
        amplitudes = usual.get((target.shape[1], target.shape[2]))
        if amplitudes is None:
            return ops.zeros((), "float32")
        amplitudes = ops.convert_to_tensor(amplitudes, dtype="float32")
        return spectral_crps(target, members, weight, amplitudes)

    return of_amplitudes


#: Functions that build the terms of each loss in `config.choices.ENSEMBLE_LOSSES`, which are added.
ENSEMBLE: dict[str, Callable[[Usual], Sequence[Loss]]] = {
    "crps": lambda usual: [crps],
    "pooled_crps": lambda usual: [_of_fields(_pooled(size)) for size in BLOCKS],
    "spectral_crps": lambda usual: [_of_fields(_spectral(usual))],
    "energy": lambda usual: [_of_fields(energy_score)],
}

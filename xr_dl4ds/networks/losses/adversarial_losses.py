"""Adversarial losses, computed from a discriminator's logits (positive logits mean "true")."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from keras import ops

from xr_dl4ds.networks.losses.averaging import mean
from xr_dl4ds.networks.tensors import Tensor


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdversarialLoss:
    """The losses of generator and discriminator: means over the valid cells, 0 without valid cells.

    Parameters
    ----------
    generator_loss : callable
        ``(logits_fake, weight) -> scalar``.
    discriminator_loss : callable
        ``(logits_true, logits_fake, weight) -> scalar``: half the loss of the true fields plus half
        the loss of the generated fields (Isola et al. 2017, section 3.3).
    """

    generator_loss: Callable[[Tensor, Tensor], Tensor]
    discriminator_loss: Callable[[Tensor, Tensor, Tensor], Tensor]


def _of(
    as_true: Callable[[Tensor], Tensor], as_fake: Callable[[Tensor], Tensor], generator: Tensor
) -> Tensor:
    """Build both losses from functions of a logit.

    `as_true` is the loss of a logit that should say "true", `as_fake` of a logit that should say
    "fake", and `generator` is the loss of the generator.
    """

    def generator_loss(logits_fake: Tensor, weight: Tensor) -> Tensor:
        return _mean(generator, logits_fake, weight)

    def discriminator_loss(logits_true: Tensor, logits_fake: Tensor, weight: Tensor) -> Tensor:
        both = _mean(as_true, logits_true, weight) + _mean(as_fake, logits_fake, weight)
        return 0.5 * both

    return AdversarialLoss(generator_loss=generator_loss, discriminator_loss=discriminator_loss)


def _mean(function: Callable[[Tensor], Tensor], logits: Tensor, weight: Tensor) -> Tensor:
    """Average over LR cells, weighted by the valid share of each cell, in float32."""
    weight = ops.cast(weight, "float32")
    cells = function(ops.where(weight > 0, ops.cast(logits, "float32"), 0.0))
    return mean(cells, weight)


#: Losses by the names in `config.choices.ADVERSARIAL_LOSSES`.
ADVERSARIAL: dict[str, AdversarialLoss] = {
    # -log sigmoid(x) = softplus(-x); the generator's loss has the form that does not saturate
    # (Goodfellow et al. 2014, arXiv:1406.2661)
    "bce": _of(lambda x: ops.softplus(-x), ops.softplus, lambda x: ops.softplus(-x)),
    # Lim & Ye 2017, arXiv:1705.02894
    "hinge": _of(lambda x: ops.relu(1.0 - x), lambda x: ops.relu(1.0 + x), ops.negative),
}

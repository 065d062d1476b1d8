"""Adversarial losses, of the logits of a discriminator: above 0 where it says "true"."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from keras import ops

from xr_dl4ds.losses.counting import mean


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdversarialLoss:
    """The two sides of one game; each is the mean over cells that count, 0 where none does.

    Parameters
    ----------
    generator_loss : callable
        ``(logits_fake, weight) -> scalar``.
    discriminator_loss : callable
        ``(logits_true, logits_fake, weight) -> scalar``: half the loss of the true fields and half
        that of the generated ones (Isola et al. 2017, section 3.3).
    """

    generator_loss: Callable[[Any, Any], Any]
    discriminator_loss: Callable[[Any, Any, Any], Any]


def _of(as_true: Callable[[Any], Any], as_fake: Callable[[Any], Any], generator: Any) -> Any:
    """The losses, from those of a logit that should say true, say fake, and of the generator."""

    def generator_loss(logits_fake: Any, weight: Any) -> Any:
        return _mean(generator, logits_fake, weight)

    def discriminator_loss(logits_true: Any, logits_fake: Any, weight: Any) -> Any:
        both = _mean(as_true, logits_true, weight) + _mean(as_fake, logits_fake, weight)
        return 0.5 * both

    return AdversarialLoss(generator_loss=generator_loss, discriminator_loss=discriminator_loss)


def _mean(function: Callable[[Any], Any], logits: Any, weight: Any) -> Any:
    """Over LR cells, weighted by any share that counts; float32."""
    weight = ops.cast(weight, "float32")
    cells = function(ops.where(weight > 0, ops.cast(logits, "float32"), 0.0))
    return mean(cells, weight)


#: By the names of `config.choices.ADVERSARIAL_LOSSES`.
ADVERSARIAL: dict[str, AdversarialLoss] = {
    # -log sigmoid(x) = softplus(-x); the generator's in the form that does not saturate
    # (Goodfellow et al. 2014, arXiv:1406.2661)
    "bce": _of(lambda x: ops.softplus(-x), ops.softplus, lambda x: ops.softplus(-x)),
    # Lim & Ye 2017, arXiv:1705.02894
    "hinge": _of(lambda x: ops.relu(1.0 - x), lambda x: ops.relu(1.0 + x), ops.negative),
}

"""Losses over valid cells: ``(target, prediction, weight) -> scalar``.

All three arguments are ``(..., y, x, channel)``, with one leading dimension (batch) or two (batch,
time). `weight` is 1 where the target is valid and 0 where it is masked; a masked target must be
finite, but may have any value. The result is float32 whatever the precision of the network, and 0
if no cell is valid. The result and its gradient are always finite.

The losses of `probabilistic_losses` take distribution parameters or ensemble members. The losses of
`adversarial_losses` take the logits of a discriminator. `build_target_loss` builds the loss of the
whole output of a network.
"""

from xr_dl4ds.networks.losses.adversarial_losses import ADVERSARIAL as ADVERSARIAL
from xr_dl4ds.networks.losses.averaging import counted_by as counted_by
from xr_dl4ds.networks.losses.averaging import divided as divided
from xr_dl4ds.networks.losses.by_target import build_target_loss as build_target_loss
from xr_dl4ds.networks.losses.composite import Loss as Loss

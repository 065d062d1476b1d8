"""Losses over valid cells: ``(target, prediction, weight) -> scalar``.

All three arguments are ``(..., y, x, channel)``, with one leading dimension (batch) or two (batch,
time); `weight` is 1 where the target is valid and 0 where it is masked (the target must be finite
there too, whatever its value). The result is float32 whatever the precision of the network, 0 where
nothing is valid; it and its gradient are always finite.

Those of `probabilistic` take parameters or members of a distribution, those of `adversarial` the
logits of a discriminator. `build_for` puts together the loss of a network's whole output.
"""

import xr_dl4ds.backend  # noqa: F401  before Keras and TensorFlow: a quiet start
from xr_dl4ds.losses.adversarial import ADVERSARIAL as ADVERSARIAL
from xr_dl4ds.losses.adversarial import AdversarialLoss as AdversarialLoss
from xr_dl4ds.losses.by_target import build_for as build_for
from xr_dl4ds.losses.composite import LOSSES as LOSSES
from xr_dl4ds.losses.composite import TERMS as TERMS
from xr_dl4ds.losses.composite import Loss as Loss
from xr_dl4ds.losses.composite import build as build
from xr_dl4ds.losses.counting import counted_by as counted_by
from xr_dl4ds.losses.counting import divided as divided
from xr_dl4ds.losses.pointwise import mae as mae
from xr_dl4ds.losses.pointwise import mse as mse
from xr_dl4ds.losses.probabilistic import bernoulli_gamma_nll as bernoulli_gamma_nll
from xr_dl4ds.losses.probabilistic import crps as crps
from xr_dl4ds.losses.probabilistic import gaussian_nll as gaussian_nll
from xr_dl4ds.losses.structure import POWERS as POWERS
from xr_dl4ds.losses.structure import WINDOW as WINDOW
from xr_dl4ds.losses.structure import dssim as dssim
from xr_dl4ds.losses.structure import ms_ssim as ms_ssim
from xr_dl4ds.losses.structure import msdssim as msdssim
from xr_dl4ds.losses.structure import ssim as ssim

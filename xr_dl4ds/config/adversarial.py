"""Conditional adversarial training."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from xr_dl4ds.config import choices
from xr_dl4ds.config.checks import flag, one_of, positive, whole
from xr_dl4ds.config.training import Loss, Rate, Training

#: Isola et al. 2017 have 2e-4, for many more steps. On ERA5 UK, 60 epochs of 19 steps, the spectra
#: of 2e-4 are farther from the truth's than those of supervised training (RALSD 1.48 dB and
#: 1.25 dB), those of 1e-3 nearer (1.13 dB).
LEARNING_RATE = 1e-3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adversarial(Training):
    """Training against a discriminator, beside the HR truth: a conditional GAN.

    The generator's loss is what the discriminator makes of its fields plus `pixel_weight` times
    `pixel_loss` (Isola et al. 2017, arXiv:1611.07004, equation 4). The discriminator sees the LR
    fields, the static ones, and HR fields, true or generated; it judges each LR cell with its
    surroundings. The weights that are kept are those of the epoch with the least ``val_loss =
    val_pixel_loss x (1 + val_ralsd / dB)``: close to the truth cell by cell, and with its spectrum
    (RALSD: Harris et al. 2022, doi:10.1029/2022MS003120).

    Parameters
    ----------
    loss : {"bce", "hinge"}
        The adversarial loss: binary cross entropy on logits, or the hinge (Lim & Ye 2017,
        arXiv:1705.02894).
    pixel_loss : str or dict, optional
        As `Supervised.loss`, without those that fit a distribution. By default "crps" over
        realizations that differ by their noise, or "mae" without noise. With "mae" generators learn
        to ignore the noise: their ensembles collapse.
    pixel_weight : float
        Its weight beside the adversarial loss.
    learning_rate : float or pair of float, optional
        Of generator and discriminator alike, 1e-3 by default; two of them with `lr_decay_after`.
    learning_rates : pair, optional
        ``(generator, discriminator)`` in its place, each like `learning_rate`.
    noise_channels : int, optional
        Channels of normal noise on the HR grid, from which members are drawn, 4 by default; with 0
        there is one answer.
    discriminator_filters, discriminator_blocks : int
        Filters, and residual blocks.
    spectral_normalization : bool
        Divide the discriminator's kernels by their largest singular value (Miyato et al. 2018,
        arXiv:1802.05957).
    gradient_penalty : float
        Weight of the R1 penalty, half the mean squared gradient of the discriminator's judgement of
        true fields (Mescheder et al. 2018, arXiv:1801.04406); 0 is none.
    epochs, lr_decay_after, early_stopping, patience, min_delta : optional
        As for `Supervised`.
    optimizer : {"adam", "adamw", "sgd"}
        Of both networks; Adam with a first moment of 0.5 (Isola et al. 2017).
    loss_realizations, precision, checkpoint, verbose : optional
        As for `Supervised`.
    lr_scaling, lr_warmup, gradient_compression : optional
        As for `Supervised`.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> xd.Adversarial(pixel_weight=50, epochs=20).n_noise
    4
    """

    loss: str = "bce"
    pixel_loss: Loss | None = None
    pixel_weight: float = 100.0
    learning_rate: Rate | None = None
    learning_rates: Sequence[Rate] | None = None
    discriminator_filters: int = 32
    discriminator_blocks: int = 4
    spectral_normalization: bool = False
    gradient_penalty: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("loss", self.loss, choices.ADVERSARIAL_LOSSES)
        if self.pixel_loss is not None:
            self._check_loss("pixel_loss", choices.PIXEL_LOSSES)
        positive("pixel_weight", self.pixel_weight, zero=True)
        positive("gradient_penalty", self.gradient_penalty, zero=True)
        flag("spectral_normalization", self.spectral_normalization)
        whole(self, "discriminator_filters", 1)
        whole(self, "discriminator_blocks", 1)
        self._check_rates()
        self._check_members("pixel_loss")

    @property
    def cell_loss(self) -> Loss:
        """`pixel_loss`, or the usual one."""
        if self.pixel_loss is not None:
            return self.pixel_loss
        return choices.ENSEMBLE_LOSS if self.n_noise else "mae"

    @property
    def n_noise(self) -> int:
        """`noise_channels`, or the usual number."""
        return choices.NOISE_CHANNELS if self.noise_channels is None else self.noise_channels

    def rates_of(self, epoch: int) -> tuple[float, ...]:
        """Learning rates of generator and discriminator in an epoch, counted from 0."""
        if self.learning_rates is not None:
            generator, discriminator = (self._at(rate, epoch) for rate in self.learning_rates)
            return generator, discriminator
        rate = LEARNING_RATE if self.learning_rate is None else self.learning_rate
        return (self._at(rate, epoch),) * 2

    def _check_rates(self) -> None:
        both = self.learning_rates
        if both is None:
            if self.learning_rate is not None:
                rate = self._check_rate("learning_rate", self.learning_rate)
                object.__setattr__(self, "learning_rate", rate)
            elif self.lr_decay_after is not None:
                self._check_rate("learning_rate", LEARNING_RATE)  # says that two are needed
            return
        if self.learning_rate is not None:
            raise ValueError(
                "Expected `learning_rate` for both networks or `learning_rates` for each, got"
                f" both: {self.learning_rate!r} and {both!r}. Leave one out."
            )
        if not isinstance(both, (list, tuple)) or len(both) != 2:
            raise ValueError(
                "Expected `learning_rates` to be a pair (generator, discriminator), got"
                f" {both!r}. Use (2e-4, 2e-4), for instance."
            )
        rates = tuple(self._check_rate("learning_rates", rate) for rate in both)
        object.__setattr__(self, "learning_rates", rates)

"""Options of conditional adversarial training."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from xr_dl4ds.config import choices
from xr_dl4ds.config.training_options import Loss, Rate, Training
from xr_dl4ds.config.value_checks import flag, one_of, positive, whole_number

#: Isola et al. 2017 use 2e-4, for many more steps. The spectral distance (RALSD) for ERA5 UK, after
#: 60 epochs of 19 steps, is 1.48 dB with 2e-4, 1.13 dB with 1e-3, and 1.25 dB for supervised
#: training.
LEARNING_RATE = 1e-3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adversarial(Training):
    """Options of training against a discriminator, in addition to the HR truth (a conditional GAN).

    The generator's loss is the adversarial loss of its fields plus `pixel_weight` times
    `pixel_loss` (Isola et al. 2017, arXiv:1611.07004, equation 4). The discriminator sees the LR
    fields, the static fields, and HR fields that are true or generated. It judges each LR cell with
    its surroundings. Training keeps the weights of the epoch with the least ``val_loss =
    val_pixel_loss x (1 + val_ralsd / dB)``, which are close to the truth cell by cell and in their
    spectrum (RALSD: Harris et al. 2022, doi:10.1029/2022MS003120).

    Parameters
    ----------
    loss : {"bce", "hinge"}
        Adversarial loss: binary cross-entropy on logits, or the hinge loss (Lim & Ye 2017,
        arXiv:1705.02894).
    pixel_loss : str or dict, optional
        Loss between prediction and truth, as `Supervised.loss`, except the losses that fit a
        distribution. By default "crps" over realizations that differ by their noise, or "mae"
        without noise. "pooled_crps", "spectral_crps", "energy" and weighted sums of these also
        score realizations. With "mae" generators learn to ignore the noise, and their ensembles
        collapse.
    pixel_weight : float
        Weight of `pixel_loss` relative to the adversarial loss.
    learning_rate : float or pair of float, optional
        Learning rate of both generator and discriminator, 1e-3 by default; two rates with
        `lr_decay_after`.
    learning_rates : pair, optional
        Learning rates ``(generator, discriminator)`` instead of `learning_rate`, each in the same
        form.
    noise_channels : int, optional
        Number of channels of normal noise on the HR grid, from which members are drawn, 4 by
        default. With 0 the model is deterministic.
    discriminator_filters, discriminator_blocks : int
        Filters, and residual blocks, of the discriminator.
    spectral_normalization : bool
        Divide the discriminator's kernels by their largest singular value (Miyato et al. 2018,
        arXiv:1802.05957).
    gradient_penalty : float
        Weight of the R1 penalty, half the mean squared gradient of the discriminator's output for
        true fields (Mescheder et al. 2018, arXiv:1801.04406); 0 turns it off.
    schedule : {"auto", "constant", "step", "cosine"}
        Same as in `Supervised`, for both networks, but "auto" is "constant" for single rates.
    ema : float or "auto", optional
        Same as in `Supervised`, for the generator's weights.
    clipnorm : float or "auto", optional
        Same as in `Supervised`, for each network; "auto" does not clip.
    epochs : int
        Passes over the training samples.
    lr_decay_after, early_stopping, patience, min_delta : optional
        Same as in `Supervised`.
    optimizer : {"adam", "adamw", "sgd"}
        Optimizer of both networks; Adam with ``beta_1=0.5`` (Isola et al. 2017).
    loss_realizations, precision, checkpoint, verbose : optional
        Same as in `Supervised`.
    lr_scaling, lr_warmup, gradient_compression : optional
        Same as in `Supervised`.

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
        whole_number(self, "discriminator_filters", 1)
        whole_number(self, "discriminator_blocks", 1)
        self._check_rates()
        self._check_members("pixel_loss")

    @property
    def cell_loss(self) -> Loss:
        """`pixel_loss`, or its default."""
        if self.pixel_loss is not None:
            return self.pixel_loss
        return choices.ENSEMBLE_LOSS if self.n_noise else "mae"

    @property
    def n_noise(self) -> int:
        """`noise_channels`, or its default."""
        return choices.NOISE_CHANNELS if self.noise_channels is None else self.noise_channels

    def rates_of(self, epoch: int) -> tuple[float, ...]:
        """Return the learning rates of generator and discriminator in an epoch, counted from 0.

        These are the rates before warm-up and cosine.
        """
        common = LEARNING_RATE if self.learning_rate is None else self.learning_rate
        rates = self.learning_rates or (common, common)
        return tuple(self._at(rate, epoch) for rate in rates)

    def _check_rates(self) -> None:
        both = self.learning_rates
        if both is None:
            given = LEARNING_RATE if self.learning_rate is None else self.learning_rate
            rate = self._check_rate("learning_rate", given)
            if self.learning_rate is not None:
                object.__setattr__(self, "learning_rate", rate)
            return
        if self.learning_rate is not None:
            raise ValueError(
                "Expected `learning_rate` for both networks or `learning_rates` for each, got"
                f" both: {self.learning_rate!r} and {both!r}. Remove one of the two options."
            )
        if not isinstance(both, (list, tuple)) or len(both) != 2:
            raise ValueError(
                "Expected `learning_rates` to be a pair (generator, discriminator), got"
                f" {both!r}. Use (2e-4, 2e-4), for instance."
            )
        rates = tuple(self._check_rate("learning_rates", rate) for rate in both)
        object.__setattr__(self, "learning_rates", rates)

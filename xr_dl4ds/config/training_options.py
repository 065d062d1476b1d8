"""Options of supervised training, and the options that all kinds of training share."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from xr_dl4ds.config import choices
from xr_dl4ds.config.loss_choice import Loss as Loss
from xr_dl4ds.config.loss_choice import checked_loss
from xr_dl4ds.config.value_checks import flag, one_of, positive, whole_number, without_numpy

Rate = float | Sequence[float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """Options that all kinds of training share; their classes document them."""

    #: What the schedule "auto" is for a single rate, unless the optimizer is "sgd".
    usual_schedule: ClassVar[str] = "constant"

    epochs: int = 60
    optimizer: str = "adam"
    schedule: str = "auto"
    lr_decay_after: int | None = None
    ema: float | str | None = "auto"
    clipnorm: float | str | None = "auto"
    early_stopping: bool = False
    patience: int = 10
    min_delta: float = 0.0
    noise_channels: int | None = None
    loss_realizations: int | None = None
    precision: str = "auto"
    checkpoint: str | None = None
    lr_scaling: str | None = "linear"
    lr_warmup: int | None = None
    gradient_compression: str | None = None
    verbose: bool = True

    def __post_init__(self) -> None:
        without_numpy(self)
        whole_number(self, "epochs", 1)
        whole_number(self, "patience", 1)
        whole_number(self, "noise_channels", 0, optional=True)
        whole_number(self, "loss_realizations", 2, optional=True)
        whole_number(self, "lr_decay_after", 1, optional=True)
        whole_number(self, "lr_warmup", 0, optional=True)
        one_of("schedule", self.schedule, ("auto", *choices.SCHEDULES))
        self._check_ema()
        if self.clipnorm not in (None, "auto"):
            positive("clipnorm", self.clipnorm)
        one_of("lr_scaling", self.lr_scaling, (None, *choices.LR_SCALINGS))
        one_of("gradient_compression", self.gradient_compression, (None, *choices.COMPRESSIONS))
        one_of("optimizer", self.optimizer, choices.OPTIMIZERS)
        one_of("precision", self.precision, choices.PRECISIONS)
        positive("min_delta", self.min_delta, zero=True)
        flag("early_stopping", self.early_stopping)
        if type(self.verbose) is int and self.verbose in (0, 1):  # Keras's spelling
            object.__setattr__(self, "verbose", bool(self.verbose))
        flag("verbose", self.verbose)
        self._check_checkpoint()

    @property
    def cell_loss(self) -> Loss:
        """Loss between prediction and truth."""
        raise NotImplementedError

    @property
    def n_noise(self) -> int:
        """Number of noise channels of the network."""
        raise NotImplementedError

    def rates_of(self, epoch: int) -> tuple[float, ...]:
        """Return the learning rate of each optimizer in an epoch, counted from 0.

        These are the rates of `learning_rate`, before warm-up and cosine.
        """
        raise NotImplementedError

    @property
    def network_defaults(self) -> tuple[str, int]:
        """Backbone and number of filters if the options give none."""
        return choices.BACKBONE, choices.FILTERS

    @property
    def rate_schedule(self) -> str:
        """`schedule`, or the schedule that "auto" stands for."""
        if self.schedule != "auto":
            return self.schedule
        if self.lr_decay_after is not None:
            return "step"
        return "constant" if self.optimizer == "sgd" else self.usual_schedule

    @property
    def warmup_epochs(self) -> float:
        """`lr_warmup`, or its default: a share of the epochs for a cosine, else 5."""
        if self.lr_warmup is not None:
            return self.lr_warmup
        if self.rate_schedule == "cosine":
            return choices.WARMUP_SHARE * self.epochs
        return choices.WARMUP_EPOCHS

    @property
    def has_fixed_length(self) -> bool:
        """True if the learning rates of every epoch depend on the number of `epochs`."""
        return self.rate_schedule == "cosine"

    def momentum(self, steps: int) -> float | None:
        """Return the momentum of the weights' average in a training of so many steps.

        It is `ema`, or what "auto" stands for; None for no average.
        """
        if self.ema != "auto":
            return cast("float | None", self.ema)
        if self.rate_schedule != "cosine":
            return None
        # the half-life, in steps, is that share of all steps, and at least one step
        half_life = max(choices.EMA_HALF_LIFE * steps, 1.0)
        return min(choices.EMA, float(0.5 ** (1 / half_life)))

    @property
    def gradient_norm(self) -> float | None:
        """`clipnorm`, or the norm that "auto" stands for; None for no clipping."""
        if self.clipnorm == "auto":
            return choices.CLIPNORM if self._clips else None
        return cast("float | None", self.clipnorm)

    @property
    def _clips(self) -> bool:
        """True if ``clipnorm="auto"`` clips the gradients."""
        return self.fits_distributions

    @property
    def draws_members(self) -> bool:
        """True if the loss is taken over several realizations of each sample."""
        return any(name in choices.ENSEMBLE_LOSSES for name in self._names())

    @property
    def fits_distributions(self) -> bool:
        """True if the loss of any target is a likelihood."""
        return any(name in choices.DISTRIBUTIONS for name in self._names())

    @property
    def members(self) -> int:
        """Number of realizations of each sample in a training step."""
        realizations = self.loss_realizations or choices.LOSS_REALIZATIONS
        return realizations if self.draws_members else 1

    @property
    def least_cells(self) -> int:
        """Number of HR cells along y and x that a sample needs for the windows of the loss."""
        return max(choices.LEAST_CELLS.get(name.split("_")[0], 1) for name in self._names())

    def loss_name_of(self, target: str) -> str | Mapping[str, float]:
        """Return the loss of one target: a name, or weights of several names."""
        loss = self.cell_loss
        if self.by_variable and isinstance(loss, Mapping):
            return str(loss[target])
        return cast("str | Mapping[str, float]", loss)

    def distribution_of(self, target: str) -> str | None:
        """Return the distribution that the network fits to a target, or None for a single value."""
        loss = self.loss_name_of(target)
        return choices.DISTRIBUTIONS.get(loss) if isinstance(loss, str) else None

    @property
    def by_variable(self) -> bool:
        """True if each target has a separate loss."""
        loss = self.cell_loss
        return isinstance(loss, Mapping) and all(isinstance(v, str) for v in loss.values())

    def _names(self) -> list[str]:
        loss = self.cell_loss
        if isinstance(loss, str):
            return [loss]
        return [str(v) for v in loss.values()] if self.by_variable else list(loss)

    def _check_members(self, option: str) -> None:
        """Raise if realizations or noise channels do not fit the loss."""
        if self.loss_realizations is not None and not self.draws_members:
            raise ValueError(
                f"Expected {option}='crps' for loss_realizations={self.loss_realizations}, got"
                f" {self.cell_loss!r}, which needs a single realization. Remove loss_realizations."
            )
        if self.noise_channels == 0 and self.draws_members:
            raise ValueError(
                f"Expected `noise_channels` >= 1 for {option}='crps', whose members are drawn from"
                " noise, got 0. Remove noise_channels."
            )

    def _check_ema(self) -> None:
        if self.ema is None or self.ema == "auto":
            return
        number = isinstance(self.ema, (int, float)) and not isinstance(self.ema, bool)
        if not number or not 0 < cast("float", self.ema) < 1:
            raise ValueError(
                f"Expected `ema` to be a number between 0 and 1, 'auto' or None, got {self.ema!r}."
                " Use ema=0.99, for instance."
            )

    def _check_checkpoint(self) -> None:
        if self.checkpoint is None:
            return
        if not isinstance(self.checkpoint, (str, os.PathLike)) or not os.fspath(self.checkpoint):
            raise ValueError(
                f"Expected `checkpoint` to be the path of a folder, got {self.checkpoint!r}."
            )
        object.__setattr__(self, "checkpoint", os.fspath(self.checkpoint))

    def with_loss_for(self, amounts: Mapping[str, bool]) -> Training:
        """Return the options with the loss for these targets, which are amounts or not."""
        return self

    def with_rate_for(self, filters: int, batch_size: int, *, guessed: bool = False) -> Training:
        """Return the options with the learning rate for a network and a batch of these sizes.

        `guessed` says whether the network corrects a first guess that was fitted to the data.
        """
        return self

    def _check_loss(self, option: str, known: Sequence[str]) -> None:
        """Check a loss in any of its three forms, and store a copy of a dict."""
        object.__setattr__(self, option, checked_loss(option, getattr(self, option), known))

    def _check_rate(self, option: str, rate: Any) -> Rate:
        """Check a learning rate: one number, or two numbers for the schedule "step"."""
        pair = isinstance(rate, (list, tuple))
        if pair and len(rate) != 2:
            raise ValueError(
                f"Expected `{option}` to be one number or two, got {len(rate)}: {rate!r}."
            )
        if pair and self.schedule not in ("auto", "step"):
            raise ValueError(
                f"Expected one learning rate for schedule={self.schedule!r}, got {option}={rate!r}."
                " Use schedule='step' for two rates."
            )
        if pair and self.lr_decay_after is None:
            raise ValueError(
                "Expected `lr_decay_after`, the number of epochs at the first of two learning"
                f" rates, got None for {option}={rate!r}. Use lr_decay_after=40, for instance."
            )
        if not pair and self.rate_schedule == "step":
            asked, more = f"lr_decay_after={self.lr_decay_after}", ""
            if self.lr_decay_after is None:
                asked, more = "schedule='step'", " and lr_decay_after=40"
            raise ValueError(
                f"Expected two learning rates for {asked}, got {rate!r}. Use"
                f" {option}=(1e-3, 1e-4){more}, for instance."
            )
        if not pair and self.lr_decay_after is not None:
            raise ValueError(
                f"Expected schedule='step' for lr_decay_after={self.lr_decay_after}, got"
                f" {self.schedule!r}. Remove lr_decay_after, or use {option}=(1e-3, 1e-4)."
            )
        for one in rate if pair else (rate,):
            positive(option, one)
        return tuple(rate) if pair else cast("float", rate)

    def _at(self, rate: Rate, epoch: int) -> float:
        """Return a learning rate in an epoch, counted from 0."""
        if isinstance(rate, Sequence):
            assert self.lr_decay_after is not None
            return rate[epoch >= self.lr_decay_after]
        return rate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Supervised(Training):
    """Options of supervised training against the HR truth.

    Parameters
    ----------
    loss : str or dict
        Loss between prediction and truth: "auto" (by kind of target, see `AUTO_LOSSES` in
        `xr_dl4ds.config.choices`), "mae", "mse", "mae_mse", "dssim", "dssim_mae", "dssim_mse",
        "dssim_mae_mse", "msdssim", "msdssim_mae" or "msdssim_mae_mse", or weights of these names
        such as ``{"dssim": 0.8, "mae": 0.2}``. DSSIM is (1 - SSIM) / 2 (Wang et al. 2004) on values
        brought to [0, 1] by their training range, and MS-DSSIM is its form at four scales. Names
        with several terms use DL4DS's weights. All are computed on scaled values, over valid cells
        only. Further losses train an ensemble for ``predict(model, realizations=20)``.
        "gaussian_nll" fits the mean and the spread of each cell. "bernoulli_gamma_nll" fits the
        probability of a wet cell and a gamma distribution of the amount (precipitation; Cannon
        2008). Both are likelihoods. "crps" (Gneiting & Raftery 2007, in its fair form, Ferro 2014)
        draws members, see `Network.noise`. Three further losses of members see more than single
        cells: "pooled_crps" (means over blocks of 2 x 2 and of 4 x 4 cells, added), "spectral_crps"
        (amplitudes of wavenumbers, relative to usual ones) and "energy" (the energy score of
        patches of 8 x 8 cells). Weights such as ``{"crps": 1, "energy": 0.1}`` add them. With
        latent noise, "crps" stands for ``{"crps": 1, "pooled_crps": 0.3, "spectral_crps": 0.1}``. A
        dict of names gives each target a separate loss: ``{"tas": "gaussian_nll", "pr": "crps"}``.
    learning_rate : float or pair of float, optional
        Full learning rate of the optimizer; two rates with `lr_decay_after`. The default for the
        schedule "cosine" is 8e-3, or 4e-3 for likelihoods and losses of members, times 32 / n for
        networks of more than 32 filters (the U-Net has up to 256), and times the root of b / 32 for
        batches of less than 32 samples (Malladi et al. 2022, arXiv:2205.10287), and an eighth of
        that for a fitted first guess; for other schedules it is 1e-3.
    epochs : int
        Passes over the training samples.
    optimizer : {"adam", "adamw", "sgd"}
        Keras optimizer of that name.
    schedule : {"auto", "constant", "step", "cosine"}
        Change of the learning rate during training. "constant" keeps it; "step" uses the second of
        two rates after `lr_decay_after` epochs; with "cosine" it falls along a half cosine, step by
        step, to 0.5 % in the last step of the last epoch (Loshchilov & Hutter 2017,
        arXiv:1608.03983). "auto" is "step" for two rates, "constant" for the optimizer "sgd", and
        else "cosine". With early stopping, training may end before a cosine has fallen.
    lr_decay_after : int, optional
        Number of epochs at the first of two learning rates; later epochs use the second.
    ema : float or "auto", optional
        Momentum per step of an exponential moving average of the weights, such as 0.99. The average
        is validated and kept in place of the weights, and training goes on with the weights. In the
        first steps the momentum is smaller. "auto" averages only with the schedule "cosine": the
        momentum is 0.99, or less where the half-life would exceed 5 % of all steps. Moving
        statistics of batch normalization are not averaged. None turns the average off.
    clipnorm : float or "auto", optional
        Largest norm of all gradients together; larger gradients are scaled down to it (Pascanu et
        al. 2013, arXiv:1211.5063). "auto" is 1, but with the optimizer "sgd" only likelihoods are
        clipped. None turns clipping off.
    early_stopping : bool
        Stop training when `val_loss` has not fallen by more than `min_delta` for `patience` epochs.
        With validation data the best weights are restored at the end, early or not.
    patience : int
        Number of epochs to wait for an improvement.
    min_delta : float
        Smallest decrease of `val_loss` that counts as an improvement for early stopping.
    noise_channels : int, optional
        Number of channels of normal noise on the HR grid inside the network; see `Network.noise`,
        which a number here makes "inside". The default is then 4; losses that draw no members take
        none.
    loss_realizations : int, optional
        Number of realizations of each training sample over which "crps" and the other losses of
        members are taken, >= 2; other losses take none. The default is 4 with latent noise, whose
        members share one pass of the network, and 2 with noise inside the network, where the cost
        of a step grows by this factor.
    calibrate : bool
        Scale latent noise after training so that the spread of members equals the error of their
        mean in the validation data, for each target and, with enough data, for each season. Where
        these data cannot tell the factor from 1, or have no dates, the noise is left as it is.
    precision : {"auto", "float32", "mixed_bfloat16", "mixed_float16"}
        Arithmetic of training; weights, losses and predictions stay float32. "auto" is
        mixed_bfloat16 where the hardware multiplies it natively in matrix units (GPUs of compute
        capability 8 and up, CPUs with AMX), else float32.
    checkpoint : path, optional
        Folder in which the state of training is stored after every epoch. If training is
        interrupted, the same call resumes there and ends with the weights of an uninterrupted run.
        A finished training is not repeated. A call with more `epochs` continues it, except with
        the schedule "cosine", which depends on the number of epochs.
    lr_scaling : {"linear", "sqrt"}, optional
        Factor of the learning rates when several workers train together and their batches form one
        step: the number of workers (Goyal et al. 2017, arXiv:1706.02677, section 2.1), or its
        square root (Malladi et al. 2022, arXiv:2205.10287, for Adam). None leaves the rates
        unchanged.
    lr_warmup : int, optional
        Number of epochs in which the learning rates grow, step by step, to their full values: for
        several workers from the rates of one worker (Goyal et al. 2017, section 2.2), and for the
        schedule "cosine" from a twentieth of those; 0 uses the full rates from the start. The
        default is a twentieth of the epochs for "cosine", else 5.
    gradient_compression : {"float16"}, optional
        Format in which workers exchange gradients. float16 halves the bytes, and keeps 11 bits of a
        number.
    verbose : bool
        Show a progress bar with the losses.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> xd.Supervised(loss={"mae": 0.8, "mse": 0.2}, epochs=20).epochs
    20
    """

    usual_schedule: ClassVar[str] = "cosine"

    epochs: int = 30
    loss: Loss = "auto"
    learning_rate: Rate | None = None
    calibrate: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        flag("calibrate", self.calibrate)
        self._check_loss("loss", ("auto", *choices.SUPERVISED_LOSSES))
        rate = self._check_rate("learning_rate", self._rate)
        if self.learning_rate is not None:
            object.__setattr__(self, "learning_rate", rate)
        if self.noise_channels and not self.draws_members:
            raise ValueError(
                f"Expected loss='crps' for noise_channels={self.noise_channels}, got"
                f" {self.loss!r}, which would teach the network to ignore noise. Use loss='crps',"
                " or training=xr_dl4ds.Adversarial(...)."
            )
        self._check_members("loss")

    def with_loss_for(self, amounts: Mapping[str, bool]) -> Supervised:
        """Return the options with the loss that "auto" is for these targets."""
        if self.loss != "auto":
            return self
        chosen = {n: choices.AUTO_LOSSES["amount" if a else "other"] for n, a in amounts.items()}
        one = set(chosen.values())
        return dataclasses.replace(self, loss=one.pop() if len(one) == 1 else chosen)

    def with_rate_for(self, filters: int, batch_size: int, *, guessed: bool = False) -> Supervised:
        """Return the options with the default learning rate for these filters and this batch."""
        if self.learning_rate is not None or self.rate_schedule != "cosine":
            return self
        share = min(1.0, choices.RATE_FILTERS / filters)
        share *= min(1.0, (batch_size / choices.RATE_BATCH) ** 0.5)
        share *= choices.GUESSED_SHARE if guessed else 1.0
        return dataclasses.replace(self, learning_rate=cast("float", self._rate) * share)

    @property
    def cell_loss(self) -> Loss:
        """The option `loss`."""
        return self.loss

    @property
    def n_noise(self) -> int:
        """`noise_channels`, or its default if the loss draws members."""
        if not self.draws_members:
            return 0
        return choices.NOISE_CHANNELS if self.noise_channels is None else self.noise_channels

    def rates_of(self, epoch: int) -> tuple[float, ...]:
        """Return the learning rate in an epoch, counted from 0, before warm-up and cosine."""
        return (self._at(self._rate, epoch),)

    @property
    def _rate(self) -> Rate:
        """`learning_rate`, or its default."""
        if self.learning_rate is not None:
            return self.learning_rate
        if self.rate_schedule != "cosine":
            return choices.RATE
        values = not (self.fits_distributions or self.draws_members)
        return choices.COSINE_RATE if values else choices.ENSEMBLE_RATE

    @property
    def _clips(self) -> bool:
        """True if ``clipnorm="auto"`` clips the gradients."""
        return self.fits_distributions or self.optimizer != "sgd"

"""How the network is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from xr_dl4ds.config import choices
from xr_dl4ds.config.checks import flag, one_of, positive, whole


@dataclasses.dataclass(frozen=True, kw_only=True)
class Supervised:
    """Training against the HR truth.

    Parameters
    ----------
    loss : str or dict
        "mae", "mse", "dssim", "dssim_mae", "dssim_mse", "dssim_mae_mse", "msdssim", "msdssim_mae"
        or "msdssim_mae_mse", or weights of these such as ``{"dssim": 0.8, "mae": 0.2}``. DSSIM is
        (1 - SSIM) / 2 (Wang et al. 2004) on values brought to [0, 1] by their training range,
        MS-DSSIM its form at four scales; the names with several terms have DL4DS's weights. All
        are computed on scaled values, over valid cells alone.
    epochs : int
        Passes over the training samples.
    optimizer : {"adam", "adamw", "sgd"}
        Keras's optimizer of that name.
    learning_rate : float or pair of float
        Its step size; two of them with `lr_decay_after`.
    lr_decay_after : int, optional
        Epochs at the first of two learning rates; the others take the second.
    early_stopping : bool
        End training when `val_loss` has not fallen by more than `min_delta` for `patience` epochs.
        With validation data the best weights are restored at the end, early or not.
    patience : int
        Epochs without improvement to wait for.
    min_delta : float
        Smallest fall of `val_loss` that counts as an improvement for stopping.
    precision : {"auto", "float32", "mixed_bfloat16", "mixed_float16"}
        Arithmetic of training; weights, losses and predictions stay float32. "auto" takes
        mixed_bfloat16 where the hardware multiplies it natively in matrix units (GPUs of compute
        capability 8 and up, CPUs with AMX), else float32.
    verbose : bool
        Show a progress bar with the losses.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> xd.Supervised(loss={"mae": 0.8, "mse": 0.2}, epochs=20).epochs
    20
    """

    loss: str | Mapping[str, float] = "mae"
    epochs: int = 60
    optimizer: str = "adam"
    learning_rate: float | Sequence[float] = 1e-3
    lr_decay_after: int | None = None
    early_stopping: bool = False
    patience: int = 10
    min_delta: float = 0.0
    precision: str = "auto"
    verbose: bool = True

    def __post_init__(self) -> None:
        self._check_loss()
        self._check_learning_rate()
        whole(self, "epochs", 1)
        whole(self, "patience", 1)
        one_of("optimizer", self.optimizer, choices.OPTIMIZERS)
        one_of("precision", self.precision, choices.PRECISIONS)
        positive("min_delta", self.min_delta, zero=True)
        flag("early_stopping", self.early_stopping)
        if type(self.verbose) is int and self.verbose in (0, 1):  # Keras's spelling
            object.__setattr__(self, "verbose", bool(self.verbose))
        flag("verbose", self.verbose)

    def rate_of(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0."""
        if isinstance(self.learning_rate, Sequence):
            assert self.lr_decay_after is not None
            return self.learning_rate[epoch >= self.lr_decay_after]
        return self.learning_rate

    @property
    def least_cells(self) -> int:
        """HR cells along y and x that a sample needs for the windows of the loss."""
        names = [self.loss] if isinstance(self.loss, str) else list(self.loss)
        return max(choices.LEAST_CELLS.get(name.split("_")[0], 1) for name in names)

    def _check_learning_rate(self) -> None:
        rate = self.learning_rate
        whole(self, "lr_decay_after", 1, optional=True)
        if isinstance(rate, (list, tuple)):
            if len(rate) != 2:
                raise ValueError(
                    f"Expected `learning_rate` to be one number or two, got {len(rate)}: {rate!r}."
                )
            if self.lr_decay_after is None:
                raise ValueError(
                    "Expected `lr_decay_after`, the epochs at the first of two learning rates, got"
                    f" None for learning_rate={rate!r}. Use lr_decay_after=40, for instance."
                )
            object.__setattr__(self, "learning_rate", tuple(rate))
        elif self.lr_decay_after is not None:
            raise ValueError(
                f"Expected two learning rates for lr_decay_after={self.lr_decay_after}, got"
                f" {rate!r}. Use learning_rate=(1e-3, 1e-4), for instance."
            )
        for one in rate if isinstance(rate, (list, tuple)) else (rate,):
            positive("learning_rate", one)

    def _check_loss(self) -> None:
        if not isinstance(self.loss, Mapping):
            one_of("loss", self.loss, choices.LOSSES)
            return
        if not self.loss:
            raise ValueError("Expected `loss` to name at least one loss, got an empty dict.")
        for name, weight in self.loss.items():
            one_of("loss", name, choices.LOSSES)
            positive(f"loss[{name!r}]", weight)
        # a private copy, so that changing the caller's dict later changes nothing here
        object.__setattr__(self, "loss", dict(self.loss))

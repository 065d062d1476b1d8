"""Options of flow matching."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from xr_dl4ds.config import choices
from xr_dl4ds.config.training_options import Loss, Training
from xr_dl4ds.config.value_checks import flag, one_of, whole_number


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlowMatching(Training):
    """Options of training by flow matching, which turns noise into members (Lipman et al. 2023).

    The network learns the velocity along straight paths from white noise to the residual of the
    truth from a first guess (arXiv:2210.02747, section 4.1; Liu et al. 2023, arXiv:2209.03003). A
    member begins as noise and follows this velocity in a few steps, each of which runs the network
    twice. The first guess is that of `Network.first_guess`, or the prediction of a supervised model
    in ``start=``, which is then the deterministic prediction (Mardani et al. 2025, CorrDiff,
    doi:10.1038/s43247-025-02042-5). Residuals of amounts are those of their cube roots. A
    constraint applies to the members.

    The network works on HR cells: a U-Net whose blocks the time of the flow modulates (FiLM, Perez
    et al. 2018, arXiv:1709.07871), or another backbone. The validation loss, which selects the
    weights, is the CRPS of two members in a single step. Only spatial samples.

    Parameters
    ----------
    steps : int
        Number of steps from noise to a member. More steps cost more time, and change members less
        and less.
    solver : {"midpoint", "heun"}
        Runge-Kutta method of second order: with the velocity in the middle of each step, or with
        the mean of the velocities at its beginning and its end.
    learning_rate : float or pair of float, optional
        Same as in `Supervised`, but 2e-3 by default, also with the schedule "cosine".
    calibrate : bool
        Scale the initial noise so that the spread of members equals the error of their mean in the
        validation data, for each target, as in `Supervised`.
    epochs : int
        Passes over the training samples.
    optimizer : {"adam", "adamw", "sgd"}
        Keras optimizer of that name.
    schedule : {"auto", "constant", "step", "cosine"}
        Same as in `Supervised`.
    lr_decay_after : int, optional
        Same as in `Supervised`.
    ema : float or "auto", optional
        Same as in `Supervised`. An average much longer than "auto" over the last steps ruins the
        members of short trainings.
    clipnorm : float or "auto", optional
        Same as in `Supervised`.
    early_stopping, patience, min_delta : optional
        Same as in `Supervised`.
    noise_channels, loss_realizations : None
        Options of other kinds of training; flow matching takes none.
    precision, checkpoint, lr_scaling, lr_warmup, gradient_compression, verbose : optional
        Same as in `Supervised`.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> xd.FlowMatching(steps=4).epochs
    60
    """

    usual_schedule: ClassVar[str] = "cosine"

    steps: int = 3
    solver: str = "midpoint"
    learning_rate: float | tuple[float, float] | None = None
    calibrate: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_number(self, "steps", 1)
        one_of("solver", self.solver, choices.SOLVERS)
        flag("calibrate", self.calibrate)
        rate = self._check_rate("learning_rate", self._given_rate)
        if self.learning_rate is not None:
            object.__setattr__(self, "learning_rate", rate)
        for option in ("noise_channels", "loss_realizations"):
            if getattr(self, option) is not None:
                raise ValueError(
                    f"Expected no {option} for training=xr_dl4ds.FlowMatching(...), whose members"
                    f" begin as noise on each HR cell, got {getattr(self, option)!r}. Remove"
                    f" {option}."
                )

    @property
    def cell_loss(self) -> Loss:
        """The name of this training: the loss is the squared error of the velocity."""
        return "flow_matching"

    @property
    def n_noise(self) -> int:
        """Noise channels of the network: none, because it takes a field on its way from noise."""
        return 0

    @property
    def network_defaults(self) -> tuple[str, int]:
        """Backbone and number of filters if the options give none."""
        return choices.FLOW_BACKBONE, choices.FLOW_FILTERS

    def rates_of(self, epoch: int) -> tuple[float, ...]:
        """Return the learning rate in an epoch, counted from 0, before warm-up and cosine."""
        return (self._at(self._given_rate, epoch),)

    @property
    def _given_rate(self) -> float | tuple[float, float]:
        return choices.FLOW_RATE if self.learning_rate is None else self.learning_rate

    @property
    def _clips(self) -> bool:
        """True if ``clipnorm="auto"`` clips the gradients."""
        return self.optimizer != "sgd"

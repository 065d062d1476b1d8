"""The inputs and outputs of a generator."""

from __future__ import annotations

import dataclasses

from xr_dl4ds.config import Scale


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ports:
    """The inputs and outputs of a generator.

    Parameters
    ----------
    n_lr : int
        LR input channels.
    n_static : int
        Channels of HR static fields; with 0 the network has no input "static".
    lr_channels : tuple of int or None
        For each target, the LR channel of the same variable; None if LR lacks the variable.
    scale : Scale
        HR cells along the edges of an LR cell.
    interpolation : {"bicubic", "bilinear", "nearest"}
        Interpolation of the skip and of pre-upsampling.
    sequence : bool
        Whether samples are sequences of time steps.
    shape : tuple of int, optional
        Rows and columns of the training HR grid, for localized weights.
    global_domain : bool
        Whether the training HR grid covers all longitudes, so that its first column follows its
        last one.
    offsets_from_zero : tuple of float, optional
        For each output channel, the offset that is added to a scaled value to measure it from the
        zero of activation and constraint; 0 by default.
    masked : bool
        Whether the network has the input "valid", which marks the HR cells that count in the means
        of the constraint.
    context : int
        LR cells on each side of the domain that the input "lr" has, and the output has not.
    attention_margin : int
        LR cells on each side of the input "lr" that channel attention leaves out of its means and
        maxima: as many as `context`; 0 in models of earlier versions.
    curves : tuple of {"log1p", "sqrt", "cbrt"} or None, optional
        For each LR channel, the curve through which the backbone sees it; none by default.
    static_curves : tuple, optional
        For each static channel, the same.
    guessed : bool
        Whether the network has the input "guess", a first guess of each target, to which it adds.
    n_noise : int
        Channels of normal noise on the HR grid; with 0 the network has no input "noise".
    distributions : tuple of str or None, optional
        For each output channel, the distribution that is fitted, see
        `xr_dl4ds.config.choices.PARAMETERS`. The channel is the mean of this distribution, or the
        location of latent Gaussian members; its other parameters follow after all means, see
        `xr_dl4ds.config.distribution_channels.parameter_channels`.
    corrections : int
        Number of smooth corrections before the multiplicative constraint; 0 in models of earlier
        versions.
    residual_sizes : tuple of float
        For flow matching, the standard deviation of the residual of each target.
    roots : tuple of bool
        For flow matching, the targets whose cube roots are compared with those of the first guess.
    """

    n_lr: int
    n_static: int
    lr_channels: tuple[int | None, ...]
    scale: Scale
    interpolation: str = "bicubic"
    sequence: bool = False
    shape: tuple[int, int] | None = None
    global_domain: bool = False
    offsets_from_zero: tuple[float, ...] | None = None
    masked: bool = False
    context: int = 0
    attention_margin: int = 0
    curves: tuple[str | None, ...] = ()
    static_curves: tuple[str | None, ...] = ()
    guessed: bool = False
    n_noise: int = 0
    distributions: tuple[str | None, ...] | None = None
    corrections: int = 0
    residual_sizes: tuple[float, ...] = ()
    roots: tuple[bool, ...] = ()

"""Options: frozen, keyword-only dataclasses of plain JSON values, checked where they are built.

Each choice is listed once, here, for the array side to check without importing Keras; the
implementations stand in one table beside the code that they choose (`networks`, `losses`,
`training`), and a test holds the two equal.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import numbers
from collections.abc import Iterable, Mapping
from typing import Any

BACKBONES = ("convnet", "resnet")
UPSAMPLINGS = ("interpolation", "subpixel", "resize", "deconvolution")
INTERPOLATIONS = ("bicubic", "bilinear", "nearest")
LOSSES = ("mae", "mse")
OPTIMIZERS = ("adam", "adamw", "sgd")
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
ACTIVATIONS = ("relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "linear")

#: The names that DL4DS uses for the four ways of upsampling.
UPSAMPLING_ALIASES = {
    "pin": "interpolation",
    "spc": "subpixel",
    "rc": "resize",
    "dc": "deconvolution",
}


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name is meant: ``" Did you mean 'x'?"``, or nothing when none is near."""
    plain = {k.lower(): k for k in known}
    match = difflib.get_close_matches(name.lower(), list(plain), n=1)
    return f" Did you mean {plain[match[0]]!r}?" if match else ""


def _one_of(option: str, value: Any, known: Iterable[str]) -> None:
    known = tuple(known)
    if value not in known:
        raise ValueError(
            f"Expected `{option}` to be one of {', '.join(known)}, got {value!r}."
            f"{nearest(str(value), known)}"
        )


def _whole(options: Any, option: str, least: int) -> None:
    """Check, and make a plain int of NumPy's."""
    value = getattr(options, option)
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"Expected `{option}` to be a whole number >= {least}, got {value!r}.")
    object.__setattr__(options, option, int(value))


def _positive(option: str, value: Any, *, zero: bool = False) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        raise ValueError(
            f"Expected `{option}` to be a finite number {'>=' if zero else '>'} 0, got {value!r}."
        )


def _flag(option: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"Expected `{option}` to be True or False, got {value!r}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """The architecture of the generator.

    Parameters
    ----------
    backbone : {"resnet", "convnet"}
        Stack of residual blocks (Lim et al. 2017, EDSR, arXiv:1707.02921: no normalization
        inside the block), or of plain convolutions.
    upsampling : {"subpixel", "resize", "deconvolution", "interpolation"}
        Where and how the grid is refined. `interpolation` first interpolates the LR fields to the
        HR grid and works there (pre-upsampling); the others work on the LR grid and refine at the
        end, by sub-pixel convolution (Shi et al. 2016, arXiv:1609.05158), by nearest-neighbour
        resizing followed by a convolution (Odena et al. 2016, doi:10.23915/distill.00003), or by
        transposed convolution. DL4DS's `spc`, `rc`, `dc`, `pin` are accepted and translated.
    n_filters : int
        Filters of each convolution of the backbone.
    n_blocks : int
        Blocks of the backbone.
    activation : str
        Activation inside the blocks: relu, leaky_relu, elu, gelu, silu, tanh or linear.
    interpolation_skip : bool
        Learn the residual on the interpolated LR field (see `Sampling.interpolation`) instead of
        the field itself. Targets that have no LR counterpart are learned whole.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> xd.Network(upsampling="spc").upsampling
    'subpixel'
    """

    backbone: str = "resnet"
    upsampling: str = "subpixel"
    n_filters: int = 32
    n_blocks: int = 6
    activation: str = "relu"
    interpolation_skip: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.upsampling, str):
            alias = UPSAMPLING_ALIASES.get(self.upsampling, self.upsampling)
            object.__setattr__(self, "upsampling", alias)
        _one_of("backbone", self.backbone, BACKBONES)
        _one_of("upsampling", self.upsampling, UPSAMPLINGS)
        _one_of("activation", self.activation, ACTIVATIONS)
        _whole(self, "n_filters", 1)
        _whole(self, "n_blocks", 1)
        _flag("interpolation_skip", self.interpolation_skip)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling:
    """How training samples are cut from the data.

    Parameters
    ----------
    patch_size : int, optional
        Edge of the square patches cut from the fields, in HR cells; a multiple of the scale. One
        patch is drawn anew from each time step in each epoch, every position equally likely.
        None trains on whole fields.
    batch_size : int
        Samples per training step. With fewer samples than that, one step takes them all; the
        last, smaller batch of an epoch is used too.
    interpolation : {"bicubic", "bilinear", "nearest"}
        How LR fields are brought to the HR grid, for `interpolation_skip`, for
        ``upsampling="interpolation"`` and for pairs whose cells do not nest.
    seed : int
        Seed of the initial weights, of the shuffling and of the patch positions.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> xd.Sampling(patch_size=64, batch_size=16, seed=1)
    Sampling(patch_size=64, batch_size=16, interpolation='bicubic', seed=1)
    """

    patch_size: int | None = None
    batch_size: int = 32
    interpolation: str = "bicubic"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.patch_size is not None:
            _whole(self, "patch_size", 1)
        _whole(self, "batch_size", 1)
        _whole(self, "seed", 0)
        _one_of("interpolation", self.interpolation, INTERPOLATIONS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Supervised:
    """Training against the HR truth.

    Parameters
    ----------
    loss : str or dict
        "mae" or "mse", or weights such as ``{"mae": 0.8, "mse": 0.2}``; computed on standardized
        values, over valid cells alone.
    epochs : int
        Passes over the training samples.
    optimizer : {"adam", "adamw", "sgd"}
        Keras's optimizer of that name.
    learning_rate : float
        Its step size.
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
    learning_rate: float = 1e-3
    early_stopping: bool = False
    patience: int = 10
    min_delta: float = 0.0
    precision: str = "auto"
    verbose: bool = True

    def __post_init__(self) -> None:
        self._check_loss()
        _whole(self, "epochs", 1)
        _whole(self, "patience", 1)
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _one_of("precision", self.precision, PRECISIONS)
        _positive("learning_rate", self.learning_rate)
        _positive("min_delta", self.min_delta, zero=True)
        _flag("early_stopping", self.early_stopping)
        if type(self.verbose) is int and self.verbose in (0, 1):  # Keras's spelling
            object.__setattr__(self, "verbose", bool(self.verbose))
        _flag("verbose", self.verbose)

    def _check_loss(self) -> None:
        if not isinstance(self.loss, Mapping):
            _one_of("loss", self.loss, LOSSES)
            return
        if not self.loss:
            raise ValueError("Expected `loss` to name at least one loss, got an empty dict.")
        for name, weight in self.loss.items():
            _one_of("loss", name, LOSSES)
            _positive(f"loss[{name!r}]", weight)
        # a private copy, so that changing the caller's dict later changes nothing here
        object.__setattr__(self, "loss", dict(self.loss))


Options = Network | Sampling | Supervised
OPTION_CLASSES: dict[str, type] = {
    "network": Network,
    "sampling": Sampling,
    "training": Supervised,
}


def route(given: Mapping[str, Options | None], flat: Mapping[str, Any]) -> dict[str, Any]:
    """Give each flat option to the class that owns the field.

    Parameters
    ----------
    given : mapping
        The option objects that were passed, by role: network, sampling, training; None for none.
    flat : mapping
        Options passed by their own name, such as ``{"epochs": 20}``; they win over `given`.

    Returns
    -------
    dict
        One option object for each role.

    Raises
    ------
    TypeError
        For an option that no class has (the nearest name is given), or an object of another class.
    """
    chosen: dict[str, Any] = {}
    for role, cls in OPTION_CLASSES.items():
        value = given.get(role)
        if value is not None and not isinstance(value, cls):
            raise TypeError(
                f"Expected `{role}` to be an xr_dl4ds.{cls.__name__}, "
                f"got {type(value).__name__}: {value!r}."
            )
        chosen[role] = cls() if value is None else value
    owners = {f.name: role for role, obj in chosen.items() for f in dataclasses.fields(obj)}
    changes: dict[str, dict[str, Any]] = {role: {} for role in chosen}
    for name, value in flat.items():
        if name not in owners:
            raise TypeError(
                f"fit() got an unknown option {name!r}.{nearest(name, owners)} "
                f"Options are: {', '.join(sorted(owners))}."
            )
        changes[owners[name]][name] = value
    return {role: dataclasses.replace(obj, **changes[role]) for role, obj in chosen.items()}

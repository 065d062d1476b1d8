"""Checks, before any training, that the data meet the requirements of the options."""

from __future__ import annotations

import logging
import math

import numpy as np

from xr_dl4ds.config import Network, Sampling, Scale, Training, choices
from xr_dl4ds.data.state import State
from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.regridding.pairing import Pairing

logger = logging.getLogger(__name__)


def check_patches(sampling: Sampling, training: Training, pairing: Pairing) -> None:
    """Raise a `GridError` for patches that do not fit the grid, the scale or the loss."""
    size, edges = sampling.patch_size, pairing.scale.edges
    if size is not None:
        whole, smallest = math.lcm(*edges), 2 * max(edges)
        if size % whole or size < smallest:
            cure = max(round(size / whole), -(-smallest // whole)) * whole
            raise GridError(
                f"Expected `patch_size` to be a multiple of the scale {pairing.scale}, at least"
                f" {smallest}, got {size}. Use {cure}."
            )
        if size > min(pairing.hr.shape):
            raise GridError(
                f"Expected `patch_size` to fit into the HR grid of {pairing.hr.shape} cells, got"
                f" {size}. Use a smaller one, or None for whole fields."
            )
    least = training.least_cells
    cells = pairing.hr.shape if size is None else (size, size)
    if min(cells) < least:
        what = "HR fields" if size is None else "patches"
        smaller = "a loss of the DSSIM family (11 cells) or " if least > 11 else ""
        raise GridError(
            f"Expected {what} of at least {least} x {least} HR cells for"
            f" loss={training.cell_loss!r}, got {cells[0]} x {cells[1]}. Use {smaller}'mae'"
            f"{', or larger patches.' if size else ', or a larger domain.'}"
        )


def check_global_domain(network: Network, grid: Grid, scale: Scale) -> None:
    """Raise a `GridError` if the levels of a U-Net do not fit a global domain.

    Each level merges pairs of columns. On whole fields around the globe, the last columns of a
    level must end where its first columns begin. `network` has its final options, and `grid` is the
    LR grid.
    """
    if network.backbone != "unet" or not grid.x.periodic:
        return
    levels, columns = network.n_blocks, grid.x.size * scale.x
    assert levels is not None
    if columns % 2**levels:
        most = (columns & -columns).bit_length() - 1  # how often 2 divides the number of columns
        fewer = f"n_blocks={most}, or " if most else ""
        raise GridError(
            f"Expected HR columns around the globe to be a multiple of {2**levels} for"
            f" backbone='unet' with n_blocks={levels}, got {columns}. Use {fewer}another backbone."
        )


def check_windows(runs: list[slice], window: int, part: str) -> None:
    """Raise a `TimeError` if no run of time steps is as long as a window."""
    longest = max(run.stop - run.start for run in runs)
    if longest < window:
        raise TimeError(
            f"Expected at least {window} time steps without a gap in the {part} data for"
            f" time_window={window}, got {longest} at most. Use a shorter window"
            f"{', or more validation data.' if part == 'validation' else ', or more data.'}"
        )


def check_values(samples: int, names: list[str], period: tuple[str, str], part: str) -> None:
    """Raise a `VariableError` if no sample has a valid cell."""
    if not samples:
        cure = (
            "Leave out steps without values by .dropna('time', how='all'), or pass validation=None."
            if part == "validation"
            else "Check which steps of each have values."
        )
        raise VariableError(
            f"{names} of the {part} data, {period[0]} to {period[1]}, have no values in HR and LR"
            f" at the same place and time. {cure}"
        )


def check_output(network: Network, sampling: Sampling, state: State) -> None:
    """Raise a `VariableError` if the output activation would cut off values."""
    option = f"output_activation={network.output_activation!r}"
    bounded = network.output_activation in choices.BOUNDED
    for name in state.features.targets:
        if network.output_activation in choices.NOT_NEGATIVE:
            _require_not_negative(state, name, option, "output_activation=None")
        if bounded and sampling.scaling_of(name) != "minmax":
            raise VariableError(
                f"Expected scaling='minmax' of {name!r} for {option}, which is bounded above, got"
                f" {sampling.scaling_of(name)!r}. Add it to the dict, or use scaling='minmax'."
            )
        if bounded:
            _require_inside(state, name, option)


def _require_inside(state: State, name: str, option: str) -> None:
    """Raise a `VariableError` if values exceed the range of the model in ``start=``."""
    low, high = (state.scaler.of(name, statistic) for statistic in ("min", "max"))
    ends = [state.scaler.scaled(name, value) for value in (low, high)]
    if min(ends) < -1e-6 or max(ends) > 1 + 1e-6:
        first = state.scaler.of(name, "offset")
        last = first + state.scaler.of(name, "factor")
        raise VariableError(
            f"Expected {name!r} between {first:g} and {last:g}, the extremes of the model in"
            f" start=, for {option}, got {low:g} to {high:g}. Use output_activation=None, or"
            " leave start= out."
        )


def check_loss(training: Training, network: Network, state: State) -> None:
    """Raise an error if the loss is not defined for the targets."""
    targets, loss = state.features.targets, training.cell_loss
    if training.by_variable and sorted(loss) != sorted(targets):
        raise VariableError(
            f"Expected a loss for each target, {list(targets)}, got {loss}."
            " Name all of them, or give one loss for all."
        )
    for name in targets:
        distribution = training.distribution_of(name)
        if distribution == "bernoulli_gamma":
            option = f"loss={training.loss_name_of(name)!r}"
            _require_not_negative(state, name, option, "loss='gaussian_nll'")
        if distribution is not None and network.output_activation in choices.BOUNDED:
            raise ValueError(
                "Expected no output_activation with"
                f" loss={training.loss_name_of(name)!r}, whose mean it would bound, got"
                f" {network.output_activation!r}. Leave it out."
            )


def _require_not_negative(state: State, name: str, option: str, cure: str) -> None:
    least = state.scaler.of(name, "min")
    if least < 0:
        raise VariableError(
            f"Expected values >= 0 of {name!r} for {option}, got a minimum of"
            f" {least:g} {state.units.get(name) or ''}. Use {cure}; where it is noise, cut it off"
            " with .clip(min=0); where it is meant, use absolute units such as K."
        )


def constraint_for(network: Network, state: State, *, synthetic_pairs: bool) -> str | None:
    """Return the constraint to apply: the requested constraint, or the choice for "auto".

    Raises
    ------
    GridError, VariableError
        If the requested constraint cannot be satisfied for these data.
    """
    kind = network.constraint
    if kind == "auto":
        return _automatic(network, state, synthetic_pairs=synthetic_pairs)
    if kind is None:
        return None
    if state.pairing.scale.cells == 1:
        raise GridError(
            f"Expected LR cells that hold several HR cells for constraint={kind!r}, got LR fields"
            " interpolated to HR cells, because the two do not nest. Use constraint=None, or"
            " another upsampling than 'interpolation'."
        )
    names = state.features.counterparts
    if not names:
        raise VariableError(
            f"Expected an LR counterpart of a target for constraint={kind!r}, got targets"
            f" {list(state.features.targets)} and LR variables {state.features.lr_varying}. Use"
            " constraint=None, or pass the LR variable that is the same quantity in counterparts=."
        )
    for name in names if kind != "additive" else ():
        _require_not_negative(state, name, f"constraint={kind!r}", "constraint='additive'")
    return kind


def _automatic(network: Network, state: State, *, synthetic_pairs: bool) -> str | None:
    """Choose "additive" if LR is the mean of the same HR cells at every step, otherwise None."""
    if not synthetic_pairs or network.output_activation is not None:
        return None
    for name in state.features.targets:
        ever = 1 - float(state.always_missing[name].mean())
        if not np.isclose(state.scaler.of(name, "valid"), ever, rtol=1e-12, atol=0):
            logger.info(
                "no constraint: the masked cells of %r change in time, so that LR is not the mean"
                " of the same HR cells; constraint='additive' takes it as if",
                name,
            )
            return None
    return "additive"

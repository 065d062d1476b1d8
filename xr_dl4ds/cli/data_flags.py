"""Flags that say how data are laid out, and cures of errors in terms of flags."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from xr_dl4ds.cli.arguments import ArgumentError
from xr_dl4ds.cli.flags import from_yaml, options
from xr_dl4ds.exceptions import TimeError
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.fields import gridded
from xr_dl4ds.grid.cf.time_axis import positions_by_date
from xr_dl4ds.grid.cf.valid_times import dates_along

#: Arguments of `fit`, `predict` and `evaluate` that name dimensions.
DIMENSIONS = ("x_dim", "y_dim", "time_dim")

#: Arguments, besides options and dimensions, that have a flag of the same name.
_FLAGS = {*DIMENSIONS, "extra_dims", "static", "predictors", "lr", "scale", "trim", "validation"}
_FLAGS |= {"workers", "start", "realizations", "seed", "spread", "tile_size", "overwrite"}
_FLAGS |= {"counterparts", "first_guess_only"}

#: Calls in cures, and the commands that do the same.
_CALLS = {
    r"hr\.downscale\.fit\(scale=(\d+)\)": r"'xr-dl4ds fit HR --scale \1'",
    r"lr\.downscale\.fit\(hr\)": "'xr-dl4ds fit HR --lr LR'",
    r"(?:\w+)?\.downscale\.coarsen\((\w+)\)": r"'xr-dl4ds coarsen --scale \1'",
    r"training=xr_dl4ds\.Adversarial\([^)]*\)": "--training adversarial",
    r"training=xr_dl4ds\.FlowMatching\([^)]*\)": "--training flow_matching",
}
_ARGUMENT = re.compile(r"(?<![\w.(])(\w+)=((?:'[^']*'|\{[^}]*\}|\[[^]]*\]|[\w+-]+(?:\.\w+)*)?)")


def add_dimensions(
    command: argparse.ArgumentParser, names: Sequence[str] = DIMENSIONS, *, extra: bool = True
) -> None:
    """Add the flags that name dimensions; `extra` adds `--extra-dims`."""
    for name in names:
        command.add_argument(
            f"--{name.replace('_', '-')}",
            metavar="NAME",
            default=argparse.SUPPRESS,
            help=f"name of the {name.removesuffix('_dim')} dimension, if not found",
        )
    if extra:
        command.add_argument(
            "--extra-dims",
            metavar="YAML",
            type=names_by_name,
            default=argparse.SUPPRESS,
            help="roles of further dimensions, such as '{lead: samples}' or '{band: channels}'",
        )


def add_group(command: argparse.ArgumentParser) -> None:
    """Add `--group`."""
    command.add_argument(
        "--group",
        metavar="NAME",
        default=argparse.SUPPRESS,
        help="group that holds the data, in files and stores with groups",
    )


def add_period(command: argparse.ArgumentParser) -> None:
    """Add `--time-slice`."""
    command.add_argument(
        "--time-slice",
        nargs=2,
        metavar=("START", "END"),
        default=argparse.SUPPRESS,
        help="first and last time to use, such as 2001-01 2001-12",
    )


def names_by_name(text: str) -> dict[str, str]:
    """Convert YAML text to a mapping of names, as a type for argparse."""
    try:
        found = from_yaml(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError(f"expected '{{NAME: VALUE}}', got {text!r}")
    return {str(name): str(value) for name, value in found.items()}


def dimensions(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that name dimensions, as far as they were given."""
    return {n: given[n] for n in (*DIMENSIONS, "extra_dims") if n in given}


def within(data: xr.Dataset, period: tuple[str, str], role: str) -> xr.Dataset:
    """Return the steps from one time to another, both included.

    Parameters
    ----------
    data : xarray.Dataset
        Data with a time axis.
    period : tuple of str
        First and last time.
    role : str
        A name for the data in messages.

    Raises
    ------
    TimeError
        If there are no dates, or none in the period.
    ArgumentError
        If the period is not two times.
    """
    found = {n: d.time for n, d in gridded(data, Dims(), role).items() if d.time is not None}
    dates = next((dates_along(data[n], d, role) for n, d in found.items()), None)
    if dates is None:
        raise TimeError(f"--time-slice needs dates, and {role} have none along a dimension.")
    positions = positions_by_date(dates.to_index())
    try:
        part = positions.sel(time=slice(*period))
    except (ValueError, KeyError, TypeError) as error:
        raise ArgumentError(f"Expected two times for --time-slice, got: {error}.") from error
    if not part.size and positions.sel(time=slice(*period[::-1])).size:
        raise ArgumentError(
            f"Expected --time-slice to begin with the earlier time, got {period[0]} to {period[1]}."
            " Swap them."
        )
    if not part.size:
        raise TimeError(
            f"Expected {role} from {period[0]} to {period[1]}, got {positions.time.values[0]} to"
            f" {positions.time.values[-1]}. Choose times between these."
        )
    return data.isel({dates.dims[0]: np.sort(part.values)})


def in_flags(text: str) -> str:
    """Return the text of an error with flags and commands in place of Python arguments.

    Examples
    --------
    >>> in_flags("got 19 cells. Pass y_dim=, or trim=True.")
    'got 19 cells. Pass --y-dim, or --trim.'
    """
    for call, command in _CALLS.items():
        text = re.sub(call, command, text)
    return _ARGUMENT.sub(_flag, text)


def _flag(found: re.Match[str]) -> str:
    name, value = found[1], found[2]
    if name not in _FLAGS | set(options()):
        return found[0]
    flag = f"--{name.replace('_', '-')}"
    if value in ("True", "False"):
        return flag if value == "True" else flag.replace("--", "--no-", 1)
    if value[:1] in ("{", "["):
        quote = "'"
        value = f"{quote}{value.replace(quote, '')}{quote}"
    return f"{flag} {value}" if value else flag

"""LR variables under other names than their targets, such as ``pr`` for ``precip``.

LR variables take the names of the targets when they are read. The rest of the package then knows
one name for each quantity.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TypeVar, cast

import xarray as xr

from xr_dl4ds.config import nearest
from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.grid.cf.extra_dims import other_level, single_levels
from xr_dl4ds.grid.cf.fields import as_dataset, candidates_of
from xr_dl4ds.grid.names import Data
from xr_dl4ds.grid.units import conversion_between

logger = logging.getLogger(__name__)

D = TypeVar("D", bound=Data)


def find_counterparts(
    lr: Data, hr: Data, given: Mapping[str, str], targets: list[str]
) -> dict[str, str]:
    """Return the name of the LR variable for each target that LR has under another name.

    Parameters
    ----------
    lr, hr : xarray.Dataset or xarray.DataArray
        The user's data.
    given : mapping
        LR names by target, as the user states them.
    targets : list of str
        HR variables to downscale, as they are named in `hr`.

    Returns
    -------
    dict of str to str
        LR names by target: those of `given`, and for other targets without an LR variable of their
        name the only LR variable of the same standard name, if its units can be converted. A
        warning in the log names it.

    Raises
    ------
    VariableError
        If `given` names a variable that is not there, or one LR variable twice.
    """
    low, high = as_dataset(lr, "the LR data"), as_dataset(hr, "the HR data")
    names = [str(n) for n in candidates_of(low)]
    _check(given, names, targets)
    found = {target: name for target, name in given.items() if target != name}
    free = [n for n in names if n not in targets and n not in found.values()]
    open_targets = [t for t in targets if t not in names and t not in found]
    same = {t: [n for n in free if _same_quantity(low[n], high[t])] for t in open_targets}
    for target, (name, *others) in ((t, same[t]) for t in open_targets if same[t]):
        if others or sum(name in candidates for candidates in same.values()) > 1:
            continue  # not the only one
        found[target] = name
        logger.warning(
            "%r of the LR data is taken as the counterpart of %r, because both have the"
            " standard_name %r: pass counterparts={%r: ...} for another one",
            *(name, target, high[target].attrs["standard_name"], target),
        )
    for target, name in found.items():
        _require_same_dims(low[name], high[target], target)
    return found


def _require_same_dims(low: xr.DataArray, high: xr.DataArray, target: str) -> None:
    """Raise a `VariableError` if only one of both has levels or other further dimensions."""
    if low.ndim != high.ndim:
        raise VariableError(
            f"Expected {str(low.name)!r} of the LR data to have as many dimensions as its target"
            f" {target!r}, {high.dims}, got {low.dims}. Select one entry along the others, such as"
            " with .isel(level=0)."
        )


def _check(given: Mapping[str, str], names: list[str], targets: list[str]) -> None:
    """Raise a `VariableError` unless `given` names targets and LR variables, each once."""
    for target, name in given.items():
        for one, known, role in (
            (target, targets, "targets of the HR data"),
            (name, names, "variables of the LR data"),
        ):
            if one not in known:
                raise VariableError(
                    f"Expected counterparts= to name LR variables by target, got {one!r}, which is"
                    f" none of the {role}, {known}.{nearest(str(one), known)} Pass"
                    " counterparts={'precip': 'pr'} for the target 'precip' and the LR variable"
                    " 'pr'."
                )
        if target != name and target in names:
            raise _both(target, name)
    twice = sorted({n for n in given.values() if list(given.values()).count(n) > 1})
    if twice:
        raise VariableError(
            f"Expected each LR variable once in counterparts=, got {twice} for several targets."
            " Name one target for it."
        )


def _both(target: str, name: str) -> VariableError:
    return VariableError(
        f"Expected one counterpart of {target!r} in the LR data, got {name!r} and {target!r}. Drop"
        f" or rename one of them: .drop_vars({target!r})."
    )


def _same_quantity(low: xr.DataArray, high: xr.DataArray) -> bool:
    """Return True for equal standard names, dimensions and levels, and units of one quantity."""
    standard_name = high.attrs.get("standard_name")
    if standard_name in (None, "", "unknown") or low.attrs.get("standard_name") != standard_name:
        return False
    if low.ndim != high.ndim or other_level(single_levels(low), single_levels(high)) is not None:
        return False
    units = low.attrs.get("units"), high.attrs.get("units")
    return None in units or conversion_between(str(units[0]), str(units[1])) is not None


def under_target_names(lr: D, counterparts: Mapping[str, str]) -> D:
    """Return LR data with the counterparts under the names of their targets.

    A variable that already has the name of the target stays.

    Raises
    ------
    VariableError
        If the data have variables of both names.
    """
    if not counterparts:
        return lr
    if isinstance(lr, xr.DataArray):
        names = {name: target for target, name in counterparts.items()}
        return cast(D, lr.rename(names.get(str(lr.name), lr.name)))
    known = {name: target for target, name in counterparts.items() if name in lr.data_vars}
    for name, target in known.items():
        if target in lr.data_vars:
            raise _both(target, name)
    # a coordinate, such as a height, may have the name of a target
    return cast(D, lr.drop_vars([t for t in known.values() if t in lr.coords]).rename(known))


def note_missing(targets: list[str], lr: list[str]) -> None:
    """Warn of targets without a counterpart among the LR variables."""
    missing = [name for name in targets if name not in lr]
    others = [name for name in lr if name not in targets]
    if missing:
        name = missing[0]
        close = nearest(name, others)
        logger.warning(
            "LR has no %s: %s are predictors, and the target is learned without interpolation"
            " skip; if one of them is the same quantity, pass counterparts={%r: ...}%s",
            *(missing, others, name, f".{close}" if close else ""),
        )

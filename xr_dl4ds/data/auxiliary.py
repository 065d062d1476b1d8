"""Auxiliary fields (static fields and predictors) on a target grid, for `fit` and `predict`."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import cast

import pandas as pd
import xarray as xr

from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.extra_dims import CHANNELS
from xr_dl4ds.grid.cf.fields import Fields, standardize
from xr_dl4ds.grid.cf.time_axis import at_times, common_times, shared
from xr_dl4ds.grid.cf.time_stamps import stamped_as
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import TIME, Data
from xr_dl4ds.grid.regridding.regridder import onto
from xr_dl4ds.grid.regridding.surroundings import seen

logger = logging.getLogger(__name__)


#: The roles of auxiliary fields: the arguments of `fit` and `predict` that take them.
STATIC, PREDICTORS = "static=", "predictors="


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """Fields and a name for them in messages, such as ``"predictors="``."""

    fields: Fields
    role: str


def auxiliary(
    data: Data | Sequence[Data] | None, role: str, as_trained: Callable[[Fields, str], Fields]
) -> list[Source]:
    """Standardize auxiliary data, each object on its own grid.

    Parameters
    ----------
    data : xarray.Dataset or xarray.DataArray, or several, optional
        The user's data.
    role : {"static=", "predictors="}
        The argument that received the data.
    as_trained : callable
        Checks and converts fields, with their role, see `State.as_trained`.
    """
    dims = Dims(unknown=CHANNELS) if role == STATIC else Dims()
    several = data is None or isinstance(data, (list, tuple))
    listed = cast("Sequence[Data]", data or [] if several else [data])
    found = [standardize(each, dims, role) for each in listed]
    if role == STATIC:
        found = [_without_time(fields) for fields in found]
    return [Source(fields=as_trained(fields, role), role=role) for fields in found]


def _without_time(fields: Fields) -> Fields:
    """Drop the time dimension of static fields that are stored for a single time."""
    if fields.data.sizes.get(TIME) != 1:
        return fields
    logger.info("the one time of %s in static= is dropped", list(fields.data.data_vars))
    return dataclasses.replace(fields, data=fields.data.isel({TIME: 0}, drop=True))


def static_on(
    grid: Grid, sources: Iterable[Source], names: Collection[str] | None = None
) -> dict[str, xr.DataArray]:
    """Regrid static fields to HR cells.

    Parameters
    ----------
    grid : Grid
        The target HR grid.
    sources : iterable of Source
        Sources; only their variables without time are used.
    names : collection of str, optional
        Variables to regrid; all by default.

    Returns
    -------
    dict of xarray.DataArray
        ``(y, x)`` on canonical cells, float32, by name.

    Raises
    ------
    VariableError
        When a variable is found twice.
    GridError
        When the fields do not cover the grid.
    """
    found: dict[str, xr.DataArray] = {}
    for source in sources:
        wanted = [n for n in source.fields.static if names is None or n in names]
        if not wanted:
            continue
        for name, variable in onto(source.fields.pick(wanted), grid, source.role).items():
            if name in found:
                raise VariableError(
                    f"Two static fields have the name {name!r}. Rename or drop one of them."
                )
            found[str(name)] = variable.astype("f4")
    return found


def in_common(sources: Sequence[Source], like: Source) -> tuple[list[Source], pd.Index | None]:
    """Find the times that all sources share with other fields.

    Parameters
    ----------
    sources : sequence of Source
        Time-varying fields.
    like : Source
        Fields whose time stamps the others take over.

    Returns
    -------
    sources : list of Source
        The same fields with time stamps comparable to those of `like`.
    times : pandas.Index or None
        The common times; None for fields without a time coordinate, which are matched by position.
    """
    times: pd.Index | None = None
    stamped = []
    for source in sources:
        fields = stamped_as(source.fields, like.fields, source.role, like.role)
        common = common_times(fields, like.fields, source.role, like.role)
        if common is not None:
            times = common if times is None else shared(times, common)
        stamped.append(Source(fields=fields, role=source.role))
    return stamped, times


def varying_on(
    grid: Grid,
    context: int,
    sources: Iterable[Source],
    times: pd.Index | None,
    taken: Collection[str] = (),
) -> dict[str, xr.DataArray]:
    """Regrid predictors to LR cells at the given times.

    Parameters
    ----------
    grid : Grid
        The target LR grid.
    context : int
        Cells around the grid, on each side, that the fields get too.
    sources : iterable of Source
        Sources; only their variables with time are used.
    times : pandas.Index, optional
        Times to select; all by default.
    taken : collection of str
        Names of other variables, which no predictor may have.

    Returns
    -------
    dict of xarray.DataArray
        ``(time, y, x)`` on canonical cells, by name.

    Raises
    ------
    VariableError
        When a variable is found twice.
    GridError
        When the fields do not cover the grid.
    """
    found: dict[str, xr.DataArray] = {}
    for source in sources:
        fields = source.fields.pick(source.fields.varying)
        regrid = functools.partial(onto, fields, role=source.role)
        for name, variable in at_times(seen(fields, grid, context, regrid), times).items():
            if name in found or name in taken:
                raise VariableError(
                    f"Two predictors have the name {name!r}. Rename one of them, for instance with"
                    f" .rename({name}='{name}_lr')."
                )
            found[str(name)] = variable
    return found

"""Values that usually mean a mistake in the data: they are logged as warnings, not refused."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import xarray as xr

from xr_dl4ds.data.moments import Moments
from xr_dl4ds.grid.cf.conventions import is_precipitation
from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.cf.time_axis import calendar, index_of
from xr_dl4ds.grid.names import TIME, Attrs, X, Y
from xr_dl4ds.grid.units import conversion_between

logger = logging.getLogger(__name__)

#: Values by which files mark missing cells without saying so.
_MARKS = (-32768.0, -32767.0, -9999.9, -9999.0, -8888.0, -999.9, -999.0, -99.9, -99.0)
#: Number of standard deviations from the mean beyond which a small mark is suspicious.
_FAR = 3.0

#: Number of hours that are read to recognize accumulations.
_HOURS = 73


def note_values(found: Mapping[str, Moments], attrs: Mapping[str, Attrs], role: str) -> None:
    """Warn of values that usually mark missing cells, or that do not fit the units.

    Parameters
    ----------
    found : mapping
        Statistics by variable.
    attrs : mapping
        Attributes by variable.
    role : str
        A name for the data in messages.
    """
    for name, one in found.items():
        about = attrs.get(name, {})
        mark = _mark(one)
        if mark is not None:
            logger.warning(
                "the least value of %r of %s is %g, which often marks missing values: mask them"
                " with .where(ds[%r] != %g)",
                *(name, role, mark, name, mark),
            )
        elif one.low < 0 and is_precipitation(xr.DataArray(name=name, attrs=about)):
            logger.warning(
                "%r of %s has negative amounts, down to %g: cut them off with .clip(min=0)",
                *(name, role, one.low),
            )
        if _in_percent(about) and one.low >= 0 and 0 < one.high <= 1:
            logger.warning(
                "%r of %s has units of %r, and no value above %g: it may be a fraction, whose unit"
                " is '1'",
                *(name, role, about.get("units"), one.high),
            )


def _mark(found: Moments) -> float | None:
    """Return the least value if it is a usual mark of missing values."""
    for mark in _MARKS:
        if np.isclose(found.low, mark, rtol=1e-6, atol=0):
            far = abs(mark) > 200 or found.mean - mark > _FAR * found.std
            return mark if far else None
    return None


def _in_percent(attrs: Attrs) -> bool:
    units = attrs.get("units")
    conversion = None if units is None else conversion_between(str(units), "%")
    return conversion is not None and conversion.identity


def note_accumulations(fields: Fields, role: str) -> None:
    """Warn if hourly amounts grow through each day, as accumulations since 00 UTC do.

    ERA5-Land stores precipitation, radiation and fluxes in this way. The first three days are read.
    """
    index = index_of(fields.data)
    if index is None or calendar(index) == "none" or len(index) < 2 * 24 + 1:
        return
    hours = np.diff(index[:_HOURS]).astype("timedelta64[s]").astype("i8") / 3600
    if not (hours == 1).all():
        return
    hour = np.array([time.hour for time in index[: len(hours) + 1]])
    for name in fields.varying:
        if not _accumulates(str(fields.units[name] or "")):
            continue
        start = fields.data[name].isel({TIME: slice(0, hour.size)})
        growth = np.diff(start.mean([Y, X]).to_numpy())
        resets = hour[1:] == 1  # the value at 00 UTC is the total of the day before
        if (growth[~resets] >= 0).mean() > 0.98 and (growth[resets] < 0).all() and growth.any():
            logger.warning(
                "%r of %s grows from hour to hour and starts again after 00 UTC, as accumulations"
                " of ERA5-Land do: if it is one, take differences to get amounts of one hour",
                *(name, role),
            )


def _accumulates(units: str) -> bool:
    """Return True for units of amounts: heights of water, mass or energy per area."""
    return any(conversion_between(units, one) for one in ("mm", "J m-2")) if units else False

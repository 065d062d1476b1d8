"""The dates at which fields are valid: the coordinate that holds them, and forecasts' dates.

The dates of a time axis may stand in its index, in another coordinate along it (``XTIME`` along
``Time`` of WRF), or in a coordinate along initialization and lead time (``valid_time``).
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Hashable, Mapping

import numpy as np
import xarray as xr

from xr_dl4ds.exceptions import TimeError
from xr_dl4ds.grid.cf.coordinates import bounds_of
from xr_dl4ds.grid.cf.dimensions import holds_times, is_undecoded
from xr_dl4ds.grid.units import conversion_between

logger = logging.getLogger(__name__)

#: Names, in lower case, of times of initialization, of lead times and of valid times.
_REFERENCES = {"init", "init_time", "inittime", "initialization", "initialization_time"}
_REFERENCES |= {"reftime", "reference_time", "forecast_reference_time", "initial_time", "inidate"}
_LEADS = {"lead", "leads", "lead_time", "leadtime", "step", "forecast_period"}
_LEADS |= {"prediction_timedelta", "forecast_hour", "forecast_day", "lead_hour"}
#: Units, in lower case, by which a number is a lead time under any name.
_DURATIONS = {"h", "hr", "hrs", "hour", "hours", "d", "day", "days", "min", "minutes", "seconds"}
_VALID = {"valid_time", "validtime", "validity_time", "verification_time", "verif_time"}

#: Name of the coordinate that is added to forecasts.
VALID_TIME = "valid_time"


def is_reference(coordinate: xr.DataArray) -> bool:
    """Return True for the initialization times of forecasts, by standard name or name."""
    stated = coordinate.attrs.get("standard_name")
    named = str(coordinate.name).lower() in _REFERENCES
    return stated == "forecast_reference_time" or (stated in (None, "time") and named)


def is_valid_time(coordinate: xr.DataArray) -> bool:
    """Return True if standard name or name say that fields are valid at these dates."""
    if is_reference(coordinate):
        return False
    named = str(coordinate.name).lower() in _VALID
    return named or coordinate.attrs.get("standard_name") == "time"


def dates_along(variable: xr.DataArray, dim: str, role: str) -> xr.DataArray | None:
    """Return the coordinate that holds the dates of the steps along a dimension.

    Parameters
    ----------
    variable : xarray.DataArray
        A variable with its coordinates.
    dim : str
        The time dimension.
    role : str
        A name for the data in messages.

    Returns
    -------
    xarray.DataArray or None
        One-dimensional dates: the valid time, otherwise the index, otherwise the only coordinate
        of dates. None without dates along `dim`.

    Raises
    ------
    TimeError
        If valid times vary along another dimension too, if several coordinates hold dates, or if
        the times are numbers that nobody has decoded.
    """
    _require_decoded(variable, dim, role)
    dates = [c for c in variable.coords.values() if dim in c.dims and holds_times(c)]
    wide = [c for c in dates if c.ndim > 1 and is_valid_time(c)]
    if wide:
        others = [str(d) for d in wide[0].dims if d != dim]
        raise TimeError(
            f"Expected one valid time for each step along {dim!r} of {role}, got {wide[0].name!r}"
            f" along {wide[0].dims}. Make each entry a separate series with"
            f" extra_dims={{{others[0]!r}: 'samples'}}, or select one with .isel({others[0]}=0)."
        )
    along = [c for c in dates if c.ndim == 1]
    index = [c for c in along if c.name == dim]
    stated = [c for c in index if c.attrs.get("standard_name") == "time" and is_valid_time(c)]
    found = stated or [c for c in along if is_valid_time(c) and c.name != dim] or index or along
    if len(found) > 1:
        names = [str(c.name) for c in found]
        raise TimeError(
            f"Expected one coordinate of dates along {dim!r} of {role}, got {names}. Make one of"
            f" them the index: .swap_dims({dim}={names[0]!r})."
        )
    return found[0] if found else None


def _require_decoded(variable: xr.DataArray, dim: str, role: str) -> None:
    """Raise a `TimeError` for an index of numbers that count time since a date."""
    if dim not in variable.coords or not is_undecoded(variable[dim]):
        return
    units = str(variable[dim].attrs["units"])
    cure = "Decode the numbers with xarray.decode_cf(ds)."
    if units.lower().startswith(("month", "year")):  # of changing length: CF advises against them
        cure = f"Assign the dates with .assign_coords({dim}=({dim!r}, dates))."
    raise TimeError(
        f"Expected the times {dim!r} of {role} as dates, got numbers in the unit {units!r}. {cure}"
    )


def sample_dates(variable: xr.DataArray, dim: str) -> xr.DataArray | None:
    """Return the dates of samples, several of which may have one date; None without dates."""
    dates = [c for c in variable.coords.values() if c.dims == (dim,) and holds_times(c)]
    return next((c for c in dates if is_valid_time(c) or len(dates) == 1), None)


def stamp_of(ds: xr.Dataset, dates: xr.DataArray) -> float | None:
    """Return the position of time stamps in their bounds, 0 to 1; None without usable bounds."""
    bounds = bounds_of(ds, dates)
    if bounds is None or dates.size == 0:
        return None
    edges, at = (one.isel({dates.dims[0]: slice(0, 2)}) for one in (bounds, dates))
    if not holds_times(edges):
        return None
    low, high = (edges.isel({edges.dims[-1]: i}).to_numpy()[0] for i in (0, 1))
    try:
        low, high = min(low, high), max(low, high)
        return float((at.to_numpy()[0] - low) / (high - low)) if high > low else None
    except TypeError:  # .convert_calendar leaves the bounds in the former calendar
        return None


def scalar_date(
    coords: Mapping[Hashable, xr.DataArray], given: str | None = None
) -> xr.DataArray | None:
    """Return the date of fields of a single time, from their scalar coordinates."""
    found = {str(n): c for n, c in coords.items() if c.ndim == 0 and holds_times(c)}
    valid = [n for n, c in found.items() if is_valid_time(c)]
    named = [n for n in ("time",) if n in found]
    names = [n for n in (given, *valid, *named, *(found if len(found) == 1 else ())) if n in found]
    return found[str(names[0])] if names else None


def with_valid_time(ds: xr.Dataset, role: str) -> xr.Dataset:
    """Add the coordinate `valid_time` to forecasts that have only initialization and lead time.

    Raises
    ------
    TimeError
        If the lead time has no unit of fixed length, or if it is not clear whether the dates are
        initialization times or valid times.
    """
    lead = next((c for c in ds.coords.values() if _is_lead(c)), None)
    dates = [c for c in ds.coords.values() if holds_times(c) and c.ndim <= 1]
    if lead is None or any(is_valid_time(c) for c in ds.coords.values() if holds_times(c)):
        return ds
    references = [c for c in dates if is_reference(c)]
    if not references:
        if dates and lead.ndim == 1 and lead.size > 1:
            raise _unclear(dates[0], lead, role)
        if dates and lead.size == 1 and lead.to_numpy().astype("f8").any():
            logger.warning("%s", _unclear(dates[0], lead, role))
        return ds
    steps = _durations(lead, references[0], role)
    return ds.assign_coords({VALID_TIME: _sum(references[0], steps)})


def _is_lead(coordinate: xr.DataArray) -> bool:
    stated = coordinate.attrs.get("standard_name") == "forecast_period"
    named = str(coordinate.name).lower() in _LEADS
    if coordinate.ndim > 1 or holds_times(coordinate):
        return False
    duration = coordinate.dtype.kind == "m"
    if stated or (named and (duration or "units" in coordinate.attrs)):
        return True
    # under another name: a dimension of durations, or one duration of all fields
    if coordinate.ndim == 0 and "standard_name" not in coordinate.attrs:
        return duration or str(coordinate.attrs.get("units")).lower() in _DURATIONS
    return duration and coordinate.dims == (coordinate.name,)


def _unclear(dates: xr.DataArray, lead: xr.DataArray, role: str) -> TimeError:
    time, name = str(dates.name), str(lead.name)
    return TimeError(
        f"Expected {role} to say when its fields are valid, got dates in {time!r} and lead times in"
        f" {name!r}. Assign .assign_coords(valid_time=ds[{time!r}] + ds[{name!r}]), or, where"
        f" {time!r} is the valid time, set ds[{time!r}].attrs['standard_name'] = 'time'."
    )


def _durations(lead: xr.DataArray, reference: xr.DataArray, role: str) -> xr.DataArray:
    """Return lead times as timedeltas."""
    if lead.dtype.kind == "m":
        return lead
    units = str(lead.attrs.get("units", ""))
    conversion = conversion_between(units, "s") if units else None
    if conversion is None or lead.dtype.kind not in "iuf":
        raise TimeError(
            f"Expected lead times {str(lead.name)!r} of {role} in a unit of fixed length such as"
            f" 'days', got {units or 'no unit'!r}. Assign the dates at which fields are valid:"
            f" .assign_coords(valid_time=(({str(reference.name)!r}, {str(lead.name)!r}), dates))."
        )
    milliseconds = np.rint(lead.to_numpy().astype("f8") * conversion.factor * 1000)
    return lead.copy(data=milliseconds.astype("timedelta64[ms]").astype("timedelta64[ns]"))


def _sum(reference: xr.DataArray, steps: xr.DataArray) -> xr.DataArray:
    """Return initialization times plus lead times, along the dimensions of both."""
    dates, durations = xr.broadcast(
        *(c.reset_coords(drop=True).drop_vars(c.dims, errors="ignore") for c in (reference, steps))
    )
    if dates.dtype == object:  # cftime, to which NumPy cannot add its timedeltas
        microseconds = durations.to_numpy().astype("timedelta64[us]").astype("i8").ravel()
        pairs = zip(dates.to_numpy().ravel(), microseconds, strict=True)
        total = [date + datetime.timedelta(microseconds=int(n)) for date, n in pairs]
        found = dates.copy(data=np.array(total, object).reshape(dates.shape))
    else:
        found = dates + durations
    return found.drop_attrs().assign_attrs(standard_name="time", long_name="valid time")

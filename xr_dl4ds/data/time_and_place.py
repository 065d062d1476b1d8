"""Inputs computed from time and place alone: season, hour, position of the sun, location.

A feature has one or more channels ``(time, y, x)``, float32, lazy where the data are lazy. Features
that vary only in time are computed once for each step; the solar zenith angle is computed chunk by
chunk. All values refer to the instant of the time stamp, not to a period around it.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
from collections.abc import Callable, Sequence

import cftime
import dask.array
import numpy as np
import pandas as pd
import xarray as xr

from xr_dl4ds.exceptions import GridError, TimeError
from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.cf.time_axis import calendar, has_dates, span
from xr_dl4ds.grid.crs import geographic, placed
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import TIME, X, Y

#: Days of the mean tropical year (Astronomical Almanac).
TROPICAL_YEAR = 365.2422


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """Times and cells of the features; `forcings` describes the parameters."""

    template: xr.DataArray
    grid: Grid
    trained: Grid

    @functools.cached_property
    def dates(self) -> pd.Index:
        """Dates in UTC; dates without a time zone are assumed to be UTC."""
        index = self.template.indexes[TIME]
        if isinstance(index, pd.DatetimeIndex) and index.tz is not None:
            return index.tz_convert(None)
        return index

    @functools.cached_property
    def day(self) -> np.ndarray:
        """Elapsed share of the day, ``(time,)``, float64, because angles are computed from it."""
        return _share_of_day(self.dates)

    @functools.cached_property
    def year(self) -> np.ndarray:
        """Elapsed share of the year in the calendar of the data, ``(time,)``."""
        return share_of_year(self.dates)

    @functools.cached_property
    def sun(self) -> tuple[np.ndarray, np.ndarray]:
        """Direction ``(time, direction)`` and distance ``(time,)`` of the sun."""
        return solar_position(_days_since_2000(self.dates, self.year), self.day)

    @functools.cached_property
    def cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Latitude and longitude ``(y, x)`` of the cells in canonical order, in radians."""
        y, x = (a.take(a.order, a.canonical) for a in (self.grid.y, self.grid.x))
        lat, lon = geographic(dataclasses.replace(self.grid, y=y, x=x))
        return np.deg2rad(lat), np.deg2rad(lon)

    @functools.cached_property
    def zenith_cosine(self) -> xr.DataArray:
        """Scalar product ``(time, y, x)`` of the directions to the sun and the zenith."""
        lat, lon = self.cells
        zenith = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
        sun = self.laid(self.sun[0], TIME, "direction").data
        up = self.laid(zenith, "direction", Y, X).data
        if self.template.chunks is None:
            return xr.DataArray(np.tensordot(sun, up, 1), dims=(TIME, Y, X))
        # blockwise, because other functions warn that the product has more chunks than its parts
        options = {"axes": 1, "dtype": "f4", "concatenate": True, "align_arrays": False}
        product = dask.array.blockwise(np.tensordot, "tyx", sun, "td", up, "dyx", **options)
        return xr.DataArray(product, dims=(TIME, Y, X))

    def laid(self, array: np.ndarray, *dims: str) -> xr.DataArray:
        """Return values along some of the template's dimensions, in its chunks, float32."""
        piece = xr.DataArray(array.astype("f4"), dims=dims)
        if self.template.chunks is None:
            return piece
        return piece.chunk({d: self.template.chunksizes.get(d, -1) for d in dims})

    def sin_cos(self, angle: np.ndarray, *dims: str) -> list[xr.DataArray]:
        """Return sine and cosine of an angle."""
        return [self.laid(np.sin(angle), *dims), self.laid(np.cos(angle), *dims)]

    def spread(self, piece: xr.DataArray, name: str) -> xr.DataArray:
        """Broadcast a piece to all dimensions and coordinates of the template, without a copy."""
        dims, shape = self.template.dims, self.template.shape
        data = piece.expand_dims([d for d in dims if d not in piece.dims]).transpose(*dims).data
        if self.template.chunks is None:
            data = np.broadcast_to(data, shape)
        else:
            data = dask.array.broadcast_to(data, shape, chunks=self.template.chunks)
        return xr.DataArray(data, self.template.coords, dims, name=name)


def _share_of_day(dates: pd.Index) -> np.ndarray:
    clock = xr.DataArray(dates, dims=TIME).dt
    seconds = 3600 * clock.hour + 60 * clock.minute + clock.second + 1e-6 * clock.microsecond
    share: np.ndarray = seconds.to_numpy() / 86400
    return share


def share_of_year(dates: pd.Index) -> np.ndarray:
    """Return the elapsed share of the year in the calendar of the dates, ``(time,)``."""
    clock = xr.DataArray(dates, dims=TIME).dt
    days: np.ndarray = clock.dayofyear.to_numpy() - 1 + _share_of_day(dates)
    share: np.ndarray = days / clock.days_in_year.to_numpy()
    return share


def spans_years(index: pd.Index | None) -> bool:
    """Return True if dates lie more than a year apart."""
    if not has_dates(index) or len(index) < 2:
        return False
    return bool(index.max() - index.min() > datetime.timedelta(days=366))


def solar_position(days: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return direction and distance of the sun as seen from the centre of the Earth.

    The function uses the low-precision formulae of the Astronomical Almanac (Michalsky 1988,
    doi:10.1016/0038-092X(88)90045-X), with a stated accuracy of 0.01 degrees from 1950 to 2050.
    Compared with Meeus (1998, Astronomical Algorithms, chapter 25), the error is at most 0.008
    degrees, and 0.015 degrees from 1800 to 2200. The formulae include the equation of time through
    sidereal time: the angle from the equinox to the meridian of Greenwich is the longitude of the
    mean sun plus the hour angle since noon.

    Parameters
    ----------
    days : numpy.ndarray
        Days since 2000-01-01 12:00 UT, ``(time,)``.
    day : numpy.ndarray
        Elapsed share of the UT day, ``(time,)``.

    Returns
    -------
    direction : numpy.ndarray
        Unit vectors ``(time, direction)``: components towards 0 E and 90 E on the equator, and
        north.
    distance : numpy.ndarray
        Distance in astronomical units, ``(time,)``.
    """
    mean_longitude = np.deg2rad(280.460 + 0.9856474 * days)
    anomaly = np.deg2rad(357.528 + 0.9856003 * days)
    centre = np.deg2rad(1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    longitude = mean_longitude + centre
    obliquity = np.deg2rad(23.439 - 4e-7 * days)
    equinox, east = np.cos(longitude), np.cos(obliquity) * np.sin(longitude)
    greenwich = mean_longitude + 2 * np.pi * (day - 0.5)
    direction = [
        equinox * np.cos(greenwich) + east * np.sin(greenwich),
        east * np.cos(greenwich) - equinox * np.sin(greenwich),
        np.sin(obliquity) * np.sin(longitude),
    ]
    distance = 1.00014 - 0.01671 * np.cos(anomaly) - 0.00014 * np.cos(2 * anomaly)
    return np.stack(direction, axis=-1), distance


def _days_since_2000(dates: pd.Index, year: np.ndarray) -> np.ndarray:
    """Return days since 2000-01-01 12:00 UT; in model calendars, every year counts as 2000.

    Years of model calendars are stretched to the tropical year, so that the seasons do not shift.
    """
    if calendar(dates) != "standard":
        return TROPICAL_YEAR * year - 0.5
    if isinstance(dates, pd.DatetimeIndex):
        days = (dates - pd.Timestamp("2000-01-01T12")) / pd.Timedelta(days=1)
        return np.asarray(days)
    # not timedelta64[ns], which overflows after 292 years
    days = cftime.date2num(dates.to_numpy(), "days since 2000-01-01 12:00", dates.calendar)
    return np.asarray(days, "f8")


@dataclasses.dataclass(frozen=True)
class Feature:
    """Names of channels, and a function that computes them on their varying dimensions."""

    channels: tuple[str, ...]
    pieces: Callable[[Setting], list[xr.DataArray]]
    #: True if the function needs latitude and longitude of the cells.
    geographic: bool = False


def _toa_insolation(at: Setting) -> list[xr.DataArray]:
    """Return top-of-atmosphere irradiance divided by the solar constant.

    The irradiance is proportional to the inverse square of the distance of the sun.
    """
    return [at.laid(at.sun[1] ** -2, TIME) * at.zenith_cosine.clip(min=0)]


def _position(axis: Axis, trained: Axis) -> np.ndarray:
    """Return positions, linear from -1 at the first to 1 at the last centre of `trained`."""
    first, last = trained.canonical[[0, -1]]
    away = axis.canonical - (first + last) / 2
    if trained.kind == "longitude":  # the shorter way round, whatever the convention
        away = (away + 180) % 360 - 180
    return np.asarray(away / ((last - first) / 2))


TIME_FEATURES: dict[str, Feature] = {
    "day_of_year": Feature(
        ("day_of_year_sin", "day_of_year_cos"), lambda at: at.sin_cos(2 * np.pi * at.year, TIME)
    ),
    "hour_of_day": Feature(
        ("hour_of_day_sin", "hour_of_day_cos"), lambda at: at.sin_cos(2 * np.pi * at.day, TIME)
    ),
    "solar_zenith": Feature(("solar_zenith_cos",), lambda at: [at.zenith_cosine], geographic=True),
    "toa_insolation": Feature(("toa_insolation",), _toa_insolation, geographic=True),
}

COORDINATE_FEATURES: dict[str, Feature] = {
    "latitude": Feature(
        ("latitude_sin",), lambda at: [at.laid(np.sin(at.cells[0]), Y, X)], geographic=True
    ),
    "longitude": Feature(
        ("longitude_sin", "longitude_cos"),
        lambda at: at.sin_cos(at.cells[1], Y, X),
        geographic=True,
    ),
    # "x" and "y" are names of dimensions, so the channels have other names
    "x": Feature(("x_position",), lambda at: [at.laid(_position(at.grid.x, at.trained.x), X)]),
    "y": Feature(("y_position",), lambda at: [at.laid(_position(at.grid.y, at.trained.y), Y)]),
}


def channel_names(
    time_features: Sequence[str], coordinate_features: Sequence[str]
) -> tuple[str, ...]:
    """Return the names of the channels of `forcings`, in order.

    Examples
    --------
    >>> channel_names(["day_of_year", "solar_zenith"], ["latitude"])
    ('day_of_year_sin', 'day_of_year_cos', 'solar_zenith_cos', 'latitude_sin')
    """
    chosen = _chosen(time_features, coordinate_features)
    return tuple(name for feature in chosen.values() for name in feature.channels)


def forcings(
    time_features: Sequence[str],
    coordinate_features: Sequence[str],
    template: xr.DataArray,
    grid: Grid,
    trained: Grid,
) -> dict[str, xr.DataArray]:
    """Compute the channels of features, by name, in the order of `channel_names`.

    Parameters
    ----------
    time_features : sequence of str
        Keys of `TIME_FEATURES`.
    coordinate_features : sequence of str
        Keys of `COORDINATE_FEATURES`.
    template : xarray.DataArray
        An LR variable ``(time, y, x)`` in the internal form; its values are not used.
    grid : Grid
        The grid of `template`, in any layout.
    trained : Grid
        The LR grid of training; positions run from -1 to 1 over this grid.

    Returns
    -------
    dict of str to xarray.DataArray
        Arrays ``(time, y, x)``, float32, finite, without units. They are dask arrays with the
        chunks of the template if it has chunks; otherwise they may be read-only views.

    Raises
    ------
    TimeError, GridError
        If features of time are requested without dates, or features of place without latitudes and
        longitudes.
    """
    chosen = _chosen(time_features, coordinate_features)
    setting = Setting(template=template, grid=grid, trained=trained)
    if time_features:
        _require_dates(template, list(time_features))
    _require_places(setting, [name for name, feature in chosen.items() if feature.geographic])
    return {
        channel: setting.spread(piece, channel)
        for feature in chosen.values()
        for channel, piece in zip(feature.channels, feature.pieces(setting), strict=True)
    }


def _chosen(time: Sequence[str], coordinate: Sequence[str]) -> dict[str, Feature]:
    return {n: TIME_FEATURES[n] for n in time} | {n: COORDINATE_FEATURES[n] for n in coordinate}


def _require_dates(template: xr.DataArray, names: list[str]) -> None:
    index = template.indexes.get(TIME)
    if has_dates(index):
        return
    got = f"{template.sizes[TIME]} steps without coordinates" if index is None else span(index)
    raise TimeError(
        f"Expected dates along the time axis for {names}, got {got}. Decode numbers with"
        " xarray.decode_cf(ds), assign dates with .assign_coords(time=...), or leave"
        " time_features out."
    )


def _require_places(setting: Setting, names: list[str]) -> None:
    if not names:
        return
    if not placed(setting.grid):
        raise GridError(
            f"Expected a grid with latitudes and longitudes for {names}, got planar axes without a"
            f" CRS: {setting.grid.extent}. Set it with .rio.write_crs, such as"
            " .rio.write_crs('EPSG:3035') after import rioxarray, assign two-dimensional lat and"
            " lon, or leave these features out."
        )
    outside = int((~np.isfinite(setting.cells).all(axis=0)).sum())
    if outside:
        raise GridError(
            f"Expected every cell to have a latitude and longitude for {names}, got {outside} cells"
            f" of {setting.grid.extent} that lie off the Earth. Check the CRS, select the other"
            " cells, or leave these features out."
        )

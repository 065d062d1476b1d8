"""A synthetic world for the way from reanalysis to climate model, without a network connection.

A few travelling waves of pressure and temperature make the weather of a wide domain. They can be
evaluated at any place, and therefore on the grids of a reanalysis, of a climate model and of
observations. Observations add what a coarse grid lacks: temperature falls with height, and rain
falls where moist air that has come from beyond the domain's border rises over the mountains.
Values without a source are chosen to resemble winters of western Europe.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import cftime
import numpy as np
import xarray as xr

Array = np.ndarray

#: Centre of the observations, and kilometres in a degree on a sphere of 6371 km.
NORTH, EAST, KM = 46.0, 6.0, 111.19
#: Days of a winter (December to February), and the autocorrelation of the weather after a day.
DAYS, MEMORY = 90, 0.75
#: Number of waves, their lengths in km (Holton and Hakim 2013: 1000 to 5000) and mean speed in m/s.
WAVES, LENGTHS, SPEED = 36, (900.0, 5000.0), 8.0
#: Standard deviation of pressure in hPa, of temperature in K and of relative humidity.
PRESSURE, TEMPERATURE, HUMIDITY = 9.0, 3.5, 0.12
#: Lapse rate in K/m (ICAO Doc 7488), and its change from cyclones to anticyclones.
LAPSE, INVERSION = 6.5e-3, 3.0e-3
#: Kilometres that the air travels to the mountains, from where its moisture comes.
FETCH = 700.0
#: Rain of a saturated ascent of 1 m/s, and of a cyclone of one standard deviation, in mm/day.
OROGRAPHIC, CYCLONIC = 110.0, 5.0
#: Increase of the saturation pressure, per K (Held and Soden 2006: 7 %).
CLAUSIUS_CLAPEYRON = 0.07

#: First year of the dates.
YEAR = 1981

_ABOUT: dict[str, tuple[str, str, str]] = {  # standard_name, long_name, units
    "psl": ("air_pressure_at_mean_sea_level", "sea level pressure", "hPa"),
    "ta850": ("air_temperature", "temperature at 850 hPa", "K"),
    "hus850": ("specific_humidity", "specific humidity at 850 hPa", "g kg-1"),
    "tas": ("air_temperature", "2 m temperature", "K"),
    "pr": ("lwe_precipitation_rate", "precipitation", "mm d-1"),
    "orog": ("surface_altitude", "orography", "m"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SyntheticGCM:
    """Datasets of `synthetic_gcm`; all are daily, CF-1.8 and float32.

    Parameters
    ----------
    reanalysis : xarray.Dataset
        `psl` (hPa), `ta850` (K), `hus850` (g kg-1), `tas` (K) and `pr` (mm d-1), ``(time, lat,
        lon)`` on wide LR cells.
    observations : xarray.Dataset
        `tas` and `pr` ``(time, lat, lon)`` of the same weather on HR cells, NaN at sea, and `orog`
        (m).
    history, scenario : xarray.Dataset
        The variables of the reanalysis from a climate model, on another grid and calendar, with its
        own weather and biases; the scenario is warmer.
    truth_history, truth_scenario : xarray.Dataset
        What would be observed under the weather of the climate model without its biases.
    """

    reanalysis: xr.Dataset
    observations: xr.Dataset
    history: xr.Dataset
    scenario: xr.Dataset
    truth_history: xr.Dataset
    truth_scenario: xr.Dataset


def synthetic_gcm(
    *,
    seed: int = 0,
    winters: int = 20,
    warming: float = 3.0,
    shape: tuple[int, int] = (48, 48),
    resolution: float = 0.25,
    bias: float = 1.0,
) -> SyntheticGCM:
    """Make reanalysis, observations and a climate model of an imaginary mountainous coast.

    Parameters
    ----------
    seed : int
        Seed of the landscape and of the weather.
    winters : int
        Winters of 90 days, of the reanalysis, of the history and of the scenario each.
    warming : float
        Warming of the scenario at 850 hPa, in K.
    shape : tuple of int
        Rows and columns of the observations.
    resolution : float
        Cell size of the observations in degrees. Cells of the reanalysis have 2 degrees, and its
        domain extends 12 degrees beyond the observations.
    bias : float
        Factor of the biases of the climate model; 0 is a perfect one.

    Returns
    -------
    SyntheticGCM
        The datasets.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> world = synthetic_gcm(winters=1, shape=(16, 24))
    >>> dict(world.observations.sizes), dict(world.reanalysis.sizes)["lat"]
    ({'time': 90, 'lat': 16, 'lon': 24}, 15)
    """
    _check(seed, winters, shape, resolution)
    rng = np.random.default_rng(seed)
    rows, columns = ((np.arange(n) - (n - 1) / 2) * resolution for n in shape)
    fine = NORTH + rows, EAST + columns
    orog = _orography(rng, *fine)
    waves = _Waves(rng)
    real = waves.weather(rng, winters)
    modelled = waves.weather(rng, winters)
    later = waves.weather(rng, winters)
    margin = 12.0
    wide = [np.arange(a[0] - margin, a[-1] + margin + 1, 2.0) for a in fine]
    model = [np.arange(a[0] - margin - 1, a[-1] + margin + 2, 1.4) for a in fine]
    dates = _dates("standard", YEAR, winters)
    past, future = (_dates("noleap", year, winters) for year in (YEAR, YEAR + 90))
    return SyntheticGCM(
        reanalysis=_large_scale(waves, real, wide, dates, 0.0, 0.0),
        observations=_observed(waves, real, fine, orog, dates, 0.0),
        history=_large_scale(waves, modelled, model, past, 0.0, bias),
        scenario=_large_scale(waves, later, model, future, warming, bias),
        truth_history=_observed(waves, modelled, fine, orog, past, 0.0),
        truth_scenario=_observed(waves, later, fine, orog, future, warming),
    )


def _check(seed: int, winters: int, shape: tuple[int, int], resolution: float) -> None:
    widest = resolution * max(shape)
    for option, value, good, expected in (
        ("seed", seed, seed >= 0, "a whole number >= 0"),
        ("winters", winters, winters >= 1, "a whole number >= 1"),
        ("shape", shape, min(shape) >= 8, "two whole numbers >= 8"),
        ("resolution", resolution, 0 < widest <= 40, "> 0, for at most 40 degrees in all"),
    ):
        if not good:
            raise ValueError(
                f"Expected `{option}` to be {expected}, got {value!r}. Use the default."
            )


class _Waves:
    """Waves whose amplitudes change in time."""

    def __init__(self, rng: np.random.Generator) -> None:
        length = np.exp(rng.uniform(np.log(LENGTHS[0]), np.log(LENGTHS[1]), size=WAVES))
        heading = rng.uniform(-1.2, 1.2, size=WAVES)
        k = 2 * np.pi / length
        self.east, self.north = k * np.cos(heading), k * np.sin(heading)
        self.share = length / np.sqrt((length**2).sum() / 2)
        self.turn = 86.4 * k * SPEED  # radians a day

    def weather(self, rng: np.random.Generator, winters: int) -> Array:
        """Return complex amplitudes ``(kind, time, wave)`` of pressure, temperature, humidity."""
        shape = (3, winters, DAYS, WAVES)
        noise = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
        noise *= np.sqrt((1 - MEMORY**2) / 2)
        noise[:, :, 0] /= np.sqrt(1 - MEMORY**2)
        advance = MEMORY * np.exp(-1j * self.turn)
        for day in range(1, DAYS):
            noise[:, :, day] += advance * noise[:, :, day - 1]
        pressure, temperature, humidity = noise
        # warm air ahead of a low, moist air in it
        temperature = 0.6 * 1j * pressure + 0.8 * temperature
        humidity = -0.5 * pressure + np.sqrt(0.75) * humidity
        found: Array = np.stack([pressure, temperature, humidity]) * self.share
        return found.reshape(3, winters * DAYS, WAVES)

    def at(self, amplitudes: Array, lat: Array, lon: Array, slope: Array | None = None) -> Array:
        """Return the sum of the waves at places ``(y, x)``, or its slope per km."""
        y, x = KM * (lat - NORTH), KM * np.cos(np.deg2rad(NORTH)) * (lon - EAST)
        here = np.exp(1j * (np.multiply.outer(self.east, x) + np.multiply.outer(self.north, y)))
        if slope is not None:
            here = here * (1j * slope)[:, None, None]
        flat = here.reshape(WAVES, -1).astype("complex64")
        values: Array = (amplitudes.astype("complex64") @ flat).real
        return values.reshape(len(amplitudes), *np.shape(x))


def _orography(rng: np.random.Generator, lat: Array, lon: Array) -> Array:
    """Return heights in m ``(y, x)``, 0 at sea: a coast in the west and a ridge behind it."""
    y, x = (np.linspace(-1, 1, a.size) for a in (lat, lon))
    height = np.exp(-(((x[None] - 0.3 - 0.15 * np.sin(3 * y[:, None])) / 0.35) ** 2))
    for _ in range(30):
        ky, kx = rng.normal(0, 6, 2)
        phase, weight = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.12)
        height += weight * np.cos(ky * y[:, None] + kx * x[None] + phase) * (x[None] > -0.6)
    land = x[None] + 0.15 * np.sin(4 * y[:, None] + rng.uniform(0, 6)) > -0.55
    return np.where(land, np.clip(1800 * height, 1, None), 0.0)


def _fields(
    waves: _Waves, weather: Array, lat: Array, lon: Array, warming: float
) -> dict[str, Array]:
    """Return the large-scale variables ``(time, y, x)`` at places ``(y, x)``, without biases."""
    p, t, h = (waves.at(one, lat, lon) for one in weather)
    u = -waves.at(weather[0], lat, lon, waves.north) * 6.5 * PRESSURE * 15.5
    v = waves.at(weather[0], lat, lon, waves.east) * 6.5 * PRESSURE * 15.5
    season = np.cos(2 * np.pi * (np.arange(len(p)) % DAYS - 45) / 180)[:, None, None]
    ta850 = 274.0 - 0.7 * (lat - NORTH) - 1.5 * season + TEMPERATURE * t + warming
    saturation = 5.5 * np.exp(CLAUSIUS_CLAPEYRON * (ta850 - 274.0))  # g/kg at 850 hPa
    humid = np.clip(0.65 + HUMIDITY * h, 0.1, 1.0)
    hus850 = humid * saturation
    rain = CYCLONIC * np.clip(-p - 0.2, 0, None) * (hus850 / 3.6)
    return {
        "psl": 1015.0 + PRESSURE * p,
        "ta850": ta850,
        "hus850": hus850,
        "tas": ta850 + 8.5 - 0.8 * p,
        "pr": rain,
        "ua": u + 6.0,  # the mean westerly flow
        "va": v,
    }


def _large_scale(
    waves: _Waves, weather: Array, axes: list[Array], dates: Array, warming: float, bias: float
) -> xr.Dataset:
    """Return the fields of a coarse grid, with the biases of a climate model."""
    lat, lon = np.meshgrid(*axes, indexing="ij")
    found = _fields(waves, weather, lat, lon, warming)
    north, east = (lat - NORTH) / 15, (lon - EAST) / 15
    found["psl"] += bias * (2.0 * north + 1.0)
    found["ta850"] += bias * (1.2 + 0.5 * east)
    found["tas"] += bias * (1.6 - 0.6 * north)
    found["hus850"] *= 1 + 0.06 * bias
    found["pr"] *= 1 + 0.3 * bias
    fields = {name: found[name] for name in ("psl", "ta850", "hus850", "tas", "pr")}
    return _dataset(fields, axes, dates)


def _observed(
    waves: _Waves,
    weather: Array,
    axes: tuple[Array, Array],
    orog: Array,
    dates: Array,
    warming: float,
) -> xr.Dataset:
    """Return temperature and precipitation on HR cells, NaN at sea, and the heights."""
    lat, lon = np.meshgrid(*axes, indexing="ij")
    here = _fields(waves, weather, lat, lon, warming)
    km = KM * abs(axes[0][1] - axes[0][0])
    north, east = np.gradient(orog, km, km * np.cos(np.deg2rad(NORTH)))  # m per km
    # moisture and wind of the air where it came from, west of the domain
    upstream = lon - FETCH / (KM * np.cos(np.deg2rad(NORTH)))
    came = _fields(waves, weather, lat, upstream, warming)
    ascent = (came["ua"] * east + came["va"] * north) / 1000  # m/s
    factor = came["hus850"] / 3.6
    rain = here["pr"] + OROGRAPHIC * np.clip(ascent, 0, None) * factor
    rain *= np.where(ascent < 0, np.exp(6 * ascent), 1.0)  # the lee is dry
    calm = np.clip((here["psl"] - 1015.0) / PRESSURE, -2, 2)
    tas = here["tas"] - (LAPSE - INVERSION * 0.5 * (1 + np.tanh(calm))) * orog
    sea = orog == 0
    fields = {"tas": tas, "pr": np.where(rain < 0.3, 0.0, rain)}
    fields = {name: np.where(sea, np.nan, one) for name, one in fields.items()}
    out = _dataset(fields, list(axes), dates)
    out["orog"] = (("lat", "lon"), orog.astype("f4"), _attrs("orog"))
    return out


def _dates(calendar: str, year: int, winters: int) -> Array:
    """Return the days of winters, from the first of December."""
    first = [cftime.datetime(year + i, 12, 1, 12, calendar=calendar) for i in range(winters)]
    since = [f"days since {one.isoformat()}" for one in first]
    found = np.concatenate([cftime.num2date(range(DAYS), one, calendar) for one in since])
    if calendar == "standard":
        return np.array([np.datetime64(one.isoformat(), "ns") for one in found])
    return found


def _dataset(fields: Mapping[str, Array], axes: list[Array], dates: Array) -> xr.Dataset:
    dims = ("time", "lat", "lon")
    ds = xr.Dataset(
        {name: (dims, one.astype("f4"), _attrs(name)) for name, one in fields.items()},
        {"time": dates, "lat": axes[0], "lon": axes[1]},
        {
            "Conventions": "CF-1.8",
            "title": "Synthetic winters of a mountainous coast",
            "source": "xr_dl4ds.tutorial.synthetic_gcm",
            "history": "made by synthetic_gcm",
            "comment": "Synthetic: formulas and random numbers, no observation, no weather model.",
        },
    )
    ds["lat"].attrs = {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"}
    ds["lon"].attrs = {"standard_name": "longitude", "units": "degrees_east", "axis": "X"}
    ds["time"].attrs = {"standard_name": "time", "axis": "T"}
    ds["time"].encoding = {"units": f"days since {YEAR}-12-01", "dtype": "float64"}
    for name in ds.variables:
        ds[name].encoding.setdefault("_FillValue", np.float32("nan") if name in fields else None)
    return ds


def _attrs(name: str) -> dict[str, str]:
    standard, long, units = _ABOUT[name]
    return {"standard_name": standard, "long_name": long, "units": units}

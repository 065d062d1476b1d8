"""Example data: synthetic datasets, and small real files that are downloaded and verified.

`synthetic` and `synthetic_gcm` need no internet connection. `open_dataset` downloads a file (NetCDF
or GRIB) once, from the mirror ``XR_DL4DS_DATA_URL`` or from GitHub, into ``XR_DL4DS_DATA_DIR`` or
the user's cache.
"""

from __future__ import annotations

import logging
import math
import os
from typing import Any

import numpy as np
import xarray as xr

from xr_dl4ds.config import nearest
from xr_dl4ds.tutorial.climate import SyntheticGCM as SyntheticGCM
from xr_dl4ds.tutorial.climate import synthetic_gcm as synthetic_gcm

logger = logging.getLogger(__name__)
Array = np.ndarray

# [1]-[5]: references of `synthetic`. Values without a source, here and below, are chosen to
# resemble Europe.
NORTH, EAST, KM_PER_DEGREE = 45.0, 5.0, 111.19  # centre of the domain; sphere of radius 6371 km
SEA_LEVEL_TEMPERATURE, LAPSE_RATE = 288.15, 6.5e-3  # K, K/m [1]
LAPSE_SWING = 2.5e-3  # K/m: 4 K/km on clear nights, 9 on clear afternoons; dry adiabatic is 9.8
MERIDIONAL_GRADIENT = -0.7  # K per degree north: about 40 K between the tropics and 60 degrees [2]
RELIEF_EXPONENT = -1.5  # power falls as k^-2 along a line [3]: k^-3 in the plane, amplitude k^-1.5
WAVES = ((3800.0, 3.0), (2300.0, 2.0), (1300.0, 1.5))  # length in km, 1000-5000 [4]; amplitude in K
WAVE_SPEED, STEEPNESS = 36.0, 0.9  # km/h eastward: 10 m/s [4]; steepness 0: sine, 1: jump
DIURNAL_SEA, DIURNAL_LAND = 0.4, 5.0  # K, on a clear day
COLD_POOL, NOISE = 7.0, 0.1  # K; 5-10 K are common in basins [5]; noise that no predictor explains

_NAMES = {  # standard_name, long_name, other attributes
    "t2m": ("air_temperature", "2 m temperature", {"units": "K", "cell_methods": "time: point"}),
    "orog": ("surface_altitude", "orography", {"units": "m"}),
    "land_fraction": ("land_area_fraction", "land fraction", {"units": "1"}),
    "time": ("time", "time", {"axis": "T"}),
    "latitude": ("latitude", "latitude", {"units": "degrees_north", "axis": "Y"}),
    "longitude": ("longitude", "longitude", {"units": "degrees_east", "axis": "X"}),
}

_GITHUB = "https://github.com"
_RETRIES = 3  # for the last source; pooch waits 1, 2 and 3 seconds
_XARRAY = "pydata/xarray-data/raw/58de68cb45bcbd1557df11a92827758495481b4e"
_IRIS = "SciTools/iris-test-data/raw/5a419d4e50036470408f0a9aeaf06696ecc2087f/test_data/NetCDF"
_FILES = {  # owner/repository/raw/commit on GitHub, path below that, bytes, sha256
    "era5_uk": (_XARRAY, "era5-2mt-2019-03-uk.grib", 2_499_840,
        "e5e82609f0e28e84822852e15d20c88dbb4b142a30264a7e6f87b9b5c7501df9"),
    "eraint_uvz": (_XARRAY, "eraint_uvz.nc", 4_168_980,
        "8f4cd0f75418a8e8f8f957c3b007f49e68a58d1bdd0e028adeeb057889f635d2"),
    "lambert": (_IRIS, "lambert_conformal/test_lcc.nc", 405_960,
        "a23026c8865ab08d9ff5f5e60120e62b96a29e2127acc6b4e3916b5de83b4553"),
    "tmerc": (_IRIS, "transverse_mercator/tmean_1910_1910.nc", 1_070_133,
        "3519a2c48c1b23bd14c5fe85b03a7c75098c4f0347c80b6b041dcbdd777b477b"),
}  # fmt: skip


def synthetic(
    *,
    shape: tuple[int, int] = (64, 96),
    days: int = 30,
    step_hours: int = 3,
    resolution: float = 0.1,
    seed: int = 0,
) -> xr.Dataset:
    """Make 2 m temperature over an imaginary mid-latitude coast with mountains.

    Weather fronts move in from the west. The detail inside a coarse cell depends on the weather. On
    clear (high-pressure) nights the lapse rate weakens, cold pools fill the valleys, and the land
    cools more than the sea. Under clouds only the effect of the relief remains.

    Parameters
    ----------
    shape : tuple of int
        Rows (latitude, from north to south) and columns (longitude), each at least 8.
    days, step_hours : int
        Number of days from 2001-01-01, and time step in hours, a divisor of 24.
    resolution : float
        Cell size in degrees. The domain may span 80 by 360 degrees.
    seed : int
        Seed of the random numbers. Each seed gives a different landscape and weather; a seed always
        gives the same dataset.

    Returns
    -------
    xarray.Dataset
        CF-1.8, float32: `t2m(time, latitude, longitude)` in K, and on `(latitude, longitude)` the
        surface height `orog` in m and the land area fraction `land_fraction`, 0 to 1.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    [1] ICAO Doc 7488, Manual of the ICAO standard atmosphere. [2] Peixoto and Oort (1992), Physics
    of climate. [3] Turcotte (1997), Fractals and chaos in geology and geophysics. [4] Holton and
    Hakim (2013), An introduction to dynamic meteorology. [5] Whiteman (2000), Mountain meteorology.

    Examples
    --------
    >>> dict(synthetic(shape=(16, 24), days=2).sizes)
    {'time': 16, 'latitude': 16, 'longitude': 24}
    """
    _check(shape, days, step_hours, resolution, seed)
    call = f"{shape=}, {days=}, {step_hours=}, {resolution=}, {seed=}"
    rng = np.random.default_rng(seed)
    hours = np.arange(0, 24 * days, step_hours)
    rows, columns = (np.arange(n) - n // 2 for n in shape)
    latitude = np.round(NORTH - resolution * rows, 9)
    longitude = np.round(EAST + resolution * columns, 9)
    relief = _relief(rng, shape, resolution)
    t2m = _t2m(hours, latitude, longitude, relief, _weather(rng, hours, latitude, longitude))
    t2m += NOISE * rng.standard_normal(t2m.shape, dtype="float32")
    time = np.datetime64("2001-01-01", "ns") + hours * np.timedelta64(3600 * 10**9, "ns")
    yx = ("latitude", "longitude")
    ds = xr.Dataset(
        {"t2m": (("time", *yx), t2m), "orog": (yx, relief[0]), "land_fraction": (yx, relief[1])},
        {"time": time, "latitude": latitude, "longitude": longitude},
        {
            "Conventions": "CF-1.8",
            "title": "Synthetic 2 m temperature over a mid-latitude coast with mountains",
            "source": "xr_dl4ds.tutorial.synthetic",
            "history": f"made by synthetic({call})",
            "comment": "Synthetic: formulas and random numbers, no observation, no weather model.",
        },
    )
    for name, (standard, long, other) in _NAMES.items():
        ds[name].attrs = {"standard_name": standard, "long_name": long, **other}
        ds[name].encoding = {"_FillValue": None}  # no missing values
    ds["time"].encoding.update(units="hours since 2001-01-01", dtype="float64")
    return ds


def _check(shape: Any, days: Any, step_hours: Any, resolution: Any, seed: Any) -> None:
    def whole(n: Any, least: int) -> bool:
        return isinstance(n, (int, np.integer)) and type(n) is not bool and bool(n >= least)

    pair = isinstance(shape, (tuple, list)) and len(shape) == 2 and all(whole(n, 8) for n in shape)
    limit = min(80 / shape[0], 360 / shape[1]) if pair else 0.0
    fits = isinstance(resolution, (int, float)) and 0 < resolution <= limit
    step = whole(step_hours, 1) and 24 % step_hours == 0
    for option, value, good, expected, cure in (
        ("shape", shape, pair, "two whole numbers >= 8", "(rows, columns), such as (64, 96)"),
        ("days", days, whole(days, 1), "a whole number >= 1", "30, and select a period"),
        ("step_hours", step_hours, step, "a divisor of 24", "1, 2, 3, 4, 6, 8, 12 or 24"),
        ("seed", seed, whole(seed, 0), "a whole number >= 0", "0"),
        ("resolution", resolution, fits, f"> 0 and <= {limit:g} degrees", "finer or fewer cells"),
    ):
        if not good:
            raise ValueError(f"Expected `{option}` to be {expected}, got {value!r}. Use {cure}.")


def _relief(rng: np.random.Generator, shape: tuple[int, int], resolution: float) -> Array:
    """Return height (m), land fraction and valley depth (0 to 1), `(3, y, x)`."""
    rows, columns = shape
    double = (2 * rows, 2 * columns)  # the Fourier series is periodic, the landscape is not
    eastward = np.fft.rfftfreq(double[1], resolution * math.cos(math.radians(NORTH)))
    wavenumber = np.hypot(np.fft.fftfreq(double[0], resolution)[:, None], eastward)
    wavenumber[0, 0] = np.inf  # no mean
    spectrum = np.fft.rfft2(rng.standard_normal(double)) * wavenumber**RELIEF_EXPONENT
    gaussian = np.exp(-0.5 * (2 * np.pi * 0.2 * wavenumber) ** 2)  # filter of 0.2 degrees
    relief, around = np.fft.irfft2([spectrum, spectrum * gaussian], s=double)[:, :rows, :columns]
    valley = np.clip((around - relief) / (0.4 * relief.std()), 0, 1)
    relief = relief / relief.std() + 1.2 * np.linspace(-1, 1, columns)  # rises to the east
    relief -= np.quantile(relief, 0.35)  # 35 % of the cells are sea
    orog = 2400 * (np.maximum(relief, 0) / relief.max()) ** 1.4  # m; > 1 widens the lowlands
    land = np.clip(0.5 + relief / 0.4, 0, 1)  # coast: 0.4 standard deviations of relief
    return np.stack([orog, land, valley * land]).astype("float32")


def _weather(rng: np.random.Generator, hours: Array, latitude: Array, longitude: Array) -> Array:
    """Return temperature anomaly (K) and clearness (0 to 1) of the fronts, `(2, time, y, x)`."""
    north = KM_PER_DEGREE * (latitude[:, None] - NORTH)
    east = KM_PER_DEGREE * math.cos(math.radians(NORTH)) * (longitude - EAST)
    anomaly, pressure = np.zeros((2, hours.size, latitude.size, longitude.size), "float32")
    for length, amplitude in WAVES:
        heading, bend, start = rng.uniform((-0.6, 0, 0), (0.6, 2 * np.pi, 2 * np.pi))
        k = 2 * np.pi / length
        here = k * (east * math.cos(heading) + north * math.sin(heading)) + start
        here = here + 0.6 * np.sin(2 * k * north + bend)  # fronts are curved
        wave = np.exp(1j * (here - k * WAVE_SPEED * hours[:, None, None])).astype("complex64")
        # the sum of r^n sin(n angle) / n: cold air behind, warm air ahead of a front at angle 0
        anomaly -= amplitude * np.angle(1 - STEEPNESS * wave)
        pressure -= amplitude * wave.real  # lowest at the front
    return np.stack([anomaly, 1 / (1 + np.exp(-pressure))])


def _t2m(hours: Array, latitude: Array, longitude: Array, relief: Array, weather: Array) -> Array:
    """Return 2 m temperature (K), `(time, y, x)`, from the results of `_relief` and `_weather`."""
    (orog, land, valley), (anomaly, clear), sea = relief, weather, 1 - relief[1]
    local = hours[:, None, None] + longitude / 15  # the Earth turns by 15 degrees an hour
    sun = np.cos(2 * np.pi * (local - 15) / 24).astype("float32")  # warmest at 15 h
    year = -np.cos(2 * np.pi * (local / 24 - 20) / 365.25).astype("float32")  # coldest on day 20
    level = SEA_LEVEL_TEMPERATURE + MERIDIONAL_GRADIENT * (latitude[:, None] - NORTH)
    t2m = level.astype("float32") + year * (3 * sea + 9 * land)  # K
    t2m += anomaly * (0.65 * sea + land)  # the sea damps the anomaly
    t2m += sun * (DIURNAL_SEA * sea + DIURNAL_LAND * land * (0.3 + 0.7 * clear))  # 0.3: overcast
    t2m -= (LAPSE_RATE + LAPSE_SWING * clear * sun) * orog
    t2m -= COLD_POOL * clear**2 * np.maximum(-sun, 0) * valley
    return t2m


def names() -> tuple[str, ...]:
    """Return the names that `open_dataset` knows.

    Examples
    --------
    >>> names()
    ('era5_uk', 'eraint_uvz', 'lambert', 'tmerc')
    """
    return tuple(_FILES)


def open_dataset(
    name: str, *, path: str | os.PathLike[str] | None = None, chunks: dict[str, int] | None = None
) -> xr.Dataset:
    """Open an example file, and download it first if it is not in the cache.

    Parameters
    ----------
    name : {"era5_uk", "eraint_uvz", "lambert", "tmerc"}
        ERA5 2 m temperature (K), UK, March 2019, `(time: 744, latitude: 33, longitude: 49)`;
        ERA-Interim u, v (m/s) and z, global, `(month: 2, level: 3, latitude: 241, longitude: 480)`;
        temperature (degC) around Innsbruck, Lambert conformal, `(time: 12, y: 60, x: 60)`;
        temperature (degC) of the UK, transverse Mercator, `(time: 1, y: 290, x: 180)`.
    path : path-like, optional
        Folder in which to keep the file, instead of ``XR_DL4DS_DATA_DIR`` or the user's cache.
    chunks : dict, optional
        Sizes of dask chunks by dimension. None reads lazily without dask.

    Returns
    -------
    xarray.Dataset
        The contents of the file, read lazily. A dataset from GRIB lacks the keys and scalar
        coordinates that cfgrib adds.

    Raises
    ------
    ValueError
        If the name is unknown.
    ImportError
        If cfgrib, which opens "era5_uk", cannot be imported.
    OSError
        If no source has the file with the right checksum.

    Examples
    --------
    >>> open_dataset("lambert")["tas"].sizes["x"]  # doctest: +SKIP
    60
    """
    if name not in _FILES:
        raise ValueError(f"Expected one of {names()}, got {name!r}.{nearest(str(name), names())}")
    if not _FILES[name][1].endswith(".grib"):
        return xr.open_dataset(_fetch(name, path), engine="netcdf4", chunks=chunks)
    try:
        import cfgrib  # noqa: F401
    except (ImportError, RuntimeError) as e:  # RuntimeError: without the ecCodes library
        raise ImportError(
            f"Expected cfgrib, got: {e}. Install the packages of the extra 'grib':"
            " pip install cfgrib eccodes 'eccodeslib<2.48.3'."
        ) from e
    options = {"indexpath": ""}  # no index file beside the data
    ds = xr.open_dataset(_fetch(name, path), engine="cfgrib", backend_kwargs=options, chunks=chunks)
    return _tidy(ds)


def _fetch(name: str, path: str | os.PathLike[str] | None) -> str:
    """Return the path of the cached file, downloaded from the first source that has it."""
    import pooch

    root, place, size, sha256 = _FILES[name]
    file, failures = os.path.basename(place), []
    mirrors = [f"{m.rstrip('/')}/{file}" for m in os.environ.get("XR_DL4DS_DATA_URL", "").split()]
    for url in (*mirrors, f"{_GITHUB}/{root}/{place}"):
        store = pooch.create(
            path=pooch.os_cache("xr_dl4ds") if path is None else path,
            base_url="",
            registry={file: sha256},
            urls={file: url},
            env="XR_DL4DS_DATA_DIR" if path is None else None,
            retry_if_failed=0 if url in mirrors else _RETRIES,
        )
        try:
            return str(store.fetch(file, progressbar=True))
        except (OSError, ValueError) as error:  # connection, status, disk; checksum, bad url
            logger.info("no %s from %s: %s", file, url, error)
            failures.append(f"{url}: {type(error).__name__}: {error}")
    raise OSError(
        f"No source has {file} ({size} bytes, sha256 {sha256}). Put the file into "
        f"{store.abspath}, or set XR_DL4DS_DATA_DIR to its folder, or XR_DL4DS_DATA_URL to the "
        "address of a mirror. Tried:\n  " + "\n  ".join(failures)
    )


def _tidy(ds: xr.Dataset) -> xr.Dataset:
    """Drop the second time, the scalar coordinates and the GRIB keys that cfgrib adds."""
    valid = ds["valid_time"].variable  # CF's `time`; equal to `time`, as these are analyses
    ds = ds.drop_vars(set(ds.coords) - set(ds.dims)).assign_coords(time=valid)
    ds["time"].attrs["axis"] = "T"
    for item in (ds, *(ds[name] for name in ds.variables)):
        item.attrs = {k: v for k, v in item.attrs.items() if k[:5] != "GRIB_" and v != "unknown"}
        item.encoding.pop("coordinates", None)  # it names the scalar coordinates
    return ds

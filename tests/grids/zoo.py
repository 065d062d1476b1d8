"""A zoo of tiny HR files on every kind of CF grid, with the metadata that such files really have.

Built with numpy, xarray and pyproj alone. A `Kind` knows its cells in *textbook* order, rows from
south to north and columns from west to east, and how its file lays them out; fields are functions
of true latitude, longitude and time, so that any cell has one right value.
"""

import pyproj  # noqa: I001  must precede eccodes
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

STEPS = 7
WGS84 = pyproj.CRS("EPSG:4326")

NORTH = {"standard_name": "latitude", "long_name": "latitude", "units": "degrees_north"}
EAST = {"standard_name": "longitude", "long_name": "longitude", "units": "degrees_east"}
GRID_NORTH = {"standard_name": "grid_latitude", "units": "degrees", "axis": "Y"}
GRID_EAST = {"standard_name": "grid_longitude", "units": "degrees", "axis": "X"}


def metres(letter: str, units: str = "m") -> dict[str, str]:
    name = f"projection_{letter}_coordinate"
    return {"standard_name": name, "units": units, "axis": letter.upper()}


def hourly() -> np.ndarray:
    return np.datetime64("2001-02-26", "ns") + np.arange(STEPS) * np.timedelta64(12, "h")


def as_it_is(ds: xr.Dataset) -> xr.Dataset:
    return ds


def same(values: np.ndarray) -> np.ndarray:
    return values


def to_360(lon: np.ndarray) -> np.ndarray:
    return lon % 360


def to_180(lon: np.ndarray) -> np.ndarray:
    return (lon + 180) % 360 - 180


# --- what is true of a place ----------------------------------------------------------------------


def height(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Metres, above and below 500, at each place."""
    y, x = np.deg2rad(lat), np.deg2rad(lon)
    return 500 + 300 * np.sin(50 * y + 1) * np.cos(91 * x) + 200 * np.cos(7 * y + 2 * x)


def temperature(lat: np.ndarray, lon: np.ndarray, step: int) -> np.ndarray:
    """Kelvins at each place at one time step: waves of a few cells, and the lapse rate."""
    y, x = np.deg2rad(lat), np.deg2rad(lon)
    wave = 4 * np.sin(72 * x + 40 * y + 0.8 * step) + 2 * np.cos(61 * y - 0.3 * step)
    return 260 + 30 * np.cos(y) + 5 * np.sin(3 * x + y) + wave - 0.0065 * height(lat, lon)


def dew_point(lat: np.ndarray, lon: np.ndarray, step: int) -> np.ndarray:
    """Kelvins, a little below the temperature."""
    return temperature(lat, lon, step) - 5 + 2 * np.sin(np.deg2rad(80 * lon + step))


# --- where planar cells lie, by pyproj from PROJ's own words, not from CF -------------------------


def unrotated(pole_lat: float, pole_lon: float) -> Callable:
    """Latitude and longitude of rotated ones, by the formula of textbooks (COSMO guide, 3.3)."""

    def place(rlon, rlat):
        f, la, lo = np.deg2rad(pole_lat), np.deg2rad(rlat), np.deg2rad(rlon)
        lat = np.arcsin(np.sin(la) * np.sin(f) + np.cos(la) * np.cos(lo) * np.cos(f))
        east = np.cos(la) * np.sin(lo)
        north = np.sin(la) * np.cos(f) - np.cos(la) * np.cos(lo) * np.sin(f)
        return np.rad2deg(np.arctan2(east, -north)) + pole_lon + 180, np.rad2deg(lat)

    return place


def inverse(proj: str) -> Callable:
    return lambda x, y: pyproj.Proj(proj)(x, y, inverse=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plane:
    """A map: its CF attributes, written by hand, and the same in PROJ's words."""

    mapping: Mapping[str, Any]
    proj: str
    place: Callable

    @property
    def crs(self) -> pyproj.CRS:
        return pyproj.CRS(self.proj)


ROTATED = Plane(
    mapping={
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_latitude": 39.25,
        "grid_north_pole_longitude": -162.0,
        "north_pole_grid_longitude": 0.0,
        "earth_radius": 6371229.0,
    },
    proj="+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +R=6371229 +no_defs",
    place=unrotated(39.25, -162.0),
)
_LCC = "+proj=lcc +lat_1=49 +lat_2=60 +lat_0=55 +lon_0=10 +x_0=50000 +y_0=-20000 +R=6371229"
LAMBERT = Plane(
    mapping={
        "grid_mapping_name": "lambert_conformal_conic",
        "standard_parallel": np.array([49.0, 60.0]),
        "longitude_of_central_meridian": 10.0,
        "latitude_of_projection_origin": 55.0,
        "false_easting": 50000.0,
        "false_northing": -20000.0,
        "earth_radius": 6371229.0,
    },
    proj=_LCC,
    place=inverse(_LCC),
)
_TMERC = "+proj=tmerc +lat_0=49 +lon_0=-2 +k=0.9996012717 +x_0=400000 +y_0=-100000 +ellps=WGS84"
MERCATOR = Plane(
    mapping={
        "grid_mapping_name": "transverse_mercator",
        "scale_factor_at_central_meridian": 0.9996012717,
        "longitude_of_central_meridian": -2.0,
        "latitude_of_projection_origin": 49.0,
        "false_easting": 400000.0,
        "false_northing": -100000.0,
        "semi_major_axis": 6378137.0,
        "inverse_flattening": 298.257223563,
    },
    proj=_TMERC,
    place=inverse(_TMERC),
)
_POLAR = "+proj=stere +lat_0=90 +lat_ts=70 +lon_0=-45 +x_0=0 +y_0=0 +ellps=WGS84"
POLAR = Plane(
    mapping={
        "grid_mapping_name": "polar_stereographic",
        "straight_vertical_longitude_from_pole": -45.0,
        "latitude_of_projection_origin": 90.0,
        "standard_parallel": 70.0,
        "false_easting": 0.0,
        "false_northing": 0.0,
        "semi_major_axis": 6378137.0,
        "inverse_flattening": 298.257223563,
    },
    proj=_POLAR,
    place=inverse(_POLAR),
)


# --- kinds ----------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of file.

    Parameters
    ----------
    rows, columns : numpy.ndarray
        Cell centres in textbook order: south to north, and west to east as one unbroken run.
    names : tuple of str
        Dimensions of the file along time, y and x.
    attrs : tuple of dict
        CF attributes of the file's y and x.
    falls : tuple of bool
        Whether the file's rows and columns run the other way.
    convention : callable
        What the file writes for each longitude.
    dtype : str
        Of the file's coordinates.
    jitter : float
        Departure of the file's coordinates from the truth, in cells.
    plane : Plane, optional
        Of projected and rotated grids.
    km : bool
        Whether the file's axes are in kilometres; `rows` and `columns` are in metres always.
    edges : numpy.ndarray, optional
        The row edges that the file's bounds say, where they are not midway between centres.
    times : callable
        Makes the values along time; None is a dimension without coordinate.
    change : callable
        What else is peculiar to the file.
    scale : int
        HR cells in an LR cell.
    periodic, regular : bool
        Whether columns go once around; whether rows and columns are evenly spaced, so that an
        affine transform exists.
    georeferenced : bool
        Whether anything can be known of where the cells lie.
    calendar : str
        Of the file.
    targets : tuple of str
        Variables that vary in time.
    dims : dict
        What `fit` and `predict` have to be told: the names of dimensions that cannot be found.
    """

    rows: np.ndarray
    columns: np.ndarray
    names: tuple[str, str, str] = ("time", "latitude", "longitude")
    attrs: tuple[dict, dict] = (NORTH, EAST)
    falls: tuple[bool, bool] = (False, False)
    convention: Callable = same
    dtype: str = "f8"
    jitter: float = 0.0
    plane: Plane | None = None
    km: bool = False
    edges: np.ndarray | None = None
    times: Callable = hourly
    change: Callable = as_it_is
    scale: int = 4
    periodic: bool = False
    regular: bool = True
    georeferenced: bool = True
    calendar: str = "standard"
    targets: tuple[str, ...] = ("t2m",)
    dims: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def crs(self) -> pyproj.CRS | None:
        """The CRS in pyproj's own words; None where nothing can be known."""
        if self.plane is not None:
            return self.plane.crs
        return WGS84 if self.georeferenced else None

    @property
    def planar(self) -> bool:
        return self.plane is not None or not self.georeferenced

    def textbook(self, scale: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Centres of rows and columns of `scale` cells each, in textbook order."""
        return tuple(v.reshape(-1, scale).mean(1) for v in (self.rows, self.columns))

    def written(self, scale: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """The same as the file says it, without jitter, float64."""
        y, x = self.textbook(scale)
        unit = 1e-3 if self.km else 1.0
        y, x = (v[::-1] if falls else v for v, falls in zip((y, x), self.falls, strict=True))
        return y * unit, self.convention(x) * unit

    def places(self, scale: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """True latitude and longitude ``(y, x)`` of the cell centres, in textbook order."""
        y, x = self.textbook(scale)
        lon, lat = np.meshgrid(x, y)
        if self.plane is not None:
            lon, lat = self.plane.place(lon, lat)
        elif not self.georeferenced:  # anywhere: a plain sheet of metres
            lon, lat = lon / 1e5, lat / 1e5
        return lat, lon

    def hr(self) -> xr.Dataset:
        """The file."""
        lat, lon = self.places()
        time, y, x = self.names
        flip = tuple(slice(None, None, -1 if falls else 1) for falls in self.falls)
        functions = {"t2m": temperature, "d2m": dew_point}
        of = {
            "t2m": {"standard_name": "air_temperature", "long_name": "2 metre temperature"},
            "d2m": {"standard_name": "dew_point_temperature", "long_name": "2 metre dew point"},
        }
        variables = {
            name: (
                (time, y, x),
                np.stack([functions[name](lat, lon, t)[flip] for t in range(STEPS)]).astype("f4"),
                {**of[name], "units": "K", "cell_methods": f"{time}: point"},
            )
            for name in self.targets
        }
        about = {"standard_name": "surface_altitude", "units": "m"}
        variables["orog"] = ((y, x), height(lat, lon)[flip].astype("f4"), about)
        coords: dict[str, Any] = {}
        for dim, values, attrs in zip((y, x), self.written(), self.attrs, strict=True):
            noise = self.jitter * np.diff(values)[0] * np.cos(5.0 * np.arange(values.size))
            coords[dim] = (dim, (values + noise).astype(self.dtype), dict(attrs))
        if self.times is not None:
            coords[time] = (time, self.times(), {"standard_name": "time", "axis": "T"})
        about = {"title": "a beast of the zoo", "institution": "Here", "Conventions": "CF-1.8"}
        return self.change(xr.Dataset(variables, coords, about))

    def transform(self) -> tuple[float, ...]:
        """The affine transform of the HR cells as GDAL reads NetCDF, in its order: north up.

        Its driver brings longitudes beyond 180 to the west, and unrolls a seam from the east.
        """
        (y, x), (dy, dx) = self.textbook(), (np.diff(v).mean() for v in self.textbook())
        east = self.convention(x)[-1]
        if not self.planar and self.convention(x)[0] > 180 and east > 180:
            east -= 360
        west = east - dx * (x.size - 0.5)
        unit = 1e-3 if self.km else 1.0
        return tuple(float(unit * v) for v in (dx, 0, west, 0, -dy, y[-1] + dy / 2))

    @property
    def seam(self) -> bool:
        """Whether the file's longitudes jump by a turn, which CF does not allow."""
        steps = np.diff(self.written()[1])
        return not ((steps > 0).all() or (steps < 0).all())


def centres(first_edge: float, step: float, size: int) -> np.ndarray:
    return first_edge + step * (np.arange(size) + 0.5)


def region(west: float = 4.0, **kwargs: Any) -> Kind:
    """16 x 24 cells of a quarter of a degree, north of 48 degrees."""
    return Kind(rows=centres(48, 0.25, 16), columns=centres(west, 0.25, 24), **kwargs)


def planet(west: float, rows: np.ndarray | None = None, **kwargs: Any) -> Kind:
    """16 x 32 cells around the globe from the edge `west`."""
    rows = centres(-90, 11.25, 16) if rows is None else rows
    return Kind(rows=rows, columns=centres(west, 11.25, 32), periodic=True, **kwargs)


def projected(plane: Plane, south: float, west: float, step: float, **kwargs: Any) -> Kind:
    """16 x 24 cells on a map; with the mapping linked as the kind's `change` says."""
    kwargs = {"names": ("time", "y", "x"), "attrs": (metres("y"), metres("x")), **kwargs}
    rows, columns = centres(south, step, 16), centres(west, step, 24)
    return Kind(rows=rows, columns=columns, plane=plane, **kwargs)


# --- peculiarities --------------------------------------------------------------------------------


def mapped(
    plane: Plane, *, where: str = "variable", link: str = "attrs", text: str = "crs", metre=1.0
):
    """Link a grid mapping: as a data variable or coordinate, by attribute or encoding.

    False easting and northing are in the unit of the axes (CF-1.8, appendix F).
    """
    mapping = {k: v * metre if k.startswith("false_") else v for k, v in plane.mapping.items()}

    def change(ds: xr.Dataset) -> xr.Dataset:
        variable = xr.Variable((), np.int32(0), mapping)
        add = ds.assign if where == "variable" else ds.assign_coords
        out = add(crs=variable)
        for name in ("t2m", "orog"):
            getattr(out[name], link)["grid_mapping"] = text
        return out

    return change


def with_places(plane: Plane | None, inner: Callable = as_it_is, unit: float = 1.0) -> Callable:
    """Latitude and longitude of every cell beside the axes, as WRF and CORDEX files have."""

    def change(ds: xr.Dataset) -> xr.Dataset:
        out = inner(ds)
        y, x = ds.t2m.dims[-2:]
        at = plane.place(*np.meshgrid(ds[x].to_numpy() / unit, ds[y].to_numpy() / unit))
        lon, lat = (np.asarray(v) for v in at)
        return out.assign_coords(lat=((y, x), lat, dict(NORTH)), lon=((y, x), to_180(lon), EAST))

    return change


def transposed(*dims: str) -> Callable:
    return lambda ds: ds.transpose(*dims)


def dates(make: Callable) -> Callable:
    """Values along time of another calendar."""
    return lambda: make().to_numpy()


def stacked(dims: tuple[str, str], values: np.ndarray, attrs: dict) -> Callable:
    """A further dimension beside time, in that order: each entry 3 K colder than the one before."""
    (dim,) = set(dims) - {"time"}

    def change(ds: xr.Dataset) -> xr.Dataset:
        parts = [ds.t2m - np.float32(3 * i) for i in range(len(values))]
        t2m = xr.concat(parts, dim).transpose(*dims, ...).assign_attrs(ds.t2m.attrs)
        coordinate = xr.Variable(dim, values, attrs)
        return ds.assign(t2m=t2m).assign_coords({dim: coordinate})

    return change


def sea_masked(ds: xr.Dataset) -> xr.Dataset:
    """No temperature where the ground is low; one whole block of it at the corner."""
    corner = (np.arange(16) < 4)[:, None] & (np.arange(24) < 4)
    sea = (ds.orog < 300) | xr.DataArray(corner, dims=ds.orog.dims)
    t2m = ds.t2m.where(~sea).transpose(*ds.t2m.dims)
    return ds.assign(t2m=t2m.assign_attrs(ds.t2m.attrs))


def packed(ds: xr.Dataset) -> xr.Dataset:
    """As xarray opens a file of int16: floats, with the packing in the encoding."""
    out = ds.copy(deep=True)
    steps = np.round((out.t2m - 270) / np.float32(0.01))
    out["t2m"] = (steps * np.float32(0.01) + 270).astype("f4").assign_attrs(ds.t2m.attrs)
    out.t2m.encoding = {
        "dtype": np.dtype("int16"),
        "scale_factor": 0.01,
        "add_offset": 270.0,
        "_FillValue": np.int16(-32767),
        "zlib": False,
    }
    return out


def with_scalars(ds: xr.Dataset) -> xr.Dataset:
    """What cfgrib and CMIP files carry beside the axes."""
    about = {"standard_name": "height", "units": "m", "positive": "up", "axis": "Z"}
    return ds.assign_coords(
        height=((), 2.0, about),
        step=((), np.timedelta64(0, "h"), {"standard_name": "forecast_period"}),
        surface=((), 0.0, {"long_name": "original GRIB coordinate for key: level", "units": "1"}),
        number=((), 0, {"standard_name": "realization", "units": "1"}),
    )


def without_attributes(ds: xr.Dataset) -> xr.Dataset:
    out = ds.copy()
    for name in out.coords:
        out[name].attrs = {}
    return out


def gaussian(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes of a Gaussian grid, and the edges within which its weights are the areas.

    The weight of a row is the difference of the sines of its edges.
    """
    nodes, weights = np.polynomial.legendre.leggauss(size)
    sines = np.r_[-1, -1 + np.cumsum(weights)]
    return np.rad2deg(np.arcsin(nodes)), np.rad2deg(np.arcsin(np.clip(sines, -1, 1)))


GAUSSIAN_ROWS, GAUSSIAN_EDGES = gaussian(16)


def with_gaussian_bounds(ds: xr.Dataset) -> xr.Dataset:
    pairs = np.stack([GAUSSIAN_EDGES[:-1], GAUSSIAN_EDGES[1:]], axis=1)
    columns = ds.lon.to_numpy()
    sides = np.stack([columns - 5.625, columns + 5.625], axis=1)
    out = ds.assign(lat_bnds=(("lat", "bnds"), pairs), lon_bnds=(("lon", "bnds"), sides))
    out.lat.attrs["bounds"], out.lon.attrs["bounds"] = "lat_bnds", "lon_bnds"
    return out


def cftimes(calendar: str, freq: str = "D") -> Callable:
    return dates(
        lambda: xr.date_range(
            "2001-02-26", periods=STEPS, freq=freq, calendar=calendar, use_cftime=True
        )
    )


def month_starts() -> np.ndarray:
    return np.arange("2001-01", "2001-08", dtype="datetime64[M]").astype("datetime64[ns]")


_ROTATED = {
    "plane": ROTATED,
    "south": -4.0,
    "west": -6.0,
    "step": 0.25,
    "names": ("time", "rlat", "rlon"),
    "attrs": (GRID_NORTH, GRID_EAST),
}
_LAMBERT = {"plane": LAMBERT, "south": -310000.0, "west": -230000.0, "step": 25000.0}
_LEVELS = {"standard_name": "air_pressure", "units": "hPa", "positive": "down", "axis": "Z"}
_MEMBERS = {"standard_name": "realization", "units": "1"}

KINDS: dict[str, Kind] = {
    "ascending": region(),
    "descending": region(falls=(True, False)),
    "east to west": region(falls=(False, True)),
    "0 to 360": region(west=290.0, convention=to_360),
    "-180 to 180": region(west=-70.0),
    "seam inside, 0 to 360": region(west=-3.0, convention=to_360),
    "date line inside": region(west=177.0, convention=to_180, falls=(True, False)),
    "globe from 0": planet(0.0),
    "globe from -180": planet(-180.0, falls=(True, False)),
    "globe rolled, 0 to 360": planet(90.0, convention=to_360),
    "globe rolled, -180 to 180": planet(90.0, convention=to_180),
    "gaussian with bounds": planet(
        -5.625,
        rows=GAUSSIAN_ROWS,
        edges=GAUSSIAN_EDGES,
        names=("time", "lat", "lon"),
        change=with_gaussian_bounds,
        scale=2,
        regular=False,
    ),
    "centres on the poles": planet(0.0, rows=np.linspace(-90, 90, 16), falls=(True, False)),
    "float32 with jitter": region(dtype="f4", jitter=1e-5),
    "float32 descending": region(dtype="f4", falls=(True, False), west=-8.1),
    "rotated, mapping a variable": projected(**_ROTATED, change=mapped(ROTATED)),
    "rotated, mapping a coordinate": projected(
        **_ROTATED, change=with_places(ROTATED, mapped(ROTATED, where="coordinate"))
    ),
    "rotated, mapping in the encoding": projected(
        **_ROTATED,
        falls=(True, False),
        change=mapped(ROTATED, where="coordinate", link="encoding"),
    ),
    "rotated, extended mapping": projected(
        **_ROTATED, change=mapped(ROTATED, text="crs: rlat rlon")
    ),
    "lambert with places": projected(**_LAMBERT, change=with_places(LAMBERT, mapped(LAMBERT))),
    "lambert in km": projected(
        **_LAMBERT,
        km=True,
        attrs=(metres("y", "km"), metres("x", "km")),
        change=mapped(LAMBERT, metre=1e-3),
    ),
    "transverse mercator": projected(
        MERCATOR, 300000.0, 200000.0, 5000.0, falls=(True, False), change=mapped(MERCATOR)
    ),
    "pole inside": projected(POLAR, -400000.0, -600000.0, 50000.0, change=mapped(POLAR)),
    "bare lat and lon": region(names=("time", "lat", "lon"), change=without_attributes),
    "bare x and y": Kind(
        rows=centres(0, 1000.0, 16),
        columns=centres(0, 1000.0, 24),
        names=("time", "y", "x"),
        georeferenced=False,
        change=without_attributes,
    ),
    "transposed": region(
        names=("time", "lat", "lon"), change=transposed("lon", "lat", "time"), falls=(True, False)
    ),
    "time in the middle": region(change=transposed("latitude", "time", "longitude")),
    "scalar coordinates": region(change=with_scalars),
    "noleap": region(times=cftimes("noleap"), calendar="noleap"),
    "360_day": region(times=cftimes("360_day"), calendar="360_day"),
    "month starts": region(times=month_starts),
    "samples": region(
        names=("sample", "latitude", "longitude"), times=None, dims={"time_dim": "sample"}
    ),
    "levels": region(
        change=stacked(("time", "level"), np.array([1000.0, 850.0]), _LEVELS),
    ),
    "realizations": region(
        change=stacked(("realization", "time"), np.arange(2, dtype="i4"), _MEMBERS),
    ),
    "sea masked": region(change=sea_masked),
    "packed int16": region(change=packed, falls=(True, False)),
    "two variables": region(targets=("t2m", "d2m"), falls=(True, False)),
}

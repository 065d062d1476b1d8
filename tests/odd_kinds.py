"""Odd kinds of CF-like datasets, made from a plain twin, and how the twin is got back from results.

Each kind is a function of an `Odd` and of `pick`, which chooses from a list, so that one function
serves hypothesis and a plain random search. Kinds are applied in the order of `KINDS`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cftime
import numpy as np
import pandas as pd
import xarray as xr

#: Chooses one entry of a list.
Pick = Callable[[Sequence[Any]], Any]

TIMES, ROWS, COLUMNS, SCALE = 6, 8, 12, 2
ABSOLUTE_ZERO = -273.15


@dataclasses.dataclass(frozen=True, kw_only=True)
class Odd:
    """An odd dataset, and how to undo the change of layout.

    Parameters
    ----------
    ds : xarray.Dataset
        The odd dataset.
    names : mapping
        Its dimensions by those of the plain twin.
    steps : numpy.ndarray
        The time steps of the twin that it has, in its order.
    factor, offset : float
        ``plain = odd * factor + offset``.
    tolerance : float
        Largest rounding of the values, in K.
    options : mapping
        Global options of xarray.
    kinds : tuple of str
        What is odd.
    numbered : tuple of numpy.ndarray, optional
        Latitudes and longitudes of rows and columns, where the dimensions count cells.
    array : bool
        Whether the temperature is given alone, as a DataArray.
    sound : bool
        Whether each kind is plain CF, which may not be refused.
    """

    ds: xr.Dataset
    names: Mapping[str, str]
    steps: np.ndarray
    factor: float = 1.0
    offset: float = 0.0
    tolerance: float = 1e-3
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    kinds: tuple[str, ...] = ()
    numbered: tuple[np.ndarray, np.ndarray] | None = None
    array: bool = False
    sound: bool = True

    @property
    def given(self) -> xr.Dataset | xr.DataArray:
        """What the package is given."""
        return self.ds["t2m"] if self.array else self.ds

    def to(self, ds: xr.Dataset, **changes: Any) -> Odd:
        """Replace the dataset, and more."""
        return dataclasses.replace(self, ds=ds, **changes)

    @property
    def dims(self) -> tuple[str, str, str]:
        """Names of time, y and x."""
        return self.names["time"], self.names["lat"], self.names["lon"]


# --- the plain twin -------------------------------------------------------------------------------


def plain(masked: bool = False) -> xr.Dataset:
    """Temperatures of whole K and a hill on even degrees, around the meridian of 0."""
    rng = np.random.default_rng(3)
    rows, columns = np.arange(ROWS)[:, None], np.arange(COLUMNS)
    wave = np.sin(np.arange(TIMES)[:, None, None] + rows / 3 + columns / 2)
    t2m = np.round(225 + 15 * wave + 4 * rng.random((TIMES, ROWS, COLUMNS))).astype("f4")
    if masked:
        t2m[:, 2:5, 3:8] = np.nan
        t2m[2, 0, 0] = np.nan
    hill = (10.0 * rows + 3 * columns).astype("f4")
    return xr.Dataset(
        {
            "t2m": (("time", "lat", "lon"), t2m, {"units": "K"}),
            "orog": (("lat", "lon"), hill, {"units": "m"}),
        },
        {
            "time": pd.date_range("2001-01-01", periods=TIMES),
            "lat": ("lat", 41.0 + 2 * np.arange(ROWS), {"units": "degrees_north"}),
            "lon": ("lon", -11.0 + 2 * np.arange(COLUMNS), {"units": "degrees_east"}),
        },
    )


def plain_lr(masked: bool = False) -> xr.Dataset:
    """Whole K on blocks of the plain twin."""
    means = plain(masked)[["t2m"]].coarsen(lat=SCALE, lon=SCALE).mean()
    return means.round().assign(t2m=means.t2m.round().assign_attrs(units="K"))


def start(ds: xr.Dataset) -> Odd:
    """The twin, in which nothing is odd."""
    names = {name: name for name in ("time", "lat", "lon")}
    return Odd(ds=ds.copy(deep=True), names=names, steps=np.arange(ds.sizes["time"]))


# --- values ---------------------------------------------------------------------------------------


def _with_t2m(odd: Odd, values: Any, **attrs: Any) -> xr.Dataset:
    old = odd.ds.t2m
    return odd.ds.assign(t2m=(old.dims, values, {**old.attrs, **attrs}))


def spelling_of_kelvin(odd: Odd, pick: Pick) -> Odd:
    one = pick(["kelvin", "deg K", "degrees K", "degK", "Kelvin", "degree_Kelvin", np.str_("K")])
    return odd.to(_with_t2m(odd, odd.ds.t2m.values, units=one))


def celsius(odd: Odd, pick: Pick) -> Odd:
    one = pick(["degC", "°C", "degrees C", "Celsius", "degrees_celsius", "deg_C", "C", "degree C"])
    ds = _with_t2m(odd, (odd.ds.t2m.values + ABSOLUTE_ZERO).astype("f4"), units=one)
    return odd.to(ds, offset=-ABSOLUTE_ZERO)


def odd_units(odd: Odd, pick: Pick) -> Odd:
    one = pick([None, 1, b"K", ["K"], " K ", "", "K*", np.array("K"), True, np.nan, "K\n"])
    return odd.to(_with_t2m(odd, odd.ds.t2m.values, units=one))


def dtype(odd: Odd, pick: Pick) -> Odd:
    one = pick(["f8", ">f4", ">f8", "f2", "i2", ">i2", "i4", "u1", "u2", ">u2", "i8", "u8", "g"])
    values = odd.ds.t2m.values
    whole = np.isfinite(values).all() and (values == np.round(values)).all()
    if np.dtype(one).kind in "iu" and (not whole or values.min() < 0):
        return odd
    return odd.to(
        _with_t2m(odd, values.astype(one)), tolerance=0.2 if one == "f2" else odd.tolerance
    )


def odd_dtype(odd: Odd, pick: Pick) -> Odd:
    one = pick(["O", "c8", "U8", "S8", "m8[s]"])
    values = odd.ds.t2m.values
    if one == "m8[s]":
        values = np.nan_to_num(values)
    return odd.to(_with_t2m(odd, values.astype(one)))


def marks(odd: Odd, pick: Pick) -> Odd:
    """Missing values marked in the attributes."""
    values = odd.ds.t2m.values
    if values.dtype.kind not in "fiu":
        return odd
    mark = pick([-9999.0, 1e20, 9.96921e36, -32768.0])
    if values.dtype.kind in "iu":
        mark = float(np.iinfo(values.dtype).max)
    if values.dtype == "f2":
        mark = -9984.0
    held = np.asarray(mark).astype(values.dtype)
    values = np.where(np.isnan(values), held, values) if values.dtype.kind == "f" else values
    said = pick([held[()], float(held), [float(held)], np.array([held]), np.array([held, held])])
    return odd.to(_with_t2m(odd, values, **{pick(["_FillValue", "missing_value"]): said}))


def odd_marks(odd: Odd, pick: Pick) -> Odd:
    said = pick(
        ["-9999", "nan", np.nan, None, [], "NaN", b"-9999", True, [None], 1e400, {}, "none"]
    )
    return odd.to(
        _with_t2m(odd, odd.ds.t2m.values, **{pick(["_FillValue", "missing_value"]): said})
    )


def limits(odd: Odd, pick: Pick) -> Odd:
    """Missing values beyond limits."""
    values = odd.ds.t2m.values
    if values.dtype.kind != "f":
        return odd
    values = np.where(np.isnan(values), np.asarray(3e4).astype(values.dtype), values)
    said = pick(
        [
            {"valid_range": [-300, 1000]},
            {"valid_range": np.array([-300.0, 1000.0])},
            {"valid_max": 1000},
            {"valid_min": np.float32(-300), "valid_max": np.array([1000.0])},
            {"valid_range": (np.float32(-300), np.float32(1000))},
        ]
    )
    return odd.to(_with_t2m(odd, values, **said))


def odd_limits(odd: Odd, pick: Pick) -> Odd:
    said = pick(
        [
            {"valid_range": "-300, 1000"},
            {"valid_range": "-300f, 1000f"},
            {"valid_range": [-300]},
            {"valid_range": [-300, 0, 1000]},
            {"valid_range": []},
            {"valid_max": None},
            {"valid_max": "1000."},
            {"valid_range": [1000, -300]},
            {"valid_range": [np.nan, np.nan]},
            {"actual_range": [0, 1]},
            {"valid_min": []},
        ]
    )
    return odd.to(_with_t2m(odd, odd.ds.t2m.values, **said))


def packed(odd: Odd, pick: Pick) -> Odd:
    """Packed values, as a file that is opened without decoding has them."""
    values = odd.ds.t2m.values
    if values.dtype.kind != "f" or (np.nan_to_num(values) > 300).any():
        return odd
    scale, offset = pick([(0.01, 250.0), (0.5, 0.0), (-0.01, 200.0), (1.0, 220.0)])
    kind = pick(["i2", ">i2", "i4"])
    packed_values = np.round((np.nan_to_num(values) - offset) / scale)
    packed_values = np.where(np.isnan(values), -32767, packed_values).astype(kind)
    number = pick([float, np.float32, lambda v: np.array([v]), lambda v: [v]])
    attrs = {"scale_factor": number(scale), "_FillValue": np.int16(-32767)}
    if offset:
        attrs["add_offset"] = number(offset)
    return odd.to(_with_t2m(odd, packed_values, **attrs), tolerance=abs(scale))


def unsigned(odd: Odd, pick: Pick) -> Odd:
    """Unsigned bytes that NetCDF-3 holds as signed ones."""
    values = odd.ds.t2m.values
    if not (np.isfinite(values).all() and (values == np.round(values)).all() and values.min() > 0):
        return odd
    values = values.astype("u1").view("i1")
    return odd.to(_with_t2m(odd, values, _Unsigned=pick(["true", "True", True])))


# --- names, order and direction -------------------------------------------------------------------


def order(odd: Odd, pick: Pick) -> Odd:
    t, y, x = odd.dims
    dims = pick([(t, x, y), (y, t, x), (y, x, t), (x, y, t), (x, t, y)])
    return odd.to(odd.ds.transpose(*dims))


def falling(odd: Odd, pick: Pick) -> Odd:
    dims = pick([("lat",), ("lon",), ("lat", "lon")])
    return odd.to(odd.ds.isel({odd.names[d]: slice(None, None, -1) for d in dims}))


def convention(odd: Odd, pick: Pick) -> Odd:
    """0 to 360 degrees, with a jump or begun inside the region."""
    name = odd.names["lon"]
    old = odd.ds[name]
    if pick([True, False]):
        return odd.to(odd.ds.assign_coords({name: (name, old.values + 360, old.attrs)}))
    ds = odd.ds.assign_coords({name: (name, old.values % 360, old.attrs)})
    return odd.to(ds.sortby(name) if pick([True, False]) else ds)


def names(odd: Odd, pick: Pick) -> Odd:
    y, x = pick([("latitude", "longitude"), ("LAT", "LON"), ("nav_lat", "nav_lon"), ("Lat", "Lon")])
    new = {"lat": y, "lon": x, "time": pick(["time", "valid_time", "Time", "t", "time_counter"])}
    return _renamed(odd, new)


def odd_names(odd: Odd, pick: Pick) -> Odd:
    y, x = pick(
        [
            ("y", "x"),
            ("x", "y"),
            ("rows", "columns"),
            ("bnds", "nv"),
            ("channel", "statistic"),
            ("lat deg", "lon deg"),
            ("lat", "t2m_"),
            ("north.south", "east-west"),
            ("lat/a", "lon"),
            ("größe", "länge"),
            ("time_", "realization"),
            ("class", "self"),
            ("lev", "z"),
        ]
    )
    ds = odd.ds
    for name, stated in (("lat", "latitude"), ("lon", "longitude")):
        ds[odd.names[name]].attrs["standard_name"] = stated
    return _renamed(odd.to(ds), {"lat": y, "lon": x, "time": pick(["time", "y_", "day"])})


def names_of_variables(odd: Odd, pick: Pick) -> Odd:
    """The other variable, or a further one, has an odd name."""
    name = pick([1, ("a", "b"), "time_bnds", "channel", "y", "crs", "", "a b", "%", "realization"])
    return odd.to(odd.ds.assign({name: odd.ds.t2m}))


def _renamed(odd: Odd, new: Mapping[str, Any]) -> Odd:
    change = {odd.names[k]: v for k, v in new.items() if odd.names[k] != v}
    if set(change.values()) & (set(odd.ds.variables) | set(odd.ds.dims)):
        return odd
    return odd.to(odd.ds.rename(change), names={**odd.names, **new})


# --- coordinates ----------------------------------------------------------------------------------


def spelling_of_degrees(odd: Odd, pick: Pick) -> Odd:
    north, east = pick(
        [
            ("degree_north", "degree_east"),
            ("degrees_N", "degrees_E"),
            ("degreesN", "degreesE"),
            ("deg", "deg"),
            ("degrees north", "degrees east"),
            ("°N", "°E"),
            ("°", "°"),
            ("degrees", "degrees"),
            (None, None),
        ]
    )
    ds = odd.ds.copy()
    for name, unit in ((odd.names["lat"], north), (odd.names["lon"], east)):
        ds[name].attrs.pop("units", None)
        ds[name].attrs |= {} if unit is None else {"units": unit}
    return odd.to(ds)


def odd_attrs_of_axes(odd: Odd, pick: Pick) -> Odd:
    key, value = pick(
        [
            ("units", None),
            ("units", 1),
            ("units", "m"),
            ("units", "radians"),
            ("units", b"degrees_north"),
            ("units", ["degrees"]),
            ("standard_name", None),
            ("standard_name", 7),
            ("standard_name", ["latitude"]),
            ("standard_name", "Latitude"),
            ("axis", "y"),
            ("axis", "X"),
            ("axis", None),
            ("axis", 3),
            ("bounds", 3),
            ("bounds", "nowhere"),
            ("bounds", ["a"]),
            ("bounds", ""),
            ("bounds", None),
            ("grid_mapping", 3),
            ("climatology", 1),
            ("scale_factor", 2.0),
            ("_FillValue", 41.0),
            ("valid_range", [0.0, 1.0]),
            ("missing_value", "x"),
            ("comment", None),
            (5, "x"),
            ("positive", "up"),
            ("nested", {"a": 1}),
            ("calendar", "noleap"),
            ("formula_terms", "a: lat b: lon"),
        ]
    )
    ds = odd.ds.copy()
    name = odd.names[pick(["lat", "lon", "time"])]
    if name in ds.coords:
        ds[name].attrs = {**ds[name].attrs, key: value}
    return odd.to(ds)


def dtype_of_axes(odd: Odd, pick: Pick) -> Odd:
    ds, one = odd.ds, pick(["f4", ">f4", ">f8", "i2", "i4", ">i4", "i8", "i1", "u1", "u2", "f2"])
    for name in pick([("lat",), ("lon",), ("lat", "lon")]):
        dim = odd.names[name]
        if dim not in ds.indexes or ds[dim].dtype.kind not in "fiu":
            continue
        values = ds[dim].values
        kind = np.dtype(one)
        if kind.kind in "iu" and not (
            np.iinfo(kind).min <= values.min() and values.max() <= np.iinfo(kind).max
        ):
            continue
        ds = ds.assign_coords({dim: (dim, values.astype(one), ds[dim].attrs)})
    return odd.to(ds)


def odd_dtype_of_axes(odd: Odd, pick: Pick) -> Odd:
    ds, dim = odd.ds, odd.names[pick(["lat", "lon"])]
    if dim not in ds.indexes:
        return odd
    values, attrs = ds[dim].values, ds[dim].attrs
    made = pick(["object", "text", "category", "interval", "complex", "nan", "timedelta", "bool"])
    new = {
        "object": lambda: values.astype(object),
        "text": lambda: values.astype(str),
        "category": lambda: pd.CategoricalIndex(values.astype("f8")),
        "interval": lambda: pd.IntervalIndex.from_arrays(values - 1, values + 1),
        "complex": lambda: values.astype(complex),
        "nan": lambda: np.where(np.arange(values.size) == 1, np.nan, values),
        "timedelta": lambda: values.astype("i8").astype("m8[s]"),
        "bool": lambda: values > values.mean(),
    }[made]()
    return odd.to(ds.assign_coords({dim: (dim, new, attrs)}))


def without_index(odd: Odd, pick: Pick) -> Odd:
    dims = pick([("lat",), ("lon",), ("time",), ("lat", "lon", "time")])
    known = [odd.names[d] for d in dims if odd.names[d] in odd.ds.indexes]
    return odd.to(odd.ds.drop_indexes(known))


def without_coordinate(odd: Odd, pick: Pick) -> Odd:
    dims = pick([("lat",), ("lon",), ("time",), ("lat", "lon")])
    return odd.to(odd.ds.drop_vars([odd.names[d] for d in dims], errors="ignore"))


def two_dimensional(odd: Odd, pick: Pick) -> Odd:
    """Latitude and longitude over y and x, with or without numbers of the cells."""
    _, y, x = odd.dims
    if y not in odd.ds.coords or x not in odd.ds.coords or "j" in odd.ds.dims:
        return odd
    lat, lon = odd.ds[y], odd.ds[x]
    if any(c.dtype.kind not in "fiu" or np.ptp(c.values.astype("f8")) > 180 for c in (lat, lon)):
        return odd  # no places, or a seam inside the region
    places = {
        "lat2d": (
            ("j", "i"),
            np.broadcast_to(lat.values[:, None], (lat.size, lon.size)),
            lat.attrs,
        ),
        "lon2d": (("j", "i"), np.broadcast_to(lon.values, (lat.size, lon.size)), lon.attrs),
    }
    ds = odd.ds.drop_vars([y, x]).rename({y: "j", x: "i"}).assign_coords(places)
    ds = ds.rename(lat2d=pick(["XLAT", "lat2d", "nav_lat"]), lon2d=pick(["XLONG", "lon2d", "TLON"]))
    if pick([True, False]):
        ds = ds.assign_coords(j=np.arange(lat.size), i=np.arange(lon.size))
    # the places between cells are approximated
    new = {**odd.names, "lat": "j", "lon": "i"}
    return odd.to(ds, names=new, tolerance=0.3, numbered=(lat.values, lon.values))


def bounds(odd: Odd, pick: Pick) -> Odd:
    """Right bounds in any form that CF allows."""
    ds = odd.ds.copy()
    for name in pick([("lat",), ("lon",), ("lat", "lon")]):
        dim = odd.names[name]
        if dim not in ds.coords or ds[dim].dtype.kind not in "fiu":
            continue
        half = abs(float(np.median(np.diff(ds[dim].values.astype("f8"))))) / 2
        edges = np.stack([ds[dim].values - half, ds[dim].values + half], 1)
        edges = edges[:, ::-1] if pick([True, False]) else edges
        edges = edges.astype(pick(["f8", "f4", ">f8"]))
        called = pick([f"{dim}_bnds", f"{dim}_bounds", f"{dim}_vertices"])
        bounds = {called: ((dim, pick(["bnds", "nv", "bounds", "D2"])), edges)}
        ds = ds.assign(bounds) if pick([True, False]) else ds.assign_coords(bounds)
        getattr(ds[dim], pick(["attrs", "encoding"]))["bounds"] = called
    return odd.to(ds)


def odd_bounds(odd: Odd, pick: Pick) -> Odd:
    ds, dim = odd.ds.copy(), odd.names[pick(["lat", "lon"])]
    if dim not in ds.coords or ds[dim].dtype.kind not in "fiu" or "bnds" in ds.dims:
        return odd
    edges = np.stack([ds[dim].values - 1.0, ds[dim].values + 1.0], 1)
    made = {
        "transposed": (("bnds", dim), edges.T),
        "one column": ((dim, "bnds"), edges[:, :1]),
        "four corners": ((dim, "bnds"), np.repeat(edges, 2, 1)),
        "along one dimension": ((dim,), edges[:, 0]),
        "scalar": ((), 1.0),
        "NaN": ((dim, "bnds"), edges * np.nan),
        "NaN at the rim": ((dim, "bnds"), np.where(np.arange(len(edges))[:, None], edges, np.nan)),
        "text": ((dim, "bnds"), edges.astype(str)),
        "objects": ((dim, "bnds"), edges.astype(object)),
        "dates": ((dim, "bnds"), edges.astype("i8").astype("M8[ns]")),
        "zero": ((dim, "bnds"), edges * 0),
        "infinite": ((dim, "bnds"), np.full_like(edges, np.inf)),
        "complex": ((dim, "bnds"), edges.astype("c16")),
        "bool": ((dim, "bnds"), edges > 0),
    }[pick(list(ODD_BOUNDS))]
    ds = ds.assign_coords({f"{dim}_bnds": made})
    ds[dim].attrs["bounds"] = f"{dim}_bnds"
    return odd.to(ds)


ODD_BOUNDS = ("transposed", "one column", "four corners", "along one dimension", "scalar", "NaN")
ODD_BOUNDS += ("NaN at the rim", "text", "objects", "dates", "zero", "infinite", "complex", "bool")


# --- time -----------------------------------------------------------------------------------------


def _at(odd: Odd, times: Any) -> Odd:
    name = odd.names["time"]
    attrs = odd.ds[name].attrs if name in odd.ds.coords else {}
    return odd.to(odd.ds.assign_coords({name: (name, times, attrs)}))


def resolution(odd: Odd, pick: Pick) -> Odd:
    days = np.datetime64("2001-01-01", "D") + np.arange(len(odd.steps))
    return _at(odd, days[odd.steps].astype(pick(["M8[s]", "M8[ms]", "M8[us]", "M8[ns]"])))


def calendar(odd: Odd, pick: Pick) -> Odd:
    one = pick(["standard", "proleptic_gregorian", "noleap", "360_day", "julian", "all_leap"])
    days = [cftime.datetime(2001, 1, 1 + int(i), calendar=one) for i in odd.steps]
    return _at(odd, np.array(days, object))


def odd_times(odd: Odd, pick: Pick) -> Odd:
    n = len(odd.steps)
    days = pd.date_range("2001-01-01", periods=n)[odd.steps]
    made = pick(["number", "text", "zone", "period", "date", "NaT", "twice", "float", "mixed",
                 "object", "timedelta", "far", "Timestamp", "none"])  # fmt: skip
    new = {
        "number": lambda: np.arange(n)[odd.steps],
        "float": lambda: 0.5 * np.arange(n)[odd.steps],
        "text": lambda: days.strftime("%Y-%m-%d"),
        "zone": lambda: days.tz_localize("UTC"),
        "period": lambda: days.to_period("D"),
        "date": lambda: np.array(list(days.date), object),
        "NaT": lambda: days.where(np.arange(n) != 1),
        "twice": lambda: days[[0, 0, *range(2, n)]],
        "mixed": lambda: np.array([0, "a", *range(2, n)], object),
        "object": lambda: np.array([int, str, bytes, float, list, dict], object)[:n],
        "timedelta": lambda: days - days.min(),
        "far": lambda: np.array([cftime.datetime(9999, 1, 1 + i) for i in odd.steps], object),
        "Timestamp": lambda: pd.Index(list(days), dtype=object),
        "none": lambda: np.array([None] * n, object),
    }[made]()
    return _at(odd, new)


def shuffled(odd: Odd, pick: Pick) -> Odd:
    """Steps in another order; with dates, this is undone."""
    if odd.names["time"] not in odd.ds.coords:
        return odd
    n = len(odd.steps)
    place = pick([np.arange(n)[::-1], np.roll(np.arange(n), 2), np.array([1, 0, *range(2, n)])])
    return odd.to(odd.ds.isel({odd.names["time"]: place}), steps=odd.steps[place])


def beside_time(odd: Odd, pick: Pick) -> Odd:
    """Dates in a coordinate along time, whose index is missing or holds numbers."""
    t = odd.names["time"]
    if t not in odd.ds.coords or "XTIME" in odd.ds.variables:
        return odd
    ds = odd.ds.assign_coords(XTIME=(t, odd.ds[t].variable.values)).drop_vars(t)
    return odd.to(ds.assign_coords({t: np.arange(ds.sizes[t])}) if pick([True, False]) else ds)


def time_bounds(odd: Odd, pick: Pick) -> Odd:
    ds, t = odd.ds.copy(), odd.names["time"]
    if t not in ds.coords or ds[t].dtype.kind != "M" or ds[t].values.dtype.kind != "M":
        return odd
    day = np.timedelta64(1, "D")
    edges = np.stack([ds[t].values, ds[t].values + day], 1)
    made = {
        "right": ((t, "bnds"), edges),
        "reversed": ((t, "bnds"), edges[:, ::-1]),
        "transposed": (("bnds", t), edges.T),
        "numbers": ((t, "bnds"), np.stack([np.arange(len(edges))] * 2, 1)),
        "NaT": ((t, "bnds"), np.full(edges.shape, np.datetime64("NaT", "ns"))),
        "text": ((t, "bnds"), edges.astype(str)),
        "cftime": ((t, "bnds"), np.full(edges.shape, cftime.datetime(2001, 1, 1), object)),
        "None": ((t, "bnds"), np.full(edges.shape, None)),
    }[pick(["right", "reversed", "transposed", "numbers", "NaT", "text", "cftime", "None"])]
    if "bnds" in ds.dims:
        return odd
    ds = ds.assign_coords({"when": made}) if pick([True, False]) else ds.assign({"when": made})
    ds[t].attrs["bounds"] = "when"
    return odd.to(ds)


# --- further coordinates, attributes and encodings ------------------------------------------------


def scalars(odd: Odd, pick: Pick) -> Odd:
    name, value, attrs = pick(
        [
            ("height", 2.0, {"units": "m", "axis": "Z"}),
            ("number", 3, {"standard_name": "realization"}),
            ("realization", 0, {}),
            ("level", "surface", {}),
            ("reftime", np.datetime64("2000-12-31", "ns"), {}),
            ("step", np.timedelta64(1, "D"), {}),
            ("member", "r1i1p1f1", {}),
            ("x_", None, {}),
            ("channel", 1, {}),
            ("product", "bilinear", {}),
            ("variable", "t", {}),
            ("bnds", 1, {}),
            ("surface", np.bool_(True), {}),
            ("ref", cftime.datetime(2000, 1, 1), {}),
            ("valid", np.float16(1), {"_FillValue": np.float16(1)}),
            ("z", np.nan, {"units": None}),
            ("flag", b"x", {}),
        ]
    )
    if name in odd.ds.variables or name in odd.ds.dims:
        return odd
    return odd.to(odd.ds.assign_coords({name: ((), value, attrs)}))


def along(odd: Odd, pick: Pick) -> Odd:
    """Further coordinates along the dimensions."""
    t, y, x = odd.dims
    dims = pick([(t,), (y,), (x,), (y, x), (t, y), (x, y), (t, y, x)])
    shape = tuple(odd.ds.sizes[d] for d in dims)
    made = pick(
        ["number", "text", "bool", "object", "date", "timedelta", "NaN", "complex", "bytes"]
    )
    count = np.arange(int(np.prod(shape))).reshape(shape)
    values = {
        "number": count,
        "text": count.astype(str),
        "bytes": count.astype("S4"),
        "bool": count > 3,
        "object": np.where(count > 1, "a", None),
        "date": count.astype("M8[s]"),
        "timedelta": count.astype("m8[s]"),
        "NaN": count * np.nan,
        "complex": count * 1j,
    }[made]
    name = pick(["area", "month", "lat_", "region", "channel", "time_", "cell", "product"])
    if name in odd.ds.variables or name in odd.ds.dims:
        return odd
    return odd.to(odd.ds.assign_coords({name: (dims, values)}))


def beside(odd: Odd, pick: Pick) -> Odd:
    """Further variables that are no fields."""
    t, y, x = odd.dims
    dims, values = pick(
        [
            ((t,), np.zeros(TIMES)),
            ((t,), np.array(["a"] * TIMES)),
            ((t,), np.datetime64("2001-01-01", "ns") + np.arange(TIMES)),
            ((y,), np.zeros(odd.ds.sizes[y])),
            ((), "text"),
            ((), 1.5),
            (("letters",), np.array([b"a", b"b"])),
            ((t, "letters"), np.full((TIMES, 2), b"a")),
            ((t, "edges"), np.zeros((TIMES, 2))),
            ((y, x), np.full((odd.ds.sizes[y], odd.ds.sizes[x]), "land")),
        ]
    )
    return odd.to(odd.ds.assign(other=(dims, values)))


def level(odd: Odd, pick: Pick) -> Odd:
    """A dimension of length 1."""
    dim = pick(["height", "level", "number", "band", "bnds", "channel", "band2"])
    if dim in odd.ds.dims or dim in odd.ds.variables:
        return odd
    ds = odd.ds.assign(t2m=odd.ds.t2m.expand_dims(dim, axis=pick([0, 1, -1])))
    return odd.to(ds.assign_coords({dim: [1.5]}) if pick([True, False]) else ds)


def attributes(odd: Odd, pick: Pick) -> Odd:
    key, value = pick(
        [
            ("comment", None),
            ("flags", [1, "a"]),
            ("nested", {"a": 1}),
            ("when", pd.Timestamp("2001")),
            ("on", True),
            (5, "x"),
            (("a",), "x"),
            ("cell_methods", None),
            ("cell_methods", 5),
            ("cell_methods", "area: mean time: point"),
            ("standard_name", None),
            ("standard_name", 7),
            ("standard_name", ["x"]),
            ("long_name", 1.5),
            ("coordinates", "lat lon nowhere"),
            ("coordinates", 3),
            ("ancillary_variables", "nowhere"),
            ("cell_measures", "area: nowhere"),
            ("GRIB_name", "x"),
            ("history", 3),
            ("title", ["x"]),
            ("source", b"x"),
            ("institution", None),
            ("xr_dl4ds_provenance", "{"),
            ("xr_dl4ds_provenance", None),
            ("xr_dl4ds_provenance", "[]"),
            ("xr_dl4ds_provenance", '{"scale": "2"}'),
            ("xr_dl4ds_unfinished", "{"),
            ("xr_dl4ds_unfinished", None),
            ("axis", "X"),
            ("bounds", "orog"),
            ("grid_mapping", 3),
            ("CDI_grid_type", 3),
            ("time", "x"),
            ("flag_values", np.array([1, 2], "i1")),
            ("climatology", ["x"]),
            ("function", len),
        ]
    )
    ds = odd.ds.copy()
    if pick([True, False]):
        return odd.to(ds.assign_attrs({key: value}))
    ds["t2m"].attrs = {**ds["t2m"].attrs, key: value}
    return odd.to(ds)


CRS84 = {"grid_mapping_name": "latitude_longitude", "semi_major_axis": 6371229.0}
CRS84 |= {"inverse_flattening": 0.0, "longitude_of_prime_meridian": 0.0}


def grid_mapping(odd: Odd, pick: Pick) -> Odd:
    """A grid mapping of latitude and longitude in any form that CF allows."""
    ds, (_, y, x) = odd.ds.copy(), odd.dims
    values = pick([np.int32(0), b"", "", np.float64(np.nan), np.array(b"x", "S1")])
    made = {"crs": ((), values, CRS84)}
    ds = ds.assign_coords(made) if pick([True, False]) else ds.assign(made)
    said = pick(["crs", f"crs: {y} {x}", "crs ", f"crs:{y}", f"crs: {y} {x} other: time"])
    getattr(ds["t2m"], pick(["attrs", "encoding"]))["grid_mapping"] = said
    return odd.to(ds)


def odd_grid_mapping(odd: Odd, pick: Pick) -> Odd:
    ds = odd.ds.copy()
    about = pick(
        [
            {},
            {"grid_mapping_name": "nowhere"},
            {"grid_mapping_name": 3},
            {"grid_mapping_name": None},
            {"crs_wkt": "x"},
            {"crs_wkt": None},
            {"crs_wkt": b"GEOGCS"},
            {"spatial_ref": 4326},
            {"grid_mapping_name": "latitude_longitude", "semi_major_axis": "x"},
            {"grid_mapping_name": "latitude_longitude", 3: "x"},
            {"grid_mapping_name": "mercator"},
            {"grid_mapping_name": "latitude_longitude", "comment": {"a": 1}},
            {"grid_mapping_name": "rotated_latitude_longitude"},
            {"crs_wkt": ""},
            {"GeoTransform": "0 1 0 0 0 1"},
        ]
    )
    shape = pick([(), (1,)])
    dims = ("one",) if shape else ()
    made = {"crs": (dims, np.zeros(shape, "i4"), about)}
    ds = ds.assign_coords(made) if pick([True, False]) else ds.assign(made)
    said = pick(["crs", "crs: nowhere", "nowhere", "", ":", "crs crs", ["crs"], None, "t2m"])
    getattr(ds["t2m"], pick(["attrs", "encoding"]))["grid_mapping"] = said
    return odd.to(ds)


def encodings(odd: Odd, pick: Pick) -> Odd:
    """What files leave in the encoding, or users."""
    key, value = pick(
        [
            ("_FillValue", -9999.0),
            ("missing_value", 225.0),
            ("scale_factor", 0.01),
            ("dtype", np.dtype("i2")),
            ("dtype", "S1"),
            ("chunksizes", (1, 2, 3)),
            ("chunksizes", (1,)),
            ("preferred_chunks", {"time": 1}),
            ("preferred_chunks", {}),
            ("coordinates", "lat lon nowhere"),
            ("source", 3),
            ("units", "hours since 1900-01-01"),
            ("units", "x"),
            ("calendar", "noleap"),
            ("calendar", None),
            ("bounds", 3),
            ("grid_mapping", 3),
            ("unlimited_dims", {"time"}),
            ("original_shape", None),
            ("nowhere", object()),
        ]
    )
    ds = odd.ds.copy()
    names_ = [*odd.dims, "t2m"]
    name = pick(names_)
    if name in ds.variables:
        ds[name].encoding = {key: value}
    return odd.to(ds)


# --- memory and options ---------------------------------------------------------------------------


def chunks(odd: Odd, pick: Pick) -> Odd:
    sizes = {d: pick([1, 2, 3, 5, -1]) for d in odd.dims}
    if pick([True, False]):
        return odd.to(odd.ds.chunk(sizes))
    return odd.to(odd.ds.assign(t2m=odd.ds.t2m.chunk(sizes)))


def uneven_chunks(odd: Odd, pick: Pick) -> Odd:
    t = odd.names["time"]
    return odd.to(odd.ds.chunk({t: pick([(1, 2, 3), (3, 1, 1, 1), (6,)])}))


def memory(odd: Odd, pick: Pick) -> Odd:
    """Arrays in another order, on a larger one, or that cannot be written."""
    values = odd.ds.t2m.values
    made = pick(["F", "strided", "read-only"])
    if made == "F":
        values = np.asfortranarray(values)
    elif made == "strided":
        values = np.repeat(values, 2, axis=-1)[..., ::2]
    else:
        values = values.copy()
        values.flags.writeable = False
    return odd.to(_with_t2m(odd, values))


def as_array(odd: Odd, pick: Pick) -> Odd:
    return dataclasses.replace(odd, array=True)


def xarray_options(odd: Odd, pick: Pick) -> Odd:
    one = pick(
        [
            {"keep_attrs": False},
            {"keep_attrs": True},
            {"arithmetic_broadcast": False},
            {"arithmetic_join": "outer"},
            {"arithmetic_join": "exact"},
            {"arithmetic_compat": "identical"},
            {"use_new_combine_kwarg_defaults": True},
            {"use_flox": False},
            {"use_bottleneck": True},
            {"use_numbagg": False},
            {"enable_cftimeindex": False},
            {"display_style": "text"},
        ]
    )
    return dataclasses.replace(odd, options={**odd.options, **one})


#: Kinds in the order in which they are applied, and whether data of this kind may not be refused.
KINDS: dict[str, tuple[Callable[[Odd, Pick], Odd], bool]] = {
    kind.__name__: (kind, sound)
    for kind, sound in (
        (spelling_of_kelvin, True),
        (celsius, True),
        (odd_units, False),
        (dtype, True),
        (odd_dtype, False),
        (marks, True),
        (limits, True),
        (packed, True),
        (unsigned, False),
        (odd_marks, False),
        (odd_limits, False),
        (order, True),
        (falling, True),
        (convention, True),
        (spelling_of_degrees, True),
        (names, True),
        (dtype_of_axes, True),
        (bounds, True),
        (resolution, True),
        (calendar, False),
        (odd_times, False),
        (shuffled, True),
        (time_bounds, False),
        (odd_attrs_of_axes, False),
        (odd_dtype_of_axes, False),
        (odd_bounds, False),
        (without_index, False),
        (beside_time, True),
        (without_coordinate, False),
        (two_dimensional, False),
        (names_of_variables, False),
        (odd_names, False),
        (scalars, False),
        (along, False),
        (beside, False),
        (level, False),
        (attributes, False),
        (grid_mapping, True),
        (odd_grid_mapping, False),
        (encodings, False),
        (memory, True),
        (chunks, True),
        (uneven_chunks, True),
        (as_array, True),
        (xarray_options, True),
    )
}

#: Kinds that undo each other's work, of which one is applied.
EXCLUSIVE = [
    {"spelling_of_kelvin", "celsius", "odd_units"},
    {"marks", "limits", "packed", "unsigned", "odd_marks", "odd_limits"},
    {"packed", "dtype", "odd_dtype", "unsigned"},
    {"calendar", "resolution", "odd_times"},
    {"names", "odd_names", "two_dimensional"},
    {"grid_mapping", "odd_grid_mapping"},
    {"bounds", "odd_bounds"},
]


def made(base: xr.Dataset, chosen: Sequence[str], pick: Pick) -> Odd:
    """Apply kinds to the plain twin; of exclusive ones, the first."""
    odd = start(base)
    taken: list[str] = []
    for name in (k for k in KINDS if k in chosen):
        if any(name in group and group & set(taken) for group in EXCLUSIVE):
            continue
        kind, sound = KINDS[name]
        taken.append(name)
        odd = dataclasses.replace(kind(odd, pick), kinds=tuple(taken), sound=odd.sound and sound)
    return odd

"""Axes, grids and fields that the tests of this folder build alike."""

import numpy as np
import xarray as xr

from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.fields import Fields, standardize
from xr_dl4ds.grid.grid import Grid

#: How users lay out one run of longitudes: the values change, the cells do not.
LAYOUTS = {
    "as is": lambda lon: lon,
    "descending": lambda lon: lon[::-1],
    "0..360, seam inside": lambda lon: lon % 360,
    "0..360, descending": lambda lon: lon[::-1] % 360,
    "0..360, sorted": lambda lon: np.sort(lon % 360),
    "0..360, sorted, descending": lambda lon: np.sort(lon % 360)[::-1],
    "-180..180": lambda lon: (lon + 180) % 360 - 180,
}


def planar(*values, name="x"):
    return Axis(name=name, values=np.array(values))


def lat(*values):
    return Axis(name="lat", values=np.array(values), kind="latitude")


def lon(*values):
    return Axis(name="lon", values=np.array(values), kind="longitude")


def plane(ny, nx, *, step=1.0, y0=0.0, x0=0.0):
    """A planar grid of square cells; `y0` and `x0` are its lower edges."""
    y, x = (low + step * (np.arange(n) + 0.5) for low, n in ((y0, ny), (x0, nx)))
    return Grid(y=planar(*y, name="y"), x=planar(*x))


def field(latitude, longitude, values=None, *, time=2):
    """`t(time, lat, lon)`: smooth on the sphere, so that 0 and 360 degrees are the same place."""
    latitude, longitude = np.asarray(latitude), np.asarray(longitude)
    if values is None:
        values = np.cos(np.deg2rad(longitude.astype("f8") - 20)) + latitude[:, None] / 50.0
        values = values + np.arange(time)[:, None, None]
    return xr.Dataset(
        {"t": (("time", "lat", "lon"), values, {"units": "K"})},
        coords={
            "time": np.datetime64("2001-01-01", "ns") + np.arange(time) * np.timedelta64(1, "D"),
            "lat": ("lat", latitude, {"units": "degrees_north"}),
            "lon": ("lon", longitude, {"units": "degrees_east"}),
        },
    )


def fields(obj, **dims) -> Fields:
    """The inner form of user data."""
    return standardize(obj, Dims(**dims), "the data")


def on(grid, values, **attrs):
    """Canonical fields `t(time, y, x)` or `t(y, x)`."""
    dims = ("time", "y", "x")[-np.ndim(values) :]
    return xr.Dataset({"t": (dims, np.asarray(values), attrs)}, coords=grid.coords)

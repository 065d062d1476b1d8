"""Faults in the values of data, made from a plain dataset: marks, gaps, infinities and overflow.

A fault puts one value into some cells of one variable. Beside the faulty data stand two twins with
the same units, packing and order: one with NaN in these cells, and one without the fault.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

#: Chooses one entry of a list.
Pick = Callable[[Sequence[Any]], Any]

TIMES, ROWS, COLUMNS, SCALE = 6, 8, 12, 2

#: Units of each variable, as ``stored = value * factor + offset``.
UNITS = {
    "t2m": [("K", 1.0, 0.0), ("degC", 1.0, -273.15), ("degF", 1.8, -459.67)],
    "pr": [("mm d-1", 1.0, 0.0), ("kg m-2 s-1", 1 / 86400, 0.0), ("m d-1", 1e-3, 0.0)],
    "wind": [("m s-1", 1.0, 0.0), ("km h-1", 3.6, 0.0)],
    "orog": [("m", 1.0, 0.0), ("km", 1e-3, 0.0), ("mm", 1e3, 0.0)],
}

#: Values that stand for missing ones, or come of overflow; 1e39 is infinite in float32.
MARKS = [np.nan, np.inf, -np.inf, -9999.0, -999.0, -32768.0, 9999.0, 1e20, 9.96921e36, 3.4e38, 1e39]
#: Marks that packed integers of two bytes hold; the first is the default of NetCDF.
PACKED = [-32767, -32768, -9999]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Faulty:
    """Data with a fault, and their twins.

    Parameters
    ----------
    ds, twin, clean : xarray.Dataset
        The data with the fault, with NaN in its cells, and without it.
    name : str
        The variable with the fault.
    value : float
        The value in its cells, as the data hold it; NaN for a gap.
    touched : numpy.ndarray
        True in its cells, in the order of the data, ``(time, lat, lon)`` or ``(lat, lon)``.
    marked : bool
        Whether the metadata mark the value, so that nothing but the result of `twin` is right.
    tolerance : float
        Largest rounding of the values, in the unit of the plain data.
    factor : float
        ``stored = value * factor + offset``.
    """

    ds: xr.Dataset
    twin: xr.Dataset
    clean: xr.Dataset
    name: str
    value: float
    touched: np.ndarray
    marked: bool
    tolerance: float
    factor: float

    @property
    def lazy(self) -> bool:
        """Whether the variable is lazy."""
        return self.ds[self.name].chunks is not None

    def __repr__(self) -> str:
        one = self.ds[self.name]
        return (
            f"{self.name}={self.value!r} in {int(self.touched.sum())} of {self.touched.size} cells,"
            f" {one.dtype}, {one.attrs}, {one.encoding}, chunks={one.chunks}, marked={self.marked}"
        )


# --- plain data -----------------------------------------------------------------------------------


def plain(masked: bool = False) -> xr.Dataset:
    """Temperature, precipitation and wind over a hill."""
    rng = np.random.default_rng(5)
    rows, columns = np.arange(ROWS)[:, None], np.arange(COLUMNS)
    wave = np.sin(np.arange(TIMES)[:, None, None] + rows / 3 + columns / 2)
    noise = rng.random((3, TIMES, ROWS, COLUMNS))
    fields = {
        "t2m": np.round(285 + 12 * wave + 4 * noise[0]),
        "pr": np.round(np.maximum(0, 8 * wave + 6 * noise[1])),
        "wind": np.round(8 + 4 * wave + 3 * noise[2]),
    }
    if masked:
        for values in fields.values():
            values[:, 2:4, 4:8] = np.nan
            values[2, 0:2, 0:2] = np.nan
    dims = ("time", "lat", "lon")
    found = {n: (dims, v.astype("f4"), {"units": UNITS[n][0][0]}) for n, v in fields.items()}
    hill = (100.0 * rows + 30 * columns).astype("f4")
    return xr.Dataset(
        {**found, "orog": (("lat", "lon"), hill, {"units": "m"})},
        {
            "time": pd.date_range("2001-01-01", periods=TIMES),
            "lat": ("lat", 41.0 + np.arange(ROWS), {"units": "degrees_north"}),
            "lon": ("lon", 1.0 + np.arange(COLUMNS), {"units": "degrees_east"}),
        },
    )


def plain_lr(masked: bool = False) -> xr.Dataset:
    """Means of blocks of the plain data, rounded, without the hill."""
    fine = plain(masked)[["t2m", "pr", "wind"]]
    means = fine.coarsen(lat=SCALE, lon=SCALE).mean().round()
    return means.map(lambda v: v.assign_attrs(fine[v.name].attrs))


# --- faults ---------------------------------------------------------------------------------------


def _cells(shape: tuple[int, ...], pick: Pick) -> np.ndarray:
    """Where the fault is."""
    touched = np.zeros(shape, bool)
    y, x = shape[-2], shape[-1]
    at = pick([(0, 0), (y // 2, x // 2), (y - 1, x - 1)])
    kind = pick(["cell", "cell", "cells", "always", "step", "last", "row", "half", "whole"])
    if kind == "cell":
        touched[(pick([0, shape[0] - 1]),) * (len(shape) - 2) + at] = True
    elif kind == "cells":
        rng = np.random.default_rng(pick(range(5)))
        touched |= rng.random(shape) < 0.1
        touched[(0,) * len(shape)] = True
    elif kind == "always":
        touched[(..., *at)] = True
    elif kind in ("step", "last") and len(shape) == 3:
        touched[-1 if kind == "last" else pick([0, 2])] = True
    elif kind == "row":
        touched[..., at[0], :] = True
    elif kind == "half":
        touched[..., : x // 2] = True
    else:
        touched[...] = True
    return touched


def spoiled(base: xr.Dataset, name: str, pick: Pick) -> Faulty:
    """Put a fault into a variable of plain data.

    Parameters
    ----------
    base : xarray.Dataset
        Plain data.
    name : str
        The variable.
    pick : callable
        Chooses one entry of a list.
    """
    plain_values = base[name].to_numpy().astype("f8")
    touched = _cells(plain_values.shape, pick)
    units, factor, offset = pick(UNITS[name])
    right = plain_values * factor + offset
    stored = pick(["f4", "f4", "f8", "i2", "i4", "packed", "unpacked"])
    if stored in ("i2", "i4") and (factor < 1 or np.isnan(right).any()):
        stored = "f4"
    rounding = 0.0
    if stored in ("packed", "unpacked"):
        values, value, right, about, rounding = _packed(right, touched, stored, pick)
    else:
        values, value, right, about = _stored(right, touched, stored, units, pick)
    attrs, encoding, marked = about
    made = [values, np.where(touched, np.nan, right).astype("f4"), right.astype("f4")]
    every = []
    for i, one in enumerate(made):
        own = {"units": units, **(attrs if i == 0 else {})}
        ds = base.assign({name: (base[name].dims, one, own)})
        if i == 0:
            ds[name].encoding = encoding
        every.append(ds)
    if "time" in base[name].dims and pick([False, False, True]):
        order = pick([np.arange(TIMES)[::-1], np.roll(np.arange(TIMES), 2)])
        every, touched = [ds.isel(time=order) for ds in every], touched[order]
    chunks = pick([None, None, {"time": 2}, {"time": 4, "lat": 3, "lon": 3}])
    if chunks is not None:
        sizes = {d: n for d, n in chunks.items() if d in base.dims}
        every[0] = every[0].chunk(sizes)
    return Faulty(
        ds=every[0],
        twin=every[1],
        clean=every[2],
        name=name,
        value=float(value),
        touched=touched,
        marked=marked,
        tolerance=1e-3 + rounding / factor,
        factor=factor,
    )


def _stored(right: np.ndarray, touched: np.ndarray, dtype: str, units: str, pick: Pick) -> tuple:
    """Values of a dtype with a mark in some cells, and what the metadata say."""
    value = pick(MARKS + [0.0] * (units == "K"))
    if dtype[0] == "i":
        whole = np.isfinite(value) and abs(value) <= np.iinfo(dtype).max
        value = value if whole else -9999.0
        right = np.round(right)
        if abs(right).max() > np.iinfo(dtype).max:
            dtype = "i4"
    with np.errstate(over="ignore"):
        value = np.asarray(value).astype(dtype)[()]
        values = np.where(touched, value, right.astype(dtype))
    said = pick(["none", "none", "right", "missing_value", "other", "encoding"])
    finite = np.isfinite(float(value))
    attrs, encoding = {}, {}
    if said == "right" and finite:
        attrs = {"_FillValue": value}
    elif said == "missing_value" and finite:
        attrs = {"missing_value": value}
    elif said == "other":
        attrs = {"_FillValue": np.asarray(-8888).astype(dtype)[()]}
    elif said == "encoding":
        encoding = {"_FillValue": float(value), "dtype": np.dtype(dtype)}
    return values, value, right, (attrs, encoding, said in ("right", "missing_value") and finite)


def _packed(right: np.ndarray, touched: np.ndarray, stored: str, pick: Pick) -> tuple:
    """Packed integers with a mark in some cells; or unpacked ones, as xarray opens a file."""
    low, high = np.nanmin(right), np.nanmax(right)
    step = max((high - low) / pick([500, 60000]), 1e-12)
    middle = (low + high) / 2
    raw = np.round((np.nan_to_num(right, nan=low) - middle) / step)
    own = np.isnan(right)
    right = np.where(own, np.nan, raw * step + middle)
    said = pick(["none", "right", "right"])
    mark = PACKED[0] if said == "none" else pick(PACKED)
    raw = np.where(touched, mark, raw)
    if said == "none" and (own & ~touched).any():
        said = "right"
    if said == "right":
        raw = np.where(own & ~touched, mark, raw)
    attrs = {"scale_factor": step, "add_offset": middle}
    fill = {"_FillValue": np.int16(mark)} if said == "right" else {}
    if stored == "packed":
        return raw.astype("i2"), mark, right, ({**attrs, **fill}, {}, said == "right"), step
    held = raw * step + middle
    if said == "right":
        held, mark = np.where(raw == mark, np.nan, held), np.nan
    else:
        mark = mark * step + middle
    encoding = {**attrs, **fill, "dtype": np.dtype("i2")}
    return held.astype("f4"), mark, right, ({}, encoding, False), step

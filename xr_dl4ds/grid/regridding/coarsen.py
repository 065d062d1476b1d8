"""Block means, which create LR fields from HR fields."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Hashable, Mapping
from typing import cast

import numpy as np
import xarray as xr

from xr_dl4ds.config import Scale
from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.cells import blocks
from xr_dl4ds.grid.cf.conventions import (
    note_without_mean,
    with_axes,
    with_encodings,
    with_times,
)
from xr_dl4ds.grid.cf.coordinates import PLACE_NAMES, kind_of
from xr_dl4ds.grid.cf.decoding import decoded
from xr_dl4ds.grid.cf.dimensions import Dims, auxiliary_names
from xr_dl4ds.grid.cf.fields import Fields, as_dataset, grid_of, gridded, require_usable
from xr_dl4ds.grid.cf.indexing import take
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import X, Y
from xr_dl4ds.grid.regridding.block_means import mean_of_blocks

logger = logging.getLogger(__name__)


@with_expected_options
def coarsen(
    obj: xr.Dataset | xr.DataArray,
    scale: int | tuple[int, int],
    *,
    trim: bool = False,
    dims: Dims | None = None,
    look: Callable[[Mapping[str, xr.DataArray], str], object] | None = None,
) -> xr.Dataset:
    """Average blocks of cells, in the caller's layout.

    Parameters
    ----------
    obj : xarray.Dataset or xarray.DataArray
        Fields on one grid, with any other dimensions; variables without y and x are kept.
    scale : int or tuple of int
        Cells along one edge of a block, >= 2, or along y and along x.
    trim : bool
        Drop the last rows and columns that do not fill a block, instead of raising.
    dims : Dims, optional
        Dimensions named by the caller.
    look : callable, optional
        Called with the fields to average by name, and with a name for the data in messages.

    Returns
    -------
    xarray.Dataset
        Lazy where `obj` is. Each block is the mean of its valid cells, NaN without valid cells.
        Coordinates are block means with CF bounds; ``area: mean`` is added to `cell_methods`.

    Raises
    ------
    GridError
        If `scale` does not divide the grid and `trim` is False.
    """
    ds = as_dataset(decoded(obj, "the data to coarsen"), "the data to coarsen")
    found = gridded(ds, dims or Dims(), "the data to coarsen")
    factors = Scale.asked(scale)
    require_usable(ds[list(found)], "the data to coarsen")
    note_without_mean(ds[list(found)], "the data to coarsen")
    if look is not None:
        look({str(n): ds[n] for n in found}, "the data to coarsen")
    first = next(iter(found))
    grid = grid_of(ds, first, found[first], "the data to coarsen", places=False)
    ds, grid = _in_one_run(ds, grid)
    whole = leftover_free(grid, factors, trim=trim)
    y, x = grid.y.name, grid.x.name
    kept = ds.isel({y: whole[Y], x: whole[X]})
    out = block_mean(kept, {y: factors.y, x: factors.x})
    for name in found:
        out[name].attrs = with_area_mean(kept[name].attrs)
        out[name].encoding = {}  # the packing of the HR values would round the means
        if grid.mapping_name is not None:
            out[name].attrs["grid_mapping"] = grid.mapping_name
    out = with_axes(out, coarser(trimmed(grid, factors, trim=trim), factors))
    out = with_times(out, ds).assign_attrs(ds.attrs)
    return with_encodings(out, auxiliary_names(ds) | auxiliary_names(out))


def _in_one_run(ds: xr.Dataset, grid: Grid) -> tuple[xr.Dataset, Grid]:
    """Place neighbouring columns side by side if longitudes begin inside the region."""
    axis, order = grid.x.in_one_run()
    if axis is grid.x:
        return ds, grid
    ds = ds.isel({axis.name: order}).assign_coords(
        {axis.name: (axis.name, axis.values, dict(axis.attrs))}
    )
    return ds, dataclasses.replace(grid, x=axis)


def block_mean(ds: xr.Dataset, blocks: Mapping[str, int]) -> xr.Dataset:
    """Return the mean of the valid cells of each block; keep floating dtypes, drop attributes.

    Numeric coordinates along both dimensions are averaged, longitudes on the circle. Coordinates
    along one dimension, and text, are dropped.
    """
    inner = set(blocks)
    fields = [n for n, v in ds.data_vars.items() if inner <= set(v.dims)]
    touched = [n for n, v in ds.variables.items() if set(v.dims) & inner]
    around = {n: ds[n] for n in ds.coords if inner <= set(ds[n].dims) and ds[n].dtype.kind in "fiu"}
    beside = [n for n in ds.coords if n in touched and n not in blocks]
    means = ds[fields].drop_vars(beside, errors="ignore")
    # sums of float16 overflow
    means = means.map(lambda v: v.astype("f4") if v.dtype == "f2" else v)
    means = means.map(lambda v: mean_of_blocks(v, blocks))
    means = means.map(lambda v: v if ds[v.name].dtype.kind == "f" else v.astype("f4"))
    others = ds.drop_vars(touched)
    places = _place_means(around, blocks)
    averaged = {n: _coordinate_mean(v, blocks) for n, v in around.items() if n not in places}
    kept = {n: v.variable for n, v in others.coords.items()}  # with attributes and encoding
    return means.assign(dict(others.data_vars.items())).assign_coords(
        {**kept, **averaged, **places}
    )


def _place_means(
    coords: Mapping[Hashable, xr.DataArray], blocks: Mapping[str, int]
) -> dict[Hashable, xr.DataArray]:
    """Return block means of a pair of latitudes and longitudes, as means of places on the sphere.

    Means of the numbers are far off where a block holds a pole, or the fold of a tripolar grid.
    """
    found = {kind: [n for n in coords if _is(coords[n], kind)] for kind in PLACE_NAMES}
    if any(len(names) != 1 for names in found.values()):
        return {}
    names = [found["latitude"][0], found["longitude"][0]]
    lat, lon = (np.deg2rad(_plain(coords[n]).astype("f8")) for n in names)
    parts = np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)
    east, north, up = (
        part.coarsen(blocks, boundary="exact").mean() for part in cast(tuple[xr.DataArray], parts)
    )
    means = np.arctan2(up, np.hypot(east, north)), np.arctan2(north, east)
    mean_lat, mean_lon = cast(tuple[xr.DataArray, xr.DataArray], tuple(map(np.rad2deg, means)))
    lowest = _plain(coords[names[1]]).min()
    averaged = zip(names, (mean_lat, xr.where(lowest < 0, mean_lon, mean_lon % 360)), strict=True)
    return {
        n: mean.astype(np.result_type(coords[n].dtype, "f4")).assign_attrs(coords[n].attrs)
        for n, mean in averaged
    }


def _is(coordinate: xr.DataArray, kind: str) -> bool:
    return str(coordinate.name).lower() in PLACE_NAMES[kind] or kind_of(coordinate) == kind


def _plain(coordinate: xr.DataArray) -> xr.DataArray:
    """Return a coordinate without further coordinates."""
    return coordinate.reset_coords(drop=True).drop_vars(list(coordinate.indexes))


def _coordinate_mean(coordinate: xr.DataArray, blocks: Mapping[str, int]) -> xr.DataArray:
    """Return block means of a two-dimensional coordinate, without further coordinates."""
    plain = _plain(coordinate)
    is_longitude = _is(coordinate, "longitude")
    lowest = plain.min()
    if is_longitude:  # shift by multiples of 360, so that no block crosses the wrap-around
        middle = plain.isel({d: plain.sizes[d] // 2 for d in plain.dims}, drop=True)
        plain = middle + (plain - middle + 180) % 360 - 180
    mean = plain.coarsen(blocks, boundary="exact").mean()
    if is_longitude:
        mean = xr.where(lowest < 0, (mean + 180) % 360 - 180, mean % 360)
    return mean.assign_attrs(coordinate.attrs)


def coarsened(fields: Fields, scale: Scale) -> Fields:
    """Return the block means of canonical fields whose size is a multiple of `scale`."""
    note_without_mean(fields.data, "the HR data")
    grid = coarser(fields.grid, scale)
    data = block_mean(fields.data, scale.by_dim)
    for name in data.data_vars:
        data[name].attrs = with_area_mean(fields.data[name].attrs)
    return dataclasses.replace(fields, data=data.assign_coords(grid.coords), grid=grid)


def coarser(grid: Grid, scale: Scale) -> Grid:
    """Return the grid of block means in the same layout; `scale` must divide its size."""
    x, _ = grid.x.in_one_run()
    return dataclasses.replace(grid, y=blocks(grid.y, scale.y), x=blocks(x, scale.x))


def trim_fields(fields: Fields, scale: Scale, *, trim: bool) -> Fields:
    """Drop leftover rows and columns, the last in the user's layout, from canonical fields."""
    grid = trimmed(fields.grid, scale, trim=trim)
    keep = {
        dim: before.order.argsort()[after.order]  # canonical positions of the kept cells
        for dim, before, after in (
            (Y, fields.grid.y, grid.y),
            (X, fields.grid.x.in_one_run()[0], grid.x),
        )
    }
    return dataclasses.replace(
        fields, data=take(fields.data, keep).assign_coords(grid.coords), grid=grid
    )


def trimmed(grid: Grid, scale: Scale, *, trim: bool) -> Grid:
    """Drop leftover cells of a grid; raise a `GridError` if there are any and `trim` is False."""
    keep = leftover_free(grid, scale, trim=trim)
    y, (x, _) = grid.y, grid.x.in_one_run()
    return dataclasses.replace(grid, y=y.take(keep[Y]), x=x.take(keep[X]))


def leftover_free(grid: Grid, scale: Scale, *, trim: bool) -> dict[str, slice]:
    """Return slices in the user's layout whose lengths are multiples of `scale`."""
    keep, complaints = {}, []
    for dim, axis, cells in ((Y, grid.y, scale.y), (X, grid.x, scale.x)):
        size = axis.size - axis.size % cells
        keep[dim] = slice(0, size)
        if size < axis.size:
            rest = ", ".join(f"{v:g}" for v in axis.values[size:])
            complaints.append(
                f"{axis.name} has {axis.size} cells, {axis.size - size} too many ({rest})"
            )
        if size < 2 * cells:
            raise GridError(
                f"Expected at least two blocks of {cells} cells along {axis.name}, got"
                f" {axis.size} cells. Use a smaller scale or a larger region."
            )
    if complaints and not trim:
        wanted = f"{grid.y.name}=slice(0, {keep[Y].stop}), {grid.x.name}=slice(0, {keep[X].stop})"
        raise GridError(
            f"Expected a grid that scale {scale} divides, got {'; '.join(complaints)}. Drop them"
            f" with .isel({wanted}) or pass trim=True."
        )
    if complaints:
        logger.info("trimmed: %s", "; ".join(complaints))
    return keep


def with_area_mean(attrs: dict) -> dict:
    """Return CF attributes of a spatial mean: ``area: mean`` after the other cell methods."""
    methods = str(attrs.get("cell_methods", "")).strip()
    if "area: mean" in methods:
        return dict(attrs)
    return {**attrs, "cell_methods": f"{methods} area: mean".strip()}

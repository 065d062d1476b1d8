"""Interpolation of the user's data to the grid of another object, in the layout of that grid."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xr_dl4ds.config import nearest
from xr_dl4ds.grid import regrid, reprojection
from xr_dl4ds.grid.discovery import Dims
from xr_dl4ds.grid.fields import Grid, X, Y, as_dataset, grid_of, gridded, require_usable
from xr_dl4ds.grid.nesting import require_overlap
from xr_dl4ds.grid.weights import METHODS

Data = xr.Dataset | xr.DataArray


def interpolate(obj: Data, like: Data, method: str, dims: Dims) -> xr.Dataset:
    """Interpolate all fields of `obj`, lazily.

    Parameters
    ----------
    obj : xarray.Dataset or xarray.DataArray
        Fields on one grid, with any other dimensions, in any order.
    like : xarray.Dataset or xarray.DataArray
        Whose grid is wanted.
    method : {"bicubic", "bilinear", "nearest", "conservative"}
        See `xr_dl4ds.grid.weights`.
    dims : Dims
        Dimensions of `obj` named by the caller.

    Returns
    -------
    xarray.Dataset
        With the spatial coordinates of `like`, everything else from `obj`. Reprojected where the
        two have different CRSs: then NaN beyond the cells of `obj`.

    Raises
    ------
    GridError
        When the grids do not overlap.
    """
    if method not in METHODS:
        raise ValueError(
            f"Expected `method` to be one of {', '.join(METHODS)}, got {method!r}."
            f"{nearest(method, METHODS)} Pass one of these."
        )
    ds = as_dataset(obj, "the data")
    found = gridded(ds, dims, "the data")
    require_usable(ds[list(found)], "the data")
    first, named = next(iter(found.items()))
    source = grid_of(ds, first, named)
    target = _grid_like(like, dims.within(like) if hasattr(like, "dims") else Dims())
    require_overlap(source, target, "the data", "the target grid")
    inner = {str(named.y): Y, str(named.x): X}
    order = {str(named.y): source.y.order, str(named.x): source.x.order}
    data = ds[list(found)].isel(order).reset_coords(drop=True).rename(inner)
    data = data.drop_vars([Y, X]).transpose(..., Y, X)
    same = reprojection.same_place(source, target)
    bring = regrid.interpolate if same else reprojection.reproject
    data = bring(data, source, target, method).drop_vars([Y, X])
    data = data.isel({Y: target.y.order.argsort(), X: target.x.order.argsort()})
    outer = {named.y: target.y.name, named.x: target.x.name}
    out = data.rename({Y: target.y.name, X: target.x.name}).drop_vars(list(data.coords))
    mapping = target if target.mapping_name is not None or not same else source
    for name in found:
        out[name] = out[name].transpose(*(outer.get(str(d), d) for d in ds[name].dims))
        out[name].attrs.pop("grid_mapping", None)
        if mapping.mapping_name is not None:
            out[name].attrs["grid_mapping"] = mapping.mapping_name
    kept = {c: v.variable for c, v in ds.coords.items() if not set(v.dims) & set(inner)}
    if not same:
        kept.pop(source.mapping_name, None)
    axes = {a.name: (a.name, a.values, dict(a.attrs)) for a in (target.y, target.x)}
    crs = {mapping.mapping_name: ((), 0, dict(mapping.mapping))} if mapping.mapping_name else {}
    return out.assign_coords({**kept, **axes, **crs}).assign_attrs(ds.attrs)


def _grid_like(like: Data, dims: Dims) -> Grid:
    """The grid of anything that has the coordinates, with or without variables."""
    if isinstance(like, xr.DataArray):
        like = like.rename("like").to_dataset()
    ds = as_dataset(like, "the target grid")
    if not any(v.ndim >= 2 for v in ds.data_vars.values()):
        axes = [c for c in ds.coords if c in ds.dims]
        shape = tuple(ds.sizes[c] for c in axes)
        flat = xr.DataArray(np.broadcast_to(0.0, shape), {c: ds[c] for c in axes}, axes)
        ds = ds.coords.to_dataset().assign(like=flat)
    name, found = next(iter(gridded(ds, dims, "the target grid").items()))
    return grid_of(ds, name, found)

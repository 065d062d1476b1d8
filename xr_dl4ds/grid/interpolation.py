"""Interpolation of the user's data to the grid of another object, in the layout of that grid."""

from __future__ import annotations

import xarray as xr

from xr_dl4ds.config import nearest
from xr_dl4ds.grid import regrid
from xr_dl4ds.grid.discovery import Dims
from xr_dl4ds.grid.fields import TIME, X, Y, as_dataset, standardize
from xr_dl4ds.grid.nesting import require_overlap
from xr_dl4ds.grid.weights import METHODS

Data = xr.Dataset | xr.DataArray


def interpolate(obj: Data, like: Data, method: str, dims: Dims) -> xr.Dataset:
    """Interpolate all fields of `obj`, lazily.

    Parameters
    ----------
    obj : xarray.Dataset or xarray.DataArray
        Fields ``(time, y, x)`` or ``(y, x)``, dimensions in any order.
    like : xarray.Dataset or xarray.DataArray
        Whose grid is wanted.
    method : {"bicubic", "bilinear", "nearest", "conservative"}
        See `xr_dl4ds.grid.weights`.
    dims : Dims
        Dimensions of `obj` named by the caller.

    Returns
    -------
    xarray.Dataset
        With the spatial coordinates of `like`, everything else from `obj`.

    Raises
    ------
    GridError
        When the grids do not overlap.
    """
    if method not in METHODS:
        raise ValueError(
            f"Expected `method` to be one of {', '.join(METHODS)}, got {method!r}."
            f"{nearest(method, METHODS)}"
        )
    ds = as_dataset(obj, "the data")
    source = standardize(ds, dims, "the data")
    target = standardize(like, Dims(), "the target grid")
    require_overlap(source.grid, target.grid, "the data", "the target grid")
    data = regrid.interpolate(source.data, source.grid, target.grid, method)
    y, x = target.grid.y, target.grid.x
    data = data.isel({Y: y.order.argsort(), X: x.order.argsort()})
    names = {source.dims.y: Y, source.dims.x: X, source.dims.time: TIME}
    back = {Y: y.name, X: x.name, TIME: source.dims.time}
    out = xr.Dataset(attrs=ds.attrs)
    for name, variable in data.items():
        order = [names[str(d)] for d in ds[name].dims]
        moved = variable.transpose(*order).drop_vars(list(variable.coords))
        out[name] = moved.rename({d: back[d] for d in order if d != back[d]})
    spatial = {source.dims.y, source.dims.x}
    kept = {c: v.variable for c, v in ds.coords.items() if not set(v.dims) & spatial}
    axes = {a.name: (a.name, a.values, dict(a.attrs)) for a in (y, x)}
    return out.assign_coords({**kept, **axes})

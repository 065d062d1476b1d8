"""Interpolation of the user's data to the grid of another object, in the layout of that grid."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr

from xr_dl4ds.config import nearest
from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.grid.cf.conventions import note_without_mean
from xr_dl4ds.grid.cf.decoding import decoded
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.fields import as_dataset, grid_of, gridded, require_usable
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import Data, X, Y
from xr_dl4ds.grid.regridding.regridder import AcrossCRS, Regridder, SameAxes, regridder
from xr_dl4ds.grid.regridding.weights import METHODS

logger = logging.getLogger(__name__)


@with_expected_options
def interpolate(
    obj: Data,
    like: Data,
    method: str,
    dims: Dims,
    look: Callable[[Mapping[str, xr.DataArray], str], object] | None = None,
) -> xr.Dataset:
    """Interpolate all fields of `obj`, lazily.

    Parameters
    ----------
    obj : xarray.Dataset or xarray.DataArray
        Fields on one grid, with any other dimensions, in any order.
    like : xarray.Dataset or xarray.DataArray
        Object on the target grid.
    method : {"bicubic", "bilinear", "nearest", "conservative"}
        See `xr_dl4ds.grid.regridding.weights`.
    dims : Dims
        Dimensions of `obj` named by the caller.
    look : callable, optional
        Called with the fields to interpolate by name, and with a name for the data in messages.

    Returns
    -------
    xarray.Dataset
        Fields with the spatial coordinates of `like` and everything else from `obj`. If the two
        have different CRSs, the fields are reprojected, with NaN beyond the cells of `obj`.

    Raises
    ------
    GridError
        If the grids do not overlap.
    """
    if method not in METHODS:
        raise ValueError(
            f"Expected `method` to be one of {', '.join(METHODS)}, got {method!r}."
            f"{nearest(method, METHODS)} Pass one of these."
        )
    ds = as_dataset(decoded(obj, "the data"), "the data")
    found = gridded(ds, dims, "the data")
    require_usable(ds[list(found)], "the data")
    if method != "nearest":
        note_without_mean(ds[list(found)], "the data")
    if look is not None:
        look({str(n): ds[n] for n in found}, "the data")
    first, named = next(iter(found.items()))
    source = grid_of(ds, first, named, "the data")
    target = _grid_like(like, dims.within(like) if hasattr(like, "dims") else Dims())
    between = regridder(source, target)
    between.require_overlap("the data", "the target grid")
    _note_uncovered(between)
    inner = {str(named.y): Y, str(named.x): X}
    order = {str(named.y): source.y.order, str(named.x): source.x.order}
    data = ds[list(found)].isel(order).reset_coords(drop=True).rename(inner)
    data = data.drop_vars([Y, X]).transpose(..., Y, X)
    data = between.regrid(data, method).drop_vars([Y, X])
    data = data.isel({Y: target.y.order.argsort(), X: target.x.order.argsort()})
    outer = {named.y: target.y.name, named.x: target.x.name}
    out = data.rename({Y: target.y.name, X: target.x.name}).drop_vars(list(data.coords))
    across = isinstance(between, AcrossCRS)
    mapping = target if across or target.mapping_name is not None else source
    for name in found:
        out[name] = out[name].transpose(*(outer.get(str(d), d) for d in ds[name].dims))
        out[name].attrs.pop("grid_mapping", None)
        if mapping.mapping_name is not None:
            out[name].attrs["grid_mapping"] = mapping.mapping_name
    kept = {c: v.variable for c, v in ds.coords.items() if not set(v.dims) & set(inner)}
    if across:
        kept.pop(source.mapping_name, None)
    axes = {a.name: (a.name, a.labels, dict(a.attrs)) for a in (target.y, target.x)}
    crs = {mapping.mapping_name: ((), 0, dict(mapping.mapping))} if mapping.mapping_name else {}
    return out.assign_coords({**kept, **axes, **crs}).assign_attrs(ds.attrs)


def _note_uncovered(between: Regridder) -> None:
    """Warn of target cells beyond the data, which get the values of the outer cells."""
    beyond = between.uncovered() if isinstance(between, SameAxes) else 0
    if beyond:
        logger.warning(
            "%d of %d cells of the target grid, %s, lie beyond the data, %s, and get the values of"
            " their outer cells: select the cells inside",
            *(beyond, np.prod(between.target.shape)),
            *(between.target.extent, between.source.extent),
        )


def _grid_like(like: Data, dims: Dims) -> Grid:
    """Return the grid of any object with coordinates, with or without variables."""
    if isinstance(like, xr.DataArray):
        like = like.rename("like").to_dataset()
    ds = as_dataset(like, "the target grid")
    if not any(v.ndim >= 2 for v in ds.data_vars.values()):
        axes = [c for c in ds.coords if c in ds.dims]
        shape = tuple(ds.sizes[c] for c in axes)
        flat = xr.DataArray(np.broadcast_to(0.0, shape), {c: ds[c] for c in axes}, axes)
        ds = ds.coords.to_dataset().assign(like=flat)
    name, found = next(iter(gridded(ds, dims, "the target grid").items()))
    return grid_of(ds, name, found, "the target grid")

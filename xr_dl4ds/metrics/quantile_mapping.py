"""Empirical quantile mapping of interpolated LR fields to HR fields, cell by cell.

A value is replaced by the HR value of the same quantile (Panofsky and Brier 1968, *Some
Applications of Statistics to Meteorology*; compared with other mappings by Gudmundsson et al. 2012,
doi:10.5194/hess-16-3383-2012). The package xsdba has this mapping too, and many more. It is not
used here: it brings a dozen packages of 200 MB, among them numba, for the few lines below.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.cf.time_axis import has_dates
from xr_dl4ds.grid.names import TIME, X, Y
from xr_dl4ds.grid.regridding.regridder import regridder

#: Number of quantiles of a season in a table: the centres of so many equal shares.
QUANTILES = 50
#: Fewest valid training steps of a cell in a season for quantiles of that season alone.
FEWEST = 30

_LEVELS = (np.arange(QUANTILES) + 0.5) / QUANTILES
_SEASONS = ("DJF", "MAM", "JJA", "SON")
_NODE, _SEASON, _FIELD = "node", "season", "field"


def quantile_mapped(
    low: Fields, high: Fields, lr: Fields, truth: Fields, amounts: dict[str, bool]
) -> xr.Dataset:
    """Fit a quantile mapping for each variable, cell and season, and apply it.

    LR fields are interpolated bilinearly to HR cells. Quantiles are those of the training steps at
    which both fields have a value; a cell with fewer than 30 of these in a season takes the
    quantiles of all its steps, as do data without dates. Beyond the outer quantiles, the correction
    is that of the outer quantile. Amounts are never negative, and dry cells stay dry.

    Parameters
    ----------
    low, high : Fields
        LR and HR training data at common times, on the cells of `lr` and `truth`.
    lr : Fields
        LR fields at the times that are scored.
    truth : Fields
        The truth.
    amounts : dict of bool
        True for variables that are amounts of precipitation.

    Returns
    -------
    xarray.Dataset
        The mapped fields ``(time, y, x)``, lazy if `lr` is; NaN in cells without training values.
        The quantiles take 1.6 kB of memory for each cell and variable.
    """
    names = truth.varying
    between = regridder(lr.grid, truth.grid)
    train = between.regrid(low.data[names], "bilinear")
    given = between.regrid(lr.data[names], "bilinear")
    out = {}
    for name in names:
        wanted = high.data[name].assign_coords(train[name].coords)
        table = _table(train[name], wanted)
        out[name] = _mapped(given[name], table, dry=amounts[name])
    return xr.Dataset(out)


def _table(low: xr.DataArray, high: xr.DataArray) -> xr.DataArray:
    """Return quantiles of both fields, in memory: ``(season, field, y, x, node)``."""
    valid = low.notnull() & high.notnull()
    fields = [one.where(valid) for one in (low, high)]
    seasons = seasons_along(low)
    whole = xr.concat([_quantiles(one) for one in fields], _FIELD)
    count = valid.sum(TIME)
    tables = []
    for number in range(len(_SEASONS) if (seasons >= 0).any() else 0):
        steps = np.flatnonzero(seasons == number)
        if not steps.size:
            tables.append(whole)
            continue
        part = xr.concat([_quantiles(one.isel({TIME: steps})) for one in fields], _FIELD)
        enough = valid.isel({TIME: steps}).sum(TIME) >= FEWEST
        tables.append(part.where(enough, whole))
    return xr.concat(tables or [whole], _SEASON).where(count > 0).compute()


def seasons_along(fields: xr.DataArray) -> np.ndarray:
    """Return the number of the season of each step, -1 without dates."""
    index = fields.indexes.get(TIME)
    if not has_dates(index):
        return np.full(fields.sizes[TIME], -1)
    return (np.asarray(index.month) % 12) // 3


def _quantiles(field: xr.DataArray) -> xr.DataArray:
    """Return the quantiles of the valid values of each cell, ``(y, x, node)``, float32."""
    if field.chunks is not None:
        field = field.chunk({TIME: -1, Y: "auto", X: "auto"})
    return xr.apply_ufunc(
        _sorted_quantiles,
        field,
        input_core_dims=[[TIME]],
        output_core_dims=[[_NODE]],
        dask="parallelized",
        output_dtypes=["f4"],
        dask_gufunc_kwargs={"output_sizes": {_NODE: QUANTILES}},
        keep_attrs=False,
    )


def _sorted_quantiles(values: np.ndarray) -> np.ndarray:
    """Return the quantiles along the last axis, linear between two values, without NaN."""
    values = np.sort(values, axis=-1)  # NaN at the end
    last = np.maximum((~np.isnan(values)).sum(axis=-1, keepdims=True) - 1, 0)
    at = last * _LEVELS
    below = np.floor(at).astype(int)
    low = np.take_along_axis(values, below, axis=-1)
    above = np.take_along_axis(values, np.minimum(below + 1, last), axis=-1)
    return (low + (at - below) * (above - low)).astype("f4")


def _mapped(field: xr.DataArray, table: xr.DataArray, *, dry: bool) -> xr.DataArray:
    """Return a field with the quantiles of the table; with `dry` for amounts."""
    seasons = seasons_along(field) if table.sizes[_SEASON] > 1 else 0
    numbers = xr.DataArray(np.broadcast_to(np.maximum(seasons, 0), field.sizes[TIME]), dims=TIME)
    if field.chunks is not None:
        numbers = numbers.chunk({TIME: field.chunksizes[TIME]})
        table = table.chunk({d: field.chunksizes[d] for d in (Y, X)})
    return xr.apply_ufunc(
        _map_block,
        field.transpose(TIME, Y, X),
        numbers,
        table.transpose(Y, X, _SEASON, _FIELD, _NODE),
        kwargs={"dry": dry},
        input_core_dims=[[], [], [_SEASON, _FIELD, _NODE]],
        dask="parallelized",
        output_dtypes=["f4"],
        keep_attrs=True,
    )


def _map_block(
    values: np.ndarray, seasons: np.ndarray, table: np.ndarray, *, dry: bool
) -> np.ndarray:
    """Map values ``(time, y, x)`` by a table ``(y, x, season, field, node)``."""
    out = np.full(values.shape, np.nan, "f4")
    seasons = seasons.ravel()
    steps = {int(n): np.flatnonzero(seasons == n) for n in np.unique(seasons)}
    for cell in np.ndindex(values.shape[1:]):
        own = values[(slice(None), *cell)].astype("f8")
        for number, at in steps.items():
            low, high = table[cell][number].astype("f8")
            out[(at, *cell)] = own[at] + np.interp(own[at], low, high - low)
    if not dry:
        return out
    return np.where((values <= 0) & ~np.isnan(out), np.float32(0), np.maximum(out, 0))

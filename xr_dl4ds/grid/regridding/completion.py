"""Completion of LR cells that stick out of the HR domain, by HR cells without values.

A network works on whole LR cells. Where only some HR cells of an LR cell are in the user's data,
the others are added as NaN: training gives them no weight, and predictions leave them out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

import numpy as np
import xarray as xr

from xr_dl4ds.config import Scale
from xr_dl4ds.grid.axis import TOLERANCE, Axis
from xr_dl4ds.grid.cells import with_edges
from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import X, Y

#: Cells to add before the first and after the last cell, in canonical order, by dimension.
Rim = Mapping[str, tuple[int, int]]


def extended_centres(axis: Axis, cells: int) -> tuple[np.ndarray, int]:
    """Return canonical centres with up to `cells` further ones at each end, and how many precede.

    Further centres have the spacing of the outer cells. Latitudes end at the poles, and a global
    axis has no ends.
    """
    centres = axis.canonical
    if axis.periodic or cells == 0:
        return centres, 0
    steps = np.arange(1, cells + 1)
    before = centres[0] - steps[::-1] * (centres[1] - centres[0])
    after = centres[-1] + steps * (centres[-1] - centres[-2])
    if axis.kind == "latitude":
        limit = 90 + TOLERANCE * axis.spacing
        before, after = before[before >= -limit], after[after <= limit]
    return np.r_[before, centres, after], before.size


def leftover(grid: Grid, scale: Scale) -> Rim | None:
    """Return the cells to add after the last ones to fill blocks; None if that is not possible."""
    rim = {}
    for dim, axis, cells in ((Y, grid.y, scale.y), (X, grid.x, scale.x)):
        missing = -axis.size % cells
        if missing and not extendable(grid, axis, 0, missing):
            return None
        rim[dim] = (0, missing)
    return rim


def extendable(grid: Grid, axis: Axis, before: int, after: int) -> bool:
    """Return True if an axis can have further cells, whose locations follow from its own."""
    if grid.geolocation is not None:
        return False
    centres, first = extended_centres(axis, max(before, after))
    return first >= before and centres.size - first - axis.size >= after


def completed(fields: Fields, rim: Rim) -> Fields:
    """Add HR cells without values at the ends of canonical fields."""
    if not any(any(ends) for ends in rim.values()):
        return fields
    grid = dataclasses.replace(
        fields.grid,
        y=extended(fields.grid.y, *rim[Y]),
        x=extended(fields.grid.x, *rim[X]),
    )
    data = with_rim(fields.data, rim).assign_coords(grid.coords)
    return dataclasses.replace(fields, data=data, grid=grid)


def with_rim(
    data: xr.Dataset, rim: Rim, mode: Literal["constant", "edge"] = "constant"
) -> xr.Dataset:
    """Add NaN, or with "edge" the outer cells, at the ends of canonical fields, lazily.

    Then y and x have no coordinates.
    """
    if not data or not any(any(ends) for ends in rim.values()):
        return data
    chunks = {d: data.chunksizes[d] for d in (Y, X) if d in data.chunksizes}
    out = data.drop_vars([Y, X], errors="ignore")
    wider = {d: rim[d] for d in (Y, X)}
    if mode == "edge":
        out = out.pad(wider, mode)
    else:
        out = out.map(_floating).pad(wider, constant_values=np.nan)
    if chunks:  # the new cells belong to the outer chunks
        out = out.chunk({d: _with_ends(sizes, rim[d]) for d, sizes in chunks.items()})
    return out


def _floating(variable: xr.DataArray) -> xr.DataArray:
    return variable if variable.dtype.kind == "f" else variable.astype("f4")


def _with_ends(sizes: tuple[int, ...], ends: tuple[int, int]) -> tuple[int, ...]:
    found = list(sizes)
    found[0] += ends[0]
    found[-1] += ends[1]
    return tuple(found)


def extended(axis: Axis, before: int, after: int) -> Axis:
    """Return an axis with further cells at its ends, in canonical order."""
    centres, first = extended_centres(axis, max(before, after))
    part = slice(first - before, first + axis.size + after)
    edges = axis.edges
    low = edges[0] - np.arange(before, 0, -1) * (edges[1] - edges[0])
    high = edges[-1] + np.arange(1, after + 1) * (edges[-1] - edges[-2])
    run = np.r_[low, edges, high]
    run = np.clip(run, -90, 90) if axis.kind == "latitude" else run
    return with_edges(axis.replace(centres[part]), run)

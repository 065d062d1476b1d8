"""Cropping of canonical fields and grids, without a change of the user's layout."""

from __future__ import annotations

import dataclasses

import numpy as np

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.axis import TOLERANCE, Axis
from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.cf.indexing import take
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import Part, X, Y
from xr_dl4ds.grid.regridding.nesting import turns_between


def cut(fields: Fields, inner: Part) -> Fields:
    """Return a part of canonical fields in the same layout."""
    grid = cut_grid(fields.grid, inner)
    data = take(fields.data, inner).assign_coords(grid.coords)
    return dataclasses.replace(fields, data=data, grid=grid)


def cut_grid(grid: Grid, inner: Part) -> Grid:
    """Return the part of a grid at canonical positions, in the same layout."""
    return dataclasses.replace(grid, y=_cut_axis(grid.y, inner[Y]), x=_cut_axis(grid.x, inner[X]))


def _cut_axis(axis: Axis, part: slice | np.ndarray) -> Axis:
    cells = axis.order[part]
    if cells.size == axis.size:  # a global domain keeps its first column
        return axis
    return axis.take(cells[:: -1 if axis.falls else 1])


def covered(hr: Grid, lr: Grid) -> Part:
    """Return the HR cells whose centres lie inside the LR cells, as canonical slices."""
    inner: Part = {}
    for dim, h, low in ((Y, hr.y, lr.y), (X, hr.x, lr.x)):
        edges = low.edges + turns_between(low, h)
        slack = TOLERANCE * h.spacing
        inside = np.flatnonzero(
            (h.canonical > edges[0] - slack) & (h.canonical < edges[-1] + slack)
        )
        if low.periodic:
            inside = np.arange(h.size)
        if inside.size < 2:
            raise GridError(
                f"Expected LR cells to cover at least two HR centres along {h.name}"
                f" {h.extent}, got {low.extent}. Select the same region of both: they hardly"
                " overlap."
            )
        inner[dim] = slice(int(inside[0]), int(inside[-1]) + 1)
    return inner

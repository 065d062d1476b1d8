"""Parts of canonical fields, in the layout of the whole."""

from __future__ import annotations

import dataclasses

import numpy as np

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.axis import TOLERANCE, Axis
from xr_dl4ds.grid.fields import Fields, Grid, Part, X, Y
from xr_dl4ds.grid.nesting import turns_between
from xr_dl4ds.grid.taking import take


def cut(fields: Fields, inner: Part) -> Fields:
    """A part of canonical fields, the layout kept."""
    grid = cut_grid(fields.grid, inner)
    data = take(fields.data, inner).assign_coords(grid.coords)
    return dataclasses.replace(fields, data=data, grid=grid)


def cut_grid(grid: Grid, inner: Part) -> Grid:
    """A part of a grid by canonical positions, the layout kept."""
    return dataclasses.replace(grid, y=_cut_axis(grid.y, inner[Y]), x=_cut_axis(grid.x, inner[X]))


def _cut_axis(axis: Axis, part: slice | np.ndarray) -> Axis:
    cells = axis.order[part]
    if cells.size == axis.size:  # a full circle goes on beginning where it does
        return axis
    return axis.take(cells[:: -1 if axis.falls else 1])


def covered(hr: Grid, lr: Grid) -> Part:
    """The HR cells whose centres lie inside the LR cells, as canonical slices."""
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

"""Parts of canonical fields, in the layout of the whole."""

from __future__ import annotations

import dataclasses

import numpy as np

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.axis import TOLERANCE, Axis
from xr_dl4ds.grid.fields import Fields, Grid, X, Y
from xr_dl4ds.grid.nesting import turns_between


def cut(fields: Fields, inner: dict[str, slice]) -> Fields:
    """Canonical slices of the fields, the layout kept."""
    grid = dataclasses.replace(
        fields.grid,
        y=cut_axis(fields.grid.y, inner[Y]),
        x=cut_axis(fields.grid.x, inner[X]),
    )
    data = fields.data.isel(inner).assign_coords(grid.coords)
    return dataclasses.replace(fields, data=data, grid=grid)


def cut_axis(axis: Axis, part: slice) -> Axis:
    """A canonical slice of an axis, in its layout."""
    if part == slice(0, axis.size):
        return axis
    return axis.replace(axis.values[axis.order[part][:: -1 if axis.falls else 1]])


def covered(hr: Grid, lr: Grid) -> dict[str, slice]:
    """The HR cells whose centres lie inside the LR cells, as canonical slices."""
    inner = {}
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
                f" {h.extent}, got {low.extent}. The grids hardly overlap: select the same region."
            )
        inner[dim] = slice(int(inside[0]), int(inside[-1]) + 1)
    return inner

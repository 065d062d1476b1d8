"""Full circles of longitude: where the run of cells begins is the user's choice, not the data's."""

from __future__ import annotations

import dataclasses

import numpy as np

from xr_dl4ds.grid.fields import Fields, Grid, X


def facing(fields: Fields, target: Grid) -> Fields:
    """Begin a full circle half a turn west of the middle of `target`, so that no region is cut.

    Fields on other grids, and those that begin there already, come back as they are.
    """
    axis, other = fields.grid.x, target.x
    if not axis.periodic or other.kind != "longitude":
        return fields
    west = (other.canonical[0] + other.canonical[-1] - 360 - axis.spacing) / 2
    if other.periodic:
        west = other.edges[0]
    offset = (axis.canonical - west + 0.01 * axis.spacing) % 360
    first = int(offset.argmin())
    if first == 0:
        return fields
    order = np.roll(np.arange(axis.size), -first)
    run = axis.canonical[order] + 360 * (order < first)
    grid = dataclasses.replace(fields.grid, x=axis.take(axis.order[order], run))
    data = fields.data.isel({X: order}).assign_coords(grid.coords)
    return dataclasses.replace(fields, data=data, grid=grid)

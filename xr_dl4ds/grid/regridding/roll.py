"""Rolling of global domains along longitude.

The first column of a global domain is the user's choice, not a property of the data.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.cf.indexing import take
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import Part, X


def roll_to_face(fields: Fields, target: Grid) -> Fields:
    """Roll global fields so that their wrap-around lies opposite to `target` on the globe.

    Fields on other grids, and fields that need no rolling, are returned unchanged.
    """
    grid, order = rolled_grid(fields.grid, target)
    if grid is fields.grid:
        return fields
    data = take(fields.data, order).assign_coords(grid.coords)
    return dataclasses.replace(fields, data=data, grid=grid)


def rolled_grid(grid: Grid, target: Grid) -> tuple[Grid, Part]:
    """Find the grid whose wrap-around lies opposite to `target`, and the order of its columns.

    Returns
    -------
    grid : Grid
        The rolled grid. It begins 180 degrees west of the middle of `target`, or where a global
        `target` begins. It is the same object if it needs no rolling.
    order : dict
        Positions along x in the given grid; empty if it needs no rolling.
    """
    axis, other = grid.x, target.x
    if not axis.periodic or other.kind != "longitude":
        return grid, {}
    west = (other.canonical[0] + other.canonical[-1] - 360 - axis.spacing) / 2
    if other.periodic:
        west = other.edges[0]
    offset = (axis.canonical - west + 0.01 * axis.spacing) % 360
    first = int(offset.argmin())
    if first == 0:
        return grid, {}
    order = np.roll(np.arange(axis.size), -first)
    run = axis.canonical[order] + 360 * (order < first)
    return dataclasses.replace(grid, x=axis.take(axis.order[order], run)), {X: order}

"""LR cells around a domain, which a network sees besides the cells of the domain."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import xarray as xr

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import Part, X, Y
from xr_dl4ds.grid.regridding.completion import Rim, extendable, extended, with_rim
from xr_dl4ds.grid.regridding.cropping import cut_grid
from xr_dl4ds.grid.regridding.regridder import regridder

#: The most cells on each side that "auto" takes; fewer where the network interpolates first and
#: works on HR cells, of which a margin has many.
CAP, CAP_OF_HR = 8, 2


def widened(grid: Grid, cells: int) -> Grid | None:
    """Return a grid with further cells at each end; None if there are no such places.

    There is nothing beyond a pole, nothing lies around a global domain, and places around a
    curvilinear grid are not known.
    """
    if cells == 0:
        return grid
    if not all(extendable(grid, axis, cells, cells) for axis in (grid.y, grid.x)):
        return None
    return dataclasses.replace(grid, y=_widened(grid.y, cells), x=_widened(grid.x, cells))


def _widened(axis: Axis, cells: int) -> Axis:
    """Return an axis with further cells at each end, in the same direction."""
    wide = extended(axis, cells, cells)
    return wide.take(np.arange(wide.size)[::-1]) if axis.falls else wide


@dataclasses.dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The cells of a domain and around it, and those of them for which fields have values.

    Parameters
    ----------
    grid : Grid
        The domain with the cells around.
    ends : dict of tuple
        For each dimension, the cells at either end for which there are no values.
    """

    grid: Grid
    ends: Rim

    @classmethod
    def of(cls, source: Grid, domain: Grid, cells: int) -> Surroundings:
        """Find the cells around a domain for which fields on `source` have values.

        Raises
        ------
        GridError
            If so many cells do not exist around the domain.
        """
        wide = widened(domain, cells)
        if wide is None:
            raise GridError(
                f"Expected a domain with {cells} cells around, which the model sees, got"
                f" {domain.extent}. Select a domain farther from the poles and not around the"
                " globe, or fit with context=0."
            )
        ends = {Y: (cells, cells), X: (cells, cells)}
        try:
            part = regridder(source, wide).covered() if cells else {}
        except GridError:
            part = {}
        for (dim, inside), size in zip(part.items(), wide.shape, strict=False):
            low, high = cast(slice, inside).indices(size)[:2]
            ends[dim] = (min(low, cells), min(size - high, cells))
        return cls(grid=wide, ends=ends)

    @property
    def covered(self) -> Grid:
        """The cells for which there are values."""
        sizes = dict(zip((Y, X), self.grid.shape, strict=True))
        inside: Part = {d: slice(low, sizes[d] - high) for d, (low, high) in self.ends.items()}
        return cut_grid(self.grid, inside)

    @property
    def known(self) -> xr.DataArray:
        """1 in the cells ``(y, x)`` for which there are values, 0 in the others; float32."""
        (above, below), (west, east) = self.ends[Y], self.ends[X]
        y, x = self.grid.shape
        ones = np.ones((y - above - below, x - west - east), "f4")
        return xr.DataArray(np.pad(ones, ((above, below), (west, east))), dims=(Y, X))

    def filled(self, data: xr.Dataset) -> xr.Dataset:
        """Repeat the outer cells of canonical fields where there are no values."""
        return with_rim(data, self.ends, mode="edge").assign_coords(self.grid.coords)


def seen(
    fields: Fields, domain: Grid, cells: int, regrid: Callable[[Grid], xr.Dataset]
) -> xr.Dataset:
    """Regrid fields to a domain and the cells around it; where there are none, repeat the edge.

    Parameters
    ----------
    fields : Fields
        Fields on any grid.
    domain : Grid
        The LR cells of the domain.
    cells : int
        Cells around the domain, on each side.
    regrid : callable
        Brings the fields onto a grid.
    """
    around = Surroundings.of(fields.grid, domain, cells)
    return around.filled(regrid(around.covered))


def known_share(grids: Sequence[Grid], domain: Grid, cells: int) -> xr.DataArray | None:
    """Return the share of several fields that have values, ``(y, x)``; None if it is 1 everywhere.

    Parameters
    ----------
    grids : sequence of Grid
        The grid of each field.
    domain : Grid
        The LR cells of the domain.
    cells : int
        Cells around the domain, on each side.
    """
    each = [Surroundings.of(grid, domain, cells).known for grid in grids]
    share = sum(each[1:], start=each[0]) / len(each)
    return None if bool((share == 1).all()) else share.astype("f4")


def inner(data: xr.Dataset, cells: int) -> xr.Dataset:
    """Leave out the cells around the domain."""
    return data.isel({d: slice(cells, data.sizes[d] - cells) for d in (Y, X)})


def settled(asked: int | str, domain: Grid, grids: Sequence[Grid], cap: int = CAP) -> int:
    """Return the cells around the domain that the network sees.

    Parameters
    ----------
    asked : int or "auto"
        The option. "auto" takes what the LR data, or one of the predictors, have on some side, up
        to `cap`.
    domain : Grid
        The LR cells of the domain.
    grids : sequence of Grid
        The grids of the LR data and of each of the predictors.
    cap : int
        The most cells that "auto" takes.

    Raises
    ------
    GridError
        If no data have so many cells on any side.
    """
    if asked == 0 or not grids:
        return 0
    most = cap if asked == "auto" else int(asked)
    while most and widened(domain, most) is None:
        most -= 1
    ends = [Surroundings.of(grid, domain, most).ends for grid in grids]
    there = most - min(min(min(side) for side in one.values()) for one in ends)
    if asked != "auto" and there < int(asked):
        raise GridError(
            f"Expected {asked} LR cells around the domain ({domain.extent}) for context={asked},"
            f" got {there}, of the LR data or of predictors=. Use context={there}, or provide LR"
            " data that extend farther."
        )
    return there

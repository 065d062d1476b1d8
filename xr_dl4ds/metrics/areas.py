"""Areas of grid cells, which are the weights of cells in scores."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.crs import is_planar, placed, to_degrees
from xr_dl4ds.grid.geolocation import directions
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import X, Y

#: Relative difference of areas below which all cells count as equally large.
EQUAL = 1e-6


def cell_areas(grid: Grid) -> xr.DataArray | None:
    """Return the areas of the cells of a grid, relative to their mean.

    Cells between meridians and circles of latitude have their area on a sphere. On other grids in
    degrees or with a CRS, the corners of a cell on the sphere span the area. Without known
    latitudes and longitudes the area is the product of the edges.

    Parameters
    ----------
    grid : Grid
        The grid.

    Returns
    -------
    xarray.DataArray or None
        Areas along ``y`` or ``(y, x)``; None if all cells are equally large.
    """
    if is_planar(grid) and placed(grid):
        lat, lon = to_degrees(grid, grid.y.edges, grid.x.edges)
        areas = xr.DataArray(_on_sphere(lat, lon), dims=(Y, X))
        # cells that lie off the Earth have no area and no values
        return _relative(areas.where(np.isfinite(areas), 0.0))
    heights = xr.DataArray(_lengths(grid.y), dims=Y)
    widths = xr.DataArray(_lengths(grid.x), dims=X)
    return _relative(heights if _equal(widths) else heights * widths)


def _lengths(axis: Axis) -> np.ndarray:
    edges = axis.edges
    edges = np.sin(np.deg2rad(edges)) if axis.kind == "latitude" else edges
    return np.abs(np.diff(edges))


def _on_sphere(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Return the areas of cells with corners ``(y + 1, x + 1)``, half the product of diagonals."""
    corners = directions(lat, lon)
    falling = corners[:, 1:, 1:] - corners[:, :-1, :-1]
    rising = corners[:, 1:, :-1] - corners[:, :-1, 1:]
    areas: np.ndarray = np.linalg.norm(np.cross(falling, rising, axis=0), axis=0) / 2
    return areas


def _relative(areas: xr.DataArray) -> xr.DataArray | None:
    return None if _equal(areas) else areas / areas.mean()


def _equal(areas: xr.DataArray) -> bool:
    return float(areas.max() - areas.min()) <= EQUAL * float(areas.mean())

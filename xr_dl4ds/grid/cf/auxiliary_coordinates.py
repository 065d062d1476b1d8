"""CF auxiliary coordinates: two-dimensional latitude and longitude of projected or rotated grids.

Projected and rotated grids often have these coordinates in addition to their axes. Without a CRS,
only these coordinates locate the cells. Some files state a CRS that contradicts them.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable

import numpy as np
import xarray as xr

from xr_dl4ds.grid.cf.coordinates import PLACE_NAMES, in_memory
from xr_dl4ds.grid.crs import is_planar, label, projection, to_degrees
from xr_dl4ds.grid.geolocation import Geolocation, degrees_between, directions
from xr_dl4ds.grid.grid import Grid

logger = logging.getLogger(__name__)

#: Largest accepted distance, in cells, between locations from the CRS and from the file.
AGREEMENT = 0.1


def geolocation_of(variable: xr.DataArray, dims: tuple[str, str], grid: Grid) -> Geolocation | None:
    """Read the latitude and longitude of the cells of a variable, if its grid needs them.

    Parameters
    ----------
    variable : xarray.DataArray
        A variable with coordinates, which are found by CF attributes or by name.
    dims : tuple of str
        Dimensions of the variable along y and x.
    grid : Grid
        Grid of the variable, without a geolocation.

    Returns
    -------
    Geolocation or None
        None for axes of latitude and longitude, without usable coordinates, or if the CRS gives
        the same locations to a tenth of a cell. If locations differ more, the coordinates are used
        instead of the CRS.
    """
    if not is_planar(grid):
        return None
    crs = projection(grid)
    found = _coordinates(variable, dims)
    if found is None:
        return None
    order = {dims[0]: grid.y.order, dims[1]: grid.x.order}
    lat, lon = (in_memory(variable[n].transpose(*dims).isel(order)).astype("f8") for n in found)
    if not (np.isfinite(lat).all() and np.isfinite(lon).all() and np.abs(lat).max() <= 90.001):
        logger.info("%s are not used: not every cell has its latitude and longitude", found)
        return None
    if np.ptp(lat) == 0 or np.ptp(lon) == 0:
        logger.warning(
            "%s are not used: all cells have the latitude %g, or all the longitude %g",
            *(found, lat[0, 0], lon[0, 0]),
        )
        return None
    own = Geolocation(y=grid.y.canonical, x=grid.x.canonical, lat=lat, lon=lon)
    if crs is None:
        return own
    by_crs = to_degrees(grid, grid.y.canonical, grid.x.canonical)
    off_earth = ~np.isfinite(by_crs).all(axis=0)
    apart = degrees_between(directions(*np.where(off_earth, 0, by_crs)), directions(lat, lon))
    worst = np.where(off_earth, 180, apart).max() / own.cell if own.cell else np.inf
    if worst <= AGREEMENT:
        return None
    logger.warning(
        "%s and %s lie up to %.3g cells from where the CRS (%s, in %r) puts the cells: they are"
        " taken, and not the CRS",
        *found,
        worst,
        label(grid),
        grid.mapping_name,
    )
    return own


def _coordinates(variable: xr.DataArray, dims: tuple[str, str]) -> tuple[str, str] | None:
    """Return the names of latitude and longitude on exactly these dimensions; None without them."""
    names, others = [], []
    for kind in ("latitude", "longitude"):
        found: list[Hashable] = list(variable.cf.coordinates.get(kind, []))
        found += [
            n for n in variable.coords if str(n).lower() in PLACE_NAMES[kind] and n not in found
        ]
        on_dims = [n for n in found if set(dims) <= set(variable[n].dims)]
        names.append([str(n) for n in on_dims if variable[n].ndim == 2])
        others += [str(n) for n in on_dims if variable[n].ndim > 2]
    if names[0] and names[1]:
        return names[0][0], names[1][0]
    if others:
        logger.info(
            "%s are not used: they vary along other dimensions than %s; select one step of them",
            others,
            dims,
        )
    return None

"""LR cells: averages of HR fields over them, and how far these are from the LR fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import xarray as xr

from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import TIME, X, Y
from xr_dl4ds.grid.regridding.block_means import mean_of_blocks
from xr_dl4ds.grid.regridding.nesting import Nesting, nest, turns_between
from xr_dl4ds.grid.regridding.regridder import SameAxes, regridder
from xr_dl4ds.grid.regridding.roll import roll_to_face
from xr_dl4ds.metrics.areas import cell_areas
from xr_dl4ds.metrics.pairs import Dimensions
from xr_dl4ds.metrics.weighting import mean

#: Share of an LR cell that may lack HR cells by rounding.
_LACKING = 1e-6


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class CoarseCells:
    """The LR fields of one variable, and averages over their cells.

    Parameters
    ----------
    lr : xarray.DataArray
        LR fields ``(time, y, x)`` on LR cells, at the times that are scored.
    areas : xarray.DataArray, optional
        Weights of the LR cells; None for equal weights.
    average : callable
        Maps HR fields ``(..., y, x)`` to the means of their valid cells in each LR cell; NaN in LR
        cells that the HR domain does not contain.
    """

    lr: xr.DataArray
    areas: xr.DataArray | None
    average: Callable[[xr.DataArray], xr.DataArray]

    def means(self, field: xr.DataArray) -> xr.DataArray:
        """Return the means of HR fields over LR cells in which every HR cell is valid."""
        return self.average(field).where(self.shares(field.notnull()) > 1 - _LACKING)

    def shares(self, valid: xr.DataArray) -> xr.DataArray:
        """Return the share of each LR cell in which HR cells are valid."""
        return self.average(valid.astype("f8")).fillna(0.0)

    def weights_of(self, scored: xr.DataArray) -> xr.DataArray:
        """Return the areas of the parts of LR cells in which HR fields are valid, ``(y, x)``."""
        inside = self.shares(scored.notnull().any(TIME))
        return inside if self.areas is None else inside * self.areas

    def at(self, times: dict) -> CoarseCells:
        """Return the LR fields at some positions along time."""
        return dataclasses.replace(self, lr=self.lr.isel(times))


def coarse_cells(low: Fields, high: Fields, *, area_weighted: bool) -> dict[str, CoarseCells]:
    """Return the LR cells of each variable; none for LR cells of another CRS than the HR cells.

    Of nested cells, an LR cell is the mean of its HR cells with equal weights, as in
    `.downscale.coarsen`. Of other cells it is their mean by the area of overlap (conservative).

    Parameters
    ----------
    low : Fields
        LR fields at the times of `high`, in the same units.
    high : Fields
        The truth.
    area_weighted : bool
        Weigh LR cells by their areas.
    """
    if not isinstance(regridder(low.grid, high.grid), SameAxes):
        return {}
    low = roll_to_face(low, high.grid)
    nesting = nest(low.grid, high.grid, whole=True)
    areas = cell_areas(low.grid) if area_weighted else None
    data, average = low.data, _by_overlap(high.grid, low.grid)
    if nesting is not None:
        data, average = data.isel(nesting.lr), _over_blocks(nesting)
        areas = None if areas is None else areas.isel({d: nesting.lr[str(d)] for d in areas.dims})
    data = data.drop_vars([Y, X, TIME], errors="ignore")
    if TIME in high.data.coords:
        data = data.assign_coords({TIME: high.data[TIME]})
    return {
        name: CoarseCells(lr=data[name], areas=areas, average=average)
        for name in high.varying
        if name in data
    }


def _over_blocks(nesting: Nesting) -> Callable[[xr.DataArray], xr.DataArray]:
    """Return the function that averages blocks of HR cells."""

    def average(field: xr.DataArray) -> xr.DataArray:
        inner = field.isel(nesting.hr).drop_vars([Y, X], errors="ignore")
        return mean_of_blocks(inner.astype("f8"), nesting.scale.by_dim)

    return average


def _by_overlap(high: Grid, low: Grid) -> Callable[[xr.DataArray], xr.DataArray]:
    """Return the function that averages HR cells by their overlap with LR cells."""
    between = regridder(high, low)
    within = xr.DataArray(_inside(low.y, high.y), dims=Y) & xr.DataArray(
        _inside(low.x, high.x), dims=X
    )

    def average(field: xr.DataArray) -> xr.DataArray:
        field = field.astype("f8").transpose(..., Y, X).drop_vars([Y, X], errors="ignore")
        found = between.regrid(field.to_dataset(name="field"), "conservative")["field"]
        return found.drop_vars([Y, X]).where(within)

    return average


def _inside(low: Axis, high: Axis) -> np.ndarray:
    """Return which LR cells lie within the HR cells along one axis."""
    if high.periodic:
        return np.ones(low.size, bool)
    slack = 0.01 * high.spacing
    first, last = high.edges[[0, -1]] - turns_between(low, high)
    return np.asarray((low.edges[:-1] >= first - slack) & (low.edges[1:] <= last + slack))


def mean_violation(
    field: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
    *,
    coarse: CoarseCells,
) -> xr.DataArray:
    """Return the RMS difference between means of a field over LR cells and the LR field.

    Parameters
    ----------
    field : xarray.DataArray
        HR fields ``(..., time, y, x)``.
    dims : sequence of hashable
        Dimensions to average over.
    weights : xarray.DataArray, optional
        Not used: LR cells have weights of their own.
    coarse : CoarseCells
        The LR cells.
    """
    difference = coarse.means(field) - coarse.lr.astype("f8")
    return mean(difference**2, dims, coarse.areas) ** 0.5

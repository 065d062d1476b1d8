"""Mean of a target over a region, as a weighted sum of the HR cells that the network predicts."""

from __future__ import annotations

import dataclasses

import numpy as np
import xarray as xr

from xr_dl4ds.exceptions import GridError, VariableError
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.fields import as_dataset, standardize
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import TIME, X, Y
from xr_dl4ds.grid.regridding.nesting import to_hr_cells
from xr_dl4ds.grid.regridding.rectilinear import window
from xr_dl4ds.grid.regridding.roll import roll_to_face
from xr_dl4ds.metrics.areas import cell_areas
from xr_dl4ds.metrics.grouping import over_cells
from xr_dl4ds.prediction.layout import Layout
from xr_dl4ds.prediction.postprocess import Physics

_ROLE = "`region`"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class RegionMean:
    """Mean over the valid cells of a region at each time step.

    Parameters
    ----------
    areas : numpy.ndarray
        Areas ``(y, x)`` of canonical HR cells; 0 outside the region, and in cells that never had a
        value in training.
    physics : Physics
        The LR fields, whose missing values are missing in the prediction.
    name : str
        The target.
    """

    areas: np.ndarray
    physics: Physics
    name: str

    @classmethod
    def of(cls, physics: Physics, layout: Layout, region: np.ndarray, name: str) -> RegionMean:
        """Define the mean of a target; `region` is from `cells_of`."""
        areas, trained = region, physics.placement.trained
        if trained is not None:
            missing = physics.state.always_missing[name].isel(trained).transpose(Y, X).to_numpy()
            areas = np.where(missing, 0.0, areas)
        if not areas.any():
            raise VariableError(
                f"Expected {_ROLE} to have cells with values of {name!r}, got"
                f" {int((region > 0).sum())} cells without. Select cells that had values in"
                " training."
            )
        return cls(areas=areas, physics=physics, name=name)

    def weights(self, steps: np.ndarray) -> np.ndarray:
        """Return weights ``(time, y, x)`` with sum 1; all 0 at steps without valid cells."""
        weights = np.repeat(self.areas[None], len(steps), axis=0)
        if self.name in self.physics.varying:
            lr = self.physics.varying[self.name].transpose(TIME, Y, X).isel({TIME: steps})
            hidden = to_hr_cells(lr.isnull(), self.physics.state.pairing.scale)
            weights = np.where(hidden.transpose(TIME, Y, X).to_numpy(), 0.0, weights)
        total = weights.sum((1, 2), keepdims=True)
        return weights / np.where(total > 0, total, 1.0)


def cells_of(
    region: xr.DataArray | None, layout: Layout, shape: tuple[int, int], dims: Dims
) -> np.ndarray:
    """Return the areas of the canonical HR cells of the network, 0 outside the region.

    Parameters
    ----------
    region : xarray.DataArray, optional
        True in the cells of the region, on HR cells that cover the prediction; None for all cells.
    layout : Layout
        Layout of the prediction.
    shape : tuple of int
        Number of HR cells of the network along y and x; the prediction may have fewer.
    dims : Dims
        Dimensions named by the caller.
    """
    grid = layout.hr
    areas = cell_areas(grid)
    ones = xr.DataArray(np.ones(grid.shape), dims=(Y, X))
    inside = ones if areas is None else ones * areas.drop_vars([Y, X], errors="ignore")
    if region is not None:
        inside = inside * _on_cells(region, grid, dims)
    # from the canonical order of the prediction to its layout, and on to the order of the network
    own = inside.transpose(Y, X).to_numpy()[np.ix_(grid.y.order.argsort(), grid.x.order.argsort())]
    out = np.zeros(shape)
    out[np.ix_(layout.order[Y], layout.order[X])] = own
    return out


def _on_cells(region: xr.DataArray, grid: Grid, dims: Dims) -> xr.DataArray:
    """Return a mask on the canonical cells of the prediction, without coordinates."""
    if not isinstance(region, xr.DataArray) or region.dtype != bool:
        got = getattr(region, "dtype", type(region).__name__)
        raise VariableError(
            f"Expected {_ROLE} to be a DataArray of True and False, got {got}. Make it with a"
            " comparison, such as (hr.latitude > 50) & (hr.longitude < 0)."
        )
    if region.ndim == 1 and region.dims[0] in region.coords:  # such as a band of latitudes
        region = over_cells(region, grid)
    ds = as_dataset(region.rename("region"), _ROLE)
    fields = roll_to_face(standardize(ds, dims.within(ds), _ROLE), grid)
    found = fields.data["region"]
    inner = window(fields.grid, grid)
    if inner is None or TIME in found.dims:
        raise GridError(
            f"Expected {_ROLE} without time, on cells that cover the prediction ({grid.extent}),"
            f" got the dimensions {region.dims} with {fields.grid.extent}. Make it from the"
            " coordinates of the HR data or of a prediction."
        )
    mask = found.isel(inner).transpose(Y, X).drop_vars([Y, X]).compute()
    if not bool(mask.any()):
        raise VariableError(
            f"Expected {_ROLE} to be True in some cells of the prediction, got False in all"
            f" {mask.size} cells. Select other cells."
        )
    return mask

"""LR and HR grids of a model: how the LR fields reach the network, and where its output lies."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import xarray as xr

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid import reprojection
from xr_dl4ds.grid.coarsening import coarser, trim_fields
from xr_dl4ds.grid.crs import label
from xr_dl4ds.grid.cutting import covered, cut
from xr_dl4ds.grid.fields import Fields, Grid, Part, X, Y
from xr_dl4ds.grid.nesting import nest, ratio, require_overlap
from xr_dl4ds.grid.periodic import facing
from xr_dl4ds.grid.regrid import interpolate, window
from xr_dl4ds.grid.taking import take

logger = logging.getLogger(__name__)

#: Before the method by which LR fields of another CRS are brought to the network.
REPROJECTED = "reprojected-"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pairing:
    """The grids of a model.

    Parameters
    ----------
    scale : int
        HR cells along one edge of an LR cell, as the network sees them; 1 when LR fields are
        interpolated to the HR grid before they reach it.
    method : {"nested", "bicubic", "bilinear", "nearest", "conservative"}
        How LR fields are brought onto `lr`: cut, interpolated, or averaged; with "reprojected-"
        before it where they have another CRS.
    source : Grid
        The LR grid that was given.
    lr, hr : Grid
        The grids of samples.
    """

    scale: int
    method: str
    source: Grid
    lr: Grid
    hr: Grid

    @property
    def whole(self) -> Part:
        """All HR cells, by canonical dimension."""
        return {Y: slice(0, self.hr.y.size), X: slice(0, self.hr.x.size)}

    @property
    def reprojected(self) -> bool:
        """Whether LR fields have another CRS than HR fields."""
        return self.method.startswith(REPROJECTED)

    def bring(self, fields: Fields, target: Grid | None = None) -> xr.Dataset:
        """LR fields on the cells of `target`, those of samples by default, for the network."""
        target = self.lr if target is None else target
        inner = window(fields.grid, target) if self._as_sampled(fields.grid) else None
        if inner is not None:
            return take(fields.data, inner).assign_coords(target.coords)
        if self.reprojected:
            method = self.method.removeprefix(REPROJECTED)
            return reprojection.reproject(fields.data, fields.grid, target, method)
        fields = facing(fields, target)
        return interpolate(fields.data, fields.grid, target, self.method)

    def _as_sampled(self, grid: Grid) -> bool:
        """Whether fields on `grid` are cut, and neither interpolated nor averaged."""
        return self.method == "nested" or grid.same_cells(self.lr)


def pair(lr: Fields, hr: Fields, *, straight: str | None, trim: bool) -> tuple[Pairing, Fields]:
    """Find how LR fields reach the network, and the HR fields that belong to them.

    Parameters
    ----------
    lr, hr : Fields
        Overlapping fields, HR the finer.
    straight : str, optional
        Interpolate LR fields that do not nest straight to HR cells by this method; None averages
        them (conservative) onto block means of the HR cells.
    trim : bool
        Drop HR rows and columns that the scale leaves over.

    Returns
    -------
    pairing : Pairing
        The grids.
    hr : Fields
        HR fields on the common cells.

    Raises
    ------
    GridError
        When the grids do not overlap, are swapped, or have the same spacing.
    """
    require_overlap(lr.grid, hr.grid, "the LR data", "the HR data")
    if not reprojection.same_place(lr.grid, hr.grid):
        return _across(lr, hr, straight=straight, trim=trim)
    lr = facing(lr, hr.grid)
    hr = hr if lr.grid.x.periodic else facing(hr, lr.grid)
    nesting = nest(lr.grid, hr.grid)
    if nesting is not None:
        if nesting.scale < 2:
            raise _not_finer(lr.grid, hr.grid)
        common = cut(lr, nesting.lr).grid
        _say_cut(lr.grid, common, "LR")
        hr = _cut_hr(hr, nesting.hr)
        pairing = Pairing(
            scale=nesting.scale, method="nested", source=lr.grid, lr=common, hr=hr.grid
        )
        return pairing, hr
    whole = hr.grid.shape
    hr = _cut_hr(hr, covered(hr.grid, lr.grid))
    if straight is not None:
        logger.warning("LR and HR cells do not nest: LR is interpolated to HR cells (%s)", straight)
        return Pairing(scale=1, method=straight, source=lr.grid, lr=hr.grid, hr=hr.grid), hr
    scale = round(float(np.mean(ratio(lr.grid, hr.grid))))
    if scale < 2:
        raise _not_finer(lr.grid, hr.grid)
    # what our own cut leaves over is no choice of the caller's
    hr = trim_fields(hr, scale, trim=trim or hr.grid.shape != whole)
    logger.warning(
        "LR and HR cells do not nest: LR is regridded (conservative) to %d x %d HR cells",
        scale,
        scale,
    )
    coarse = coarser(hr.grid, scale)
    pairing = Pairing(scale=scale, method="conservative", source=lr.grid, lr=coarse, hr=hr.grid)
    return pairing, hr


def _across(lr: Fields, hr: Fields, *, straight: str | None, trim: bool) -> tuple[Pairing, Fields]:
    """The same for LR fields of another CRS: HR cells inside them, nested by construction."""
    source, whole = lr.grid, hr.grid.shape
    hr = _cut_hr(hr, reprojection.covered_part(source, hr.grid))
    apart = reprojection.spacing_in(source, hr.grid)
    scale = round(float(np.sqrt(np.prod(apart) / (hr.grid.y.spacing * hr.grid.x.spacing))))
    if scale < 2:
        raise _not_finer(source, hr.grid)
    scale, method = (scale, "bilinear") if straight is None else (1, straight)
    coarse = hr.grid
    if straight is None:
        hr = trim_fields(hr, scale, trim=trim or hr.grid.shape != whole)
        coarse = coarser(hr.grid, scale)
    logger.warning(
        "LR (%s) and HR (%s) have different CRSs: LR is reprojected (%s) to %d x %d HR cells",
        label(source),
        label(hr.grid),
        method,
        scale,
        scale,
    )
    method = f"{REPROJECTED}{method}"
    return Pairing(scale=scale, method=method, source=source, lr=coarse, hr=hr.grid), hr


def _not_finer(lr: Grid, hr: Grid) -> GridError:
    return GridError(
        f"Expected the HR grid to be at least twice as fine as the LR grid, got LR {lr.extent} and"
        f" HR {hr.extent}. For perfect prognosis call hr.downscale.fit(scale=4)."
    )


def _cut_hr(hr: Fields, inner: Part) -> Fields:
    part = cut(hr, inner)
    _say_cut(hr.grid, part.grid, "HR")
    return part


def _say_cut(before: Grid, after: Grid, role: str) -> None:
    if before.shape != after.shape:
        logger.info("%s is cut to the common cells: %s", role, after.extent)

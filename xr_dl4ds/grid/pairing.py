"""LR and HR grids of a model: how the LR fields reach the network, and where its output lies."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import xarray as xr

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.axis import TOLERANCE, Axis
from xr_dl4ds.grid.coarsening import coarser, trim_fields
from xr_dl4ds.grid.fields import Fields, Grid, X, Y
from xr_dl4ds.grid.nesting import nest, ratio, require_overlap, turns_between
from xr_dl4ds.grid.periodic import facing
from xr_dl4ds.grid.regrid import Part, interpolate, window

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pairing:
    """The grids of a model.

    Parameters
    ----------
    scale : int
        HR cells along one edge of an LR cell, as the network sees them; 1 when LR fields are
        interpolated to the HR grid before they reach it.
    method : {"nested", "bicubic", "bilinear", "nearest", "conservative"}
        How LR fields are brought onto `lr`: cut, interpolated, or averaged.
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

    def bring(self, fields: Fields, target: Grid | None = None) -> xr.Dataset:
        """LR fields on the cells of `target`, those of samples by default, for the network."""
        target = self.lr if target is None else target
        if self.method != "nested" and not fields.grid.same_cells(target):
            fields = facing(fields, target)
            return interpolate(fields.data, fields.grid, target, self.method)
        inner = window(fields.grid, target)
        assert inner is not None
        return fields.data.isel(inner).assign_coords(target.coords)


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
    lr = facing(lr, hr.grid)
    hr = hr if lr.grid.x.periodic else facing(hr, lr.grid)
    nesting = nest(lr.grid, hr.grid)
    if nesting is not None:
        if nesting.scale < 2:
            raise _not_finer(lr.grid, hr.grid)
        cut = _cut(hr, {**nesting.hr})
        common = _cut(lr, {**nesting.lr}).grid
        _say_cut(lr.grid, common, "LR")
        _say_cut(hr.grid, cut.grid, "HR")
        pairing = Pairing(
            scale=nesting.scale, method="nested", source=lr.grid, lr=common, hr=cut.grid
        )
        return pairing, cut
    whole = hr.grid.shape
    hr = _covered(hr, lr.grid)
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


def _not_finer(lr: Grid, hr: Grid) -> GridError:
    return GridError(
        f"Expected the HR grid to be at least twice as fine as the LR grid, got LR {lr.extent} and"
        f" HR {hr.extent}. For perfect prognosis call hr.downscale.fit(scale=4)."
    )


def _cut(fields: Fields, inner: Part) -> Fields:
    """A part of canonical fields, the layout kept."""
    grid = cut_grid(fields.grid, inner)
    data = fields.data.isel(inner).assign_coords(grid.coords)
    return dataclasses.replace(fields, data=data, grid=grid)


def cut_grid(grid: Grid, inner: Part) -> Grid:
    """A part of a grid by canonical positions, the layout kept."""
    return dataclasses.replace(grid, y=_cut_axis(grid.y, inner[Y]), x=_cut_axis(grid.x, inner[X]))


def _cut_axis(axis: Axis, part: slice | np.ndarray) -> Axis:
    cells = axis.order[part]
    if cells.size == axis.size:  # a full circle goes on beginning where it does
        return axis
    return axis.take(cells[:: -1 if axis.falls else 1])


def _covered(hr: Fields, lr: Grid) -> Fields:
    """The HR cells whose centres lie inside the LR cells."""
    inner: Part = {}
    for dim, h, low in ((Y, hr.grid.y, lr.y), (X, hr.grid.x, lr.x)):
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
    cut = _cut(hr, inner)
    _say_cut(hr.grid, cut.grid, "HR")
    return cut


def _say_cut(before: Grid, after: Grid, role: str) -> None:
    if before.shape != after.shape:
        logger.info("%s is cut to the common cells: %s", role, after.extent)

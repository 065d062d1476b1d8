"""LR and HR grids of a model, and the method that brings LR fields to the network."""

from __future__ import annotations

import dataclasses
import functools
import logging
from typing import Any

import numpy as np
import xarray as xr

from xr_dl4ds.config import SAME, Scale
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.cf.indexing import take
from xr_dl4ds.grid.crs import label
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import Part, X, Y
from xr_dl4ds.grid.regridding.coarsen import coarser, trim_fields
from xr_dl4ds.grid.regridding.completion import Rim, completed, leftover
from xr_dl4ds.grid.regridding.cropping import cut
from xr_dl4ds.grid.regridding.nesting import Nesting, turns_between
from xr_dl4ds.grid.regridding.rectilinear import window
from xr_dl4ds.grid.regridding.regridder import (
    BEYOND_EDGES,
    AcrossCRS,
    Regridder,
    SameAxes,
    regridder,
)
from xr_dl4ds.grid.regridding.reprojection import same_place
from xr_dl4ds.grid.regridding.roll import roll_to_face
from xr_dl4ds.grid.regridding.surroundings import Surroundings, seen, widened

logger = logging.getLogger(__name__)

#: Method that brings LR fields onto blocks of HR cells.
AVERAGING: dict[type[Regridder], str] = {SameAxes: "conservative", AcrossCRS: "bilinear"}

#: Prefix of the method if LR fields have a different CRS from HR fields.
REPROJECTED = "reprojected-"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pairing:
    """LR and HR grids of a model.

    Parameters
    ----------
    scale : Scale
        HR cells along the edges of an LR cell, as the network sees them; 1 if LR fields are
        interpolated to the HR grid before they reach the network.
    method : {"nested", "bicubic", "bilinear", "nearest", "conservative"}
        How LR fields are brought onto `lr`: cropped, interpolated or averaged. The prefix
        "reprojected-" means that they have a different CRS from HR fields.
    source : Grid
        LR grid of the user's data.
    lr, hr : Grid
        Grids of the samples; each LR cell has as many HR cells as `scale` says.
    domain : Grid
        HR grid of the user's data and of predictions. It lacks the cells of `hr` by which LR cells
        stick out of it.
    context : int
        LR cells on each side of `lr` that the network sees too.
    """

    scale: Scale
    method: str
    source: Grid
    lr: Grid
    hr: Grid
    domain: Grid
    context: int = 0

    @property
    def inner(self) -> dict[str, slice]:
        """The cells of `hr` that `domain` has."""
        return _inner(self.hr, self.domain)

    @property
    def rim(self) -> Rim:
        """The number of cells at the ends of `hr` that `domain` lacks."""
        ends = {Y: self.hr.y.size, X: self.hr.x.size}
        return {d: (part.start, ends[d] - part.stop) for d, part in self.inner.items()}

    def known(self, missing: xr.Dataset) -> xr.Dataset:
        """Return masks on `hr`, False beyond `domain`, where nothing is known of the cells."""
        inner = missing.isel(self.inner)
        around = {d: ends for d, ends in self.rim.items() if any(ends)}
        return inner.pad(around, constant_values=False).assign_coords(missing.coords)

    @property
    def seen(self) -> Grid:
        """The LR cells of samples, and those around them."""
        wide = widened(self.lr, self.context)
        assert wide is not None
        return wide

    def on_hr_cells(self, fields: Fields) -> Fields | None:
        """Select the cells of `domain` from HR fields, and complete them; None if some lack."""
        inner = window(fields.grid, self.domain)
        if inner is None or not same_place(fields.grid, self.domain):
            return None
        data = take(fields.data, inner).assign_coords(self.domain.coords)
        return completed(dataclasses.replace(fields, data=data, grid=self.domain), self.rim)

    @property
    def whole(self) -> Part:
        """All HR cells, by canonical dimension."""
        return {Y: slice(0, self.hr.y.size), X: slice(0, self.hr.x.size)}

    @property
    def reprojected(self) -> bool:
        """True if LR fields have a different CRS from HR fields."""
        return self.method.startswith(REPROJECTED)

    def regrid_lr(self, fields: Fields, target: Grid | None = None) -> xr.Dataset:
        """Bring LR fields onto `target`, by default the LR grid of the samples."""
        target = self.lr if target is None else target
        inner = window(fields.grid, target) if self._only_crops(fields.grid) else None
        if inner is not None:
            return take(fields.data, inner).assign_coords(target.coords)
        kind = AcrossCRS if self.reprojected else SameAxes
        between = kind(source=fields.grid, target=target)
        # the centre of an LR cell that sticks out of HR may lie beyond the user's LR cells
        return between.regrid(fields.data, self.method.removeprefix(REPROJECTED), BEYOND_EDGES)

    def lr_seen(self, fields: Fields, domain: Grid | None = None) -> xr.Dataset:
        """Bring LR fields onto `domain`, by default `lr`, and the cells around that are seen."""
        regrid = functools.partial(self.regrid_lr, fields)
        return seen(fields, self.lr if domain is None else domain, self.context, regrid)

    def extends(self, grid: Grid, domain: Grid) -> bool:
        """Return True if a grid reaches as far around a domain, on each side, as in training."""
        now, before = (
            Surroundings.of(around, inside, self.context).ends
            for around, inside in ((grid, domain), (self.source, self.lr))
        )
        return all(a <= b for d in (Y, X) for a, b in zip(now[d], before[d], strict=True))

    def _only_crops(self, grid: Grid) -> bool:
        """Return True if fields on `grid` are cropped, and neither interpolated nor averaged."""
        return self.method == "nested" or grid.same_cells(self.lr)


def pair(
    lr: Fields, hr: Fields, *, direct_method: str | None, trim: bool
) -> tuple[Pairing, Fields]:
    """Find how LR fields reach the network, and the HR fields that belong to them.

    Parameters
    ----------
    lr, hr : Fields
        Overlapping fields; HR is finer than LR.
    direct_method : str, optional
        Method that interpolates LR fields directly to HR cells if they do not nest. With None,
        they are averaged (conservative) onto blocks of HR cells.
    trim : bool
        Drop HR rows and columns that do not fill an LR cell, instead of completing the LR cell.

    Returns
    -------
    pairing : Pairing
        Grids and method.
    hr : Fields
        HR fields on the cells of samples, NaN beyond the user's HR cells.

    Raises
    ------
    GridError
        If the grids do not overlap, are swapped, or have the same spacing.
    """
    between = regridder(lr.grid, hr.grid)
    between.require_overlap("the LR data", "the HR data")
    across = isinstance(between, AcrossCRS)
    if not across:
        lr = roll_to_face(lr, hr.grid)
        hr = hr if lr.grid.x.periodic else roll_to_face(hr, lr.grid)
        between = SameAxes(source=lr.grid, target=hr.grid)
    nesting = between.nesting(whole=trim)
    if nesting is not None:
        return _nested(lr, hr, nesting)
    hr = _cut_hr(hr, between.covered())
    scale = _scale(dataclasses.replace(between, target=hr.grid).ratios, hr.grid, direct_method)
    if scale.cells < 2 and (across or direct_method is None):
        raise _not_finer(lr.grid, hr.grid)
    scale, method = (
        (scale, AVERAGING[type(between)]) if direct_method is None else (SAME, direct_method)
    )
    coarse = domain = hr.grid
    if direct_method is None:
        rim = None if trim else leftover(hr.grid, scale)
        if rim is None:
            hr = trim_fields(hr, scale, trim=True)
            _say_cut(domain, hr.grid, "HR")
            domain = hr.grid
        else:
            hr = completed(hr, rim)
        coarse = coarser(hr.grid, scale)
    if across:
        logger.warning(
            "LR (%s) and HR (%s) have different CRSs: LR is reprojected (%s) to %d x %d HR cells",
            label(lr.grid),
            label(hr.grid),
            method,
            *scale.edges,
        )
        method = f"{REPROJECTED}{method}"
    elif direct_method is not None:
        logger.warning("LR and HR cells do not nest: LR is interpolated to HR cells (%s)", method)
    else:
        logger.warning(
            "LR and HR cells do not nest: LR is regridded (%s) to %d x %d HR cells",
            method,
            *scale.edges,
        )
    grids: dict[str, Any] = {"source": lr.grid, "lr": coarse, "hr": hr.grid, "domain": domain}
    return Pairing(scale=scale, method=method, **grids), hr


def _scale(ratios: tuple[float, float], hr: Grid, direct_method: str | None) -> Scale:
    """Return the HR cells of a block that is about as large as an LR cell.

    Blocks go around the globe without a remainder.
    """
    y, x = (max(round(r), 1) for r in ratios)
    if direct_method is None and hr.x.periodic:
        ratio = ratios[1]
        whole = [n for n in range(2, hr.x.size // 2 + 1) if hr.x.size % n == 0]
        nearest = min(whole, key=lambda n: abs(np.log(n / ratio)), default=0)
        if ratio / 1.5 < nearest < 1.5 * ratio:
            x = nearest
    return Scale(y, x)


def _nested(lr: Fields, hr: Fields, nesting: Nesting) -> tuple[Pairing, Fields]:
    """Pair grids in which HR cells tile each LR cell."""
    if nesting.scale.cells < 2:
        raise _not_finer(lr.grid, hr.grid)
    common = cut(lr, nesting.lr).grid
    _say_cut(lr.grid, common, "LR")
    hr = _cut_hr(hr, nesting.hr)
    domain, hr = hr.grid, completed(hr, nesting.rim)
    grids: dict[str, Any] = {"source": lr.grid, "lr": common, "hr": hr.grid, "domain": domain}
    return Pairing(scale=nesting.scale, method="nested", **grids), hr


def _inner(hr: Grid, domain: Grid) -> dict[str, slice]:
    """Return the positions in `hr`, in canonical order, of the cells of `domain`."""
    found = {}
    for dim, axis, part in ((Y, hr.y, domain.y), (X, hr.x, domain.x)):
        first = 0
        if axis.size > part.size:
            apart = axis.canonical + turns_between(axis, part) - part.canonical[0]
            first = int(np.abs(apart).argmin())
        found[dim] = slice(first, first + part.size)
    return found


def _not_finer(lr: Grid, hr: Grid) -> GridError:
    return GridError(
        f"Expected the HR grid to be at least twice as fine as the LR grid, got LR {lr.extent} and"
        f" HR {hr.extent}. For synthetic pairs call hr.downscale.fit(scale=4)."
    )


def _cut_hr(hr: Fields, inner: Part) -> Fields:
    part = cut(hr, inner)
    _say_cut(hr.grid, part.grid, "HR")
    return part


def _say_cut(before: Grid, after: Grid, role: str) -> None:
    if before.shape == after.shape:
        return
    lost = np.prod(before.shape) - np.prod(after.shape)
    level = logging.WARNING if role == "HR" else logging.INFO
    template = "%s is cut to the common cells, %s: %d of %d cells are left out"
    logger.log(level, template, role, after.extent, lost, np.prod(before.shape))

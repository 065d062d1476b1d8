"""LR and HR grids of a model: how the LR fields reach the network, and where its output lies."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import xarray as xr

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid import reprojection
from xr_dl4ds.grid.axis import TOLERANCE, Axis, in_layout_of, refine
from xr_dl4ds.grid.coarsening import coarser, trim_fields
from xr_dl4ds.grid.crs import label
from xr_dl4ds.grid.cutting import covered, cut, cut_axis
from xr_dl4ds.grid.fields import Fields, Grid, X, Y
from xr_dl4ds.grid.nesting import nest, ratio, require_overlap, turns_between
from xr_dl4ds.grid.periodic import facing
from xr_dl4ds.grid.regrid import interpolate, window

logger = logging.getLogger(__name__)

#: Before the method by which LR fields of another CRS are brought to the network.
REPROJECTED = "reprojected-"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Placement:
    """Where one LR domain lies with respect to the training domain.

    Parameters
    ----------
    lr : Grid
        The grid that the network sees.
    hr : Grid
        The grid of the prediction, in the caller's layout.
    order : dict of numpy.ndarray
        Positions that bring a canonical HR array into that layout, by canonical dimension.
    trained : dict of slice, optional
        The part of the training HR domain that this is; None on another domain.
    """

    lr: Grid
    hr: Grid
    order: dict[str, np.ndarray]
    trained: dict[str, slice] | None


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
    def whole(self) -> dict[str, slice]:
        """All HR cells, by canonical dimension."""
        return {Y: slice(0, self.hr.y.size), X: slice(0, self.hr.x.size)}

    @property
    def reprojected(self) -> bool:
        """Whether LR fields have another CRS than HR fields."""
        return self.method.startswith(REPROJECTED)

    def bring(self, fields: Fields) -> xr.Dataset:
        """LR fields on `source`, or elsewhere with the spacing of `lr`, for the network."""
        if self.source.x.periodic:
            fields = facing(fields, self.source)
        if fields.grid.same_cells(self.lr):  # without the jitter of their coordinates
            return fields.data.assign_coords(self.lr.coords)
        if not fields.grid.same_cells(self.source):
            return fields.data
        if self.reprojected:
            method = self.method.removeprefix(REPROJECTED)
            return reprojection.reproject(fields.data, self.source, self.lr, method)
        if self.method != "nested":
            return interpolate(fields.data, self.source, self.lr, self.method)
        inner = window(self.source, self.lr)
        assert inner is not None
        return fields.data.isel(inner).assign_coords(self.lr.coords)

    def place(self, given: Grid) -> Placement:
        """Find the HR grid of a prediction for LR fields on `given`.

        On the training LR grid, or a part of it, the HR coordinates are the stored ones;
        elsewhere LR cells are split evenly.

        Raises
        ------
        GridError
            When the spacing is not that of training.
        """
        if given.same_cells(self.source):
            return self._stored(given)
        is_part = window(self.source, given) is not None
        if self.method != "nested" and (self.scale == 1 or is_part or self.reprojected):
            cure = "Predict there and select after" if is_part else "Interpolate them onto it first"
            raise GridError(
                f"Expected LR fields on the training grid ({self.source.extent}), because LR and HR"
                f" cells do not nest, got {given.extent}. {cure}."
            )
        self._check_spacing(given)
        part = window(self.lr, given)
        trained = None
        hr_centres = {Y: refine(given.y, self.scale), X: refine(given.x, self.scale)}
        if part is not None:
            trained = {d: slice(s.start * self.scale, s.stop * self.scale) for d, s in part.items()}
            hr_centres = {d: self.hr.coords[d][s] for d, s in trained.items()}
        axes, order = {}, {}
        for dim, axis, name in ((Y, given.y, self.hr.y), (X, given.x, self.hr.x)):
            shift = turns_between(name, axis) if trained else 0.0
            values, order[dim] = in_layout_of(axis, hr_centres[dim] + shift, self.scale)
            axes[dim] = name.replace(values)
        places = self.hr.graticule if trained else given.graticule
        hr = dataclasses.replace(self.hr, y=axes[Y], x=axes[X], graticule=places)
        return Placement(lr=given, hr=hr, order=order, trained=trained)

    def _stored(self, given: Grid) -> Placement:
        """The training domain: stored HR coordinates, turned round where the caller's LR are."""
        order, axes = {}, {}
        inner = window(given, self.lr) or {}  # there for every nested pair
        for dim, now, then, hr in (
            (Y, given.y, self.source.y, self.hr.y),
            (X, given.x, self.source.x, self.hr.x),
        ):
            order[dim], axes[dim] = np.argsort(hr.order), hr
            if self.reprojected or _same_layout(now, then):  # other axes have other directions
                continue
            if self.method == "nested":
                part = cut_axis(now, inner[dim])
                centres = hr.canonical + turns_between(hr, part)
                values, order[dim] = in_layout_of(part, centres, self.scale)
            else:
                if now.falls != then.falls:
                    order[dim] = order[dim][::-1]
                values = hr.canonical[order[dim]] + _turns(now)
            axes[dim] = hr.replace(values)
        hr_grid = dataclasses.replace(self.hr, y=axes[Y], x=axes[X])
        return Placement(lr=self.lr, hr=hr_grid, order=order, trained=self.whole)

    def _check_spacing(self, given: Grid) -> None:
        seen = ratio(given, self.lr)
        if all(abs(r - 1) < 0.01 for r in seen):
            return
        hint = "Bring the fields onto that spacing first."
        if all(abs(r - 1) < 0.01 for r in ratio(given, self.hr)):
            hint = (
                "This is the HR spacing: make LR fields with"
                f" .downscale.coarsen({self.scale}) first."
            )
        raise GridError(
            f"Expected LR fields with the spacing of training ({self.lr.y.spacing:g} by"
            f" {self.lr.x.spacing:g}), got {given.y.spacing:g} by {given.x.spacing:g}. {hint}"
        )


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


def _cut_hr(hr: Fields, inner: dict[str, slice]) -> Fields:
    part = cut(hr, inner)
    _say_cut(hr.grid, part.grid, "HR")
    return part


def _say_cut(before: Grid, after: Grid, role: str) -> None:
    if before.shape != after.shape:
        logger.info("%s is cut to the common cells: %s", role, after.extent)


def _turns(axis: Axis) -> float:
    """Degrees between the caller's longitudes and the canonical ones."""
    if axis.kind != "longitude":
        return 0.0
    return float(360 * np.round((axis.values.mean() - axis.canonical.mean()) / 360))


def _same_layout(a: Axis, b: Axis) -> bool:
    return a.size == b.size and bool(
        np.abs(a.values.astype("f8") - b.values.astype("f8")).max() < TOLERANCE * a.spacing
    )

"""Location of the LR fields of a prediction in the training domain, and their HR cells."""

from __future__ import annotations

import dataclasses
import logging
from typing import cast

import numpy as np

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.axis import TOLERANCE, Axis
from xr_dl4ds.grid.cells import in_layout_of, laid_like, refined
from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.crs import label, projection
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import Part, X, Y
from xr_dl4ds.grid.regridding.completion import Rim
from xr_dl4ds.grid.regridding.cropping import cut_grid
from xr_dl4ds.grid.regridding.nesting import ratio, turns_between
from xr_dl4ds.grid.regridding.pairing import Pairing
from xr_dl4ds.grid.regridding.rectilinear import positions, window
from xr_dl4ds.grid.regridding.regridder import (
    AcrossCRS,
    Regridder,
    SameAxes,
    onto,
    regridder,
    require_one_unit,
)

logger = logging.getLogger(__name__)

#: LR cells beyond the HR domain that are kept where there are some, for interpolation to HR cells.
BEYOND = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Placement:
    """Location of one LR domain relative to the training domain.

    Parameters
    ----------
    lr : Grid
        Grid that the network sees.
    hr : Grid
        Grid of the prediction, in the caller's layout.
    order : dict of numpy.ndarray
        Positions that bring a canonical array on the HR cells of `lr` into the layout of `hr`, by
        canonical dimension.
    trained : dict of numpy.ndarray, optional
        Positions of these HR cells in the canonical HR cells of training; None for another domain.
    """

    lr: Grid
    hr: Grid
    order: dict[str, np.ndarray]
    trained: dict[str, np.ndarray] | None

    @property
    def rim(self) -> Rim:
        """The number of HR cells by which `lr` sticks out of `hr`, before and after its cells."""
        if self.trained is None:
            return {Y: (0, 0), X: (0, 0)}
        ends = {d: (int(self.order[d].min()), int(self.order[d].max())) for d in (Y, X)}
        return {d: (low, self.trained[d].size - 1 - high) for d, (low, high) in ends.items()}


def on_training_cells(fields: Fields, pairing: Pairing, role: str, *, note: bool = True) -> Fields:
    """Regrid LR fields of another spacing, or in another CRS, to the LR cells of training.

    Finer fields are averaged (conservative), coarser fields are interpolated (bilinear). With
    `note`, a warning is logged.

    Parameters
    ----------
    fields : Fields
        LR fields on any grid.
    pairing : Pairing
        Grids of the model.
    role : str
        A name for the fields in messages.
    note : bool
        Log a warning if the fields are regridded.

    Returns
    -------
    Fields
        The same fields if they have the spacing of training or, for a pair that does not nest, if
        they lie on training cells; also if they do not cover all HR cells, because `place` then
        raises an error.

    Raises
    ------
    GridError
        If fields in another CRS do not cover the training domain.
    """
    nested = pairing.method == "nested"
    wanted = pairing.seen if nested else pairing.source
    between = regridder(fields.grid, wanted)
    if isinstance(between, SameAxes):
        require_one_unit(fields.grid, wanted, role, "the training data")
    if nested and isinstance(between, SameAxes):
        fits = all(abs(r - 1) < 0.01 for r in ratio(fields.grid, wanted))
    else:
        fits = isinstance(between, SameAxes) and window(wanted, fields.grid) is not None
    part = None if fits else _needed(pairing, wanted, between)
    if part is None and isinstance(between, AcrossCRS) and not _elsewhere(fields.grid, wanted):
        between.require_overlap(role, "the training data")
        raise GridError(
            f"Expected {role} to cover the training domain ({wanted.extent}, {label(wanted)}), got"
            f" {fields.grid.extent} ({label(fields.grid)}). Provide fields that cover it, or fields"
            " in the CRS of training."
        )
    if part is None:
        return fields
    target = cut_grid(wanted, part)
    if note:
        logger.warning(
            "%s are regridded (%s) from %s to the LR cells of training, %s",
            *(role, "conservative" if between.finer else "bilinear"),
            *(fields.grid.extent, target.extent),
        )
    return dataclasses.replace(fields, data=onto(fields, target, role), grid=target)


def _elsewhere(given: Grid, wanted: Grid) -> bool:
    """Return True for another part of a curvilinear grid without a CRS, by its numbers."""
    if projection(given) is not None or projection(wanted) is not None:
        return False
    kinds = (given.y.kind, given.x.kind) == (wanted.y.kind, wanted.x.kind)
    return kinds and window(wanted, given) is None and window(given, wanted) is None


def _needed(pairing: Pairing, wanted: Grid, between: Regridder) -> Part | None:
    """Return the cells of `wanted` from which all HR cells follow; None if some are not covered."""
    try:
        given = between.covered()
    except GridError:
        return None
    part: Part = {}
    for dim, axis, hr in _axes(wanted, pairing.hr):
        around = pairing.context if pairing.method == "nested" else 0
        first, last = around, axis.size - around
        if not (pairing.method == "nested" or pairing.reprojected or axis.periodic):
            edges = axis.edges + turns_between(axis, hr)
            overlap = (edges[1:] > hr.edges[0]) & (edges[:-1] < hr.edges[-1])
            first, last = int(overlap.argmax()), int(overlap.size - overlap[::-1].argmax())
        low, high = cast(slice, given[dim]).indices(axis.size)[:2]
        if low > first or high < last:
            return None
        beyond = BEYOND + pairing.context
        part[dim] = slice(max(low, first - beyond, 0), min(high, last + beyond))
    return part


def place(pairing: Pairing, given: Grid) -> Placement:
    """Find the HR grid of a prediction for LR fields on `given`.

    On the training LR grid, or on a part of it, the stored HR coordinates are used. Elsewhere, LR
    cells are split evenly. A global domain may begin at any longitude.

    Raises
    ------
    GridError
        If the spacing differs from training or, on another domain, if LR and HR do not nest.
    """
    source = pairing.source
    as_trained = given.shape == source.shape and window(source, given) is not None
    if pairing.context and window(pairing.seen, given) is not None:
        as_trained = as_trained or window(given, pairing.lr) is not None
    if pairing.reprojected:
        return _reprojected(pairing, given, whole=as_trained)
    if pairing.method != "nested":
        return _regridded(pairing, given, whole=as_trained)
    grid = given
    if as_trained:
        inner = window(given, pairing.lr)
        assert inner is not None
        grid = cut_grid(given, inner)
    else:
        _check_spacing(pairing, given)
    part = window(pairing.lr, grid)
    trained = None if part is None else positions(part, pairing.scale)
    axes, order = {}, {}
    for dim, now, then, hr in _axes(grid, pairing.lr, pairing.hr):
        scale = pairing.scale.by_dim[dim]
        fine = refined(now, scale, hr)
        if trained is not None:
            fine = _stored(hr, trained[dim], near=fine.values)
        axes[dim], order[dim] = in_layout_of(now, fine, scale)
        if trained is not None and _same_layout(now, then):
            axes[dim], order[dim] = _as_stored(pairing, dim)
        elif trained is not None:
            axes[dim], order[dim] = _inside_domain(pairing, dim, axes[dim], order[dim], trained)
    places = given.geolocation if trained is None else pairing.domain.geolocation
    hr_grid = dataclasses.replace(pairing.domain, y=axes[Y], x=axes[X], geolocation=places)
    return Placement(lr=grid, hr=hr_grid, order=order, trained=trained)


def _regridded(pairing: Pairing, given: Grid, *, whole: bool) -> Placement:
    """Place fields of a pair that does not nest.

    The result is the training domain, or the part of it that a part of the LR grid covers.
    """
    scale, lr = pairing.scale, pairing.lr
    if whole:
        part = positions(pairing.whole)
    else:
        inner = _covered_by(pairing, given)
        lr, part = cut_grid(lr, inner), positions(inner, scale)
    axes, order = {}, {}
    for dim, now, then, hr in _axes(given, pairing.source, pairing.hr):
        near = hr.canonical[part[dim]] + turns_between(hr, now)
        axes[dim], order[dim] = laid_like(now, _stored(hr, part[dim], near=near))
        if whole and _same_layout(now, then):
            axes[dim], order[dim] = _as_stored(pairing, dim)
        else:
            axes[dim], order[dim] = _inside_domain(pairing, dim, axes[dim], order[dim], part)
    hr_grid = dataclasses.replace(pairing.domain, y=axes[Y], x=axes[X])
    return Placement(lr=lr, hr=hr_grid, order=order, trained=part)


def _reprojected(pairing: Pairing, given: Grid, *, whole: bool) -> Placement:
    """Place fields of a pair in different CRSs: on the training domain, in its HR layout."""
    if not whole:
        raise GridError(
            f"Expected LR fields on the training grid ({pairing.source.extent}), because LR and HR"
            f" have different CRSs, got {given.extent}. Predict there and select after, or"
            " reproject them first with .downscale.interpolate."
        )
    order = {dim: _as_stored(pairing, dim)[1] for dim in (Y, X)}
    trained = positions(pairing.whole)
    return Placement(lr=pairing.lr, hr=pairing.domain, order=order, trained=trained)


def _as_stored(pairing: Pairing, dim: str) -> tuple[Axis, np.ndarray]:
    """Return an axis of the training domain in its layout, and the order of its cells."""
    axis = {Y: pairing.domain.y, X: pairing.domain.x}[dim]
    return axis, np.argsort(axis.order) + pairing.inner[dim].start


def _inside_domain(
    pairing: Pairing, dim: str, axis: Axis, order: np.ndarray, trained: dict[str, np.ndarray]
) -> tuple[Axis, np.ndarray]:
    """Leave out the cells by which LR cells stick out of the training domain."""
    inner = pairing.inner[dim]
    there = trained[dim][order]
    inside = np.flatnonzero((there >= inner.start) & (there < inner.stop))
    if inside.size == order.size:
        return axis, order
    return axis.take(inside), order[inside]


def _axes(*grids: Grid) -> list[tuple]:
    return [(Y, *(g.y for g in grids)), (X, *(g.x for g in grids))]


def _covered_by(pairing: Pairing, given: Grid) -> Part:
    """Return the cells of the network's LR grid that a part of the training LR grid covers."""
    if window(pairing.source, given) is None:
        raise GridError(
            f"Expected LR fields on the training grid ({pairing.source.extent}) or a part of it,"
            f" because LR and HR cells do not nest, got {given.extent}. Interpolate them onto it"
            " first, with .downscale.interpolate."
        )
    out: Part = {}
    for dim, now, hr in _axes(given, pairing.hr):
        inside = _inside(now, hr, pairing.scale.by_dim[dim])
        if inside.size < 2:
            raise GridError(
                "Expected LR fields that cover at least two of the cells on which the network"
                f" works ({pairing.lr.extent}), got {given.extent}. Select a larger region."
            )
        out[dim] = inside
    return out


def _inside(now: Axis, hr: Axis, scale: int) -> np.ndarray:
    """Return positions of the blocks of `scale` HR cells with all centres in the cells of `now`."""
    begin, end = hr.canonical[::scale], hr.canonical[scale - 1 :: scale]
    slack = TOLERANCE * hr.spacing
    away = begin - (now.edges[0] - turns_between(hr, now)) + slack
    if hr.periodic:
        away = away % 360
    width = now.edges[-1] - now.edges[0] + 2 * slack
    inside = np.flatnonzero((away >= 0) & (away + end - begin <= width))
    return inside if inside.size == begin.size else inside[np.argsort(away[inside])]


def _stored(hr: Axis, part: np.ndarray, near: np.ndarray) -> Axis:
    """Return cells of the training HR axis, shifted by multiples of 360 towards `near`."""
    values = hr.canonical[part]
    if hr.kind == "longitude":
        values = values + 360 * np.round((near - values) / 360)
    return hr.take(hr.order[part], values)


def _check_spacing(pairing: Pairing, given: Grid) -> None:
    lr, seen = pairing.lr, ratio(given, pairing.lr)
    if all(abs(r - 1) < 0.01 for r in seen):
        return
    hint = (
        f", which does not cover the training domain ({lr.extent}). Provide fields that cover it,"
        " or bring them onto that spacing first, such as with .downscale.interpolate."
    )
    if all(abs(r - 1) < 0.01 for r in ratio(given, pairing.hr)):
        hint = f", the HR spacing. Make LR fields with .downscale.coarsen({pairing.scale}) first."
    raise GridError(
        f"Expected LR fields with the spacing of training ({lr.y.spacing:g} by {lr.x.spacing:g}),"
        f" got {given.y.spacing:g} by {given.x.spacing:g}{hint}"
    )


def _same_layout(a: Axis, b: Axis) -> bool:
    return a.size == b.size and bool(
        np.abs(a.values.astype("f8") - b.values.astype("f8")).max() < TOLERANCE * a.spacing
    )

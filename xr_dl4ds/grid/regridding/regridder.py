"""Regridding between two grids, with one class for shared axes and one for different CRSs.

`regridder` decides once whether equal coordinates mean equal locations on both grids. Everything
that depends on this decision is a method of `Regridder`.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import logging

import numpy as np
import xarray as xr

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.cf.conventions import note_without_mean
from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.cf.indexing import take
from xr_dl4ds.grid.crs import is_planar, label, metres_in, projection
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import Part
from xr_dl4ds.grid.regridding import rectilinear, reprojection
from xr_dl4ds.grid.regridding.cropping import covered
from xr_dl4ds.grid.regridding.neighbours import locate
from xr_dl4ds.grid.regridding.nesting import Nesting, nest, ratio, turns_between
from xr_dl4ds.grid.regridding.roll import roll_to_face, rolled_grid

logger = logging.getLogger(__name__)

#: Distance, in source cells, that the outer source cells extend from their centres: to their edges
#: and, if coarser fields are interpolated, half a cell beyond the edges.
TO_EDGES, BEYOND_EDGES = 0.5, 1.01


@dataclasses.dataclass(frozen=True, kw_only=True)
class Regridder(abc.ABC):
    """Regridding from one grid to another; `regridder` creates it.

    Parameters
    ----------
    source, target : Grid
        The two grids.
    """

    source: Grid
    target: Grid

    @property
    @abc.abstractmethod
    def spacing(self) -> tuple[float, float]:
        """Size of a source cell along y and x of the target, in units of the target."""

    @property
    @abc.abstractmethod
    def ratios(self) -> tuple[float, float]:
        """Size of a source cell along y and x, in target cells."""

    @property
    @abc.abstractmethod
    def finer(self) -> bool:
        """True if source cells are smaller than target cells."""

    @abc.abstractmethod
    def nesting(self, *, whole: bool) -> Nesting | None:
        """Find the cells of a nested pair, see `xr_dl4ds.grid.regridding.nesting`."""

    @abc.abstractmethod
    def covered(self) -> Part:
        """Find a rectangle of target cells that all lie within the source cells."""

    @abc.abstractmethod
    def require_overlap(self, source_role: str, target_role: str) -> None:
        """Raise a `GridError` unless both grids share some area."""

    @abc.abstractmethod
    def require_cover(self, role: str, reach: float = TO_EDGES) -> None:
        """Raise a `GridError` unless the source cells contain every target centre."""

    @abc.abstractmethod
    def regrid(self, data: xr.Dataset, method: str, reach: float = TO_EDGES) -> xr.Dataset:
        """Interpolate or average fields, lazily.

        Parameters
        ----------
        data : xarray.Dataset
            Variables whose last dimensions are ``(y, x)``, on `source`.
        method : {"bicubic", "bilinear", "nearest", "conservative"}
            See `xr_dl4ds.grid.regridding.weights`.
        reach : float
            Distance that the outer source cells extend from their centres, in cells.

        Returns
        -------
        xarray.Dataset
            Fields on the canonical cells of `target`, with the same dtype and attributes.
        """


class SameAxes(Regridder):
    """Regridding between grids on which equal coordinates mean equal locations."""

    @functools.cached_property
    def _rolled(self) -> tuple[Grid, Part]:
        """The source with the seam of a global domain opposite the target, and its columns."""
        return rolled_grid(self.source, self.target)

    @property
    def spacing(self) -> tuple[float, float]:
        """Spacing of the source grid along y and x."""
        return self.source.y.spacing, self.source.x.spacing

    @property
    def ratios(self) -> tuple[float, float]:
        """Size of a source cell along y and x, in target cells."""
        return ratio(self.source, self.target)

    @property
    def finer(self) -> bool:
        """True if source cells are smaller than target cells along both axes."""
        return max(self.ratios) < 1.0

    def nesting(self, *, whole: bool) -> Nesting | None:
        """Find the cells of a nested pair; return None if the cells do not nest."""
        return nest(self.source, self.target, whole=whole)

    def covered(self) -> Part:
        """Find the target cells whose centres lie within the source cells."""
        return covered(self.target, self.source)

    def require_overlap(self, source_role: str, target_role: str) -> None:
        """Raise a `GridError` unless the domains overlap along both axes, in one unit."""
        source, target = self.source, self.target
        require_one_unit(source, target, source_role, target_role)
        for a, b in ((source.y, target.y), (source.x, target.x)):
            if a.periodic or b.periodic:
                continue
            low, high = a.edges[[0, -1]] + turns_between(a, b)
            if high <= b.edges[0] or low >= b.edges[-1]:
                raise GridError(
                    f"Expected grids that overlap, got {source_role} on {source.extent} and"
                    f" {target_role} on {target.extent}. Select the same region of both, and check"
                    " units and longitudes."
                )

    def require_cover(self, role: str, reach: float = TO_EDGES) -> None:
        """Raise a `GridError` unless the source cells contain every target centre."""
        source, _ = self._rolled
        for s, t in ((source.y, self.target.y), (source.x, self.target.x)):
            if not _inside(s, t, reach).all():
                raise GridError(
                    f"Expected {role} to cover {t.name} {t.extent}, got {s.name} {s.extent}."
                    " Provide fields for the whole domain, or select a smaller one."
                )

    def regrid(self, data: xr.Dataset, method: str, reach: float = TO_EDGES) -> xr.Dataset:
        """Apply the weights of both axes."""
        grid, order = self._rolled
        return rectilinear.interpolate(take(data, order), grid, self.target, method)

    def uncovered(self, reach: float = BEYOND_EDGES) -> int:
        """Count the target cells with a centre beyond the source cells."""
        source, _ = self._rolled
        axes = ((source.y, self.target.y), (source.x, self.target.x))
        inside = [int(_inside(s, t, reach).sum()) for s, t in axes]
        return int(np.prod(self.target.shape) - np.prod(inside))


def _inside(source: Axis, target: Axis, reach: float) -> np.ndarray:
    """Return which target centres lie within the source cells along one axis."""
    if source.periodic:
        return np.ones(target.size, bool)
    beyond = (reach - TO_EDGES) * source.spacing if source.spacing > target.spacing else 0.0
    slack = max(0.01 * target.spacing, beyond)
    low, high = source.edges[[0, -1]] + turns_between(source, target) + [-slack, slack]
    return np.asarray((target.canonical >= low) & (target.canonical <= high))


def require_one_unit(source: Grid, target: Grid, source_role: str, target_role: str) -> None:
    """Raise a `GridError` for planar axes in two units of length, unless both have a CRS."""
    if not is_planar(source) or None not in (projection(source), projection(target)):
        return
    for s, t in ((source.y, target.y), (source.x, target.x)):
        units = [str(axis.attrs.get("units", "")) for axis in (s, t)]
        metres = [metres_in(unit) or np.nan for unit in units]
        if abs(metres[0] - metres[1]) > 0:  # False for unknown units
            values = f"{metres[0] / metres[1]:g} * ds[{s.name!r}].data"
            cure = f"({s.name!r}, {values}, {{'units': {units[1]!r}}})"
            raise GridError(
                f"Expected {source_role} and {target_role} in one unit of length, got {s.name!r} in"
                f" {units[0]!r} and {t.name!r} in {units[1]!r}. Bring both axes of {source_role} to"
                f" {units[1]!r}, such as .assign_coords({s.name}={cure})."
            )


class AcrossCRS(Regridder):
    """Regridding between grids in different coordinate reference systems."""

    @property
    def spacing(self) -> tuple[float, float]:
        """Size of a source cell at the middle of the target."""
        return reprojection.spacing_in(self.source, self.target)

    @property
    def ratios(self) -> tuple[float, float]:
        """Mean edge of a source cell at the middle of the target, in target cells, twice."""
        cell = self.target.y.spacing * self.target.x.spacing
        mean = float(np.sqrt(np.prod(self.spacing) / cell))
        return mean, mean

    @property
    def finer(self) -> bool:
        """True if source cells have a smaller area than target cells."""
        return self.ratios[0] < 1.0

    def nesting(self, *, whole: bool) -> Nesting | None:
        """Return None: cells of different CRSs do not nest."""
        return None

    def covered(self) -> Part:
        """Find a rectangle of target cells whose centres lie within the source cells."""
        return reprojection.covered_part(self.source, self.target)

    def require_overlap(self, source_role: str, target_role: str) -> None:
        """Raise a `GridError` unless both grids have known locations and share some area."""
        source, target = self.source, self.target
        reprojection.require_placed(source, source_role, target, target_role)
        reprojection.require_placed(target, target_role, source, source_role)
        if not (locate(source, target)[2].any() or locate(target, source)[2].any()):
            raise GridError(
                f"Expected grids that overlap, got {source_role} on {source.extent}"
                f" ({label(source)}) and {target_role} on {target.extent} ({label(target)})."
                " Select the same region of both, and check their CRS."
            )

    def require_cover(self, role: str, reach: float = TO_EDGES) -> None:
        """Raise a `GridError` unless the source cells contain every target centre."""
        source, target = self.source, self.target
        inside = locate(source, target, reach)[2]
        if not inside.all():
            raise GridError(
                f"Expected {role} to cover {target.extent} ({label(target)}), got {source.extent}"
                f" ({label(source)}), which leaves {int((~inside).sum())} of {inside.size} cells"
                " uncovered. Provide fields for the whole domain, or select a smaller one."
            )

    def regrid(self, data: xr.Dataset, method: str, reach: float = TO_EDGES) -> xr.Dataset:
        """Weight the neighbours of each target centre, or average over target cells."""
        return reprojection.reproject(data, self.source, self.target, method, reach)


def regridder(source: Grid, target: Grid) -> Regridder:
    """Choose the type of regridding between two grids.

    Parameters
    ----------
    source, target : Grid
        The grid of the fields, and the target grid.

    Returns
    -------
    Regridder
        `SameAxes` if both grids have the same kind of coordinates and, as far as known, the same
        CRS; otherwise `AcrossCRS`.
    """
    same = reprojection.same_place(source, target)
    return (SameAxes if same else AcrossCRS)(source=source, target=target)


def onto(fields: Fields, target: Grid, role: str) -> xr.Dataset:
    """Regrid auxiliary fields from any grid.

    Fields on the same cells are not interpolated. Finer fields are averaged (conservative); coarser
    fields are interpolated (bilinear).

    Parameters
    ----------
    fields : Fields
        Predictors or static fields.
    target : Grid
        The target grid.
    role : str
        A name for the fields in messages, such as ``"predictors="``.

    Returns
    -------
    xarray.Dataset
        Fields on the canonical cells of `target`; lazy where the input is.

    Raises
    ------
    GridError
        If the fields do not cover the target.
    """
    between = regridder(fields.grid, target)
    if isinstance(between, SameAxes):
        if fields.grid.same_cells(target):
            return fields.data.assign_coords(target.coords)
        turned = roll_to_face(fields, target)
        inner = rectilinear.window(turned.grid, target)
        if inner is not None:
            return take(turned.data, inner).assign_coords(target.coords)
    between.require_overlap(role, "the target grid")
    method, reach = ("conservative", TO_EDGES) if between.finer else ("bilinear", BEYOND_EDGES)
    between.require_cover(role, reach)
    note_without_mean(fields.data, role)
    logger.info(
        "%s are regridded (%s) from %s (%s) to %s (%s)",
        role,
        method,
        *(fields.grid.extent, label(fields.grid)),
        *(target.extent, label(target)),
    )
    return between.regrid(fields.data, method, reach)

"""The overview of a Dataset or DataArray, and how it is shown in a terminal and in a notebook."""

from __future__ import annotations

import dataclasses
import html
import textwrap
from collections.abc import Mapping

import pyproj

from xr_dl4ds.grid.crs import is_planar, projection
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.model.display import as_html, as_text

_WIDTH = 100
#: Readable on white and on black.
_RED = "#e5484d"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Overview:
    """Overview of how the package interprets a Dataset or DataArray.

    Parameters
    ----------
    y, x, time : str or None
        Names of the dimensions; None if there is none or it is unknown. `time` may be a sample
        axis.
    kind : str or None
        "latitude-longitude", "rotated pole", the name of a projection such as "Lambert Conic
        Conformal", "planar, no CRS", or None without a usable grid.
    crs : pyproj.CRS or None
        CRS in the unit of the axes.
    shape : tuple of int or None
        Cells along y and x.
    spacing : mapping
        Median distance of neighbouring cell centres, by dimension, in the units of the coordinate.
    extent : mapping
        First and last cell edge, by dimension, the smaller first; longitudes begin in [-180, 180).
    even : mapping
        Whether cells are equally spaced, by dimension.
    periodic : bool
        Whether the columns go once around the globe.
    calendar, frequency : str or None
        CF calendar; "daily", "monthly", "yearly", a step such as "6 h", or "irregular".
    period : tuple of str or None
        First and last time.
    n_times : int or None
        Number of steps along `time`.
    varying, static : tuple of str
        Variables on the grid with and without `time`.
    extra : mapping
        Roles of further dimensions, by dimension.
    left_out : tuple of str
        Variables that do not lie on the grid.
    problems : tuple of str
        Errors that `fit` or `coarsen` raise for these data.
    notes : tuple of str
        Remarks on data that are valid.
    grid : Grid or None
        The package's own form of the axes, from which maps are drawn.
    """

    y: str | None
    x: str | None
    time: str | None
    kind: str | None
    crs: pyproj.CRS | None
    shape: tuple[int, int] | None
    spacing: Mapping[str, float]
    extent: Mapping[str, tuple[float, float]]
    even: Mapping[str, bool]
    periodic: bool
    calendar: str | None
    frequency: str | None
    period: tuple[str, str] | None
    n_times: int | None
    varying: tuple[str, ...]
    static: tuple[str, ...]
    extra: Mapping[str, str]
    left_out: tuple[str, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    grid: Grid | None

    def rows(self) -> dict[str, str]:
        """Return all rows of the overview except problems and notes, in order."""
        return {
            "grid": self._kind(),
            "y": self._axis(self.y),
            "x": self._axis(self.x),
            "CRS": _name(self.crs),
            "time": self._time(),
            "varying": ", ".join(self.varying) or "none",
            "static": ", ".join(self.static) or "none",
            **{f"along {dim}": role for dim, role in self.extra.items()},
            **({"left out": ", ".join(self.left_out)} if self.left_out else {}),
        }

    def __repr__(self) -> str:
        rows = numbered("problem", self.problems) | self.rows() | numbered("note", self.notes)
        indent = " " * (max(map(len, rows)) + 6)
        wrapped = {
            k: textwrap.fill(v, _WIDTH, initial_indent=indent, subsequent_indent=indent).strip()
            for k, v in rows.items()
        }
        return as_text(self._title(), wrapped)

    def _repr_html_(self) -> str:
        red = "".join(
            f"<div style='color:{_RED};text-align:left'><b>{k}</b>: {html.escape(v)}</div>"
            for k, v in numbered("problem", self.problems).items()
        )
        table = as_html(self._title(), self.rows() | numbered("note", self.notes))
        # loads matplotlib, which the other parts of an overview do not need
        from xr_dl4ds.overview.domain_map import picture

        drawn = "" if self.grid is None else picture(self.grid)
        return f"<div>{red}{table}{drawn}</div>"

    def _title(self) -> str:
        count = len(self.problems)
        return "Overview" + (f", {count} problem{'s' * (count > 1)}" if count else "")

    def _kind(self) -> str:
        size = "" if self.shape is None else f"{self.shape[0]} x {self.shape[1]} cells"
        around = "once around the globe" if self.periodic else ""
        return ", ".join(part for part in (self.kind, size, around) if part) or "not found"

    def _axis(self, dim: str | None) -> str:
        if dim is None:
            return "not found"
        if dim not in self.extent:
            return dim
        axes = () if self.grid is None else (self.grid.y, self.grid.x)
        axis = next((a for a in axes if a.name == dim), None)
        units = "" if axis is None else str(axis.attrs.get("units", ""))
        text = f"{dim}: {self.extent[dim][0]:g} to {self.extent[dim][1]:g} {units}".rstrip()
        text += f", cells of {'' if self.even[dim] else 'about '}{self.spacing[dim]:g}"
        return text + (", falling" if axis is not None and axis.falls else "")

    def _time(self) -> str:
        if self.time is None:
            return "none"
        text = f"{self.time}: {self.n_times} step{'s' * (self.n_times != 1)}"
        if self.period is not None:
            text += f", {' to '.join(self.period)}"
        calendar = None if self.calendar is None else f"{self.calendar} calendar"
        return ", ".join(part for part in (text, self.frequency, calendar) if part)


def numbered(word: str, texts: tuple[str, ...]) -> dict[str, str]:
    """Return texts by label: "note", or "note 1", "note 2" if there are several."""
    if len(texts) == 1:
        return {word: texts[0]}
    return {f"{word} {i}": text for i, text in enumerate(texts, 1)}


def kind_of(grid: Grid | None, crs: pyproj.CRS | None) -> str | None:
    """Return the kind of a grid, see `Overview`; None if its grid mapping cannot be read."""
    if grid is None:
        return None
    if not is_planar(grid):
        return "latitude-longitude"
    if crs is None:
        return "planar, no CRS" if projection(grid) is None and not grid.mapping_name else None
    while crs.is_bound or crs.is_compound:  # with a datum shift, or with heights
        crs = crs.source_crs or crs.sub_crs_list[0]
    if crs.to_cf().get("grid_mapping_name") == "rotated_latitude_longitude":
        return "rotated pole"
    if not crs.is_projected or crs.coordinate_operation is None:
        return "latitude-longitude" if crs.is_geographic else crs.type_name
    # EPSG's names of methods: "Lambert Conic Conformal (2SP)"
    return str(crs.coordinate_operation.method_name).split(" (")[0]


def _name(crs: pyproj.CRS | None) -> str:
    if crs is None:
        return "none"
    code = crs.to_authority()
    names = [crs.name, crs.to_cf().get("grid_mapping_name"), crs.type_name]
    name = str(next(n for n in names if n and n not in ("undefined", "unknown")))
    return f"{name} ({':'.join(code)})" if code else name

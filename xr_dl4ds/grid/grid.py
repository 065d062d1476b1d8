"""A horizontal grid: two axes, a grid mapping and the locations of its cells."""

from __future__ import annotations

import dataclasses

import numpy as np

from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.geolocation import Geolocation
from xr_dl4ds.grid.names import Attrs, X, Y


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grid:
    """A rectilinear horizontal grid in the user's layout.

    Parameters
    ----------
    y, x : Axis
        The two axes.
    mapping_name : str, optional
        Name of the CF grid-mapping variable; None if the data have none.
    mapping : mapping
        Attributes of the grid-mapping variable.
    geolocation : Geolocation, optional
        Latitude and longitude of the cells as read from the data, if they are needed to locate the
        cells. Parts and refinements of the grid share this object.
    """

    y: Axis
    x: Axis
    mapping_name: str | None = None
    mapping: Attrs = dataclasses.field(default_factory=dict)
    geolocation: Geolocation | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Number of cells along y and x."""
        return self.y.size, self.x.size

    @property
    def extent(self) -> str:
        """Names, first and last centres and spacings as text, for messages."""
        return ", ".join(f"{a.name} {a.extent} by {a.spacing:g}" for a in (self.y, self.x))

    def same_cells(self, other: Grid) -> bool:
        """Return True if both grids have the same cells, in any layout."""
        return self.y.same_cells(other.y) and self.x.same_cells(other.x)

    @property
    def coords(self) -> dict[str, np.ndarray]:
        """Canonical centres by canonical dimension."""
        return {Y: self.y.canonical, X: self.x.canonical}

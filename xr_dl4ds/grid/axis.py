"""One axis of a rectilinear grid: centres in the user's layout; edges, order, refinement.

Any direction and spacing is supported; longitudes may follow any convention and may cross the seam
(``[358, 359, 0, 1]``). *Canonical* means increasing, with longitudes as one unbroken run that
begins in [-180, 180): the order in which the package works inside.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from xr_dl4ds.exceptions import GridError

#: Largest distance, in cells, between coordinates that count as the same: float32 jitter on real
#: files reaches 1e-4 of a cell, half-cell offsets are 0.5.
TOLERANCE = 1e-3


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Axis:
    """Cell centres along one dimension.

    Parameters
    ----------
    name : str
        The dimension's name in the user's data.
    values : numpy.ndarray
        Centres, shape ``(name,)``, in the user's order, convention and dtype.
    attrs : mapping
        CF attributes of the coordinate.
    kind : {"latitude", "longitude", "planar"}
        What the values measure; `planar` covers projected and rotated coordinates.
    bounds : numpy.ndarray, optional
        Lower and upper edge of each cell, ``(name, 2)``, beside `values` and in their order, where
        the edges do not lie halfway between centres (Gaussian latitudes).

    Raises
    ------
    GridError
        With fewer than two centres, a NaN, a duplicate, or an order that is not monotonic.
    """

    name: str
    values: np.ndarray
    attrs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    kind: str = "planar"
    bounds: np.ndarray | None = None

    def __post_init__(self) -> None:
        values = np.asarray(self.values)
        object.__setattr__(self, "values", values)
        if values.ndim != 1 or values.size < 2:
            raise GridError(
                f"Expected the coordinate {self.name!r} to be one-dimensional with at least 2"
                f" cells, got shape {values.shape}. Select a larger region."
            )
        if not np.issubdtype(values.dtype, np.number) or not np.isfinite(values).all():
            raise GridError(
                f"Expected the coordinate {self.name!r} to hold finite numbers, got {values.dtype}"
                f" with {_odd(values, self.name)}."
            )
        steps = np.diff(self.canonical)
        if self.kind == "latitude" and np.abs(self.canonical).max() > 90 + TOLERANCE * self.spacing:
            raise GridError(
                f"Expected the latitudes {self.name!r} in -90 to 90 degrees, got {self.extent}."
                " Set the units and standard_name that they have, or drop those cells with .isel."
            )
        if not (steps > 0).all():
            at = int(np.argmin(steps > 0))
            raise GridError(
                f"Expected the coordinate {self.name!r} to be strictly increasing or decreasing,"
                f" got {self.canonical[at]:g} followed by {self.canonical[at + 1]:g}. Sort it with"
                f" .sortby({self.name!r}) and drop duplicates with .drop_duplicates({self.name!r})."
            )
        turn = self.canonical[-1] - self.canonical[0]
        if self.kind == "longitude" and turn >= 360 - TOLERANCE * steps[0]:
            cure = "Select one turn of them with .isel."
            if turn < 361:
                cure = "Drop the last column, which is the first one again, with"
                cure += f" .isel({self.name}=slice(None, -1))."
            raise GridError(
                f"Expected the longitudes {self.name!r} to go once around the globe at most, got"
                f" {self.canonical[0]:g} to {self.canonical[-1]:g}. {cure}"
            )

    @property
    def size(self) -> int:
        """Number of cells."""
        return int(self.values.size)

    @functools.cached_property
    def order(self) -> np.ndarray:
        """Positions that bring `values` into canonical order: ``values[order]`` increases."""
        if self.kind != "longitude":
            return np.arange(self.size)[:: 1 if self.values[-1] > self.values[0] else -1]
        return _longitude_order(self.values.astype("f8"))

    @functools.cached_property
    def canonical(self) -> np.ndarray:
        """Centres in canonical order, float64."""
        values = self.values.astype("f8")[self.order]
        if self.kind != "longitude":
            return values
        run = values + 360 * np.r_[0, np.cumsum(np.diff(values) < 0)]
        if run[-1] - run[0] >= 360:  # not one run: as it is, so that the check refuses it
            return values
        return run - 360 * np.floor((run[0] + 180) / 360)

    @property
    def edges(self) -> np.ndarray:
        """The ``size + 1`` cell edges of the canonical centres; latitudes end at the poles."""
        if self.bounds is not None:
            shift = self.canonical - self.values.astype("f8")[self.order]
            cells = self.bounds[self.order] + shift[:, None]
            return np.r_[cells[0, 0], cells[:, 1]]
        return edges(self.canonical, latitude=self.kind == "latitude")

    @property
    def spacing(self) -> float:
        """Median distance of neighbouring centres, in the units of the coordinate."""
        return float(np.median(np.diff(self.canonical)))

    @property
    def extent(self) -> str:
        """First and last centre as text, for messages."""
        return f"{self.canonical[0]:g} to {self.canonical[-1]:g}"

    @property
    def falls(self) -> bool:
        """True where the user's values decrease, but for a step across the seam."""
        steps = np.diff(self.order) % self.size
        return bool(steps[0] == self.size - 1 and (self.size > 2 or self.order[0] == 1))

    def in_one_run(self) -> tuple[Axis, np.ndarray]:
        """The same cells with neighbours side by side, in the user's direction, and their order.

        ``[0, 1, 358, 359]`` is such a case: its first and last cells are neighbours.
        """
        if (np.abs(np.diff(self.order)) == 1).all():
            return self, np.arange(self.size)
        step = -1 if self.falls else 1
        order = self.order[::step]
        return self.take(order, self.canonical[::step]), order

    @property
    def periodic(self) -> bool:
        """True for longitudes that go once around the globe."""
        gap = 360 - (self.canonical[-1] - self.canonical[0])
        return self.kind == "longitude" and bool(abs(gap - self.spacing) < 0.01 * self.spacing)

    def same_cells(self, other: Axis) -> bool:
        """Whether both have the same canonical centres, to `TOLERANCE` of a cell."""
        if self.size != other.size:
            return False
        apart = self.canonical - other.canonical
        if self.kind == "longitude":  # jitter at the date line begins the run a turn away
            apart = apart - 360 * np.round(apart.mean() / 360)
        return bool(np.abs(apart).max() < TOLERANCE * self.spacing)

    def replace(self, values: np.ndarray, bounds: np.ndarray | None = None) -> Axis:
        """The same kind of axis with other cells, in the layout of `values`."""
        return dataclasses.replace(self, values=values, bounds=bounds)

    def take(self, positions: np.ndarray | slice, values: np.ndarray | None = None) -> Axis:
        """Some of its cells, or all in another order; `values` may turn them by whole circles."""
        here = self.values[positions]
        values = here if values is None else values
        if self.bounds is None:
            return self.replace(values)
        shift = values.astype("f8") - here.astype("f8")
        return self.replace(values, self.bounds[positions] + shift[:, None])


def edges(centres: np.ndarray, *, latitude: bool = False) -> np.ndarray:
    """Cell edges halfway between centres, the outer cells taken symmetric.

    Parameters
    ----------
    centres : numpy.ndarray
        Strictly monotonic, shape ``(n,)``, ``n >= 2``.
    latitude : bool
        Clip at the poles, degrees.

    Returns
    -------
    numpy.ndarray
        Shape ``(n + 1,)``, float64.

    Examples
    --------
    >>> edges(np.array([10.0, 20.0, 40.0]))
    array([ 5., 15., 30., 50.])
    """
    centres = np.asarray(centres, "f8")
    half = np.diff(centres) / 2
    out = np.r_[centres[0] - half[0], centres[:-1] + half, centres[-1] + half[-1]]
    return np.clip(out, -90, 90) if latitude else out


def _longitude_order(values: np.ndarray) -> np.ndarray:
    """Increasing order around the circle, broken at the widest gap, or where the user breaks it."""
    turned = values % 360
    order = np.argsort(turned, kind="stable")
    ring = turned[order]
    gaps = np.diff(np.r_[ring, ring[0] + 360])
    if gaps.max() > 1.5 * np.median(gaps):
        first = (int(gaps.argmax()) + 1) % ring.size
    else:  # a full circle has no gap: it begins at the user's western end
        west = 0 if (np.diff(values) > 0).sum() >= values.size / 2 else values.size - 1
        first = int(np.flatnonzero(order == west)[0])
    order = np.roll(order, -first)
    steps = np.diff(order) % values.size
    if not ((steps == 1).all() or (steps == values.size - 1).all()):
        return np.arange(values.size)  # not one monotonic run: let the check in Axis report it
    return order


def _odd(values: np.ndarray, name: str) -> str:
    """What is no number, and the cure."""
    if not np.issubdtype(values.dtype, np.number):
        cure = f"Assign the cell centres with .assign_coords({name}=...)"
        return f"values such as {str(values[0])!r}. {cure}"
    cure = f"Drop those cells with .isel({name}=np.isfinite(ds[{name!r}]))"
    return f"{int((~np.isfinite(values)).sum())} that are NaN or infinite. {cure}"

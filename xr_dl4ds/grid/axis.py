"""One axis of a rectilinear grid: cell centres in the user's layout, cell edges and order.

`Axis` supports any direction and spacing. Longitudes may follow any convention and may cross the
wrap-around (``[358, 359, 0, 1]``). In *canonical* order, the package's internal order, values
increase, and longitudes form one unbroken run that begins in [-180, 180).
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.names import Attrs

#: Largest distance, in cells, between coordinates that count as equal. Float32 rounding in real
#: files reaches 1e-4 of a cell; a half-cell offset is 0.5.
TOLERANCE = 1e-3


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Axis:
    """Cell centres along one dimension.

    Parameters
    ----------
    name : str
        Name of the dimension in the user's data.
    values : numpy.ndarray
        Cell centres, shape ``(name,)``, in the user's order, convention and dtype.
    attrs : mapping
        CF attributes of the coordinate.
    kind : {"latitude", "longitude", "planar"}
        Type of coordinate; "planar" covers projected and rotated coordinates.
    bounds : numpy.ndarray, optional
        Lower and upper edge of each cell, ``(name, 2)``, in the order of `values`. They are set
        only if the edges do not lie halfway between centres (Gaussian latitudes).

    Raises
    ------
    GridError
        If there are fewer than two centres, values that are not finite, duplicates, an order that
        is not monotonic, latitudes beyond the poles, or longitudes that go more than once around
        the globe.
    """

    name: str
    values: np.ndarray
    attrs: Attrs = dataclasses.field(default_factory=dict)
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
        if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
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
                f" got {self.canonical[at]:g} followed by {self.canonical[at + 1]:g}."
                f" {self._cure_of_order()}"
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

    def _cure_of_order(self) -> str:
        """Return the cure for values that are not strictly monotonic."""
        values = self.values.astype("f8")
        one_run = (np.diff(np.unwrap(values, period=360)) > 0).all()
        if self.kind == "planar" and one_run and values.min() >= -180 and values.max() <= 360:
            return f"Set ds[{self.name!r}].attrs['units'] = 'degrees_east' if it is a longitude."
        return (
            f"Sort it with .sortby({self.name!r}) and drop duplicates with"
            f" .drop_duplicates({self.name!r})."
        )

    @property
    def size(self) -> int:
        """Number of cells."""
        return int(self.values.size)

    @functools.cached_property
    def order(self) -> np.ndarray:
        """Positions that bring `values` into canonical order, see `canonical`."""
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
        if run[-1] - run[0] >= 360:  # not one run: the check raises for unchanged values
            return values
        return run - 360 * np.floor((run[0] + 180) / 360)

    @property
    def edges(self) -> np.ndarray:
        """Cell edges in canonical order, ``(size + 1,)``; latitudes end at the poles."""
        if self.bounds is not None:
            shift = self.canonical - self.values.astype("f8")[self.order]
            cells = self.bounds[self.order] + shift[:, None]
            return np.r_[cells[0, 0], cells[:, 1]]
        return edges(self.canonical, latitude=self.kind == "latitude")

    @property
    def spacing(self) -> float:
        """Median distance between neighbouring centres, in the units of the coordinate."""
        return float(np.median(np.diff(self.canonical)))

    @property
    def extent(self) -> str:
        """First and last centre as text, for messages."""
        return f"{self.canonical[0]:g} to {self.canonical[-1]:g}"

    @property
    def labels(self) -> np.ndarray:
        """The user's values for an index; pandas has none of half precision."""
        return self.values.astype("f4") if self.values.dtype == "f2" else self.values

    @property
    def falls(self) -> bool:
        """True if the user's values decrease, apart from the step at the wrap-around."""
        steps = np.diff(self.order) % self.size
        return bool(steps[0] == self.size - 1 and (self.size > 2 or self.order[0] == 1))

    def in_one_run(self) -> tuple[Axis, np.ndarray]:
        """Return the axis with neighbouring cells side by side, and the order of its cells.

        The user's direction is kept. The order changes for ``[0, 1, 358, 359]``, for example,
        whose first and last cells are neighbours.
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
        """Return True if both axes have the same canonical centres, to `TOLERANCE` of a cell."""
        if self.size != other.size:
            return False
        apart = self.canonical - other.canonical
        if self.kind == "longitude":  # rounding at the date line can shift a run by 360
            apart = apart - 360 * np.round(apart.mean() / 360)
        return bool(np.abs(apart).max() < TOLERANCE * self.spacing)

    def replace(self, values: np.ndarray, bounds: np.ndarray | None = None) -> Axis:
        """Return an axis of the same kind with other cells, in the layout of `values`."""
        return dataclasses.replace(self, values=values, bounds=bounds)

    def take(self, positions: np.ndarray | slice, values: np.ndarray | None = None) -> Axis:
        """Select or reorder cells.

        `values` replaces their centres; longitudes may differ by multiples of 360 degrees.
        """
        here = self.values[positions]
        values = here if values is None else values
        if self.bounds is None:
            return self.replace(values)
        shift = values.astype("f8") - here.astype("f8")
        return self.replace(values, self.bounds[positions] + shift[:, None])


def edges(centres: np.ndarray, *, latitude: bool = False) -> np.ndarray:
    """Return cell edges halfway between centres; outer cells are symmetric about their centres.

    Parameters
    ----------
    centres : numpy.ndarray
        Cell centres, strictly monotonic, shape ``(n,)``, ``n >= 2``.
    latitude : bool
        Clip the edges to -90 to 90 degrees.

    Returns
    -------
    numpy.ndarray
        Edges, shape ``(n + 1,)``, float64.

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
    """Return the eastward order of longitudes, from the widest gap or the user's western end."""
    turned = values % 360
    order = np.argsort(turned, kind="stable")
    ring = turned[order]
    gaps = np.diff(np.r_[ring, ring[0] + 360])
    if gaps.max() > 1.5 * np.median(gaps):
        first = (int(gaps.argmax()) + 1) % ring.size
    else:  # a full circle has no gap: begin at the user's western end
        west = 0 if (np.diff(values) > 0).sum() >= values.size / 2 else values.size - 1
        first = int(np.flatnonzero(order == west)[0])
    order = np.roll(order, -first)
    steps = np.diff(order) % values.size
    if not ((steps == 1).all() or (steps == values.size - 1).all()):
        return np.arange(values.size)  # not one monotonic run: let the check in Axis report it
    return order


def _odd(values: np.ndarray, name: str) -> str:
    """Describe the values that are not finite numbers, and how to remove them."""
    if values.dtype.kind not in "iuf":
        cure = f"Assign the cell centres with .assign_coords({name}=...)"
        return f"values such as {str(values[0])!r}. {cure}"
    cure = f"Drop those cells with .isel({name}=np.isfinite(ds[{name!r}]))"
    return f"{int((~np.isfinite(values)).sum())} that are NaN or infinite. {cure}"

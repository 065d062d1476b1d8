"""Operations on the cells of an axis: refining, coarsening, reordering and CF bounds."""

from __future__ import annotations

import logging

import numpy as np

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.axis import TOLERANCE, Axis

logger = logging.getLogger(__name__)


def refine(axis: Axis, scale: int) -> np.ndarray:
    """Return canonical HR centres that split each cell of `axis` into `scale` equal parts.

    Examples
    --------
    >>> refine(Axis(name="x", values=np.array([1.0, 3.0])), 2)
    array([0.5, 1.5, 2.5, 3.5])
    """
    return _split(axis, (np.arange(scale) + 0.5) / scale)


def refined(axis: Axis, scale: int, like: Axis) -> Axis:
    """Return the refined HR axis in canonical order, with the name and attributes of `like`."""
    run = np.r_[_split(axis, np.arange(scale) / scale), axis.edges[-1]]
    return with_edges(like.replace(refine(axis, scale)), run)


def _split(axis: Axis, parts: np.ndarray) -> np.ndarray:
    low, width = axis.edges[:-1], np.diff(axis.edges)
    return (low[:, None] + width[:, None] * parts).ravel()


def block_means(axis: Axis, scale: int) -> np.ndarray:
    """Return the centres of blocks of `scale` neighbouring cells, in the layout of `axis`.

    The length of the axis must be a multiple of `scale`. A block across the longitude wrap-around
    keeps the convention of its first cell.
    """
    values = axis.values.astype("f8")
    if axis.kind == "longitude":
        values = np.rad2deg(np.unwrap(np.deg2rad(values)))
        values = np.where(np.abs(values - axis.values) < 1e-6, axis.values, values)
    means = values.reshape(-1, scale).mean(axis=1)
    if axis.kind == "longitude":
        means = means - 360 * np.round((means - axis.values[::scale].astype("f8")) / 360)
    return means


def blocks(axis: Axis, scale: int) -> Axis:
    """Return the axis of blocks of `scale` neighbouring cells, with the edges of the blocks."""
    coarse = axis.replace(block_means(axis, scale))
    run = axis.edges[::scale]
    if axis.kind == "longitude":
        run = run + 360 * np.round((coarse.edges[0] - run[0]) / 360)
    return with_edges(coarse, run)


def with_edges(axis: Axis, run: np.ndarray) -> Axis:
    """Return the axis with the canonical edges `run`.

    The edges are stored only if they differ from the midpoints between centres.
    """
    plain = axis.replace(axis.values)
    if np.abs(run - plain.edges).max() <= TOLERANCE * axis.spacing:
        return plain
    place = axis.order.argsort()
    shift = axis.values.astype("f8") - axis.canonical[place]
    return plain.replace(axis.values, np.stack([run[place], run[place + 1]], 1) + shift[:, None])


def with_bounds(axis: Axis, bounds: np.ndarray) -> Axis:
    """Return the axis with the cell edges of its file, if these bounds are consistent.

    Parameters
    ----------
    axis : Axis
        Axis without bounds.
    bounds : numpy.ndarray
        CF bounds ``(name, 2)``, in any order and, for longitudes, any convention.

    Returns
    -------
    Axis
        The axis with these edges. If the bounds leave gaps, overlap, or do not contain the
        centres, the axis is unchanged and a warning is logged.
    """
    centres = axis.values.astype("f8")[:, None]
    pairs = np.asarray(bounds, "f8")
    if axis.kind == "longitude":
        pairs = centres + (pairs - centres + 180) % 360 - 180
    pairs = np.sort(pairs, axis=1)
    slack = TOLERANCE * axis.spacing
    canonical = pairs[axis.order] + (axis.canonical[:, None] - centres[axis.order])
    canonical, centres = _with_rims(axis, canonical), axis.canonical
    together = np.abs(canonical[1:, 0] - canonical[:-1, 1]).max() <= slack
    holding = (canonical[:, 0] < centres + slack) & (centres - slack < canonical[:, 1])
    wide = (np.diff(canonical, axis=1) > slack).all()
    if not (together and holding.all() and wide):
        logger.warning(
            "the bounds of %r are not the edges of its cells; edges are taken halfway between"
            " centres",
            axis.name,
        )
        return axis
    return with_edges(axis, np.r_[canonical[0, 0], canonical[:, 1]])


def _with_rims(axis: Axis, pairs: np.ndarray) -> np.ndarray:
    """Fill missing edges of the first and last cell, in canonical order, symmetric to the centre.

    The other edge of these cells is that of their neighbours.
    """
    pairs = pairs.copy()
    for cell, neighbour, inner in ((0, 1, 1), (-1, -2, 0)):
        if np.isnan(pairs[cell]).any():
            pairs[cell, inner] = pairs[neighbour, 1 - inner]
            outer = 2 * axis.canonical[cell] - pairs[cell, inner]
            pairs[cell, 1 - inner] = np.clip(outer, -90, 90) if axis.kind == "latitude" else outer
    return pairs


def require_no_gap(axis: Axis) -> None:
    """Raise a `GridError` if rows or columns are missing from an evenly spaced axis."""
    steps = np.diff(axis.canonical) / axis.spacing
    missing = np.round(steps) - 1
    even, gap = np.abs(steps - 1) < 0.01, (missing >= 1) & (np.abs(steps - missing - 1) < 0.05)
    if not gap.any() or not (even | gap).all() or even.sum() <= gap.sum():
        return
    at, number = int(gap.argmax()), int(missing[gap].sum())
    first, last = axis.values[0], axis.values[-1]
    raise GridError(
        f"Expected {axis.name!r} in even steps of {axis.spacing:g}, got a gap between"
        f" {axis.canonical[at]:g} and {axis.canonical[at + 1]:g}: {number} missing in all. Select a"
        f" part without a gap, or put them back as NaN, such as .reindex({axis.name}=np.linspace("
        f"{first:.10g}, {last:.10g}, {axis.size + number}), method='nearest',"
        f" tolerance={0.01 * axis.spacing:.3g})."
    )


def in_layout_of(axis: Axis, fine: Axis, scale: int) -> tuple[Axis, np.ndarray]:
    """Reorder refined cells to the layout of the caller's axis.

    The layout is the direction, the starting point and the longitude convention.

    Parameters
    ----------
    axis : Axis
        The caller's LR axis.
    fine : Axis
        HR cells in canonical order, `scale` for each LR cell.
    scale : int
        HR cells along one edge of an LR cell.

    Returns
    -------
    hr : Axis
        The HR cells in the caller's layout.
    order : numpy.ndarray
        Positions that bring a canonical HR array into that layout.
    """
    place = np.argsort(axis.order)  # canonical position of each of the caller's cells
    turns = np.round((axis.values.astype("f8") - axis.canonical[place]) / 360)
    shift = 360 * turns if axis.kind == "longitude" else np.zeros(axis.size)
    inside = np.arange(scale)[:: -1 if axis.falls else 1]
    order = (place[:, None] * scale + inside).ravel()
    return fine.take(order, fine.values[order] + np.repeat(shift, scale)), order


def laid_like(axis: Axis, fine: Axis) -> tuple[Axis, np.ndarray]:
    """Reorder cells that do not nest to the layout of the caller's axis; see `in_layout_of`."""
    order = np.arange(fine.size)
    if axis.periodic and fine.periodic:
        away = (fine.canonical - axis.edges[0] + 0.01 * fine.spacing) % 360
        order = np.roll(order, -int(away.argmin()))
    if axis.falls:
        order = order[::-1]
    values = fine.values[order]
    if axis.kind == "longitude":  # in the convention of the caller's nearest cell
        apart = (values[:, None] - axis.values + 180) % 360 - 180
        near = axis.values.astype("f8")[np.abs(apart).argmin(axis=1)]
        values = values + 360 * np.round((near - values) / 360)
    return fine.take(order, values), order


def cell_bounds(axis: Axis) -> np.ndarray:
    """Return the CF bounds of each cell in the layout of `axis`, shape ``(name, 2)``."""
    place = axis.order.argsort()
    shift = (axis.values.astype("f8") - axis.canonical[place]) * (axis.kind == "longitude")
    run = axis.edges
    pair = np.stack([run[place] + shift, run[place + 1] + shift], axis=1)
    return pair[:, ::-1] if axis.falls else pair

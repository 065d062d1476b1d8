"""Lines and areas that cross the date line, in pieces between 180 degrees west and east."""

from __future__ import annotations

import numpy as np


def parted(line: np.ndarray) -> list[np.ndarray]:
    """Pieces of a line ``(2, point)`` of unbroken longitudes, each within -180..180.

    Examples
    --------
    >>> [piece.round(3).tolist() for piece in parted(np.array([[170.0, 190.0], [0.0, 2.0]]))]
    [[[170.0, 180.0], [0.0, 1.0]], [[-180.0, -170.0], [1.0, 2.0]]]
    """
    lon, lat = _off_the_seam(line)
    turn = np.floor((lon + 180) / 360)
    pieces, points = [], [(lon[0] - 360 * turn[0], lat[0])]
    for i in range(1, lon.size):
        for k in _crossings(turn[i - 1], turn[i]):  # a step is shorter than half a turn
            seam = 360 * k - 180
            at = lat[i - 1] + (lat[i] - lat[i - 1]) * (seam - lon[i - 1]) / (lon[i] - lon[i - 1])
            side = 180 if lon[i] > lon[i - 1] else -180
            pieces.append([*points, (side, at)])
            points = [(-side, at)]
        points.append((lon[i] - 360 * turn[i], lat[i]))
    return [np.array(piece).T for piece in (*pieces, points)]


def clipped(polygon: np.ndarray) -> list[np.ndarray]:
    """Pieces of a polygon ``(2, point)`` of unbroken longitudes, each within -180..180."""
    lon, lat = _off_the_seam(polygon)
    first, last = (int(np.floor((v + 180) / 360)) for v in (lon.min(), lon.max()))
    pieces = []
    for turn in range(first, last + 1):
        piece = np.stack([lon - 360 * turn, lat])
        for side in (-180.0, 180.0):
            piece = _half(piece, side)
        if piece.shape[1] > 2:
            pieces.append(piece)
    return pieces


def _crossings(before: float, after: float) -> list[int]:
    """Turns that begin between two points, in the order in which they are passed."""
    a, b = int(before), int(after)
    return list(range(a + 1, b + 1)) if b > a else list(range(a, b, -1))


def _off_the_seam(line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Drawn together a little, so that a full circle from -180 to 180 keeps both its sides."""
    lon, lat = line
    middle = (lon.min() + lon.max()) / 2
    return middle + (lon - middle) * (1 - 1e-9), lat


def _half(polygon: np.ndarray, side: float) -> np.ndarray:
    """The part east of -180, or west of 180, after Sutherland and Hodgman (1974)."""
    if not polygon.size:
        return polygon
    sign = -np.sign(side)
    out: list[tuple[float, float]] = []
    before = polygon[:, -1]
    for point in polygon.T:
        within, was = (sign * (p[0] - side) >= 0 for p in (point, before))
        if within != was:
            share = (side - before[0]) / (point[0] - before[0])
            out.append((side, before[1] + share * (point[1] - before[1])))
        if within:
            out.append((point[0], point[1]))
        before = point
    return np.array(out).T.reshape(2, -1)

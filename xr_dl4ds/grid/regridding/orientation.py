"""Recognition of fields that are mirrored, or whose y and x are exchanged, against their labels."""

from __future__ import annotations

import logging

import numpy as np
import xarray as xr

from xr_dl4ds.config import Scale
from xr_dl4ds.grid.names import REALIZATION, TIME, X, Y

logger = logging.getLogger(__name__)

#: Number of steps that are compared.
_STEPS = 8
#: Least correlation of a turned field, and the least amount by which it exceeds that of the field.
_LEAST, _EXCESS = 0.7, 0.3

#: Ways to turn ``(time, y, x)``, with their names; the last ones need as many rows as columns.
_TURNS = {
    "turned upside down (south and north exchanged)": lambda a: a[:, ::-1],
    "mirrored (west and east exchanged)": lambda a: a[:, :, ::-1],
    "turned by 180 degrees": lambda a: a[:, ::-1, ::-1],
}
_SQUARE_TURNS = {
    "transposed (y and x exchanged)": lambda a: a.transpose(0, 2, 1),
    "transposed (y and x exchanged, and both turned)": lambda a: a.transpose(0, 2, 1)[
        :, ::-1, ::-1
    ],
    "turned by 90 degrees": lambda a: a.transpose(0, 2, 1)[:, ::-1],
    "turned by -90 degrees": lambda a: a.transpose(0, 2, 1)[:, :, ::-1],
}


def note_orientation(
    fields: xr.DataArray, like: xr.DataArray, scale: Scale, roles: tuple[str, str]
) -> None:
    """Warn if fields resemble others much more when they are turned.

    Parameters
    ----------
    fields, like : xarray.DataArray
        The same quantity ``(time, y, x)`` in canonical order; `like` has `scale` cells for each
        cell of `fields`. Of an ensemble, the mean is compared. A few steps are
        read.
    scale : Scale
        The ratio of their cells.
    roles : tuple of str
        Names in messages, such as ``("the LR data", "the HR data")``.
    """
    steps = {TIME: slice(0, _STEPS)}
    mine, blocks = fields.isel(steps), like.isel(steps).coarsen(scale.by_dim).mean()
    if REALIZATION in mine.dims:
        mine = mine.mean(REALIZATION)
    one, other = (a.transpose(TIME, Y, X).to_numpy().astype("f8") for a in (mine, blocks))
    own = _correlation(one, other)
    turns = _TURNS | (_SQUARE_TURNS if one.shape[1] == one.shape[2] else {})
    found = {name: _correlation(turn(one), other) for name, turn in turns.items()}
    best = max(found, key=lambda name: found[name])
    if found[best] > max(_LEAST, own + _EXCESS):
        logger.warning(
            "%r of %s resembles that of %s when it is %s (correlation %.2f, and %.2f as it is):"
            " check the order of its dimensions and its coordinates",
            *(fields.name, *roles, best, found[best], own),
        )


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation over cells that both have; 0 for constant fields."""
    valid = np.isfinite(a) & np.isfinite(b)
    a, b = (v[valid] - v[valid].mean() if valid.any() else v[valid] for v in (a, b))
    size = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / size) if size > 0 else 0.0

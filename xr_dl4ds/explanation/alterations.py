"""Alterations of the fields that a model sees; each is a `xr_dl4ds.prediction.request.Alteration`.

Missing values stay where they are, so that all predictions are scored on the same cells.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import xarray as xr

from xr_dl4ds.data.scaling import Scaler
from xr_dl4ds.grid.names import TIME, X, Y


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unaltered:
    """All fields as they are; data are not checked, and no warnings are logged, a second time."""

    def varying(self, fields: xr.Dataset) -> xr.Dataset:
        """Return LR variables as they are."""
        return fields

    def static(self, fields: xr.Dataset) -> xr.Dataset:
        """Return static fields as they are."""
        return fields


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shuffle:
    """Shuffled time steps of an LR variable, or a random shift of a static field.

    Parameters
    ----------
    name : str
        The variable or static field; other fields stay as they are.
    seed, repeat : int
        Seeds of the random numbers, which do not depend on the name.
    """

    name: str
    seed: int
    repeat: int

    def varying(self, fields: xr.Dataset) -> xr.Dataset:
        """Return LR variables ``(time, y, x)``, one of them with its steps in another order."""
        if self.name not in fields:
            return fields
        moved = fields[self.name].isel({TIME: self.order(fields.sizes[TIME])})
        return self._replaced(fields, moved)

    def static(self, fields: xr.Dataset) -> xr.Dataset:
        """Return static fields ``(y, x)``, one of them shifted; what leaves enters opposite."""
        if self.name not in fields:
            return fields
        y, x = self.shift((fields.sizes[Y], fields.sizes[X]))
        return self._replaced(fields, fields[self.name].roll({Y: y, X: x}))

    def order(self, steps: int) -> np.ndarray:
        """Return a random order of two or more time steps, other than their own order."""
        rng, own = self._numbers(), np.arange(steps)
        found = rng.permutation(steps)
        while (found == own).all():
            found = rng.permutation(steps)
        return found

    def shift(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return a random shift of a field along y and x, in cells; not (0, 0)."""
        cells = int(self._numbers().integers(1, shape[0] * shape[1]))
        return cells // shape[1], cells % shape[1]

    def _numbers(self) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.repeat])

    def _replaced(self, fields: xr.Dataset, moved: xr.DataArray) -> xr.Dataset:
        """Replace the field by its moved values, where both fields have values."""
        field = fields[self.name]
        moved = moved.drop_vars(list(moved.coords)).assign_coords(field.coords)
        if field.chunks is not None:
            moved = moved.chunk(field.chunksizes)
        return fields.assign({self.name: moved.fillna(field).where(field.notnull())})


@dataclasses.dataclass(frozen=True, kw_only=True)
class AtTrainingMean:
    """Each LR variable at its mean over the training data; static fields as they are.

    Parameters
    ----------
    scaler : Scaler
        Statistics of the training data.
    """

    scaler: Scaler

    def varying(self, fields: xr.Dataset) -> xr.Dataset:
        """Return LR variables ``(time, y, x)``, each with one value in all cells."""
        return fields.map(lambda v: v.where(v.isnull(), np.float32(self.scaler.of(v.name, "mean"))))

    def static(self, fields: xr.Dataset) -> xr.Dataset:
        """Return static fields as they are."""
        return fields

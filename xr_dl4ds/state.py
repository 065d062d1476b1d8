"""What a fitted model knows about its data: variables, grids, statistics, static fields, masks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from xr_dl4ds.features import Features
from xr_dl4ds.grid.coarsening import block_mean
from xr_dl4ds.grid.fields import TIME, Fields, X, Y
from xr_dl4ds.grid.pairing import Pairing
from xr_dl4ds.scaling import Scaler
from xr_dl4ds.units import require_units


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class State:
    """Everything but the network.

    Parameters
    ----------
    features : Features
        Which variable is which channel.
    pairing : Pairing
        LR and HR grids.
    scaler : Scaler
        Statistics of all variables; a target and its LR counterpart share the target's.
    static : xarray.Dataset
        Static fields of the training domain, ``(y, x)`` on canonical HR cells, physical units.
    never : xarray.Dataset
        For each target, True in the HR cells ``(y, x)`` that had no valid value in training.
    attrs : mapping
        Attributes of each target, which its prediction inherits.
    units : mapping
        Units of every input and target, None where there were none.
    """

    features: Features
    pairing: Pairing
    scaler: Scaler
    static: xr.Dataset
    never: xr.Dataset
    attrs: Mapping[str, Mapping[str, Any]]
    units: Mapping[str, str | None]

    def network_input(self, varying: xr.Dataset, static: xr.Dataset) -> xr.DataArray:
        """Stacked LR channels ``(time, y, x, channel)`` of fields in physical units, lazily."""
        coarse = None
        if self.features.static:
            scaled = self.scaler.transform(static[list(self.features.static)])
            scale = self.pairing.scale
            coarse = scaled if scale == 1 else block_mean(scaled, {Y: scale, X: scale})
            coarse = coarse.assign_coords({d: varying[d] for d in (Y, X)})
        return self.features.stack_lr(
            self.scaler.transform(varying[self.features.lr_varying]), coarse
        )

    def static_input(self, static: xr.Dataset) -> xr.DataArray | None:
        """Stacked HR channels ``(y, x, channel)``; None for a model without static fields."""
        if not self.features.static:
            return None
        return self.features.stack_static(self.scaler.transform(static[list(self.features.static)]))

    def masked_by_lr(self, varying: xr.Dataset, target: str) -> xr.DataArray | None:
        """True in the HR cells ``(time, y, x)`` whose LR counterpart is NaN."""
        if target not in self.features.counterparts:
            return None
        return to_hr_cells(varying[target].isnull(), self.pairing.scale)

    def check_units(self, fields: Fields, role: str) -> None:
        """Raise a `VariableError` where units differ from those of training."""
        for name, variable in fields.data.items():
            expected, got = self.units.get(str(name)), variable.attrs.get("units")
            require_units(str(name), expected, got, role, "training")


def to_hr_cells(lr: xr.DataArray, scale: int) -> xr.DataArray:
    """Repeat each LR cell for its HR cells, without coordinates along y and x."""
    index = {d: np.repeat(np.arange(lr.sizes[d]), scale) for d in (Y, X)}
    return lr.drop_vars([c for c in lr.coords if c != TIME]).isel(index)

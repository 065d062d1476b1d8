"""What a fitted model knows about its data: variables, grids, statistics, static fields, masks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from xr_dl4ds.config.choices import BOUNDED
from xr_dl4ds.features import CHANNEL, Features
from xr_dl4ds.forcings import forcings
from xr_dl4ds.grid.coarsening import block_mean
from xr_dl4ds.grid.extra import Slice
from xr_dl4ds.grid.fields import Fields, Grid, X, Y
from xr_dl4ds.grid.nesting import to_hr_cells
from xr_dl4ds.grid.pairing import Pairing
from xr_dl4ds.scaling import Scaler
from xr_dl4ds.units import has_own_zero, require_units


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
    step : float, optional
        Seconds of the usual time step in training, for models of time windows.
    slices : mapping
        For variables cut from ones with further dimensions, where they come from.
    """

    features: Features
    pairing: Pairing
    scaler: Scaler
    static: xr.Dataset
    never: xr.Dataset
    attrs: Mapping[str, Mapping[str, Any]]
    units: Mapping[str, str | None]
    step: float | None = None
    slices: Mapping[str, Slice] = dataclasses.field(default_factory=dict)

    def network_input(self, varying: xr.Dataset, static: xr.Dataset, grid: Grid) -> xr.DataArray:
        """Stacked LR channels ``(time, y, x, channel)`` of fields in physical units, lazily.

        Parameters
        ----------
        varying : xarray.Dataset
            LR variables ``(time, y, x)``.
        static : xarray.Dataset
            Static fields on the HR cells ``(y, x)`` of the same domain.
        grid : Grid
            That of `varying`.
        """
        features, coarse = self.features, None
        if features.static:
            scaled = self.scaler.transform(static[list(features.static)])
            scale = self.pairing.scale
            coarse = scaled if scale == 1 else block_mean(scaled, {Y: scale, X: scale})
            coarse = coarse.assign_coords({d: varying[d] for d in (Y, X)})
        known = forcings(
            features.time_features,
            features.coordinate_features,
            varying[features.lr_varying[0]],
            grid,
            self.pairing.lr,
        )
        return features.stack_lr(self.scaler.transform(varying[features.lr_varying]), coarse, known)

    def bases(self, names: Iterable[str]) -> list[str]:
        """The variables in the user's data of which these are, or from which they were cut."""
        found = (self.slices[n].of if n in self.slices else n for n in names)
        return list(dict.fromkeys(found))

    @property
    def masked(self) -> bool:
        """Whether some HR cell never had a value in training."""
        return any(bool(v.any()) for v in self.never.data_vars.values())

    def fixed_inputs(
        self, static: xr.Dataset, trained: Mapping[str, np.ndarray] | None, shape: tuple[int, int]
    ) -> dict[str, xr.DataArray]:
        """Inputs of the network that do not change in time, by name.

        Parameters
        ----------
        static : xarray.Dataset
            Static fields on the HR cells ``(y, x)`` of the domain, physical units.
        trained : mapping of numpy.ndarray, optional
            Its positions in the training HR domain; None for another one.
        shape : tuple of int
            Its HR cells along y and x.

        Returns
        -------
        dict
            "static" ``(y, x, channel)``; "valid" ``(y, x, channel)``, 1 where a target has values;
            "position" ``(channel,)``, row and column in the training domain of its first cell. Each
            where it is known; on another domain all cells are taken as valid.
        """
        fixed = {}
        if self.features.static:
            scaled = self.scaler.transform(static[list(self.features.static)])
            fixed["static"] = self.features.stack_static(scaled)
        if trained is None:
            ones = xr.DataArray(np.ones(shape, "f4"), dims=(Y, X))
            valid = xr.Dataset(dict.fromkeys(self.features.targets, ones))
        else:
            valid = ~self.never.isel(trained)
            corner = [trained[Y][0], trained[X][0]]
            fixed["position"] = xr.DataArray(np.array(corner, "i4"), dims=CHANNEL)
        return {**fixed, "valid": self.features.stack_targets(valid)}

    def masked_by_lr(self, varying: xr.Dataset, target: str) -> xr.DataArray | None:
        """True in the HR cells ``(time, y, x)`` whose LR counterpart is NaN."""
        if target not in self.features.counterparts:
            return None
        return to_hr_cells(varying[target].isnull(), self.pairing.scale)

    def never_negative(self, target: str) -> bool:
        """Whether a target is an amount, such as precipitation, with its zero within reach.

        So it is when its least value in training is not below 0 and within one standard deviation
        of it: 250 K is far away from 0, and 0 degC is no bound.
        """
        least, std = self.scaler.of(target, "min"), self.scaler.of(target, "std")
        return 0 <= least <= std and not has_own_zero(self.units.get(target))

    def zeros(self, output_activation: str | None) -> tuple[float, ...]:
        """For each target, the scaled distance from its zero to the value that scales to 0.

        That is the physical zero, or the training minimum where the output is bounded by extremes.
        """
        if output_activation in BOUNDED:
            return (0.0,) * len(self.features.targets)
        return tuple(-self.scaler.scaled(name, 0.0) for name in self.features.targets)

    def check_units(self, fields: Fields, role: str) -> None:
        """Raise a `VariableError` where units differ from those of training."""
        for name, variable in fields.data.items():
            expected, got = self.units.get(str(name)), variable.attrs.get("units")
            require_units(str(name), expected, got, role, "training")

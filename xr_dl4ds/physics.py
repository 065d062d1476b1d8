"""From the network's scaled output to physical fields: within bounds, consistent, masked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from xr_dl4ds.config.choices import NOT_NEGATIVE
from xr_dl4ds.consistency import consistent
from xr_dl4ds.grid.fields import X, Y
from xr_dl4ds.grid.placement import Placement
from xr_dl4ds.state import State


@dataclasses.dataclass(frozen=True, kw_only=True)
class Physics:
    """What is known of the physical fields of a prediction.

    Parameters
    ----------
    state : State
        What was fitted.
    options : mapping
        Option objects by role.
    varying : xarray.Dataset
        LR fields ``(time, y, x)`` in physical units.
    placement : Placement
        Where they lie.
    """

    state: State
    options: Mapping[str, Any]
    varying: xr.Dataset
    placement: Placement

    def fields(self, scaled: xr.DataArray) -> xr.Dataset:
        """Named targets of scaled channels ``(..., time, y, x, channel)``, member by member."""
        out = self.state.scaler.inverse(self.state.features.unstack(scaled))
        return self.masked(out.map(self._possible))

    def _possible(self, variable: xr.DataArray) -> xr.DataArray:
        """Not negative where it cannot be, and equal to LR in the mean of each LR cell.

        Amounts are never added to in the end. Those of an additive network were: where they went
        below 0 and are cut off there, more than the LR value is left, which the ratio takes back.
        Amounts that are drawn were not, so that nothing stays nothing.
        """
        name, training = str(variable.name), self.options["training"]
        bounded = cannot_be_negative(self.state, self.options, name)
        kind = self.options["network"].constraint
        if kind is None or name not in self.state.features.counterparts:
            return self._not_negative(variable) if bounded else variable
        kinds = [kind]
        if bounded and kind == "additive":
            drawn = training.distribution_of(name) == "bernoulli_gamma"
            kinds = ["multiplicative"] if drawn else ["additive", "multiplicative"]
        if bounded and kinds[0] != "additive":
            variable = self._not_negative(variable)
        for one in kinds:
            lr, scale = self.varying[name], self.state.pairing.scale
            variable = consistent(variable, lr, self.counted(name), scale, one)
        return variable

    def _not_negative(self, variable: xr.DataArray) -> xr.DataArray:
        """At least 0; what rounding makes of 0 when values are scaled back is 0 too."""
        offset = abs(self.state.scaler.of(variable.name, "offset"))
        residue = 4 * float(np.finfo("f4").eps) * offset
        return variable.where(~(variable <= residue), 0)  # NaN stays

    def counted(self, name: str) -> xr.DataArray | None:
        """The HR cells ``(y, x)`` that count in the means over LR cells; None for all."""
        if self.placement.trained is None or not self.state.masked:
            return None
        return ~self._never(name)

    def masked(self, out: xr.Dataset) -> xr.Dataset:
        """NaN where training never had a value, and where the LR counterpart has none."""
        found = {}
        for name, variable in out.items():
            hidden = self.state.masked_by_lr(self.varying, str(name))
            if hidden is not None:
                variable = variable.where(~hidden)
            if self.placement.trained is not None:
                never = self._never(str(name))
                if bool(never.any()):
                    variable = variable.where(~never)
            found[name] = variable
        return xr.Dataset(found)

    def _never(self, name: str) -> xr.DataArray:
        assert self.placement.trained is not None
        return self.state.never[name].isel(self.placement.trained).drop_vars([Y, X])


def cannot_be_negative(state: State, options: Mapping[str, Any], target: str) -> bool:
    """Whether a prediction of a target is kept from being negative.

    By what the target is (`State.never_negative`), by the distribution that was fitted to it, or by
    the output activation.
    """
    return (
        state.never_negative(target)
        or options["training"].distribution_of(target) == "bernoulli_gamma"
        or options["network"].output_activation in NOT_NEGATIVE
    )

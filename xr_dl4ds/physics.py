"""From the network's scaled output to physical fields: within bounds, consistent, masked."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from xr_dl4ds.config.choices import NOT_NEGATIVE
from xr_dl4ds.consistency import consistent
from xr_dl4ds.grid.fields import TIME, X, Y
from xr_dl4ds.grid.nesting import over_cells
from xr_dl4ds.grid.placement import Placement
from xr_dl4ds.state import State

#: Cells that are worked on at once: their double precision stays in the cache of a core.
SLAB = 2**16


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
        """Named targets of scaled channels ``(..., time, y, x, channel)``, member by member.

        What is chunked in space too, on whole LR cells, comes out in these chunks.
        """
        found = {}
        for name, variable in self.state.features.unstack(scaled).items():
            offset, (floor, kinds) = self._of(name, "offset"), self._possible(str(name))
            cells = Cells(
                factor=self._of(name, "factor"),
                offset=offset,
                # what rounding makes of 0 when values are scaled back is 0 too
                floor=4 * float(np.finfo("f4").eps) * abs(offset) if floor else None,
                kinds=kinds,
                scale=self.state.pairing.scale,
            )
            found[name] = self._by_block(cells, variable)
        return xr.Dataset(found)

    def spreads(self, scaled: xr.DataArray, names: Iterable[str]) -> xr.Dataset:
        """Standard deviations of these targets, of scaled ones, masked as the targets are."""
        spread = self.state.features.unstack(scaled)
        scale = self.state.pairing.scale
        return xr.Dataset(
            {
                name: self._by_block(
                    Cells(factor=self._of(name, "factor"), scale=scale), spread[name]
                )
                for name in names
            }
        )

    def _of(self, name: object, statistic: str) -> float:
        return self.state.scaler.of(name, statistic)

    def _possible(self, name: str) -> tuple[bool, tuple[str, ...]]:
        """Whether it is cut off below 0, and what makes it equal to LR in the mean of LR cells.

        Amounts are never added to in the end. Those of an additive network were: where they went
        below 0 and are cut off there, more than the LR value is left, which the ratio takes back.
        Amounts that are drawn were not, so that nothing stays nothing.
        """
        bounded = cannot_be_negative(self.state, self.options, name)
        kind = self.options["network"].constraint
        if kind is None or name not in self.state.features.counterparts:
            return bounded, ()
        if not bounded:
            return False, (kind,)
        drawn = self.options["training"].distribution_of(name) == "bernoulli_gamma"
        if kind == "additive":
            return drawn, ("multiplicative",) if drawn else ("additive", "multiplicative")
        return True, (kind,)

    def _by_block(self, cells: Cells, variable: xr.DataArray) -> xr.DataArray:
        """One call for each dask chunk, with its LR cells and its masks."""
        name, beside = str(variable.name), []
        if name in self.state.features.counterparts:
            beside.append(self.varying[name].transpose(TIME, Y, X))
        if self.placement.trained is not None:
            never = self.state.never[name].isel(self.placement.trained)
            if bool(never.any()):
                beside.append(never.transpose(Y, X))
        roles = tuple("lr" if TIME in x.dims else "never" for x in beside)
        function = functools.partial(cells, roles=roles)
        return over_cells(function, variable, beside, cells.scale)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cells:
    """What is done with the cells of one target, as a function of arrays.

    Parameters
    ----------
    factor, offset : float
        Physical values are ``scaled * factor + offset``.
    floor : float, optional
        What is not above it becomes 0.
    kinds : tuple of str
        Constraints, see `consistency.consistent`, one after the other.
    scale : int
        HR cells along one edge of an LR cell.
    """

    factor: float
    offset: float = 0.0
    floor: float | None = None
    kinds: tuple[str, ...] = ()
    scale: int

    def __call__(
        self, scaled: np.ndarray, *beside: np.ndarray, roles: tuple[str, ...] = ()
    ) -> np.ndarray:
        """Physical values, float32.

        Parameters
        ----------
        scaled : numpy.ndarray
            ``(..., time, y, x)``.
        beside : numpy.ndarray
            For each of `roles`, "lr" ``(time, y, x)`` on LR cells, in physical units, and "never"
            ``(y, x)``, True where there never was a value.
        roles : tuple of {"lr", "never"}
            What they are.
        """
        given = dict(zip(roles, beside, strict=True))
        out = np.empty(scaled.shape, "f4")
        *lead, y, x = scaled.shape
        rows = max(1, SLAB // max(1, x * self.scale)) * self.scale
        for step in np.ndindex(*lead):
            for first in range(0, y, rows):
                part, coarse = slice(first, first + rows), slice(*self._coarse(first, rows))
                lr = given["lr"][step[-1], coarse] if "lr" in given else None
                never = given["never"][part] if "never" in given else None
                out[(*step, part)] = self._slab(scaled[(*step, part)], lr, never)
        return out

    def _coarse(self, first: int, rows: int) -> tuple[int, int]:
        return first // self.scale, (first + rows) // self.scale

    def _slab(
        self, scaled: np.ndarray, lr: np.ndarray | None, never: np.ndarray | None
    ) -> np.ndarray:
        """Scale back, cut off, constrain and mask whole rows of LR cells."""
        values = scaled * np.float32(self.factor)
        values += np.float32(self.offset)
        if self.floor is not None:
            values = np.where(values <= self.floor, np.float32(0), values)  # NaN stays
        for kind in self.kinds:
            assert lr is not None
            counted = None if never is None else ~never
            values = consistent(values, lr, counted, self.scale, kind)
        if never is not None:
            values[never] = np.nan
        if lr is not None and np.isnan(lr).any():
            hidden = np.isnan(lr).repeat(self.scale, axis=0).repeat(self.scale, axis=1)
            values[hidden] = np.nan
        return values


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

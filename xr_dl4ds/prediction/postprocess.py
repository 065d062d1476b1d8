"""Conversion of scaled network output to physical fields: bounded, consistent and masked."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np
import xarray as xr

from xr_dl4ds.config import Options, Scale
from xr_dl4ds.config.choices import NOT_NEGATIVE
from xr_dl4ds.config.distribution_channels import is_amount
from xr_dl4ds.data.state import State
from xr_dl4ds.grid.names import TIME, X, Y
from xr_dl4ds.grid.regridding.nesting import over_cells
from xr_dl4ds.grid.regridding.placement import Placement
from xr_dl4ds.prediction.constraints import consistent

#: Number of cells processed at once; their double-precision values fit in the cache of a core.
SLAB = 2**16


@dataclasses.dataclass(frozen=True, kw_only=True)
class Physics:
    """Postprocessing of a prediction, with the model and the LR fields that it needs.

    Parameters
    ----------
    state : State
        State of the fitted model.
    options : Options
        The options of the model.
    varying : xarray.Dataset
        LR fields ``(time, y, x)`` in physical units.
    placement : Placement
        Position of the LR fields relative to the training domain.
    of_guess : bool
        Whether the fields are first guesses, and not what the model makes of them.
    """

    state: State
    options: Options
    varying: xr.Dataset
    placement: Placement
    of_guess: bool = False

    @property
    def guesses(self) -> Physics:
        """Return the postprocessing of first guesses."""
        return dataclasses.replace(self, of_guess=True)

    def fields(self, scaled: xr.DataArray) -> xr.Dataset:
        """Return named targets from scaled channels ``(..., time, y, x, channel)`` of each member.

        Input that is also chunked in space, on whole LR cells, keeps its chunks.
        """
        found = {}
        for name, variable in self.state.features.unstack(scaled).items():
            (floor, kinds), ratio = self._bounds(str(name)), self._ratio(str(name))
            offset = ratio * self.state.scaler.of(name, "offset")
            cells = Cells(
                factor=ratio * self.state.scaler.of(name, "factor"),
                offset=offset,
                # values that rounding moved away from 0 when they were scaled back become 0 again
                floor=4 * float(np.finfo("f4").eps) * abs(offset) if floor else None,
                kinds=kinds,
                scale=self.state.pairing.scale,
            )
            found[name] = self._by_block(cells, variable)
        return xr.Dataset(found)

    def spreads(self, scaled: xr.DataArray, names: Iterable[str]) -> xr.Dataset:
        """Return the standard deviations of targets in physical units, masked like the targets."""
        spread, scale = self.state.features.unstack(scaled), self.state.pairing.scale
        found = {}
        for name in names:
            factor = self._ratio(name) * self.state.scaler.of(name, "factor")
            cells = Cells(factor=factor, scale=scale)
            found[name] = self._by_block(cells, spread[name])
        return xr.Dataset(found)

    def _ratio(self, name: str) -> float:
        return self.state.ratios(of_guess=self.of_guess).get(name, 1.0)

    def _bounds(self, name: str) -> tuple[bool, tuple[str, ...]]:
        """Return True if a target is cut off at 0, and the constraints that fix its LR means.

        An additive constraint may leave negative values. Cutting them off at 0 raises the mean
        above the LR value, so a multiplicative constraint follows. Amounts drawn from a
        distribution get only the multiplicative constraint, so that dry cells stay dry.
        """
        bounded = cannot_be_negative(self.state, self.options, name)
        kind = self.options.network.constraint
        if kind is None or name not in self.state.features.counterparts:
            return bounded, ()
        if not bounded:
            return False, (kind,)
        made = self.state.flow is not None and not self.of_guess
        drawn = made or is_amount(distribution_of(self.state, self.options, name))
        if kind == "additive":
            return drawn, ("multiplicative",) if drawn else ("additive", "multiplicative")
        return True, (kind,)

    def _by_block(self, cells: Cells, variable: xr.DataArray) -> xr.DataArray:
        """Process each dask chunk of a target with its LR cells and masks."""
        name, beside = str(variable.name), []
        if name in self.state.features.counterparts:
            beside.append(self.varying[name].transpose(TIME, Y, X))
        if self.placement.trained is not None:
            missing = self.state.always_missing[name].isel(self.placement.trained)
            if bool(missing.any()):
                beside.append(missing.transpose(Y, X))
        roles = tuple("lr" if TIME in x.dims else "always_missing" for x in beside)
        function = functools.partial(cells, roles=roles)
        return over_cells(function, variable, beside, cells.scale)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cells:
    """Postprocessing of the cells of one target, as a function of arrays.

    Parameters
    ----------
    factor, offset : float
        Physical values are ``scaled * factor + offset``.
    floor : float, optional
        Values up to this one become 0.
    kinds : tuple of str
        Constraints to apply one after the other, see `xr_dl4ds.prediction.constraints.consistent`.
    scale : Scale
        HR cells along the edges of an LR cell.
    """

    factor: float
    offset: float = 0.0
    floor: float | None = None
    kinds: tuple[str, ...] = ()
    scale: Scale

    def __call__(
        self, scaled: np.ndarray, *beside: np.ndarray, roles: tuple[str, ...] = ()
    ) -> np.ndarray:
        """Return physical values, float32.

        Parameters
        ----------
        scaled : numpy.ndarray
            Scaled values ``(..., time, y, x)``.
        beside : numpy.ndarray
            One array for each of `roles`: "lr" is ``(time, y, x)`` on LR cells in physical units;
            "always_missing" is ``(y, x)``, True where training had no valid value.
        roles : tuple of {"lr", "always_missing"}
            Roles of the arrays in `beside`.
        """
        by_role = dict(zip(roles, beside, strict=True))
        all_lr, all_missing = by_role.get("lr"), by_role.get("always_missing")
        out = np.empty(scaled.shape, "f4")
        *lead, y, x = scaled.shape
        cells = self.scale.y
        rows = max(1, SLAB // max(1, x * cells)) * cells
        for step in np.ndindex(*lead):
            for first in range(0, y, rows):
                part = slice(first, first + rows)
                coarse = slice(first // cells, (first + rows) // cells)
                lr = None if all_lr is None else all_lr[step[-1], coarse]
                missing = None if all_missing is None else all_missing[part]
                out[(*step, part)] = self._slab(scaled[(*step, part)], lr, missing)
        return out

    def _slab(
        self, scaled: np.ndarray, lr: np.ndarray | None, missing: np.ndarray | None
    ) -> np.ndarray:
        """Scale back, cut off, constrain and mask whole rows of LR cells."""
        values = scaled * np.float32(self.factor)
        values += np.float32(self.offset)
        if self.floor is not None:
            values = np.where(values <= self.floor, np.float32(0), values)  # NaN stays
        for kind in self.kinds:
            assert lr is not None
            valid = None if missing is None else ~missing
            values = consistent(values, lr, valid, self.scale, kind)
        if missing is not None:
            values[missing] = np.nan
        if lr is not None and np.isnan(lr).any():
            hidden = np.isnan(lr).repeat(self.scale.y, axis=0).repeat(self.scale.x, axis=1)
            values[hidden] = np.nan
        return values


def cannot_be_negative(state: State, options: Options, target: str) -> bool:
    """Return True if predictions of a target are never negative.

    The reason is the target itself (`State.never_negative`), the distribution that was fitted to
    it, or the output activation.
    """
    return (
        state.never_negative(target)
        or is_amount(distribution_of(state, options, target))
        or options.network.output_activation in NOT_NEGATIVE
    )


def distribution_of(state: State, options: Options, target: str) -> str | None:
    """Return the distribution of one target, or None for a single value."""
    return state.distributions(options)[state.features.targets.index(target)]

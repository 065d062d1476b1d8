"""Data description of a fitted model: variables, grids, statistics, static fields and masks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from xr_dl4ds.config import SAME, Options
from xr_dl4ds.config.choices import BOUNDED
from xr_dl4ds.data.channels import CHANNEL, Features
from xr_dl4ds.data.first_guess import FirstGuess
from xr_dl4ds.data.latent_fields import LatentFields
from xr_dl4ds.data.scaling import Scaler
from xr_dl4ds.data.time_and_place import forcings
from xr_dl4ds.grid.cf.extra_dims import Levels, Slice
from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import TIME, Attrs, X, Y
from xr_dl4ds.grid.regridding.coarsen import block_mean
from xr_dl4ds.grid.regridding.completion import with_rim
from xr_dl4ds.grid.regridding.nesting import to_hr_cells
from xr_dl4ds.grid.regridding.pairing import Pairing
from xr_dl4ds.grid.regridding.surroundings import inner
from xr_dl4ds.grid.units import has_own_zero


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlowScales:
    """Sizes of the residuals that flow matching makes from noise, and of the noise.

    Parameters
    ----------
    sizes : tuple of float
        Standard deviation of the residual of each target, in scaled units.
    roots : tuple of bool
        True for amounts, whose cube roots are compared with those of the first guess.
    from_mean : bool
        True if the first guess is the prediction of a supervised model.
    temperature : mapping
        For targets, the factor of the noise by season, see `ALL_SEASONS` of
        `xr_dl4ds.data.latent_fields`.
    guess_ratios : mapping
        For amounts, the factor of the supervised model's prediction, see
        `xr_dl4ds.fitting.means`. Members have `State.mean_ratios`.
    """

    sizes: tuple[float, ...]
    roots: tuple[bool, ...]
    from_mean: bool = False
    temperature: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    guess_ratios: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class State:
    """Everything that a fitted model stores except its network.

    Parameters
    ----------
    features : Features
        Variables and their channels.
    pairing : Pairing
        LR and HR grids.
    scaler : Scaler
        Statistics of all variables; an LR counterpart has the statistics of its target.
    static : xarray.Dataset
        Static fields of the training domain, ``(y, x)`` on canonical HR cells, physical units.
    always_missing : xarray.Dataset
        For each target, True in the HR cells ``(y, x)`` that had no valid value in training.
    attrs : mapping
        Attributes of each target, which its prediction inherits.
    units : mapping
        Units of every input and target; None for a variable without units.
    step : float, optional
        Usual time step in training in seconds, for models with time windows.
    slices : mapping
        Origin of variables that were cut from variables with further dimensions.
    counterparts : mapping
        Names that the targets had in the LR data, where these differ.
    levels : mapping
        Vertical levels of the variables of the LR data.
    mean_ratios : mapping
        Factors by which predictions of amounts have the mean of the truth in training.
    attention_margin : int
        LR cells around the domain that channel attention leaves out; 0 in models of earlier
        versions.
    first_guess : FirstGuess, optional
        What the network corrects; None for the interpolated LR field, or for nothing.
    latent : LatentFields, optional
        The fields from which members are drawn; None without such members.
    flow : FlowScales, optional
        Residuals of flow matching; None for other trainings.
    corrections : int
        Number of smooth corrections before the multiplicative constraint; 0 in models of earlier
        versions.
    """

    features: Features
    pairing: Pairing
    scaler: Scaler
    static: xr.Dataset
    always_missing: xr.Dataset
    attrs: Mapping[str, Attrs]
    units: Mapping[str, str | None]
    step: float | None = None
    slices: Mapping[str, Slice] = dataclasses.field(default_factory=dict)
    counterparts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    levels: Mapping[str, Levels] = dataclasses.field(default_factory=dict)
    mean_ratios: Mapping[str, float] = dataclasses.field(default_factory=dict)
    attention_margin: int = 0
    first_guess: FirstGuess | None = None
    latent: LatentFields | None = None
    flow: FlowScales | None = None
    corrections: int = 0

    def network_input(
        self,
        varying: xr.Dataset,
        static: xr.Dataset,
        grid: Grid,
        known: xr.DataArray | None,
        times: pd.Index | None = None,
    ) -> xr.DataArray:
        """Stack LR channels ``(time, y, x, channel)`` of fields in physical units, lazily.

        Parameters
        ----------
        varying : xarray.Dataset
            LR variables ``(time, y, x)`` of a domain and the cells around it.
        static : xarray.Dataset
            Static fields on the HR cells ``(y, x)`` of the domain.
        grid : Grid
            Grid of `varying`.
        known : xarray.DataArray, optional
            Share of the variables that have values ``(y, x)``, see `known_share` of
            `xr_dl4ds.grid.regridding.surroundings`.
        times : pandas.Index, optional
            Time stamps for the features of time; by default those of `varying`.
        """
        features, coarse = self.features, None
        if features.static:
            scaled = self.scaler.transform(static[list(features.static)])
            scale = self.pairing.scale
            coarse = scaled if scale == SAME else block_mean(scaled, scale.by_dim)
            around = (self.pairing.context, self.pairing.context)
            coarse = with_rim(coarse, {Y: around, X: around}, mode="edge")
            coarse = coarse.assign_coords({d: varying[d] for d in (Y, X)})
        template = varying[features.lr_varying[0]]
        forced = forcings(
            features.time_features,
            features.coordinate_features,
            template if times is None else template.assign_coords({TIME: times}),
            grid,
            self.pairing.lr,
        )
        if times is not None:
            own = {TIME: template[TIME]}
            forced = {name: one.assign_coords(own) for name, one in forced.items()}
        scaled = self.scaler.transform(varying[features.lr_varying])
        return features.stack_lr(scaled, coarse, known, forced)

    def bases(self, names: Iterable[str]) -> list[str]:
        """Return the variables of the user's data to which these variables belong."""
        found = (self.slices[n].of if n in self.slices else n for n in names)
        return list(dict.fromkeys(found))

    @property
    def masked(self) -> bool:
        """True if some HR cell never had a value in training."""
        return any(bool(v.any()) for v in self.always_missing.data_vars.values())

    def fixed_inputs(
        self, static: xr.Dataset, trained: Mapping[str, np.ndarray] | None, shape: tuple[int, int]
    ) -> dict[str, xr.DataArray]:
        """Return the inputs of the network that do not change in time, by name.

        Parameters
        ----------
        static : xarray.Dataset
            Static fields on the HR cells ``(y, x)`` of the domain, physical units.
        trained : mapping of numpy.ndarray, optional
            Positions of the domain in the training HR domain; None for another domain.
        shape : tuple of int
            Number of HR cells of the domain along y and x.

        Returns
        -------
        dict
            "static" ``(y, x, channel)``, if there are static fields; "valid"
            ``(y, x, channel)``, 1 where a target has values; "position" ``(channel,)``, row and
            column of the first cell in the training domain. Another domain has no position, and all
            its cells count as valid.
        """
        fixed = {}
        if self.features.static:
            scaled = self.scaler.transform(static[list(self.features.static)])
            fixed["static"] = self.features.stack_static(scaled)
        if trained is None:
            ones = xr.DataArray(np.ones(shape, "f4"), dims=(Y, X))
            valid = xr.Dataset(dict.fromkeys(self.features.targets, ones))
        else:
            valid = ~self.always_missing.isel(trained)
            corner = [trained[Y][0], trained[X][0]]
            fixed["position"] = xr.DataArray(np.array(corner, "i4"), dims=CHANNEL)
        return {**fixed, "valid": self.features.stack_targets(valid)}

    def masked_by_lr(self, varying: xr.Dataset, target: str) -> xr.DataArray | None:
        """Return True in HR cells ``(time, y, x)`` with NaN in LR; None without LR counterpart."""
        if target not in self.features.counterparts:
            return None
        missing = inner(varying[[target]], self.pairing.context)[target].isnull()
        return to_hr_cells(missing, self.pairing.scale)

    @property
    def from_mean(self) -> bool:
        """True if members of flow matching begin at the prediction of a supervised model."""
        return self.flow is not None and self.flow.from_mean

    def ratios(self, *, of_guess: bool) -> Mapping[str, float]:
        """Return the factors of amounts in predictions, or in first guesses."""
        if not of_guess:
            return self.mean_ratios
        return {} if self.flow is None else self.flow.guess_ratios

    def never_negative(self, target: str) -> bool:
        """Return True if a target is a non-negative amount, such as precipitation.

        Its training minimum must lie between 0 and one standard deviation, and its unit must have
        an absolute zero: 250 K is far from 0, and 0 degC is not a bound.
        """
        least, std = self.scaler.of(target, "min"), self.scaler.of(target, "std")
        return 0 <= least <= std and not has_own_zero(self.units.get(target))

    def distributions(self, options: Options) -> tuple[str | None, ...]:
        """Return the distribution of each target, see `xr_dl4ds.config.choices.PARAMETERS`."""
        return options.distributions({n: self.never_negative(n) for n in self.features.targets})

    def offsets_from_zero(self, output_activation: str | None) -> tuple[float, ...]:
        """Return the scaled distance from zero to the value that scales to 0, for each target.

        Zero is the physical zero or, if the output activation is bounded, the training minimum.
        """
        if output_activation in BOUNDED:
            return (0.0,) * len(self.features.targets)
        return tuple(-self.scaler.scaled(name, 0.0) for name in self.features.targets)

    def as_trained(self, fields: Fields, role: str, other: str = "training") -> Fields:
        """Give fields the units of the training data and, by their levels, its names.

        Raises
        ------
        VariableError
            If a variable has another quantity as its unit, or lies at another level.
        """
        named = fields.named_as(self.slices, self.levels, role, other, single=False)
        return named.in_units(self.units, role, other)

"""Conversion of named variables to channel arrays, and back.

Only this module defines the order of arrays, ``(batch, y, x, channel)``.

The LR input channels are the LR counterparts of the targets, the predictors, the static fields
averaged to LR cells, one channel that is 1 where all LR fields are valid (if they have masked
cells), one with the share of LR fields that have values around the domain (if some have none), and
the channels of time and place (`xr_dl4ds.data.time_and_place`). The HR input channels
are the static fields. All channels hold scaled values; masked cells are 0 (the training mean or
minimum).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import xarray as xr

from xr_dl4ds.config import Sampling
from xr_dl4ds.data.time_and_place import channel_names
from xr_dl4ds.grid.names import TIME, X, Y

CHANNEL = "channel"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Targets:
    """Properties of the targets for losses, in scaled units and in the order of the channels.

    Parameters
    ----------
    names : tuple of str
        Names of the targets.
    low, high : tuple of float
        Smallest and largest value in training.
    offsets_from_zero : tuple of float
        Offset to add to a scaled value to measure it from the physical zero.
    curves : tuple of str or None
        Curve on which the loss compares them, see `Sampling.scaling`.
    """

    names: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    offsets_from_zero: tuple[float, ...]
    curves: tuple[str | None, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Features:
    """Variables of a model, each group in the order of its channels.

    Parameters
    ----------
    targets : tuple of str
        Variables to downscale: the output channels.
    counterparts : tuple of str
        Targets that are also available at low resolution, in the order of `targets`.
    predictors : tuple of str
        Further time-varying LR variables.
    static : tuple of str
        HR fields without time.
    mask : bool
        True if an LR channel marks the cells where every LR field is valid.
    surroundings : bool
        True if an LR channel holds the share of LR fields that have values in a cell around the
        domain.
    time_features, coordinate_features : tuple of str
        Features computed from time and place, see `xr_dl4ds.data.time_and_place`.
    """

    targets: tuple[str, ...]
    counterparts: tuple[str, ...]
    predictors: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    mask: bool = False
    surroundings: bool = False
    time_features: tuple[str, ...] = ()
    coordinate_features: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        lr: xr.Dataset,
        targets: Sequence[str],
        given: Sequence[str],
        static: xr.Dataset,
        sampling: Sampling,
        *,
        spans_years: bool = False,
        surroundings: bool = False,
    ) -> Features:
        """Define the channels of aligned data.

        Parameters
        ----------
        lr : xarray.Dataset
            All time-varying LR fields.
        targets : sequence of str
            Variables to downscale.
        given : sequence of str
            Time-varying variables of the LR data, without variables of ``predictors=``.
        static : xarray.Dataset
            HR fields without time.
        sampling : Sampling
            Options that list the features of time and place.
        spans_years : bool
            Whether the data span more than a year.
        surroundings : bool
            Whether some LR fields have no values in some cells around the domain.
        """
        return cls(
            targets=tuple(targets),
            counterparts=tuple(t for t in targets if t in given),
            predictors=tuple(str(n) for n in lr.data_vars if n not in targets),
            static=tuple(str(n) for n in static.data_vars),
            surroundings=surroundings,
            time_features=sampling.features_of_time(spans_years=spans_years),
            coordinate_features=tuple(sampling.coordinate_features),
        )

    @property
    def forcings(self) -> tuple[str, ...]:
        """Names of the LR channels that are computed from time and place."""
        return channel_names(self.time_features, self.coordinate_features)

    @property
    def lr_varying(self) -> list[str]:
        """Names of the time-varying LR variables, in channel order."""
        return [*self.counterparts, *self.predictors]

    @property
    def n_lr(self) -> int:
        """Number of LR channels."""
        flags = int(self.mask) + int(self.surroundings)
        return len(self.lr_varying) + len(self.static) + flags + len(self.forcings)

    @property
    def skips(self) -> tuple[int | None, ...]:
        """LR channel of the counterpart of each target; None for a target without counterpart."""
        place = {name: i for i, name in enumerate(self.counterparts)}
        return tuple(place.get(name) for name in self.targets)

    def stack_lr(
        self,
        varying: xr.Dataset,
        static: xr.Dataset | None,
        known: xr.DataArray | None = None,
        forcings: Mapping[str, xr.DataArray] | None = None,
    ) -> xr.DataArray:
        """Stack the LR input channels.

        Parameters
        ----------
        varying : xarray.Dataset
            Scaled LR variables ``(time, y, x)``.
        static : xarray.Dataset, optional
            Scaled static fields on LR cells ``(y, x)``.
        known : xarray.DataArray, optional
            Share of LR fields that have values ``(y, x)``; 1 by default.
        forcings : mapping, optional
            Channels of `forcings` by name, ``(time, y, x)``.

        Returns
        -------
        xarray.DataArray
            ``(time, y, x, channel)``, float32, without NaN, lazy where `varying` is.
        """
        channels = [varying[n].fillna(0.0) for n in self.lr_varying]
        template = channels[0]
        if static is not None:
            channels += [_everywhere(static[n].fillna(0.0), template) for n in self.static]
        if self.mask:
            valid = [varying[n].notnull() for n in self.lr_varying]
            channels.append(sum(valid[1:], start=valid[0].astype("f4")) == len(valid))
        if self.surroundings:
            share = xr.ones_like(template.isel({TIME: 0}, drop=True)) if known is None else known
            channels.append(_everywhere(share, template))
        return _stack([*channels, *((forcings or {})[n] for n in self.forcings)])

    def stack_static(self, static: xr.Dataset) -> xr.DataArray:
        """Stack the HR input channels ``(y, x, channel)`` of scaled static fields, without NaN."""
        return _stack([static[n].fillna(0.0) for n in self.static])

    def stack_targets(self, targets: xr.Dataset) -> xr.DataArray:
        """Stack the output channels ``(time, y, x, channel)`` of scaled targets; keep NaN."""
        return _stack([targets[n] for n in self.targets])

    def unstack(self, prediction: xr.DataArray) -> xr.Dataset:
        """Split the network's output ``(time, y, x, channel)`` into named targets."""
        return xr.Dataset(
            {name: prediction.isel({CHANNEL: i}, drop=True) for i, name in enumerate(self.targets)}
        )


def _everywhere(static: xr.DataArray, template: xr.DataArray) -> xr.DataArray:
    """Repeat a static field at every time step; lazily if the template is lazy, without a copy."""
    if template.chunks is not None:
        static = static.chunk({d: template.chunksizes[d] for d in (Y, X)})
    return static.astype("f4").broadcast_like(template)


def _stack(parts: Iterable[xr.DataArray]) -> xr.DataArray:
    plain = [p.astype("f4", copy=False).reset_coords(drop=True).rename(None) for p in parts]
    if len(plain) == 1:  # without a copy
        alone = plain[0].expand_dims(CHANNEL)
        return alone.transpose(TIME, Y, X, CHANNEL, missing_dims="ignore")
    stacked = xr.concat(plain, dim=CHANNEL, coords="minimal", compat="override", join="override")
    return stacked.transpose(TIME, Y, X, CHANNEL, missing_dims="ignore")

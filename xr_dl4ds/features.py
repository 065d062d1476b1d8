"""Which variable is which channel: named variables to channel arrays, and back.

The order of arrays is ``(batch, y, x, channel)``; it is stated and made here alone.

LR input channels: the LR counterparts of the targets, the predictors, the static fields averaged
to LR cells, and, when LR fields have masked cells, one channel that is 1 where all are valid. HR
input channels: the static fields. Standardized values stand in all of them, with 0 (the training
mean) in masked cells.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import xarray as xr

from xr_dl4ds.grid.fields import TIME, X, Y

CHANNEL = "channel"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Features:
    """The variables of a model, each in the order of its channels.

    Parameters
    ----------
    targets : tuple of str
        What is downscaled: the output channels.
    counterparts : tuple of str
        The targets that are also there at low resolution, in the order of `targets`.
    predictors : tuple of str
        Further time-varying LR variables.
    static : tuple of str
        HR fields without time.
    mask : bool
        Whether there is an LR channel that marks cells where every LR field is valid.
    """

    targets: tuple[str, ...]
    counterparts: tuple[str, ...]
    predictors: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    mask: bool = False

    @property
    def lr_varying(self) -> list[str]:
        """Names of the time-varying LR variables, in channel order."""
        return [*self.counterparts, *self.predictors]

    @property
    def n_lr(self) -> int:
        """Number of LR channels."""
        return len(self.lr_varying) + len(self.static) + int(self.mask)

    @property
    def skips(self) -> tuple[int | None, ...]:
        """For each target, the LR channel of its counterpart, None where it has none."""
        place = {name: i for i, name in enumerate(self.counterparts)}
        return tuple(place.get(name) for name in self.targets)

    def stack_lr(self, varying: xr.Dataset, static: xr.Dataset | None) -> xr.DataArray:
        """LR input channels.

        Parameters
        ----------
        varying : xarray.Dataset
            Standardized LR variables ``(time, y, x)``.
        static : xarray.Dataset, optional
            Standardized static fields on LR cells ``(y, x)``.

        Returns
        -------
        xarray.DataArray
            ``(time, y, x, channel)``, float32, without NaN, lazy where `varying` is.
        """
        parts = [varying[n] for n in self.lr_varying]
        template = parts[0]
        if static is not None:
            parts += [static[n].broadcast_like(template) for n in self.static]
        channels = [part.fillna(0.0) for part in parts]
        if self.mask:
            valid = [varying[n].notnull() for n in self.lr_varying]
            channels.append(sum(valid[1:], start=valid[0].astype("f4")) == len(valid))
        return _stack(channels)

    def stack_static(self, static: xr.Dataset) -> xr.DataArray:
        """HR input channels ``(y, x, channel)`` of standardized static fields, without NaN."""
        return _stack([static[n].fillna(0.0) for n in self.static])

    def stack_targets(self, targets: xr.Dataset) -> xr.DataArray:
        """Output channels ``(time, y, x, channel)`` of standardized targets; NaN stays NaN."""
        return _stack([targets[n] for n in self.targets])

    def unstack(self, prediction: xr.DataArray) -> xr.Dataset:
        """Named targets of the network's output ``(time, y, x, channel)``."""
        return xr.Dataset(
            {name: prediction.isel({CHANNEL: i}, drop=True) for i, name in enumerate(self.targets)}
        )


def _stack(parts: Iterable[xr.DataArray]) -> xr.DataArray:
    plain = [p.astype("f4").reset_coords(drop=True).rename(None) for p in parts]
    stacked = xr.concat(plain, dim=CHANNEL, coords="minimal", compat="override", join="override")
    return stacked.transpose(TIME, Y, X, CHANNEL, missing_dims="ignore")

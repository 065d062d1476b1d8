"""Constraints in physical units: what rounding of scaled float32 values left over is taken away.

The network's own constraint (`xr_dl4ds.layers.Constraint`) holds in scaled values. There a small
amount of rain is the difference of two large numbers; here, after unscaling, the mean of the HR
cells of each LR cell is made equal to the LR value to the last float32 digits.
"""

from __future__ import annotations

import xarray as xr

from xr_dl4ds.grid.fields import X, Y
from xr_dl4ds.grid.nesting import to_hr_cells


def consistent(
    prediction: xr.DataArray, lr: xr.DataArray, valid: xr.DataArray | None, scale: int, kind: str
) -> xr.DataArray:
    """Move a prediction onto its LR field.

    Parameters
    ----------
    prediction : xarray.DataArray
        ``(..., y, x)`` in physical units, nearly consistent; no coordinates along y and x.
    lr : xarray.DataArray
        ``(..., y, x)``, `scale` times as coarse, same units; NaN where masked.
    valid : xarray.DataArray, optional
        ``(y, x)``, False in HR cells that do not count; all count by default.
    scale : int
        HR cells along one edge of an LR cell.
    kind : {"additive", "multiplicative", "softmax"}
        Additive constraints add the difference; the others, whose values are >= 0, multiply by the
        ratio, and are 0 where LR is.

    Returns
    -------
    xarray.DataArray
        As `prediction`, float32, lazy where it is.
    """
    wide = prediction.astype("f8")
    if kind != "additive":
        wide = wide.clip(min=0)
    counted = wide if valid is None else wide.where(valid)
    mean = to_hr_cells(counted.coarsen({Y: scale, X: scale}).mean(), scale)
    wanted = to_hr_cells(lr.astype("f8"), scale)
    if kind == "additive":
        return (wide + (wanted - mean)).astype("f4")
    wanted = wanted.clip(min=0)
    shared = wide * (wanted / mean.where(mean > 0))
    # amounts that scaling rounded to nothing are shared out evenly
    return shared.where(mean > 0, wanted).astype("f4")

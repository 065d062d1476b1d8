"""Interpolation of LR fields, against which every prediction is held."""

from __future__ import annotations

import xarray as xr

from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.grid.coarsening import check_scale, coarsened
from xr_dl4ds.grid.fields import TIME, Fields
from xr_dl4ds.grid.nesting import ratio, require_overlap
from xr_dl4ds.grid.periodic import facing
from xr_dl4ds.grid.regrid import interpolate, require_cover
from xr_dl4ds.grid.stamps import stamped_as
from xr_dl4ds.grid.timeline import at_times, common_times
from xr_dl4ds.units import require_units

#: Interpolation methods.
BASELINES = ("bilinear", "bicubic")


def interpolated(
    truth: Fields, lr: Fields | None, scale: int | None, names: list[str]
) -> dict[str, xr.Dataset]:
    """LR fields, or the averaged truth, on the cells and at the times of the truth, by method."""
    if lr is not None:
        low = lr
        missing = [n for n in names if n not in low.varying]
        if missing:
            raise VariableError(
                f"Expected the LR data to have {missing} to interpolate, got {low.varying}. Add"
                " them, or rename those that are meant."
            )
        require_overlap(low.grid, truth.grid, "the LR data", "the truth")
        require_cover(facing(low, truth.grid).grid, truth.grid, "the LR data")
        _require_coarser(low, truth)
        for name in names:
            expected, got = (f.data[name].attrs.get("units") for f in (truth, low))
            require_units(name, expected, got, "the LR data", "the truth")
        low = stamped_as(low, truth, "the LR data", "the truth")
        times = common_times(low, truth, "the LR data", "the truth")
        data = at_times(low.pick(names).data, times)
        if times is not None and len(times) < truth.data.sizes[TIME]:
            raise TimeError(
                f"Expected the LR data at all {truth.data.sizes[TIME]} times that are scored, got"
                f" {len(times)}. Select the common times first."
            )
    elif scale is not None:
        check_scale(scale)
        if any(n % scale for n in truth.grid.shape):
            raise GridError(
                f"Expected the cells that are scored to be a multiple of the scale {scale}, got"
                f" {truth.grid.shape}. Pass lr= for the baselines."
            )
        low = coarsened(truth, scale)
        data = low.data
    else:
        raise GridError(
            "Expected LR fields for the baselines, got a prediction without a note of its scale."
            " Pass lr=, the LR fields, or scale=."
        )
    found = {m: interpolate(data, low.grid, truth.grid, m) for m in BASELINES}
    if TIME in truth.data.coords:
        found = {m: d.assign_coords({TIME: truth.data[TIME]}) for m, d in found.items()}
    return found


def _require_coarser(low: Fields, truth: Fields) -> None:
    if max(ratio(low.grid, truth.grid)) < 1.01:
        raise GridError(
            "Expected the LR data to be coarser than the truth, which the baselines are to refine,"
            f" got {low.grid.extent} and, of the truth, {truth.grid.extent}. Pass the data from"
            " which was predicted as lr=."
        )

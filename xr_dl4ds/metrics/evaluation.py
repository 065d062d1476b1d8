"""Scores and maps of a prediction and of interpolation on the same cells, and the skill between."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Hashable
from typing import Any

import xarray as xr

from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.georeference import provenance_of
from xr_dl4ds.grid.coarsening import check_scale, coarsened
from xr_dl4ds.grid.discovery import Dims
from xr_dl4ds.grid.fields import TIME, Fields, Grid, X, Y, as_dataset, standardize
from xr_dl4ds.grid.nesting import require_overlap
from xr_dl4ds.grid.periodic import facing
from xr_dl4ds.grid.regrid import interpolate, require_cover, window
from xr_dl4ds.grid.stamps import stamped_as
from xr_dl4ds.grid.timeline import at_times, check_times, common_times, in_order
from xr_dl4ds.metrics.pointwise import ERRORS, SCORES
from xr_dl4ds.units import require_units

logger = logging.getLogger(__name__)

Data = xr.Dataset | xr.DataArray

#: Interpolation methods that every prediction is held against.
BASELINES = ("bilinear", "bicubic")
#: Along `product`: the prediction, then the baselines.
PRODUCTS = ("prediction", *BASELINES)

_LONG_NAMES = {
    "bias": "mean of prediction minus truth",
    "mae": "mean absolute error",
    "rmse": "root mean square error",
    "correlation": "Pearson correlation",
}


def evaluate(
    prediction: Data,
    truth: Data,
    *,
    lr: Data | None = None,
    scale: int | None = None,
    dims: Dims | None = None,
) -> xr.Dataset:
    """Score a prediction.

    Parameters
    ----------
    prediction : xarray.Dataset or xarray.DataArray
        ``(time, y, x)``.
    truth : xarray.Dataset or xarray.DataArray
        Variables of the same names and units, covering the grid of `prediction`; the times in
        common are scored.
    lr : xarray.Dataset or xarray.DataArray, optional
        LR fields that the baselines interpolate. By default the truth averaged by `scale`.
    scale : int, optional
        For that average; by default the scale noted on the prediction.
    dims : Dims, optional
        Dimensions named by the caller.

    Returns
    -------
    xarray.Dataset
        Over ``product`` (prediction, bilinear, bicubic): bias, mae, rmse (units of the variable)
        and correlation (1), over all valid cells with equal weight; the same as maps ``*_map`` over
        ``(product, y, x)``; and over ``reference``: ``mae_skill`` and ``rmse_skill``,
        ``1 - score / score of the reference`` (1 is perfect, 0 as good as the reference; Murphy
        1988, doi:10.1175/1520-0493(1988)116<2417:SSBOTM>2.0.CO;2). With several variables there is
        a dimension ``variable`` with a coordinate ``units``. Lazy where the data are. The attribute
        ``baselines`` says what was interpolated: for MOS pass `lr`, because averaged truth is
        better than any LR that one has.

    Raises
    ------
    VariableError, GridError, TimeError
        When prediction and truth do not belong together.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=1)
    >>> base = hr[["t2m"]].downscale.coarsen(4).downscale.interpolate(hr, method="bilinear")
    >>> scores = evaluate(base, hr, scale=4)
    >>> float(scores.rmse_skill.sel(reference="bilinear").round(6))
    0.0
    """
    dims = dims or Dims()
    given = in_order(_read(prediction, dims, "the prediction"), "the prediction")
    truth_fields = in_order(_read(truth, dims, "the truth"), "the truth")
    names = _common_names(given, truth_fields)
    pair = _on_common_cells(given.pick(names), truth_fields.pick(names))
    noted = provenance_of(prediction)
    if scale is None and noted.get("scale", 1) > 1:
        scale = noted["scale"]
    if lr is None and not noted.get("perfect_prognosis", True):
        logger.warning(
            "the model was fitted on LR/HR pairs, but the baselines interpolate the averaged truth,"
            " which is better than its LR: pass lr= for a fair comparison"
        )
    low = None if lr is None else _read(lr, dims, "the LR data")
    baselines = _baselines(pair[1], low, scale, names)
    scores = [_score(name, pair, baselines) for name in names]
    if len(scores) == 1:
        out = scores[0].assign_coords(variable=names[0])
    else:
        out = xr.concat(scores, dim=xr.Variable("variable", names), combine_attrs="drop_conflicts")
        units = [pair[1].data[name].attrs.get("units", "1") for name in names]
        out = out.assign_coords(units=("variable", units))
    origin = "lr" if lr is not None else f"the truth averaged over {scale} x {scale} cells"
    out.attrs["baselines"] = f"interpolation of {origin}"
    return _with_axes(out, given.grid)


def _read(obj: Data, dims: Dims, role: str) -> Fields:
    ds = as_dataset(obj, role)
    fields = standardize(ds, dims.within(ds), role)
    check_times(fields, role)
    if not fields.varying:
        raise VariableError(
            f"Expected {role} to have a time dimension, got {list(fields.data)} without. Keep it"
            " when selecting one step: .isel(time=[0])."
        )
    return fields


def _common_names(prediction: Fields, truth: Fields) -> list[str]:
    names = [n for n in prediction.varying if n in truth.varying]
    if not names:
        raise VariableError(
            f"Expected prediction and truth to have variables in common, got {prediction.varying}"
            f" and {truth.varying}. Rename one to the name of the other."
        )
    for name in names:
        expected, got = (f.data[name].attrs.get("units") for f in (truth, prediction))
        require_units(name, expected, got, "the prediction", "the truth")
    return names


def _on_common_cells(prediction: Fields, truth: Fields) -> tuple[Fields, Fields]:
    truth = stamped_as(facing(truth, prediction.grid), prediction, "the truth", "the prediction")
    inner = window(truth.grid, prediction.grid)
    if inner is None:
        raise GridError(
            f"Expected the truth to cover the cells of the prediction ({prediction.grid.extent}),"
            f" got {truth.grid.extent}. Select the cells that both have."
        )
    times = common_times(prediction, truth, "the prediction", "the truth")
    truth_data = truth.data.isel(inner).assign_coords(prediction.grid.coords)
    data = at_times(prediction.data, times), at_times(truth_data, times)
    if TIME in data[0].coords:
        data = data[0], data[1].assign_coords({TIME: data[0][TIME]})
    return (
        dataclasses.replace(prediction, data=data[0]),
        dataclasses.replace(truth, data=data[1], grid=prediction.grid),
    )


def _baselines(
    truth: Fields, lr: Fields | None, scale: int | None, names: list[str]
) -> dict[str, xr.Dataset]:
    if lr is not None:
        low = in_order(lr, "the LR data")
        missing = [n for n in names if n not in low.varying]
        if missing:
            raise VariableError(
                f"Expected the LR data to have {missing} to interpolate, got {low.varying}. Add"
                " them, or rename those that are meant."
            )
        require_overlap(low.grid, truth.grid, "the LR data", "the truth")
        require_cover(facing(low, truth.grid).grid, truth.grid, "the LR data")
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


def _score(name: str, pair: tuple[Fields, Fields], baselines: dict[str, xr.Dataset]) -> xr.Dataset:
    """All scores of one variable, on the cells where every product and the truth are valid."""
    truth = pair[1].data[name]
    products = [pair[0].data[name], *(baselines[m][name] for m in BASELINES)]
    valid = truth.notnull()
    for one in products:
        valid = valid & one.notnull()
    stacked = xr.concat(
        [one.where(valid).drop_attrs() for one in products],
        dim=xr.Variable("product", list(PRODUCTS)),
        coords="minimal",
    )
    truth = truth.where(valid)
    units = truth.attrs.get("units", "1")
    out: dict[str, xr.DataArray] = {}
    for score, function in SCORES.items():
        attrs = {"units": "1" if score == "correlation" else units, "long_name": _LONG_NAMES[score]}
        out[score] = _about(function(stacked, truth, (TIME, Y, X)), attrs)
        out[f"{score}_map"] = _about(function(stacked, truth, (TIME,)), attrs)
    for score in ERRORS:
        reference = out[score].sel(product=list(BASELINES)).rename(product="reference")
        skill = 1 - out[score].sel(product="prediction", drop=True) / reference
        attrs = {"units": "1", "long_name": f"skill: 1 - {score} / {score} of the reference"}
        out[f"{score}_skill"] = _about(skill, attrs)
    return xr.Dataset(out)


def _about(score: xr.DataArray, attrs: dict[str, str]) -> xr.DataArray:
    """With these attributes and no others."""
    score.attrs = attrs
    return score


def _with_axes(out: xr.Dataset, grid: Grid) -> xr.Dataset:
    """Maps in the layout of the prediction, under its own dimension names."""
    back: dict[Hashable, Any] = {Y: grid.y.order.argsort(), X: grid.x.order.argsort()}
    out = out.isel(back)
    out = out.rename({d: n for d, n in ((Y, grid.y.name), (X, grid.x.name)) if d != n})
    return out.assign_coords({a.name: (a.name, a.values, dict(a.attrs)) for a in (grid.y, grid.x)})

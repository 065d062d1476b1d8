"""Errors of scores: what is asked for, parts of the data, baselines, and functions on arrays."""

import numpy as np
import xarray as xr
from xarray.groupers import BinGrouper, SeasonGrouper, SeasonResampler, UniqueGrouper

import tests.errors.data as d
from tests.errors.case import section
from xr_dl4ds import metrics
from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.metrics import (
    field_scores,
    image,
    indices,
    neighbourhood,
)

case = section("Scores and figures")

PLANE = ("latitude", "longitude")
ALL = ("time", *PLANE)


def asking(**options):
    """Score with options."""
    return lambda sr, hr, lr: sr.downscale.evaluate(hr, lr=lr, **options)


def arrays(score, *arguments, **options):
    """Call a function of arrays."""
    return lambda sr, hr, lr: score(sr.t2m, hr.t2m, *arguments, **options)


def members(score, *arguments, **options):
    """Call a function of an ensemble and the truth."""
    return lambda sr, hr, lr: score(
        sr.t2m.expand_dims(realization=2), hr.t2m, *arguments, **options
    )


def of_field(index, **options):
    """Call an index of one field."""
    return lambda sr, hr, lr: index(hr.t2m, **options)


def by_field(spoil, hr, *, grouper=None):
    """Group by the first step of the truth, spoilt."""
    values = spoil(hr.t2m.isel(time=0, drop=True)).rename("region")
    return values if grouper is None else (values, grouper)


def named_masks(hr, *names):
    """Two masks of all cells with names."""
    return masks(hr).assign_coords(names=(masks(hr).dims[0], list(names)))


def masks(hr):
    """Two masks of all cells."""
    return (hr.t2m.isel(time=0, drop=True) > 0).expand_dims(region=2)


def grouped(spoil, **options):
    return lambda sr, hr, lr: sr.downscale.evaluate(hr, lr=lr, by=by_field(spoil, hr, **options))


def early(ds):
    """The data years before, for training."""
    return ds.assign_coords(time=ds.time - np.timedelta64(3650, "D"))


def trained(spoil_lr=lambda ds: ds, spoil_hr=lambda ds: ds, **options):
    """Score beside baselines that are fitted to spoilt data of earlier years."""
    return lambda sr, hr, lr: sr.downscale.evaluate(
        hr, lr=lr, training=(spoil_lr(early(lr)), spoil_hr(early(hr))), **options
    )


undated = d.scored(
    lambda sr: sr.assign_coords(time=np.arange(8)), lambda hr: hr.assign_coords(time=np.arange(8))
)

#: Two days of the data.
DAYS = (("2001-01-01", "2001-01-01"), ("2001-01-02", "2001-01-02"))

ASKED = {
    "score": case(
        "A score is misspelt.",
        ValueError,
        r"`scores` to name scores or groups of scores, got 'rsme'\. Did you mean 'rmse'\?",
        d.scored(),
        asking(scores="rsme"),
        asking(scores="rmse"),
    ),
    "scores that are no names": case(
        "Scores are asked for by something that is no name.",
        TypeError,
        r"`scores` to be names, got int: 5\. Pass names such as scores=\['rmse'\]",
        d.scored(),
        asking(scores=5),
        asking(scores=["rmse"]),
    ),
    "score without periods": case(
        "A score of change is wanted without periods.",
        ValueError,
        r"The score 'change' needs two periods\. Pass periods=, such as",
        d.scored(),
        asking(scores=["change"]),
        asking(scores=["change"], periods=DAYS),
    ),
    "number of periods": case(
        "One period is passed where two are compared.",
        ValueError,
        r"`periods` to be two pairs of dates, got \('2001-01-01', '2001-01-01'\)\. Pass the first",
        d.scored(),
        asking(scores=["change"], periods=DAYS[0]),
        asking(scores=["change"], periods=DAYS),
    ),
    "dates of periods": case(
        "A period is not given by dates.",
        ValueError,
        r"`periods` to hold dates, got 'first' and 'last'\. Pass text such as",
        d.scored(),
        asking(scores=["change"], periods=(DAYS[0], ("first", "last"))),
        asking(scores=["change"], periods=DAYS),
    ),
    "empty period": case(
        "A period has no times that are scored.",
        TimeError,
        r"times that are scored from 2091 to 2099, got 8 steps from .*\. Select other periods",
        d.scored(),
        asking(scores=["change"], periods=(DAYS[0], ("2091", "2099"))),
        asking(scores=["change"], periods=DAYS),
    ),
    "periods without dates": case(
        "Periods are wanted of steps without dates.",
        TimeError,
        r"dates along time for periods=, got steps without dates\. Assign them with",
        undated,
        lambda sr, hr, lr: sr.downscale.evaluate(hr, scale=2, scores=["change"], periods=DAYS),
        lambda sr, hr, lr: sr.assign_coords(time=d.hr().time).downscale.evaluate(
            hr.assign_coords(time=d.hr().time), scale=2, scores=["change"], periods=DAYS
        ),
    ),
    "training data that are no pair": case(
        "Training data of baselines are one Dataset instead of a pair.",
        TypeError,
        r"`training` to be a pair \(lr, hr\), got Dataset\. Pass training=\(lr, hr\)",
        d.scored(),
        lambda sr, hr, lr: sr.downscale.evaluate(hr, lr=lr, training=early(hr)),
        trained(),
    ),
    "score without thresholds": case(
        "A score of events is wanted without thresholds.",
        ValueError,
        r"The score 'csi' needs thresholds in units of the variable\. Pass thresholds=, such as",
        d.scored(),
        asking(scores=["csi"]),
        asking(scores=["csi"], thresholds=[280.0]),
    ),
    "name of a score": case(
        "A score is registered under a name that is taken.",
        ValueError,
        r"a name for the score that is an identifier and is not taken, got 'rmse'\. Use another",
        d.scored(),
        lambda sr, hr, lr: metrics.register("rmse", abs, long_name="mine"),
        lambda sr, hr, lr: [
            metrics.register("another", abs, long_name="mine"),
            metrics.SCORES.pop("another"),
        ],
    ),
    "kind of a score": case(
        "A score is registered with a kind that is unknown.",
        ValueError,
        r"a function and a kind among pair, .*, got function and 'pairs'\. Use one of these kinds",
        d.scored(),
        lambda sr, hr, lr: metrics.register("mine", asking, long_name="mine", kind="pairs"),
        lambda sr, hr, lr: [
            metrics.register("mine", asking, long_name="mine", kind="pair"),
            metrics.SCORES.pop("mine"),
        ],
    ),
    "baseline": case(
        "A baseline is misspelt.",
        ValueError,
        r"`baselines` to be among bicubic.*, got 'bilinaer'\. Did you mean 'bilinear'\?",
        d.scored(),
        asking(baselines=["bilinaer"]),
        asking(baselines=["bilinear"]),
    ),
    "baseline without training data": case(
        "A baseline that is fitted is wanted without training data.",
        ValueError,
        r"The baselines \['climatology'\] are fitted to data\. Pass training=\(lr, hr\)",
        d.scored(),
        asking(baselines=["climatology"]),
        trained(baselines=["climatology"]),
    ),
    "training data without a baseline": case(
        "Training data are passed for baselines that are not fitted.",
        ValueError,
        r"The baselines \['bicubic'\] use no training data\. Leave out training=",
        d.scored(),
        trained(baselines=["bicubic"]),
        asking(baselines=["bicubic"]),
    ),
    "training data at scored times": case(
        "Baselines are fitted to times that are scored.",
        TimeError,
        r"training= without times that are scored, got 8 in common, from .*\. Select other times",
        d.scored(),
        lambda sr, hr, lr: sr.downscale.evaluate(hr, lr=lr, training=(lr, hr)),
        trained(),
    ),
    "training data without the variable": case(
        "Training data of baselines lack a variable.",
        VariableError,
        r"training= to have \['t2m'\] in both data, got \['tas'\] in LR and .* in HR\. Add these",
        d.scored(),
        trained(lambda lr: lr.rename(t2m="tas")),
        trained(),
    ),
    "training data without values": case(
        "Training data of baselines have no values.",
        VariableError,
        r"values of 't2m' in training=, got missing values alone\. Select times and cells",
        d.scored(),
        trained(spoil_hr=lambda hr: hr.where(False)),
        trained(),
    ),
    "training data on other cells": case(
        "Training data of baselines lie on other cells than those that are scored.",
        GridError,
        r"the HR data of training= on the cells that are scored \(.*\), got .*\. Bring them",
        d.scored(),
        trained(spoil_hr=lambda hr: hr.isel(latitude=slice(4))),
        trained(),
    ),
}

GROUPED = {
    "name of labels": case(
        "The labels of parts have the name of a score or dimension of the result.",
        VariableError,
        r"a name for the parts that the scores do not have, got 'bias'\. Rename the labels",
        d.scored(),
        lambda sr, hr, lr: sr.downscale.evaluate(
            hr, lr=lr, by=by_field(lambda field: field * 0, hr).rename("bias")
        ),
        grouped(lambda field: field * 0),
    ),
    "kind of parts": case(
        "Parts of the data are asked for by something that gives no labels.",
        VariableError,
        r"`by` to be one of season, .*, got int\. Pass one of these, or a list of them",
        d.scored(),
        asking(by=[3]),
        asking(by=["month"]),
    ),
    "name of parts": case(
        "Parts of the data are misspelt.",
        VariableError,
        r"`by` to be one of season, .*, got 'seson'\. Did you mean 'season'\?",
        d.scored(),
        asking(by="seson"),
        asking(by="season"),
    ),
    "parts without dates": case(
        "Parts by date are wanted of steps without dates.",
        TimeError,
        r"Expected dates along time for scores by date, got steps without dates\. Assign them",
        undated,
        lambda sr, hr, lr: sr.downscale.evaluate(hr, scale=2, by="month"),
        lambda sr, hr, lr: sr.assign_coords(time=d.hr().time).downscale.evaluate(
            hr.assign_coords(time=d.hr().time), scale=2, by="month"
        ),
    ),
    "values outside bins": case(
        "No value lies in the bins by which the data are parted.",
        VariableError,
        r"values of 'region' in the bins of BinGrouper, got the error .*\. Check its bins",
        d.scored(),
        grouped(lambda field: field * 0, grouper=BinGrouper(bins=[1, 2])),
        grouped(lambda field: field * 0, grouper=BinGrouper(bins=[-1, 2])),
    ),
    "labels that are all missing": case(
        "The labels of parts are missing in all cells that are scored.",
        VariableError,
        r"labels where the prediction has cells, got 'region' with 96 missing values there\. Check",
        d.scored(),
        grouped(lambda field: field * np.nan),
        grouped(lambda field: field * 0),
    ),
    "labels on other cells": case(
        "The labels of parts do not cover the cells that are scored.",
        GridError,
        r"the labels 'region' along time, or on cells that cover the prediction .*\. Bring them",
        d.scored(),
        grouped(lambda field: (field * 0).isel(latitude=slice(4))),
        grouped(lambda field: field * 0),
    ),
    "number of labels of columns": case(
        "The labels of columns have no coordinate and another number of cells.",
        GridError,
        r"labels of 12 cells along 'longitude', got 5\. Give them the coordinate",
        d.scored(),
        asking(by=xr.DataArray(np.arange(5), dims="longitude")),
        asking(by=xr.DataArray(np.arange(12), dims="longitude")),
    ),
    "dimensions of masks": case(
        "Masks of regions have other dimensions than the prediction.",
        VariableError,
        r"Expected masks along 'latitude', 'longitude' and one more dimension, got \(.*\)\. Rename",
        d.scored(),
        lambda sr, hr, lr: sr.downscale.evaluate(hr, lr=lr, by=masks(hr).rename(latitude="row")),
        lambda sr, hr, lr: sr.downscale.evaluate(hr, lr=lr, by=masks(hr)),
    ),
    "masks without cells": case(
        "Masks of regions have no cell where the prediction has some.",
        VariableError,
        r"masks with cells where the prediction has some, got 2 without\. Check their coordinates",
        d.scored(),
        lambda sr, hr, lr: sr.downscale.evaluate(hr, lr=lr, by=masks(hr) & False),
        lambda sr, hr, lr: sr.downscale.evaluate(hr, lr=lr, by=masks(hr)),
    ),
    "masks along time": case(
        "The values to score are asked for by a mask along time and cells.",
        VariableError,
        r"labels of steps or of cells, got 't2m' along \('time', .*\)\. Select these values of",
        d.scored(),
        lambda sr, hr, lr: sr.downscale.evaluate(hr, lr=lr, by=hr.t2m > 280),
        lambda sr, hr, lr: sr.where(hr.t2m > 280).downscale.evaluate(hr, lr=lr),
    ),
    "names of parts": case(
        "Two regions have one name.",
        VariableError,
        r"different names for the parts of 'region', got 'A' more than once\. Rename them",
        d.scored(),
        lambda sr, hr, lr: sr.downscale.evaluate(hr, lr=lr, by=named_masks(hr, "A", "A")),
        lambda sr, hr, lr: sr.downscale.evaluate(hr, lr=lr, by=named_masks(hr, "A", "B")),
    ),
    "groups without cells": case(
        "A grouper has no group in the data.",
        VariableError,
        r"'region' in the groups of UniqueGrouper, got \d+ values outside of them\. Pass a",
        d.scored(),
        grouped(lambda field: field * 0, grouper=UniqueGrouper(labels=[7.0])),
        grouped(lambda field: field * 0, grouper=UniqueGrouper(labels=[0.0])),
    ),
    "seasons that are not whole": case(
        "A grouper makes seasons of which the data have no whole one.",
        VariableError,
        r"values of 'period' in the bins of SeasonResampler, got the error .*\. Check its bins",
        d.scored(),
        lambda sr, hr, lr: sr.downscale.evaluate(hr, lr=lr, by=SeasonResampler(["MAM", "JJAS"])),
        lambda sr, hr, lr: sr.downscale.evaluate(hr, lr=lr, by=SeasonGrouper(["DJF"])),
    ),
    "number of labels": case(
        "The labels of parts along time have another number of steps.",
        TimeError,
        r"Expected labels at 8 steps, got 3\. Give them the coordinate of the prediction",
        d.scored(),
        asking(by=xr.DataArray([1, 2, 3], dims="time")),
        lambda sr, hr, lr: sr.downscale.evaluate(
            hr, lr=lr, by=xr.DataArray(np.arange(8), {"time": hr.time})
        ),
    ),
}

ARRAYS = {
    "arrays of numpy": case(
        "Functions of scores are given arrays without names of dimensions.",
        TypeError,
        r"prediction and truth as DataArrays, got ndarray\. Pass variables of datasets",
        d.scored(),
        lambda sr, hr, lr: metrics.rmse(sr.t2m.to_numpy(), hr.t2m.to_numpy(), ALL),
        arrays(metrics.rmse, ALL),
    ),
    "arrays in other units": case(
        "Arrays that are scored have units that differ.",
        VariableError,
        r"prediction and truth in one unit, got 'degC' and 'K'\. Convert one of them",
        d.scored(lambda sr: d.in_units(sr, "degC", -273.15)),
        arrays(metrics.rmse, ALL),
        lambda sr, hr, lr: metrics.rmse(d.in_units(sr, "K", 273.15).t2m, hr.t2m, ALL),
    ),
    "fields without a dimension": case(
        "A score of fields is given the wrong names of horizontal dimensions.",
        GridError,
        r"fields with the two horizontal dimensions \('y', 'x'\), got the dimensions .*\. Pass",
        d.scored(),
        arrays(image.ssim),
        arrays(image.ssim, PLANE),
    ),
    "neighbourhood": case(
        "The edge of a neighbourhood is an even number of cells.",
        ValueError,
        r"`size` to be an odd number of cells, .* got 2\. Pass an odd number such as",
        d.scored(),
        arrays(neighbourhood.fss, 280.0, 2, PLANE),
        arrays(neighbourhood.fss, 280.0, 3, PLANE),
    ),
    "scales of MS-SSIM": case(
        "MS-SSIM is wanted at more scales than it has weights.",
        ValueError,
        r"`scales` from 1 to 5, got 6\. Pass",
        d.scored(),
        arrays(image.ms_ssim, PLANE, scales=6),
        arrays(image.ms_ssim, PLANE, scales=5),
    ),
    "range of data": case(
        "The range of the data is not above 0.",
        ValueError,
        r"`data_range` above 0, got 0\S*\. ",
        d.scored(),
        arrays(image.ssim, PLANE, data_range=0.0),
        arrays(image.ssim, PLANE, data_range=30.0),
    ),
    "weights of fields": case(
        "A score of fields is given weights along time.",
        GridError,
        r"`weights` along the horizontal dimensions .*\. ",
        d.scored(),
        lambda sr, hr, lr: image.ssim(
            sr.t2m, hr.t2m, PLANE, weights=xr.DataArray(np.ones(8), dims="time")
        ),
        lambda sr, hr, lr: image.ssim(
            sr.t2m, hr.t2m, PLANE, weights=xr.DataArray(np.ones(8), dims="latitude")
        ),
    ),
    "bins of reliability": case(
        "A reliability diagram is wanted without bins.",
        ValueError,
        r"Expected bins to be 1 or more, got 0\. Use",
        d.scored(),
        members(metrics.reliability, 280.0, ALL, bins=0),
        members(metrics.reliability, 280.0, ALL, bins=5),
    ),
    "tail": case(
        "The tail of a threshold-weighted CRPS is misspelt.",
        ValueError,
        r"tail to be 'upper' or 'lower', got 'high'\. ",
        d.scored(),
        members(field_scores.threshold_weighted_crps, 280.0, ALL, tail="high"),
        members(field_scores.threshold_weighted_crps, 280.0, ALL, tail="upper"),
    ),
    "pool": case(
        "The pooling of a CRPS is misspelt.",
        ValueError,
        r"pool to be 'mean' or 'max', got 'sum'\. ",
        d.scored(),
        members(field_scores.pooled_crps, 2, ALL, plane=PLANE, pool="sum"),
        members(field_scores.pooled_crps, 2, ALL, plane=PLANE, pool="mean"),
    ),
    "size of blocks": case(
        "The blocks of a pooled CRPS have no cells.",
        ValueError,
        r"size to be 1 or more cells, got 0\. ",
        d.scored(),
        members(field_scores.pooled_crps, 0, ALL, plane=PLANE),
        members(field_scores.pooled_crps, 1, ALL, plane=PLANE),
    ),
    "plane of an energy score": case(
        "The energy score is given the wrong names of horizontal dimensions.",
        GridError,
        r"two horizontal dimensions \('y', 'x'\), got the dimensions .*\. Pass plane=",
        d.scored(),
        members(field_scores.energy_score),
        members(field_scores.energy_score, PLANE),
    ),
    "quantile": case(
        "A quantile of wet days lies outside 0 to 1.",
        ValueError,
        r"a quantile q from 0 to 1, got 98\S*\. ",
        d.scored(),
        of_field(indices.wet_quantile, q=98),
        of_field(indices.wet_quantile, q=0.98),
    ),
    "annual cycle without dates": case(
        "An annual cycle is wanted of steps without dates.",
        TimeError,
        r"The steps along 'time' have no dates\. Assign",
        undated,
        of_field(indices.annual_cycle),
        lambda sr, hr, lr: indices.annual_cycle(d.hr().t2m),
    ),
    "index without time": case(
        "An index is wanted of a field without time.",
        TimeError,
        r"a field with steps along 'time', got .*\. ",
        d.scored(),
        lambda sr, hr, lr: indices.txx(hr.t2m.isel(time=0)),
        of_field(indices.txx),
    ),
}

PARTS = (ASKED, GROUPED, ARRAYS)

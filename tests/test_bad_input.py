"""What is wrong with the input is said before any training, with the cure."""

import dataclasses
import json

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
import xr_dl4ds.training

from .conftest import analytic

TINY = {"n_filters": 4, "n_blocks": 1, "epochs": 1, "verbose": False}


@pytest.fixture(scope="module")
def model():
    return analytic().downscale.fit(scale=2, **TINY)


@pytest.fixture
def lr(hr):
    return hr[["t2m"]].downscale.coarsen(2)


@pytest.fixture
def untrained(monkeypatch):
    """Fail when training begins."""

    def begin(*args, **kwargs):
        raise AssertionError("training began with bad input")

    monkeypatch.setattr(xr_dl4ds.training, "train", begin)


def bare(ds):
    """Without bounds, so that coordinates can be replaced."""
    return ds.drop_vars(["latitude_bnds", "longitude_bnds"])


def moved(ds, **offsets):
    """With coordinates shifted by so much."""
    values = {k: (k, ds[k].values + v, ds[k].attrs) for k, v in offsets.items()}
    return ds.assign_coords(values)


def later(ds, days):
    return ds.assign_coords(time=ds.time + np.timedelta64(days, "D"))


def nan_everywhere(ds, name):
    return ds.assign({name: ds[name] * np.nan})


PAIRS = {
    "no common time": (
        lambda lr, hr: (later(lr, 400), hr),
        r"no time in common: 8 steps from 2002-02-05.*8 steps from 2001-01-01.*Shift or floor",
    ),
    "calendars": (
        lambda lr, hr: (lr.convert_calendar("noleap"), hr),
        r"in one calendar.*noleap calendar.*standard calendar.*convert_calendar",
    ),
    "duplicated LR times": (
        lambda lr, hr: (lr.isel(time=[0, 1, 1, 2, 3, 4, 5, 6]), hr),
        r"every time of the LR data once, got 1 duplicated: 2001-01-01 06.*drop_duplicates",
    ),
    "duplicated HR times": (
        lambda lr, hr: (lr, hr.isel(time=[0, 1, 1, 2, 3, 4, 5, 6])),
        r"every time of the HR data once.*drop_duplicates\('time'\)",
    ),
    "no overlap": (
        lambda lr, hr: (moved(bare(lr), latitude=30.0), hr),
        r"grids do not overlap.*the LR data cover latitude 78.*Select the same region",
    ),
    "swapped": (lambda lr, hr: (hr, lr), r"look swapped: call lr\.downscale\.fit\(hr\)"),
    "same grid twice": (
        lambda lr, hr: (hr, hr),
        r"at least twice as fine.*hr\.downscale\.fit\(scale=4\)",
    ),
    "LR all NaN": (
        lambda lr, hr: (nan_everywhere(lr, "t2m"), hr),
        r"'t2m' of the LR data to have values, got NaN everywhere",
    ),
    "units": (
        lambda lr, hr: (lr.assign(t2m=(lr.t2m - 273.15).assign_attrs(units="degC")), hr),
        r"'t2m' of the LR data in 'K' as in the HR data, got 'degC'. Convert",
    ),
}


@pytest.mark.parametrize("case", PAIRS)
def test_pairs(hr, lr, untrained, case):
    break_it, message = PAIRS[case]
    low, high = break_it(lr, hr)
    before = low.copy(deep=True), high.copy(deep=True)
    with pytest.raises(ValueError, match=message):
        low.downscale.fit(high, **TINY)
    xr.testing.assert_identical(low, before[0])
    xr.testing.assert_identical(high, before[1])


ALONE = {
    "scale that does not divide": (
        lambda hr: (hr, {"scale": 3}),
        r"latitude has 8 cells, 2 too many \(48\.5, 48\.25\).*isel\(latitude=slice\(0, 6\).*trim",
    ),
    "scale of one": (lambda hr: (hr, {"scale": 1}), "whole number >= 2, got 1"),
    "scale too large": (lambda hr: (hr, {"scale": 8}), "at least two blocks of 8 cells"),
    "no scale": (lambda hr: (hr, {}), r"Expected `scale` for perfect prognosis or an HR target"),
    "all NaN": (
        lambda hr: (nan_everywhere(hr, "t2m"), {"scale": 2}),
        r"'t2m' of the HR data to have values, got NaN everywhere",
    ),
    "constant": (
        lambda hr: (hr.assign(t2m=hr.t2m * 0 + 280), {"scale": 2}),
        r"'t2m' of the HR data to vary, got the constant 280. Leave it out",
    ),
    "constant static field": (
        lambda hr: (hr.assign(orog=hr.orog * 0 + 1), {"scale": 2}),
        r"'orog' of the static fields to vary, got the constant 1",
    ),
    "infinite": (
        lambda hr: (hr.assign(t2m=hr.t2m.where(hr.t2m < 284, np.inf)), {"scale": 2}),
        "to be finite where it is not NaN, got infinite",
    ),
    "no time": (
        lambda hr: (hr[["orog"]], {"scale": 2}),
        "to have a variable with a time dimension.*Pass time_dim=",
    ),
    "unknown option": (
        lambda hr: (hr, {"scale": 2, "epoch": 3}),
        "unknown option 'epoch'. Did you mean 'epochs'",
    ),
    "patch": (
        lambda hr: (hr, {"scale": 2, "patch_size": 5}),
        "multiple of the scale 2, at least 4, got 5. Use 4",
    ),
    "large patch": (
        lambda hr: (hr, {"scale": 2, "patch_size": 10}),
        r"fit into the HR grid of \(8, 12\) cells, got 10",
    ),
    "validation": (
        lambda hr: (hr, {"scale": 2, "validation": 1.5}),
        r"share of the last time steps in \[0, 1\), an \(lr, hr\) pair, or None, got 1.5",
    ),
    "one step": (
        lambda hr: (hr.isel(time=[0]), {"scale": 2}),
        "at least 2 time steps to hold 10% out for validation, got 1",
    ),
    "text variable": (
        lambda hr: (hr.assign(t2m=hr.t2m.astype(str)), {"scale": 2}),
        "'t2m' of the HR data to hold numbers, got dtype",
    ),
    "unknown dimension": (
        lambda hr: (hr.expand_dims(band=[500, 850]), {"scale": 2}),
        r"got 'band' too .*extra_dims=\{'band': 'channels'\}.*select one with .isel\(band=0\)",
    ),
    "predictors without time": (
        lambda hr: (hr[["t2m"]], {"scale": 2, "predictors": hr[["orog"]]}),
        r"Expected predictors= with a time dimension.*Pass them as static=",
    ),
    "static with time": (
        lambda hr: (hr[["t2m"]], {"scale": 2, "static": hr[["t2m"]].rename(t2m="z")}),
        r"Expected static= without a time dimension.*Pass them as predictors=",
    ),
    "static twice": (
        lambda hr: (hr, {"scale": 2, "static": hr[["orog"]]}),
        "each static field once, got 'orog' twice",
    ),
    "static elsewhere": (
        lambda hr: (hr[["t2m"]], {"scale": 2, "static": hr[["orog"]].isel(latitude=slice(0, 4))}),
        "Expected static= to cover latitude 48.25 to 50",
    ),
    "predictor named as the target": (
        lambda hr: (hr, {"scale": 2, "predictors": hr[["t2m"]]}),
        r"name of its own, got 't2m' twice. Rename it, for instance .rename\(t2m='t2m_lr'\)",
    ),
    "predictors of another time": (
        lambda hr: (hr, {"scale": 2, "predictors": later(hr[["t2m"]].rename(t2m="z"), 90)}),
        "no time in common",
    ),
    "a name with a slash": (
        lambda hr: (hr.rename(t2m="t/2m"), {"scale": 2}),
        r"names that NetCDF can hold, got 't/2m'. Rename it",
    ),
    "a reserved name": (
        lambda hr: (hr.rename(t2m="statistic"), {"scale": 2}),
        r"named otherwise than 'statistic'.*Rename it with .rename\(statistic=",
    ),
    "hr as a number": (
        lambda hr: (hr, {"hr": 4}),
        "an xarray Dataset or DataArray, got int: 4. Options and the scale are passed by name",
    ),
}


@pytest.mark.parametrize("case", ALONE)
def test_perfect_prognosis(hr, untrained, case):
    break_it, message = ALONE[case]
    data, options = break_it(hr)
    before = data.copy(deep=True)
    with pytest.raises((ValueError, TypeError), match=message):
        data.downscale.fit(**TINY, **options)
    xr.testing.assert_identical(data, before)


def test_trim_is_the_cure_for_a_scale_that_does_not_divide(hr):
    model = hr.downscale.fit(scale=3, trim=True, **TINY)
    low = hr[["t2m"]].downscale.coarsen(3, trim=True)
    actual = low.downscale.predict(model)
    np.testing.assert_array_equal(actual.latitude, hr.latitude[:6])


PREDICTIONS = {
    "missing": (
        lambda lr, hr: lr.rename(t2m="tm2"),
        r"Expected the LR data to have \['t2m'\].*Did you mean 'tm2'\? Add it, or rename",
    ),
    "units": (
        lambda lr, hr: lr.assign(t2m=lr.t2m.assign_attrs(units="degC")),
        "'t2m' of the LR data in 'K' as in training, got 'degC'",
    ),
    "HR given": (lambda lr, hr: hr, r"This is the HR spacing: .*downscale\.coarsen\(2\) first"),
    "other spacing": (
        lambda lr, hr: hr[["t2m"]].downscale.coarsen(4),
        r"spacing of training \(0.5 by 0.5\), got 1 by 1",
    ),
    "duplicated times": (
        lambda lr, hr: lr.isel(time=[0, 0, 1]),
        "every time of the LR data once",
    ),
    "no coordinate": (
        lambda lr, hr: lr.drop_vars(["latitude", "latitude_bnds"]),
        "to have a coordinate along 'latitude', got none",
    ),
    "NaN coordinate": (
        lambda lr, hr: bare(lr).assign_coords(latitude=[1, np.nan, 3, 4]),
        "'latitude' to hold finite numbers, got float64 with 1 that are NaN",
    ),
    "unsorted": (
        lambda lr, hr: lr.isel(latitude=[0, 2, 1, 3]),
        r"'latitude' to be strictly increasing or decreasing.*sortby\('latitude'\)",
    ),
}


@pytest.mark.parametrize("case", PREDICTIONS)
def test_predict(hr, lr, model, case):
    break_it, message = PREDICTIONS[case]
    given = break_it(lr, hr)
    before = given.copy(deep=True)
    with pytest.raises(ValueError, match=message):
        given.downscale.predict(model)
    xr.testing.assert_identical(given, before)


def test_predict_with_something_that_is_no_model(lr):
    with pytest.raises(TypeError, match="Expected a Downscaler, got str"):
        lr.downscale.predict("model_dir")


def test_unnamed_dataarray(hr):
    with pytest.raises(ValueError, match=r"to have a name, got none.*rename\('t2m'\)"):
        hr.t2m.rename(None).downscale.coarsen(2)


def test_option_objects_of_the_wrong_class(hr):
    with pytest.raises(TypeError, match=r"Expected `network` to be an xr_dl4ds.Network, got Sampl"):
        hr.downscale.fit(scale=2, network=xd.Sampling())


def test_scale_that_contradicts_the_pair(hr, lr, untrained):
    with pytest.raises(ValueError, match="scale=2, which the LR and HR grids have"):
        lr.downscale.fit(hr, scale=4, **TINY)


def test_validation_pair_on_other_grids(hr, untrained):
    pair = hr[["t2m"]].downscale.coarsen(4), hr
    with pytest.raises(ValueError, match="validation data on the training grids"):
        hr.downscale.fit(scale=2, validation=pair, **TINY)


def test_a_loss_that_explodes(hr):
    with pytest.raises(RuntimeError, match="Use a smaller learning_rate"):
        hr.downscale.fit(
            scale=2, **{**TINY, "epochs": 30}, optimizer="sgd", learning_rate=1e30, loss="mse"
        )


def test_model_of_a_newer_format(tmp_path, model):
    model.save(tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    config["format_version"] += 1
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"format version 3, got 4.*Upgrade"):
        xd.load(tmp_path / "m")


def test_messages_of_options_name_the_field():
    for cls in (xd.Network, xd.Sampling, xd.Supervised):
        for field in dataclasses.fields(cls):
            with pytest.raises(ValueError, match=rf"`{field.name}`"):
                cls(**{field.name: object()})

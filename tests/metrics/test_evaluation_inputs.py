"""Whatever the layout of what is scored, the scores are the same; and what cannot be scored."""

import json
import warnings

import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import given

from tests.conftest import analytic, no_compute
from tests.metrics.reference import close, prediction_of
from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.grid.cf.georeference import PROVENANCE
from xr_dl4ds.metrics import evaluate

POINTWISE = ("bias", "mae", "rmse", "correlation")


@pytest.fixture
def truth():
    return analytic()[["t2m"]]


@pytest.fixture
def prediction(truth):
    return prediction_of(truth)


# --- layouts --------------------------------------------------------------------------------------


@given(data=st.data())
def test_layouts_do_not_matter(data):
    truth = analytic(time=3)[["t2m"]].assign_coords(longitude=-1.0 + 0.25 * np.arange(12))
    truth.longitude.attrs = {"units": "degrees_east", "standard_name": "longitude"}
    prediction = prediction_of(truth)
    expected = evaluate(prediction, truth)
    changed = []
    for ds in (prediction, truth):
        if data.draw(st.booleans(), "south to north"):
            ds = ds.sortby("latitude")
        if data.draw(st.booleans(), "0..360"):  # the seam is inside: 359, 359.25, ..., 0, 0.25
            ds = ds.assign_coords(longitude=ds.longitude % 360)
            ds.longitude.attrs = truth.longitude.attrs
        if data.draw(st.booleans(), "float32"):
            ds = ds.assign_coords(latitude=ds.latitude.astype("f4"))
        ds = ds.transpose(*data.draw(st.permutations(["time", "latitude", "longitude"])))
        changed.append(ds)
    actual = evaluate(*changed)
    for name in expected:
        a, e = actual[name], expected[name]
        if "latitude" in e.dims:
            np.testing.assert_array_equal(a.latitude, changed[0].latitude)
            np.testing.assert_array_equal(a.longitude, changed[0].longitude)
            a = a.assign_coords(longitude=(a.longitude + 180) % 360 - 180, latitude=a.latitude)
            a = a.sortby("latitude", ascending=False).sortby("longitude")
            e = e.sortby("longitude")
        np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-4)


def test_dimensions_named_by_the_caller_serve_both(prediction, truth):
    names = {"time": "t", "latitude": "a", "longitude": "b"}
    odd = [ds.rename(names) for ds in (prediction, truth, truth.downscale.coarsen(4))]
    for ds in odd:
        ds["a"].attrs = ds["b"].attrs = {"units": "1"}
    named = {"x_dim": "b", "y_dim": "a", "time_dim": "t"}
    # without units the axes are planar, and their cells equally large
    expected = evaluate(prediction, truth, area_weighted=False)
    actual = odd[0].downscale.evaluate(odd[1], **named)
    np.testing.assert_allclose(actual.rmse, expected.rmse, rtol=1e-5)
    assert actual.rmse_map.dims == ("product", "a", "b")
    actual = odd[0].downscale.evaluate(odd[1], lr=odd[2], **named)
    np.testing.assert_allclose(actual.rmse, expected.rmse, rtol=1e-5)


def test_dataset_and_dataarray(prediction, truth):
    expected = evaluate(prediction, truth)
    xr.testing.assert_identical(evaluate(prediction, truth.t2m), expected)
    array = prediction.t2m.assign_attrs(prediction.attrs)
    xr.testing.assert_identical(evaluate(array, truth.t2m), expected)
    xr.testing.assert_identical(array.downscale.evaluate(truth), expected)
    assert expected.coords["variable"].item() == "t2m"


def test_integer_truth(prediction, truth):
    whole = truth.round().astype("i2").assign(t2m=lambda ds: ds.t2m.assign_attrs(units="K"))
    expected = evaluate(prediction, whole.astype("f4"))
    xr.testing.assert_allclose(evaluate(prediction, whole), expected)


def test_several_variables(prediction, truth):
    rain = (truth.t2m * 2).rename("pr").assign_attrs(units="mm")
    both = prediction.assign(pr=(prediction.t2m * 2).assign_attrs(units="mm"))
    actual = evaluate(both, truth.assign(pr=rain))
    assert list(actual["variable"].to_numpy()) == ["t2m", "pr"]
    assert actual.rmse.dims == ("variable", "product")
    assert actual.mae_map.dims == ("variable", "product", "latitude", "longitude")
    expected = evaluate(prediction, truth)
    close(actual.sel(variable="t2m"), expected)
    np.testing.assert_allclose(actual.rmse.sel(variable="pr"), 2 * expected.rmse, rtol=1e-5)
    # K and mm have no common unit, they stand beside the names; correlations have one
    assert list(actual.units.to_numpy()) == ["K", "mm"]
    assert "units" not in actual.rmse.attrs
    assert actual.correlation.attrs["units"] == "1"
    # variables of the truth alone are left out
    assert evaluate(prediction, truth.assign(pr=rain)).variable.item() == "t2m"


def test_attributes_say_what_a_score_is(prediction, truth):
    actual = evaluate(prediction, truth)
    assert set(actual.data_vars) == {
        *(f"{s}{part}" for s in POINTWISE for part in ("", "_map", "_series")),
        *(f"{s}_skill{part}" for s in ("mae", "rmse") for part in ("", "_interval")),
        "ralsd",
        "std_ratio",
    }
    for name in actual.data_vars:
        none = ("correlation", "skill", "ralsd", "ratio")
        units = "1" if any(word in name for word in none) else "K"
        # an error is no air temperature: the variable's own standard_name does not hold for it
        assert set(actual[name].attrs) == {"units", "long_name"}
        assert actual[name].attrs["units"] == units
    assert actual.rmse.attrs["long_name"] == "root mean square error"


# --- lazy, and nothing changed --------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [{"time": 3}, {"time": 2, "latitude": 3, "longitude": 5}])
def test_lazy_in_lazy_out(prediction, truth, chunks):
    truth["t2m"][0, 6, 9] = np.nan
    expected = evaluate(prediction, truth)
    with no_compute():
        actual = evaluate(prediction.chunk(chunks), truth.chunk(chunks))
        lr = truth.chunk(chunks).downscale.coarsen(4)
        with_lr = evaluate(prediction.chunk(chunks), truth.chunk(chunks), lr=lr)
    assert all(v.chunks is not None for v in actual.data_vars.values())
    close(actual.compute(), expected)
    close(with_lr.compute(), expected)


def test_inputs_are_not_changed(prediction, truth):
    low = truth.downscale.coarsen(4)
    given_objects = [prediction, truth, low]
    copies = [ds.copy(deep=True) for ds in given_objects]
    evaluate(prediction, truth, lr=low)
    for ds, copy in zip(given_objects, copies, strict=True):
        xr.testing.assert_identical(ds, copy)


# --- errors ---------------------------------------------------------------------------------------


def shifted(ds, **by):
    return ds.assign_coords({d: (d, ds[d].data + v, ds[d].attrs) for d, v in by.items()})


def in_units(ds, units):
    return ds.assign(t2m=ds.t2m.assign_attrs(units=units))


ERRORS = {
    "scale 1": (
        lambda p, t: ((p, t), {"scale": 1}),
        GridError,
        r"or a pair \(y, x\) of them, got 1",
    ),
    "scale 2.5": (
        lambda p, t: ((p, t), {"scale": 2.5}),
        GridError,
        r"or a pair \(y, x\) of them, got 2.5",
    ),
    "scale 5": (lambda p, t: ((p, t), {"scale": 5}), GridError, r"multiple of the scale 5.*lr="),
    "note": (
        lambda p, t: ((p.assign_attrs({PROVENANCE: "{"}), t), {}),
        GridError,
        "Remove it and pass lr= or scale=",
    ),
    "names": (lambda p, t: ((p, t.rename(t2m="tas")), {}), VariableError, "'tas'.*Rename one"),
    "units": (lambda p, t: ((p, in_units(t, "mm")), {}), VariableError, "'mm'.*Rename"),
    "truth too small": (
        lambda p, t: ((p, t.isel(latitude=slice(1, None))), {}),
        GridError,
        "Expected the truth to cover the cells of the prediction",
    ),
    "other cells": (lambda p, t: ((p, shifted(t, latitude=0.1)), {}), GridError, "truth to cover"),
    "other times": (
        lambda p, t: ((p, shifted(t, time=np.timedelta64(1, "h"))), {}),
        TimeError,
        "times in common",
    ),
    "calendars": (
        lambda p, t: ((p, t.convert_calendar("noleap")), {}),
        TimeError,
        "convert_calendar",
    ),
    "twice": (lambda p, t: ((p.isel(time=[0, 0]), t), {}), TimeError, "drop_duplicates"),
    "no steps": (lambda p, t: ((p.isel(time=slice(0)), t), {}), TimeError, "No time step is left"),
    "no time": (lambda p, t: ((p.isel(time=0), t), {}), VariableError, r"isel\(time=\[0\]\)"),
    "no object": (lambda p, t: ((p, t.t2m.data), {}), TypeError, "the truth.*xarray"),
    "lr names": (
        lambda p, t: ((p, t), {"lr": t.downscale.coarsen(4).rename(t2m="tas")}),
        VariableError,
        r"LR data to have \['t2m'\]",
    ),
    "lr times": (
        lambda p, t: ((p, t), {"lr": t.downscale.coarsen(4).isel(time=slice(3))}),
        (TimeError, GridError),
        "Select the common times",
    ),
    "lr units": (
        lambda p, t: ((p, t), {"lr": in_units(t.downscale.coarsen(4), "mm")}),
        VariableError,
        "got 'mm'",
    ),
    "lr elsewhere": (
        lambda p, t: ((p, t), {"lr": shifted(t.downscale.coarsen(4), latitude=-60.0)}),
        GridError,
        "LR data",
    ),
    "lr too small": (
        lambda p, t: ((p, t), {"lr": t.downscale.coarsen(2).isel(latitude=slice(2))}),
        GridError,
        "LR data.* to cover",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_say_the_cure(prediction, truth, case):
    make, kind, match = ERRORS[case]
    arguments, options = make(prediction, truth)
    with pytest.raises(kind, match=match):
        evaluate(*arguments, **options)


def test_the_baselines_of_a_mos_prediction_are_told_to_need_lr(prediction, truth, caplog):
    note = {"scale": 4, "perfect_prognosis": False}
    mos = prediction.assign_attrs({PROVENANCE: json.dumps(note)})
    evaluate(mos, truth)
    assert "pass lr= for a fair comparison" in caplog.text
    caplog.clear()
    evaluate(mos, truth, lr=truth.downscale.coarsen(4))
    assert not caplog.text


def test_a_scale_of_one_is_no_scale_for_baselines(prediction, truth):
    straight = prediction.assign_attrs({PROVENANCE: json.dumps({"scale": 1})})
    assert list(evaluate(straight, truth)["product"]) == ["prediction"]


def test_fields_of_any_origin_are_scored_without_baselines(prediction, truth, caplog):
    expected = evaluate(prediction, truth)
    actual = evaluate(prediction.drop_attrs(deep=False), truth)
    assert "is scored without baselines: pass lr=, the LR fields, or scale=" in caplog.text
    assert set(actual.data_vars) == {n for n in expected.data_vars if "_skill" not in n}
    assert actual.attrs["baselines"] == "none"
    for name in actual.data_vars:
        own = expected[name].sel(product=["prediction"])
        np.testing.assert_allclose(actual[name], own, rtol=1e-12)


def test_units_of_the_prediction_are_those_of_the_truth(prediction, truth, caplog):
    celsius = in_units(truth - 273.15, "degC")
    lr = truth.downscale.coarsen(4)
    actual, expected = evaluate(prediction, celsius, lr=lr), evaluate(prediction, truth, lr=lr)
    np.testing.assert_allclose(actual.rmse, expected.rmse, rtol=1e-4)
    assert actual.rmse.attrs["units"] == "degC"
    assert "'t2m' of the prediction is converted from 'K' to 'degC'" in caplog.text
    assert "'t2m' of the LR data is converted from 'K' to 'degC'" in caplog.text


def test_times_of_the_training_are_told(prediction, truth, caplog):
    first, *_, last = truth.time.values
    for period, expected in (
        ((str(first), str(first)), 1),
        ((str(first), str(last)), truth.time.size),
    ):
        caplog.clear()
        note = {"scale": 4, "period": [text.replace("T", " ") for text in period]}
        evaluate(prediction.assign_attrs({PROVENANCE: json.dumps(note)}), truth)
        said = f"{expected} of {truth.time.size} times that are scored lie in the training period"
        assert said in caplog.text
    caplog.clear()
    note = {"scale": 4, "period": ["1990-01-01 00:00:00", "1991-01-01 00:00:00"]}
    evaluate(prediction.assign_attrs({PROVENANCE: json.dumps(note)}), truth)
    assert "training period" not in caplog.text


def test_dates_of_numpy_and_of_cftime_are_the_same_times():
    truth = analytic(time=3)[["t2m"]]
    prediction = prediction_of(truth)
    dated = truth.convert_calendar("standard", use_cftime=True)
    for pair in (
        (prediction, dated),
        (prediction.convert_calendar("standard", use_cftime=True), truth),
    ):
        # the series have the dates of the prediction
        actual, expected = (
            one.drop_vars("time") for one in (evaluate(*pair), evaluate(prediction, truth))
        )
        xr.testing.assert_allclose(actual, expected)


def test_a_scale_noted_as_text_is_read(prediction, truth):
    noted = prediction.assign_attrs({PROVENANCE: json.dumps({"scale": "4"})})
    xr.testing.assert_equal(evaluate(noted, truth), evaluate(noted, truth, scale=4))


# --- suspicious values ----------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [-9999.0, 9.969209968386869e36])
def test_marks_of_missing_values_are_noted(prediction, truth, mark, caplog):
    holes = truth.where(truth.latitude < truth.latitude.max(), mark)
    evaluate(prediction, holes)
    assert f"value of 't2m' of the truth is {mark:g}, which often marks missing" in caplog.text
    caplog.clear()
    evaluate(holes, truth)
    assert f"value of 't2m' of the prediction is {mark:g}, which often" in caplog.text


def test_values_without_units_are_noted(prediction, truth, caplog):
    evaluate(prediction.drop_attrs().chunk(time=1), truth)
    assert "'t2m' has no units in the prediction, and is taken to be in 'K'" in caplog.text
    caplog.clear()
    evaluate(prediction, truth.drop_attrs())
    assert "'t2m' has no units in the truth, and is taken to be in 'K'" in caplog.text
    caplog.clear()
    evaluate(prediction.drop_attrs(), truth.drop_attrs())
    assert "units" not in caplog.text


def test_coordinates_of_half_precision(prediction):
    half = prediction.assign_coords(latitude=prediction.latitude.astype("f2"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        actual = evaluate(half, half)
    assert actual.latitude.dtype == "f4"
    np.testing.assert_array_equal(actual.rmse.sel(product="prediction"), 0)


def test_single_labels_that_differ_are_told(caplog):
    truth = analytic(time=4)[["t2m"]]
    truth.assign_coords(lead=1).downscale.evaluate(truth.assign_coords(lead=2), scale=2)
    assert "'lead' is 1 in the prediction and 2 in the truth" in caplog.text
    caplog.clear()
    truth.assign_coords(lead=1).downscale.evaluate(truth.assign_coords(lead=1), scale=2)
    assert "'lead'" not in caplog.text


# --- around the globe -----------------------------------------------------------------------------


def around(columns=16, first=0.0):
    """A global field, and its prediction."""
    truth = analytic(time=3, y=8, x=columns)[["t2m"]]
    step = 360 / columns
    about = {"units": "degrees_east", "standard_name": "longitude"}
    truth = truth.drop_vars("longitude_bnds", errors="ignore")
    longitude = ("longitude", first + step * np.arange(columns), about)
    rng = np.random.default_rng(0)
    truth["t2m"].data[:] += rng.normal(size=truth.t2m.shape).astype("f4")
    return prediction_of(truth).assign_coords(longitude=longitude), truth.assign_coords(
        longitude=longitude
    )


@pytest.mark.parametrize("name", ["fss", "autocorrelation_length"])
def test_rolled_global_fields_have_the_same_scores(name):
    prediction, truth = around()
    asked = {"scores": [name], "thresholds": [float(truth.t2m.median())]}
    expected = evaluate(prediction, truth, baselines=[], **asked)[name]
    rolled = [
        ds.roll(longitude=5, roll_coords=False) for ds in (prediction, truth)
    ]  # the same fields, which begin elsewhere
    np.testing.assert_allclose(evaluate(*rolled, baselines=[], **asked)[name], expected, rtol=1e-9)
    # a region has borders, beyond which nothing is known
    half = [ds.isel(longitude=slice(0, 12)) for ds in (prediction, truth)]
    turned = [ds.roll(longitude=5, roll_coords=False) for ds in half]
    actual = [evaluate(*one, baselines=[], **asked)[name] for one in (half, turned)]
    assert float(abs(actual[0] - actual[1]).max()) > 1e-4


def test_names_of_another_type(prediction, truth):
    for odd in (5, [None], ["rmse", 3]):
        with pytest.raises(TypeError, match=r"`scores` to be names, got .*\. Pass names such as"):
            evaluate(prediction, truth, scores=odd)
    with pytest.raises(TypeError, match=r"`baselines` to be names, got int: 5\. Pass"):
        evaluate(prediction, truth, baselines=5)


def test_few_scales_are_told_once(caplog):
    truth = analytic(time=2, y=24, x=24)[["t2m"]]
    truth["u"] = (truth.t2m - 280).assign_attrs(units="m s-1")
    both = xr.merge([prediction_of(truth), truth[["u"]]]).assign_attrs(prediction_of(truth).attrs)
    evaluate(both, truth, scores=["ms_ssim"], by="hour")
    assert [r.message for r in caplog.records if "MS-SSIM" in r.message] == [
        "MS-SSIM uses 2 of 5 scales, because fields of 24 x 24 cells have room for no more."
    ]


@pytest.mark.parametrize("mark", [-9999.0, 0.0, -99.0])
def test_marks_are_looked_for_before_units_are_converted(prediction, truth, mark, caplog):
    units = "degC" if mark else "K"
    cold = (prediction.t2m - (273.15 if mark else 0)).assign_attrs(units=units)
    cold[0, 0, 0] = mark
    evaluate(prediction.assign(t2m=cold.assign_attrs(units=units)), truth, scores=["bias"])
    assert f"the least value of 't2m' of the prediction is {mark:g}, which often" in caplog.text


# --- levels ---------------------------------------------------------------------------------------


def at_levels(truth):
    """Temperatures at 850 hPa and, 10 K warmer, at 500 hPa, in Pa."""
    levels = {"standard_name": "air_pressure", "units": "Pa"}
    both = xr.concat([truth.t2m, truth.t2m + 10], xr.Variable("plev", [85e3, 50e3], levels))
    return both.to_dataset(name="ta")


def at_one(field, level):
    """A temperature at a level in hPa."""
    about = {"standard_name": "air_pressure", "units": "hPa"}
    return field.to_dataset(name="ta").assign_coords(level=((), level, about))


@pytest.mark.parametrize("lazy", [False, True])
def test_data_at_one_level_are_scored_with_that_level_of_others(truth, lazy):
    several, one = at_levels(truth), at_one(truth.t2m + 11, 500.0)
    if lazy:
        several, one = several.chunk(time=2), one.chunk(time=2)
    options = {"lr": one.downscale.coarsen(2), "scores": ["bias"], "baselines": ["nearest"]}
    bias = evaluate(one, several, **options).bias  # 11 K - 10 K, and 10 K - 11 K
    np.testing.assert_allclose(bias, [1, 1], atol=1e-4)
    bias = evaluate(several, one, **options).bias
    np.testing.assert_allclose(bias, [-1, 0], atol=1e-4)


def test_data_at_another_level_are_refused(truth):
    with pytest.raises(
        VariableError, match=r"in common, got \['ta'\] and \['ta_85000', 'ta_50000'"
    ):
        evaluate(at_one(truth.t2m, 300.0), at_levels(truth))

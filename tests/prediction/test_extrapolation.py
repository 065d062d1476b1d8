"""Inputs far from training are refused, or told; lazy ones when they are computed."""

import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic, no_compute
from tests.untrained import untrained
from xr_dl4ds.exceptions import VariableError


@pytest.fixture(scope="module")
def model():
    return untrained(analytic()[["t2m"]], scale=2)


@pytest.fixture
def lr():
    return analytic()[["t2m"]].downscale.coarsen(2)


def without_units(lr, factor=1.0, offset=0.0):
    return lr.assign(t2m=(lr.t2m * factor + offset).astype("f4").drop_attrs(deep=False))


@pytest.mark.parametrize(
    ("factor", "offset", "said"),
    [
        (1, -273.15, "the values are 273.15 too small, as degC for kelvin"),
        (1000, 0, "the values are 1000 times too large, as mm for m"),
        (0.01, 0, "the values are 100 times too small, as hPa for Pa"),
        (1, 5000, "Check the units of 't2m', or use a model that was trained on such values"),
    ],
)
@pytest.mark.parametrize("chunks", [None, {"time": 4}])
def test_values_in_other_units(model, lr, factor, offset, said, chunks):
    odd = without_units(lr, factor, offset)
    if chunks is None:
        with pytest.raises(VariableError, match=said):
            odd.downscale.predict(model)
        return
    with no_compute():
        sr = odd.chunk(chunks).downscale.predict(model)
    with pytest.raises(VariableError, match=said):
        sr.compute(scheduler="synchronous")


def test_usual_values_pass(model, lr, caplog):
    warmer = without_units(lr, offset=3.0)
    expected = warmer.downscale.predict(model)
    lazy = warmer.chunk(time=3).downscale.predict(model).compute(scheduler="synchronous")
    np.testing.assert_allclose(lazy.t2m, expected.t2m, rtol=1e-6)
    assert "extrapolates" not in caplog.text


@pytest.mark.parametrize("chunks", [None, {"time": -1}])
def test_extrapolation_is_told(model, lr, chunks, caplog):
    hot = lr.copy(deep=True)
    hot.t2m[:, 0, 0] += 100
    hot = hot if chunks is None else hot.chunk(chunks)
    hot.downscale.predict(model).compute(scheduler="synchronous")
    share = 100 / (lr.sizes["latitude"] * lr.sizes["longitude"])
    assert f"{share:.2g} % of the values of 't2m' of the LR data lie beyond those of" in caplog.text


def test_fields_of_nan_pass(model, lr):
    assert (lr * np.nan).downscale.predict(model).t2m.isnull().all()


@pytest.mark.parametrize("chunks", [None, {"time": 4}])
def test_gaps_that_training_did_not_have(model, lr, caplog, chunks):
    odd = lr.copy(deep=True)
    odd.t2m[2, 1, 1] = np.nan
    given = odd if chunks is None else odd.chunk(chunks)
    sr = given.downscale.predict(model).compute(scheduler="synchronous")
    assert int(sr.t2m.isnull().sum()) == 4
    assert "of the values of 't2m' of the LR data are missing, and none were in" in caplog.text
    caplog.clear()
    with_gaps = analytic()[["t2m"]].copy(deep=True)
    with_gaps.t2m[0, :2, :2] = np.nan
    odd.downscale.predict(untrained(with_gaps, scale=2))
    assert "none were in training" not in caplog.text


# --- infinite values and marks of missing values --------------------------------------------------


@pytest.mark.parametrize("chunks", [None, {"time": 4}])
@pytest.mark.parametrize("gaps", [False, True])
def test_infinite_values_count_as_missing(model, lr, caplog, chunks, gaps):
    if gaps:
        with_gaps = analytic()[["t2m"]].copy(deep=True)
        with_gaps.t2m[0, :2, :2] = np.nan
        model = untrained(with_gaps, scale=2)
    odd = lr.copy(deep=True)
    odd.t2m[2, 1, 1], odd.t2m[3, 0, 0] = np.inf, -np.inf
    expected = odd.where(np.isfinite(odd.t2m)).downscale.predict(model)
    caplog.clear()
    before = odd.copy(deep=True)
    given = odd if chunks is None else odd.chunk(chunks)
    sr = given.downscale.predict(model).compute(scheduler="synchronous")
    xr.testing.assert_identical(odd, before)
    np.testing.assert_array_equal(sr.t2m, expected.t2m)
    assert int(sr.t2m.isnull().sum()) == 8
    said = "infinite, and count as missing" if gaps else "missing or infinite, and none were"
    assert f"of the values of 't2m' of the LR data are {said}" in caplog.text


@pytest.mark.parametrize("finer", [False, True])
@pytest.mark.parametrize("chunks", [None, {"time": 4}])
def test_infinite_predictors_count_as_missing(lr, caplog, chunks, finer):
    high = analytic()[["t2m"]].rename(t2m="wind")
    wind = high if finer else high.downscale.coarsen(2)
    model = untrained(lr, analytic()[["t2m"]], predictors=wind)
    odd = wind.copy(deep=True)
    odd.wind[2, 1, 1] = np.inf
    expected = lr.downscale.predict(model, predictors=odd.where(np.isfinite(odd.wind)))
    caplog.clear()
    given = odd if chunks is None else odd.chunk(chunks)
    sr = lr.downscale.predict(model, predictors=given).compute(scheduler="synchronous")
    np.testing.assert_array_equal(sr.t2m, expected.t2m)
    assert sr.t2m.notnull().all()
    if not finer:  # where predictors are averaged, the other cells of an LR cell stand in
        assert "of the values of 'wind' of predictors= are missing or infinite" in caplog.text


@pytest.mark.parametrize("mark", [-9999.0, 1e20])
@pytest.mark.parametrize("chunks", [None, {"time": 4}])
def test_the_cure_for_marks_of_missing_values(lr, mark, chunks, caplog):
    wind = (lr.rename(t2m="wind") / 100).drop_attrs()
    model = untrained(lr, analytic()[["t2m"]], predictors=wind)
    odd = wind.where(wind.longitude > 6, mark)
    given = odd if chunks is None else odd.chunk(chunks)
    where = "ds['wind'] != -9999" if mark < 0 else "abs(ds['wind']) < 1e+19"
    with pytest.raises(VariableError, match="'wind' of predictors= near the values of") as raised:
        lr.downscale.predict(model, predictors=given).compute(scheduler="synchronous")
    cure = f"Mask the values of {mark:g}, which usually mark missing values, with .where({where})."
    assert str(raised.value).endswith(cure)
    assert ("'wind' of predictors= is" in caplog.text) == (chunks is None)


# --- static fields --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def over_hills():
    return untrained(analytic(), scale=2)


def spoilt(value, cells=1):
    hills = analytic()[["orog"]].copy(deep=True)
    hills.orog[1, :cells] = value
    return hills


STATIC = {
    "missing": (np.nan, 1, "of the values of 'orog' of {role} are missing, and none were in"),
    "a mark": (-9999.0, 1, "the least value of 'orog' of {role} is -9999, which often marks"),
    "far": (3e3, 1, "of the values of 'orog' of {role} lie beyond those of training (14.93"),
}
REFUSED = {
    "marks": (-32768.0, 12, "'orog' of {role} near the values of .* Mask the values of -32768"),
    "infinite": (np.inf, 1, "'orog' of {role} to be finite where it is not NaN, got infinite"),
    "huge": (9.969209968386869e36, 1, r"'orog' of {role} below 1e\+19, got 9.96921e\+36"),
}


def predicted(model, hills, how):
    """Predict with static fields beside the LR data, or among LR data of another domain."""
    lr = analytic()[["t2m"]].downscale.coarsen(2)
    if how != "among":
        return lr.downscale.predict(model, static=hills.chunk() if how == "lazy" else hills)
    east = hills.assign_coords(longitude=hills.longitude + 9)  # attributes name the axes
    east = east.rename(latitude="lat", longitude="lon")
    lr = lr.drop_vars("longitude_bnds").assign_coords(longitude=lr.longitude + 9)
    return lr.assign(orog=east.orog).downscale.predict(model)


@pytest.mark.parametrize("how", ["beside", "lazy", "among"])
@pytest.mark.parametrize(("value", "cells", "said"), STATIC.values(), ids=STATIC)
def test_odd_static_fields_are_told(over_hills, value, cells, said, how, caplog):
    role = "the LR data" if how == "among" else "static="
    sr = predicted(over_hills, spoilt(value, cells), how)
    assert sr.t2m.notnull().all()
    assert said.format(role=role) in caplog.text
    assert "near the values" not in caplog.text


@pytest.mark.parametrize("how", ["beside", "lazy", "among"])
@pytest.mark.parametrize(("value", "cells", "said"), REFUSED.values(), ids=REFUSED)
def test_odd_static_fields_are_refused(over_hills, value, cells, said, how):
    role = "the LR data" if how == "among" else "static="
    with pytest.raises(VariableError, match=said.format(role=role)):
        predicted(over_hills, spoilt(value, cells), how)


def test_usual_static_fields_pass(over_hills, lr, caplog):
    expected = lr.downscale.predict(over_hills)
    actual = predicted(over_hills, analytic()[["orog"]], "lazy")
    np.testing.assert_array_equal(actual.t2m, expected.t2m)
    assert not [r for r in caplog.records if r.levelname == "WARNING"]


def test_a_part_of_the_domain_may_be_far_from_the_mean_of_the_whole(caplog):
    hr = analytic(y=40, x=48)
    hr["orog"] = hr.orog.copy(data=np.zeros((40, 48), "f4"))
    hr.orog[:4, :4] = 1.0
    model = untrained(hr, scale=2)
    assert model.state.scaler.of("orog", "std") < 0.1
    corner = hr.isel(latitude=slice(0, 4), longitude=slice(0, 4))
    caplog.clear()
    corner[["t2m"]].downscale.coarsen(2).downscale.predict(model, static=corner[["orog"]])
    assert not [r for r in caplog.records if r.levelname == "WARNING"]


def test_gaps_of_static_fields_as_in_training(lr, caplog):
    model = untrained(analytic().assign(orog=spoilt(np.nan).orog), scale=2)
    lr.downscale.predict(model, static=spoilt(np.nan, 2))
    assert "are missing" not in caplog.text


# --- marks in other units, on other grids, and in lazy data ---------------------------------------


def in_celsius(lr, mark):
    """LR fields in degC with a mark in one cell."""
    cold = (lr.t2m - 273.15).astype("f4").assign_attrs({**lr.t2m.attrs, "units": "degC"})
    cold[2, 1, 1] = mark
    return lr.assign(t2m=cold)


@pytest.mark.parametrize("chunks", [None, {"time": 4}])
def test_marks_are_looked_for_before_units_are_converted(model, lr, chunks, caplog):
    few, many = in_celsius(lr, -999.0), in_celsius(lr, 9999.0)
    if chunks is not None:
        few, many = few.chunk(chunks), many.chunk(chunks)
    few.downscale.predict(model).compute(scheduler="synchronous")
    said = "the least value of 't2m' of the LR data is -999, which often marks missing values:"
    assert caplog.text.count(f"{said} mask them with .where(ds['t2m'] != -999)") == 1
    with pytest.raises(VariableError, match=r"Mask the values of 9999, .*\(ds\['t2m'\] != 9999\)"):
        many.downscale.predict(model).compute(scheduler="synchronous")


def test_a_mark_in_one_cell_of_a_large_lazy_chunk_is_told(model, caplog):
    # one cell of 2400 is too few to tell of extrapolation
    lr = analytic(time=100)[["t2m"]].downscale.coarsen(2)
    lr.t2m[50, 0, 0] = -999.0
    lr.chunk().downscale.predict(model).compute(scheduler="synchronous")
    assert "the least value of 't2m' of the LR data is -999, which often marks" in caplog.text
    assert "extrapolates" not in caplog.text


def test_marks_of_finer_predictors_are_told_before_they_are_averaged(lr, caplog):
    fine = (analytic()[["t2m"]].rename(t2m="wind") / 100).drop_attrs()
    model = untrained(lr, analytic()[["t2m"]], predictors=lr.rename(t2m="wind").drop_attrs() / 100)
    odd = fine.copy(deep=True)
    odd.wind[0, 0, 0] = -99.0
    caplog.clear()
    lr.downscale.predict(model, predictors=odd)
    assert "the least value of 'wind' of predictors= is -99, which often marks" in caplog.text


def test_marks_of_static_fields_in_other_units(over_hills, caplog):
    hills = spoilt(-9999.0)
    hills["orog"] = hills.orog.where(hills.orog == -9999, hills.orog / 1000)
    hills.orog.attrs["units"] = "km"
    with pytest.raises(VariableError, match=r"Mask the values of -9999, which usually mark"):
        predicted(over_hills, hills, "beside")
    assert "the least value of 'orog' of static= is -9999, which often marks" in caplog.text


def test_marks_of_finer_static_fields_are_told_before_they_are_averaged(over_hills, caplog):
    fine = analytic()[["orog"]].interp(
        latitude=50.0625 - 0.125 * np.arange(16),
        longitude=4.9375 + 0.125 * np.arange(24),
        kwargs={"fill_value": "extrapolate"},
    )
    for name in ("latitude", "longitude"):
        fine[name].attrs = analytic()[name].attrs
    fine.orog[0, 0] = -999.0
    predicted(over_hills, fine.assign(orog=fine.orog.assign_attrs(units="m")), "beside")
    assert "the least value of 'orog' of static= is -999, which often marks" in caplog.text

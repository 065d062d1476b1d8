"""Levels and members all the way: fitted together, predicted each in its place."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xr_dl4ds as xd
from xr_dl4ds.exceptions import GridError, TimeError, VariableError

from .cf import cf_problems, like_a_file
from .conftest import analytic, no_compute

TINY = {"scale": 2, "n_filters": 4, "n_blocks": 1, "epochs": 1, "verbose": False}
PAIR = {k: v for k, v in TINY.items() if k != "scale"}


def leveled(**kwargs):
    """`t2m` on two pressure levels, colder above."""
    ds = like_a_file(**kwargs)
    about = {"standard_name": "air_pressure", "units": "hPa", "positive": "down", "axis": "Z"}
    t2m = xr.concat([ds.t2m, 0.5 * ds.t2m - 40 + ds.t2m.latitude], "level", coords="minimal")
    t2m = t2m.transpose("time", "level", ...).assign_attrs(ds.t2m.attrs).astype("f4")
    return ds.assign(t2m=t2m).assign_coords(level=("level", [850, 500], about))


def ensemble(n=3, **kwargs):
    """`t2m` of several members, which differ, one after the other before time."""
    ds = like_a_file(**kwargs)
    t2m = xr.concat([analytic(seed=i, **kwargs).t2m + np.float32(i) for i in range(n)], "member")
    names = [f"r{i}i1p1" for i in range(n)]
    about = {"long_name": "ensemble member"}
    return ds.assign(t2m=t2m.assign_attrs(ds.t2m.attrs)).assign_coords(
        member=("member", names, about)
    )


@pytest.fixture(scope="module")
def levels():
    return leveled().downscale.fit(**TINY)


@pytest.fixture(scope="module")
def members():
    return ensemble().downscale.fit(**TINY)


def test_levels_are_targets_and_come_back_as_levels(levels, tmp_path):
    assert levels.state.features.targets == ("t2m_850", "t2m_500")
    lr = leveled()[["t2m"]].downscale.coarsen(2)
    sr = lr.downscale.predict(levels)
    assert sr.t2m.dims == ("time", "level", "latitude", "longitude")
    np.testing.assert_array_equal(sr.level, [850, 500])
    assert sr.level.attrs["units"] == "hPa"
    # each level has its own values
    error = abs(sr.t2m - leveled().t2m).mean(["time", "latitude", "longitude"])
    spread = leveled().t2m.mean(["time", "latitude", "longitude"])
    assert float(error.max()) < 0.2 * float(abs(spread[1] - spread[0]))
    sr.to_netcdf(tmp_path / "sr.nc", engine="netcdf4")
    assert cf_problems(tmp_path / "sr.nc") == []
    levels.save(tmp_path / "model")
    again = lr.downscale.predict(xd.load(tmp_path / "model"))
    xr.testing.assert_equal(again, sr)
    assert again.level.attrs == sr.level.attrs


@pytest.mark.parametrize(
    "change",
    [
        lambda lr: lr.isel(level=[1, 0]),
        lambda lr: lr.transpose("longitude", "level", "latitude", ...),
        lambda lr: lr.chunk(time=3, level=1),
        lambda lr: lr.drop_vars(["level"]).assign_coords(level=[850.0, 500.0]),
    ],
    ids=["order of levels", "transposed", "chunked", "float labels"],
)
def test_levels_in_any_layout(levels, change):
    lr = leveled()[["t2m"]].downscale.coarsen(2)
    expected = lr.downscale.predict(levels).t2m
    given = change(lr)
    with no_compute():
        actual = given.downscale.predict(levels).t2m
    assert actual.dims == given.t2m.dims
    np.testing.assert_array_equal(actual.level, given.level)
    aligned = expected.sel(level=given.level.values).transpose(*given.t2m.dims)
    np.testing.assert_allclose(actual, aligned, atol=1e-4)


def test_levels_are_scored_and_drawn_one_by_one(levels):
    hr = leveled()
    sr = hr[["t2m"]].downscale.coarsen(2).downscale.predict(levels)
    score = sr.downscale.evaluate(hr)
    assert list(score["variable"].values) == ["t2m_850", "t2m_500"]
    assert sr.downscale.plot(hr=hr, variable="t2m_500").axes


def test_a_missing_level_is_named(levels):
    lr = leveled()[["t2m"]].downscale.coarsen(2).isel(level=[0])
    with pytest.raises(VariableError, match=r"to have \['t2m_850', 't2m_500'\]|\['t2m_500'\]"):
        lr.downscale.predict(levels)


def test_one_level_is_a_variable_like_any_other():
    hr = leveled().isel(level=[1])
    model = hr.downscale.fit(**TINY)
    assert model.state.features.targets == ("t2m",)
    lr = hr[["t2m"]].downscale.coarsen(2)
    sr = lr.downscale.predict(model)
    assert sr.t2m.dims == ("time", "level", "latitude", "longitude")
    np.testing.assert_array_equal(sr.level, [500])
    flat = lr.isel(level=0).downscale.predict(model)
    assert flat.t2m.dims == ("time", "latitude", "longitude")
    np.testing.assert_array_equal(flat.t2m, sr.t2m.isel(level=0))


def test_levels_of_the_target_stay_whatever_levels_lr_has():
    hr = leveled()[["t2m"]]
    for labels in ([850], [850, 300]):
        low = hr.downscale.coarsen(2).isel(level=[0] * len(labels)).assign_coords(level=labels)
        model = low.downscale.fit(hr, **PAIR)
        sr = low.downscale.predict(model)
        np.testing.assert_array_equal(sr.level, [850, 500])
        assert sr.t2m.dims == ("time", "level", "latitude", "longitude")


def test_levels_of_a_predictor_are_not_those_of_the_target():
    hr = like_a_file()[["t2m"]]
    low = leveled()[["t2m"]].rename(t2m="u").downscale.coarsen(2)
    model = low.downscale.fit(hr, **PAIR)
    sr = low.downscale.predict(model)
    assert sr.t2m.dims == ("time", "latitude", "longitude")
    assert "level" not in sr.coords


def test_levels_that_the_target_alone_has_come_before_y_and_x():
    hr = leveled()[["t2m"]]
    wind = hr.isel(level=0, drop=True).downscale.coarsen(2).rename(t2m="u").drop_attrs()
    model = wind.downscale.fit(hr, **PAIR)
    out = wind.transpose("latitude", "time", "longitude", ...).downscale.predict(model)
    assert out.t2m.dims == ("level", "latitude", "time", "longitude")
    np.testing.assert_array_equal(out.level, hr.level)


def test_other_single_levels_are_no_pair():
    hr = leveled()[["t2m"]]
    low = hr.downscale.coarsen(2)
    with pytest.raises(VariableError, match=r"'t2m' of the LR data at pressure 850 hPa as in"):
        low.isel(level=[1]).downscale.fit(hr.isel(level=[0]), **PAIR)
    low.isel(level=[1]).downscale.fit(hr.isel(level=[1]), **PAIR)


@pytest.mark.sparse(3)
@pytest.mark.parametrize("dim", ["number", "realization", "height"])
def test_one_entry_is_the_callers_own(dim):
    hr = like_a_file()[["t2m"]]
    model = hr.expand_dims({dim: [7]}).downscale.fit(monte_carlo=True, dropout="vanilla", **TINY)
    lr = hr.downscale.coarsen(2)
    flat = lr.downscale.predict(model)
    assert flat.t2m.dims == ("time", "latitude", "longitude")
    other = lr.expand_dims({dim: [8]}).downscale.predict(model)
    np.testing.assert_array_equal(other[dim], [8])
    np.testing.assert_array_equal(other.t2m.isel({dim: 0}), flat.t2m)
    drawn = lr.downscale.predict(model, realizations=2)
    np.testing.assert_array_equal(drawn.realization, [0, 1])


def test_levels_may_be_predictors_of_a_surface_field():
    hr = like_a_file()[["t2m"]]
    above = leveled()[["t2m"]].rename(t2m="ta").downscale.coarsen(2)
    model = hr.downscale.fit(predictors=above, **TINY)
    assert model.state.features.predictors == ("ta_850", "ta_500")
    lr = hr.downscale.coarsen(2)
    sr = lr.downscale.predict(model, predictors=above)
    together = lr.assign(ta=above.ta).downscale.predict(model)
    np.testing.assert_array_equal(together.t2m, sr.t2m)
    assert sr.t2m.dims == ("time", "latitude", "longitude")
    assert "level" not in sr.dims


def test_classes_of_land_cover_are_static_fields():
    hr = like_a_file()[["t2m"]]
    share = np.random.default_rng(0).random((3, 8, 12)).astype("f4")
    cover = xr.Dataset(
        {"cover": (("kind", "latitude", "longitude"), share)},
        {"kind": ["wood", "lake", "town"], "latitude": hr.latitude, "longitude": hr.longitude},
    )
    model = hr.downscale.fit(static=cover, **TINY)
    assert model.state.features.static == ("cover_wood", "cover_lake", "cover_town")
    beyond = hr.assign_coords(longitude=hr.longitude + 30).downscale.coarsen(2)
    other = cover.assign_coords(longitude=cover.longitude + 30)
    assert beyond.downscale.predict(model, static=other).t2m.shape == hr.t2m.shape


def test_static_fields_of_one_time_are_static(caplog):
    hr = like_a_file()
    orog = hr[["orog"]].expand_dims(time=hr.time[:1])
    with caplog.at_level("INFO", "xr_dl4ds"):
        model = hr[["t2m"]].downscale.fit(static=orog, **TINY)
    assert model.state.features.static == ("orog",)
    assert caplog.text.count("the one time of ['orog'] in static= is dropped") == 1


def test_members_are_samples_side_by_side(members):
    hr = ensemble()
    lr = hr[["t2m"]].downscale.coarsen(2)
    sr = lr.downscale.predict(members)
    assert sr.t2m.dims == ("member", "time", "latitude", "longitude")
    np.testing.assert_array_equal(sr.member, hr.member)
    assert sr.member.attrs == hr.member.attrs
    for i in range(3):
        alone = lr.isel(member=i, drop=True).downscale.predict(members)
        np.testing.assert_array_equal(sr.t2m.isel(member=i), alone.t2m)
    # statistics are those of all members, of the training part (the last of 8 steps is held out)
    mean = float(members.state.scaler.statistics.t2m.sel(statistic="mean"))
    assert mean == pytest.approx(float(hr.t2m.isel(time=slice(0, 7)).astype("f8").mean()), abs=1e-6)


def test_members_train_as_if_one_after_the_other():
    """Two members of four steps are eight samples: the same weights as of eight steps."""
    hr = ensemble(2, time=4)[["t2m"]]
    flat = xr.concat([hr.isel(member=i, drop=True) for i in range(2)], "time")
    times = hr.time.values[0] + np.arange(8) * np.timedelta64(6, "h")
    flat = flat.assign_coords(time=times)
    a, b = (ds.downscale.fit(validation=None, **TINY) for ds in (hr, flat))
    for one, other in zip(a.network.get_weights(), b.network.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_held_out_steps_are_the_last_of_each_member(members):
    model = ensemble().downscale.fit(**{**TINY, "epochs": 2}, validation=0.25)
    assert tuple(model.provenance["period"]) == ("2001-01-01 00:00:00", "2001-01-02 06:00:00")
    assert "val_loss" in model.history


@pytest.mark.parametrize("lazy", [False, True])
def test_members_in_any_place_of_the_dimensions(members, lazy):
    lr = ensemble()[["t2m"]].downscale.coarsen(2)
    expected = lr.downscale.predict(members).t2m
    given = lr.transpose("time", "latitude", "member", "longitude", ...)
    given = given.chunk(time=2, member=1) if lazy else given
    with no_compute():
        actual = given.downscale.predict(members).t2m
    assert actual.dims == given.t2m.dims
    assert (actual.chunks is not None) == lazy
    np.testing.assert_allclose(actual, expected.transpose(*actual.dims), atol=1e-4)


def test_members_of_lr_with_one_truth():
    """MOS of an ensemble against observations: each member pairs with the same HR fields."""
    hr = like_a_file()[["t2m"]]
    lr = ensemble()[["t2m"]].downscale.coarsen(2)
    model = lr.downscale.fit(hr, **PAIR)
    sr = lr.downscale.predict(model)
    assert sr.t2m.sizes["member"] == 3
    reference = lr.isel(member=0).downscale.predict(model)
    np.testing.assert_array_equal(sr.t2m.isel(member=0), reference.t2m)


def test_members_of_both_sides_pair_by_name():
    hr = ensemble()[["t2m"]]
    lr = hr.downscale.coarsen(2)
    a = lr.downscale.fit(hr, **PAIR)
    b = lr.isel(member=[2, 0, 1]).downscale.fit(hr.isel(member=[1, 2, 0]), **PAIR)
    left, right = (m.state.scaler.statistics.t2m for m in (a, b))
    np.testing.assert_allclose(left, right)
    with pytest.raises(GridError, match="same entries along 'member' in the HR data and the LR"):
        lr.isel(member=[0, 1]).downscale.fit(hr, **PAIR)


def test_a_member_that_others_lack_is_named():
    hr, members = like_a_file()[["t2m"]], ensemble()[["t2m"]].downscale.coarsen(2)
    model = members.downscale.fit(hr, predictors=members.rename(t2m="copy"), **PAIR)
    few = members.rename(t2m="copy").isel(member=[0, 1])
    with pytest.raises(GridError, match=r"'r2i1p1' along 'member' in all data .*Select the entr"):
        members.downscale.predict(model, predictors=few)


def test_predictors_of_each_member_go_with_it():
    hr, members = like_a_file()[["t2m"]], ensemble()[["t2m"]].downscale.coarsen(2)
    model = members.downscale.fit(hr, predictors=members.rename(t2m="copy"), **PAIR)
    sr = members.downscale.predict(model, predictors=members.rename(t2m="copy"))
    alone = members.isel(member=1).downscale.predict(
        model, predictors=members.isel(member=1).rename(t2m="copy")
    )
    np.testing.assert_array_equal(sr.t2m.isel(member=1), alone.t2m)


def test_windows_do_not_leave_a_member():
    hr = ensemble(2, time=4)[["t2m"]]
    model = hr.downscale.fit(time_window=3, validation=None, **TINY)
    sr = hr.downscale.coarsen(2).downscale.predict(model)
    assert sr.t2m.dims == ("member", "time", "latitude", "longitude")
    with pytest.raises(TimeError, match="without a gap in the training data for time_window=5"):
        hr.downscale.fit(time_window=5, validation=None, **TINY)


def test_validation_may_have_members_too():
    hr = ensemble(time=12)[["t2m"]]
    early, late = hr.isel(time=slice(0, 8)), hr.isel(time=slice(8, 12))
    held = (late.downscale.coarsen(2), late)
    model = early.downscale.coarsen(2).downscale.fit(early, validation=held, **PAIR)
    assert np.isfinite(model.history.val_loss).all()


def test_samples_of_any_name_are_the_sample_axis():
    ds = analytic()[["t2m"]].rename(time="case").drop_vars("case")
    model = ds.downscale.fit(**TINY)
    sr = ds.downscale.coarsen(2).downscale.predict(model)
    assert sr.t2m.dims == ("case", "latitude", "longitude")
    assert sr.downscale.evaluate(ds).sizes["product"] == 3


def test_stacked_samples_are_a_sample_axis(members):
    hr = ensemble()[["t2m"]]
    stacked = hr.stack(sample=("member", "time"))
    model = stacked.downscale.fit(**TINY)
    lr = hr.downscale.coarsen(2)[["t2m"]]
    sr = lr.stack(sample=("member", "time")).downscale.predict(model)
    assert sr.t2m.dims == ("latitude", "longitude", "sample")
    np.testing.assert_array_equal(sr.member, stacked.member)
    flat = lr.downscale.predict(model).t2m
    np.testing.assert_allclose(sr.t2m, flat.stack(sample=("member", "time")), atol=1e-4)
    assert isinstance(stacked.indexes["sample"], pd.MultiIndex)  # the caller's is as it was


def test_extra_dims_by_word():
    ds = analytic()[["t2m"]]
    bands = xr.concat([ds.t2m, ds.t2m + 5], "band").to_dataset()
    model = bands.downscale.fit(extra_dims={"band": "channels"}, **TINY)
    lr = bands.downscale.coarsen(2)
    sr = lr.downscale.predict(model, extra_dims={"band": "channels"})
    assert sr.t2m.dims == ("band", "time", "latitude", "longitude")
    series = bands.downscale.fit(extra_dims={"band": "samples"}, **TINY)
    assert series.state.features.targets == ("t2m",)
    assert lr.downscale.predict(series, extra_dims={"band": "samples"}).t2m.dims == sr.t2m.dims


def test_daily_pairs_stamped_at_noon_and_midnight(caplog):
    hr = analytic()[["t2m"]].assign_coords(time=xr.date_range("2001-01-01", periods=8))
    lr = hr.downscale.coarsen(2)
    noon = lr.assign_coords(time=lr.time + np.timedelta64(12, "h"))
    with caplog.at_level("WARNING", "xr_dl4ds"):
        model = noon.downscale.fit(hr, **PAIR)
    assert "are matched with the HR data by the day of their time stamps" in caplog.text
    same = lr.downscale.fit(hr, **PAIR)
    for a, b in zip(model.network.get_weights(), same.network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    sr = noon.downscale.predict(model)
    np.testing.assert_array_equal(sr.time, noon.time)
    score = sr.downscale.evaluate(hr)
    assert float(score.rmse.sel(product="prediction")) < 5
    assert sr.downscale.plot(lr=lr, hr=hr).axes

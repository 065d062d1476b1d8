import numpy as np
import pytest
import rioxarray  # noqa: F401  registers .rio
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import xr_dl4ds as xd
import xr_dl4ds.training
from tests.conftest import analytic, no_compute
from xr_dl4ds.config import Options
from xr_dl4ds.data.channels import Features
from xr_dl4ds.data.inputs import Inputs
from xr_dl4ds.data.prepare import prepare

NAMES = ["t2m", "tp", "q", "u10", "orog", "lsm"]
FULL = Features(
    targets=("tp", "t2m"), counterparts=("t2m",), predictors=("q", "u10"), static=("orog", "lsm")
)


def lr_fields(names=NAMES[:4], time=3, y=2, x=4):
    """Each variable's values are its own thousand, then hundreds of time, tens of y, ones of x."""
    t, j, i = np.meshgrid(np.arange(time), np.arange(y), np.arange(x), indexing="ij")
    fields = {
        n: (("time", "y", "x"), (1000 * NAMES.index(n) + 100 * t + 10 * j + i).astype("f4"))
        for n in names
    }
    coords = {"time": 10 + np.arange(time), "y": np.arange(y) / 2, "x": np.arange(x) / 2}
    return xr.Dataset(fields, coords=coords)


def static_fields(y=2, x=4):
    j, i = np.meshgrid(np.arange(y), np.arange(x), indexing="ij")
    fields = {n: (("y", "x"), (1000 * NAMES.index(n) + 10 * j + i).astype("f4")) for n in NAMES[4:]}
    return xr.Dataset(fields, coords={"y": np.arange(y) / 2, "x": np.arange(x) / 2})


# --- counts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("features", "n_lr", "skips"),
    [
        (Features(targets=("t2m",), counterparts=("t2m",)), 1, (0,)),
        (FULL, 5, (None, 0)),  # t2m, q, u10, orog, lsm
        (
            Features(targets=("a", "b", "c"), counterparts=("a", "c"), mask=True),
            3,  # a, c and the mask
            (0, None, 1),
        ),
        (Features(targets=("a",), counterparts=(), predictors=("b",)), 1, (None,)),
    ],
)
def test_counts_and_skips(features, n_lr, skips):
    assert features.n_lr == n_lr
    assert features.skips == skips
    for target, channel in zip(features.targets, skips, strict=True):
        assert channel is None or features.lr_varying[channel] == target


# --- LR channels ----------------------------------------------------------------------------


def test_lr_channels_are_in_the_stated_order():
    actual = FULL.stack_lr(lr_fields(), static_fields())
    assert actual.dims == ("time", "y", "x", "channel")
    assert actual.shape == (3, 2, 4, 5)
    assert actual.dtype == np.float32
    # time 2, y 1, x 3 of t2m, q, u10; y 1, x 3 of orog and lsm at every time
    expected = [213, 2213, 3213, 4013, 5013]
    np.testing.assert_array_equal(actual[2, 1, 3], expected)
    np.testing.assert_array_equal(actual[0, 1, 3, 3:], expected[3:])
    assert actual.sizes["channel"] == FULL.n_lr


def test_the_order_of_the_datasets_does_not_matter():
    expected = FULL.stack_lr(lr_fields(), static_fields())
    turned = lr_fields(["u10", "q", "tp", "t2m"]).transpose("x", "time", "y")
    actual = FULL.stack_lr(turned, static_fields()[["lsm", "orog"]].transpose("x", "y"))
    xr.testing.assert_identical(actual, expected)


def test_a_missing_variable_is_an_error():
    with pytest.raises(KeyError, match="u10"):
        FULL.stack_lr(lr_fields(["t2m", "q"]), static_fields())


def test_masked_cells_become_the_mean_and_are_marked():
    features = Features(targets=("t2m",), counterparts=("t2m",), predictors=("q",), mask=True)
    data = lr_fields()
    data["t2m"][1, 0, 2] = np.nan
    data["q"][1, 1, 3] = np.nan
    data["tp"][0, 0, 0] = np.nan  # no input of this model
    before = data.copy(deep=True)
    actual = features.stack_lr(data, None).to_numpy()
    assert np.isfinite(actual).all()
    assert actual[1, 0, 2].tolist() == [0, 2102, 0]  # 0: standardized, that is the training mean
    assert actual[1, 1, 3].tolist() == [113, 0, 0]
    mask = np.ones((3, 2, 4))
    mask[1, 0, 2] = mask[1, 1, 3] = 0
    np.testing.assert_array_equal(actual[..., 2], mask)
    assert actual.shape[-1] == features.n_lr
    xr.testing.assert_identical(data, before)


def test_the_mask_is_there_when_nothing_is_masked():
    features = Features(targets=("t2m",), counterparts=("t2m",), mask=True)
    np.testing.assert_array_equal(features.stack_lr(lr_fields(), None)[..., 1], 1)


def test_masked_static_cells_become_the_mean_and_mark_nothing():
    features = Features(targets=("t2m",), counterparts=("t2m",), static=("orog",), mask=True)
    static = static_fields()
    static["orog"][1, 2] = np.nan
    actual = features.stack_lr(lr_fields(), static).to_numpy()
    np.testing.assert_array_equal(actual[:, 1, 2, 1], 0)
    np.testing.assert_array_equal(actual[..., 2], 1)


@pytest.mark.parametrize("chunks", [{"time": 1}, {"time": 2, "y": 1, "x": 3}], ids=str)
@pytest.mark.parametrize("lazy_static", [True, False])
def test_dask_equals_numpy_and_stays_lazy(chunks, lazy_static):
    features = Features(
        targets=("t2m",), counterparts=("t2m",), predictors=("q",), static=("orog",), mask=True
    )
    data, static = lr_fields(), static_fields()
    data["q"][0, 0, 0] = np.nan
    expected = features.stack_lr(data, static)
    given = static.chunk() if lazy_static else static
    with no_compute():
        actual = features.stack_lr(data.chunk(chunks), given)
        targets = features.stack_targets(data.chunk(chunks))
    assert actual.chunks is not None
    xr.testing.assert_identical(actual.compute(), expected)
    xr.testing.assert_identical(targets.compute(), features.stack_targets(data))


def test_scalar_coordinates_and_attributes_are_left_behind():
    data = lr_fields().assign_coords(number=3, height=2.0)
    data["q"] = data["q"].drop_vars("height").assign_attrs(units="kg kg-1")
    actual = FULL.stack_lr(data, static_fields().assign_coords(number=4))
    xr.testing.assert_identical(actual, FULL.stack_lr(lr_fields(), static_fields()))
    assert actual.name is None


# --- static channels, targets ---------------------------------------------------------------


def test_static_channels():
    static = static_fields(4, 8)
    static["lsm"][3, 7] = np.nan
    actual = FULL.stack_static(static.transpose("x", "y"))
    assert actual.dims == ("y", "x", "channel")
    assert actual.dtype == np.float32
    np.testing.assert_array_equal(actual[2, 5], [4025, 5025])
    np.testing.assert_array_equal(actual[3, 7], [4037, 0])


def test_target_channels_keep_their_masks():
    # 0 for a masked target would be learned (defect 12 of DL4DS)
    data = lr_fields()
    data["tp"][1, 1, 1] = np.nan
    actual = FULL.stack_targets(data[["t2m", "tp"]].astype("f8"))
    assert actual.dims == ("time", "y", "x", "channel")
    assert actual.dtype == np.float32
    np.testing.assert_array_equal(actual[1, 1, 1], [np.nan, 111])
    np.testing.assert_array_equal(actual[2, 1, 3], [1213, 213])


@given(
    targets=st.permutations(NAMES[:4]),
    count=st.integers(1, 4),
    time=st.integers(1, 3),
    y=st.integers(1, 3),
    x=st.integers(1, 3),
)
def test_unstack_undoes_stack(targets, count, time, y, x):
    features = Features(targets=tuple(targets[:count]), counterparts=())
    data = lr_fields(time=time, y=y, x=x)
    actual = features.unstack(features.stack_targets(data))
    assert list(actual) == targets[:count]
    xr.testing.assert_equal(actual, data[targets[:count]])


def test_unstack_is_lazy():
    stacked = FULL.stack_targets(lr_fields().chunk(time=1))
    with no_compute():
        actual = FULL.unstack(stacked)
    assert actual["tp"].dims == ("time", "y", "x")
    xr.testing.assert_equal(actual.compute(), lr_fields()[["tp", "t2m"]])


# --- what is known from time and place, in fit and predict -----------------------------------

TINY = {"n_filters": 4, "n_blocks": 1, "epochs": 1, "batch_size": 4, "verbose": False}


def fit(hr, **features):
    model = hr.downscale.fit(scale=2, **features, **TINY)
    # the first steps of training hardly tell the time: make all that it says loud
    output = model.network.get_layer("output")
    kernel, bias = output.get_weights()
    output.set_weights([np.random.default_rng(0).normal(size=kernel.shape).astype("f4"), bias])
    return model


def later(ds, hours):
    return ds.assign_coords(time=ds.time + np.timedelta64(hours, "h"))


def moved(ds, **degrees):
    ds = ds.drop_vars(["latitude_bnds", "longitude_bnds"])
    return ds.assign_coords({d: ds[d].copy(data=ds[d] + by) for d, by in degrees.items()})


def planar(x=4.0e6):
    """Lambert azimuthal equal-area fields of Europe (EPSG:3035) with 10 km cells."""
    hr = analytic()[["t2m"]].rename(latitude="y", longitude="x")
    cells = {"y": 3.0e6 - 1e4 * np.arange(8), "x": x + 1e4 * np.arange(12)}
    return hr.drop_vars(["y", "x"]).assign_coords(cells).rio.write_crs("EPSG:3035")


def test_defect_11_the_season_enters():
    # DL4DS's season never reached the network, and took the count of the mode for the month
    hr = later(analytic(), 24 * 195 + 6)[["t2m"]]  # from 15 July 2001, 06 UTC
    options = Options(sampling=xd.Sampling(time_features=True))
    prepared = prepare(Inputs(hr=hr, scale=2), options)
    year = 2 * np.pi * (195 + (6 + 6 * np.arange(7)) / 24) / 365
    day = np.pi / 2 * (1 + np.arange(7))
    expected = np.stack([np.sin(year), np.cos(year), np.sin(day), np.cos(day)], axis=-1)
    actual = prepared.train.lr
    assert actual.shape == (7, 4, 6, 5)
    for y, x in ((0, 0), (3, 5)):
        np.testing.assert_allclose(actual[:, y, x, 1:], expected, atol=1e-6)


@pytest.fixture(scope="module")
def timed():
    """Models by feature of time, and one without."""
    named = ["day_of_year", "hour_of_day", "solar_zenith", "toa_insolation"]
    hr = analytic()[["t2m"]]
    return {n: fit(hr, time_features=[n]) for n in named} | {"none": fit(hr)}


# by how many hours later another answer is expected
CHANGES = [
    ("none", 24 * 183, False),
    ("day_of_year", 24 * 183, True),
    ("day_of_year", 24 * 365, False),
    ("hour_of_day", 6, True),
    ("hour_of_day", 24 * 183, False),
    ("solar_zenith", 6, True),
    ("solar_zenith", 24 * 183, True),
    ("toa_insolation", 6, True),
    ("toa_insolation", 24 * 183, True),
]


@pytest.mark.parametrize(("feature", "hours", "expected"), CHANGES)
def test_the_date_matters(timed, feature, hours, expected):
    lr = analytic()[["t2m"]].downscale.coarsen(2)
    before, after = (ds.downscale.predict(timed[feature]).t2m for ds in (lr, later(lr, hours)))
    change = float(np.abs(after.values - before.values).max())
    assert (change > 1e-2) == expected
    if not expected:
        assert change < 1e-3


@pytest.mark.parametrize("chunks", [{"time": 3}, {"time": 2, "latitude": 1, "longitude": 4}])
@pytest.mark.parametrize("feature", ["day_of_year", "toa_insolation"])
def test_predictions_with_dates_are_lazy(timed, feature, chunks):
    lr = analytic()[["t2m"]].downscale.coarsen(2)
    expected = lr.downscale.predict(timed[feature])
    with no_compute():
        actual = lr.chunk(chunks).downscale.predict(timed[feature])
    assert actual.t2m.chunks is not None
    np.testing.assert_allclose(actual.t2m, expected.t2m, atol=1e-4)
    reversed_ = lr.isel(time=slice(None, None, -1)).downscale.predict(timed[feature])
    np.testing.assert_allclose(reversed_.t2m[::-1], expected.t2m, atol=1e-4)


@pytest.mark.parametrize("calendar", ["noleap", "360_day"])
def test_dates_of_models(calendar):
    hr = later(analytic(), 24 * 90)[["t2m"]].convert_calendar(calendar, align_on="year")
    model = fit(hr, time_features=["day_of_year", "solar_zenith"])
    lr = hr.downscale.coarsen(2)
    actual = lr.downscale.predict(model)
    assert isinstance(actual.indexes["time"], xr.CFTimeIndex)
    assert np.isfinite(actual.t2m).all()
    half = lr.assign_coords(time=lr.indexes["time"].shift(180, "D"))
    change = np.abs(half.downscale.predict(model).t2m.values - actual.t2m.values)
    assert float(change.max()) > 1e-2


def test_dates_are_needed_before_training_and_in_prediction(timed, monkeypatch):
    def begin(*args, **kwargs):
        raise AssertionError("training began without dates")

    monkeypatch.setattr(xr_dl4ds.training, "train", begin)
    undated = analytic()[["t2m"]].drop_vars("time")
    message = r"Expected dates along the time axis for \['hour_of_day'\], got . steps without coord"
    with pytest.raises(ValueError, match=message):
        undated.downscale.fit(scale=2, time_features=["hour_of_day"], **TINY)
    with pytest.raises(ValueError, match=message):
        undated.downscale.coarsen(2).downscale.predict(timed["hour_of_day"])


@pytest.mark.parametrize("name", ["time", "valid_time"])
def test_a_single_step_has_a_date(timed, name):
    lr = analytic()[["t2m"]].downscale.coarsen(2).rename(time=name)
    expected = lr.downscale.predict(timed["hour_of_day"]).t2m[3]
    actual = lr.isel({name: 3}).downscale.predict(timed["hour_of_day"]).t2m
    np.testing.assert_allclose(actual, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("feature", "along", "across"),
    [
        ("latitude", "latitude", "longitude"),
        ("longitude", "longitude", "latitude"),
        ("x", "longitude", "latitude"),
        ("y", "latitude", "longitude"),
    ],
)
def test_the_place_matters(feature, along, across):
    hr = analytic()[["t2m"]]
    model, lr = fit(hr, coordinate_features=[feature]), hr.downscale.coarsen(2)
    here = lr.downscale.predict(model).t2m.values
    there = moved(lr, **{along: -40.0}).downscale.predict(model).t2m.values
    assert np.abs(there - here).max() > 0.1
    beside = moved(lr, **{across: -40.0}).downscale.predict(model).t2m.values
    np.testing.assert_allclose(beside, here, atol=1e-3)
    # the layout and whole turns of the longitude change nothing
    turned = moved(lr.isel(latitude=slice(None, None, -1)), longitude=-360.0)
    actual = turned.downscale.predict(model).t2m.values[:, ::-1]
    np.testing.assert_allclose(actual, here, atol=1e-3)


def test_sun_and_place_on_a_projected_grid(tmp_path):
    features = {"time_features": ["solar_zenith"], "coordinate_features": ["latitude", "x"]}
    hr = planar()
    hr.downscale.fit(scale=2, **features, **TINY).save(tmp_path / "model")
    model = fit(hr, **features)
    lr = hr.downscale.coarsen(2)
    here = lr.downscale.predict(model)
    with no_compute():
        lazy = lr.chunk(time=2, x=3).downscale.predict(model)
    np.testing.assert_allclose(lazy.t2m, here.t2m, atol=1e-4)
    night = later(lr, 12).downscale.predict(model)
    assert np.abs(night.t2m.values - here.t2m.values).max() > 1e-2
    east = planar(x=5.0e6).downscale.coarsen(2).downscale.predict(model)
    assert np.abs(east.t2m.values - here.t2m.values).max() > 1e-2
    loaded = xd.load(tmp_path / "model")
    assert np.isfinite(lr.downscale.predict(loaded).t2m).all()
    with pytest.raises(ValueError, match=r"got planar axes without a CRS.*rio\.write_crs"):
        hr.drop_vars("spatial_ref").downscale.fit(scale=2, **features, **TINY)


@pytest.mark.parametrize("scale", [2, 4])
def test_defect_13_static_fields_finer_than_the_target(scale):
    fine = analytic(y=24, x=36)[["orog"]]  # three cells for one
    fine = fine.assign_coords(
        latitude=fine.latitude.copy(data=50 + 0.25 / 3 - 0.25 / 3 * np.arange(24)),
        longitude=fine.longitude.copy(data=5 - 0.25 / 3 + 0.25 / 3 * np.arange(36)),
    )
    hr = analytic()[["t2m"]]
    model = hr.downscale.fit(scale=scale, static=fine, **TINY)
    actual = model.state.static.orog.isel(y=slice(None, None, -1))
    expected = fine.orog.values.reshape(8, 3, 12, 3).mean((1, 3))
    np.testing.assert_allclose(actual, expected, rtol=1e-3)  # rows weigh by area
    assert hr.downscale.coarsen(scale).downscale.predict(model).t2m.shape == hr.t2m.shape

"""Bounds of what was predicted, in physical units."""

import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic, no_compute
from tests.untrained import untrained

SCALE = 2
ABOUT = {"dims": ("time", "latitude", "longitude")}


def named(values, units="mm d-1"):
    """One target of these values on the analytic grid."""
    hr = analytic(time=values.shape[0])[["t2m"]]
    return xr.Dataset({"pr": (hr.t2m.dims, values.astype("f4"), {"units": units})}, hr.coords)


def showers(time=8, seed=0):
    """Half of the cells have nothing, and some whole blocks."""
    rng = np.random.default_rng(seed)
    rain = rng.gamma(0.5, 4.0, (time, 8, 12)) * (rng.random((time, 8, 12)) < 0.5)
    rain[:, :4, :4] *= rng.random((time, 1, 1)) < 0.5
    return named(rain)


def blocks(data):
    return (
        data.coarsen(latitude=SCALE, longitude=SCALE).mean().transpose(..., "latitude", "longitude")
    )


# --- which targets --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "units", "expected"),
    [
        (0.0, 10.0, "mm d-1", True),  # std 5
        (0.0, 10.0, None, True),
        (2.0, 10.0, "m s-1", True),  # std 4
        (4.9, 10.0, "m s-1", False),  # std 2.55
        (250.0, 290.0, "K", False),
        (-1e-3, 10.0, "mm d-1", False),
        (0.0, 10.0, "degC", False),
        (0.0, 10.0, "degrees_celsius", False),
        (0.0, 10.0, "degF", False),
    ],
)
def test_amounts_are_told_by_their_least_value(low, high, units, expected):
    values = np.where(np.random.default_rng(0).random((8, 8, 12)) < 0.5, low, high)
    hr = named(values, units)
    if units is None:
        del hr.pr.attrs["units"]
    model = untrained(hr, scale=SCALE, constraint=None, noise=0.5)
    assert model.state.never_negative("pr") is expected
    actual = model.predict(hr.downscale.coarsen(SCALE))
    assert (float(actual.pr.min()) >= 0) or not expected


# --- predictions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["mae", "gaussian_nll", "bernoulli_gamma_nll", "crps"])
@pytest.mark.parametrize("constraint", [None, "additive", "multiplicative", "softmax"])
def test_no_rain_is_negative_whatever_the_constraint(loss, constraint):
    hr = showers()
    model = untrained(hr, scale=SCALE, constraint=constraint, loss=loss, noise=0.3)
    lr = hr.downscale.coarsen(SCALE)
    asked = [{}] if loss == "mae" else [{}, {"realizations": 3}]
    for actual in (model.predict(lr, **one).pr for one in asked):
        assert float(actual.min()) == 0
        assert not np.signbit(actual.values[actual.values == 0]).any()
        if constraint is not None:
            means = blocks(actual.astype("f8"))
            expected = lr.pr.transpose("time", "latitude", "longitude").astype("f8").values
            np.testing.assert_allclose(means, np.broadcast_to(expected, means.shape), rtol=3e-7)


def test_what_was_cut_off_is_taken_from_the_block():
    # an additive network's own answer, cut off and rescaled by hand
    hr = showers()
    model = untrained(hr, scale=SCALE, constraint="additive", noise=0.3)
    lr = hr.downscale.coarsen(SCALE)
    low = lr.pr.transpose("time", "latitude", "longitude").values
    offset, factor = (model.state.scaler.of("pr", n) for n in ("offset", "factor"))
    canonical = ((low[:, ::-1] - offset) / factor).astype("f4")[..., None]
    raw = np.asarray(model.network({"lr": canonical}, training=False))[..., 0].astype("f8")
    raw = raw[:, ::-1] * factor + offset
    assert raw.min() < -0.1
    cut = raw.clip(0).reshape(8, 4, 2, 6, 2)
    mean = cut.mean((2, 4), keepdims=True)
    wanted = low[:, :, None, :, None]
    expected = (cut * np.where(wanted > 0, wanted / mean, 0)).reshape(8, 8, 12)
    actual = model.predict(lr).pr
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    assert (mean >= wanted * (1 - 1e-5)).all()  # the ratio never blows anything up


def test_values_that_may_be_negative_are_left_alone():
    hr = showers()
    hr["pr"] = (hr.pr - 3).assign_attrs(units="degC")
    model = untrained(hr, scale=SCALE, noise=0.3)
    lr = hr.downscale.coarsen(SCALE)
    actual = model.predict(lr).pr
    assert float(actual.min()) < -3
    np.testing.assert_allclose(blocks(actual), lr.pr.transpose("time", ...), atol=1e-5)


@pytest.mark.parametrize("sign", [-1, 1])
def test_rounding_of_nothing_is_nothing(sign):
    hr = showers() * 1.0
    hr["pr"] = (hr.pr * 1e-5).assign_attrs(units="kg m-2 s-1")
    model = untrained(hr, scale=SCALE, constraint=None, loss="bernoulli_gamma_nll")
    from xr_dl4ds.physics import Physics

    zero = -model.state.scaler.of("pr", "offset") / model.state.scaler.of("pr", "factor")
    scaled = np.nextafter(np.float32(zero), np.float32(sign * 9)) * np.ones((1, 8, 12, 1), "f4")
    dims = ("time", "y", "x", "channel")
    physics = Physics(
        state=model.state,
        options=model.options,
        varying=xr.Dataset({"pr": (dims[:3], np.ones((1, 4, 6), "f4"))}),
        placement=_Elsewhere(),
    )
    actual = physics.fields(xr.DataArray(scaled, dims=dims)).pr
    assert (actual == 0).all()
    more = physics.fields(xr.DataArray(scaled + np.float32(1e-5), dims=dims)).pr
    assert (more > 0).all()


class _Elsewhere:
    trained = None


def test_missing_values_stay_missing():
    hr = showers()
    hr["pr"] = hr.pr.where((hr.latitude > 49) | (hr.longitude > 6))
    lr = hr.downscale.coarsen(SCALE)
    model = untrained(hr, scale=SCALE, loss="gaussian_nll", noise=0.3)
    lr["pr"][4, 0, 1] = np.nan
    missing = hr.pr.isnull().values
    missing[4, :2, 2:4] = True
    members = model.predict(lr, realizations=3).pr
    for member in members:
        np.testing.assert_array_equal(member.isnull(), missing)
    means = blocks(members.astype("f8"))
    low = lr.pr.transpose("time", "latitude", "longitude").values
    np.testing.assert_allclose(means, np.broadcast_to(low, means.shape), rtol=3e-7)


@pytest.mark.parametrize("chunks", [{"time": 3}, {"time": 2, "latitude": 2}], ids=str)
def test_dask_equals_numpy(chunks):
    hr = showers()
    model = untrained(hr, scale=SCALE, loss="gaussian_nll", noise=0.3)
    lr = hr.downscale.coarsen(SCALE)
    expected = model.predict(lr, realizations=2)
    with no_compute():
        lazy = model.predict(lr.chunk(chunks), realizations=2)
    np.testing.assert_allclose(lazy.pr, expected.pr, rtol=1e-4, atol=1e-5)

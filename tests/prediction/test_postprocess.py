"""Bounds of what was predicted, in physical units."""

import itertools
from unittest import mock

import dask
import numpy as np
import pytest
import xarray as xr
from dask.callbacks import Callback

from tests.conftest import analytic, no_compute
from tests.tiers import every
from tests.untrained import untrained
from xr_dl4ds.config import Scale
from xr_dl4ds.inference import Runner
from xr_dl4ds.prediction.postprocess import Cells

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


@pytest.mark.parametrize(
    ("loss", "constraint"),
    every(
        3,
        itertools.product(
            ["mae", "gaussian_nll", "bernoulli_gamma_nll", "crps"],
            [None, "additive", "multiplicative", "softmax"],
        ),
    ),
)
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
    from xr_dl4ds.prediction.postprocess import Physics

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


# --- parts of the domain --------------------------------------------------------------------------

#: HR cells: whole LR cells, some of them in one chunk; LR fields are chunked in another way.
PARTS = {"time": (5, 3), "y": (2, 6), "x": (4, 2, 6)}


class Largest(Callback):
    """The largest array that any task of a computation gives, in bytes."""

    def __init__(self):
        self.bytes = 0

    def _posttask(self, key, result, dsk, state, worker_id):
        self.bytes = max(self.bytes, getattr(result, "nbytes", 0))


def masked_showers():
    hr = showers()
    return hr.assign(pr=hr.pr.where((hr.latitude > 49) | (hr.longitude > 6)))


def on_parts(parts):
    """Predict with a network whose output is chunked in space, as tiles are."""
    whole = Runner.run

    def run(self, network_input, realization):
        return whole(self, network_input, realization).chunk(parts)

    return mock.patch.object(Runner, "run", run)


@pytest.mark.sparse(3)
@pytest.mark.parametrize(
    "options",
    [
        {"constraint": None},
        {"constraint": "additive", "loss": "gaussian_nll"},
        {"constraint": "additive", "loss": "bernoulli_gamma_nll"},
        {"constraint": "multiplicative"},
    ],
    ids=str,
)
@pytest.mark.parametrize("data", [showers, masked_showers])
def test_parts_of_the_domain_equal_the_whole(options, data):
    hr = data()
    model = untrained(hr, scale=SCALE, noise=0.3, **options)
    lr = hr.downscale.coarsen(SCALE)
    lr["pr"] = lr.pr.astype("f4")
    lr["pr"][4, 0, 1] = np.nan
    asked = [{}]
    if "loss" in options:
        asked += [{"realizations": 2}, {"spread": True}]
    for one in asked:
        expected = model.predict(lr, **one)
        with on_parts(PARTS), no_compute():
            lazy = model.predict(lr.chunk(time=3, latitude=3), **one)
        for name, variable in lazy.data_vars.items():
            if variable.ndim < 3:
                continue
            got = dict(zip(variable.dims, variable.chunks, strict=True))
            assert got["time"] == PARTS["time"], name
            # along y and x in even chunks, as Zarr asks for them
            for dim, own in (("latitude", PARTS["y"]), ("longitude", PARTS["x"])):
                assert max(got[dim]) <= max(own)
                assert len(set(got[dim][:-1])) <= 1
            np.testing.assert_allclose(variable, expected[name], rtol=1e-4, atol=1e-5)
            np.testing.assert_array_equal(variable.isnull(), expected[name].isnull())


@pytest.mark.parametrize("members", [False, True])
def test_no_block_is_larger_than_a_part(members):
    hr = masked_showers()
    model = untrained(hr, scale=SCALE, loss="gaussian_nll", constraint="additive")
    lr = hr.downscale.coarsen(SCALE)
    low = np.random.default_rng(0).normal(size=(8, 8, 12, 2)).astype("f4")
    output = xr.DataArray(low, dims=("time", "y", "x", "channel"), coords={"time": hr.time})
    parts = output.chunk(time=1, y=4, x=6)
    # a block of the network, of two channels; drawing holds numbers of the same size
    with mock.patch.object(Runner, "run", return_value=parts), Largest() as largest:
        lazy = model.predict(lr.chunk(time=1), **({"realizations": 2} if members else {}))
        # the last task joins all parts, and so is not asked for
        dask.get(lazy.pr.__dask_graph__(), lazy.pr.__dask_keys__())
    assert 0 < largest.bytes <= 4 * 6 * 2 * 4


@pytest.mark.parametrize("kinds", [(), ("additive",), ("additive", "multiplicative")], ids=str)
def test_slabs_do_not_matter(kinds, monkeypatch):
    rng = np.random.default_rng(0)
    scaled, lr = rng.normal(size=(2, 3, 12, 8)).astype("f4"), rng.gamma(1, 2, (3, 6, 4))
    lr[1, 2, 3] = np.nan
    never = rng.random((12, 8)) < 0.2
    cells = Cells(factor=2.0, offset=1.5, floor=0.1, kinds=kinds, scale=Scale.of(2))
    roles = ("lr", "always_missing")
    expected = cells(scaled, lr, never, roles=roles)
    assert expected.dtype == np.float32
    for slab in (1, 16, 40):
        monkeypatch.setattr("xr_dl4ds.prediction.postprocess.SLAB", slab)
        np.testing.assert_array_equal(cells(scaled, lr, never, roles=roles), expected)
    missing = never | np.isnan(lr).repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(np.isnan(expected), np.broadcast_to(missing, expected.shape))
    if not kinds:  # scaled back and cut off, by hand
        value = scaled * np.float32(2) + np.float32(1.5)
        by_hand = np.where(value <= 0.1, 0, value)
        np.testing.assert_array_equal(expected[~np.isnan(expected)], by_hand[~np.isnan(expected)])

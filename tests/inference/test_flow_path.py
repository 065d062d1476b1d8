"""Members of flow matching: the same in chunks, in tiles, in parts and around the globe."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import analytic
from tests.untrained import untrained
from xr_dl4ds.inference import flow_path


def flowing(hr, *args, **options):
    """A flow whose velocity is random, and far from 0."""
    steps, solver = options.pop("steps", 1), options.pop("solver", "heun")
    training = xd.FlowMatching(steps=steps, solver=solver, calibrate=False)
    usual = {"n_filters": 3, "n_blocks": 1, "training": training, "noise": 0.2, "validation": 0}
    return untrained(hr, *args, **{**usual, **options})


@pytest.fixture(scope="module")
def hr():
    return analytic(time=5, y=40, x=56)[["t2m"]]


@pytest.fixture(scope="module")
def model(hr):
    return flowing(hr, scale=2)


@pytest.fixture(scope="module")
def whole(model, hr):
    return model.predict(hr.downscale.coarsen(2), realizations=2)


def spread_of(members):
    return float(members.t2m.std())


def test_the_first_members_are_the_same(model, whole, hr):
    more = model.predict(hr.downscale.coarsen(2), realizations=3)
    xr.testing.assert_equal(more.isel(realization=slice(0, 2)).t2m, whole.t2m)
    apart = abs(more.t2m.isel(realization=2) - more.t2m.isel(realization=1))
    assert float(apart.max()) > 0.01


def test_a_seed_gives_other_members(model, whole, hr):
    other = model.predict(hr.downscale.coarsen(2), realizations=2, seed=1)
    assert float(abs(other.t2m - whole.t2m).max()) > 0.01


def test_dask_equals_numpy_and_stays_lazy(model, whole, hr):
    lazy = model.predict(hr.downscale.coarsen(2).chunk(time=2), realizations=2)
    assert lazy.t2m.chunks is not None
    np.testing.assert_allclose(lazy.t2m.compute(), whole.t2m, atol=1e-5 * spread_of(whole))


def test_steps_alone_have_the_same_members(model, whole, hr):
    part = model.predict(hr.downscale.coarsen(2).isel(time=[4, 1]), realizations=2)
    np.testing.assert_allclose(part.t2m, whole.t2m.isel(time=[4, 1]), atol=1e-5 * spread_of(whole))


@pytest.mark.parametrize("lazy", [False, True])
def test_tiles_equal_the_whole(model, whole, hr, lazy):
    lr = hr.downscale.coarsen(2)
    tiled = model.predict(lr.chunk(time=3) if lazy else lr, realizations=2, tile_size=16)
    if lazy:
        assert len(tiled.t2m.chunksizes["latitude"]) > 1
    np.testing.assert_allclose(tiled.t2m.compute(), whole.t2m, atol=1e-4 * spread_of(whole))


def test_a_part_has_the_noise_of_the_whole(model, whole, hr):
    # beyond the reach of the edges the members are the same
    lr = hr.downscale.coarsen(2)
    x = lr.t2m.dims[-1]
    part = model.predict(lr.isel({x: slice(4, None)}), realizations=2)
    expected = whole.t2m.isel({x: slice(8, None)})
    far = abs(part.t2m - expected).isel({x: slice(-8, None)})
    assert float(far.max()) < 1e-3 * spread_of(whole)


@pytest.mark.parametrize("solver", ["midpoint", "heun"])
def test_steps_and_solver_change_members_little(hr, solver):
    one, other = (flowing(hr, scale=2, steps=n, solver=solver, noise=0.05) for n in (2, 4))
    lr = hr.downscale.coarsen(2).isel(time=slice(0, 1))
    first, second = (m.predict(lr, realizations=1).t2m for m in (one, other))
    change = float(abs(first - second).mean())
    assert 0 < change < 0.2 * float((second - second.mean()).std())


def test_lr_means_are_kept(model, whole, hr):
    lr = hr.downscale.coarsen(2)
    again = whole.downscale.coarsen(2).t2m
    np.testing.assert_allclose(again, lr.t2m.broadcast_like(again), atol=1e-3)


def test_the_mean_is_that_of_members(model, hr):
    lr = hr.downscale.coarsen(2).isel(time=slice(0, 2))
    members = model.predict(lr, realizations=16).t2m.mean("realization")
    np.testing.assert_allclose(model.predict(lr).t2m, members, atol=1e-3)
    both = model.predict(lr, spread=True)
    assert float(both.t2m_spread.min()) > 0


def test_noise_is_standard_normal_and_multiplied(model, hr):
    flow = dataclasses.replace(model.runner.flow, temperature={"t2m": {"all": 3.0}})
    lr = xr.DataArray(np.zeros((4, 24, 32, 1), "f4"), dims=("time", "y", "x", "channel"))
    given = flow_path.NetworkInput(
        lr=lr,
        fixed={},
        windows=None,
        keys=xr.DataArray(np.arange(4, dtype="u8"), dims="time"),
        global_domain=False,
    )
    noise = flow.noise(given, (48, 64), 7)
    assert noise.dims == ("time", "y", "x", "channel")
    assert float(noise.std()) == pytest.approx(3, rel=0.05)
    moved = flow.noise(dataclasses.replace(given, corner=(2, 4)), (46, 60), 7)
    np.testing.assert_array_equal(moved, noise.isel(y=slice(2, None), x=slice(4, None)))
    around = flow.noise(dataclasses.replace(given, corner=(0, 60), period=64), (48, 8), 7)
    np.testing.assert_array_equal(around.isel(x=slice(4, None)), noise.isel(x=slice(0, 4)))


def test_only_the_form_of_the_domain_is_built(caplog):
    inside = analytic()[["t2m"]].isel(latitude=slice(2, 6), longitude=slice(2, 8))
    low = analytic()[["t2m"]].downscale.coarsen(2)
    found = flowing(low, inside, context=1)
    found.predict(low, realizations=1)
    assert list(found.runner._fields) == [False]
    assert "seam" not in caplog.text


def test_cells_without_truth_do_not_count_without_a_constraint(hr, monkeypatch):
    land = hr.isel(latitude=slice(0, 16), longitude=slice(0, 16))
    land = land.where(land.longitude > float(land.longitude[7]))
    found, lr = flowing(land, scale=2, constraint=None), land.downscale.coarsen(2)
    before = found.predict(lr, realizations=1).t2m
    noise = flow_path.Flow.noise

    def larger(*args):
        drawn = noise(*args)
        return drawn.where(xr.DataArray(np.arange(16), dims="x") > 7, 100.0)

    monkeypatch.setattr(flow_path.Flow, "noise", larger)
    after = found.predict(lr, realizations=1).t2m
    assert bool(before.notnull().any())
    np.testing.assert_allclose(after, before, atol=1e-4)

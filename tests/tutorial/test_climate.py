"""The synthetic world of reanalysis, observations and climate model."""

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.cf import cf_problems

PARTS = (
    "reanalysis",
    "observations",
    "history",
    "scenario",
    "truth_history",
    "truth_scenario",
)


@pytest.fixture(scope="module")
def world():
    return xd.tutorial.synthetic_gcm(winters=3, shape=(24, 32))


def test_a_seed_makes_one_world(world):
    again = xd.tutorial.synthetic_gcm(winters=3, shape=(24, 32))
    other = xd.tutorial.synthetic_gcm(winters=3, shape=(24, 32), seed=1)
    for part in PARTS:
        xr.testing.assert_identical(getattr(world, part), getattr(again, part))
    assert not np.allclose(world.reanalysis.psl, other.reanalysis.psl)
    assert not np.array_equal(world.observations.orog, other.observations.orog)


def test_grids_and_calendars(world):
    assert set(world.reanalysis.data_vars) == {"psl", "ta850", "hus850", "tas", "pr"}
    assert set(world.observations.data_vars) == {"tas", "pr", "orog"}
    assert dict(world.observations.sizes) == {"time": 270, "lat": 24, "lon": 32}
    np.testing.assert_allclose(np.diff(world.reanalysis.lat), 2)
    np.testing.assert_allclose(np.diff(world.scenario.lon), 1.4)
    for grid in (world.reanalysis, world.scenario):
        for axis in ("lat", "lon"):
            assert float(grid[axis].min()) < float(world.observations[axis].min()) - 10
            assert float(grid[axis].max()) > float(world.observations[axis].max()) + 10
    assert world.history.time.dt.calendar == "noleap"
    assert world.reanalysis.time.dt.calendar == "proleptic_gregorian"
    assert set(np.unique(world.reanalysis.time.dt.month)) == {1, 2, 12}


@pytest.mark.parametrize("part", PARTS)
def test_cf(world, part, tmp_path):
    getattr(world, part).isel(time=slice(0, 3)).to_netcdf(tmp_path / "part.nc")
    assert cf_problems(tmp_path / "part.nc") == []


def test_the_sea_has_no_observations(world):
    sea = world.observations.orog == 0
    assert 0.1 < float(sea.mean()) < 0.5
    for name in ("tas", "pr"):
        missing = world.observations[name].isnull()
        np.testing.assert_array_equal(missing.all("time"), sea)
        np.testing.assert_array_equal(missing.any("time"), sea)


def test_physics(world):
    seen = world.observations
    land = seen.orog > 0
    slope = np.polyfit(seen.orog.values[land], seen.tas.mean("time").values[land], 1)[0]
    assert -8e-3 < slope < -3e-3
    assert float(seen.pr.min()) == 0
    assert 0.3 < float((seen.pr > 1).sum() / seen.pr.notnull().sum()) < 0.8
    # windward slopes, which rise to the east, have more rain than lee slopes
    east = np.gradient(seen.orog.values, axis=1)
    mean = seen.pr.mean("time").values
    assert np.nanmean(mean[(east > 100) & land]) > 2 * np.nanmean(mean[(east < -100) & land])


def test_warming_and_biases():
    plain = xd.tutorial.synthetic_gcm(winters=6, shape=(16, 16), bias=0.0, warming=4.0)
    change = plain.truth_scenario.tas.mean() - plain.truth_history.tas.mean()
    assert abs(float(change) - 4) < 1
    assert float(plain.truth_scenario.pr.mean()) > float(plain.truth_history.pr.mean())
    biased = xd.tutorial.synthetic_gcm(winters=6, shape=(16, 16), bias=1.0, warming=4.0)
    xr.testing.assert_identical(biased.truth_scenario, plain.truth_scenario)
    assert float((biased.history.tas - plain.history.tas).mean()) == pytest.approx(1.6, abs=0.3)
    np.testing.assert_allclose(biased.history.pr, 1.3 * plain.history.pr, rtol=1e-5)


@pytest.mark.parametrize(
    "wrong", [{"seed": -1}, {"winters": 0}, {"shape": (4, 16)}, {"resolution": 5.0}]
)
def test_what_is_out_of_range(wrong):
    with pytest.raises(ValueError, match=rf"Expected `{next(iter(wrong))}` to be .*, got"):
        xd.tutorial.synthetic_gcm(**wrong)

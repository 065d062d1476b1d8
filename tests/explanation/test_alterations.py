"""Shuffles keep values, gaps and other fields."""

import numpy as np
import pytest
import xarray as xr

from tests.conftest import no_compute
from xr_dl4ds.data.scaling import Scaler
from xr_dl4ds.explanation.alterations import AtTrainingMean, Shuffle, Unaltered


@pytest.fixture(params=[None, {"time": 2, "y": 1}], ids=str)
def fields(request):
    values = np.arange(60.0).reshape(5, 3, 4)
    ds = xr.Dataset(
        {"a": (("time", "y", "x"), values), "b": (("time", "y", "x"), -values)},
        {"time": 10 * np.arange(5), "y": np.arange(3), "x": np.arange(4)},
    )
    return ds if request.param is None else ds.chunk(request.param)


def test_steps_of_one_variable_change_places(fields):
    shuffle = Shuffle(name="a", seed=1, repeat=2)
    with no_compute():
        found = shuffle.varying(fields)
    order = np.random.default_rng([1, 2]).permutation(5)
    assert (order != np.arange(5)).any()
    np.testing.assert_array_equal(found.a, fields.a.to_numpy()[order])
    np.testing.assert_array_equal(found.time, fields.time)
    xr.testing.assert_identical(found.b, fields.b)
    assert found.a.chunks == fields.a.chunks
    other = Shuffle(name="c", seed=1, repeat=2)
    assert other.varying(fields) is fields
    assert other.static(fields) is fields


@pytest.mark.parametrize("seed", range(8))
def test_two_steps_always_change_places(seed):
    assert Shuffle(name="a", seed=seed, repeat=0).order(2).tolist() == [1, 0]


def test_missing_values_stay_where_they_are(fields):
    gaps = fields.a.where(fields.a != 5).where(fields.time != 30)
    found = Shuffle(name="a", seed=0, repeat=0).varying(fields.assign(a=gaps)).a
    np.testing.assert_array_equal(found.isnull(), gaps.isnull())
    assert not bool((found == gaps).where(gaps.notnull()).all())


def test_a_static_field_is_shifted_around(fields):
    field = fields.isel(time=0, drop=True)
    shuffle = Shuffle(name="a", seed=0, repeat=0)
    y, x = shuffle.shift((3, 4))
    found = shuffle.static(field)
    np.testing.assert_array_equal(found.a, np.roll(field.a.to_numpy(), (y, x), (0, 1)))
    np.testing.assert_array_equal(found.y, field.y)
    xr.testing.assert_identical(found.b, field.b)


def test_shifts_reach_every_place_but_the_own():
    found = {Shuffle(name="a", seed=s, repeat=0).shift((2, 3)) for s in range(200)}
    assert found == {(0, 1), (0, 2), (1, 0), (1, 1), (1, 2)}


def test_the_training_mean_fills_all_but_gaps(fields):
    scaler = Scaler.fit(fields, "fields")
    found = AtTrainingMean(scaler=scaler).varying(fields.where(fields.x > 0))
    np.testing.assert_array_equal(found.a.isel(x=slice(1, None)), np.full((5, 3, 3), 29.5))
    np.testing.assert_array_equal(found.b.isel(x=slice(1, None)), np.full((5, 3, 3), -29.5))
    assert bool(found.a.isel(x=0).isnull().all())
    for alteration in (AtTrainingMean(scaler=scaler), Unaltered()):
        assert alteration.static(fields) is fields
    assert Unaltered().varying(fields) is fields

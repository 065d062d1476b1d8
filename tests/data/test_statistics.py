import dask
import numpy as np
import pytest
import xarray as xr

from xr_dl4ds.config import Scale
from xr_dl4ds.data.inputs import Pair
from xr_dl4ds.data.statistics import read_statistics, validation_statistics

DIMS = ("time", "y", "x")


def pair(n=4, *, synthetic=False, seed=0, chunks=None):
    """HR 4 x 4 and LR 2 x 2; step 1 has no HR value, step 2 none whose LR value is known."""
    rng = np.random.default_rng(seed)
    hr = rng.normal(280, 5, (n, 4, 4)).astype("f4")
    hr[1] = np.nan
    hr[:, 0, 0] = np.nan
    hr[2, 2:] = np.nan
    lr = rng.normal(280, 5, (n, 2, 2)).astype("f4")
    lr[2, 0] = np.nan
    if synthetic:
        lr = np.where(np.isnan(hr).reshape(n, 2, 2, 2, 2).all((2, 4)), np.nan, lr)
    made_lr = xr.Dataset({"t": (DIMS, lr), "p": (DIMS, lr + 1)})
    found = Pair(lr=made_lr, hr=xr.Dataset({"t": (DIMS, hr)}), synthetic_lr=synthetic)
    if chunks is None:
        return found
    return Pair(lr=found.lr.chunk(chunks), hr=found.hr.chunk(chunks), synthetic_lr=synthetic)


@pytest.mark.parametrize("chunks", [None, {"time": 2}, {"time": 3, "y": 1}], ids=str)
def test_what_is_found_by_hand(chunks):
    found = read_statistics([pair(chunks=chunks)], [pair(3, seed=1, chunks=chunks)], Scale.of(2))
    hr, lr = pair().hr.t.to_numpy().astype("f8"), pair().lr.p.to_numpy().astype("f8")
    assert found.hr["t"].mean == pytest.approx(np.nanmean(hr), rel=1e-14)
    assert found.hr["t"].std == pytest.approx(np.nanstd(hr), rel=1e-12)
    assert found.lr["p"].mean == pytest.approx(np.nanmean(lr), rel=1e-14)
    assert found.lr["p"].valid == 14
    assert found.always_missing.t.to_numpy().sum() == 1
    assert bool(found.always_missing.t[0, 0])
    # step 2: HR is known in the upper rows alone, and there LR is not
    assert found.train.some.tolist() == [True, False, False, True]
    assert found.held.steps.some.tolist() == [True, False, False]


def test_steps_without_any_gap_by_hand():
    hr = np.ones((3, 4, 4), "f4")
    hr[1, 0, 0] = np.nan
    lr = np.ones((3, 2, 2), "f4")
    lr[2, 1, 1] = np.nan  # hides its HR cells
    given = Pair(lr=xr.Dataset({"t": (DIMS, lr)}), hr=xr.Dataset({"t": (DIMS, hr)}))
    assert read_statistics([given], [], Scale.of(2)).train.whole.tolist() == [True, False, False]


def test_lr_made_from_hr_hides_nothing():
    found = read_statistics([pair(synthetic=True)], [], Scale.of(2))
    assert found.train.some.tolist() == [True, False, True, True]
    assert found.held.steps.some.size == 0


def test_several_series_are_one():
    found = read_statistics([pair(), pair(3, seed=1)], [], Scale.of(2))
    both = np.concatenate([pair().hr.t, pair(3, seed=1).hr.t]).astype("f8")
    assert found.hr["t"].mean == pytest.approx(np.nanmean(both), rel=1e-14)
    assert found.hr["t"].std == pytest.approx(np.nanstd(both), rel=1e-12)
    assert found.train.some.size == 7
    np.testing.assert_array_equal(found.always_missing.t, np.isnan(both).all(0))


def test_the_data_are_read_once():
    reads = []

    def reading(block, block_info=None):
        reads.append(block_info[0]["chunk-location"])
        return block

    given = pair(chunks={"time": 2})
    counted = given.hr.t.data.map_blocks(reading, dtype="f4", meta=np.empty((0, 0, 0), "f4"))
    given = Pair(lr=given.lr, hr=given.hr.assign(t=given.hr.t.copy(data=counted)))
    read_statistics([given.steps(slice(0, 2))], [given.steps(slice(2, 4))], Scale.of(2))
    assert sorted(reads) == [(0, 0, 0), (1, 0, 0)]


def test_one_pass_of_dask():
    passes = []

    def counting(graph, keys, **kwargs):
        passes.append(1)
        return dask.get(graph, keys, **kwargs)

    with dask.config.set(scheduler=counting):
        read_statistics([pair(chunks={"time": 1})], [pair(seed=1, chunks={"time": 1})], Scale.of(2))
        assert len(passes) == 1
        assert validation_statistics(
            [pair(chunks={"time": 1})], Scale.of(2)
        ).steps.some.tolist() == [
            True,
            False,
            False,
            True,
        ]

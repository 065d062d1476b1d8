import os
import pathlib

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

from xr_dl4ds.config import Scale
from xr_dl4ds.data.prepare import SampleChannels
from xr_dl4ds.data.statistics import Steps
from xr_dl4ds.training.batches import BUDGET, Samples, copying, resolve_cache
from xr_dl4ds.training.batches.copying import Scratch, slabs

DIMS = ("time", "y", "x", "channel")


def channels(n, y, x, channel, seed):
    values = np.random.default_rng(seed).normal(size=(n, y, x, channel))
    return xr.DataArray(values, dims=DIMS)


def flags(some):
    """Of steps, none of which is whole."""
    return Steps(some=some, whole=np.zeros(some.size, bool))


def part(chunks=None, runs=None):
    """Five steps of 2 x 3 LR and 4 x 6 HR cells, of which the second has no value."""
    lr, target = channels(5, 2, 3, 2, 0), channels(5, 4, 6, 2, 1)
    target[1] = np.nan
    useful = np.array([True, False, True, True, True])
    if chunks:
        lr, target = lr.chunk(chunks), target.chunk(chunks)
    return SampleChannels(lr=lr, target=target, steps=flags(useful), runs=runs)


def static():
    return channels(1, 4, 6, 1, 2)[0].drop_vars("time", errors="ignore")


@pytest.mark.parametrize("chunks", [None, {"time": 2}, {"time": 2, "y": 1, "x": 2}], ids=str)
@pytest.mark.parametrize("cache", ["memory", "disk", "none"])
def test_the_same_values_wherever_they_are_held(cache, chunks):
    given = part(chunks)
    samples = Samples.hold(given, {"static": static()}, cache=cache, scale=Scale.of(2))
    assert samples.starts.tolist() == [0, 2, 3, 4]  # a step without a value is no sample
    assert len(samples) == 4
    assert samples.scale == Scale.of(2)
    assert samples.streamed == (cache == "none")
    held = {"memory": np.ndarray, "disk": Scratch, "none": da.Array}[cache]
    assert isinstance(samples.lr, held)
    assert isinstance(samples.target, held)
    arrays = dask.compute(*samples.arrays())
    for actual, expected in zip(arrays, (given.lr, given.target), strict=True):
        np.testing.assert_array_equal(np.asarray(actual).astype("f4"), expected.astype("f4"))
    assert samples.fixed["static"].dtype == np.float32
    np.testing.assert_array_equal(samples.fixed["static"], static().astype("f4"))


def test_arrays_in_memory_are_contiguous_float32():
    samples = Samples.hold(part({"time": 2}), {}, cache="memory", scale=Scale.of(2))
    for array in (samples.lr, samples.target):
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
    assert samples.fixed == {}


def test_whole_numbers_stay_whole():
    position = xr.DataArray(np.array([3, 4], "i4"), dims="channel")
    samples = Samples.hold(part(), {"position": position}, cache="memory", scale=Scale.of(2))
    assert samples.fixed["position"].dtype == np.int32


def test_windows_leave_no_run_and_need_one_valid_step():
    steps = flags(np.array([True, False, True, True, True]))
    # windows of two begin at 0 in the first run, at 2 and 3 in the second
    assert steps.starts(2, [slice(0, 2), slice(2, 5)]).tolist() == [0, 2, 3]
    assert steps.starts(1, None).tolist() == steps.starts(None, None).tolist() == [0, 2, 3, 4]
    assert len(flags(np.zeros(5, bool)).starts(None, None)) == 0


def test_samples_without_gaps_are_known():
    steps = Steps(some=np.ones(4, bool), whole=np.array([True, True, False, True]))
    starts = np.arange(3)
    assert steps.without_gaps(starts, 2).tolist() == [True, False, False]
    assert steps.without_gaps(np.array([0, 2, 3]), None).tolist() == [True, False, True]


def test_steps_are_computed_slab_by_slab(monkeypatch):
    """Never all at once: a result and its parts would take twice the memory."""
    passes = []

    def counting(graph, keys, **kwargs):
        passes.append(len(keys))
        return dask.get(graph, keys, **kwargs)

    given = part({"time": 1})
    with dask.config.set(scheduler=counting):
        Samples.hold(given, {}, cache="memory", scale=Scale.of(2))
        assert len(passes) == 1  # small enough for one slab
        monkeypatch.setattr(copying, "SLAB", 2 * given.nbytes // 5)
        Samples.hold(given, {}, cache="memory", scale=Scale.of(2))
        assert len(passes) == 1 + 3  # two steps, two steps, one


def test_slabs_follow_chunks(monkeypatch):
    given = part({"time": (2, 2, 1)})
    monkeypatch.setattr(copying, "SLAB", given.nbytes * 3 // 5)
    assert list(slabs([given.lr, given.target])) == [slice(0, 2), slice(2, 5)]
    monkeypatch.setattr(copying, "SLAB", 1)
    assert [s.start for s in slabs([given.lr, given.target])] == [0, 2, 4]
    assert [s.stop for s in slabs([part().lr, part().target])] == [1, 2, 3, 4, 5]


def test_the_disk_is_free_again_with_the_samples(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    samples = Samples.hold(part({"time": 2}), {}, cache="disk", scale=Scale.of(2))
    if os.name == "posix":  # not even a kill leaves anything behind
        assert list(tmp_path.iterdir()) == []
    assert [a.shape for a in samples.arrays()] == [(5, 2, 3, 2), (5, 4, 6, 2)]
    del samples
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    free = type("Usage", (), {"free": 100})
    monkeypatch.setattr(copying.shutil, "disk_usage", lambda folder: free)
    expected = r"Expected 0\.0 GB of free disk for cache='disk', got 0\.0 GB in .*TMPDIR"
    with pytest.raises(OSError, match=expected):
        Samples.hold(part({"time": 2}), {}, cache="disk", scale=Scale.of(2))
    assert list(pathlib.Path(tmp_path).iterdir()) == []


def test_auto_is_memory_up_to_the_budget(caplog):
    caplog.set_level("INFO")

    def of(gigabytes):
        cells = int(gigabytes * 2**30 / 4 / 2)
        array = xr.DataArray(da.zeros((cells, 1, 1, 1), chunks=-1), dims=DIMS)
        return SampleChannels(lr=array, target=array, steps=flags(np.ones(cells, bool)))

    assert BUDGET == 2 * 2**30
    assert resolve_cache("auto", of(1.9), None) == "memory"
    assert not caplog.records
    assert resolve_cache("auto", of(1.9), of(0.2)) == "none"  # validation counts
    assert "2.3 GB of samples are read again in each epoch" in caplog.text
    for cache in ("memory", "disk", "none"):
        assert resolve_cache(cache, of(3), None) == cache

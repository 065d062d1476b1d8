import threading

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training import samples_of
from xr_dl4ds.training.batches import Batches, hints, stream
from xr_dl4ds.training.batches.hints import overhead, say_what_chunks_cost
from xr_dl4ds.training.batches.stream import blocks_of
from xr_dl4ds.training.workers import Workers


def placed(n, y, x, scale, chunks, window=None, starts=None):
    """Streamed samples whose channels are the step, HR row and HR column of each cell."""

    def channels(rows, columns, step):
        grid = np.meshgrid(
            np.arange(n), np.arange(rows) * step, np.arange(columns) * step, indexing="ij"
        )
        return np.stack(grid, axis=-1).astype("f4")

    lr, target = channels(y, x, scale), channels(scale * y, scale * x, 1)
    fine = (chunks[0], *(c * scale for c in chunks[1:]), 3)
    return samples_of(
        lr=da.from_array(lr, chunks=(*chunks, 3)),
        target=da.from_array(target, chunks=fine),
        scale=scale,
        window=window,
        starts=starts,
    )


def steps_of(batches):
    """The first step of every sample of this epoch, in order, from LR and target alike."""
    out = []
    for inputs, target, weight in (batches[i] for i in range(len(batches))):
        if not weight.any():  # a worker without a sample left
            continue
        assert (weight == 1).all()
        lr = inputs["lr"].reshape(len(target), -1, 3)[:, 0, 0]
        np.testing.assert_array_equal(lr, target.reshape(len(target), -1, 3)[:, 0, 0])
        out += lr.astype(int).tolist()
    return out


@pytest.fixture
def small_pools(monkeypatch):
    """Pools of some hundred bytes, so that there are many."""

    def set_to(size, blocks=2):
        monkeypatch.setattr(stream, "POOL", size)
        monkeypatch.setattr(stream, "BLOCKS", blocks)

    return set_to


# --- what comes -----------------------------------------------------------------------------


@given(
    n=st.integers(1, 30),
    time_chunk=st.integers(1, 12),
    space_chunk=st.integers(1, 5),
    batch_size=st.integers(1, 12),
    cells=st.sampled_from([None, 2, 4]),
    window=st.sampled_from([None, 2, 3]),
    shuffle=st.booleans(),
    pool=st.sampled_from([1, 2000, 2**27]),
)
def test_every_sample_comes_once_whatever_the_chunks(
    n, time_chunk, space_chunk, batch_size, cells, window, shuffle, pool
):
    if n < (window or 1):
        return
    before = stream.POOL
    stream.POOL = pool
    try:
        samples = placed(n, 5, 4, 2, (time_chunk, space_chunk, space_chunk), window)
        batches = Batches(
            samples,
            batch_size=batch_size,
            patch_size=None if cells is None else 2 * cells,
            shuffle=shuffle,
        )
        for _ in range(2):
            found = steps_of(batches)
            expected = list(range(n - (window or 1) + 1))
            assert (sorted(found) if shuffle else found) == expected
            batches.on_epoch_end()
        batches.close()
    finally:
        stream.POOL = before


def test_steps_without_a_value_are_left_out():
    samples = placed(9, 3, 4, 2, (4, 3, 4), starts=[0, 3, 4, 8])
    assert sorted(steps_of(Batches(samples, batch_size=3))) == [0, 3, 4, 8]


@pytest.mark.parametrize("window", [None, 3])
def test_lr_and_target_are_cut_at_one_place(window):
    samples = placed(7, 5, 6, 2, (3, 2, 4), window)
    batches = Batches(samples, batch_size=2, patch_size=6, seed=3)
    for i in range(len(batches)):
        inputs, target, _ = batches[i]
        steps = () if window is None else (3,)
        assert inputs["lr"].shape == (len(target), *steps, 3, 3, 3)
        assert target.shape == (len(target), *steps, 6, 6, 3)
        np.testing.assert_array_equal(inputs["lr"], target[..., ::2, ::2, :])
        rows = target[..., 1] - target[..., :1, :1, 1]
        np.testing.assert_array_equal(rows, np.broadcast_to(np.arange(6)[:, None], rows.shape))
        if window is not None:  # consecutive steps
            times = target[..., 0, 0, 0]
            np.testing.assert_array_equal(np.diff(times, axis=1), 1)


def test_fixed_inputs_follow_the_patch():
    samples = placed(6, 4, 5, 2, (2, 4, 5))
    rows, columns = np.meshgrid(np.arange(8), np.arange(10), indexing="ij")
    static = np.stack([rows, columns], axis=-1).astype("f4")
    fixed = {"static": static, "position": np.array([7, 9], "i4")}
    samples = samples_of(lr=samples.lr, target=samples.target, scale=2, fixed=fixed)
    inputs, target, _ = Batches(samples, batch_size=6, patch_size=4)[0]
    np.testing.assert_array_equal(inputs["static"], target[..., 1:])
    np.testing.assert_array_equal(inputs["position"], target[:, 0, 0, 1:] + [7, 9])


# --- in which order -------------------------------------------------------------------------


def test_order_and_places_follow_seed_and_epoch():
    def epoch(seed, number):
        batches = Batches(placed(20, 5, 5, 2, (4, 5, 5)), batch_size=20, patch_size=4, seed=seed)
        batches.start(number)
        return batches[0][1]

    np.testing.assert_array_equal(epoch(1, 3), epoch(1, 3))
    assert not np.array_equal(epoch(1, 3), epoch(1, 4))
    assert not np.array_equal(epoch(1, 3), epoch(2, 3))


def test_neighbours_share_a_place_and_pools_mix_blocks(small_pools):
    samples = placed(24, 6, 6, 2, (4, 6, 6))
    # a patch of 2 x 2 LR cells: 4 * 4 * (3 + 3 * 4) = 240 bytes a step, 960 a chunk
    small_pools(2 * 960)
    batches = Batches(samples, batch_size=24, patch_size=4, seed=0)
    step, row, column = batches[0][1][:, 0, 0].astype(int).T
    for chunk in range(6):  # one place for the four steps of each chunk
        mine = step // 4 == chunk
        assert len(set(zip(row[mine], column[mine], strict=True))) == 1
    for pool in range(3):  # two chunks in each pool, mixed
        chunks = step[8 * pool : 8 * (pool + 1)] // 4
        assert len(set(chunks)) == 2
        assert (np.diff(chunks) != 0).sum() > 1
    places = set(zip(row, column, strict=True))
    assert len(places) > 3


def test_every_place_is_reached():
    batches = Batches(placed(20, 5, 6, 2, (1, 5, 6)), batch_size=20, patch_size=4)
    seen = set()
    for _ in range(40):
        seen |= {tuple(int(v) for v in sample[0, 0, 1:]) for sample in batches[0][1]}
        batches.on_epoch_end()
    assert seen == {(y, x) for y in range(0, 7, 2) for x in range(0, 9, 2)}


def test_a_large_chunk_is_several_blocks(small_pools):
    samples = placed(10, 3, 3, 2, (10, 3, 3))
    small_pools(4 * samples.lr.nbytes // 10 * 5 * 4, blocks=4)
    per_step = stream.step_bytes(samples, (3, 3))
    assert per_step == 4 * 9 * (3 + 3 * 4)
    most = stream.POOL // 4 // per_step
    found = blocks_of(samples, (3, 3))
    assert [b.start for b in found[1:]] == [b.stop for b in found[:-1]]
    assert max(b.stop - b.start for b in found) <= most
    assert found[-1].stop == 10


@pytest.mark.parametrize("n", [7, 12, 25])
def test_workers_read_parts_of_their_own(n):
    size = 3
    shares = []
    for rank in range(size):
        samples = placed(n, 3, 3, 2, (4, 3, 3))
        batches = Batches(samples, batch_size=2, seed=5, share=Workers(size, rank).share)
        shares.append(steps_of(batches))
    assert sorted(step for share in shares for step in share) == list(range(n))
    assert max(len(share) for share in shares) - min(len(share) for share in shares) <= 1
    # neighbours stay together: a worker reads about its share of the chunks, not all of them
    chunks = [len({step // 4 for step in share}) for share in shares]
    assert sum(chunks) <= -(-n // 4) + 2 * size


# --- how it is read -------------------------------------------------------------------------


def test_pools_are_read_once_and_ahead(small_pools):
    samples = placed(12, 3, 3, 2, (2, 3, 3))
    reads, threads = [], set()

    def counting(block, block_info=None):
        reads.append(block_info[0]["chunk-location"][0])
        threads.add(threading.current_thread())
        return block

    counted = samples.target.map_blocks(counting, dtype="f4", meta=np.empty((0,) * 4, "f4"))
    small_pools(4 * stream.step_bytes(samples, (3, 3)))
    samples = samples_of(lr=samples.lr, target=counted, scale=2)
    batches = Batches(samples, batch_size=2)
    steps_of(batches)
    assert sorted(reads) == [0, 1, 2, 3, 4, 5]  # each chunk once in an epoch
    assert threading.main_thread() not in threads


def test_patches_read_what_they_need():
    samples = placed(2, 8, 8, 2, (1, 2, 2))
    read = []

    def counting(block, block_info=None):
        read.append(block_info[0]["chunk-location"])
        return block

    counted = samples.target.map_blocks(counting, dtype="f4", meta=np.empty((0,) * 4, "f4"))
    batches = Batches(
        samples_of(lr=samples.lr, target=counted, scale=2), batch_size=2, patch_size=4
    )
    _ = batches[0]
    assert len(set(read)) <= 2 * 4  # a patch of 2 LR cells lies in four chunks of 2 at the most
    assert len(set(read)) < 2 * 16


def test_little_is_held(small_pools):
    samples = placed(40, 3, 3, 2, (1, 3, 3))
    small_pools(4 * stream.step_bytes(samples, (3, 3)))
    batches = Batches(samples, batch_size=3)
    for i in range(len(batches)):
        _ = batches[i]
        assert len(batches._source._reading) <= 2
    batches.close()
    assert not batches._source._reading


def test_what_goes_wrong_in_reading_is_told():
    def broken(block):
        raise OSError("the disk is gone")

    samples = placed(4, 3, 3, 2, (2, 3, 3))
    target = samples.target.map_blocks(broken, dtype="f4", meta=np.empty((0,) * 4, "f4"))
    batches = Batches(samples_of(lr=samples.lr, target=target, scale=2), batch_size=2)
    with pytest.raises(OSError, match="the disk is gone"):
        _ = batches[0]
    assert isinstance(batches.error, OSError)


# --- hints ----------------------------------------------------------------------------------


def test_overhead_by_hand():
    samples = placed(8, 8, 8, 2, (4, 8, 8))
    # whole fields, one block for each of the two chunks: each cell once
    assert overhead(samples, (8, 8), 2) == 1
    # patches of 4 of 16 HR cells, from chunks of the whole field
    assert overhead(samples, (2, 2), 2) == 16
    # chunks of 4 HR cells: 4 + 4 - 1 covered along each edge
    assert overhead(placed(8, 8, 8, 2, (4, 2, 2)), (2, 2), 2) == pytest.approx((7 / 4) ** 2)
    # a chunk that is cut into three blocks is read three times
    assert overhead(samples, (8, 8), 6) == 3


def test_costly_chunks_are_told(caplog):
    samples = placed(8, 8, 8, 2, (4, 8, 8))
    say_what_chunks_cost(samples, (8, 8), 2)
    assert not caplog.records
    say_what_chunks_cost(samples, (2, 2), 2)
    (record,) = caplog.records
    assert "reads the HR data about 16 times, because samples of 4 x 4 cells" in record.getMessage()
    assert "need full chunks of (4, 16, 16) (time" in record.getMessage()
    assert "chunks of about (8, 8, 8), or pass cache='disk'" in record.getMessage()


def test_chunks_that_fill_the_memory_are_told(caplog, monkeypatch):
    monkeypatch.setattr(hints, "LARGE", 1000)
    say_what_chunks_cost(placed(8, 8, 8, 2, (4, 8, 8)), (8, 8), 2)
    assert "takes 0.0 GB of memory while" in caplog.text


def test_dask_schedulers_give_the_same():
    def epoch(scheduler):
        with dask.config.set(scheduler=scheduler):
            return Batches(placed(9, 4, 4, 2, (2, 4, 4)), batch_size=9, patch_size=4)[0][1]

    np.testing.assert_array_equal(epoch("threads"), epoch("synchronous"))

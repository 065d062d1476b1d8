import dataclasses
import gc
import itertools
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training import samples_of
from xr_dl4ds.training.batches import Batches


def numbered(n, y=3, x=4, scale=2, static=False):
    """Samples whose values are their number, in every cell of LR and target."""
    number = np.arange(n, dtype="f4").reshape(-1, 1, 1, 1)
    return samples_of(
        lr=np.broadcast_to(number, (n, y, x, 2)).copy(),
        target=np.broadcast_to(number, (n, scale * y, scale * x, 1)).copy(),
        fixed={"static": np.ones((scale * y, scale * x, 3), "f4")} if static else {},
        scale=scale,
    )


def placed(n, y, x, scale):
    """Samples whose channels are the HR row and column of each cell's first HR cell."""

    def positions(rows, columns, step):
        grid = np.meshgrid(np.arange(rows) * step, np.arange(columns) * step, indexing="ij")
        return np.stack(grid, axis=-1).astype("f4")

    high = positions(scale * y, scale * x, 1)
    return samples_of(
        lr=np.stack([positions(y, x, scale)] * n),
        target=np.stack([high] * n),
        fixed={"static": high + 1000},
        scale=scale,
    )


def numbers(batches):
    """The number of every sample of this epoch, in order, from LR and target alike."""
    out = []
    for inputs, target, weight in (batches[i] for i in range(len(batches))):
        np.testing.assert_array_equal(inputs["lr"][:, 0, 0, 0], target[:, 0, 0, 0])
        assert (weight == 1).all()
        out += inputs["lr"][:, 0, 0, 0].astype(int).tolist()
    return out


# --- order ----------------------------------------------------------------------------------


@given(
    n=st.integers(1, 40),
    batch_size=st.integers(1, 50),
    patch_size=st.sampled_from([None, 4]),
    shuffle=st.booleans(),
    seed=st.integers(0, 5),
)
def test_every_sample_comes_once_in_each_epoch(n, batch_size, patch_size, shuffle, seed):
    batches = Batches(
        numbered(n), batch_size=batch_size, patch_size=patch_size, shuffle=shuffle, seed=seed
    )
    for _ in range(3):
        sizes = [len(batches[i][1]) for i in range(len(batches))]
        assert sizes[:-1] == [batch_size] * (len(sizes) - 1)
        assert 1 <= sizes[-1] <= batch_size
        assert sorted(numbers(batches)) == list(range(n))
        batches.on_epoch_end()


def test_the_tail_is_used_and_few_samples_make_one_batch():
    # defect 9 of DL4DS: 7 samples in batches of 3 made 2 batches, and 2 samples none at all
    assert [len(Batches(numbered(7), batch_size=3)[i][1]) for i in range(3)] == [3, 3, 1]
    few = Batches(numbered(2), batch_size=3)
    assert len(few) == 1
    assert sorted(numbers(few)) == [0, 1]


def test_each_epoch_has_its_own_order():
    # defect 9 of DL4DS: samples were shuffled once, and each epoch went through the same batches
    batches = Batches(numbered(20), batch_size=4)
    orders = []
    for _ in range(3):
        orders.append(tuple(numbers(batches)))
        assert tuple(numbers(batches)) == orders[-1]  # and one only: Keras asks for a batch twice
        batches.on_epoch_end()
    assert len({*orders, tuple(range(20))}) == 4


def epochs(seed, count=2):
    batches = Batches(placed(6, 5, 5, 2), batch_size=4, patch_size=4, seed=seed)
    order = Batches(numbered(20), batch_size=20, seed=seed)
    out = []
    for _ in range(count):
        out += [batches[0][1], batches[1][1], order[0][1]]
        batches.on_epoch_end()
        order.on_epoch_end()
    return out


def test_order_and_positions_follow_the_seed():
    np.random.seed(3)  # noqa: NPY002  the global generator must not matter
    first = epochs(7)
    np.random.seed(4)  # noqa: NPY002
    for a, b in zip(first, epochs(7), strict=True):
        np.testing.assert_array_equal(a, b)
    other = epochs(8)
    assert not np.array_equal(first[2], other[2])
    assert not all(np.array_equal(a, b) for a, b in zip(first[:2], other[:2], strict=True))


def test_seed_and_epoch_are_not_added_up():
    # with a seed of `seed + epoch` the second epoch of seed 0 is the first of seed 1
    assert not np.array_equal(epochs(0)[5], epochs(1)[2])


def test_without_shuffling_the_order_stays():
    batches = Batches(numbered(7), batch_size=3, shuffle=False)
    for _ in range(2):
        assert numbers(batches) == list(range(7))
        batches.on_epoch_end()


# --- patches --------------------------------------------------------------------------------


def corners(batches):
    """First HR row and column of each patch of this epoch."""
    return [
        tuple(int(v) for v in patch[0, 0]) for i in range(len(batches)) for patch in batches[i][1]
    ]


def test_every_position_is_reached():
    # defect 10 of DL4DS: the last row and column were never in a patch.
    # 5 x 6 LR cells, patches of 2: 4 x 5 corners, every second HR cell of 0..6 and 0..8
    batches = Batches(placed(20, 5, 6, 2), batch_size=8, patch_size=4)
    seen = []
    for _ in range(50):
        seen += corners(batches)
        batches.on_epoch_end()
    expected = set(itertools.product(range(0, 7, 2), range(0, 9, 2)))
    assert set(seen) == expected
    # 1000 draws of 20 positions: 50 each, standard deviation 6.9; four of them leave 22..78
    counts = [seen.count(corner) for corner in expected]
    assert min(counts) > 22
    assert max(counts) < 78


def test_a_patch_may_be_the_field():
    # defect 10 of DL4DS: a patch as large as the field raised an error
    samples = placed(3, 4, 4, 3)
    inputs, target, _ = Batches(samples, batch_size=3, patch_size=12)[0]
    np.testing.assert_array_equal(inputs["lr"], samples.lr)
    np.testing.assert_array_equal(target, samples.target)
    np.testing.assert_array_equal(inputs["static"], np.stack([samples.fixed["static"]] * 3))


@given(
    y=st.integers(2, 6),
    x=st.integers(2, 6),
    scale=st.integers(1, 4),
    cells=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_lr_target_and_static_are_cut_at_the_same_place(y, x, scale, cells, seed):
    cells = min(cells, y, x)
    batches = Batches(placed(5, y, x, scale), batch_size=5, patch_size=cells * scale, seed=seed)
    inputs, target, weight = batches[0]
    assert inputs["lr"].shape == (5, cells, cells, 2)
    assert target.shape == weight.shape == (5, cells * scale, cells * scale, 2)
    np.testing.assert_array_equal(inputs["static"], target + 1000)
    np.testing.assert_array_equal(inputs["lr"], target[:, ::scale, ::scale])
    # one unbroken window: the positions go up by one along each axis
    steps = np.arange(cells * scale)
    rows, columns = np.meshgrid(steps, steps, indexing="ij")
    np.testing.assert_array_equal(target[..., 0] - target[:, :1, :1, 0], [rows] * 5)
    np.testing.assert_array_equal(target[..., 1] - target[:, :1, :1, 1], [columns] * 5)


def test_patches_are_drawn_for_each_sample_and_epoch():
    batches = Batches(placed(30, 9, 9, 2), batch_size=30, patch_size=4)
    first = corners(batches)
    batches.on_epoch_end()
    assert len(set(first)) > 10
    assert corners(batches) != first


# --- content --------------------------------------------------------------------------------


@pytest.mark.parametrize("patch_size", [None, 4])
@pytest.mark.parametrize("static", [True, False])
def test_shapes_dtypes_and_masks(patch_size, static):
    samples = numbered(5, static=static)
    samples.target[:, ::2] = np.nan
    before = dataclasses.replace(samples, lr=samples.lr.copy(), target=samples.target.copy())
    inputs, target, weight = Batches(samples, batch_size=2, patch_size=patch_size)[0]
    y, x = (2, 2) if patch_size else (3, 4)
    assert set(inputs) == ({"lr", "static"} if static else {"lr"})
    assert inputs["lr"].shape == (2, y, x, 2)
    assert target.shape == weight.shape == (2, 2 * y, 2 * x, 1)
    assert inputs["lr"].dtype == target.dtype == weight.dtype == np.float32
    if static:
        assert inputs["static"].shape == (2, 2 * y, 2 * x, 3)
        assert inputs["static"].dtype == np.float32
    np.testing.assert_array_equal(target[:, ::2], 0)
    np.testing.assert_array_equal(weight[:, ::2], 0)
    np.testing.assert_array_equal(weight[:, 1::2], 1)
    np.testing.assert_array_equal(target[:, 1::2, :, 0], inputs["lr"].repeat(2, 2)[..., 0])
    np.testing.assert_array_equal(samples.lr, before.lr)
    np.testing.assert_array_equal(samples.target, before.target)


# --- dataset --------------------------------------------------------------------------------


def test_a_dataset_has_the_batches_of_the_present_epoch():
    batches = Batches(numbered(7, static=True), batch_size=3)
    data = batches.dataset()
    assert int(data.cardinality()) == 3

    def passed():
        return [int(v) for _, target, _ in data for v in target[:, 0, 0, 0]]

    first = numbers(batches)
    assert passed() == first
    assert passed() == first
    batches.on_epoch_end()
    assert passed() == numbers(batches) != first
    inputs, target, weight = next(iter(data))
    assert set(inputs) == {"lr", "static"}
    assert target.shape == weight.shape == (3, 6, 8, 1)


def test_an_epoch_ends_with_its_last_batch():
    """tf.data's self-tuning would let it wait for the thread that does so."""
    assert Batches(numbered(4), batch_size=2).dataset().options().autotune.enabled is False


def test_samples_last_as_long_as_what_reads_them():
    """TensorFlow keeps generators, and what they hold, as long as the process."""
    batches = Batches(numbered(4), batch_size=2)
    alive = weakref.ref(batches)
    data = batches.dataset()
    del batches
    assert len(list(data)) == 2
    reading = iter(data.map(lambda *batch: batch[1]))
    del data
    gc.collect()
    assert next(reading).shape == (2, 6, 8, 1)
    del reading
    gc.collect()
    assert alive() is None

"""Samples in other orientations: all their fields alike, and the same ones whoever reads them."""

import itertools

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from tests.training import samples_of
from xr_dl4ds.config import Scale
from xr_dl4ds.data.augmentation import AS_GIVEN, ORIENTATIONS, Orientation
from xr_dl4ds.training.batches import Batches, Samples, Share
from xr_dl4ds.training.batches.copying import to_disk
from xr_dl4ds.training.batches.turning import Turns, turn, turned

FIELD = np.array([[1, 2], [3, 4]], "f4")[..., None]

#: Worked by hand: for each orientation (flip y, flip x, transpose), the field 1 2 / 3 4.
BY_HAND = {
    (False, False, False): [[1, 2], [3, 4]],
    (False, True, False): [[2, 1], [4, 3]],
    (True, False, False): [[3, 4], [1, 2]],
    (True, True, False): [[4, 3], [2, 1]],
    (False, False, True): [[1, 3], [2, 4]],
    (False, True, True): [[3, 1], [4, 2]],
    (True, False, True): [[2, 4], [1, 3]],
    (True, True, True): [[4, 2], [3, 1]],
}


@pytest.mark.parametrize("how", BY_HAND, ids=str)
def test_orientations_by_hand(how):
    np.testing.assert_array_equal(turned(FIELD, Orientation(*how))[..., 0], BY_HAND[how])


def reference(field, orientation):
    """The same by loops over cells: ``(y, x, channel)``."""
    y, x, n = field.shape
    if orientation.transpose:
        y, x = x, y
    out = np.empty((y, x, n), field.dtype)
    for i, j in itertools.product(range(y), range(x)):
        a = y - 1 - i if orientation.flip_y else i
        b = x - 1 - j if orientation.flip_x else j
        out[i, j] = field[b, a] if orientation.transpose else field[a, b]
    return out


@pytest.mark.parametrize("orientation", ORIENTATIONS["all"], ids=str)
@pytest.mark.parametrize("window", [None, 3])
def test_batches_are_turned_in_place_as_by_loops(orientation, window):
    shape = (2, 4, 4, 3) if window is None else (2, window, 4, 4, 3)
    batch = np.random.default_rng(0).normal(size=shape).astype("f4")
    fields = batch.reshape(-1, *shape[-3:])
    expected = np.stack([reference(field, orientation) for field in fields]).reshape(shape)
    expected[0] = batch[0]
    turn(batch, [AS_GIVEN, orientation])
    np.testing.assert_array_equal(batch, expected)


# --- batches ------------------------------------------------------------------------------------


def placed(n=12, y=4, x=4, scale=2, window=None, context=0, guess=False, array=np.asarray):
    """Samples whose channels are the number of the step, and HR row and column of each cell."""

    def channels(rows, columns, step, around=0):
        first = -around * step
        axes = [np.arange(n), *(first + step * np.arange(m) for m in (rows, columns))]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).astype("f4")

    lr = channels(y + 2 * context, x + 2 * context, scale, context)
    target = channels(scale * y, scale * x, 1)
    fixed = {"static": target[0] + 1000, "valid": target[0, ..., :1] + 2000}
    if guess:
        target = np.concatenate([target, target + 5000], axis=-1)
    plain = samples_of(lr, target, scale=scale, fixed=fixed, window=window)
    return Samples(
        lr=array(lr),
        target=array(target),
        scale=Scale.of(scale),
        fixed=fixed,
        window=window,
        starts=plain.starts,
        without_gaps=plain.without_gaps,
        guesses=3 if guess else 0,
    )


def orientation_of(field):
    """How a field of rows and columns ``(y, x, 2)`` is turned."""
    down, right = field[1, 0] - field[0, 0], field[0, 1] - field[0, 0]
    transpose = down[0] == 0
    signs = (down[1], right[0]) if transpose else (down[0], right[1])
    return Orientation(bool(signs[0] < 0), bool(signs[1] < 0), bool(transpose))


def epoch_of(batches):
    """First step and orientation of each sample of an epoch, from all its fields alike."""
    found = []
    for inputs, target, weight in (batches[i] for i in range(len(batches))):
        for k in range(len(target)):
            if not weight[k].any():  # a worker without a sample left
                continue
            step = int(target[k].reshape(-1, target.shape[-1])[0, 0])
            fields = [one[k].reshape(-1, *one.shape[-3:]) for one in (inputs["lr"], target)]
            if "guess" in inputs:
                fields.append(inputs["guess"][k].reshape(-1, *inputs["guess"].shape[-3:]) - 5000)
            steps = [field[..., 1:] for one in fields for field in one]
            steps.append(inputs["static"][k][..., 1:] - 1000)
            assert len({orientation_of(field) for field in steps}) == 1
            np.testing.assert_array_equal(steps[-1], steps[len(fields[0])])  # static and target
            np.testing.assert_array_equal(inputs["valid"][k], inputs["static"][k][..., :1] + 1000)
            found.append((step, orientation_of(steps[0])))
    return found


@pytest.mark.parametrize("patch_size", [None, 4])
@pytest.mark.parametrize("window", [None, 2])
@pytest.mark.parametrize("guess", [False, True])
@pytest.mark.parametrize("context", [0, 1])
def test_all_fields_of_a_sample_have_one_orientation(patch_size, window, guess, context):
    samples = placed(60, window=window, guess=guess, context=context)
    batches = Batches(
        samples, batch_size=7, patch_size=patch_size, orientations=ORIENTATIONS["all"]
    )
    found = epoch_of(batches)
    assert sorted(step for step, _ in found) == samples.starts.tolist()
    assert {one for _, one in found} == set(ORIENTATIONS["all"])  # each of 8 in about 60 draws


def test_lr_and_target_stay_over_each_other():
    # the LR row and column of a block of 2 x 2 HR cells, whatever the orientation
    batches = Batches(placed(), batch_size=12, patch_size=4, orientations=ORIENTATIONS["all"])
    inputs, target, _ = batches[0]
    blocks = target[..., 1:].reshape(12, 2, 2, 2, 2, 2).min(axis=(2, 4))
    np.testing.assert_array_equal(inputs["lr"][..., 1:], blocks)


@pytest.mark.parametrize("allowed", ["flip_x", "flips", "all"])
def test_orientations_are_equally_likely_and_drawn_anew_in_each_epoch(allowed):
    turns = Turns(ORIENTATIONS[allowed], 4000)
    numbers, epochs = np.arange(4000), []
    for epoch in range(2):
        turns.draw(0, epoch)
        epochs.append(turns.of(numbers))
        expected = 4000 / len(ORIENTATIONS[allowed])
        counts = [epochs[-1].count(one) for one in ORIENTATIONS[allowed]]
        # four standard deviations of a binomial number, at most
        np.testing.assert_allclose(counts, expected, atol=4 * np.sqrt(expected))
    agree = np.mean([a == b for a, b in zip(*epochs, strict=True)])
    assert abs(agree - 1 / len(ORIENTATIONS[allowed])) < 0.04
    turns.draw(1, 1)
    assert turns.of(numbers) != epochs[1]


def in_chunks(array):
    return da.from_array(array, chunks=(5, 2, 2, -1))


def on_disk(array):
    return to_disk([xr.DataArray(array, dims=("time", "y", "x", "channel"))])[0]


@pytest.mark.parametrize("array", [in_chunks, on_disk], ids=["streamed", "on disk"])
@pytest.mark.parametrize("window", [None, 2])
def test_a_sample_has_the_same_orientation_wherever_it_is_held(array, window):
    given = {"batch_size": 5, "seed": 3, "orientations": ORIENTATIONS["all"]}
    memory, other = (
        Batches(placed(30, window=window, array=one), **given) for one in (np.asarray, array)
    )
    for _ in range(2):
        assert dict(epoch_of(memory)) == dict(epoch_of(other))
        memory.on_epoch_end()
        other.on_epoch_end()


@given(size=st.integers(1, 5), batch=st.integers(1, 6), seed=st.integers(0, 3))
def test_workers_see_the_orientations_of_one_worker(size, batch, seed):
    given = {"seed": seed, "orientations": ORIENTATIONS["all"], "batch_size": batch}
    alone = Batches(placed(14), **given)
    every = [Batches(placed(14), share=Share(size, rank), **given) for rank in range(size)]
    for one in (alone, *every):
        one.start(2)
    parts = [pair for one in every for pair in epoch_of(one)]
    assert sorted(parts, key=str) == sorted(epoch_of(alone), key=str)


def test_an_epoch_does_not_depend_on_earlier_ones():
    given = {"batch_size": 5, "orientations": ORIENTATIONS["all"], "patch_size": 4}
    whole, resumed = Batches(placed(), **given), Batches(placed(), **given)
    for _ in range(3):
        whole.on_epoch_end()
    resumed.start(3)
    assert epoch_of(whole) == epoch_of(resumed)


@pytest.mark.parametrize("array", [np.asarray, in_chunks], ids=["memory", "streamed"])
def test_order_and_places_do_not_depend_on_the_orientations(array):
    given = {"batch_size": 5, "patch_size": 4, "seed": 1}
    plain = Batches(placed(array=array), **given)
    flipped = Batches(placed(array=array), orientations=ORIENTATIONS["flips"], **given)
    for i in range(len(plain)):
        for one, other in zip(plain[i][1], flipped[i][1], strict=True):
            np.testing.assert_array_equal(
                np.unique(one.reshape(-1, 3), axis=0), np.unique(other.reshape(-1, 3), axis=0)
            )


def test_masked_cells_turn_along():
    samples = placed()
    samples.target[:, 0, 1] = np.nan
    batches = Batches(samples, batch_size=12, orientations=ORIENTATIONS["all"])
    inputs, target, weight = batches[0]
    masked = (inputs["static"][..., 1:] == [1000, 1001]).all(axis=-1)
    np.testing.assert_array_equal(weight == 0, np.stack([masked] * 3, axis=-1))
    assert (target[masked] == 0).all()
    assert np.isfinite(target).all()


def test_samples_are_not_changed():
    samples = placed()
    before = samples.lr.copy(), samples.target.copy(), samples.fixed["static"].copy()
    batches = Batches(samples, batch_size=5, orientations=ORIENTATIONS["all"])
    for i in range(len(batches)):
        batches[i]
    now = samples.lr, samples.target, samples.fixed["static"]
    for array, copy in zip(now, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_a_dataset_has_the_turned_batches():
    batches = Batches(placed(window=2), batch_size=4, orientations=ORIENTATIONS["all"])
    expected = [batches[i] for i in range(len(batches))]
    for (inputs, target, weight), other in zip(batches.dataset(), expected, strict=True):
        for name, x in inputs.items():
            np.testing.assert_array_equal(x, other[0][name])
        np.testing.assert_array_equal(target, other[1])
        np.testing.assert_array_equal(weight, other[2])

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training import toy
from xr_dl4ds.training.batches import Batches, Share

SIZES = {"n": st.integers(1, 60), "size": st.integers(1, 9), "batch": st.integers(1, 7)}


def shares(size):
    return [Share(size, rank) for rank in range(size)]


@given(**SIZES)
def test_shares_are_disjoint_and_complete_and_have_room_in_their_batches(n, size, batch):
    for parts in (
        [one.dealt(n) for one in shares(size)],
        [one.together(n) for one in shares(size)],
        [one.in_batches(n, batch) for one in shares(size)],
    ):
        assert sorted(np.concatenate(parts).tolist()) == list(range(n))
        steps = Share(size, 0).steps(n, batch)
        assert max(len(part) for part in parts) <= steps * batch
        assert steps == max(-(-len(part) // batch) for part in parts)


def test_by_hand():
    assert [one.dealt(5).tolist() for one in shares(3)] == [[0, 3], [1, 4], [2]]
    assert [one.together(5).tolist() for one in shares(3)] == [[0, 1], [2, 3], [4]]
    assert [one.in_batches(5, 2).tolist() for one in shares(3)] == [[0, 1], [2, 3], [4]]
    assert [one.in_batches(5, 3).tolist() for one in shares(3)] == [[0, 1, 2], [3, 4], []]


@given(**SIZES)
def test_dealt_batches_of_a_step_are_one_batch_of_one_worker(n, size, batch):
    order = np.random.default_rng(n).permutation(n)
    for step in range(Share(size).steps(n, batch)):
        own = slice(step * batch, (step + 1) * batch)
        found = np.concatenate([order[one.dealt(n)][own] for one in shares(size)])
        expected = order[step * batch * size : (step + 1) * batch * size]
        assert sorted(found) == sorted(expected)


def first_cells(batches):
    """The first LR value of the samples of each batch, which tells them apart."""
    found = []
    for inputs, _, weight in (batches[i] for i in range(len(batches))):
        found.append(inputs["lr"][weight.reshape(len(weight), -1).any(axis=1), 0, 0, 0])
    return found


@pytest.mark.parametrize("patch_size", [None, 4])
@pytest.mark.parametrize("static", [False, True])
def test_every_worker_has_as_many_batches_and_no_sample_comes_twice(patch_size, static):
    # 21 samples for 4 workers in batches of 5: the last has none in the second step
    samples = toy(21, static=static)
    every = [Batches(samples, batch_size=5, patch_size=patch_size, share=one) for one in shares(4)]
    alone = Batches(samples, batch_size=20, patch_size=patch_size)
    for _ in range(2):
        assert [len(one) for one in every] == [2] * 4
        parts = [first_cells(one) for one in every]
        assert [[len(b) for b in part] for part in parts] == [[5, 1], [5, 0], [5, 0], [5, 0]]
        for step, expected in enumerate(first_cells(alone)):
            found = np.concatenate([part[step] for part in parts])
            np.testing.assert_array_equal(np.sort(found), np.sort(expected))
        for one in (alone, *every):
            one.on_epoch_end()


def test_a_batch_of_no_sample_has_the_shapes_of_others_and_no_valid_cell():
    batches = Batches(toy(3, static=True), batch_size=1, patch_size=4, share=Share(2, 1))
    (inputs, target, weight), (nothing, no_target, no_weight) = batches[0], batches[1]
    assert {n: x.shape for n, x in inputs.items()} == {n: x.shape for n, x in nothing.items()}
    assert target.shape == weight.shape == no_target.shape == no_weight.shape
    assert not no_weight.any()
    assert not no_target.any()
    for x in nothing.values():
        assert np.isfinite(x).all()


def test_validation_is_cut_into_the_batches_of_one_worker():
    samples = toy(11)
    alone = first_cells(Batches(samples, batch_size=3, shuffle=False))
    found = [
        part
        for one in shares(3)
        for part in first_cells(Batches(samples, batch_size=3, shuffle=False, share=one))
    ]
    for actual, expected in zip(found, [*alone, [], []], strict=True):
        np.testing.assert_array_equal(actual, expected)

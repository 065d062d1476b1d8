import collections
import dataclasses
import os
import pathlib
import sys

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training import compete, constant, fit, judge, line, tiny, toy
from tests.training.test_adversarial import judge_of_value, weight_of
from xr_dl4ds.config import Sampling, Supervised
from xr_dl4ds.training import loop
from xr_dl4ds.training.step import Step
from xr_dl4ds.training.workers import ALONE, LAUNCHED, Workers

ROOT = pathlib.Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Pretended(Workers):
    """Workers without Horovod: the others bring gradients that make the mean `factor` times ours.

    `told` collects the values of the variables that are broadcast.
    """

    factor: float = 1.0
    told: list = dataclasses.field(default_factory=list)

    def average(self, tensors):
        return [None if x is None else self.factor * x for x in tensors]

    def broadcast(self, variables):
        self.told.append([np.asarray(v) for v in variables])


@pytest.fixture
def pretend(monkeypatch):
    """Makes training believe that it has such company."""

    def among(*args, **kwargs):
        workers = Pretended(*args, **kwargs)
        monkeypatch.setattr(Workers, "current", lambda: workers)
        return workers

    return among


# --- who is there ---------------------------------------------------------------------------


def test_alone_without_a_launcher(monkeypatch):
    monkeypatch.delenv(LAUNCHED, raising=False)
    monkeypatch.setitem(sys.modules, "horovod", None)  # an import fails
    assert Workers.current() == ALONE == Workers(size=1, rank=0)


def test_missing_horovod_is_told_with_its_cure(monkeypatch):
    monkeypatch.setenv(LAUNCHED, "2")
    monkeypatch.setitem(sys.modules, "horovod", None)
    message = r"Expected Horovod with TensorFlow in a process of HOROVOD_SIZE=2, got: .*\. Install"
    with pytest.raises(ImportError, match=message):
        fit(line(), constant(1, 3))


def test_alone_nothing_changes(monkeypatch):
    monkeypatch.setitem(sys.modules, "horovod", None)
    gradients = [tf.constant(1.0), None]
    variable = tf.Variable(2.0)
    assert ALONE.average(gradients) is gradients
    ALONE.broadcast([variable])
    assert variable.numpy() == 2
    assert ALONE.rates((0.1, 0.3)) == (0.1, 0.3)
    np.testing.assert_array_equal(ALONE.share(np.array([2, 0, 1])), [2, 0, 1])


# --- shares ---------------------------------------------------------------------------------


@settings(deadline=None)
@given(n=st.integers(1, 40), size=st.integers(1, 9), seed=st.integers(0, 5))
def test_shares_are_disjoint_complete_and_of_one_length(n, size, seed):
    order = np.random.default_rng(seed).permutation(n)
    shares = [Workers(size, rank).share(order) for rank in range(size)]
    assert len({len(share) for share in shares}) == 1
    taken = collections.Counter(np.concatenate(shares).tolist())
    assert set(taken) == set(range(n))
    again = sum(taken.values()) - n
    assert again == -n % size < size
    if n % size == 0:
        assert max(taken.values()) == 1


def test_share_by_hand():
    order = np.array([4, 1, 0, 3, 2])
    shares = [Workers(3, rank).share(order).tolist() for rank in range(3)]
    assert shares == [[4, 3], [1, 2], [0, 4]]  # the first one twice


@pytest.mark.parametrize("patch_size", [None, 4])
def test_batches_are_of_one_worker(patch_size):
    # 21 samples for 4 workers: 6 for each, in batches of 4 and 2. DL4DS makes them of 16
    sampling = Sampling(batch_size=4, patch_size=patch_size)
    samples = toy(21)
    seen = []
    for rank in range(4):
        batches = loop._batches(samples, sampling, Workers(4, rank))
        for epoch in range(2):
            found = [batches[i] for i in range(len(batches))]
            assert [len(target) for _, target, _ in found] == [4, 2]
            seen.append((epoch, found))
            batches.on_epoch_end()
    # in every epoch the workers together have what one alone has, and 3 twice
    alone = loop._batches(samples, sampling, ALONE)
    for epoch in range(2):
        inputs = np.concatenate([b[0]["lr"] for e, f in seen if e == epoch for b in f])
        expected = np.concatenate([alone[i][0]["lr"] for i in range(len(alone))])
        assert len(inputs) == 24
        np.testing.assert_array_equal(np.unique(inputs, axis=0), np.unique(expected, axis=0))
        alone.on_epoch_end()


# --- what training does with them -----------------------------------------------------------


def test_learning_rate_is_scaled(pretend):
    pretend(4, 1)
    options = {"learning_rate": (0.01, 0.002), "lr_decay_after": 1}
    history = fit(line(), constant(1, 3, n=8), epochs=2, **options).history
    np.testing.assert_allclose(history["learning_rate"], [0.04, 0.008], rtol=1e-6)


def test_both_learning_rates_are_scaled(pretend):
    pretend(4, 1)
    history = compete(
        line(),
        judge_of_value(),
        constant(1, 3, n=8),
        noise_channels=0,
        learning_rates=((0.01, 0.002), (0.03, 0.001)),
        lr_decay_after=1,
    ).history
    np.testing.assert_allclose(history["learning_rate"], [0.04, 0.008], rtol=1e-6)
    np.testing.assert_allclose(history["discriminator_learning_rate"], [0.12, 0.004], rtol=1e-6)


def test_optimizers_are_built_with_scaled_rates():
    training = Supervised(learning_rate=0.01)
    optimizer = loop._optimizer(training, line(), 0, Workers(4, 1))
    np.testing.assert_allclose(float(optimizer.learning_rate), 0.04, rtol=1e-6)


def test_mean_gradient_moves_the_weights(pretend):
    # d mse / dw = 2 (1 - 3) = -4 here, -2 in the mean of both workers; rate 2 x 0.1
    pretend(2, 1, factor=0.5)
    network = line()
    fit(network, constant(1, 3), epochs=1, optimizer="sgd", loss="mse", learning_rate=0.1)
    np.testing.assert_allclose(weight_of(network), 1 + 0.2 * 2, rtol=1e-5)


def test_mean_gradients_move_both_networks(pretend):
    # slopes -0.5 and 0.5 as in test_adversarial, here a quarter of them at twice the rate
    pretend(2, 1, factor=0.25)
    network, against = line(), judge_of_value()
    compete(
        network,
        against,
        constant(1, 3),
        epochs=1,
        loss="hinge",
        pixel_weight=0,
        noise_channels=0,
        optimizer="sgd",
        learning_rate=0.1,
    )
    np.testing.assert_allclose(weight_of(network), 1 + 0.2 * 0.125, rtol=1e-5)
    np.testing.assert_allclose(weight_of(against), 0.5 - 0.2 * 0.125, rtol=1e-5)


def test_all_state_is_broadcast_once_before_the_first_step(pretend):
    workers = pretend(2, 1)
    network, against = tiny(dropout="vanilla"), judge()
    before = [w for n in (network, against) for w in n.get_weights()]
    compete(network, against, toy(4), noise_channels=0, learning_rate=0.1)
    (told,) = workers.told
    found = [v for v in told if v.dtype == np.float32 and v.shape]
    for expected in before:
        assert any(np.array_equal(expected, v) for v in found)
    # and of each optimizer its count of steps, its rate and two moments of each weight
    moving = len(network.trainable_variables) + len(against.trainable_variables)
    assert len(told) == len(network.variables) + len(against.variables) + 2 * 2 + 2 * moving


@pytest.mark.parametrize("rank", [0, 1])
def test_only_the_first_shows_the_bar(pretend, capsys, rank):
    pretend(2, rank)
    fit(line(), constant(1, 3), epochs=1, verbose=True)
    assert ("epoch" in capsys.readouterr().err) == (rank == 0)


def keys(workers, training):
    """Noise keys of three batches."""
    step = Step(line(), None, Supervised(loss="crps"), 7, "step", workers)
    step.compile(optimizer="sgd")
    step.optimizer.build(step.network.trainable_variables)
    found = []
    for _ in range(3):
        found.append(tuple(step._noise_key(training).numpy().tolist()))
        step.optimizer.iterations.assign_add(1)
        step.batch_number.update_state(1)
    return found


def test_noise_of_training_differs_between_workers():
    assert keys(ALONE, True) == [(7, 0), (7, 1), (7, 2)]
    drawn = [key for rank in range(3) for key in keys(Workers(3, rank), True)]
    assert len(set(drawn)) == 9


def test_noise_of_validation_is_that_of_one_alone():
    expected = keys(ALONE, False)
    assert len(set(expected)) == 3
    assert keys(Workers(3, 2), False) == expected


def test_dropout_differs_between_workers(pretend):
    found = []
    for rank in range(3):
        pretend(3, rank)
        network = tiny(dropout="vanilla")
        fit(network, toy(3), epochs=1)
        seeds = [v for v in network.variables if "seed" in v.path]
        assert seeds
        found.append(np.stack([np.asarray(v) for v in seeds]))
    for rank in range(3):  # seed and number of calls
        np.testing.assert_array_equal(found[rank] - found[0], [[rank, 0]] * len(found[0]))


# --- two processes --------------------------------------------------------------------------

#: Batches of 3 on two workers are those of 6 on one, at the rate that two make of 0.01.
EPOCHS, N = 3, 12
SGD = {"optimizer": "sgd", "epochs": EPOCHS}


def spied(monkeypatch, seen):
    """Note the first value of every sample that is trained with."""
    original = Step.generate

    def generate(self, inputs, target, *, training):
        if training:
            first = inputs["lr"][:, 0, 0, 0]
            tf.py_function(lambda x: seen.extend(x.numpy().tolist()), [first], [])
        return original(self, inputs, target, training=training)

    monkeypatch.setattr(Step, "generate", generate)


def trained(kind, size=1, seed=1, n=N, **options):
    """Weights, history and samples of a training with batches that make 6 for all workers."""
    given = {"sampling": {"batch_size": 6 // size}, "learning_rate": 0.02 / size, **SGD, **options}
    features = {"precision": given.get("precision", "float32"), **given.pop("network", {})}
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        spied(patch, seen)
        networks = [tiny(seed=seed, n_noise=given.get("noise_channels", 0), **features)]
        if kind == "supervised":
            found = fit(*networks, toy(n), toy(3, seed=4), loss="mse", **given)
        else:
            networks.append(judge(seed=seed, precision=features["precision"]))
            found = compete(*networks, toy(n), toy(3, seed=4), pixel_weight=1, **given)
    weights = [w for network in networks for w in network.get_weights()]
    return {
        "weights": weights,
        "history": {name: v.to_numpy() for name, v in found.history.items()},
        "best_epoch": found.best_epoch,
        "seen": seen,
    }


CASES = {
    "supervised": ("supervised", {}),
    "adversarial": ("adversarial", {"noise_channels": 0}),
    # what each worker has for itself: dropout, noise, statistics of batches; and 11 samples
    "supervised, of its own": (
        "supervised",
        {"n": 11, "optimizer": "adam", "network": {"dropout": "vanilla", "normalization": "batch"}},
    ),
    "adversarial, of its own": (
        "adversarial",
        {"n": 11, "optimizer": "adam", "noise_channels": 2, "precision": "mixed_float16"},
    ),
}


def all_cases():
    """What a worker has after each case; the networks begin with other weights on each."""
    rank = int(os.environ["HOROVOD_RANK"])
    return {
        name: trained(kind, size=2, seed=1 + rank, **options)
        for name, (kind, options) in CASES.items()
    }


@pytest.fixture(scope="module")
def ranks():
    """The results of two workers."""
    pytest.importorskip("horovod.tensorflow", reason="Horovod is not installed")
    import horovod

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        return horovod.run(all_cases, num_proc=2, use_gloo=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_two_processes_have_one_network(ranks, name):
    one, other = (results[name] for results in ranks)
    assert len(one["weights"]) == len(other["weights"])
    for a, b in zip(one["weights"], other["weights"], strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(one["history"]["val_loss"], other["history"]["val_loss"])
    assert one["best_epoch"] == other["best_epoch"]


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_two_processes_see_each_sample_once_an_epoch(ranks, name):
    n = CASES[name][1].get("n", N)
    expected = toy(n).lr[:, 0, 0, 0]
    each = -(-n // 2)
    for epoch in range(EPOCHS):
        own = slice(epoch * each, (epoch + 1) * each)
        seen = [results[name]["seen"][own] for results in ranks]
        assert [len(s) for s in seen] == [each, each]
        np.testing.assert_array_equal(np.unique(seen), np.unique(expected))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_two_processes_double_the_learning_rates(ranks, name):
    rates = {"learning_rate"}
    rates |= {"discriminator_learning_rate"} if name.startswith("adversarial") else set()
    for results in ranks:
        history = results[name]["history"]
        assert {key for key in history if key.endswith("rate")} == rates
        for rate in rates:
            np.testing.assert_allclose(history[rate], 0.02, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["supervised", "adversarial"])
def test_two_processes_train_as_one_with_their_batches(ranks, kind):
    expected = trained(kind, **CASES[kind][1])
    for actual, weight in zip(ranks[0][kind]["weights"], expected["weights"], strict=True):
        np.testing.assert_allclose(actual, weight, rtol=1e-4, atol=1e-6)
    begun = trained(kind, **{**CASES[kind][1], "epochs": 1, "learning_rate": 1e-30})["weights"]
    moved = [abs(a - b).max() for a, b in zip(begun, expected["weights"], strict=True)]
    assert max(moved) > 1e-2  # or all of it would prove nothing

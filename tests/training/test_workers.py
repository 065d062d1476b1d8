import copyreg
import dataclasses
import os
import pathlib
import pickle
import sys
import types

import cloudpickle
import dask.array as da
import numpy as np
import pytest
import tensorflow as tf

from tests.training import compete, constant, fit, flow, flowing, judge, line, tiny, toy
from tests.training.test_adversarial import judge_of_value, weight_of
from xr_dl4ds.config import Supervised
from xr_dl4ds.exceptions import LostWorkerError, TrainingError
from xr_dl4ds.processes import LAUNCHERS, is_first
from xr_dl4ds.training.adversarial import AdversarialStep
from xr_dl4ds.training.batches import Share
from xr_dl4ds.training.flow_step import FlowStep
from xr_dl4ds.training.step import Step
from xr_dl4ds.training.supervised import SupervisedStep
from xr_dl4ds.training.workers import (
    ALONE,
    Workers,
    compute_on_first_worker,
    explain_lost_workers,
    portable,
)

ROOT = pathlib.Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Pretended(Workers):
    """Workers without Horovod: the others bring gradients that make the mean `factor` times ours.

    Their batches have as many cells and the same loss. `told` collects the values of the variables
    that are broadcast.
    """

    factor: float = 1.0
    told: list = dataclasses.field(default_factory=list)

    def average(self, tensors, *, compression=None):
        return [x if x is None or x.shape == () else self.factor * x for x in tensors]

    def once(self, make):
        return make()

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
    monkeypatch.delenv("HOROVOD_SIZE", raising=False)
    monkeypatch.setitem(sys.modules, "horovod", None)  # an import fails
    assert Workers.current() == ALONE == Workers(size=1, rank=0)


def test_missing_horovod_is_told_with_its_cure(monkeypatch):
    monkeypatch.setenv("HOROVOD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "horovod", None)
    message = (
        r"Expected Horovod with TensorFlow in a process of HOROVOD_SIZE=2, got: .*\. Build .* by"
        r" `make horovod` .*, or start the program without horovodrun\."
    )
    with pytest.raises(ImportError, match=message):
        fit(line(), constant(1, 3))


class Fake:
    """What Horovod answers one of two processes."""

    def __init__(self, rank, with_mpi, told=None):
        self.rank, self.with_mpi, self.told = lambda: rank, with_mpi, told
        self.begun = 0

    def init(self):
        self.begun += 1

    def size(self):
        return 2

    local_size = size

    def local_rank(self):
        return self.rank()

    def mpi_built(self):
        return self.with_mpi

    def broadcast_object(self, value, root_rank, name):
        assert root_rank == 0
        if self.rank() == 0:
            self.told = value
        return self.told


@pytest.fixture
def horovod(monkeypatch):
    """Makes `import horovod.tensorflow` give such a one."""
    monkeypatch.setattr("xr_dl4ds.training.workers.pin", lambda rank, size: None)
    monkeypatch.setattr("xr_dl4ds.processes._joined", [])

    def put(*args, **kwargs):
        fake = Fake(*args, **kwargs)
        package = types.ModuleType("horovod")
        package.tensorflow = fake
        monkeypatch.setitem(sys.modules, "horovod", package)
        monkeypatch.setitem(sys.modules, "horovod.tensorflow", fake)
        return fake

    return put


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    ("variable", "with_mpi"), [("HOROVOD_SIZE", False), ("OMPI_COMM_WORLD_SIZE", True)]
)
def test_one_of_two(monkeypatch, horovod, variable, with_mpi, rank):
    monkeypatch.setenv(variable, "2")
    monkeypatch.setenv(dict(LAUNCHERS)[variable], str(rank))
    fake = horovod(rank, with_mpi)
    assert Workers.current() == Workers(2, rank)
    assert fake.begun == 1
    assert is_first() == (rank == 0)
    assert Workers(2, rank).share == Share(2, rank)


def test_processes_of_mpi_do_not_train_each_for_itself(monkeypatch, horovod):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    fake = horovod(0, False)
    message = (
        r"Expected Horovod with MPI in a process of OMPI_COMM_WORLD_SIZE=2, got Horovod without MPI"
        r": each process would train a separate model\. Start the processes by horovodrun --gloo"
    )
    with pytest.raises(ImportError, match=message):
        Workers.current()
    assert fake.begun == 0
    monkeypatch.setitem(sys.modules, "horovod", None)
    with pytest.raises(ImportError, match=r"or start the program without mpirun\."):
        Workers.current()


def test_once_is_made_by_the_first(horovod):
    fake, made = horovod(0, False), []
    assert Workers(2, 0).once(lambda: made.append(1) or "made") == "made"
    fake.rank = lambda: 1
    assert Workers(2, 1).once(lambda: made.append(2)) == "made"
    assert made == [1]


@pytest.mark.parametrize("rank", [0, 1])
def test_what_fails_once_fails_on_all(horovod, rank):
    def wrong():
        raise ValueError("Expected another")

    horovod(rank, False, told=(None, ValueError("Expected another")))
    with pytest.raises(ValueError, match="Expected another"):
        Workers(2, rank).once(wrong)


def test_workers_that_would_train_something_else_are_told(horovod):
    horovod(1, False, told=([3, 4], None))
    Workers(2, 1).require_same("samples", [3, 4])
    message = (
        r"Expected equal samples on all 2 workers, got \[3, 5\] on worker 1 and \[3, 4\] on"
        r" worker 0\. Pass equal data"
    )
    with pytest.raises(TrainingError, match=message):
        Workers(2, 1).require_same("samples", [3, 5])


@pytest.mark.parametrize("rank", [0, 1])
def test_dask_computes_once(horovod, rank):
    fake, computed = horovod(0, False), []

    def noted(block):
        computed.append(block.size)
        return block + 1

    lazy = da.zeros(6, chunks=3).map_blocks(noted, meta=np.empty(0))
    with compute_on_first_worker(Workers(2, 0)):
        first = lazy.compute()
    computed.clear()
    fake.rank = lambda: 1
    with compute_on_first_worker(Workers(2, rank)):
        np.testing.assert_array_equal(lazy.compute(), first)
    assert computed == ([3, 3] if rank == 0 else [])
    computed.clear()
    assert lazy.compute().tolist() == [1] * 6  # as ever after it
    assert computed == [3, 3]


def test_a_task_may_compute_itself(horovod):
    fake = horovod(0, False)
    sent, tell = [], fake.broadcast_object
    fake.broadcast_object = lambda value, **how: sent.append(value) or tell(value, **how)

    def nested(block):
        return block + int(da.ones(3, chunks=1).sum().compute())

    lazy = da.zeros(4, chunks=2).map_blocks(nested, meta=np.empty(0))
    with compute_on_first_worker(Workers(2, 0)):
        np.testing.assert_array_equal(lazy.compute(), [3] * 4)
        lazy.compute()
    assert len(sent) == 2  # and not once for each task


class UnreadableError(Exception):
    """Made with two arguments, of which it keeps one."""

    def __init__(self, what, code):
        super().__init__(what)


class UnpicklableError(Exception):
    """Holds what cannot be pickled."""

    def __init__(self, what):
        super().__init__(what)
        self.held = (i for i in range(3))


@pytest.mark.parametrize("error", [UnreadableError("a", 3), UnpicklableError("b")])
def test_errors_that_do_not_travel_say_what_they_said(monkeypatch, error):
    monkeypatch.delitem(copyreg.dispatch_table, type(error), raising=False)
    found = portable(error)
    if found is not error:  # tblib teaches some to travel
        assert type(found) is TrainingError
        assert str(found) == f"{type(error).__name__}: {error}"
    assert pickle.loads(cloudpickle.dumps(found)).args
    kept = ValueError("c")
    assert portable(kept) is kept


def test_alone_dask_computes_as_ever():
    with compute_on_first_worker(ALONE):
        assert da.ones(3).sum().compute() == 3


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.UnknownError(None, None, "Horovod has been shut down."),
        RuntimeError("Horovod: connection closed by peer"),
    ],
)
def test_a_lost_worker_is_told(error):
    message = r"Another one of 3 workers stopped \(killed or failed\), so worker 2 stops as well"
    with pytest.raises(LostWorkerError, match=message), explain_lost_workers(Workers(3, 2)):
        raise error


@pytest.mark.parametrize(
    "error", [TrainingError("Horovod"), RuntimeError("other"), ValueError("a")]
)
def test_other_errors_stay(error):
    with pytest.raises(type(error)) as raised, explain_lost_workers(Workers(3, 2)):
        raise error
    assert raised.value is error


def test_alone_nothing_changes(monkeypatch):
    monkeypatch.setitem(sys.modules, "horovod", None)
    gradients = [tf.constant(1.0), None]
    variable = tf.Variable(2.0)
    assert ALONE.average(gradients) == gradients
    ALONE.broadcast([variable])
    assert variable.numpy() == 2
    assert ALONE.once(lambda: 3) == 3
    ALONE.require_same("options", 1)
    assert ALONE.share == Share(1, 0)


# --- what training does with them -----------------------------------------------------------


def test_learning_rate_is_scaled(pretend):
    pretend(4, 1)
    options = {"learning_rate": (0.01, 0.002), "lr_decay_after": 1, "lr_warmup": 0}
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
        lr_warmup=0,
    ).history
    np.testing.assert_allclose(history["learning_rate"], [0.04, 0.008], rtol=1e-6)
    np.testing.assert_allclose(history["discriminator_learning_rate"], [0.12, 0.004], rtol=1e-6)


def test_mean_gradient_moves_the_weights(pretend):
    # d mse / dw = 2 (1 - 3) = -4 here, -2 in the mean of both workers; rate 2 x 0.1
    pretend(2, 1, factor=0.5)
    network = line()
    fit(
        network,
        constant(1, 3, n=2),
        epochs=1,
        optimizer="sgd",
        loss="mse",
        learning_rate=0.1,
        lr_warmup=0,
    )
    np.testing.assert_allclose(weight_of(network), 1 + 0.2 * 2, rtol=1e-5)


def test_mean_gradients_move_both_networks(pretend):
    # slopes -0.5 and 0.5 as in test_adversarial, here a quarter of them at twice the rate
    pretend(2, 1, factor=0.25)
    network, against = line(), judge_of_value()
    compete(
        network,
        against,
        constant(1, 3, n=2),
        epochs=1,
        loss="hinge",
        pixel_weight=0,
        noise_channels=0,
        optimizer="sgd",
        learning_rate=0.1,
        lr_warmup=0,
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
    step = Step(line(), None, Supervised(loss="crps"), 7, workers)
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

#: Batches of 3 on two workers are those of 6 on one, at the rate that two make of 0.01: ten steps.
EPOCHS, BATCH = 5, 6
SGD = {"optimizer": "sgd", "epochs": EPOCHS, "lr_warmup": 0}


def holed(samples, seed=7):
    """Without some cells: another number of them in each sample, none left in one."""
    rng = np.random.default_rng(seed)
    share = rng.random((len(samples), 1, 1, 1)) * 0.9
    target = np.where(rng.random(samples.target.shape) < share, np.nan, samples.target)
    target[2] = np.nan
    return dataclasses.replace(samples, target=target.astype("f4"))


def lazily(samples):
    """Read anew in each epoch, in chunks of two steps."""
    lr, target = (da.from_array(a, chunks=(2, -1, -1, -1)) for a in (samples.lr, samples.target))
    return dataclasses.replace(samples, lr=lr, target=target)


def spied(monkeypatch, seen):
    """Note the first LR value of every sample with a valid cell that weights are moved by."""

    def note(first, weight):
        seen.extend(first[weight.numpy().reshape(len(first), -1).max(axis=1) > 0].numpy().tolist())

    for kind in (SupervisedStep, AdversarialStep, FlowStep):
        original = kind.train_step

        def train_step(self, data, original=original):
            tf.py_function(note, [data[0]["lr"][:, 0, 0, 0], data[2]], [])
            return original(self, data)

        monkeypatch.setattr(kind, "train_step", train_step)


def untrained(kind, seed=1, n_noise=0, precision="float32", **features):
    """The networks of a training, before it begins."""
    if kind == "flow":
        return [flowing(seed=seed, precision=precision)[0]]
    networks = [tiny(seed=seed, n_noise=n_noise, precision=precision, **features)]
    if kind == "adversarial":
        networks.append(judge(seed=seed, precision=precision))
    return networks


def trained(kind, size=1, seed=1, n=11, y=4, x=5, how=None, network=None, **options):
    """Weights, history and samples of a training with batches that make 6 for all workers."""
    given = {
        "sampling": {"batch_size": BATCH // size},
        "learning_rate": 0.02 / size,
        **SGD,
        **options,
    }
    features = {"n_noise": given.get("noise_channels", 0), **(network or {})}
    features |= {"precision": given.get("precision", "float32")}
    samples, seen = toy(n, y, x), []
    samples = samples if how is None else how(samples)
    with pytest.MonkeyPatch.context() as patch:
        spied(patch, seen)
        networks = untrained(kind, seed, **features)
        if kind == "supervised":
            found = fit(*networks, samples, toy(5, y, x, seed=4), **given)
        elif kind == "flow":
            found = flow(*networks, flowing()[1], samples, toy(5, y, x, seed=4), **given)
        else:
            found = compete(
                *networks, samples, toy(5, y, x, seed=4), **{"pixel_weight": 1, **given}
            )
    return {
        "weights": [w for network in networks for w in network.get_weights()],
        "history": {name: v.to_numpy() for name, v in found.history.items()},
        "best_epoch": found.best_epoch,
        "seen": seen,
    }


#: What two workers do as one with their batches: the samples of the last step do not divide.
SAME = {
    "supervised": ("supervised", {"loss": "mse"}),
    "one sample too many": ("supervised", {"loss": "mae", "n": 7}),
    "other cells on each": ("supervised", {"loss": {"mae": 0.3, "mse": 0.7}, "how": holed}),
    "windows of a loss": ("supervised", {"loss": "dssim_mae", "y": 6, "x": 6, "how": holed}),
    "square root": ("supervised", {"loss": "mse", "lr_scaling": "sqrt"}),
    "average": ("supervised", {"loss": "mse", "ema": 0.8}),
    "clipped": ("supervised", {"loss": "mse", "clipnorm": 0.5}),
    "cosine": ("supervised", {"loss": "mse", "schedule": "cosine", "ema": "auto"}),
    "adversarial": ("adversarial", {"noise_channels": 0}),
    "flow matching": ("flow", {"how": holed}),
    "adversarial, other cells on each": (
        "adversarial",
        {"noise_channels": 0, "gradient_penalty": 1.0, "how": holed},
    ),
}
#: What each worker has for itself: dropout, noise, statistics of batches, blocks of samples.
OWN = {
    "supervised, of its own": (
        "supervised",
        {"optimizer": "adam", "network": {"dropout": "vanilla", "normalization": "batch"}},
    ),
    "adversarial, of its own": (
        "adversarial",
        {
            "optimizer": "adam",
            "noise_channels": 2,
            "precision": "mixed_float16",
            "gradient_compression": "float16",
        },
    ),
    "streamed": ("supervised", {"how": lazily, "n": 7}),
    "warming up": ("supervised", {"lr_warmup": 2}),
}
CASES = {**SAME, **OWN}


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
    import horovod

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        return horovod.run(all_cases, num_proc=2, use_gloo=True)


@pytest.mark.horovod
@pytest.mark.parametrize("name", CASES)
def test_two_processes_have_one_network(ranks, name):
    one, other = (results[name] for results in ranks)
    assert len(one["weights"]) == len(other["weights"])
    for a, b in zip(one["weights"], other["weights"], strict=True):
        np.testing.assert_array_equal(a, b)
    assert one["history"].keys() == other["history"].keys()
    for column, values in one["history"].items():  # seconds too
        np.testing.assert_array_equal(values, other["history"][column])
    assert one["best_epoch"] == other["best_epoch"]


@pytest.mark.horovod
@pytest.mark.parametrize("name", CASES)
def test_two_processes_see_each_sample_once_an_epoch(ranks, name):
    options = CASES[name][1]
    samples = toy(options.get("n", 11), options.get("y", 4), options.get("x", 5))
    expected = samples.lr[:, 0, 0, 0]
    seen = [results[name]["seen"] for results in ranks]
    if options.get("how") is holed:
        expected = np.delete(expected, 2)  # without a valid cell, now here and now there
        epochs = [np.sort(np.concatenate(seen))[e::EPOCHS] for e in range(EPOCHS)]
    else:
        each = [len(own) // EPOCHS for own in seen]
        parts = [(own, n) for own, n in zip(seen, each, strict=True)]
        epochs = [[x for own, n in parts for x in own[e * n : (e + 1) * n]] for e in range(EPOCHS)]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.sort(expected))


@pytest.mark.horovod
@pytest.mark.parametrize("name", SAME)
def test_two_processes_train_as_one_with_their_batches(ranks, name):
    kind, options = SAME[name]
    given = {**options, "learning_rate": 0.01 * np.sqrt(2)} if name == "square root" else options
    expected = trained(kind, **given)
    for actual, weight in zip(ranks[0][name]["weights"], expected["weights"], strict=True):
        np.testing.assert_allclose(actual, weight, rtol=0, atol=1e-5)
    for column in set(expected["history"]) - {"seconds"}:
        np.testing.assert_allclose(
            ranks[0][name]["history"][column], expected["history"][column], rtol=1e-4
        )
    begun = [w for network in untrained(kind) for w in network.get_weights()]
    moved = [abs(a - b).max() for a, b in zip(begun, expected["weights"], strict=True)]
    assert max(moved) > 1e-2  # or all of it would prove nothing


@pytest.mark.horovod
def test_two_processes_warm_up(ranks):
    # two steps an epoch, four of warm-up: 0.01 x (1, 1.25, 1.5, 1.75), told at the epoch's end
    history = ranks[1]["warming up"]["history"]
    np.testing.assert_allclose(
        history["learning_rate"], [0.0125, 0.0175, 0.02, 0.02, 0.02], rtol=1e-6
    )

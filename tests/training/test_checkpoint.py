import functools
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from tests.conftest import analytic
from tests.errors.data import plane
from tests.tiers import thinned
from tests.training import TARGETS, flowing, judge, tiny, toy
from xr_dl4ds.config import Adversarial, FlowMatching, Sampling
from xr_dl4ds.config import Supervised as AnySupervised
from xr_dl4ds.data.augmentation import ORIENTATIONS
from xr_dl4ds.exceptions import CheckpointError
from xr_dl4ds.training import TrainingTask, checkpoint, train

#: With constant rates, a training can go on with more epochs.
QUIET = {"precision": "float32", "verbose": False, "schedule": "constant"}
Supervised = functools.partial(AnySupervised, loss="mae")


class Killed(BaseException):
    """Ends training as a kill would, between two epochs."""


def run(training, *, fingerprint="a", seed=0, dropout=None, validated=True, augment="none"):
    """The generator, the discriminator if there is one, and what training gave."""
    options = {"dropout": dropout} if dropout else {}
    path, against = None, judge() if isinstance(training, Adversarial) else None
    if isinstance(training, FlowMatching):
        network, path = flowing(**options)
    else:
        network = tiny(n_noise=training.n_noise, **options)
    task = TrainingTask(
        network=network,
        targets=TARGETS,
        discriminator=against,
        fingerprint=fingerprint,
        flow=path,
    )
    sampling = Sampling(batch_size=4, seed=seed)
    trained = train(
        task,
        toy(10),
        toy(3, seed=4) if validated else None,
        sampling=sampling,
        training=training,
        orientations=ORIENTATIONS[augment],
    )
    return network, against, trained


def interrupted(monkeypatch, epochs, training, **options):
    """The same, killed after so many epochs were written."""
    original = checkpoint.Checkpoint.on_epoch_end

    def kill(self, epoch, logs=None):
        original(self, epoch, logs)
        if epoch + 1 == epochs:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.Checkpoint, "on_epoch_end", kill)
        with pytest.raises(Killed):
            run(training, **options)


def same(one, other):
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


KINDS = {
    "supervised": (
        Supervised,
        {"learning_rate": (0.02, 0.002), "lr_decay_after": 3, "schedule": "step"},
    ),
    "cosine": (
        Supervised,
        {"learning_rate": 0.02, "schedule": "cosine", "ema": 0.9, "clipnorm": 0.1},
    ),
    "crps": (Supervised, {"loss": "crps", "noise_channels": 1, "loss_realizations": 2}),
    "flow matching": (FlowMatching, {"learning_rate": 0.02, "ema": 0.9}),
    "adversarial": (
        Adversarial,
        {"noise_channels": 2, "spectral_normalization": True, "learning_rates": (0.01, 0.02)},
    ),
    "adversarial cosine": (
        Adversarial,
        {"noise_channels": 0, "schedule": "cosine", "ema": "auto", "optimizer": "adamw"},
    ),
}


@pytest.mark.parametrize(
    ("kind", "dropout"),
    thinned(
        itertools.product(KINDS, [None, "vanilla"]),
        [
            ("supervised", "vanilla"),
            ("adversarial", None),
            ("cosine", "vanilla"),
            ("flow matching", "vanilla"),
        ],
    ),
)
def test_a_resumed_run_ends_as_an_uninterrupted_one(kind, dropout, tmp_path, monkeypatch):
    cls, options = KINDS[kind]
    options = {**QUIET, "epochs": 5, **options}
    whole, whole_against, expected = run(cls(**options), dropout=dropout)
    options["checkpoint"] = str(tmp_path / "run")
    interrupted(monkeypatch, 2, cls(**options), dropout=dropout)
    network, against, trained = run(cls(**options), dropout=dropout)
    assert same(network, whole)
    if against is not None:
        assert same(against, whole_against)
    assert trained.best_epoch == expected.best_epoch
    timed = ["seconds"]
    assert trained.history.drop_vars(timed).identical(expected.history.drop_vars(timed))
    assert trained.history.sizes["epoch"] == 5


def test_orientations_of_samples_go_on_after_a_kill(tmp_path, monkeypatch):
    options = {**QUIET, "epochs": 5, "learning_rate": 0.02}
    whole = run(Supervised(**options), augment="flips")[0]
    assert not same(whole, run(Supervised(**options))[0])
    options["checkpoint"] = str(tmp_path / "run")
    interrupted(monkeypatch, 2, Supervised(**options), augment="flips")
    assert same(run(Supervised(**options), augment="flips")[0], whole)


def test_the_resumed_epochs_are_the_remaining_ones(tmp_path, monkeypatch):
    options = {**QUIET, "epochs": 4, "checkpoint": str(tmp_path)}
    interrupted(monkeypatch, 3, Supervised(**options))
    seen = []
    original = checkpoint.Checkpoint.on_epoch_end
    monkeypatch.setattr(
        checkpoint.Checkpoint,
        "on_epoch_end",
        lambda self, epoch, logs=None: seen.append(epoch) or original(self, epoch, logs),
    )
    run(Supervised(**options))
    assert seen == [3]


def test_what_has_ended_is_not_trained_again(tmp_path):
    options = {**QUIET, "epochs": 3, "checkpoint": str(tmp_path)}
    first, _, expected = run(Supervised(**options))
    again, _, trained = run(Supervised(**options))
    assert same(first, again)
    assert trained.history.identical(expected.history)  # the seconds are those of the first run
    assert trained.best_epoch == expected.best_epoch


def test_more_epochs_go_on(tmp_path):
    expected = run(Supervised(**QUIET, epochs=5))[0]
    run(Supervised(**QUIET, epochs=3, checkpoint=str(tmp_path)))
    network, _, trained = run(Supervised(**QUIET, epochs=5, checkpoint=str(tmp_path)))
    assert same(network, expected)
    assert trained.history.sizes["epoch"] == 5


@pytest.mark.parametrize("validated", [True, False])
def test_the_average_survives_a_finished_training(validated, tmp_path):
    options = {**QUIET, "epochs": 3, "ema": 0.9, "learning_rate": 0.05}
    expected = run(Supervised(**options), validated=validated)[0]
    plain = run(Supervised(**{**options, "ema": None}), validated=validated)[0]
    options["checkpoint"] = str(tmp_path)
    for epochs in (2, 3, 3):  # begun, continued, and read again
        network = run(Supervised(**{**options, "epochs": epochs}), validated=validated)[0]
    assert same(network, expected)
    assert not same(network, plain)


def test_a_cosine_is_not_continued(tmp_path):
    given = {**QUIET, "schedule": "cosine", "checkpoint": str(tmp_path)}
    run(Supervised(**given, epochs=2))
    for epochs in (1, 3):
        message = rf"epochs=2, the length of the cosine .*epochs={epochs}\. Use epochs=2, or"
        with pytest.raises(CheckpointError, match=message):
            run(Supervised(**given, epochs=epochs), fingerprint="b")
    run(Supervised(**given, epochs=2))  # is not repeated


def test_the_length_of_a_cosine_is_part_of_the_fingerprint(tmp_path):
    hr = analytic(time=20)[["t2m"]]
    options = {**TINY, "scale": 2, "schedule": "cosine", "checkpoint": str(tmp_path)}
    found = []
    for epochs in (1, 2):
        hr.downscale.fit(**options, epochs=epochs)
        with np.load(tmp_path / checkpoint.NAME) as stored:
            about = json.loads(str(stored["about"]))
        found.append((about["length"], about["fingerprint"]))
        (tmp_path / checkpoint.NAME).unlink()
    assert [length for length, _ in found] == [1, 2]
    assert found[0][1] != found[1][1]


def test_checkpoints_without_a_length_are_read(tmp_path):
    training = Supervised(**QUIET, epochs=2, checkpoint=str(tmp_path))
    expected = run(training)[0]
    with np.load(tmp_path / checkpoint.NAME) as stored:
        arrays = dict(stored)
    about = json.loads(str(arrays.pop("about")))
    assert about.pop("length") is None
    np.savez(tmp_path / checkpoint.NAME, about=np.array(json.dumps(about)), **arrays)
    assert same(run(training)[0], expected)


def test_what_has_stopped_early_stays_stopped(tmp_path):
    options = {"early_stopping": True, "patience": 1, "min_delta": 100.0, **QUIET, "epochs": 20}
    expected = run(Supervised(**options, checkpoint=str(tmp_path)))
    assert expected[2].history.sizes["epoch"] == 2
    again = run(Supervised(**options, checkpoint=str(tmp_path)))
    assert again[2].history.identical(expected[2].history)
    assert same(again[0], expected[0])


def test_another_training_is_refused(tmp_path):
    training = Supervised(**QUIET, epochs=1, checkpoint=str(tmp_path))
    run(training)
    with pytest.raises(CheckpointError, match=r"other data .* or options\. Choose another folder"):
        run(training, fingerprint="b")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:200]), r"is damaged \(.*Delete it"),
        (
            lambda file: file.write_text("nothing"),
            r"is damaged \(.*Delete it to train fr",
        ),
        (lambda file: np.savez(file, x=np.zeros(3)), r"is damaged \(.*Delete it"),
        (
            lambda file: np.savez(file, about=np.array(json.dumps({"format_version": 99}))),
            r"format version 1, got 99 in .*Delete it",
        ),
        (
            lambda file: np.savez(file, about=np.array({"a": 1}, dtype=object)),  # a pickle
            r"is damaged \(.*allow_pickle",
        ),
    ],
)
def test_a_damaged_checkpoint_is_told(spoil, message, tmp_path):
    training = Supervised(**QUIET, epochs=1, checkpoint=str(tmp_path))
    run(training)
    spoil(tmp_path / checkpoint.NAME)
    with pytest.raises(CheckpointError, match=message):
        run(training)


def test_only_the_draft_of_a_killed_write_is_removed(tmp_path):
    training = Supervised(**QUIET, epochs=2, checkpoint=str(tmp_path))
    expected = run(training)[0]
    old, new = (tmp_path / f"training.{name}.part" for name in ("0123", "4567"))
    for draft in (old, new):
        draft.write_bytes(b"half")
    before = time.time() - 2 * checkpoint.DRAFT_LIFETIME
    os.utime(old, (before, before))
    assert same(run(training)[0], expected)
    # another process may be writing the new draft
    assert {p.name for p in tmp_path.iterdir()} == {checkpoint.NAME, new.name}


def test_fewer_epochs_than_there_are_is_told(tmp_path):
    run(Supervised(**QUIET, epochs=3, checkpoint=str(tmp_path)))
    with pytest.raises(CheckpointError, match=r"epochs >= 3, .*got epochs=1\. Use epochs=3, or"):
        run(Supervised(**QUIET, epochs=1, checkpoint=str(tmp_path)))


def test_a_folder_that_cannot_be_written_is_told_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint.os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(PermissionError, match=r"folder `checkpoint` to be writable, .* Choose"):
        run(Supervised(**QUIET, epochs=1, checkpoint=str(tmp_path)))


TINY = {"n_filters": 4, "n_blocks": 1, **QUIET}


def test_other_values_are_refused_even_with_the_same_statistics(tmp_path):
    hr = analytic(time=20)
    lr = hr[["t2m"]].downscale.coarsen(2)
    options = {"checkpoint": str(tmp_path), "epochs": 1, **TINY}
    lr.downscale.fit(hr, **options)
    # LR counterparts have the statistics of HR
    turned = lr.isel(time=slice(None, None, -1)).assign_coords(time=lr.time)
    with pytest.raises(CheckpointError, match=r"other data .* or options"):
        turned.downscale.fit(hr, **options)


def test_other_validation_data_are_refused(tmp_path):
    hr = analytic(time=20)
    past, held = hr.isel(time=slice(0, 14)), hr.isel(time=slice(14, None))
    lr, low = (x[["t2m"]].downscale.coarsen(2) for x in (past, held))
    options = {"checkpoint": str(tmp_path), **TINY}
    lr.downscale.fit(past, validation=(low, held), epochs=1, **options)
    warmer = held.assign(t2m=(held.t2m + 30).assign_attrs(held.t2m.attrs))
    with pytest.raises(CheckpointError, match=r"other data .* or options"):
        lr.downscale.fit(past, validation=(low, warmer), epochs=2, **options)


def test_other_orientations_are_refused(tmp_path):
    hr = plane(analytic(time=12, y=8, x=8)[["t2m"]]).drop_vars("time")
    options = {"scale": 2, "n_filters": 2, "n_blocks": 1, "epochs": 1, "verbose": False}
    options["checkpoint"] = str(tmp_path)
    hr.downscale.fit(augment="flip_x", **options)
    with pytest.raises(CheckpointError, match="other data"):
        hr.downscale.fit(augment="flips", **options)
    # what "auto" stands for may follow from attributes alone
    hr.downscale.fit(augment="auto", **{**options, "checkpoint": str(tmp_path / "auto")})
    wind = hr.assign(t2m=hr.t2m.assign_attrs(standard_name="eastward_wind"))
    with pytest.raises(CheckpointError, match="other data"):
        wind.downscale.fit(augment="auto", **{**options, "checkpoint": str(tmp_path / "auto")})


def test_streams_of_other_validation_data_are_refused(tmp_path):
    """Of them no value is in the fingerprint, but their moments are."""
    hr = analytic(time=20).chunk(time=5)
    options = {"checkpoint": str(tmp_path), "cache": "none", "scale": 2, **TINY}
    hr.downscale.fit(validation=0.3, epochs=1, **options)
    corrected = hr.assign(t2m=hr.t2m.where(hr.t2m.time < hr.time[18], hr.t2m + 1))
    corrected.t2m.attrs = hr.t2m.attrs
    with pytest.raises(CheckpointError, match=r"other data .* or options"):
        corrected.downscale.fit(validation=0.3, epochs=2, **options)


def test_a_file_in_its_place_is_told(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match=r"`checkpoint` to be a folder, got the file"):
        run(Supervised(**QUIET, epochs=1, checkpoint=str(tmp_path / "file")))
    assert (tmp_path / "file").read_text() == "mine"


# --- a real kill --------------------------------------------------------------------------------

CELL = """
    from tests.training.test_checkpoint import cell
    cell({kind!r}, {folder!r}, epochs=100_000)
"""


def cell(kind, folder, epochs):
    """What a notebook's cell would do."""
    training = {
        "supervised": Supervised(epochs=epochs, checkpoint=folder, **QUIET),
        "adversarial": Adversarial(epochs=epochs, checkpoint=folder, **QUIET),
        "flow matching": FlowMatching(epochs=epochs, steps=1, checkpoint=folder, **QUIET),
    }[kind]
    hr = analytic(time=40)
    options = {"n_filters": 4, "n_blocks": 1, "dropout": "spatial", "batch_size": 4}
    return hr.downscale.fit(scale=2, training=training, **options)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["supervised", "adversarial", "flow matching"])
def test_a_killed_process_goes_on(kind, tmp_path):
    folder = tmp_path / "killed"
    code = textwrap.dedent(CELL.format(kind=kind, folder=str(folder)))
    root = pathlib.Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-c", code], cwd=root, stderr=subprocess.DEVNULL)
    file, deadline = folder / checkpoint.NAME, time.monotonic() + 240
    while not file.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.1)  # into the next epochs
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL  # it had not ended by itself
    with np.load(file) as stored:
        done = json.loads(str(stored["about"]))["epochs"]
    assert done >= 1

    resumed = cell(kind, str(folder), done + 2)
    whole = cell(kind, str(tmp_path / "whole"), done + 2)
    assert resumed.history.sizes["epoch"] == done + 2
    assert same(resumed.network, whole.network)
    assert resumed.provenance == whole.provenance
    timed = ["seconds"]
    assert resumed.history.drop_vars(timed).identical(whole.history.drop_vars(timed))

import contextlib
import types

import numpy as np
import pytest

from tests.training import line
from xr_dl4ds.exceptions import TrainingError
from xr_dl4ds.training import callbacks
from xr_dl4ds.training.callbacks import KeepBest, Progress, Record, StopIfNotFinite


class Trainer:
    """What Keras hands to callbacks, as far as they look at it."""

    def __init__(self):
        self.stop_training = False
        self.optimizers = [types.SimpleNamespace(learning_rate=rate) for rate in (0.5, 0.25)]
        self.averaged = contextlib.nullcontext


def run(keeper, losses):
    """Epochs with these `val_loss`, the weight of each being its number; returns how many ran."""
    trainer = Trainer()
    keeper.set_model(trainer)
    for epoch, value in enumerate(losses):
        keeper.network.set_weights([np.full((1, 1), epoch + 1.0)])
        keeper.on_epoch_end(epoch, {"loss": 0.0, "val_loss": value})
        if trainer.stop_training:
            break
    keeper.on_train_end()
    return epoch + 1


@pytest.mark.parametrize(
    ("losses", "best"),
    [
        ([3.0, 2.0, 1.0], 3),
        ([3.0, 1.0, 2.0], 2),
        ([1.0, 2.0, 3.0], 1),
        ([2.0, 1.0, 1.0], 2),  # the first of equals
        ([0.0, 0.0], 1),
        ([-1.0, -2.0], 2),
    ],
)
def test_weights_of_the_lowest_loss_come_back(losses, best):
    keeper = KeepBest(line(), patience=None, min_delta=0.0)
    assert run(keeper, losses) == len(losses)
    assert keeper.best_epoch == best
    assert keeper.best == min(losses)
    assert keeper.network.get_weights()[0].item() == best


@pytest.mark.parametrize(
    ("losses", "patience", "min_delta", "expected"),
    [
        ([5, 4, 4, 4, 3, 2], 2, 0.0, 4),  # epochs 3 and 4 do not fall
        ([5, 4, 4, 4, 3, 2], 3, 0.0, 6),  # the fall in epoch 5 begins the count anew
        ([5, 6, 5, 6], 2, 0.0, 3),  # back at the best is no fall
        # falls of 0.4 against 0.5: epochs 2 and 4 do not count alone, but 3 is 0.8 below 1. A count
        # against the epoch before would stop after epoch 3
        ([5.0, 4.6, 4.2, 3.8, 3.4, 3.0], 2, 0.5, 6),
        ([5.0, 4.9, 4.8, 4.7, 4.6, 4.5], 2, 0.5, 3),
        ([5.0, 4.5, 4.0], 1, 0.5, 2),  # a fall of exactly min_delta is not more than it
    ],
)
def test_stopping(losses, patience, min_delta, expected):
    assert run(KeepBest(line(), patience, min_delta), losses) == expected


def test_any_fall_counts_for_the_best_weights():
    keeper = KeepBest(line(), patience=2, min_delta=0.5)
    assert run(keeper, [5.0, 4.9, 4.8, 4.7]) == 3
    assert keeper.best_epoch == 3
    assert keeper.network.get_weights()[0].item() == 3


def test_the_kept_weights_are_a_copy():
    keeper = KeepBest(line(), patience=None, min_delta=0.0)
    keeper.set_model(Trainer())
    keeper.on_epoch_end(0, {"val_loss": 1.0})
    keeper.network.trainable_variables[0].assign([[99.0]])
    keeper.on_train_end()
    assert keeper.network.get_weights()[0].item() == 1.0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["loss", "val_loss"])
def test_losses_must_be_finite(name, value):
    logs = {"loss": 1.0, "val_loss": 1.0}
    StopIfNotFinite().on_epoch_end(2, logs)
    with pytest.raises(
        TrainingError, match=rf"got {{'{name}': .*}} in epoch 3\. Use a smaller learning_rate"
    ):
        StopIfNotFinite().on_epoch_end(2, logs | {name: value})


def test_record_counts_epochs_from_one(monkeypatch):
    clock = iter([10.0, 12.5, 20.0, 21.0])
    monkeypatch.setattr(callbacks.time, "perf_counter", lambda: next(clock))
    record = Record()
    record.set_model(Trainer())
    for epoch, logs in enumerate([{"loss": 3.0, "val_loss": 4.0}, {"loss": 1.0, "val_loss": 2.0}]):
        record.on_epoch_begin(epoch)
        record.on_epoch_end(epoch, logs)
        logs["loss"] = -1  # Keras uses its dict again
    history = record.history()
    np.testing.assert_array_equal(history["epoch"], [1, 2])
    np.testing.assert_array_equal(history["loss"], [3, 1])
    np.testing.assert_array_equal(history["val_loss"], [4, 2])
    np.testing.assert_array_equal(history["learning_rate"], [0.5, 0.5])
    np.testing.assert_array_equal(history["seconds"], [2.5, 1.0])
    assert history["seconds"].attrs["units"] == "s"
    np.testing.assert_array_equal(history["discriminator_learning_rate"], [0.25, 0.25])


def test_record_of_one_optimizer():
    record, trainer = Record(), Trainer()
    del trainer.optimizers[1]
    record.set_model(trainer)
    record.on_epoch_begin(0)
    record.on_epoch_end(0, {"loss": 3.0})
    assert set(record.history()) == {"loss", "learning_rate", "seconds"}


def test_keeping_goes_on_where_it_was():
    losses = [5, 4, 4, 4, 3, 2]
    whole = KeepBest(line(), patience=2, min_delta=0.0)
    run(whole, losses)
    first = KeepBest(line(), patience=2, min_delta=0.0)
    run(first, losses[:3])
    assert not first.stops
    second = KeepBest(line(), patience=2, min_delta=0.0)
    second.restore(first.progress(), first.weights)
    second.set_model(Trainer())
    second.on_epoch_end(3, {"loss": 0.0, "val_loss": losses[3]})
    assert second.stops
    assert second.progress() == whole.progress()
    second.on_train_end()
    assert second.network.get_weights()[0].item() == 2


class Bar:
    """A stand-in for tqdm that remembers."""

    def __init__(self, **options):
        self.options, self.shown, self.steps, self.closed = options, {}, 0, False

    def set_postfix(self, values, refresh=True):
        self.shown = dict(values)

    def update(self):
        self.steps += 1

    def close(self):
        self.closed = True


def test_progress_moves_the_bar(monkeypatch):
    bars = []
    monkeypatch.setattr(callbacks, "tqdm", lambda **o: bars.append(Bar(**o)) or bars[-1])
    progress = Progress(5)
    progress.on_epoch_end(0, {"loss": 0.123456, "val_loss": 2.0})
    progress.on_epoch_end(1, {"loss": 0.1, "val_loss": 1.0})
    assert not bars[0].closed
    progress.close()
    assert len(bars) == 1
    assert bars[0].options["total"] == 5
    assert bars[0].steps == 2
    assert bars[0].shown == {"loss": "0.1000", "val_loss": "1.0000"}
    assert bars[0].closed


def test_progress_begins_after_what_was_done(monkeypatch):
    bars = []
    monkeypatch.setattr(callbacks, "tqdm", lambda **o: bars.append(Bar(**o)) or bars[-1])
    Progress(5, done=3)
    assert bars[0].options["initial"] == 3

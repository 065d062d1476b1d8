"""The average of weights, against a loop of NumPy, and where training uses it."""

import keras
import numpy as np
import pytest

from tests.training import compete, fit, judge, line, tiny, toy
from xr_dl4ds.config import Supervised
from xr_dl4ds.training.step import Step
from xr_dl4ds.training.supervised import SupervisedStep
from xr_dl4ds.training.weight_average import WeightAverage


def loop(values, momentum):
    """The average after each of these values, the first of which starts it."""
    average, found = values[0], []
    for done, value in enumerate(values[1:]):
        kept = min(momentum, (1 + done) / (10 + done))
        average = kept * average + (1 - kept) * value
        found.append(average)
    return found


@pytest.mark.parametrize("momentum", [0.05, 0.5, 0.9])
def test_the_average_of_a_loop(momentum):
    values = np.random.default_rng(0).normal(size=(30, 3, 2)).astype("f4")
    weight = keras.Variable(values[0])
    average = WeightAverage([weight], momentum)
    for value, expected in zip(values[1:], loop(values, momentum), strict=True):
        weight.assign(value)
        average.update()
        np.testing.assert_allclose(average.averages[0], expected, rtol=1e-5, atol=1e-6)
    assert int(average.count.value) == 29


def test_the_start_is_soon_forgotten():
    # 1/10, 2/11, 3/12, 4/13, ... are kept: after four steps 24 / 17160 of the first value
    weight = keras.Variable([1.0])
    average = WeightAverage([weight], 0.99)
    weight.assign([0.0])
    for _ in range(4):
        average.update()
    np.testing.assert_allclose(average.averages[0], [24 / 17160], rtol=1e-5)


def test_the_network_has_the_average_for_a_while():
    weight = keras.Variable([1.0])
    average = WeightAverage([weight], 0.5)
    weight.assign([3.0])
    average.update()  # 0.1 x 1 + 0.9 x 3
    with average.in_place():
        np.testing.assert_allclose(weight, [2.8], rtol=1e-6)
    assert weight.numpy() == 3
    np.testing.assert_allclose(average.averages[0], [2.8], rtol=1e-6)
    with pytest.raises(KeyboardInterrupt), average.in_place():
        raise KeyboardInterrupt
    assert weight.numpy() == 3
    average.keep()
    np.testing.assert_allclose(weight, [2.8], rtol=1e-6)


# --- in training ----------------------------------------------------------------------------


@pytest.fixture
def watched(monkeypatch):
    """The weights after each step, and those that were validated."""
    steps, validated = [], []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            steps.append(self.model.network.get_weights())

        def on_test_begin(self, logs=None):
            validated.append(self.model.network.get_weights())

    original_fit = Step.fit
    monkeypatch.setattr(
        Step,
        "fit",
        lambda self, *a, callbacks, **k: original_fit(
            self, *a, callbacks=[*callbacks, Watch()], **k
        ),
    )
    return steps, validated


def averages(start, steps, momentum):
    """The average after each step, of each weight."""
    each = [loop([a, *others], momentum) for a, *others in zip(start, *steps, strict=True)]
    return list(zip(*each, strict=True))


def assert_close(actual, expected):
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-4, atol=1e-6)


OPTIONS = {"epochs": 3, "learning_rate": 0.05, "sampling": {"batch_size": 4}}


def test_the_average_is_validated_and_training_goes_on_with_the_weights(watched):
    steps, validated = watched
    network = tiny()
    start = network.get_weights()
    fit(network, toy(8), toy(4, seed=3), ema=0.8, **OPTIONS)
    with_average, validated_average = list(steps), list(validated)
    steps.clear()
    validated.clear()
    fit(tiny(), toy(8), toy(4, seed=3), **OPTIONS)
    for a, b in zip(with_average, steps, strict=True):  # 2 steps an epoch
        for one, other in zip(a, b, strict=True):
            np.testing.assert_array_equal(one, other)
    expected = averages(start, steps, 0.8)
    assert len(expected) == 6
    for actual, one in zip(validated_average, expected[1::2], strict=True):
        assert_close(actual, one)
    assert abs(validated_average[0][0] - with_average[1][0]).max() > 1e-3


@pytest.mark.parametrize("validated", [True, False])
def test_the_network_ends_with_the_average(validated, watched):
    steps, _ = watched
    network = tiny()
    start = network.get_weights()
    trained = fit(network, toy(8), toy(4, seed=3) if validated else None, ema=0.8, **OPTIONS)
    expected = averages(start, steps, 0.8)
    assert_close(network.get_weights(), expected[2 * trained.best_epoch - 1])


def test_the_validation_loss_is_that_of_the_kept_weights():
    network = tiny()
    held = toy(4, seed=3)
    trained = fit(network, toy(8), held, ema=0.8, loss="mae", **OPTIONS)
    found = np.asarray(network({"lr": held.lr}, training=False))
    error = abs(found - held.target).mean()
    np.testing.assert_allclose(trained.history["val_loss"].min(), error, rtol=1e-5)


def test_by_itself_a_cosine_is_averaged():
    # half of the average is forgotten after a twentieth of the 60 steps
    given = {**OPTIONS, "epochs": 30, "schedule": "cosine"}
    found = []
    for ema in ("auto", 0.5 ** (1 / 3), None):
        network = tiny()
        fit(network, toy(8), ema=ema, **given)
        found.append(network.get_weights()[0])
    np.testing.assert_array_equal(found[0], found[1])
    assert abs(found[0] - found[2]).max() > 1e-6


def test_only_the_generator_is_averaged():
    networks = []
    for ema in (None, 0.8):
        network, against = tiny(), judge()
        compete(network, against, toy(8), noise_channels=0, ema=ema, epochs=2)
        networks.append((network, against))
    (plain, one), (averaged, other) = networks
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert abs(plain.get_weights()[0] - averaged.get_weights()[0]).max() > 1e-6


def test_moving_statistics_stay_those_of_the_last_step():
    statistics = []
    for ema in (None, 0.9):
        network = tiny(normalization="batch")
        fit(network, toy(8), ema=ema, **OPTIONS)
        statistics.append([v.numpy() for v in network.variables if "moving" in v.path])
    assert statistics[0]
    for a, b in zip(*statistics, strict=True):
        np.testing.assert_array_equal(a, b)


def test_without_an_average_nothing_is_kept():
    step = SupervisedStep(line(), lambda *_: 0.0, Supervised(), 0)
    assert step.average is None
    with step.averaged():
        assert step.network.get_weights()[0].item() == 1

"""Flow matching: paths, losses and validation, worked out by hand where they can be."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training import constant, flow, flowing, samples_of, toy
from xr_dl4ds.config import FlowMatching
from xr_dl4ds.networks.losses.probabilistic_losses import crps
from xr_dl4ds.training import FlowTask
from xr_dl4ds.training.flow_step import FlowStep


def resting(speed=0.0):
    """A velocity network that returns a constant, which it may learn."""
    lr, noisy = (keras.Input((None, None, 1), name=name) for name in ("lr", "noisy"))
    at = keras.Input((1,), name="flow_time")
    none = keras.layers.Rescaling(0.0)(noisy)
    bias = keras.initializers.Constant(speed)
    out = keras.layers.Dense(1, kernel_initializer="zeros", bias_initializer=bias)(none)
    return keras.Model({"lr": lr, "noisy": noisy, "flow_time": at}, out)


def same():
    """Residuals are the fields themselves."""
    lr, truth, noisy = (keras.Input((None, None, 1), name=n) for n in ("lr", "truth", "noisy"))
    return FlowTask(
        residuals=keras.Model({"lr": lr, "truth": truth}, keras.layers.Identity()(truth)),
        fields=keras.Model({"lr": lr, "noisy": noisy}, keras.layers.Identity()(noisy)),
    )


def test_the_loss_of_rest_is_the_mean_square_of_the_way():
    # the way from noise to 3 is 3 - e: its mean square is 9 + 1
    found = flow(
        resting(),
        same(),
        constant(0.0, 3.0, n=64, size=32),
        optimizer="sgd",
        learning_rate=1e-9,
        epochs=1,
        schedule="constant",
    )
    assert float(found.history.loss[0]) == pytest.approx(10, rel=0.01)


def test_the_mean_velocity_is_learned():
    network = resting()
    samples = constant(0.0, 3.0, n=64, size=16)
    flow(
        network,
        same(),
        samples,
        optimizer="sgd",
        learning_rate=0.2,
        epochs=20,
        schedule="constant",
        ema=None,
    )
    assert float(network.get_weights()[-1][0]) == pytest.approx(3, abs=0.1)


def test_masked_cells_count_not():
    target = np.full((8, 4, 4, 1), 3.0, "f4")
    target[:, :, 2:] = np.nan
    hidden = samples_of(np.zeros_like(target), target, scale=1)
    network = resting()
    flow(
        network,
        same(),
        hidden,
        optimizer="sgd",
        learning_rate=0.2,
        epochs=30,
        schedule="constant",
        ema=None,
    )
    assert float(network.get_weights()[-1][0]) == pytest.approx(3, abs=0.3)
    assert np.isfinite(network.get_weights()[-1]).all()


def step_of(network, **options):
    step = FlowStep(network, same(), FlowMatching(**options), seed=3)
    step.compile(optimizer="sgd")
    return step


@pytest.mark.parametrize("solver", ["midpoint", "heun"])
def test_validation_is_the_crps_of_two_members(solver):
    step = step_of(resting(speed=0.5), solver=solver)
    inputs = {"lr": tf.zeros((3, 4, 5, 1))}
    target, weight = tf.ones((3, 4, 5, 1)), tf.ones((3, 4, 5, 1))
    found = float(step.test_step((inputs, target, weight))["loss"])
    fold = tf.random.experimental.stateless_fold_in
    keys = [fold(tf.constant([3 + 2**30, 0]), place) for place in range(6)]
    noise = tf.stack([tf.random.stateless_normal((4, 5, 1), seed=key) for key in keys])
    members = tf.stack([noise[::2] + 0.5, noise[1::2] + 0.5])  # moved by a constant speed
    assert found == pytest.approx(float(crps(target, members, weight)), rel=1e-5)


def test_times_are_spread_evenly():
    step = step_of(resting())
    step.optimizer.build(step.network.trainable_variables)
    noise, times = step._drawn(tf.zeros((64, 2, 2, 1)))
    ordered = np.sort(times.numpy().ravel())
    assert ordered[0] >= 0
    assert ordered[-1] < 1
    assert np.diff(ordered).max() < 2.7 / 64
    assert float(tf.math.reduce_std(noise)) == pytest.approx(1, abs=0.15)
    assert abs(np.corrcoef(noise[:-1].numpy().ravel(), noise[1:].numpy().ravel())[0, 1]) < 0.2


def test_one_seed_gives_one_result():
    def weights(seed):
        network, task = flowing()
        flow(network, task, toy(), toy(4, seed=2), sampling={"seed": seed, "batch_size": 4})
        return np.concatenate([w.ravel() for w in network.get_weights()])

    np.testing.assert_array_equal(weights(1), weights(1))
    assert not np.array_equal(weights(1), weights(2))


def test_history_has_both_losses():
    network, task = flowing()
    history = flow(network, task, toy(), toy(4, seed=2)).history
    assert {"loss", "val_loss", "learning_rate", "seconds"} <= set(history)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_trains(precision):
    network, task = flowing(precision=precision)
    history = flow(network, task, toy(), toy(4, seed=2), precision=precision).history
    assert np.isfinite(history.to_array()).all()
    assert max(abs(w).max() for w in network.get_weights()) < 100


def test_noise_of_validation_belongs_to_the_sample():
    step = step_of(resting())
    whole = step._held_noise(tf.zeros((4, 2, 3, 1))).numpy()
    assert whole.shape == (8, 2, 3, 1)  # two members of each
    step.held_size = 2
    parts = [step._held_noise(tf.zeros((2, 2, 3, 1))).numpy()]
    step.batch_number.update_state(1)
    parts.append(step._held_noise(tf.zeros((2, 2, 3, 1))).numpy())
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    step.first_held = 5
    assert not np.array_equal(step._held_noise(tf.zeros((2, 2, 3, 1))).numpy(), parts[1])

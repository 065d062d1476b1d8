import gc
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.tiers import thinned
from tests.training import compete, fit, judge, line, tiny, toy
from xr_dl4ds.config import Adversarial, Supervised
from xr_dl4ds.config.choices import CLIPNORM
from xr_dl4ds.training.optimizers import optimizer_for

ROOT = pathlib.Path(__file__).parents[2]

# --- which it is ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adam", keras.optimizers.Adam),
        ("adamw", keras.optimizers.AdamW),
        ("sgd", keras.optimizers.SGD),
    ],
)
def test_the_optimizer_asked_for(name, kind):
    network = line()
    given = Supervised(optimizer=name, learning_rate=0.3, schedule="constant")
    optimizer = optimizer_for(network, given)
    assert type(optimizer) is kind
    assert float(optimizer.learning_rate) == pytest.approx(0.3)
    assert optimizer.built
    assert optimizer.global_clipnorm == (None if name == "sgd" else CLIPNORM)


def test_each_network_has_its_rate_and_adam_the_first_moment_of_isola():
    training = Adversarial(optimizer="adam", learning_rates=(0.1, 0.2), learning_rate=None)
    both = [optimizer_for(line(), training, which) for which in (0, 1)]
    assert [float(one.learning_rate) for one in both] == pytest.approx([0.1, 0.2])
    assert [one.beta_1 for one in both] == [0.5, 0.5]
    assert optimizer_for(line(), Supervised(optimizer="adam")).beta_1 == 0.9


@pytest.mark.parametrize(
    ("training", "norm"),
    [
        (Supervised(loss="gaussian_nll"), CLIPNORM),
        (Supervised(loss={"tas": "mae", "pr": "bernoulli_gamma_nll"}), CLIPNORM),
        (Supervised(loss="crps"), CLIPNORM),
        (Supervised(loss="crps", clipnorm=None), None),
        (Supervised(loss="mae"), CLIPNORM),
        (Supervised(loss="mae", optimizer="sgd"), None),
        (Supervised(loss="gaussian_nll", optimizer="sgd"), CLIPNORM),
        (Supervised(loss="mae", clipnorm=0.5), 0.5),
        (Adversarial(), None),
        (Adversarial(clipnorm=2), 2),
    ],
    ids=str,
)
def test_the_norm_of_gradients(training, norm):
    for which in range(len(training.rates_of(0))):
        assert optimizer_for(line(), training, which).global_clipnorm == norm


def test_losses_are_scaled_in_half_precision():
    optimizer = optimizer_for(tiny(precision="mixed_float16"), Supervised())
    assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    assert isinstance(optimizer_for(tiny(), Supervised()), keras.optimizers.Adam)


# --- what it takes --------------------------------------------------------------------------


def test_gradients_are_taken_as_they_are():
    network = line(2.0)
    optimizer = optimizer_for(network, Supervised(optimizer="sgd", learning_rate=0.1))
    optimizer.apply([tf.constant([[3.0]])], network.trainable_variables)
    np.testing.assert_allclose(network.get_weights()[0], 2 - 0.1 * 3)


def two_weights():
    """``prediction = 2 * (3 * lr)``."""
    lr = keras.Input((None, None, 1), name="lr")
    start = keras.initializers.Constant
    first = keras.layers.Dense(1, use_bias=False, kernel_initializer=start(3.0))(lr)
    return keras.Model(
        {"lr": lr}, keras.layers.Dense(1, use_bias=False, kernel_initializer=start(2.0))(first)
    )


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
@pytest.mark.parametrize("norm", [0.5, 100.0, None])
def test_gradients_are_clipped_by_their_norm_together(norm, precision):
    keras.config.set_dtype_policy(precision)
    try:
        network = two_weights()
    finally:
        keras.config.set_dtype_policy("float32")
    given = Supervised(optimizer="sgd", learning_rate=0.1, clipnorm=norm, loss="mae")
    optimizer = optimizer_for(network, given)
    gradients = np.float32([3.0, 4.0])  # of norm 5; each for itself would be 0.5 and 0.5
    loss_scale = float(optimizer.scale_loss(1.0))
    scaled = [tf.constant([[g * loss_scale]]) for g in gradients]
    optimizer.apply(scaled, network.trainable_variables)
    cut = 1 if norm is None else min(1, norm / np.linalg.norm(gradients))
    expected = np.float32([3.0, 2.0]) - 0.1 * gradients * cut
    np.testing.assert_allclose(np.ravel(network.get_weights()), expected, rtol=1e-6)


REPLICAS = """
import tensorflow as tf
from tests.training import line
from xr_dl4ds.config import Supervised
from xr_dl4ds.training.optimizers import optimizer_for

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["cpu:0", "cpu:1"])
with strategy.scope():
    network = line(2.0)
    optimizer = optimizer_for(network, Supervised(optimizer="sgd", learning_rate=0.1))


@tf.function
def step():
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    gradient = tf.reshape(tf.cast(replica, tf.float32) + 3, (1, 1))  # 3 and 4
    optimizer.apply([gradient], network.trainable_variables)


strategy.run(step)
print(network.get_weights()[0].item())
"""


@pytest.mark.slow
def test_on_replicas_of_tensorflow_they_are_added_up():
    out = subprocess.check_output([sys.executable, "-c", REPLICAS], text=True, cwd=ROOT)
    assert float(out.split()[-1]) == pytest.approx(2 - 0.1 * (3 + 4))


def graphs():
    """How many are kept by TensorFlow."""
    gc.collect()
    return sum(type(thing).__name__ == "FuncGraph" for thing in gc.get_objects())


TRAININGS = {
    "supervised": lambda: fit(tiny(), toy()),
    "adamw": lambda: fit(tiny(), toy(), optimizer="adamw"),
    "validated": lambda: fit(tiny(), toy(), toy(4, seed=2)),
    "likelihood": lambda: fit(tiny(distribution="gaussian"), toy(), loss="gaussian_nll"),
    "averaged": lambda: fit(tiny(), toy(), toy(4, seed=2), ema=0.9, schedule="cosine"),
    "half": lambda: fit(tiny(precision="mixed_float16"), toy(), precision="mixed_float16"),
    "adversarial": lambda: compete(tiny(), judge(), toy(), noise_channels=0),
}


@pytest.mark.traced
@pytest.mark.parametrize("kind", thinned(TRAININGS, ["adversarial"]))
def test_no_graph_is_left_after_training(kind):
    """Keras's own way of adding gradients up leaves each, with weights and moments."""
    TRAININGS[kind]()
    before = graphs()
    TRAININGS[kind]()
    assert graphs() <= before

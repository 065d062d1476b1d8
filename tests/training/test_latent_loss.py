"""The loss of members from latent noise: its default weights, and those that a user gives."""

import types

import numpy as np
import pytest
import tensorflow as tf

from tests.training import samples_of
from xr_dl4ds.config import Sampling, Supervised
from xr_dl4ds.networks.losses.field_crps import energy_score, pooled_crps, spectral_crps
from xr_dl4ds.networks.losses.probabilistic_losses import crps
from xr_dl4ds.training import loop
from xr_dl4ds.training.usual_amplitudes import usual_amplitudes

RNG = np.random.default_rng(0)
TARGET = RNG.normal(size=(5, 8, 12, 3)).astype("f4")
MEMBERS = RNG.normal(size=(4, 5, 8, 12, 2)).astype("f4")
WEIGHT = (RNG.random(TARGET.shape) < 0.8).astype("f4")
SIZES = np.array([0.5, 2.0], "f4")


def loss_of(loss, **sampling):
    """The loss of the targets "b" and "c" of three, which have latent noise."""
    task = types.SimpleNamespace(
        targets=types.SimpleNamespace(names=("a", "b", "c")),
        latent=types.SimpleNamespace(
            members=types.SimpleNamespace(channels=(1, 2)),
            noise=types.SimpleNamespace(sizes=SIZES),
        ),
    )
    samples = samples_of(np.zeros((5, 4, 6, 1), "f4"), TARGET, scale=2)
    return loop._latent_loss(task, samples, Supervised(loss=loss), Sampling(**sampling))


def value(loss, size=slice(None)):
    given = TARGET[:, :, size], MEMBERS[:, :, :, size], WEIGHT[:, :, size]
    return float(loss(*map(tf.constant, given)))


@pytest.mark.parametrize(
    "loss",
    [
        "crps",
        {"crps": 1, "pooled_crps": 0.3, "spectral_crps": 0.1},
        {"a": "mae", "b": "crps", "c": "crps"},
    ],
    ids=str,
)
@pytest.mark.parametrize("edge", [12, 8])
def test_crps_stands_for_three_losses(loss, edge):
    target, weight, members = TARGET[:, :, :edge, 1:], WEIGHT[:, :, :edge, 1:], MEMBERS
    members = members[:, :, :, :edge]
    samples = samples_of(np.zeros((5, 4, 6, 1), "f4"), TARGET, scale=2)
    usual = usual_amplitudes(samples, {(8, 12), (8, 8)}, (1, 2))[8, edge] / SIZES
    expected = float(crps(target, members, weight))
    expected += 0.3 * sum(float(pooled_crps(target, members, weight, k)) for k in (2, 4))
    expected += 0.1 * float(spectral_crps(target, members, weight, usual))
    found = loss_of(loss, patch_size=8)
    assert found.n == 4
    assert value(found, slice(edge)) == pytest.approx(expected, rel=1e-6)


def test_weights_are_those_given():
    target, weight = TARGET[..., 1:], WEIGHT[..., 1:]
    assert value(loss_of({"crps": 1})) == pytest.approx(float(crps(target, MEMBERS, weight)))
    score = float(energy_score(target, MEMBERS, weight))
    assert value(loss_of({"energy": 0.5})) == pytest.approx(0.5 * score)


def test_each_target_has_its_loss():
    of = [TARGET[..., 1:2], MEMBERS[..., :1], WEIGHT[..., 1:2]]
    other = [TARGET[..., 2:], MEMBERS[..., 1:], WEIGHT[..., 2:]]
    blocks = sum(float(pooled_crps(*other, k)) for k in (2, 4))
    expected = (float(energy_score(*of)) + blocks) / 2
    found = loss_of({"a": "mae", "b": "energy", "c": "pooled_crps"})
    assert value(found) == pytest.approx(expected, rel=1e-6)

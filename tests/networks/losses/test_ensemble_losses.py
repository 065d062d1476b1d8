"""Losses of members by name, against NumPy loops; masks, and gradients at corners."""

import numpy as np
import pytest
import tensorflow as tf

from xr_dl4ds.config import choices
from xr_dl4ds.networks.losses.ensemble_losses import ENSEMBLE, build_ensemble_loss
from xr_dl4ds.networks.losses.field_crps import PATCH, energy_score

SHAPE = (3, 11, 18, 2)
RNG = np.random.default_rng(0)
TARGET = RNG.normal(size=SHAPE).astype("f4")
MEMBERS = RNG.normal(size=(4, *SHAPE)).astype("f4")
WEIGHT = (RNG.random(SHAPE) < 0.7).astype("f4")
WEIGHT[0, :, :9, 0] = 0  # a whole patch, and whole blocks
USUAL = {(11, 18): RNG.uniform(0.5, 2, (11, 10, 2)).astype("f4")}


def value(name, target=TARGET, members=MEMBERS, weight=WEIGHT, usual=USUAL):
    weights = {name: 1.0} if isinstance(name, str) else name
    return build_ensemble_loss(weights, usual)(*map(tf.constant, (target, members, weight)))


def value_and_gradient(name, target, members, weight):
    members = tf.constant(members)
    with tf.GradientTape() as tape:
        tape.watch(members)
        found = build_ensemble_loss({name: 1.0}, USUAL)(
            tf.constant(target), members, tf.constant(weight)
        )
    return float(found), tape.gradient(found, members).numpy()


# --- references -----------------------------------------------------------------------------------


def fair(distance, members, truth):
    """Score of Ferro (2014) for members and truth that have a distance."""
    n = len(members)
    near = sum(distance(m, truth) for m in members) / n
    return near - sum(distance(a, b) for a in members for b in members) / (2 * n * (n - 1))


def cells(target, members, weight):
    found = fair(lambda a, b: abs(a - b), members.astype("f8"), target.astype("f8"))
    return found[weight == 1].mean()


def parts(shape, size):
    """Slices of the blocks of a batch, in each sample and channel; those at the end are shorter."""
    for b, c in np.ndindex(shape[0], shape[-1]):
        for y in range(0, shape[1], size):
            for x in range(0, shape[2], size):
                yield b, slice(y, y + size), slice(x, x + size), c


def blocks(target, members, weight):
    total = 0.0
    for size in (2, 4):
        scores = []
        for at in parts((SHAPE[0], 11 // size * size, 18 // size * size, SHAPE[-1]), size):
            valid = weight[at] == 1
            if valid.any():
                drawn = [m[at][valid].mean(dtype="f8") for m in members]
                true = target[at][valid].mean(dtype="f8")
                scores.append(fair(lambda a, b: abs(a - b), drawn, true))
        total += np.mean(scores)
    return total


def amplitudes(target, members, weight):
    def of(x):
        size = abs(np.fft.rfft2(np.where(weight == 1, x, 0).astype("f8"), axes=(1, 2))) / 198
        return np.sqrt(size**2 + 1e-4 / 198) / USUAL[11, 18]

    some = weight.any(axis=(1, 2), keepdims=True)
    scores = fair(lambda a, b: abs(a - b), [of(m) for m in members], of(target))
    return scores[np.broadcast_to(some, scores.shape)].mean()


def patches(target, members, weight):
    total = count = 0.0
    for at in parts(SHAPE, 8):
        valid = weight[at] == 1
        if valid.any():
            drawn, true = [m[at][valid].astype("f8") for m in members], target[at][valid]
            score = fair(lambda a, b: np.linalg.norm(a - b), drawn, true) / np.sqrt(valid.sum())
            total, count = total + score * valid.sum(), count + valid.sum()
    return total / count


REFERENCES = {
    "crps": cells,
    "pooled_crps": blocks,
    "spectral_crps": amplitudes,
    "energy": patches,
}


def test_every_name_has_a_loss():
    assert tuple(ENSEMBLE) == choices.ENSEMBLE_LOSSES == tuple(REFERENCES)
    assert set(choices.LATENT_CRPS) < set(ENSEMBLE)
    assert PATCH == 8


@pytest.mark.parametrize("weight", [WEIGHT, np.ones_like(WEIGHT)], ids=["masked", "whole"])
@pytest.mark.parametrize("name", REFERENCES)
def test_each_loss_is_a_naive_loop(name, weight):
    expected = REFERENCES[name](TARGET, MEMBERS, weight)
    actual = value(name, weight=weight)
    np.testing.assert_allclose(actual, expected, rtol=2e-5)
    assert actual.dtype == "float32"


def test_weights_add_losses():
    weights = {"crps": 2.0, "energy": 0.5, "pooled_crps": 0.3, "spectral_crps": 0.1}
    expected = sum(share * REFERENCES[n](TARGET, MEMBERS, WEIGHT) for n, share in weights.items())
    np.testing.assert_allclose(value(weights), expected, rtol=2e-5)


def test_energy_of_one_cell_is_its_crps():
    shape = (5, 1, 1, 1)
    target, members = RNG.normal(size=shape).astype("f4"), RNG.normal(size=(3, *shape)).astype("f4")
    given = target, members, np.ones(shape, "f4")
    np.testing.assert_allclose(value("energy", *given), value("crps", *given), rtol=1e-5)


def test_energy_does_not_depend_on_the_number_of_members_or_cells():
    # |x - y| of independent standard normal fields is about sqrt(2), and with the pairs half of it
    for n, edge in ((2, 32), (6, 32), (2, 64)):
        rng = np.random.default_rng(n)
        target = rng.normal(size=(8, edge, edge, 1)).astype("f4")
        members = rng.normal(size=(n, *target.shape)).astype("f4")
        actual = energy_score(target, members, np.ones_like(target))
        np.testing.assert_allclose(actual, np.sqrt(2) / 2, rtol=0.02)


def test_energy_sees_texture_that_cells_cannot_see():
    # fields of one value each, and members of one value each or of one value per cell
    rng = np.random.default_rng(0)
    target = np.broadcast_to(rng.normal(size=(2000, 1, 1, 1)), (2000, 8, 8, 1)).astype("f4")
    smooth = np.broadcast_to(rng.normal(size=(2, 2000, 1, 1, 1)), (2, *target.shape)).astype("f4")
    noisy = rng.normal(size=smooth.shape).astype("f4")
    one = np.ones_like(target)
    scores = {k: [float(value(k, target, m, one)) for m in (smooth, noisy)] for k in REFERENCES}
    assert scores["energy"][1] > 1.1 * scores["energy"][0]
    assert scores["crps"][1] < 1.05 * scores["crps"][0]


# --- shapes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REFERENCES)
def test_time_steps_are_samples(name):
    sequences = (np.stack([x] * 2, axis=-4) for x in (TARGET, MEMBERS, WEIGHT))
    np.testing.assert_allclose(value(name, *sequences), value(name), rtol=1e-5)


def test_blocks_that_do_not_fit_are_left_out():
    given = TARGET[:, :3], MEMBERS[:, :, :3], WEIGHT[:, :3]
    assert float(value("pooled_crps", *given)) > 0
    assert float(value("pooled_crps", *(x[..., :1, :, :] for x in given))) == 0


def test_amplitudes_of_other_shapes_are_left_out():
    given = TARGET[:, :9], MEMBERS[:, :, :9], WEIGHT[:, :9]
    assert float(value("spectral_crps", *given)) == 0
    np.testing.assert_array_equal(
        value({"crps": 1.0, "spectral_crps": 1.0}, *given), value("crps", *given)
    )


@pytest.mark.traced
@pytest.mark.parametrize("name", REFERENCES)
def test_members_of_open_size_in_a_graph(name):
    # networks do not know the size of their fields; the batches do
    known, members = (None, *SHAPE[1:]), (4, None, None, None, 2)
    specs = [tf.TensorSpec(s, "float32") for s in (known, members, known)]
    graph = tf.function(build_ensemble_loss({name: 1.0}, USUAL)).get_concrete_function(*specs)
    actual = graph(*map(tf.constant, (TARGET, MEMBERS, WEIGHT)))
    np.testing.assert_allclose(actual, value(name), rtol=1e-5)


# --- corners --------------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [np.nan, np.inf, -3e38])
@pytest.mark.parametrize("name", REFERENCES)
def test_masked_cells_never_matter(name, hidden):
    expected = value_and_gradient(name, TARGET, MEMBERS, WEIGHT)
    hiding = (np.where(WEIGHT == 1, x, np.float32(hidden)) for x in (TARGET, MEMBERS))
    actual = value_and_gradient(name, *hiding, WEIGHT)
    assert actual[0] == expected[0]
    np.testing.assert_array_equal(actual[1], expected[1])
    assert np.isfinite(actual[1]).all()
    assert (actual[1][..., WEIGHT == 0] == 0).all()
    assert (actual[1] != 0).any()


@pytest.mark.parametrize("name", REFERENCES)
def test_fields_without_valid_cells_are_zero(name):
    found, gradient = value_and_gradient(name, TARGET, MEMBERS, 0 * WEIGHT)
    assert found == 0
    assert (gradient == 0).all()


@pytest.mark.parametrize("kind", ["f2", "f4"])
@pytest.mark.parametrize("name", REFERENCES)
def test_members_that_equal_the_truth_are_perfect(name, kind):
    members = np.stack([TARGET] * 4).astype(kind)
    found, gradient = value_and_gradient(name, TARGET.astype(kind), members, WEIGHT.astype(kind))
    assert found == 0
    assert gradient.dtype == kind
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", REFERENCES)
def test_one_member_that_equals_the_truth_has_a_finite_gradient(name):
    members = np.concatenate([TARGET[None], MEMBERS[1:]])
    found, gradient = value_and_gradient(name, TARGET, members, WEIGHT)
    assert np.isfinite(found)
    assert np.isfinite(gradient).all()
    assert (gradient[1:] != 0).any()


@pytest.mark.parametrize("away", [0.0, 1e-30, 1e-6, 1.0])
@pytest.mark.parametrize("name", REFERENCES)
def test_constant_fields_have_finite_gradients(name, away):
    members = np.full(MEMBERS.shape, away, "f4")
    found, gradient = value_and_gradient(name, np.zeros_like(TARGET), members, WEIGHT)
    assert np.isfinite(found)
    assert np.isfinite(gradient).all()
    if away == 1:  # towards the truth
        assert found > 0
        assert gradient.sum() > 0


@pytest.mark.parametrize("name", REFERENCES)
def test_half_precision_is_summed_in_float32(name):
    # squares and sums of these overflow in float16
    given = [(1000 * x).astype("f2") for x in (TARGET, MEMBERS)]
    found, gradient = value_and_gradient(name, *given, WEIGHT.astype("f2"))
    expected = REFERENCES[name](*(x.astype("f8") for x in given), WEIGHT)
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    assert np.isfinite(gradient).all()
    assert (gradient != 0).any()

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from xr_dl4ds.config import choices
from xr_dl4ds.config.distribution_channels import is_latent, parameter_channels
from xr_dl4ds.networks import losses
from xr_dl4ds.networks.losses import (
    composite,
    field_crps,
    structure,
)
from xr_dl4ds.networks.losses import (
    pointwise_losses as pointwise,
)
from xr_dl4ds.networks.losses import (
    probabilistic_losses as probabilistic,
)
from xr_dl4ds.networks.losses.by_target import DISTRIBUTION_LOSSES

SHAPE = (2, 12, 13)
RNG = np.random.default_rng(0)
TARGET = RNG.random((*SHAPE, 4)).astype("f4")
WEIGHT = (RNG.random((*SHAPE, 4)) < 0.8).astype("f4")
OUTPUT = RNG.random((*SHAPE, 4)).astype("f4")


def channels(x, *wanted):
    return x[..., list(wanted)]


def of(loss, *wanted, output=OUTPUT):
    return float(loss(*(channels(x, *wanted) for x in (TARGET, output, WEIGHT))))


def test_every_distribution_has_a_term():
    kinds = set(choices.DISTRIBUTIONS.values())
    assert set(DISTRIBUTION_LOSSES) == kinds
    # the loss of latent members is that of `training.latent_loss`
    assert {kind for kind in choices.PARAMETERS if not is_latent(kind)} == kinds


def test_targets_with_latent_members_are_left_out():
    loss = losses.build_target_loss(["mae", "crps"], kinds=[None, "latent"])
    target, weight = ops.ones((1, 4, 4, 2)), ops.ones((1, 4, 4, 2))
    output = ops.zeros((1, 4, 4, 8))
    assert float(loss(target, output, weight)) == 0.5  # half of the targets, with the error 1


@pytest.mark.parametrize("loss", ["mae", "mse", "dssim_mae", {"dssim": 0.3, "mse": 2.0}], ids=str)
def test_one_plain_loss_for_all_is_the_loss_of_the_whole(loss):
    low, high = [-1, 0, 0, 0.5], [2, 1, 3, 1]
    built = losses.build_target_loss([loss] * 4, low=low, high=high)
    expected = composite.build(loss, low, high)(TARGET, OUTPUT, WEIGHT)
    np.testing.assert_array_equal(built(TARGET, OUTPUT, WEIGHT), expected)


def test_several_plain_losses_count_by_their_targets():
    low, high = [-1, 0, 0, 0.5], [2, 1, 3, 1]
    built = losses.build_target_loss(["mse", "mae", "dssim", "mse"], low=low, high=high)
    dssim = composite.build("dssim", low[2:3], high[2:3])
    expected = of(pointwise.mse, 0, 3) / 2 + of(pointwise.mae, 1) / 4 + of(dssim, 2) / 4
    np.testing.assert_allclose(built(TARGET, OUTPUT, WEIGHT), expected, rtol=1e-6)
    assert abs(of(structure.dssim, 2) - of(dssim, 2)) > 1e-3  # the limits were the target's own


def test_distributions_take_their_own_parameters():
    names = ["bernoulli_gamma_nll", "mae", "gaussian_nll", "bernoulli_gamma_nll"]
    zeros = (0.1, 9.0, 9.0, 0.3)
    output = RNG.uniform(0.2, 1, (*SHAPE, 9)).astype("f4")
    own = parameter_channels(["bernoulli_gamma", None, "gaussian", "bernoulli_gamma"])
    assert own == ({"wet": 4, "shape": 5}, {}, {"spread": 6}, {"wet": 7, "shape": 8})

    def amounts(i, wet, shape):
        given = (channels(output, c) for c in (i, wet, shape))
        return probabilistic.bernoulli_gamma_nll(
            channels(TARGET, i), *given, zeros[i], channels(WEIGHT, i)
        )

    gaussian = probabilistic.gaussian_nll(
        *(channels(x, c) for x, c in ((TARGET, 2), (output, 2), (output, 6), (WEIGHT, 2)))
    )
    terms = (
        amounts(0, 4, 5),
        of(pointwise.mae, 1, output=output),
        gaussian,
        amounts(3, 7, 8),
    )
    actual = losses.build_target_loss(names, offsets_from_zero=zeros)(TARGET, output, WEIGHT)
    np.testing.assert_allclose(actual, np.mean([float(x) for x in terms]), rtol=1e-6)


def test_one_distribution_alone():
    output = RNG.uniform(0.2, 1, (*SHAPE, 2)).astype("f4")
    given = (channels(x, 0) for x in (TARGET, WEIGHT))
    target, weight = given
    expected = probabilistic.gaussian_nll(target, output[..., :1], output[..., 1:], weight)
    actual = losses.build_target_loss(["gaussian_nll"])(target, output, weight)
    np.testing.assert_array_equal(actual, expected)


def test_zeros_are_none_by_default():
    output = RNG.uniform(0.2, 1, (*SHAPE, 3)).astype("f4")
    given = channels(TARGET, 0), output, channels(WEIGHT, 0)
    built = [
        losses.build_target_loss(["bernoulli_gamma_nll"], offsets_from_zero=z)
        for z in (None, [0.0], [0.5])
    ]
    values = [float(loss(*given)) for loss in built]
    assert values[0] == values[1] != values[2]


# --- members --------------------------------------------------------------------------------------

MEMBERS = RNG.random((3, *SHAPE, 4)).astype("f4")


def test_crps_is_taken_over_members():
    built = losses.build_target_loss(["crps"] * 4, members=True)
    expected = probabilistic.crps(TARGET, MEMBERS, WEIGHT)
    np.testing.assert_array_equal(built(TARGET, MEMBERS, WEIGHT), expected)


def test_each_target_has_its_loss_of_members():
    asked = ["energy", {"crps": 1.0, "spectral_crps": 0.2}, "crps", "energy"]
    usual = {SHAPE[1:]: RNG.uniform(0.5, 2, (12, 7, 4)).astype("f4")}
    built = losses.build_target_loss(asked, members=True, usual=usual)
    one = [channels(x, 1) for x in (TARGET, MEMBERS, WEIGHT)]
    terms = [
        of(field_crps.energy_score, 0, 3, output=MEMBERS) / 2,
        of(probabilistic.crps, 1, output=MEMBERS) / 4,
        0.2 * float(field_crps.spectral_crps(*one, usual[SHAPE[1:]][..., 1:2])) / 4,
        of(probabilistic.crps, 2, output=MEMBERS) / 4,
    ]
    np.testing.assert_allclose(built(TARGET, MEMBERS, WEIGHT), sum(terms), rtol=1e-6)


def test_losses_of_members_follow_the_curve():
    built = losses.build_target_loss(["energy"] * 4, members=True, curves=["log1p"] * 4)
    expected = field_crps.energy_score(np.log1p(TARGET), np.log1p(MEMBERS), WEIGHT)
    np.testing.assert_allclose(built(TARGET, MEMBERS, WEIGHT), expected, rtol=1e-5)


@pytest.mark.parametrize("loss", ["mae", {"dssim": 0.3, "mse": 2.0}], ids=str)
def test_other_losses_are_of_each_member(loss):
    built = losses.build_target_loss([loss] * 4, members=True)
    each = [float(composite.build(loss)(TARGET, member, WEIGHT)) for member in MEMBERS]
    np.testing.assert_allclose(built(TARGET, MEMBERS, WEIGHT), np.mean(each), rtol=1e-6)


def test_mixed_with_members():
    output = RNG.uniform(0.2, 1, (3, *SHAPE, 5)).astype("f4")
    built = losses.build_target_loss(["crps", "mse", "gaussian_nll", "crps"], members=True)
    crps = probabilistic.crps(*(channels(x, 0, 3) for x in (TARGET, output, WEIGHT)))
    mse = np.mean([of(pointwise.mse, 1, output=member) for member in output])
    nll = np.mean(
        [
            probabilistic.gaussian_nll(
                *(channels(x, c) for x, c in ((TARGET, 2), (m, 2), (m, 4), (WEIGHT, 2)))
            )
            for m in output
        ]
    )
    expected = float(crps) / 2 + mse / 4 + nll / 4
    np.testing.assert_allclose(built(TARGET, output, WEIGHT), expected, rtol=1e-6)


@pytest.mark.traced
def test_sequences_and_open_sizes_in_a_graph():
    built = losses.build_target_loss(["crps", "mae"], members=True)
    open_sizes = [(None, None, None, None, 2)] * 2
    members = (3, None, None, None, None, 2)
    specs = [tf.TensorSpec(s, "float32") for s in (open_sizes[0], members, open_sizes[1])]
    graph = tf.function(built).get_concrete_function(*specs)
    shape = (2, 4, 5, 6, 2)
    target, weight = RNG.random(shape).astype("f4"), np.ones(shape, "f4")
    output = RNG.random((3, *shape)).astype("f4")
    expected = built(target, output, weight)
    actual = graph(*(tf.constant(x) for x in (target, output, weight)))
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "loss", ["huber", {"crps": 1.0, "mae": 1.0}, {"gaussian_nll": 1.0}], ids=str
)
def test_unknown_losses_are_named(loss):
    with pytest.raises(ValueError, match="Expected `loss` to be one of mae"):
        losses.build_target_loss([loss], members=True)

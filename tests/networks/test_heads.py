"""Noise that goes into a generator, and distributions that come out."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.networks.reference import options
from tests.tiers import every
from xr_dl4ds.config import BACKBONES, UPSAMPLINGS, Scale
from xr_dl4ds.config.choices import SPATIAL_ONLY
from xr_dl4ds.networks import Ports, generator
from xr_dl4ds.networks.losses import build_target_loss

KINDS = ("bernoulli_gamma", "gaussian", None)
ZEROS = (0.6, 0.0, -0.2)
CELLS = [
    (name, upsampling, sequence)
    for name in BACKBONES
    for upsampling in UPSAMPLINGS
    for sequence in (False, True)
    if (name != "unet" or upsampling == "interpolation") and not (sequence and name in SPATIAL_ONLY)
]


def ports(**given):
    given = {
        "n_lr": 2,
        "n_static": 1,
        "lr_channels": (0, 1, None),
        "scale": 2,
        "offsets_from_zero": ZEROS,
        **given,
    }
    return Ports(**{**given, "scale": Scale.of(given["scale"])})


def build(p, precision="float32", **given):
    """All weights random: a fresh network adds nothing to the interpolation."""
    window = 3 if p.sequence else None
    network = generator(options(time_window=window, **given), p, precision=precision)
    rng = np.random.default_rng(1)
    for w in network.weights:
        w.assign(rng.normal(scale=0.3, size=w.shape))
    return network


def inputs(p, y=3, x=5, batch=2, seed=0):
    rng = np.random.default_rng(seed)
    time, fine = (3,) if p.sequence else (), (p.scale.y * y, p.scale.x * x)
    given = {"lr": rng.normal(size=(batch, *time, y, x, p.n_lr))}
    if p.n_static:
        given["static"] = rng.normal(size=(batch, *fine, p.n_static))
    if p.n_noise:
        given["noise"] = rng.normal(size=(batch, *time, *fine, p.n_noise))
    if p.masked:
        given["valid"] = rng.random((batch, *fine, len(p.lr_channels))) > 0.3
    return {name: value.astype("f4") for name, value in given.items()}


def block_mean(values, scale):
    *lead, y, x = values.shape
    return values.reshape(*lead, y // scale, scale, x // scale, scale).mean(axis=(-3, -1))


# --- the whole matrix -----------------------------------------------------------------------


#: Each network twice; the first tier takes one of the two in turn.
TWICE = [(*cell, odd) for i, cell in enumerate(CELLS) for odd in (bool(i % 2), not i % 2)]


@pytest.mark.parametrize(("name", "upsampling", "sequence", "odd"), every(3, TWICE))
def test_noise_goes_in_and_distributions_come_out(name, upsampling, sequence, odd):
    for_cell = CELLS.index((name, upsampling, sequence))
    scale = ((1, 5), (3, 2))[for_cell % 2][odd]
    p = ports(scale=scale, sequence=sequence, n_static=int(odd), n_noise=2, distributions=KINDS)
    network = build(p, backbone=name, upsampling=upsampling, constraint="additive")
    given = inputs(p)
    actual = np.asarray(network(given))
    assert actual.shape == (2, *((3,) if sequence else ()), 3 * scale, 5 * scale, 6)
    assert actual.dtype == np.float32
    assert set(given) == {tensor.name for tensor in network.inputs}
    mean, _, _, wet, shape, spread = np.moveaxis(actual, -1, 0)
    assert (mean + ZEROS[0]).min() >= -1e-5
    assert ((shape >= np.float32(0.05)) & (shape <= np.float32(1000.001))).all()
    assert (spread >= np.float32(1e-3)).all()
    assert all(values.std() > 0 for values in (wet, shape, spread))
    assert np.isfinite(actual).all()
    # each member has its own fields, with the same mean over each LR cell
    other = np.asarray(network({**given, "noise": inputs(p, seed=7)["noise"]}))
    none = np.asarray(network({**given, "noise": 0 * given["noise"]}))
    assert np.isfinite(none).all()
    for member in (actual, other, none):
        means = block_mean(np.moveaxis(member[..., :2], -1, 0), scale)
        expected = np.moveaxis(given["lr"], -1, 0).copy()
        expected[0] = np.maximum(expected[0], -ZEROS[0])
        np.testing.assert_allclose(means, expected, atol=1e-4)
    # at scale 1 the constraint leaves nothing open
    for channel in range(2 if scale == 1 else 0, 6):
        fields = [member[..., channel] for member in (actual, other, none)]
        assert not np.array_equal(fields[0], fields[1])
        assert not np.array_equal(fields[0], fields[2])


@pytest.mark.parametrize("upsampling", ["subpixel", "interpolation"])
def test_noise_matters_at_its_own_place_and_time(upsampling):
    p = ports(n_noise=1, n_static=0, sequence=True)
    network = build(p, upsampling=upsampling)
    given = inputs(p, 14, 16, batch=1)
    before = np.asarray(network(given))
    given["noise"][0, 1, 13, 15] += 1
    changed = np.abs(np.asarray(network(given)) - before)[0].max(axis=-1) > 0
    # recurrent: a step knows those before it
    assert changed.any(axis=(1, 2)).tolist() == [False, True, True]
    rows, columns = np.nonzero(changed[1])
    assert rows.min() <= 13 <= rows.max()
    assert columns.min() <= 15 <= columns.max()
    assert not changed[1].all()


def test_hr_noise_goes_past_the_backbone_too():
    p = ports(n_noise=1)
    network = build(p)
    for name in ("backbone_first", "backbone_last"):
        for w in network.get_layer(name).weights:
            w.assign(np.zeros(w.shape))
    for name in [x.name for x in network.layers if x.name.startswith("upsampling")]:
        for w in network.get_layer(name).weights:
            w.assign(np.zeros(w.shape))
    given = inputs(p)
    other = {**given, "noise": inputs(p, seed=7)["noise"]}
    assert not np.array_equal(network(given), network(other))


# --- a first guess --------------------------------------------------------------------------


def test_an_untrained_network_is_sensible():
    p = ports(distributions=KINDS)
    given = inputs(p)
    actual = np.asarray(generator(options(), p)(given))
    plain = np.asarray(generator(options(), ports())(given))
    # the mean of a gaussian is the interpolated field; that of amounts its softplus from zero
    np.testing.assert_array_equal(actual[..., 1:3], plain[..., 1:])
    softplus = np.log1p(np.exp(plain[..., 0] + ZEROS[0])) - ZEROS[0]
    np.testing.assert_allclose(actual[..., 0], softplus, atol=1e-5)
    np.testing.assert_allclose(
        actual[..., 3:], np.broadcast_to([0, 0.7, 0.3], (2, 6, 10, 3)), rtol=1e-4
    )


# --- amounts never fall below nothing -------------------------------------------------------


@pytest.mark.sparse(2)
@pytest.mark.parametrize(
    "given",
    [
        {"constraint": "additive"},
        {"constraint": "multiplicative"},
        {"constraint": "softmax"},
        {"constraint": None},
        {"constraint": None, "output_activation": "relu"},
        {"constraint": None, "output_activation": "softplus"},
    ],
    ids=str,
)
@pytest.mark.parametrize("skip", [0, None])
@pytest.mark.parametrize("masked", [False, True])
def test_amounts_are_never_negative(given, skip, masked):
    masked = masked and given["constraint"] is not None  # masks are the constraint's
    p = ports(
        lr_channels=(1, skip),
        offsets_from_zero=(0.0, 0.5),
        distributions=(None, "bernoulli_gamma"),
        masked=masked,
    )
    fields = inputs(p, 6, 8)
    if masked:  # a block without any valid cell says nothing
        fields["valid"][:, ::2, ::2] = 1
    network = build(p, **given)
    values = np.asarray(network(fields))[..., 1] + 0.5
    assert values.min() >= -1e-5
    assert values.std() > 0
    others = np.asarray(network(fields))[..., 0]
    if given == {"constraint": None}:
        assert others.min() < -0.1  # only amounts are kept from it
    if given["constraint"] == "additive" and not masked:
        np.testing.assert_allclose(block_mean(others, 2), fields["lr"][..., 1], atol=1e-5)


def test_the_additive_constraint_is_not_added_twice():
    p = ports(distributions=KINDS)
    network = generator(options(constraint="additive"), p)
    kinds = {
        x.name: (x.kind, x.channels) for x in network.layers if x.name.startswith("constraint")
    }
    assert kinds == {
        "constraint": ("additive", (None, 1, None)),
        "constraint_multiplicative": ("multiplicative", (0, None, None)),
    }


def test_parameters_of_amounts_know_the_mean():
    p = ports(
        n_static=0,
        lr_channels=(0,),
        offsets_from_zero=(0.5,),
        n_lr=1,
        distributions=("bernoulli_gamma",),
    )
    network = build(p, constraint="additive", interpolation_skip=True)
    conv = network.get_layer("parameters_conv")
    kernel = np.zeros(conv.kernel.shape, "f4")
    kernel[1, 1, -1, 0] = 2  # of the last feature, the logarithm, to the logit
    conv.set_weights([kernel, np.zeros(2, "f4")])
    mean, wet, _ = np.moveaxis(np.asarray(network(inputs(p))), -1, 0)
    expected = 2 * np.log(np.maximum(mean + 0.5, 0) + 1e-3)
    np.testing.assert_allclose(wet, expected, rtol=1e-4, atol=1e-4)


# --- what is as it was ----------------------------------------------------------------------


@pytest.mark.parametrize("sequence", [False, True])
@pytest.mark.parametrize("constraint", [None, "additive"])
def test_without_noise_and_distributions_nothing_changes(constraint, sequence):
    given = options(constraint=constraint, time_window=3 if sequence else None)
    plain = generator(given, ports(sequence=sequence), seed=3)
    same = generator(given, ports(sequence=sequence, n_noise=0, distributions=(None,) * 3), seed=3)
    # but for Keras's own numbers
    first, second = ([re.sub(r"\d+", "", x.name) for x in n.layers] for n in (plain, same))
    assert first == second
    assert not [x for x in plain.layers if x.name.startswith(("noise", "parameters"))]
    assert [x.path for x in same.weights] == [x.path for x in plain.weights]
    for a, b in zip(same.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_everything_that_comes_out_is_float32(precision):
    p = ports(distributions=KINDS, n_noise=1)
    network = build(p, precision, constraint="additive")
    assert network(inputs(p)).dtype == "float32"
    assert network.get_layer("parameters_conv").compute_dtype == "float32"
    # 1.001 would be 1 in bfloat16 and 1.0009766 in float16
    conv = network.get_layer("parameters_conv")
    conv.set_weights([np.zeros(conv.kernel.shape), np.full(3, 1.001)])
    np.testing.assert_allclose(np.asarray(network(inputs(p)))[..., 3], np.float32(1.001), rtol=1e-7)


def test_weights_are_saved_and_loaded(tmp_path):
    p = ports(distributions=KINDS, n_noise=1)
    network = build(p, constraint="additive")
    network.save_weights(tmp_path / "a.weights.h5")
    again = generator(options(constraint="additive"), p, seed=9)
    again.load_weights(tmp_path / "a.weights.h5")
    np.testing.assert_array_equal(again(inputs(p)), network(inputs(p)))
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(inputs(p)), network(inputs(p)))


def test_the_likelihood_reaches_all_weights():
    p = ports(distributions=KINDS, n_noise=1)
    network = build(p, constraint="additive")
    loss = build_target_loss(
        ["bernoulli_gamma_nll", "gaussian_nll", "mae"], offsets_from_zero=ZEROS
    )
    target = np.random.default_rng(2).normal(size=(2, 6, 10, 3)).astype("f4")
    with tf.GradientTape() as tape:
        value = loss(target, network(inputs(p)), np.ones_like(target))
    variables = [v.value for v in network.trainable_variables]
    for gradient in tape.gradient(value, variables):
        assert np.isfinite(gradient).all()
        assert (np.asarray(gradient) != 0).any()

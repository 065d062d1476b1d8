"""How far networks look is what a disturbance says, and what parts of a field need."""

import keras
import numpy as np
import pytest

from tests.networks.test_periodic import CELLS, backbone, build, inputs, plain, ports  # noqa: F401
from tests.tiers import every
from xr_dl4ds.networks import Reach, periodic, reach_of
from xr_dl4ds.networks.layers import CropTo

STEPS = 3
#: What is less, as a share of the values, may be another order of the same sums.
ROUNDING = 3e-7


def seen(network, p, size, align, y=False, trials=8):
    """LR cells to the farthest HR cell that a disturbed LR cell in the middle has changed."""
    lr = inputs(p, size if y else 2 * align, 2 * align if y else size, batch=1)["lr"]
    axis, rng, farthest = (-3 if y else -2), np.random.default_rng(4), 0
    for cell in range(size // 2, size // 2 + align):
        disturbed = np.repeat(lr, trials + 1, axis=0)
        at = [slice(None)] * disturbed.ndim
        at[0], at[axis] = slice(1, None), cell
        disturbed[tuple(at)] += 5 * rng.normal(size=disturbed[tuple(at)].shape)
        given = {n: np.repeat(v, trials + 1, 0) for n, v in inputs_of(network, p, lr).items()}
        out = np.asarray(network({**given, "lr": disturbed}))
        # in the same place of a batch: elsewhere in it TensorFlow may add in another order
        still = np.asarray(network({**given, "lr": np.repeat(lr, trials + 1, axis=0)}))
        changed = np.abs(out - still)[1:] > ROUNDING * np.abs(out).max()
        changed = np.moveaxis(changed, axis, 0).reshape(out.shape[axis], -1).any(1)
        places = np.flatnonzero(changed) // p.scale.x
        farthest = max(farthest, cell - places.min(), places.max() - cell)
    assert farthest < size // 2 - align  # the field is large enough to see it
    return farthest


def inputs_of(network, p, lr):
    given = inputs(p, *lr.shape[-3:-1], batch=1)
    return {tensor.name: given[tensor.name] for tensor in network.inputs}


# --- what generators see --------------------------------------------------------------------


#: Each network at both scales; the first tier takes one of the two in turn.
SCALED = [(*cell, scale) for i, cell in enumerate(CELLS) for scale in (2, 3)[:: 1 - 2 * (i % 2)]]


@pytest.mark.parametrize(("name", "upsampling", "sequence", "scale"), every(3, SCALED))
def test_reach_is_what_a_disturbance_reaches(name, upsampling, sequence, scale):
    p = ports(scale=scale, sequence=sequence)
    network = build(p, backbone=name, upsampling=upsampling, activation="elu")
    found = reach_of(network, steps=STEPS if sequence else 1)
    truth = seen(network, p, 2 * found.cells + 2 * found.align + 3, found.align)
    assert found.cells == truth
    assert found.align == (2 if name == "unet" and scale == 3 else 1)
    assert reach_of(periodic(network), steps=STEPS if sequence else 1) == found


@pytest.mark.parametrize(
    "given",
    [
        {"n_blocks": 3, "decoder_upsampling": "subpixel"},
        {"n_blocks": 2, "decoder_upsampling": "deconvolution", "scale": 3},
        {"n_blocks": 2, "decoder_upsampling": "resize", "scale": 1},
    ],
    ids=str,
)
def test_reach_of_the_unet(given):
    scale = given.pop("scale", 4)
    p = ports(scale=scale)
    network = build(p, backbone="unet", activation="elu", **given)
    found = reach_of(network)
    truth = seen(network, p, 2 * found.cells + 2 * found.align + 3, found.align, trials=16)
    # the larger of two pooled cells hides the other one, and the other way round for others
    assert truth <= found.cells <= truth + 1
    assert found.align == {4: 2, 3: 4, 1: 4}[scale]


@pytest.mark.sparse(3)
@pytest.mark.parametrize(
    ("given", "of_ports"),
    [
        ({"constraint": "additive"}, {"masked": True}),
        ({"constraint": "softmax", "interpolation_skip": False}, {"n_noise": 2}),
        ({"upsampling": "interpolation"}, {"interpolation": "bilinear", "scale": 4}),
        ({"upsampling": "resize", "normalization": "layer"}, {"scale": 8, "n_noise": 1}),
        (
            {"constraint": "additive", "output_activation": None},
            {"distributions": ("bernoulli_gamma", "gaussian"), "offsets_from_zero": (0.5, 0.0)},
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("sequence", [False, True])
def test_reach_counts_constraints_heads_and_noise(given, of_ports, sequence):
    p = ports(sequence=sequence, **of_ports)
    network = build(p, activation="elu", **given)
    found = reach_of(network, steps=STEPS if sequence else 1)
    truths = [seen(network, p, 2 * found.cells + 5, 1, y=y) for y in (False, True)]
    # through many recurrent steps, what comes from furthest may be lost in rounding
    assert found.cells - int(sequence) <= min(truths) <= max(truths) <= found.cells


def test_a_resnet_by_hand():
    # LR: 3 x 3 at both ends of the backbone and before the upsampling, two in each of four blocks
    # HR: two of the output block and the output, three cells, within two LR cells of scale 2
    assert reach_of(build(ports(), n_blocks=4)) == Reach(cells=3 + 8 + 2, align=1)
    # an HR cell is at most the third of four in its cell, so that three more are one LR cell
    assert reach_of(build(ports(scale=4), n_blocks=4)) == Reach(cells=3 + 8 + 1, align=1)


def test_recurrent_layers_look_further_with_each_step():
    network = build(ports(sequence=True))
    # 5 x 5 and 3 x 3: steps are gone back once, by the wider of the two
    expected = [5 + 3 + 2 * (steps - 1) for steps in (1, 2, 5)]
    assert [reach_of(network, steps=s).cells for s in (1, 2, 5)] == expected


def test_static_fields_count_where_they_reach_furthest():
    # a network that looks at one LR cell, but at five HR cells of static fields to either side
    lr = keras.Input((None, None, 1), name="lr")
    static = keras.Input((None, None, 1), name="static")
    fine = keras.layers.Conv2D(1, 11, padding="same")(static)
    out = keras.layers.Add()([keras.layers.UpSampling2D(2)(lr), fine])
    assert reach_of(keras.Model({"lr": lr, "static": static}, out)) == Reach(cells=3, align=1)
    pooled = keras.layers.MaxPooling2D(4)(fine)
    pooled = keras.layers.UpSampling2D(4)(pooled)
    out = keras.layers.Add()([keras.layers.UpSampling2D(2)(lr), pooled])
    assert reach_of(keras.Model({"lr": lr, "static": static}, out)).align == 2


# --- what parts of a field need -------------------------------------------------------------


@pytest.mark.parametrize(("name", "upsampling", "sequence"), every(2, CELLS))
def test_a_part_with_its_halo_is_the_part_of_the_whole(name, upsampling, sequence):
    p = ports(scale=3, sequence=sequence)
    network = build(p, backbone=name, upsampling=upsampling, activation="elu")
    found = reach_of(network, steps=STEPS if sequence else 1)
    halo = -(-found.cells // found.align) * found.align
    core = 2 * found.align
    whole = inputs(p, core + 2 * halo + 6 * found.align, core + 2 * halo + 6 * found.align, batch=1)
    expected = np.asarray(network(whole))
    begin = 2 * found.align
    size = halo + core + found.cells  # the end need not be aligned

    def cut(x, first, n):
        return x[..., first : first + n, first : first + n, :]

    part = {
        n: cut(v, *((begin, size) if n == "lr" else (begin * 3, size * 3)))
        for n, v in whole.items()
    }
    actual = cut(np.asarray(network(part)), halo * 3, core * 3)
    expected = cut(expected, (begin + halo) * 3, core * 3)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


# --- what is not known ----------------------------------------------------------------------


def test_attention_looks_at_the_whole_field():
    for given in ({"backbone": "unet", "n_blocks": 2}, {"upsampling": "subpixel"}):
        found = reach_of(build(ports(scale=2), attention=True, **given))
        assert found == Reach(cells=None, align=2 if "backbone" in given else 1)


def dense(x, _):
    return keras.ops.relu(keras.layers.Dense(4)(keras.layers.Softmax()(x)))


def of_channels(x, _):
    weight = keras.ops.mean(x, axis=-1, keepdims=True)
    return x * weight + keras.ops.max(x, axis=3, keepdims=True)


KNOWN = {
    dense: 0,
    of_channels: 0,
    lambda x, _: keras.layers.AveragePooling2D(5, strides=1, padding="same")(x): 2,
    lambda x, _: keras.layers.Conv2D(4, (1, 9), dilation_rate=2, padding="same")(x): 8,
    lambda x, _: keras.layers.Conv2D(4, (6, 1), padding="same")(x): 3,
    lambda x, _: keras.layers.SeparableConv2D(4, 3, padding="same")(x): 1,
}


@pytest.mark.parametrize(("function", "cells"), KNOWN.items())
def test_layers_of_keras(backbone, function, cells):  # noqa: F811
    network = backbone(function)
    # beside the backbone: one LR cell before the upsampling, two for three HR ones; bicubic skip
    assert reach_of(network).cells == max(cells + 3, 2)
    y = cells == 3
    assert seen(network, ports(), 2 * cells + 13, 1, y=y) == cells + 3


WHOLE = {
    "pooling": lambda x: keras.layers.Multiply()(
        [x, keras.layers.GlobalMaxPooling2D(keepdims=True)(x)]
    ),
    "mean": lambda x: x - keras.ops.mean(x, axis=(1, 2), keepdims=True),
    "all": lambda x: x - keras.ops.max(x),
    "groups": lambda x: keras.layers.GroupNormalization(2)(x),
    "softmax": lambda x: keras.layers.Softmax(axis=2)(x),
    "lambda": lambda x: keras.layers.Lambda(lambda v: v[:, ::-1])(x),
    "roll": lambda x: keras.ops.roll(x, 1, axis=2),
    "valid": lambda x: keras.layers.Conv2D(4, 3)(keras.layers.ZeroPadding2D(1)(x)),
    # padding before the first cell: 1 of odd sizes, 0 of even ones
    "strided": lambda x: CropTo()(
        [keras.layers.UpSampling2D(2)(keras.layers.Conv2D(4, 3, 2, padding="same")(x)), x]
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_what_looks_at_the_whole_field_or_is_not_known(backbone, name):  # noqa: F811
    assert reach_of(backbone(lambda x, _: WHOLE[name](x))).cells is None


def test_nested_and_shared_layers_are_followed(backbone):  # noqa: F811
    def nested(x, _):
        inner = keras.Input((None, None, 4))
        model = keras.Model(inner, keras.layers.Conv2D(4, 5, padding="same")(inner))
        x = keras.layers.Conv2D(4, 1)(x)
        return keras.Sequential([model, keras.layers.Conv2D(4, 3, padding="same")])(model(x))

    network = backbone(nested)
    assert reach_of(network).cells == 2 + 2 + 1 + 3
    assert seen(network, ports(), 25, 1) == 8


def test_a_strided_backbone_of_even_kernels(backbone):  # noqa: F811
    def strided(x, _):
        keep = {"padding": "same"}
        coarse = keras.layers.AveragePooling2D(2, **keep)(keras.layers.MaxPooling2D(2, **keep)(x))
        fine = keras.layers.UpSampling2D(2, interpolation="bilinear")(coarse)
        return CropTo()([keras.layers.Conv2DTranspose(4, 3, strides=2, **keep)(fine), x])

    network = backbone(strided)
    found = reach_of(network)
    assert found.align == 4
    truth = seen(network, ports(), 2 * found.cells + 11, 4)
    assert truth <= found.cells <= truth + 2  # bilinear weights reach one side, either is counted


def test_a_backbone_of_many_layers(backbone):  # noqa: F811
    network = backbone(plain)
    found = reach_of(network)
    truth = seen(network, ports(), 2 * found.cells + 11, 4)
    assert truth <= found.cells <= truth + 2
    assert reach_of(periodic(network)) == found

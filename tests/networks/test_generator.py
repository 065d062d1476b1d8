import contextlib
import random

import keras
import numpy as np
import pytest

from tests.tiers import thinned
from xr_dl4ds.config import BACKBONES, UPSAMPLINGS, Network, Sampling, Scale, settled
from xr_dl4ds.config.choices import ACTIVATIONS, SPATIAL_ONLY
from xr_dl4ds.networks import Ports, generator
from xr_dl4ds.networks.layers import Interpolation


def tiny(**options):
    window = options.pop("time_window", None)
    network = Network(**{"n_filters": 4, "n_blocks": 1, **options})
    return settled(network, Sampling(time_window=window))


def ports(**options):
    given = {"n_lr": 2, "n_static": 0, "lr_channels": (1,), "scale": 2, **options}
    return Ports(**{**given, "scale": Scale.of(given["scale"])})


def inputs(p, y=3, x=5, batch=2, seed=0):
    rng = np.random.default_rng(seed)
    time = (3,) if p.sequence else ()
    given = {"lr": rng.normal(size=(batch, *time, y, x, p.n_lr)).astype("f4")}
    if p.n_static:
        shape = (batch, p.scale.y * y, p.scale.x * x, p.n_static)
        given["static"] = rng.normal(size=shape).astype("f4")
    return given


def interpolated(p, lr):
    return np.asarray(Interpolation(p.scale.public, p.interpolation, p.lr_channels)(lr))


# --- the whole matrix -----------------------------------------------------------------------

CELLS = [
    (name, upsampling, sequence)
    for name in BACKBONES
    for upsampling in UPSAMPLINGS
    for sequence in (False, True)
    if (name != "unet" or upsampling == "interpolation") and not (sequence and name in SPATIAL_ONLY)
]


#: Every network at every scale, with the skip at every other; each cell has both.
SCALES = [1, 2, 3, 4, 5, 6]
SIZES = [
    (*cell, scale, bool((i + k) % 2))
    for i, cell in enumerate(CELLS)
    for k, scale in enumerate(SCALES)
]


#: Each network at two scales, and each scale with every third network.
FEW = [size for size in SIZES if (CELLS.index(size[:3]) + SCALES.index(size[3])) % 3 == 0]


@pytest.mark.parametrize(("name", "upsampling", "sequence", "scale", "skip"), thinned(SIZES, FEW))
def test_output_is_exactly_scale_times_the_input(name, upsampling, sequence, scale, skip):
    # defects 1 and 3 of DL4DS: `dc` at scale 4 gave 16, and only 2, 4, 5, 8, 20 were to be had
    p = ports(scale=scale, n_static=scale % 2, lr_channels=(1, None, 0), sequence=sequence)
    window = 3 if sequence else None
    options = tiny(
        backbone=name, upsampling=upsampling, interpolation_skip=skip, time_window=window
    )
    network = generator(options, p, seed=1)
    given = inputs(p)
    actual = np.asarray(network(given))
    assert actual.shape == (2, *((3,) if sequence else ()), 3 * scale, 5 * scale, 3)
    assert actual.dtype == np.float32
    assert set(given) == {tensor.name for tensor in network.inputs}
    if skip:  # a fresh network is the interpolated LR field itself; 0 where there is none
        steps = given["lr"].reshape(-1, *given["lr"].shape[-3:])
        expected = interpolated(p, steps).reshape(actual.shape)
        np.testing.assert_array_equal(actual, expected)
        np.testing.assert_array_equal(actual[..., 1], 0)
    else:
        assert np.isfinite(actual).all()
        axes = tuple(range(actual.ndim - 1))
        assert (actual.std(axis=axes) > 0).all()


@pytest.mark.parametrize("upsampling", ["subpixel", "resize", "deconvolution"])
def test_defect_3_every_stage_has_weights_of_its_own_and_none_is_built_in_vain(upsampling):
    # DL4DS always built the layers for x2 and x5, and used one layer twice for x4 and x8
    network = generator(tiny(upsampling=upsampling), ports(scale=8))
    stages = [layer for layer in network.layers if layer.name.startswith("upsampling")]
    kernels = [w.numpy() for layer in stages for w in layer.weights if w.numpy().ndim == 4]
    n_stages = len({layer.name.split("_")[0] for layer in stages})
    assert n_stages == (2 if upsampling == "resize" else 1)
    assert len({k.tobytes() for k in kernels}) == len(kernels)
    plain = generator(tiny(upsampling=upsampling), ports(scale=1))
    assert not [layer for layer in plain.layers if layer.name.startswith("upsampling")]


def test_one_network_serves_all_sizes():
    p = ports(n_static=1)
    network = generator(tiny(), p)
    for y, x in ((2, 2), (7, 3), (1, 9)):
        assert network(inputs(p, y, x)).shape == (2, 2 * y, 2 * x, 1)


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "nearest"])
def test_the_skip_interpolates_as_asked(interpolation):
    p = ports(interpolation=interpolation, scale=3)
    given = inputs(p)
    expected = interpolated(p, given["lr"])
    np.testing.assert_array_equal(generator(tiny(), p)(given), expected)


def test_without_a_counterpart_nothing_is_skipped():
    # with a zero output and no field to add, the network would begin as a constant and the first
    # gradient would reach the output layer alone
    p = ports(lr_channels=(None,))
    assert np.asarray(generator(tiny(interpolation_skip=True), p)(inputs(p))).std() > 0


def test_parameters_by_hand():
    # resnet, 4 filters, 1 LR and 1 static channel; 3x3: 9 a b + b, 1x1: a b + b
    first, block, last = 9 * 1 * 4 + 4, 2 * (9 * 4 * 4 + 4), 9 * 4 * 4 + 4
    up = 9 * 4 * 16 + 16  # 4 filters x 2**2 cells
    static = (1 * 4 + 4) + (9 * 1 * 4 + 4) + (9 * 4 * 4 + 4)
    transition, output = 8 * 4 + 4, 9 * 4 * 1 + 1
    expected = first + block + last + up + static + transition + block + output
    p = ports(n_lr=1, n_static=1, lr_channels=(0,))
    assert generator(tiny(), p).count_params() == expected
    assert generator(tiny(n_blocks=3), p).count_params() == expected + 2 * block


def test_filters_are_halved_on_the_hr_grid():
    network = generator(tiny(n_filters=16), ports())
    assert network.get_layer("backbone_first").filters == 16
    assert network.get_layer("output_block_conv1").filters == 8


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activation_takes_effect(activation):
    network = generator(tiny(activation=activation), ports(n_static=1))
    x = np.linspace(-2, 2, 9, dtype="f4")
    expected = getattr(keras.activations, activation)(x)
    own = ("backbone_block1_conv1", "static_conv1", "output_block_conv1")
    for name in (*(f"{n}_activation" for n in own), "transition"):
        np.testing.assert_allclose(network.get_layer(name).activation(x), expected, rtol=1e-6)


def test_static_fields_matter_at_their_own_cell():
    p = ports(n_static=1, n_lr=1, lr_channels=(None,))
    network = generator(tiny(activation="linear"), p)
    given = inputs(p, 12, 14, batch=1)
    before = np.asarray(network(given))
    given["static"][0, 11, 17, 0] += 1
    rows, columns = np.nonzero(np.abs(np.asarray(network(given)) - before)[0, ..., 0] > 1e-6)
    # two convolutions of the branch, two of the output block, one of the output: 5 cells
    assert (rows.min(), rows.max()) == (11 - 5, 11 + 5)
    assert (columns.min(), columns.max()) == (17 - 5, 17 + 5)


@pytest.mark.parametrize(
    ("name", "upsampling", "time_window"),
    [
        ("resnet", "subpixel", None),
        ("densenet", "interpolation", None),
        ("unet", "interpolation", None),
        ("convnext", "resize", None),
        ("convnet", "subpixel", 3),
        ("convnet", "interpolation", 3),
    ],
)
def test_attention_does_not_see_what_is_far_from_the_domain(name, upsampling, time_window):
    # convolutions do not reach the corner of the input; means over all cells do
    options = tiny(
        backbone=name, upsampling=upsampling, attention=True, time_window=time_window, n_filters=8
    )
    given = {"context": 20, "sequence": time_window is not None}
    moved = []
    for margin in (20, 0):
        p = ports(**given, attention_margin=margin)
        network = generator(options, p, seed=1)
        network.get_layer("output").kernel.assign_add(keras.ops.ones((3, 3, 4, 1)))
        lr = inputs(p, y=42, x=43, batch=1)["lr"]
        other = lr.copy()
        other[..., 0, 0, :] += 1000
        moved.append(np.abs(network({"lr": other}) - network({"lr": lr})).max())
    assert moved[0] == 0
    assert moved[1] > 1e-5


# --- seed and the caller's state ------------------------------------------------------------


def weights(seed, upsampling="subpixel"):
    network = generator(tiny(upsampling=upsampling), ports(n_static=1), seed=seed)
    return [w for w in network.get_weights() if w.any()]


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_weights_follow_the_seed(upsampling):
    first = weights(3, upsampling)
    random.seed(99)
    keras.utils.set_random_seed(17)
    again, other = weights(3, upsampling), weights(4, upsampling)
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


def test_layers_begin_with_different_weights():
    kernels = [w for w in weights(0) if w.shape == (3, 3, 4, 4)]
    assert len({k.tobytes() for k in kernels}) == len(kernels) >= 4


@contextlib.contextmanager
def callers_state():
    """A dtype policy and a random state that are not the default, which must survive."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    random.seed(5)
    try:
        yield
        assert keras.config.dtype_policy().name == "float64"
        assert random.random() == random.Random(5).random()
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_the_callers_state_is_untouched(precision):
    with callers_state():
        network = generator(tiny(), ports(), precision=precision)
    assert network.compute_dtype == precision.removeprefix("mixed_")


@pytest.mark.parametrize(
    ("p", "precision", "message"),
    [(ports(lr_channels=()), "float32", "filters"), (ports(), "mixed_float8", "mixed_float8")],
)
def test_the_callers_state_is_untouched_when_building_fails(p, precision, message):
    with callers_state(), pytest.raises(ValueError, match=message):
        generator(tiny(), p, precision=precision)


# --- precision ------------------------------------------------------------------------------


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_output_and_interpolation_are_float32_in_mixed_precision(precision, upsampling):
    p = ports()
    network = generator(tiny(upsampling=upsampling), p, precision=precision)
    given = inputs(p)
    actual = network(given)
    assert actual.dtype == "float32"
    # rounding to bfloat16 would be 0.004 of the value, to float16 0.0005
    np.testing.assert_array_equal(actual, interpolated(p, given["lr"]))
    # the residual too: 1.001 would be 1 in bfloat16 and 1.0009766 in float16
    network.get_layer("output").bias.assign([1.001])
    np.testing.assert_allclose(network(given), actual + np.float32(1.001), rtol=1e-6)
    assert {v.dtype for v in network.trainable_variables} == {"float32"}
    assert network.get_layer("backbone_first").compute_dtype == precision.removeprefix("mixed_")
    if upsampling == "interpolation":
        inner = keras.Model(network.input, network.get_layer("upsampling_interpolation").output)
        expected = Interpolation(2)(given["lr"])
        np.testing.assert_array_equal(np.asarray(inner(given), "f4"), expected)

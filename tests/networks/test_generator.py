import contextlib
import random

import keras
import numpy as np
import pytest

from xr_dl4ds.config import ACTIVATIONS, BACKBONES, UPSAMPLINGS, Network
from xr_dl4ds.layers import Interpolation
from xr_dl4ds.networks import Ports, generator
from xr_dl4ds.networks.backbones import backbone
from xr_dl4ds.networks.blocks import convolutional_block, residual_block
from xr_dl4ds.networks.upsampling import deconvolution, resize, subpixel


def tiny(**options):
    return Network(**{"n_filters": 4, "n_blocks": 1, **options})


def ports(**options):
    return Ports(**{"n_lr": 2, "n_static": 0, "skips": (1,), "scale": 2, **options})


def inputs(p, y=3, x=5, batch=2, seed=0):
    rng = np.random.default_rng(seed)
    given = {"lr": rng.normal(size=(batch, y, x, p.n_lr)).astype("f4")}
    if p.n_static:
        shape = (batch, p.scale * y, p.scale * x, p.n_static)
        given["static"] = rng.normal(size=shape).astype("f4")
    return given


def interpolated(p, lr):
    return np.asarray(Interpolation(p.scale, p.interpolation, p.skips)(lr))


# --- the whole matrix -----------------------------------------------------------------------


@pytest.mark.parametrize("skip", [True, False], ids=["skip", "whole"])
@pytest.mark.parametrize("n_static", [0, 2])
@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
@pytest.mark.parametrize("name", BACKBONES)
def test_output_is_exactly_scale_times_the_input(name, upsampling, scale, n_static, skip):
    # defects 1 and 3 of DL4DS: `dc` at scale 4 gave 16, and only 2, 4, 5, 8, 20 were to be had
    p = ports(scale=scale, n_static=n_static, skips=(1, None, 0))
    network = generator(
        tiny(backbone=name, upsampling=upsampling, interpolation_skip=skip), p, seed=1
    )
    given = inputs(p)
    actual = np.asarray(network(given))
    assert actual.shape == (2, 3 * scale, 5 * scale, 3)
    assert actual.dtype == np.float32
    assert set(given) == {tensor.name for tensor in network.inputs}
    if skip:  # a fresh network is the interpolated LR field itself; 0 where there is none
        np.testing.assert_array_equal(actual, interpolated(p, given["lr"]))
        np.testing.assert_array_equal(actual[..., 1], 0)
    else:
        assert np.isfinite(actual).all()
        assert (actual.std(axis=(0, 1, 2)) > 0).all()


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
    p = ports(skips=(None,))
    assert np.asarray(generator(tiny(interpolation_skip=True), p)(inputs(p))).std() > 0


def test_parameters_by_hand():
    # resnet, 4 filters, 1 LR and 1 static channel; 3x3: 9 a b + b, 1x1: a b + b
    first, block, last = 9 * 1 * 4 + 4, 2 * (9 * 4 * 4 + 4), 9 * 4 * 4 + 4
    up = 9 * 4 * 16 + 16  # 4 filters x 2**2 cells
    static = (1 * 4 + 4) + (9 * 1 * 4 + 4) + (9 * 4 * 4 + 4)
    transition, output = 8 * 4 + 4, 9 * 4 * 1 + 1
    expected = first + block + last + up + static + transition + block + output
    p = ports(n_lr=1, n_static=1, skips=(0,))
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
    for name in ("backbone_block1_conv1", "static_conv1", "transition", "output_block_conv1"):
        np.testing.assert_allclose(network.get_layer(name).activation(x), expected, rtol=1e-6)


def test_static_fields_matter_at_their_own_cell():
    p = ports(n_static=1, n_lr=1, skips=(None,))
    network = generator(tiny(activation="linear"), p)
    given = inputs(p, 12, 14, batch=1)
    before = np.asarray(network(given))
    given["static"][0, 11, 17, 0] += 1
    rows, columns = np.nonzero(np.abs(np.asarray(network(given)) - before)[0, ..., 0] > 1e-6)
    # two convolutions of the branch, two of the output block, one of the output: 5 cells
    assert (rows.min(), rows.max()) == (11 - 5, 11 + 5)
    assert (columns.min(), columns.max()) == (17 - 5, 17 + 5)


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
    [(ports(skips=()), "float32", "filters"), (ports(), "mixed_float8", "mixed_float8")],
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


# --- blocks, backbones, upsampling ----------------------------------------------------------


def model(function, channels=4):
    given = keras.Input((None, None, channels))
    return keras.Model(given, function(given))


def field(channels=4, y=5, x=7):
    return np.random.default_rng(1).normal(size=(1, y, x, channels)).astype("f4")


def zero(network):
    network.set_weights([np.zeros_like(w) for w in network.get_weights()])
    return network


def test_residual_block_with_zero_weights_is_the_identity():
    network = zero(model(lambda x: residual_block(x, 4, activation="relu", name="b")))
    np.testing.assert_array_equal(network(field()), field())


def test_residual_block_has_no_activation_after_its_second_convolution():
    # a ReLU there could only add: with the bias -1 it would leave the input as it is
    network = zero(model(lambda x: residual_block(x, 4, activation="relu", name="b")))
    network.get_layer("b_conv2").bias.assign(-np.ones(4))
    np.testing.assert_array_equal(network(field()), field() - 1)


def test_residual_block_projects_other_widths():
    network = model(lambda x: residual_block(x, 6, activation="relu", name="b"), channels=2)
    assert network(field(2)).shape == (1, 5, 7, 6)
    assert network.get_layer("b_shortcut").kernel_size == (1, 1)


def test_convolutional_block_has_no_shortcut_and_ends_with_the_activation():
    network = zero(model(lambda x: convolutional_block(x, 4, activation="relu", name="b")))
    network.get_layer("b_conv2").bias.assign([-1, 0, 1, 2])
    np.testing.assert_array_equal(network(field()), np.broadcast_to([0, 0, 1, 2], (1, 5, 7, 4)))


@pytest.mark.parametrize(("name", "skips"), [("resnet", True), ("convnet", False)])
def test_only_the_resnet_joins_both_ends(name, skips):
    network = model(lambda x: backbone(x, name, n_filters=4, n_blocks=2, activation="relu"))
    last = network.get_layer("backbone_last")
    last.set_weights([np.zeros_like(w) for w in last.get_weights()])
    first = keras.Model(network.input, network.get_layer("backbone_first").output)
    expected = np.asarray(first(field())) if skips else np.zeros((1, 5, 7, 4))
    np.testing.assert_array_equal(network(field()), expected)


def test_subpixel_puts_channels_beside_each_other():
    # a 1x1-like kernel with the biases 0..7 for 2 filters x 2**2 cells: HR cell (dy, dx) of each LR
    # cell takes the channels 2 * (2 dy + dx) and the next
    network = zero(model(lambda x: subpixel(x, 2, 2)))
    network.layers[1].bias.assign(np.arange(8))
    actual = np.asarray(network(field(y=2, x=3)))
    np.testing.assert_array_equal(actual[0, ..., 0], np.tile([[0, 2], [4, 6]], (2, 3)))
    np.testing.assert_array_equal(actual[0, ..., 1], np.tile([[1, 3], [5, 7]], (2, 3)))


@pytest.mark.parametrize("scale", [2, 3, 4, 5])
def test_deconvolution_covers_all_cells_evenly(scale):
    # 2 * scale taps at stride scale: every inner HR cell lies under 2 x 2 taps, of 4 channels each
    network = model(lambda x: deconvolution(x, 3, scale))
    network.set_weights([np.ones_like(w) * (w.ndim > 1) for w in network.get_weights()])
    actual = np.asarray(network(np.ones((1, 5, 7, 4), "f4")))[0]
    inner = actual[scale:-scale, scale:-scale]
    np.testing.assert_array_equal(inner, np.full_like(inner, 16))


def test_resize_repeats_cells_and_then_convolves():
    network = model(lambda x: resize(x, 4, 3))
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D):  # the identity in every convolution
            kernel = np.zeros(layer.kernel.shape, "f4")
            kernel[kernel.shape[0] // 2, kernel.shape[1] // 2] = np.eye(4)
            layer.set_weights([kernel, np.zeros(4)])
    np.testing.assert_array_equal(network(field()), field().repeat(3, 1).repeat(3, 2))

"""A network that goes around the globe does not know where the longitudes begin."""

import contextlib
import logging
import random
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import xr_dl4ds as xd
from tests.networks.reference import options, realization
from tests.tiers import every
from xr_dl4ds.config import BACKBONES, CUSTOM_BACKBONES, UPSAMPLINGS, Scale
from xr_dl4ds.config.choices import SPATIAL_ONLY
from xr_dl4ds.data.checks import check_global_domain
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.networks import Ports, generator, periodic, reach_of
from xr_dl4ds.networks.layers import CropTo, sampling, wrapping
from xr_dl4ds.networks.periodic import ALONE, OWN, WRAPPED

CELLS = [
    (name, upsampling, sequence)
    for name in BACKBONES
    for upsampling in UPSAMPLINGS
    for sequence in (False, True)
    if (name != "unet" or upsampling == "interpolation") and not (sequence and name in SPATIAL_ONLY)
]


def ports(**given):
    given = {"n_lr": 2, "n_static": 1, "lr_channels": (1, None), "scale": 2, **given}
    return Ports(**{**given, "scale": Scale.of(given["scale"])})


def build(p, precision="float32", **given):
    """A generator whose weights are all random: a fresh one adds nothing to the interpolation."""
    window = 3 if p.sequence else None
    network = generator(options(time_window=window, **given), p, precision=precision)
    return randomized(network)


def randomized(network):
    rng = np.random.default_rng(1)
    for w in network.weights:
        values = rng.normal(scale=0.3, size=w.shape)
        w.assign(np.abs(values) + 0.5 if w.path.endswith("variance") else values)
    return network


def inputs(p, y=4, x=8, batch=2):
    rng = np.random.default_rng(0)
    fine = (batch, p.scale.y * y, p.scale.x * x)
    time = (3,) if p.sequence else ()
    given = {"lr": rng.normal(size=(batch, *time, y, x, p.n_lr)).astype("f4")}
    if p.n_static:
        given["static"] = rng.normal(size=(*fine, p.n_static)).astype("f4")
    if p.masked:
        given["valid"] = (rng.random((*fine, len(p.lr_channels))) > 0.2).astype("f4")
    if p.n_noise:
        shape = (batch, *time, *fine[1:], p.n_noise)
        given["noise"] = rng.normal(size=shape).astype("f4")
    return given


def rolled(given, p, k):
    """All fields by `k` LR columns."""
    return {n: np.roll(v, k if n == "lr" else k * p.scale.x, axis=-2) for n, v in given.items()}


def moved(network, p, k, given=None):
    """How far rolling what goes in is from rolling what comes out, as a share of the values."""
    given = given or inputs(p)
    expected = np.roll(np.asarray(network(given)), k * p.scale.x, axis=-2)
    actual = np.asarray(network(rolled(given, p, k)))
    return np.abs(actual - expected).max() / np.abs(expected).max()


ROUNDING = 1e-5
SEAM = 1e-2


# --- the defining property ------------------------------------------------------------------


#: One backbone of each way through the scales meets them all; the others one at each upsampling.
SCALED = [(2, None), (3, "batch"), (4, "layer")]
ROLLED = [
    (*cell, *scaled)
    for i, cell in enumerate(CELLS)
    for scaled in (SCALED if cell[0] in ("resnet", "unet") else [SCALED[i % 3]])
]


@pytest.mark.parametrize(
    ("name", "upsampling", "sequence", "scale", "normalization"), every(3, ROLLED)
)
def test_rolled_fields_give_the_rolled_prediction(name, upsampling, sequence, scale, normalization):
    p = ports(scale=scale, sequence=sequence, masked=True)
    network = build(
        p,
        backbone=name,
        upsampling=upsampling,
        normalization=normalization,
        attention=True,
        dropout="vanilla",
        constraint="additive",
        # levels of the U-Net: fields roll by whole cells of the coarsest, 4 HR columns
        n_blocks=2 if name == "unet" else 1,
    )
    k = 4 if name == "unet" else 3
    assert moved(network, p, k) > SEAM
    assert moved(periodic(network), p, k) < ROUNDING


@pytest.mark.sparse(3)
@pytest.mark.parametrize("constraint", [None, "additive"])
@pytest.mark.parametrize(("name", "upsampling", "sequence"), CELLS[::4])
def test_noise_and_distributions_go_around(name, upsampling, sequence, constraint, caplog):
    p = ports(
        sequence=sequence,
        masked=constraint is not None,
        n_noise=2,
        distributions=("bernoulli_gamma", "gaussian"),
        offsets_from_zero=(0.5, 0.0),
    )
    network = build(p, backbone=name, upsampling=upsampling, constraint=constraint)
    around = periodic(network)
    assert moved(network, p, 2) > SEAM
    assert moved(around, p, 2) < ROUNDING
    assert not caplog.records  # every layer is known to go around
    plain = build(ports(sequence=sequence), backbone=name, upsampling=upsampling)
    assert reach_of(network).align == reach_of(around).align == reach_of(plain).align


@pytest.mark.parametrize(
    "given",
    [
        {"n_blocks": 3, "decoder_upsampling": "subpixel"},
        {"n_blocks": 3, "decoder_upsampling": "deconvolution"},
        {"n_blocks": 3, "decoder_upsampling": "resize", "interpolation_skip": False},
        {"n_blocks": 1, "output_activation": "softplus"},
    ],
    ids=str,
)
def test_every_decoder_of_the_unet_goes_around(given):
    p = ports()
    network = build(p, backbone="unet", **given)
    assert moved(network, p, 4) > SEAM
    assert moved(periodic(network), p, 4) < ROUNDING


def test_the_unet_follows_rolls_by_whole_cells_of_its_coarsest_level_alone():
    # as every U-Net does, on a globe or not: which columns are pooled together is fixed
    p = ports()
    network = periodic(build(p, backbone="unet", n_blocks=2))
    assert moved(network, p, 2) < ROUNDING
    assert moved(network, p, 1) > SEAM


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_fields_narrower_than_the_kernels(columns):
    p = ports()
    network = periodic(build(p, backbone="convnext", n_blocks=2))
    assert moved(network, p, 1, inputs(p, x=columns)) < ROUNDING


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "nearest"])
def test_the_interpolation_goes_around(interpolation):
    # a fresh network, which is the interpolation itself
    p = ports(interpolation=interpolation, n_static=0)
    network = generator(options(), p)
    assert moved(periodic(network), p, 3) == 0
    assert (moved(network, p, 3) > SEAM) == (interpolation != "nearest")


@pytest.mark.parametrize("sequence", [False, True])
def test_far_from_the_break_nothing_changes(sequence):
    p = ports(sequence=sequence)
    network = build(p, normalization="layer", dropout="gaussian")
    given = inputs(p, x=60)
    expected, actual = np.asarray(network(given)), np.asarray(periodic(network)(given))
    # LR: 3 x 3 at both ends of the backbone and for the upsampling, and two in its block; recurrent
    # ones of the block are 5 x 5 and 3 x 3 and take part once for the inputs and at three steps
    lr = 3 + (1 + 1 if not sequence else 3 * 2 + 3 * 1)
    # HR: two of the output block, and the output
    reach = lr * p.scale.x + 3
    apart = np.abs(actual - expected).max(axis=(*range(actual.ndim - 2), -1))
    # wider fields may be added up in another order, by the processor
    rounding = 1e-5 * np.abs(expected).max()
    assert apart[reach:-reach].max() < rounding
    assert apart[:reach].max() > rounding
    assert (apart[: reach - 2 * p.scale.x] > 0).all()


# --- the same network -----------------------------------------------------------------------


def config_without(layer, *keys):
    return {k: v for k, v in layer.get_config().items() if k not in keys}


@pytest.mark.sparse(3)
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(("name", "upsampling", "sequence"), CELLS[::3])
def test_layers_weights_and_policies_are_the_same(name, upsampling, sequence, precision):
    p = ports(sequence=sequence, scale=4)
    given = {"backbone": name, "upsampling": upsampling, "attention": True, "localized": True}
    p = ports(sequence=sequence, scale=4, shape=(16, 32))
    network = build(p, precision, dropout="spatial", **given)
    new = periodic(network)
    assert (new.name, new.dtype_policy.name) == (network.name, network.dtype_policy.name)
    assert [x.name for x in new.inputs] == [x.name for x in network.inputs]
    assert [x.path for x in new.weights] == [x.path for x in network.weights]
    assert [x.shape for x in new.outputs] == [x.shape for x in network.outputs]
    for a, b in zip(new.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(new.layers, network.layers, strict=True):
        assert a is not b
        assert (a.name, a.dtype_policy.name) == (b.name, b.dtype_policy.name)
        assert config_without(a, "wrap", "dtype") == config_without(b, "wrap", "dtype")
        assert type(a).__name__ == type(b).__name__


def test_the_two_share_nothing():
    p = ports()
    network = build(p, dropout="vanilla", monte_carlo=True)
    given = inputs(p)
    before = np.asarray(network(given))
    new = periodic(network)
    new.set_weights([w + 1 for w in new.get_weights()])
    np.testing.assert_array_equal(network(given), before)
    with sampling(new):
        np.testing.assert_array_equal(network(given), before)


def test_weights_go_from_one_to_the_other(tmp_path):
    p = ports(masked=True)
    given = {"backbone": "unet", "n_blocks": 2, "constraint": "additive", "normalization": "batch"}
    network = build(p, **given)
    new, fields = periodic(network), inputs(p)
    expected = np.asarray(new(fields))
    new.save_weights(tmp_path / "new.weights.h5")
    network.save_weights(tmp_path / "old.weights.h5")
    for path in ("new.weights.h5", "old.weights.h5"):  # a file serves both
        again = periodic(generator(options(**given), p, seed=7))
        assert (np.asarray(again(fields)) != expected).any()
        again.load_weights(tmp_path / path)
        np.testing.assert_array_equal(again(fields), expected)
    again = generator(options(**given), p, seed=7)
    again.load_weights(tmp_path / "new.weights.h5")
    np.testing.assert_array_equal(again(fields), network(fields))
    again = periodic(generator(options(**given), p, seed=7))
    again.set_weights(network.get_weights())
    np.testing.assert_array_equal(again(fields), expected)


@pytest.mark.parametrize("sequence", [False, True])
def test_saved_whole(sequence, tmp_path):
    p = ports(sequence=sequence)
    new = periodic(build(p))
    new.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(inputs(p)), new(inputs(p)))
    assert moved(loaded, p, 3) < ROUNDING


@pytest.mark.parametrize("sequence", [False, True])
def test_a_periodic_network_is_its_own_periodic_form(sequence, caplog):
    p = ports(sequence=sequence)
    network = periodic(build(p))
    np.testing.assert_array_equal(periodic(network)(inputs(p)), network(inputs(p)))
    assert warnings(caplog) == []


def test_the_callers_state_is_untouched():
    network = build(ports(), dropout="vanilla", monte_carlo=True)
    before = keras.config.dtype_policy(), keras.config.image_data_format()
    keras.config.set_dtype_policy("float64")
    keras.config.set_image_data_format("channels_first")
    random.seed(5)
    try:
        new = periodic(network)
        assert keras.config.dtype_policy().name == "float64"
        assert keras.config.image_data_format() == "channels_first"
        assert random.random() == random.Random(5).random()
    finally:
        keras.config.set_dtype_policy(before[0])
        keras.config.set_image_data_format(before[1])
    assert moved(new, ports(), 3) < ROUNDING


# --- dropout, training, precision -----------------------------------------------------------


@pytest.mark.parametrize("variant", ["vanilla", "gaussian", "spatial"])
def test_realizations_are_those_of_the_same_seed(variant):
    p = ports()
    network = build(p, dropout=variant, monte_carlo=True)
    new, given = periodic(network), inputs(p, x=40)
    members = []
    for model in (network, new):
        with realization(model, 3):
            members.append(np.asarray(model(given)))
    np.testing.assert_array_equal(members[0][:, :, 20:-20], members[1][:, :, 20:-20])
    assert (members[1] != np.asarray(new(given))).any()
    # in training too both draw the same: their generators began alike
    members = [np.asarray(model(given, training=True)) for model in (network, new)]
    np.testing.assert_array_equal(members[0][:, :, 20:-20], members[1][:, :, 20:-20])


def test_a_realization_of_whole_channels_goes_around():
    p = ports()
    network = periodic(build(p, dropout="spatial", monte_carlo=True))
    given, out = inputs(p), []
    for values in (given, rolled(given, p, 3)):
        with realization(network, 3):
            out.append(np.asarray(network(values)))
    np.testing.assert_allclose(out[1], np.roll(out[0], 6, axis=2), atol=1e-4)


@pytest.mark.traced
@pytest.mark.parametrize(("name", "sequence"), [("resnet", False), ("unet", False), ("convnet", 1)])
def test_gradients_do_not_know_where_the_longitudes_begin(name, sequence):
    p = ports(sequence=bool(sequence))
    network = periodic(build(p, backbone=name, normalization="batch", n_blocks=1))
    fields = inputs(p)
    target = np.random.default_rng(2).normal(size=network(fields).shape).astype("f4")

    @tf.function
    def gradients(values, wanted):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((network(values, training=True) - wanted) ** 2)
        return loss, tape.gradient(loss, [v.value for v in network.trainable_variables])

    loss, expected = gradients(fields, target)
    again, actual = gradients(rolled(fields, p, 2), np.roll(target, 4, axis=-2))
    np.testing.assert_allclose(again, loss, rtol=1e-5)
    largest = max(np.abs(g).max() for g in expected)
    for a, b in zip(actual, expected, strict=True):
        assert a is not None
        np.testing.assert_allclose(a, b, atol=1e-4 * largest)


def test_one_step_of_training_lowers_the_loss():
    p = ports(lr_channels=(0,))
    network = periodic(generator(options(n_filters=8), p))
    fields = inputs(p)
    target = np.repeat(np.repeat(np.tanh(fields["lr"][..., :1]), 2, axis=1), 2, axis=2)
    network.compile(keras.optimizers.SGD(0.01), "mse")
    losses = network.fit(fields, target, epochs=3, verbose=0).history["loss"]
    assert losses[2] < losses[1] < losses[0]


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(precision, upsampling):
    p = ports(n_static=0)
    network = periodic(generator(options(upsampling=upsampling), p, precision=precision))
    given = inputs(p)
    assert network(given).dtype == "float32"
    assert moved(network, p, 3) == 0  # the interpolation is float32
    network = randomized(network)
    assert network.get_layer("backbone_first").compute_dtype == precision.removeprefix("mixed_")
    assert moved(network, p, 3) < 0.02


# --- backbones of the user's own ------------------------------------------------------------


@pytest.fixture
def backbone():
    """Registers a function as the backbone `mine`, for the test; the network it becomes part of."""
    before = dict(CUSTOM_BACKBONES)

    def make(function, p=None):
        CUSTOM_BACKBONES.pop("mine", None)
        xd.register_backbone("mine")(function)
        return build(p or ports(), backbone="mine", upsampling="subpixel")

    yield make
    CUSTOM_BACKBONES.clear()
    CUSTOM_BACKBONES.update(before)


def warnings(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def plain(x, network):
    keep = {"padding": "same"}
    x = keras.layers.Conv2D(4, (3, 4), dilation_rate=2, activation="relu", **keep)(x)
    x = keras.layers.SeparableConv2D(4, 5, **keep)(x)
    shared = keras.layers.DepthwiseConv2D(3, name="shared", **keep)
    x = keras.layers.Add()([shared(x), shared(keras.ops.tanh(x) * 2)])
    x = keras.layers.AveragePooling2D(3, strides=1, **keep)(x)
    inner = keras.Input((None, None, 4))
    nested = keras.Model(inner, keras.layers.Conv2D(4, 3, **keep, name="deep")(inner))
    x = keras.Sequential([nested, keras.layers.Conv2D(4, 3, **keep), keras.layers.ReLU()])(x)
    coarse = keras.layers.Conv2D(4, 4, strides=2, **keep)(x)
    coarse = keras.layers.MaxPooling2D(2, **keep)(coarse)
    fine = keras.layers.UpSampling2D(2, interpolation="bicubic")(coarse)
    fine = keras.layers.Conv2DTranspose(4, 3, strides=2, **keep)(fine)
    return keras.layers.Concatenate()([x, CropTo()([fine, x])])


def test_a_backbone_of_plain_keras_layers_goes_around(backbone, caplog):
    network = backbone(plain)
    new = periodic(network)
    assert warnings(caplog) == []
    assert moved(network, ports(), 4) > SEAM
    assert moved(new, ports(), 4) < ROUNDING
    assert new.get_layer("shared") is not network.get_layer("shared")
    assert reach_of(network).align == reach_of(new).align == 4


class Shifted(keras.layers.Conv2D):
    """Derived from a known layer, but of its own mind."""

    def call(self, inputs):
        return super().call(keras.ops.roll(inputs, 1, axis=1))


UNKNOWN = {
    r"'odd' \(ZeroPadding2D\), 'valid' \(Conv2D\)": lambda x: keras.layers.Conv2D(
        4, 3, name="valid"
    )(keras.layers.ZeroPadding2D(1, name="odd")(x)),
    r"'odd' \(Shifted\)": lambda x: Shifted(4, 3, padding="same", name="odd")(x),
    r"'odd' \(Lambda\)": lambda x: keras.layers.Lambda(lambda v: v * 2, name="odd")(x),
    r"'roll\w*' \(Roll\)": lambda x: keras.ops.roll(x, 1, axis=2),
    r"'odd' \(TimeDistributed\)": lambda x: keras.ops.squeeze(
        keras.layers.TimeDistributed(keras.layers.Conv2D(4, 3, padding="same"), name="odd")(
            keras.ops.expand_dims(x, 1)
        ),
        axis=1,
    ),
}


@pytest.mark.parametrize("named", UNKNOWN)
def test_layers_that_are_not_known_are_named_once(backbone, caplog, named):
    network = backbone(lambda x, _: UNKNOWN[named](keras.layers.Conv2D(4, 1)(x)))
    new = periodic(network)
    (message,) = warnings(caplog)
    assert re.fullmatch(
        "predictions may have a seam at the first longitude, because these layers may not be"
        f" periodic: {named}; use Keras's convolutions and pooling with padding='same'",
        message,
    )
    # it runs, with what is known going around
    given = inputs(ports(), x=40)
    actual, expected = np.asarray(new(given)), np.asarray(network(given))
    np.testing.assert_array_equal(actual[:, :, 20:-20], expected[:, :, 20:-20])
    assert (actual != expected).any()


class Mean(keras.layers.Layer):
    """Not the one of `keras.ops`."""

    def call(self, inputs):
        return (inputs + keras.ops.roll(inputs, 1, axis=2)) / 2


def test_a_layer_is_not_known_by_its_name_alone(backbone, caplog):
    periodic(backbone(lambda x, _: Mean(name="mine")(x)))
    (message,) = warnings(caplog)
    assert "periodic: 'mine' (Mean);" in message


class Closed(keras.layers.Layer):
    """Has weights, and an argument that no configuration holds."""

    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.function = function

    def build(self, shape):
        self.factor = self.add_weight(shape=())

    def call(self, inputs):
        return self.function(inputs) * self.factor


def test_a_layer_that_cannot_be_built_again_is_named(backbone):
    network = backbone(lambda x, _: Closed(keras.ops.tanh, name="closed")(x))
    message = r"can rebuild, got 'closed' \(Closed\): .*Define get_config and from_config"
    with pytest.raises(ValueError, match=rf"(?s){message}"):
        periodic(network)


# --- columns that a network can take around --------------------------------------------------


@pytest.mark.sparse(2)
@pytest.mark.parametrize(
    ("scale", "levels", "expected"),
    # HR columns, scale x n, are halved at each level
    [(2, 1, 1), (2, 2, 2), (4, 1, 1), (4, 3, 2), (3, 1, 2), (3, 3, 8), (6, 2, 2)],
)
def test_alignment_of_the_unet(scale, levels, expected):
    p = ports(scale=scale)
    for decoder in ("resize", "subpixel", "deconvolution"):
        network = build(p, backbone="unet", n_blocks=levels, decoder_upsampling=decoder)
        assert reach_of(network).align == reach_of(periodic(network)).align == expected


@pytest.mark.parametrize(("name", "upsampling", "sequence"), every(3, CELLS))
def test_other_networks_take_any_number_of_columns(name, upsampling, sequence):
    if name != "unet":
        assert (
            reach_of(build(ports(sequence=sequence), backbone=name, upsampling=upsampling)).align
            == 1
        )


@pytest.mark.parametrize("columns", [4, 5, 6, 7, 8])
@pytest.mark.parametrize(("scale", "levels"), [(2, 2), (3, 1), (4, 3)])
def test_alignment_agrees_with_the_check_of_the_numbers(scale, levels, columns):
    step = 360 / columns
    y = Axis(name="lat", values=np.array([-45.0, 45.0]), kind="latitude")
    x = Axis(name="lon", values=step * np.arange(columns), kind="longitude")
    network = options(backbone="unet", n_blocks=levels)
    fits = columns % reach_of(generator(network, ports(scale=scale))).align == 0
    with contextlib.nullcontext() if fits else pytest.raises(GridError, match="HR columns around"):
        check_global_domain(network, Grid(y=y, x=x), Scale.of(scale))


def test_alignment_follows_what_is_nested_and_parted(backbone):
    def parted(x, network):
        keep = {"padding": "same"}
        halves = keras.ops.split(keras.layers.Conv2D(4, 1)(x), 2, axis=-1)
        coarse = keras.Sequential(
            [keras.layers.AveragePooling2D(3, **keep), keras.layers.UpSampling2D(3)]
        )(halves[1])
        inner = keras.Input((None, None, 2))
        nested = keras.Model(inner, keras.layers.Conv2D(2 * 4, 2, strides=2, **keep)(inner))
        fine = keras.ops.depth_to_space(nested(halves[0]), 2)
        return keras.layers.Concatenate()([CropTo()([coarse, x]), CropTo()([fine, x])])

    network = backbone(parted)
    assert reach_of(network).align == reach_of(periodic(network)).align == 6


def test_alignment_is_what_it_takes():
    p = ports(scale=3)
    network = periodic(build(p, backbone="unet", n_blocks=2))
    assert reach_of(network).align == 4
    assert moved(network, p, 4, inputs(p, x=8)) < ROUNDING
    # the last pooled cells of 18 columns hold one or two columns where the others hold four
    assert moved(network, p, 4, inputs(p, x=6)) > SEAM


# --- the tables -----------------------------------------------------------------------------


def test_every_layer_of_ours_is_in_one_table():
    import xr_dl4ds.networks.layers as ours

    made = {v for v in vars(ours).values() if isinstance(v, type)}
    assert made == (ALONE & made) | set(OWN)
    assert not ALONE & (set(OWN) | set(WRAPPED))


def test_forms_are_named_as_what_they_stand_for():
    # files of weights go by these names
    for layer, form in WRAPPED.items():
        assert issubclass(form, (layer, wrapping.Wrapping))
        assert form.__name__ == layer.__name__

import keras
import numpy as np
import pytest
import tensorflow as tf

from xr_dl4ds.networks.layers import wrapping

COLUMNS = 6


def field(y=5, x=COLUMNS, channels=2, batch=2, seed=0):
    return np.random.default_rng(seed).normal(size=(batch, y, x, channels)).astype("f4")


def random_weights(layer):
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    return layer


def pair(name, **options):
    """The layer of Keras and its form, of equal weights."""
    plain = getattr(keras.layers, name)(name="layer", **options)
    plain.build((None, None, None, 2))
    random_weights(plain)
    form = getattr(wrapping, name).from_config(plain.get_config())
    form.build((None, None, None, 2))
    form.set_weights(plain.get_weights())
    return plain, form


def on_a_cylinder(layer, x):
    """The middle of what the layer makes of many fields side by side."""
    turns = 9
    out = np.asarray(layer(np.tile(x, (1, 1, turns, 1))))
    width = out.shape[2] // turns
    return out[:, :, turns // 2 * width : (turns // 2 + 1) * width]


CONVOLUTIONS = {
    "3": {"kernel_size": 3},
    "1": {"kernel_size": 1},
    "2": {"kernel_size": 2},
    "even and odd": {"kernel_size": (3, 4)},
    "wider than the field": {"kernel_size": (1, 15)},
    "dilated": {"kernel_size": 3, "dilation_rate": 2},
    "dilated, even": {"kernel_size": 2, "dilation_rate": 3},
    "strides": {"kernel_size": 3, "strides": 2},
    "strides, even": {"kernel_size": 4, "strides": 3},
    "strides, large": {"kernel_size": 8, "strides": 3},
    "strides as the kernel": {"kernel_size": 2, "strides": 2},
}
POOLS = {
    "2": {"pool_size": 2},
    "3 by 1": {"pool_size": 3, "strides": 1},
    "2 by 1": {"pool_size": 2, "strides": 1},
    "3 by 2": {"pool_size": 3, "strides": 2},
    "5 by 2": {"pool_size": (3, 5), "strides": (1, 2)},
}
CASES = {
    **{f"Conv2D {k}": ("Conv2D", {"filters": 3, **v}) for k, v in CONVOLUTIONS.items()},
    **{f"DepthwiseConv2D {k}": ("DepthwiseConv2D", v) for k, v in CONVOLUTIONS.items()},
    **{
        f"SeparableConv2D {k}": ("SeparableConv2D", {"filters": 3, **v})
        for k, v in CONVOLUTIONS.items()
    },
    **{
        f"Conv2DTranspose {k} by {s}": (
            "Conv2DTranspose",
            {"filters": 3, "kernel_size": k, "strides": s},
        )
        for k, s in ((4, 2), (3, 2), (6, 3), (8, 4), (2, 2), (2, 3), (3, 1), (9, 2), (17, 1))
    },
    "Conv2DTranspose dilated": (
        "Conv2DTranspose",
        {"filters": 3, "kernel_size": 3, "dilation_rate": 2},
    ),
    **{f"{n} {k}": (n, v) for n in ("MaxPooling2D", "AveragePooling2D") for k, v in POOLS.items()},
    **{
        f"UpSampling2D {k} by {s}": ("UpSampling2D", {"interpolation": k, "size": s})
        for k in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
        for s in (2, 3)
    },
}
SAME = {
    case: (name, options if name == "UpSampling2D" else {**options, "padding": "same"})
    for case, (name, options) in CASES.items()
}


@pytest.mark.parametrize("case", SAME)
def test_the_field_goes_around(case):
    name, options = SAME[case]
    plain, form = pair(name, **options)
    x = field()
    try:
        expected = on_a_cylinder(plain, x)
    except tf.errors.InvalidArgumentError as error:
        if "do not yet support dilation" not in str(error):
            raise
        pytest.skip("TensorFlow has none on this processor, which it uses without oneDNN")
    actual = np.asarray(form(x))
    assert form.fits
    assert actual.shape == plain(x).shape == form.compute_output_shape(x.shape)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=2e-5)
    seam = np.abs(np.asarray(plain(x)) - expected).max(axis=(0, 1, 3)) > 1e-3
    assert seam.any() == any(form.margin)  # no margin without need, and none left out


@pytest.mark.parametrize("case", ["Conv2D 3", "Conv2DTranspose 4 by 2", "DepthwiseConv2D 2"])
def test_far_from_the_break_nothing_changes(case):
    name, options = SAME[case]
    plain, form = pair(name, **options)
    x = field(x=12)
    whole, inner = np.asarray(form(x)), np.asarray(plain(x))
    cut = form.margin[1]
    np.testing.assert_array_equal(whole[:, :, cut:-cut], inner[:, :, cut:-cut])
    assert (whole[:, :, -1] != inner[:, :, -1]).any()


@pytest.mark.parametrize("columns", [4, 5, 7])
@pytest.mark.parametrize("case", ["Conv2D strides, even", "MaxPooling2D 3 by 2"])
def test_columns_that_the_stride_does_not_divide_keep_their_number(case, columns):
    name, options = SAME[case]
    plain, form = pair(name, **options)
    assert form(field(x=columns)).shape == plain(field(x=columns)).shape


def test_a_kernel_by_hand():
    # columns 1 2 4 8; weights 1, 10, 100 of the cell to the west, itself, the cell to the east
    form = wrapping.Conv2D(1, (1, 3), padding="same", use_bias=False)
    form.build((None, None, None, 1))
    form.set_weights([np.array([1, 10, 100]).reshape(1, 3, 1, 1)])
    x = np.array([1, 2, 4, 8], "f4").reshape(1, 1, 4, 1)
    expected = [8 + 10 + 200, 1 + 20 + 400, 2 + 40 + 800, 4 + 80 + 100]
    np.testing.assert_array_equal(np.ravel(form(x)), expected)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Conv2D", {"filters": 3, "kernel_size": 3}),
        ("Conv2D", {"filters": 3, "kernel_size": 3, "padding": "same", "data_format": "first"}),
        ("MaxPooling2D", {"pool_size": 3, "strides": 1}),
        (
            "Conv2DTranspose",
            {"filters": 3, "kernel_size": 3, "padding": "same", "strides": 2, "output_padding": 0},
        ),
        ("UpSampling2D", {"interpolation": "bilinear", "data_format": "first"}),
    ],
)
def test_what_does_not_fit(name, options):
    if "data_format" in options:
        options = {**options, "data_format": "channels_first"}
    assert not getattr(wrapping, name)(**options).fits


@pytest.mark.traced
def test_one_graph_serves_all_sizes():
    inputs = keras.Input((None, None, 2))
    x = wrapping.Conv2D(3, 5, padding="same", name="a")(inputs)
    x = wrapping.Conv2DTranspose(2, 4, strides=2, padding="same", name="b")(x)
    network = random_weights(keras.Model(inputs, x))
    assert network.output_shape == (None, None, None, 2)
    traces = []

    @tf.function(input_signature=[tf.TensorSpec(inputs.shape, inputs.dtype)])
    def graph(values):
        traces.append(None)
        return network(values)

    for y, x in ((3, 5), (4, 1), (1, 8)):
        values = field(y, x)
        np.testing.assert_allclose(graph(values), network(values), rtol=1e-5, atol=1e-5)
    assert len(traces) == 1


@pytest.mark.parametrize("name", ["Conv2D", "Conv2DTranspose"])
def test_gradients_are_those_of_fields_side_by_side(name):
    plain, form = pair(name, filters=3, kernel_size=3, padding="same", activation="tanh")
    found = []
    for layer, turns in ((form, 1), (plain, 5)):
        x = tf.constant(field())
        with tf.GradientTape() as tape:
            tape.watch(x)
            out = layer(tf.tile(x, (1, 1, turns, 1)))
            middle = out[:, :, turns // 2 * COLUMNS : (turns // 2 + 1) * COLUMNS]
            loss = tf.reduce_sum(middle**2)
        found.append(tape.gradient(loss, [x, *[w.value for w in layer.trainable_weights]]))
    for actual, expected in zip(*found, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_mixed_precision():
    form = wrapping.Conv2D(3, 3, padding="same", dtype="mixed_bfloat16")
    assert form(field()).dtype == "bfloat16"
    assert form.kernel.dtype == "float32"


@pytest.mark.parametrize(
    "case", ["Conv2D dilated", "Conv2DTranspose 4 by 2", "MaxPooling2D 3 by 2"]
)
def test_saved_with_a_model(case, tmp_path):
    name, options = SAME[case]
    inputs = keras.Input((None, None, 2))
    layer = getattr(wrapping, name)(name="mine", **options)
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.get_layer("mine")) is getattr(wrapping, name)
    np.testing.assert_array_equal(loaded(field()), model(field()))
